//! Which backups may go, and removing them.

use chrono::Utc;

use super::catalog::{self, BackupEntry};
use super::place::Place;
use super::{files, verify};
use crate::error::{Error, ErrorKind};

/// The key in the manifest's metadata that marks a backup made before a run.
pub(crate) const AUTOMATIC: &str = "automatic";

const US_PER_DAY: i64 = 86_400_000_000;

/// Returns the ids beyond the newest `keep_count` good ones that are older than `keep_days`.
///
/// Reads the newest backup whole: only one that is good now may outlive all others.
pub(super) fn removable(
    place: &Place,
    keep_count: usize,
    keep_days: u32,
) -> Result<Vec<String>, Error> {
    let limit = Utc::now().timestamp_micros() - i64::from(keep_days) * US_PER_DAY;
    let is_old = |entry: &BackupEntry| {
        entry.manifest.as_ref().is_some_and(|manifest| manifest.created_us() <= limit)
    };
    let mut entries = catalog::list(place)?;
    loop {
        let newest = entries.iter().find(|entry| entry.problem.is_none());
        let newest = newest.map(|entry| entry.id.clone());
        let ids: Vec<String> = beyond(&entries, keep_count, |_| true)
            .filter(|entry| is_old(entry))
            .map(|entry| entry.id.clone())
            .collect();
        match newest {
            Some(newest) if !ids.is_empty() => match verify::verify(place, &newest) {
                Ok(_) => return Ok(ids),
                Err(error) if error.kind() == ErrorKind::DamagedBackup => {
                    entries.retain(|entry| entry.id != newest);
                }
                Err(error) => return Err(error),
            },
            _ => return Ok(ids),
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

/// Removes a backup: first its name, so that a crash leaves no half of it in the list.
pub(super) fn delete(place: &Place, id: &str) -> Result<(), Error> {
    let entry = catalog::entry(place, id)?;
    let hidden = place.directory.join(format!(".tmp-removed-{id}"));
    files::remove_tree(&hidden)?;
    files::rename(&entry.path, &hidden)?;
    files::sync_dir(&place.directory)?;
    files::remove_tree(&hidden)
}
