//! Which backups may go, and removing them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::Utc;
use serde::Serialize;

use super::catalog::{self, BackupEntry};
use super::manifest::Manifest;
use super::place::Place;
use super::{create, files, paths, swap, verify};
use crate::error::{Error, ErrorKind};

/// The key in the manifest's metadata that marks a backup made before a run.
pub(crate) const AUTOMATIC: &str = "automatic";

const US_PER_DAY: i64 = 86_400_000_000;

/// What a cleanup removed, and what it left for a person to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cleanup {
    /// The ids of the backups that were removed, or would be; newest first.
    pub removed: Vec<String>,
    /// The ids of those that are kept though they are no good: damaged, or nobody can read them.
    pub kept_damaged: Vec<String>,
    /// Those that are kept for what no newer good one holds, by id: databases, `blobs`, `metadata`, `files`.
    pub kept_for: BTreeMap<String, Vec<String>>,
    /// The folders of what restores replaced that were removed, or would be; newest first.
    pub removed_replaced: Vec<PathBuf>,
}

/// Returns the ids beyond the newest `keep_count` good ones that are older than `keep_days`.
///
/// Reads whole what is to outlive others: only one that is good now may.
pub(super) fn removable(
    place: &Place,
    keep_count: usize,
    keep_days: u32,
) -> Result<Cleanup, Error> {
    let limit = Utc::now().timestamp_micros() - i64::from(keep_days) * US_PER_DAY;
    let is_old = |manifest: &Manifest| manifest.created_us() <= limit;
    let entries = catalog::list(place)?;
    let mut cleanup = decide(place, entries.clone(), keep_count, |_| true, is_old, None)?;
    cleanup.removed_replaced = removable_replaced(place, &entries, &cleanup, keep_count, limit)?;
    Ok(cleanup)
}

/// Returns what restores replaced, beyond the newest ones, and before the newest backup, if that is good.
fn removable_replaced(
    place: &Place,
    entries: &[BackupEntry],
    cleanup: &Cleanup,
    keep_count: usize,
    limit: i64,
) -> Result<Vec<PathBuf>, Error> {
    let mut newest =
        manifests(entries).filter(|(entry, _)| !cleanup.kept_damaged.contains(&entry.id));
    let Some((entry, manifest)) = newest.next() else { return Ok(Vec::new()) };
    let limit = limit.min(manifest.created_us());
    let trees = swap::replaced(&place.data_dir)?.into_iter().skip(keep_count.max(1));
    let old: Vec<PathBuf> = trees.filter(|tree| tree.at_us < limit).map(|tree| tree.path).collect();
    if old.is_empty() {
        return Ok(old);
    }
    match verify::verify(place, &entry.id) {
        Ok(_) => Ok(old),
        Err(error) if error.kind() == ErrorKind::DamagedBackup => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Returns the ids of automatic backups beyond the newest `keep_count`. The newest of all was made and
/// read back by the run that asks.
pub(super) fn removable_automatic(place: &Place, keep_count: usize) -> Result<Vec<String>, Error> {
    let entries = catalog::list(place)?;
    let is_automatic = |manifest: &Manifest| manifest.metadata.contains_key(AUTOMATIC);
    let newest = entries.iter().find(|entry| entry.problem.is_none()).map(|entry| entry.id.clone());
    Ok(decide(place, entries, keep_count, is_automatic, |_| true, newest)?.removed)
}

/// Decides until every backup that has to outlive others is a good one; `good` was read by the caller.
fn decide(
    place: &Place,
    mut entries: Vec<BackupEntry>,
    keep_count: usize,
    counts: impl Fn(&Manifest) -> bool,
    is_old: impl Fn(&Manifest) -> bool,
    good: Option<String>,
) -> Result<Cleanup, Error> {
    let mut verified: BTreeSet<String> = good.into_iter().collect();
    let damaged = entries.iter().filter(|entry| entry.problem.is_some());
    let mut kept_damaged: Vec<String> = damaged.map(|entry| entry.id.clone()).collect();
    loop {
        let mut needed = needed_for(&entries);
        let beyond: Vec<String> = manifests(&entries)
            .filter(|(_, manifest)| counts(manifest))
            .skip(keep_count)
            .filter(|(_, manifest)| is_old(manifest))
            .map(|(entry, _)| entry.id.clone())
            .collect();
        let (kept, removed): (Vec<String>, Vec<String>) =
            beyond.into_iter().partition(|id| needed.contains_key(id));
        let unread = needed.keys().find(|id| !verified.contains(*id)).cloned();
        let Some(unread) = unread.filter(|_| !removed.is_empty()) else {
            needed.retain(|id, _| kept.contains(id));
            return Ok(Cleanup { removed, kept_damaged, kept_for: needed, ..Cleanup::default() });
        };
        match verify::verify(place, &unread) {
            Ok(_) => drop(verified.insert(unread)),
            Err(error) if error.kind() == ErrorKind::DamagedBackup => {
                entries.retain(|entry| entry.id != unread);
                kept_damaged.push(unread);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The backups that may be good, newest first. A damaged one is left for a person to look at.
fn manifests(entries: &[BackupEntry]) -> impl Iterator<Item = (&BackupEntry, &Manifest)> {
    let good = entries.iter().filter(|entry| entry.problem.is_none());
    good.filter_map(|entry| Some((entry, entry.manifest.as_ref()?)))
}

/// Returns the newest backup of each thing that any of them holds, with what it is the newest of; so
/// backups of a part never displace the last copy of the rest.
fn needed_for(entries: &[BackupEntry]) -> BTreeMap<String, Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut needed = BTreeMap::new();
    for (entry, manifest) in manifests(entries) {
        let things: BTreeSet<&str> = manifest.checksums.keys().map(|path| thing_of(path)).collect();
        let new: Vec<String> =
            things.into_iter().filter(|thing| seen.insert(*thing)).map(str::to_owned).collect();
        if !new.is_empty() {
            needed.insert(entry.id.clone(), new);
        }
    }
    needed
}

/// Returns what a stored file is part of: its database, else `blobs`, `metadata` or `files`.
fn thing_of(stored: &str) -> &str {
    paths::database_name(stored).unwrap_or_else(|| paths::top_of(stored))
}

/// Removes backups one after the other; one that somebody else removed meanwhile is gone as well.
pub(super) fn delete_all(place: &Place, ids: &[String]) -> Result<(), Error> {
    create::clean_leftovers(place)?;
    ids.iter().try_for_each(|id| match delete(place, id) {
        Err(error) if error.kind() == ErrorKind::UnknownBackup => Ok(()),
        done => done,
    })
}

/// Removes a backup: first its name, so that a crash leaves no half of it in the list.
pub(super) fn delete(place: &Place, id: &str) -> Result<(), Error> {
    let entry = catalog::entry(place, id)?;
    let hidden = place.directory.join(format!(".tmp-removed-{id}"));
    files::remove_tree(&hidden)?;
    files::rename(&entry.path, &hidden)?;
    files::sync_dir(&place.directory)?;
    files::remove_tree(&hidden)
}
