//! Taking a database for a run: exclusive, in rollback-journal mode, synchronous.
//!
//! The order of the steps is what makes it safe under programs that use the
//! file meanwhile: `PRAGMA journal_mode=DELETE` ignores the busy timeout and
//! fails while any other connection has read a WAL file, and a program may
//! switch the file back to WAL between two steps
//! (<https://sqlite.org/wal.html>, <https://sqlite.org/pragma.html#pragma_locking_mode>).

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::{kind_of, on_file, used_by};
use crate::sqlite::vfs::{self, Look};

/// How a database keeps what is not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalMode {
    /// A rollback journal: delete, truncate or persist.
    Rollback,
    /// A write-ahead log.
    Wal,
}

/// Begins an exclusive transaction, waiting for others; returns the mode that the file had.
///
/// On return the file is in rollback-journal mode with `synchronous=FULL`,
/// foreign keys are off, and all three were read back.
pub(crate) fn begin(
    connection: &Connection,
    path: &Path,
    wait: Duration,
) -> Result<JournalMode, Error> {
    let deadline = Instant::now() + wait;
    let mut pause = Duration::from_millis(1);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match try_begin(connection, left) {
            Ok(mode) => {
                settle(connection, path)?;
                return Ok(mode);
            }
            Err(error) if kind_of(&error) == ErrorKind::Busy => {
                give_up(connection);
                if left.is_zero() {
                    return Err(busy(error, path, wait));
                }
                std::thread::sleep(pause.min(left));
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Err(error) => {
                give_up(connection);
                return Err(on_file(error, "lock", path));
            }
        }
    }
}

fn try_begin(connection: &Connection, wait: Duration) -> rusqlite::Result<JournalMode> {
    connection.busy_timeout(wait)?;
    // 1. From now on locks are kept. The read takes one, and honours the wait. Syncs go through the
    //    drive's own cache on Apple's systems too (<https://sqlite.org/pragma.html#pragma_fullfsync>).
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA fullfsync = ON")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let before = journal_mode(connection)?;
    // 2. Nobody else has the file now, so the log can be folded in and removed.
    switch(connection, "DELETE")?;
    // 3. Foreign keys can only be switched outside a transaction.
    connection.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL; PRAGMA recursive_triggers = OFF;
        PRAGMA legacy_alter_table = OFF; PRAGMA ignore_check_constraints = OFF",
    )?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    // 4. The locks go with the transaction again.
    connection.execute_batch("PRAGMA locking_mode = NORMAL")?;
    Ok(if before == "wal" { JournalMode::Wal } else { JournalMode::Rollback })
}

/// `PRAGMA synchronous` as SQLite reads it back.
const FULL: i64 = 2;

/// Reads back what the commit relies on.
fn settle(connection: &Connection, path: &Path) -> Result<(), Error> {
    let read = || -> rusqlite::Result<(String, i64, i64)> {
        let number = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok((
            journal_mode(connection)?,
            number("PRAGMA synchronous")?,
            number("PRAGMA foreign_keys")?,
        ))
    };
    match read().map_err(|error| on_file(error, "read the settings of", path))? {
        (mode, FULL, 0) if mode == "delete" => Ok(()),
        (mode, synchronous, foreign_keys) => {
            let message = format!("SQLite did not take the settings for {}", path.display());
            let found = format!(
                "journal_mode {mode}, synchronous {synchronous}, foreign_keys {foreign_keys}"
            );
            Err(Error::new(ErrorKind::Sqlite, message)
                .detail(found)
                .in_state("nothing was changed"))
        }
    }
}

/// Switches the journal mode; returns the one that the file then has.
///
/// The statement is run to its end: the switch is committed behind its one row,
/// and whoever stops at the row does not learn that the commit failed.
fn switch(connection: &Connection, mode: &str) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(&format!("PRAGMA journal_mode = {mode}"))?;
    statement.query_map([], |_| Ok(()))?.collect::<rusqlite::Result<()>>()?;
    journal_mode(connection)
}

fn journal_mode(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))
}

/// Lets go of what a failed attempt holds.
fn give_up(connection: &Connection) {
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    // A lock that is kept goes with the next read in normal mode.
    drop(connection.execute_batch("PRAGMA locking_mode = NORMAL"));
    drop(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())));
}

fn busy(error: rusqlite::Error, path: &Path, wait: Duration) -> Error {
    let text = format!("{} is in use and was not let go", path.display());
    let made =
        Error::new(ErrorKind::Busy, text).detail(format!("waited {:.0} s", wait.as_secs_f64()));
    used_by(made, path)
        .in_state("nothing was changed")
        .with_hint("stop the program that uses it, or wait longer with `--wait 5m`")
        .caused_by(error)
}

/// How long a switch back waits at most: it can be left to the next run.
pub(crate) const SWITCH_WAIT_MAX: Duration = Duration::from_secs(2);

/// Switches a file back to write-ahead logging; returns false while another program keeps it busy, and
/// where it is damaged: only a restore, which must not be kept from its work, can do something about that.
pub(crate) fn return_to_wal(path: &Path, wait: Duration) -> Result<bool, Error> {
    if vfs::look_at(path)? == Look::Other {
        return Ok(false);
    }
    let switch = || -> rusqlite::Result<bool> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(wait.min(SWITCH_WAIT_MAX))?;
        // Syncs the journal's removal too: it would undo the switch after a power loss, when
        // nobody remembers any more that the file is to be switched
        // (<https://sqlite.org/pragma.html#pragma_synchronous>).
        connection.execute_batch("PRAGMA synchronous = EXTRA; PRAGMA fullfsync = ON")?;
        Ok(switch(&connection, "WAL")? == "wal")
    };
    match switch() {
        Ok(switched) => Ok(switched),
        Err(error) if matches!(kind_of(&error), ErrorKind::Busy | ErrorKind::DamagedDatabase) => {
            Ok(false)
        }
        Err(error) => Err(on_file(error, "switch to write-ahead logging", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.db");
        let connection = Connection::open(&path).expect("opens");
        connection
            .query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(()))
            .expect("switches");
        connection.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1)").expect("writes");
        (dir, path)
    }

    #[track_caller]
    fn check(mode: &str, expected: JournalMode) {
        let (_dir, path) = file(mode);
        let connection = Connection::open(&path).expect("opens");
        assert_eq!(begin(&connection, &path, Duration::ZERO).expect("begins"), expected);
        assert!(!connection.is_autocommit());
        let other = Connection::open(&path).expect("opens");
        other.busy_timeout(Duration::ZERO).expect("sets");
        other.query_row("SELECT a FROM t", [], |_| Ok(())).expect_err("locked");
        connection.execute_batch("ROLLBACK").expect("rolls back");
        other
            .query_row("SELECT a FROM t", [], |_| Ok(()))
            .expect("the locks went with the transaction");
    }

    #[test]
    fn a_file_of_any_mode_is_taken_and_let_go() {
        check("delete", JournalMode::Rollback);
        check("truncate", JournalMode::Rollback);
        check("persist", JournalMode::Rollback);
        check("wal", JournalMode::Wal);
    }

    #[test]
    fn a_reader_of_a_wal_file_is_waited_for_and_then_named() {
        let (_dir, path) = file("wal");
        let reader = Connection::open(&path).expect("opens");
        reader.query_row("SELECT a FROM t", [], |_| Ok(())).expect("reads");
        let connection = Connection::open(&path).expect("opens");
        let error = begin(&connection, &path, Duration::from_millis(30)).expect_err("in use");
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains("a.db is in use"), "{error}");
        // The reader goes on as before.
        reader.query_row("SELECT a FROM t", [], |_| Ok(())).expect("reads");
        reader.execute("INSERT INTO t VALUES (2)", []).expect("writes");
        drop(reader);
        begin(&connection, &path, Duration::from_secs(5)).expect("free now");
    }

    #[test]
    fn a_file_goes_back_to_wal() {
        let (_dir, path) = file("delete");
        assert!(return_to_wal(&path, Duration::ZERO).expect("switches"));
        assert!(vfs::is_wal(&path).expect("reads"));
    }
}
