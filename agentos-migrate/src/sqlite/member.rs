//! One database of a run: its file, its connection, its guard.

use std::path::PathBuf;

use rusqlite::Connection;

use crate::sqlite::guard::Guard;

/// One database of a run.
#[derive(Debug)]
pub(crate) struct Member {
    /// The declared name.
    pub(crate) database: String,
    /// The file, an absolute path without links.
    pub(crate) path: PathBuf,
    /// The connection, with this file as `main`.
    pub(crate) connection: Connection,
    /// The switch of what its SQL may do.
    pub(crate) guard: Guard,
    /// Whether the file held a database before this run.
    pub(crate) existed: bool,
    /// Whether the migration that runs now names it.
    pub(crate) in_reach: bool,
}

impl Member {
    /// Returns whether the transaction that the engine began is still open.
    ///
    /// `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` and an interrupt roll one
    /// member back without an error of their own.
    pub(crate) fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }
}
