//! Which files go back to write-ahead logging after the run, even after a crash.
//!
//! The commit over several files needs rollback journals, so files in WAL
//! mode are switched for the run. Before the first switch their names are
//! written and synced to `.agentos-migrate/journal-modes`; whoever holds the
//! run lock next and finds the file switches them back. docs/format.md is
//! normative.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sqlite::failure::io_on_file;
use crate::sqlite::plain_files;

const FILE_NAME: &str = "journal-modes";
const FIRST_LINE: &str = "# agentos-migrate: databases to return to journal_mode=WAL";

/// Returns whether a run was interrupted before it switched back: one question to the file system.
pub(crate) fn pending(data_dir: &Path) -> bool {
    path(data_dir).exists()
}

/// Returns the databases that wait to be switched back.
pub(crate) fn read(data_dir: &Path) -> Result<Vec<String>, Error> {
    let path = path(data_dir);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let names = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            Ok(names.map(str::to_owned).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io_on_file(error, "read", &path)),
    }
}

/// Writes and syncs the names, before the first file is switched.
pub(crate) fn write(data_dir: &Path, databases: &[String]) -> Result<(), Error> {
    let path = path(data_dir);
    let text = format!("{FIRST_LINE}\n{}\n", databases.join("\n"));
    plain_files::replace(&path, text.as_bytes()).map_err(|error| io_on_file(error, "write", &path))
}

/// Removes the names, after the last file is switched back.
pub(crate) fn remove(data_dir: &Path) -> Result<(), Error> {
    let path = path(data_dir);
    if !path.exists() {
        return Ok(());
    }
    plain_files::remove(&path).map_err(|error| io_on_file(error, "remove", &path))?;
    plain_files::sync_directory_of(&path)
        .map_err(|error| io_on_file(error, "sync the directory of", &path))
}

/// Takes names off the list: other files stand in the place of those that were switched.
pub(crate) fn forget(data_dir: &Path, is_gone: impl Fn(&String) -> bool) -> Result<(), Error> {
    let mut databases = read(data_dir)?;
    let count = databases.len();
    databases.retain(|name| !is_gone(name));
    match databases.len() {
        0 => remove(data_dir),
        left if left == count => Ok(()),
        _ => write(data_dir, &databases),
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(crate::sqlite::STATE_DIR).join(FILE_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_until_they_are_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join(crate::sqlite::STATE_DIR)).expect("creates");
        assert!(!pending(dir.path()));
        write(dir.path(), &["intent_log".to_owned(), "audit".to_owned()]).expect("writes");
        assert!(pending(dir.path()));
        assert_eq!(read(dir.path()).expect("reads"), ["intent_log", "audit"]);
        forget(dir.path(), |name| name == "audit").expect("forgets");
        assert_eq!(read(dir.path()).expect("reads"), ["intent_log"]);
        remove(dir.path()).expect("removes");
        assert!(!pending(dir.path()) && read(dir.path()).expect("reads").is_empty());
    }
}
