//! What a change of a table reports, done or refused.

use std::time::Duration;

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

/// How a table was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RebuildPath {
    /// By SQLite's own `ALTER TABLE`.
    Native,
    /// By a new table, into which the rows were copied.
    Rebuild,
}

/// What was done to a table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RebuildReport {
    /// The way that was taken.
    pub path: RebuildPath,
    /// The rows that were copied; 0 for [`RebuildPath::Native`].
    pub rows_copied: u64,
    /// The time that it took, proof included.
    pub elapsed: Duration,
    /// What was created again, as in ``index `by_name` ``.
    pub recreated: Vec<String>,
    /// The statements that changed the database, in their order.
    pub statements: Vec<String>,
    /// What the author should know, such as a full-text index that holds old values.
    pub notes: Vec<String>,
}

impl RebuildReport {
    pub(super) fn new(path: RebuildPath) -> Self {
        Self {
            path,
            rows_copied: 0,
            elapsed: Duration::ZERO,
            recreated: Vec::new(),
            statements: Vec::new(),
            notes: Vec::new(),
        }
    }
}

const UNCHANGED: &str = "the table was left as it was";

/// A change that is not made, because of how it was asked for.
pub(super) fn refusal(table: &str, why: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("cannot change table `{table}`: {why}"))
        .in_state(UNCHANGED)
}

/// A change that turned out to lose something, and was undone.
pub(super) fn failed_proof(table: &str, what: &str) -> Error {
    Error::new(ErrorKind::ValidationFailed, format!("changing table `{table}` would break {what}"))
        .in_state(UNCHANGED)
}

/// A statement that SQLite did not accept.
pub(super) fn sqlite_failure(table: &str, doing: &str, error: rusqlite::Error) -> Error {
    let (kind, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => (
            ErrorKind::Sqlite,
            "rows do not satisfy the new definition: give them other values with `copy_expr`, \
             or change them with `UPDATE` before",
        ),
        Some(ErrorCode::DiskFull) => (
            ErrorKind::DiskFull,
            "free as much space as the table takes: it is written a second time",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Busy, "finish or drop every statement that still reads the table")
        }
        Some(ErrorCode::OperationInterrupted) => (ErrorKind::Interrupted, ""),
        _ => (ErrorKind::Sqlite, ""),
    };
    let failure = Error::new(kind, format!("cannot change table `{table}`: {doing} failed"))
        .detail(error.to_string())
        .in_state(UNCHANGED)
        .caused_by(error);
    if hint.is_empty() { failure } else { failure.with_hint(hint) }
}
