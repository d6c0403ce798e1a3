//! The live databases while a restore replaces them: locked, so that nobody writes to what goes.
//!
//! Where a file that SQLite has open can't be renamed, the lock gives way to a claim to the whole
//! file: then nobody can even open it. Whoever does so in between makes the claim fail, and with it the restore.
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
use crate::system::{Claim, OPEN_FILES_CAN_BE_RENAMED};

/// Live databases under an exclusive lock.
pub(super) struct Held {
    connections: Vec<Connection>,
    claims: Vec<Claim>,
    to_wal: Vec<String>,
}

impl Held {
    /// Takes the databases among these entries of the data directory.
    pub(super) fn take(place: &Place, entries: &BTreeSet<String>) -> Result<Self, Error> {
        let mut held = Self {
            connections: Vec::new(),
            claims: Vec::new(),
            to_wal: journal_modes::read(&place.data_dir)?,
        };
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
        if OPEN_FILES_CAN_BE_RENAMED { Ok(()) } else { self.claim_all(place, entries, deadline) }
    }

    /// Gives up the locks for claims to all files that are going to be renamed.
    fn claim_all(
        &mut self,
        place: &Place,
        entries: &BTreeSet<String>,
        deadline: Instant,
    ) -> Result<(), Error> {
        self.connections.clear();
        let endings = || std::iter::once("").chain(paths::SIDE_FILE_ENDINGS);
        let paths = entries
            .iter()
            .flat_map(|entry| endings().map(move |ending| format!("{entry}{ending}")))
            .map(|name| place.data_dir.join(name));
        for path in paths {
            for file in walkdir::WalkDir::new(&path).into_iter().flatten() {
                if file.file_type().is_file() {
                    let claim = claim(file.path(), deadline)?;
                    // A folder with an open file in it can't be renamed, so of these it is only asked.
                    self.claims.extend(Some(claim).filter(|_| file.depth() == 0));
                }
            }
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
        drop((self.connections, self.claims));
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
    while !holders::all_of(path).is_empty() {
        wait_for_users(path, deadline)?;
    }
    Ok(())
}

/// Claims a file that is going to be renamed, as soon as no program has it open.
fn claim(path: &Path, deadline: Instant) -> Result<Claim, Error> {
    loop {
        match Claim::of(path) {
            Ok(Some(claim)) => return Ok(claim),
            Ok(None) => wait_for_users(path, deadline)?,
            Err(error) => return Err(files::failed("claim", path, error)),
        }
    }
}

fn wait_for_users(path: &Path, deadline: Instant) -> Result<(), Error> {
    if Instant::now() >= deadline {
        let text = format!("{} is in use and can't be replaced", path.display());
        let lines = holders::all_of(path).into_iter().map(|user| {
            if user.process == std::process::id() {
                "used by a connection of this program".to_owned()
            } else {
                format!("used by {user}")
            }
        });
        return Err(lines
            .fold(Error::new(ErrorKind::Busy, text), Error::detail)
            .in_state("nothing was changed")
            .with_hint(
                "stop the program that uses it, or close its connections, and restore again",
            ));
    }
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}
