//! The live databases while a restore replaces them: locked, so that nobody writes to what goes.
//!
//! To lock a file in WAL mode for oneself is to take it out of that mode. So its name is on the
//! disk before, as before a run: whoever comes after a kill returns it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::place::Place;
use super::{files, paths, snapshot, swap};
use crate::error::{Error, ErrorKind};
use crate::sqlite::locking::{self, JournalMode};
use crate::sqlite::vfs::{self, Look};
use crate::sqlite::{holders, journal_modes, session};

/// Live databases under an exclusive lock.
pub(super) struct Held {
    connections: Vec<Connection>,
    to_wal: Vec<String>,
}

impl Held {
    /// Takes the databases among these entries of the data directory.
    pub(super) fn take(place: &Place, entries: &BTreeSet<String>) -> Result<Self, Error> {
        let mut held =
            Self { connections: Vec::new(), to_wal: journal_modes::read(&place.data_dir)? };
        match held.take_all(place, entries) {
            Ok(()) => Ok(held),
            Err(error) => {
                held.let_go(place)?;
                Err(error.in_state("nothing was changed"))
            }
        }
    }

    fn take_all(&mut self, place: &Place, entries: &BTreeSet<String>) -> Result<(), Error> {
        let deadline = Instant::now() + place.wait;
        let databases = entries.iter().filter_map(|entry| {
            let path = place.data_dir.join(entry);
            let is_there = path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0);
            Some((entry.strip_suffix(paths::DATABASE_ENDING)?, path)).filter(|_| is_there)
        });
        for entry in entries {
            refuse_users_below(&place.data_dir.join(entry), deadline)?;
        }
        for (database, path) in databases {
            refuse_users(&path, deadline)?;
            // What can't be read is no file in WAL mode that anybody goes on with.
            if vfs::is_wal(&path).unwrap_or(false) {
                self.note(place, database)?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.take_one(place, database, &path, left)?;
        }
        Ok(())
    }

    fn take_one(
        &mut self,
        place: &Place,
        database: &str,
        path: &Path,
        wait: Duration,
    ) -> Result<(), Error> {
        // What is no database is what one restores; nobody can use it anyway.
        if vfs::look_at(path)? == Look::Other {
            return Ok(());
        }
        let connection =
            Connection::open(path).map_err(|error| snapshot::refused("open", path, error))?;
        match locking::begin(&connection, path, wait) {
            Ok(mode) => {
                self.connections.push(connection);
                // Switched to WAL between the look and the lock.
                if mode == JournalMode::Wal { self.note(place, database) } else { Ok(()) }
            }
            // Neither what is damaged.
            Err(error) if error.kind() == ErrorKind::DamagedDatabase => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes down that a file has to return to WAL mode.
    fn note(&mut self, place: &Place, database: &str) -> Result<(), Error> {
        if self.to_wal.iter().any(|noted| noted == database) {
            return Ok(());
        }
        self.to_wal.push(database.to_owned());
        journal_modes::write(&place.data_dir, &self.to_wal)
    }

    /// Lets go of the files: new ones after a swap, else the old ones, as they were.
    pub(super) fn end<T>(self, place: &Place, swapped: Result<T, Error>) -> Result<T, Error> {
        match swapped {
            Err(error) if !swap::pending(&place.data_dir) => {
                self.let_go(place)?;
                Err(error)
            }
            // The new files have their own modes, and the swap has taken the names off the list.
            swapped => swapped,
        }
    }

    /// Gives the files back as they were: the restore does not take place.
    fn let_go(self, place: &Place) -> Result<(), Error> {
        drop(self.connections);
        session::return_to_wal(&place.data_dir, &self.to_wal, locking::SWITCH_WAIT_MAX)
    }
}

/// The same of the databases in a folder, which goes with all that is in it.
fn refuse_users_below(folder: &Path, deadline: Instant) -> Result<(), Error> {
    if folder.is_symlink() || !folder.is_dir() {
        return Ok(());
    }
    let mut databases = Vec::new();
    for found in walkdir::WalkDir::new(folder) {
        let found = found.map_err(|error| files::failed("read", folder, error.into()))?;
        if found.file_type().is_file() && paths::is_database_name(found.path()) {
            databases.push(found.into_path());
        }
    }
    while let Some((path, _)) = holders::held_among(&databases).first() {
        refuse_users(path, deadline)?;
    }
    Ok(())
}

/// A program that has the file open, this one too, would go on with the old one: what it writes is lost.
fn refuse_users(path: &Path, deadline: Instant) -> Result<(), Error> {
    loop {
        let users = holders::all_of(path);
        if users.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let error = Error::new(
                ErrorKind::Busy,
                format!("{} is in use and can't be replaced", path.display()),
            );
            let lines = users.iter().map(|user| {
                if user.process == std::process::id() {
                    "used by a connection of this program".to_owned()
                } else {
                    format!("used by {user}")
                }
            });
            return Err(lines
                .fold(error, Error::detail)
                .in_state("nothing was changed")
                .with_hint(
                    "stop the program that uses it, or close its connections, and restore again",
                ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
