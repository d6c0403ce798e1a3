//! One moment across all databases.
//!
//! BEGIN IMMEDIATE on every file keeps all writers out; a second connection
//! to each then starts to read what is copied. Only this balanced every time
//! under live writers: a file by itself, read transactions alone and ATTACH
//! did not. A file in WAL mode is given back to its writers as soon as every
//! reader has its snapshot; a file with a rollback journal when it is copied.
//!
//! Opening a file recovers its hot journal, and a copy holds what is in the
//! write-ahead log. <https://www.sqlite.org/backup.html>

use std::cmp::Reverse;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::files;
use super::options::Meter;
use super::source::DatabaseSource;
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::{hint_on, kind_of, used_by};
use crate::sqlite::vfs::{self, Look};

/// Pages between two reports of progress; the read transaction stays open meanwhile.
const PAGES_PER_STEP: i32 = 4096;

/// All databases, held at one moment.
pub(super) struct Snapshot {
    databases: Vec<Held>,
    /// Files whose name promised a database and whose content is something else.
    pub(super) not_databases: Vec<DatabaseSource>,
}

/// One database, held.
pub(super) struct Held {
    pub(super) source: DatabaseSource,
    size_bytes: u64,
    page_size: u64,
    reader: Connection,
    /// Keeps writers out of a file with a rollback journal.
    writer: Option<Connection>,
}

impl Snapshot {
    /// Holds all databases; they come sorted by real path, so that two backups never wait in a circle.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] if a writer does not finish until the deadline,
    /// [`ErrorKind::DamagedDatabase`], [`ErrorKind::PermissionDenied`].
    pub(super) fn take(sources: Vec<DatabaseSource>, deadline: Instant) -> Result<Self, Error> {
        let mut writers = Vec::with_capacity(sources.len());
        let mut not_databases = Vec::new();
        for source in sources {
            // Looked at before it is opened: SQLite deletes what stands beside it and is no log of its own.
            let look = vfs::look_at(&source.path)?;
            if !source.certain && !matches!(look, Look::Nothing | Look::Database) {
                not_databases.push(source);
                continue;
            }
            vfs::refuse_other(&source.path, "lock")?;
            match keep_writers_out(&source.path, deadline) {
                Ok(writer) => writers.push((source, writer)),
                Err(e)
                    if e.sqlite_error_code() == Some(ErrorCode::NotADatabase)
                        && !source.certain =>
                {
                    not_databases.push(source);
                }
                Err(e) => return Err(refused("lock", &source.path, e)),
            }
        }
        let mut databases = Vec::with_capacity(writers.len());
        for (source, writer) in writers {
            let held = Held::start(source.clone(), writer, deadline);
            databases.push(held.map_err(|e| refused("read", &source.path, e))?);
        }
        // Every reader has its snapshot now, so WAL files may be written again.
        for held in &mut databases {
            held.let_writers_in().map_err(|e| refused("read", &held.source.path, e))?;
        }
        Ok(Self { databases, not_databases })
    }

    /// Returns the databases as they are to be copied: first what keeps writers waiting, then the
    /// largest, whose copy takes longest to read back.
    pub(super) fn in_order_of_need(self) -> Vec<Held> {
        let mut databases = self.databases;
        databases.sort_by_key(|held| (held.writer.is_none(), Reverse(held.size_bytes)));
        databases
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.databases.iter().map(|held| held.size_bytes).sum()
    }
}

impl Held {
    fn start(
        source: DatabaseSource,
        writer: Connection,
        deadline: Instant,
    ) -> rusqlite::Result<Self> {
        let reader = open(&source.path, deadline)?;
        reader.pragma_update(None, "query_only", true)?;
        reader.execute_batch("BEGIN")?;
        // Reading the header starts the snapshot without parsing the schema.
        reader.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0))?;
        let number =
            |sql| reader.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
        let (count, page_size) = (number("PRAGMA page_count")?, number("PRAGMA page_size")?);
        Ok(Self { source, size_bytes: count * page_size, page_size, reader, writer: Some(writer) })
    }

    fn let_writers_in(&mut self) -> rusqlite::Result<()> {
        let mode: String = self.reader.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if mode == "wal" {
            self.writer = None;
        }
        Ok(())
    }

    /// Copies the database as it was at the moment of the snapshot into an empty file.
    pub(super) fn copy_to(self, target: &Path, meter: &mut Meter<'_>) -> Result<(), Error> {
        drop(files::create_file(target)?);
        if self.size_bytes == 0 {
            // The backup API would make a database of one page out of no page.
            return Ok(());
        }
        let mut copy = open(target, Instant::now()).map_err(|e| refused("open", target, e))?;
        // A copy that is not finished is thrown away, so it needs no journal;
        // it is synced as a file when it is complete.
        copy.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE",
        )
        .map_err(|e| refused("open", target, e))?;
        let backup =
            Backup::new(&self.reader, &mut copy).map_err(|e| refused("write", target, e))?;
        let mut left = u64::MAX;
        loop {
            files::step_of_sqlite(target)?;
            let result = backup.step(PAGES_PER_STEP).map_err(|e| refused("copy", target, e))?;
            let progress = backup.progress();
            let pages_left = u64::try_from(progress.remaining).unwrap_or_default();
            let before = left.min(u64::try_from(progress.pagecount).unwrap_or_default());
            meter.add(before.saturating_sub(pages_left) * self.page_size)?;
            left = pages_left;
            match result {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(refused("copy", &self.source.path, busy())),
            }
        }
        drop(backup);
        copy.close().map_err(|(_, e)| refused("write", target, e))
    }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
        Some("another process holds a lock".to_owned()),
    )
}

fn keep_writers_out(path: &Path, deadline: Instant) -> rusqlite::Result<Connection> {
    // SQLite's own waiting sleeps up to 100 ms between two tries, in which a
    // busy writer takes the lock again and again; asking often is fair.
    let writer = open(path, Instant::now())?;
    loop {
        match writer.execute_batch("BEGIN IMMEDIATE") {
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_micros(200));
            }
            outcome => return outcome.map(|()| writer),
        }
    }
}

fn open(path: &Path, deadline: Instant) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // SQLite waits in steps of milliseconds; 1 ms still tries once.
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    connection.busy_timeout(left)?;
    Ok(connection)
}

/// Returns the error for what SQLite refused to do to a file.
pub(super) fn refused(what: &str, path: &Path, source: rusqlite::Error) -> Error {
    let kind = kind_of(&source);
    let error = Error::new(kind, format!("cannot {what} {}", path.display()))
        .detail(source.to_string())
        .caused_by(source);
    match kind {
        ErrorKind::Busy => used_by(error, path)
            .with_hint("stop the program that uses it, or wait longer with `--wait 5m`"),
        ErrorKind::DamagedDatabase => error.with_hint(
            "`verify` says what is damaged, and which `restore` of a good backup mends it; a file that is not of this set may be set aside",
        ),
        _ => match hint_on(kind, path) {
            Some(hint) => error.with_hint(hint),
            None => error,
        },
    }
}
