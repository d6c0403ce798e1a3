//! Checking what a backup holds: hashes, and SQLite's own opinion.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::catalog::{self, Form};
use super::manifest::Manifest;
use super::options::{Meter, Phase};
use super::place::Place;
use super::snapshot::refused;
use super::{archive, files};
use crate::checksum::Checksum;
use crate::error::{Error, ErrorKind};
use crate::hash::Hasher;

/// Checks a backup in place, or an archive by unpacking it into a temporary folder.
pub(super) fn verify(place: &Place, id: &str) -> Result<Manifest, Error> {
    let (entry, manifest) = catalog::find(place, id)?;
    let mut meter = Meter::new(&place.listener, Phase::Verify, manifest.total_size_bytes);
    if entry.form == Form::Directory {
        check_files(&entry.path, &manifest, &mut meter)?;
        check_databases(&entry.path, &manifest)?;
        return Ok(manifest);
    }
    let scratch = tempfile::tempdir()
        .map_err(|error| files::failed("create", &std::env::temp_dir(), error))?;
    archive::unpack(&entry.path, &manifest, scratch.path(), &|_| true, Some(&mut meter))?;
    check_databases(scratch.path(), &manifest)?;
    Ok(manifest)
}

/// Compares every file below `root` with the manifest.
pub(super) fn check_files(
    root: &Path,
    manifest: &Manifest,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for (stored, expected) in &manifest.checksums {
        let path = root.join(stored);
        match files::open_plain(&path) {
            Err(error) => wrong.push(format!("{stored}: {error}")),
            Ok(mut file) => {
                let (found, bytes) = hash(&mut file, &path)?;
                meter.add(bytes)?;
                if !found.to_string().eq_ignore_ascii_case(expected) {
                    wrong.push(format!("{stored}: stored {expected}, found {found}"));
                }
            }
        }
    }
    refuse(&manifest.backup_id, wrong)
}

/// Asks SQLite about every database below `root`.
pub(super) fn check_databases(root: &Path, manifest: &Manifest) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for stored in manifest.database_paths() {
        if let Err(error) = check_database(&root.join(stored)) {
            wrong.push(format!(
                "{stored}: {}",
                error.details().first().cloned().unwrap_or_else(|| error.to_string())
            ));
        }
    }
    refuse(&manifest.backup_id, wrong)
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

/// Returns the SHA-256 and the size of a file that no SQLite has open.
pub(super) fn hash_file(path: &Path) -> Result<(Checksum, u64), Error> {
    let mut file = File::open(path).map_err(|error| files::failed("read", path, error))?;
    hash(&mut file, path)
}

/// Returns the SHA-256 and the number of bytes up to the end.
pub(super) fn hash(from: &mut dyn Read, path: &Path) -> Result<(Checksum, u64), Error> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; files::CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let count = files::read_some(from, &mut buffer)
            .map_err(|error| files::failed("read", path, error))?;
        if count == 0 {
            return Ok((hasher.finish(), bytes));
        }
        hasher.update(&buffer[..count]);
        bytes += count as u64;
    }
}
