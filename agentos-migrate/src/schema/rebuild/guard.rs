//! What is taken and given back: a savepoint, a pragma's value.

use rusqlite::Connection;

use crate::error::Error;

use super::report::sqlite_failure;

/// Runs work that leaves nothing behind if it fails.
pub(super) fn savepoint<T>(
    connection: &Connection,
    table: &str,
    name: &str,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let execute = |sql: &str| {
        connection.execute_batch(sql).map_err(|e| sqlite_failure(table, "its savepoint", e))
    };
    execute(&format!("SAVEPOINT {name}"))?;
    let outcome = work();
    if outcome.is_err() {
        // If SQLite has rolled back everything by itself (a full disk, say),
        // the savepoint is gone: the first error is the one to tell.
        let _ = connection.execute_batch(&format!("ROLLBACK TO {name}; RELEASE {name}"));
        return outcome;
    }
    execute(&format!("RELEASE {name}"))?;
    outcome
}

/// A pragma that gets its value back when dropped. It may change inside a transaction.
pub(super) struct Pragma<'connection> {
    connection: &'connection Connection,
    name: &'static str,
    previous: bool,
}

impl<'connection> Pragma<'connection> {
    pub(super) fn set(
        connection: &'connection Connection,
        name: &'static str,
        value: bool,
    ) -> Result<Self, Error> {
        let exchange = || {
            let previous = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
            connection.execute_batch(&format!("PRAGMA {name} = {}", i32::from(value)))?;
            rusqlite::Result::Ok(previous)
        };
        let previous = exchange().map_err(|e| sqlite_failure(name, "setting the pragma", e))?;
        Ok(Self { connection, name, previous })
    }
}

impl Drop for Pragma<'_> {
    fn drop(&mut self) {
        // A pragma that could be set can be set again.
        let _ = self.connection.execute_batch(&format!(
            "PRAGMA {} = {}",
            self.name,
            i32::from(self.previous)
        ));
    }
}
