//! Folders for temporary files: copies that are asked, replays of a set.
//!
//! Trouble there is no trouble of the data: it has its own words and its own
//! way out. They may hold copies of the data: a program that a signal ends removes
//! them first, which is why those that are there are remembered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::io_on_file;
use crate::system;

/// The folders that are there now.
static THERE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn there() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    THERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder for temporary files, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder(Option<TempDir>);

impl Folder {
    /// Makes one in a folder.
    pub(crate) fn make_in(parent: &Path) -> std::io::Result<Self> {
        // Made under the lock: none is made while all are removed.
        let mut there = there();
        let made = tempfile::tempdir_in(parent)?;
        there.insert(made.path().to_owned());
        Ok(Self(Some(made)))
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.as_ref().expect("is there until it is dropped").path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let path = self.path().to_owned();
        drop(self.0.take());
        there().remove(&path);
    }
}

/// Makes a folder that goes when it is dropped, in the system's place for temporary files.
pub(crate) fn directory() -> Result<Folder, Error> {
    let parent = std::env::temp_dir();
    if parent.as_os_str().is_empty() {
        // It would be the working directory.
        let text = "the variable `TMPDIR` is empty, and names no folder for temporary files";
        return Err(Error::new(ErrorKind::Usage, text)
            .in_state("nothing was changed")
            .with_hint("name a folder in it, or take it away with `unset TMPDIR`"));
    }
    Folder::make_in(&parent).map_err(refused)
}

/// Removes every folder that is there, for a program that ends now: whoever wants a new one waits for the end.
#[cfg(feature = "cli")]
pub(crate) fn remove_all() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    const TRIES: usize = 3;
    let there = there();
    for path in &*there {
        // The work goes on meanwhile, and may write a file into what is being removed.
        let _ = (0..TRIES).find(|_| std::fs::remove_dir_all(path).is_ok());
    }
    there
}

fn refused(error: std::io::Error) -> Error {
    let kind = match io_on_file(std::io::Error::from(error.kind()), "", Path::new("")).kind() {
        // It is not the data directory that is missing.
        ErrorKind::DataDirectory => ErrorKind::Io,
        kind => kind,
    };
    Error::new(kind, format!("cannot create a temporary folder: {error}"))
        .in_state("nothing was changed")
        .with_hint(hint())
        .caused_by(error)
}

fn hint() -> String {
    format!(
        "free some space in the folder for temporary files, or name another one in the variable `{}`",
        system::TEMPORARY_FOLDER
    )
}

/// Asks whether an error says that a file could not be read or written, and nothing of its content.
pub(crate) fn is_of_the_system(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::DiskFull | ErrorKind::Io | ErrorKind::PermissionDenied)
}

/// Points to the folder for temporary files, where an error that happened in it is one of the system.
pub(crate) fn point_out(error: Error) -> Error {
    if is_of_the_system(error.kind()) { error.with_hint(hint()) } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_full_place_for_temporary_files_is_not_told_of_the_data() {
        use std::io::ErrorKind as System;
        for (system, kind) in [
            (System::NotFound, ErrorKind::Io),
            (System::NotADirectory, ErrorKind::Io),
            (System::StorageFull, ErrorKind::DiskFull),
            (System::PermissionDenied, ErrorKind::PermissionDenied),
        ] {
            let error = refused(system.into());
            assert_eq!(error.kind(), kind);
            assert!(
                error.hint().is_some_and(|hint| hint.contains(system::TEMPORARY_FOLDER)),
                "{error:?}"
            );
            assert_eq!(error.state(), Some("nothing was changed"));
        }
    }
}
