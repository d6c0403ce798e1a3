//! Which backups may go, and removing them.

use chrono::Utc;
use serde::Serialize;

use super::catalog::{self, BackupEntry};
use super::place::Place;
use super::{create, files, verify};
use crate::error::{Error, ErrorKind};

/// The key in the manifest's metadata that marks a backup made before a run.
pub(crate) const AUTOMATIC: &str = "automatic";

const US_PER_DAY: i64 = 86_400_000_000;

/// What a cleanup removed, and what it left for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cleanup {
    /// The ids of the backups that were removed, or would be; newest first.
    pub removed: Vec<String>,
    /// The ids of those that are kept though they are no good: damaged, or nobody can read them.
    pub kept_damaged: Vec<String>,
}

/// Returns the ids beyond the newest `keep_count` good ones that are older than `keep_days`.
///
/// Reads the newest backup whole: only one that is good now may outlive all others.
pub(super) fn removable(
    place: &Place,
    keep_count: usize,
    keep_days: u32,
) -> Result<Cleanup, Error> {
    let limit = Utc::now().timestamp_micros() - i64::from(keep_days) * US_PER_DAY;
    let is_old = |entry: &BackupEntry| {
        entry.manifest.as_ref().is_some_and(|manifest| manifest.created_us() <= limit)
    };
    let mut entries = catalog::list(place)?;
    let damaged = entries.iter().filter(|entry| entry.problem.is_some());
    let mut kept_damaged: Vec<String> = damaged.map(|entry| entry.id.clone()).collect();
    loop {
        let newest = entries.iter().find(|entry| entry.problem.is_none());
        let newest = newest.map(|entry| entry.id.clone());
        let removed: Vec<String> = beyond(&entries, keep_count, |_| true)
            .filter(|entry| is_old(entry))
            .map(|entry| entry.id.clone())
            .collect();
        match newest {
            Some(newest) if !removed.is_empty() => match verify::verify(place, &newest) {
                Ok(_) => return Ok(Cleanup { removed, kept_damaged }),
                Err(error) if error.kind() == ErrorKind::DamagedBackup => {
                    entries.retain(|entry| entry.id != newest);
                    kept_damaged.push(newest);
                }
                Err(error) => return Err(error),
            },
            _ => return Ok(Cleanup { removed, kept_damaged }),
        }
    }
}

/// Returns the ids of automatic backups beyond the newest `keep_count`. The newest of all was made and
/// read back by the run that asks.
pub(super) fn removable_automatic(place: &Place, keep_count: usize) -> Result<Vec<String>, Error> {
    let is_automatic = |entry: &BackupEntry| {
        entry.manifest.as_ref().is_some_and(|manifest| manifest.metadata.contains_key(AUTOMATIC))
    };
    Ok(beyond(&catalog::list(place)?, keep_count, is_automatic)
        .map(|entry| entry.id.clone())
        .collect())
}

/// The good backups of a kind but the newest ones, and never the newest of all.
///
/// A damaged one is left for a person to look at.
fn beyond(
    entries: &[BackupEntry],
    keep_count: usize,
    counts: impl Fn(&BackupEntry) -> bool,
) -> impl Iterator<Item = &BackupEntry> {
    let good: Vec<&BackupEntry> = entries.iter().filter(|entry| entry.problem.is_none()).collect();
    let newest = good.first().map(|entry| entry.id.clone());
    let candidates: Vec<&BackupEntry> =
        good.into_iter().filter(|entry| counts(entry)).skip(keep_count).collect();
    candidates.into_iter().filter(move |entry| newest.as_ref() != Some(&entry.id))
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
