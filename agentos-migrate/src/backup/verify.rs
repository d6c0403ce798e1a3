//! Checking what a backup holds: hashes, and SQLite's own opinion.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::catalog::{self, Form};
use super::manifest::Manifest;
use super::options::{Meter, Phase};
use super::place::Place;
use super::snapshot::refused;
use super::unpacking::Unpacking;
use super::{archive, files, paths, reading_back};
use crate::checksum::Checksum;
use crate::error::{Error, ErrorKind};

/// Checks a backup in place, or an archive by unpacking it into a temporary folder.
pub(super) fn verify(place: &Place, id: &str) -> Result<Manifest, Error> {
    let (entry, manifest) = catalog::find(place, id)?;
    let mut meter = Meter::new(&place.listener, Phase::Verify, manifest.total_size_bytes);
    if entry.form == Form::Directory {
        check_folder(&entry.path, &manifest, &mut meter)?;
        return Ok(manifest);
    }
    let scratch = tempfile::tempdir()
        .map_err(|error| files::failed("create", &std::env::temp_dir(), error))?;
    place.check_space(scratch.path(), manifest.total_size_bytes)?;
    // What is checked only waits for the last file: the unpacking has counted the bytes.
    let mut silent = Meter::silent();
    let found = reading_back::beside(&mut silent, |reader| {
        let unpacking = Unpacking { verified: true, wanted: &|_| true, reader };
        archive::unpack(&entry.path, &manifest, scratch.path(), &unpacking, &mut meter)
    })?;
    refuse(&manifest.backup_id, faults(found.faults))?;
    Ok(manifest)
}

/// Compares every file of a folder with the manifest, and asks SQLite about every database.
fn check_folder(root: &Path, manifest: &Manifest, meter: &mut Meter<'_>) -> Result<(), Error> {
    let found = reading_back::beside(meter, |reader| {
        for stored in manifest.checksums.keys() {
            let path = root.join(stored);
            reader.hash(stored, &path);
            if paths::database_name(stored).is_some() && path.is_file() {
                reader.check(stored, &path);
            }
        }
        Ok(())
    })?;
    let mut wrong = Vec::new();
    for (stored, hash) in found.hashes {
        let expected = manifest.checksums.get(&stored).map(String::as_str).unwrap_or_default();
        match hash {
            Ok((found, _)) => wrong.extend(difference(&stored, expected, &found)),
            Err(error) => wrong.push(format!("{stored}: {}", reason_of(&error))),
        }
    }
    wrong.extend(faults(found.faults));
    refuse(&manifest.backup_id, wrong)
}

/// Returns what is wrong with a file whose hash is not that of the manifest.
pub(super) fn difference(stored: &str, expected: &str, found: &Checksum) -> Option<String> {
    let found = found.to_string();
    let is_same = found.eq_ignore_ascii_case(expected);
    (!is_same).then(|| format!("{stored}: stored {expected}, found {found}"))
}

/// Returns what SQLite says against databases, as texts.
pub(super) fn faults(found: BTreeMap<String, Error>) -> Vec<String> {
    found.into_iter().map(|(stored, error)| format!("{stored}: {}", reason_of(&error))).collect()
}

fn reason_of(error: &Error) -> String {
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

/// Runs `PRAGMA quick_check` on a copy.
pub(super) fn check_database(path: &Path) -> Result<(), Error> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(());
    }
    let connection = open_copy(path)?;
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
    let connection = Connection::open_with_flags(uri(path), flags).map_err(failed)?;
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
        .map_err(failed)?;
    Ok(connection)
}

/// Returns a path as a URI (<https://sqlite.org/uri.html>) that names an immutable file.
fn uri(path: &Path) -> String {
    let mut text = String::from("file:");
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02x}"));
        }
    }
    text.push_str("?immutable=1");
    text
}
