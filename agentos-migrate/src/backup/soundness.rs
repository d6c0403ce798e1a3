//! What may be wrong with the files of a backup: hashes, SQLite's own opinion, the migrations they record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OpenFlags};

use super::manifest::Manifest;
use super::place::Place;
use super::snapshot::refused;
use super::{files, paths};
use crate::checksum::Checksum;
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::says_damaged;
use crate::sqlite::guard::Outcome;
use crate::sqlite::{reading, schema_version};

/// Returns the files of a folder that its manifest does not name.
pub(super) fn unnamed(root: &Path, manifest: &Manifest) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|error| files::failed("read", root, error.into()))?;
        let Ok(inner) = entry.path().strip_prefix(root) else { continue };
        let stored = inner.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        if !entry.file_type().is_dir() && manifest.leaves_out(&stored, size) {
            found.push(stored);
        }
    }
    Ok(found)
}

/// Returns what is wrong with the manifest of a folder, by the sum that stands beside it.
pub(super) fn fault_of_manifest(root: &Path, manifest: &Manifest) -> Result<Option<String>, Error> {
    let path = root.join(paths::SUMS);
    match files::open_plain(&path) {
        Ok(mut sums) => {
            let fault = manifest.fault_in_sums(&mut sums);
            fault.map_err(|error| files::failed("read", &path, error))
        }
        Err(error) if files::is_no_plain_file(&error) => Ok(manifest.fault_without_sums()),
        Err(error) => Err(files::failed("read", &path, error)),
    }
}

/// Returns the databases below `root` that record other migrations than the manifest says they do.
pub(super) fn other_versions(
    place: &Place,
    root: &Path,
    manifest: &Manifest,
) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    for (name, expected) in &manifest.migration_versions {
        let stored = paths::stored_database(name);
        if !root.join(&stored).exists() {
            continue; // Not one of those that are restored.
        }
        let found = recorded_versions(&root.join(&stored), &place.schema_version_table)?;
        // Nothing recorded: the set that made the backup may have its table under another name.
        if !found.is_empty() && found != *expected {
            let (expected, found) = (expected.join(", "), found.join(", "));
            wrong.push(format!(
                "{stored}: the manifest says migrations {expected}, it records {found}"
            ));
        }
    }
    Ok(wrong)
}

/// Returns what is wrong with a file whose hash is not that of the manifest.
pub(super) fn difference(stored: &str, expected: &str, found: &Checksum) -> Option<String> {
    let found = found.to_string();
    let is_same = found.eq_ignore_ascii_case(expected);
    (!is_same).then(|| format!("{stored}: stored {expected}, found {found}"))
}

/// Returns what SQLite says against databases, as texts.
///
/// # Errors
///
/// What kept it from saying anything: a file that can't be read is not a damaged one.
pub(super) fn faults(found: BTreeMap<String, Error>) -> Result<Vec<String>, Error> {
    let text = |(stored, error): (String, Error)| {
        if says_damaged(&error) {
            Ok(format!("{stored}: {}", reason_of(&error)))
        } else {
            Err(error)
        }
    };
    found.into_iter().map(text).collect()
}

pub(super) fn reason_of(error: &Error) -> String {
    error.details().first().cloned().unwrap_or_else(|| error.to_string())
}

/// Makes an error of what is wrong with a backup, if anything is.
pub(super) fn refuse(id: &str, wrong: Vec<String>) -> Result<(), Error> {
    if wrong.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::DamagedBackup,
        format!("the backup {id} is damaged: {} file(s) are not what they were", wrong.len()),
    );
    let error = wrong.into_iter().fold(error, Error::detail);
    Err(error
        .in_state("nothing was changed")
        .with_hint("take another backup: `list-backups` shows those that are good"))
}

/// SQLite asks whether to stop every so many of its virtual machine's steps.
const STEPS_BETWEEN_QUESTIONS: i32 = 10_000;

/// Runs `PRAGMA quick_check` on a copy; it ends soon after `stop` is set.
pub(super) fn check_database(path: &Path, stop: &Arc<AtomicBool>) -> Result<(), Error> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(());
    }
    let mut connection = open_copy(path)?;
    let stop = Arc::clone(stop);
    connection
        .progress_handler(STEPS_BETWEEN_QUESTIONS, Some(move || stop.load(Ordering::Relaxed)))
        .outcome()
        .map_err(|error| refused("check", path, error))?;
    let ask = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let answer = connection
        .query_row("PRAGMA quick_check(1)", [], ask)
        .map_err(|error| refused("check", path, error))?;
    if answer == "ok" {
        return Ok(());
    }
    Err(Error::new(ErrorKind::DamagedDatabase, format!("the copy {} is damaged", path.display()))
        .detail(answer)
        .with_hint("the database itself is damaged too: `verify` tells more; an earlier backup may be good"))
}

/// Opens a copy that nobody else has, without writing beside it.
///
/// Defensive, as a backup may come from anywhere: the schema's functions are not trusted.
pub(super) fn open_copy(path: &Path) -> Result<Connection, Error> {
    let failed = |error| refused("open", path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    // The copy is ours alone; immutable keeps SQLite from making a -shm for a WAL file.
    let connection =
        Connection::open_with_flags(reading::immutable(path), flags).map_err(failed)?;
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
        .map_err(failed)?;
    Ok(connection)
}

/// Returns the migrations that a copied database records.
pub(super) fn recorded_versions(copy: &Path, table: &str) -> Result<Vec<String>, Error> {
    if std::fs::metadata(copy).is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(Vec::new());
    }
    let connection = open_copy(copy)?;
    schema_version::recorded(&connection, table).map_err(|error| refused("read", copy, error))
}
