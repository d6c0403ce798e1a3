//! The exit statuses: part of the contract.

use std::process::ExitCode;

use crate::error::ErrorKind;

/// The exit status of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done, or clean.
    Done = 0,
    /// Failed, and everything that had begun was rolled back.
    Failed = 1,
    /// Something is pending or would change (`--check`).
    Pending = 2,
    /// A checksum, a schema, a database, a backup or a migration is not what it should be.
    Integrity = 3,
    /// The data is newer than this program.
    Newer = 4,
    /// A file or the data directory is in use.
    Busy = 5,
    /// A person has to decide.
    Operator = 6,
    /// The call is wrong.
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Returns the exit status of a kind of error.
pub(super) fn code_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Modified
        | ErrorKind::DamagedDatabase
        | ErrorKind::DamagedBackup
        | ErrorKind::Drift => Exit::Integrity,
        ErrorKind::Newer => Exit::Newer,
        ErrorKind::Busy => Exit::Busy,
        ErrorKind::NeedsOperator | ErrorKind::Incomplete | ErrorKind::NameCollision => {
            Exit::Operator
        }
        ErrorKind::Usage | ErrorKind::UnknownVersion | ErrorKind::UnknownBackup => Exit::Usage,
        _ => Exit::Failed,
    }
}
