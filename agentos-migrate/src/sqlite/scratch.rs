//! Folders for temporary files: copies that are asked, replays of a set.
//!
//! Trouble there is no trouble of the data: it has its own words and its own
//! way out.

use std::path::Path;

use tempfile::TempDir;

use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::io_on_file;
use crate::system;

/// Makes a folder that goes when it is dropped, in the system's place for temporary files.
pub(crate) fn directory() -> Result<TempDir, Error> {
    tempfile::tempdir().map_err(refused)
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
