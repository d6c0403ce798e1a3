//! The databases of a run, locked and in one transaction with the history.
//!
//! One connection per file, each file `main` of its own, migrations.db
//! always among them. A session begins with every file locked and ends with
//! every file as SQLite had it: journal modes returned, files that it made
//! and nobody used removed. docs/adr/0003 argues the commit.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::{Error, ErrorKind};
use crate::history::AppliedMigration;
use crate::sqlite::failure::{io_on_file, on_file};
use crate::sqlite::fingerprint;
use crate::sqlite::guard::{Guard, Outcome};
use crate::sqlite::locking::{self, JournalMode};
use crate::sqlite::member::Member;
use crate::sqlite::vfs::{self, CommitError, Group, super_journal};
use crate::sqlite::{history_table, journal_modes, plain_files};
use crate::system;

/// How often SQLite asks whether to stop: every so many virtual machine steps.
/// Measured to cost nothing, and to answer within 50 ms.
const STEPS_BETWEEN_QUESTIONS: i32 = 10_000;

/// What a session needs to open its files.
pub(crate) struct Opening<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) databases: &'a [&'a str],
    pub(crate) wait: Duration,
    pub(crate) cancelled: Arc<AtomicBool>,
    /// The VFS below; the default one but in a check of crashes.
    pub(crate) base_vfs: Option<&'a str>,
}

/// The part of a session that outlives its connections.
pub(crate) struct Session {
    // Connections close before the group that carries their files.
    pub(crate) members: Vec<Member>,
    history: Option<Member>,
    group: Group,
    data_dir: PathBuf,
    to_wal: Vec<String>,
    created: Vec<PathBuf>,
    wait: Duration,
}

impl Session {
    /// Opens and locks the files, in the order of their real paths, all within one wait.
    ///
    /// On an error every file is as it was.
    pub(crate) fn open(opening: &Opening<'_>) -> Result<Self, Error> {
        let files = files_of(opening)?;
        let mut to_wal = journal_modes::read(opening.data_dir)?;
        for file in &files {
            if vfs::is_wal(&file.path)? && !to_wal.contains(&file.database) {
                to_wal.push(file.database.clone());
            }
        }
        to_wal.retain(|name| name != HISTORY);
        if !to_wal.is_empty() {
            journal_modes::write(opening.data_dir, &to_wal)?;
        }
        let mut session = Self {
            members: Vec::new(),
            history: None,
            group: Group::new(opening.base_vfs)?,
            data_dir: opening.data_dir.to_owned(),
            to_wal,
            created: Vec::new(),
            wait: opening.wait,
        };
        match session.open_all(opening, files) {
            Ok(()) => Ok(session),
            Err(error) => {
                session.roll_back();
                session.close()?;
                Err(error)
            }
        }
    }

    fn open_all(&mut self, opening: &Opening<'_>, files: Vec<File>) -> Result<(), Error> {
        let deadline = Instant::now() + opening.wait;
        for file in files {
            let member = self.open_one(opening, file)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let mode = locking::begin(&member.connection, &member.path, left);
            let is_history = member.database == HISTORY;
            let (database, existed) = (member.database.clone(), member.existed);
            if is_history {
                self.history = Some(member);
            } else {
                self.members.push(member);
            }
            if mode? == JournalMode::Wal
                && existed
                && !is_history
                && !self.to_wal.contains(&database)
            {
                // Switched to WAL between our look and our lock.
                self.to_wal.push(database);
                journal_modes::write(&self.data_dir, &self.to_wal)?;
            }
        }
        Ok(())
    }

    fn open_one(&mut self, opening: &Opening<'_>, file: File) -> Result<Member, Error> {
        if !file.path.exists() {
            plain_files::create_private(&file.path)
                .map_err(|error| io_on_file(error, "create", &file.path))?;
            self.created.push(file.path.clone());
        }
        let mut connection = self.group.open(&file.path)?;
        let failed = |error| on_file(error, "prepare", &file.path);
        let cancelled = Arc::clone(&opening.cancelled);
        let stop = move || cancelled.load(Ordering::Relaxed);
        connection
            .progress_handler(STEPS_BETWEEN_QUESTIONS, Some(stop))
            .outcome()
            .map_err(failed)?;
        let guard = Guard::install(&mut connection).map_err(failed)?;
        let File { database, path, existed } = file;
        Ok(Member { database, path, connection, guard, existed, in_reach: false })
    }

    /// Creates the tables of the history that are missing.
    pub(crate) fn create_history(&self) -> Result<(), Error> {
        let history = self.history_member();
        history_table::create(&history.connection)
            .map_err(|error| on_file(error, "write", &history.path))
    }

    /// Writes what changes in the history.
    pub(crate) fn write_history(&self, entries: &[history_table::Entry]) -> Result<(), Error> {
        let history = self.history_member();
        history_table::write(&history.connection, entries)
            .map_err(|error| on_file(error, "write", &history.path))
    }

    /// Writes one row of the history, without an event.
    pub(crate) fn write_row(&self, row: &AppliedMigration) -> Result<(), Error> {
        let history = self.history_member();
        history_table::write_row(&history.connection, row)
            .map_err(|error| on_file(error, "write", &history.path))
    }

    /// Returns the connection to migrations.db.
    pub(crate) fn history(&self) -> &Connection {
        &self.history_member().connection
    }

    fn history_member(&self) -> &Member {
        self.history.as_ref().expect("a session that opened has its history")
    }

    /// Commits every file at once, with a stamp of what the history then amounts to.
    ///
    /// `members` are the databases of the session, lent to a context meanwhile.
    pub(crate) fn commit(
        &mut self,
        members: &mut [Member],
        digest: Option<u64>,
    ) -> Result<(), CommitError> {
        let history = self.history.as_mut().expect("a session that opened has its history");
        let stamped = vfs::change_counter(&history.path).and_then(|counter| {
            let sql = match digest {
                Some(digest) => {
                    fingerprint::sql(fingerprint::stamp(digest, counter.wrapping_add(1)))
                }
                None => "PRAGMA user_version = 0".to_owned(),
            };
            history
                .connection
                .execute_batch(&sql)
                .map_err(|error| on_file(error, "write", &history.path))
        });
        stamped.map_err(CommitError::RolledBack)?;
        let anchor = history.path.clone();
        let all = members.iter_mut().chain([history]);
        let mut all: Vec<_> =
            all.map(|member| (member.path.as_path(), &mut member.connection)).collect();
        self.group.commit(&anchor, &mut all)
    }

    /// Begins the next transaction on every file, after a commit or a rollback.
    pub(crate) fn begin_again(&self, members: &[Member], wait: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + wait;
        let mut all: Vec<&Member> = members.iter().chain([self.history_member()]).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        for member in all {
            let left = deadline.saturating_duration_since(Instant::now());
            locking::begin(&member.connection, &member.path, left)?;
        }
        Ok(())
    }

    /// Rolls every file back to its last commit.
    pub(crate) fn roll_back(&self) {
        roll_back_all(self.members.iter().chain(&self.history));
    }

    /// Leaves WAL files in rollback-journal mode, for the next run to switch back.
    ///
    /// After a commit whose durability is unknown: a switch opens the files,
    /// and that removes journals which a power loss would still need.
    pub(crate) fn leave_journal_modes(&mut self) {
        self.to_wal.clear();
    }

    /// Closes the files: what is not committed is rolled back, journal modes return.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.roll_back();
        self.members.clear();
        self.history = None;
        for path in &self.created {
            // Only a file that this run made and left empty; a journal that stands needs its file.
            let mut journal = path.clone().into_os_string();
            journal.push("-journal");
            if fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
                && !Path::new(&journal).exists()
            {
                plain_files::remove(path)
                    .map_err(|error| io_on_file(error, "remove the empty", path))?;
            }
        }
        return_to_wal(&self.data_dir, &self.to_wal, self.wait)
    }
}

/// Rolls back what is open, as far as a member's connection still can.
pub(crate) fn roll_back_all<'a>(members: impl IntoIterator<Item = &'a Member>) {
    for member in members {
        if member.is_in_transaction() {
            // A connection that can't roll back does so when it closes.
            drop(member.connection.execute_batch("ROLLBACK"));
        }
    }
}

/// Switches databases back to write-ahead logging and forgets that they wait for it.
///
/// A file that another program keeps busy stays on the list, for the next run.
pub(crate) fn return_to_wal(
    data_dir: &Path,
    databases: &[String],
    wait: Duration,
) -> Result<(), Error> {
    if databases.is_empty() {
        return Ok(());
    }
    let mut left = Vec::new();
    for database in databases {
        let path = data_dir.join(format!("{database}.db"));
        if path.exists() && !locking::return_to_wal(&path, wait)? {
            left.push(database.clone());
        }
    }
    if left.is_empty() {
        journal_modes::remove(data_dir)
    } else {
        journal_modes::write(data_dir, &left)
    }
}

const HISTORY: &str = "migrations";

/// A file to open.
struct File {
    database: String,
    path: PathBuf,
    existed: bool,
}

fn files_of(opening: &Opening<'_>) -> Result<Vec<File>, Error> {
    let directory = system::real(opening.data_dir)
        .map_err(|error| io_on_file(error, "open", opening.data_dir))?;
    let mut files = Vec::new();
    for database in opening.databases.iter().copied().chain([HISTORY]) {
        let name = directory.join(if database == HISTORY {
            history_table::FILE_NAME.to_owned()
        } else {
            format!("{database}.db")
        });
        let path = match system::real(&name) {
            Ok(path) => path,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => name,
            Err(error) => return Err(io_on_file(error, "open", &name)),
        };
        let metadata = fs::metadata(&path);
        if metadata.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
            let message = format!("{} is not a file", path.display());
            return Err(Error::new(ErrorKind::DamagedDatabase, message));
        }
        refuse_long(&path)?;
        vfs::refuse_other(&path, "open")?;
        let existed = metadata.is_ok_and(|metadata| metadata.len() > 0);
        files.push(File { database: database.to_owned(), path, existed });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Refuses a path beside which SQLite would not find a journal or follow a pointer after a crash.
pub(crate) fn refuse_long(path: &Path) -> Result<(), Error> {
    let longest = super_journal::NAME_BYTES_MAX - super_journal::SUFFIX_BYTES;
    let length = path.as_os_str().len();
    if length <= longest {
        return Ok(());
    }
    let message = format!("the path {} has {length} bytes", path.display());
    Err(Error::new(ErrorKind::DataDirectory, message)
        .detail(format!("SQLite follows names of journals up to {} bytes, which leaves {longest} for a database", super_journal::NAME_BYTES_MAX))
        .in_state("nothing was changed")
        .with_hint("move the data directory to a shorter path"))
}
