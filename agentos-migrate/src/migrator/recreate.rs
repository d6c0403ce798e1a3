//! A lost database that no backup has, made anew: empty, with the schema of what was applied.
//!
//! Nothing runs on the files that are there. The applied migrations are
//! replayed on new databases in a folder for temporary files, and the one of
//! them that is lost is taken from there, with the times that the history has.

use std::path::Path;

use rusqlite::Connection;

use super::losses::{is_dangling, journal_left, log_left};
use super::time::now;
use super::{Migrator, questions};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::history::History;
use crate::report::Recovery;
use crate::sqlite::directory::refuse_unusable;
use crate::sqlite::failure::{in_shell, io_on_file, on_file, used_by};
use crate::sqlite::{history_table, holders, plain_files, schema_version, scratch};
use crate::status::{State, Status};

impl Migrator {
    /// Recovers, and makes lost databases anew: their schema, and none of the rows that they had.
    ///
    /// It is for a loss without a backup. What the applied migrations themselves write into a new database is
    /// there again; a migration that moves rows from another one finds none. No other file is changed but
    /// migrations.db, whose event log says what was done.
    ///
    /// # Errors
    ///
    /// `Usage` for a database that is not lost; `NeedsOperator` where the history is lost too, a link or a
    /// log shows that the file may be found again, or the compiled set is not what was applied;
    /// `Busy` if a program has the empty file open; what a replay meets; as [`recover`](Self::recover).
    pub fn recreate(&self, databases: &[&str]) -> Result<Recovery, Error> {
        self.recreate_locked(databases).map_err(Error::or_unchanged)
    }

    fn recreate_locked(&self, databases: &[&str]) -> Result<Recovery, Error> {
        self.registry.check()?;
        refuse_unusable(&self.data_dir)?;
        let _lock = self.lock()?;
        let mut recovery = self.recover_locked()?;
        let history = questions::history(&self.data_dir, self.options.wait)?;
        self.refuse_lost_history(&history)?;
        for database in databases {
            self.refuse_to_recreate(database, &history)?;
        }
        self.refuse_another_set(&history)?;
        let scratch = scratch::directory()?;
        self.replay(self.applied(&history), scratch.path())?;
        for database in databases {
            let made = scratch.path().join(format!("{database}.db"));
            let put = self.date_records(&made, &history).and_then(|()| self.put(&made, database));
            put.map_err(|error| match recovery.recreated.as_slice() {
                [] => error,
                made => {
                    error.or_in_state(&format!("made anew: {}; not {database}", made.join(", ")))
                }
            })?;
            self.tell_of(database, &history).map_err(|error| {
                error.or_in_state(&format!("{database}.db is made; the log does not say so"))
            })?;
            recovery.recreated.push((*database).to_owned());
        }
        Ok(recovery)
    }

    /// Refuses what is there, was never there, or may be found again.
    fn refuse_to_recreate(&self, database: &str, history: &History) -> Result<(), Error> {
        let path = self.file_of(database);
        let usage = |text: String| Error::new(ErrorKind::Usage, text);
        if !self.registry.databases().contains(&database) {
            let all = self.registry.databases().join(", ");
            return Err(usage(format!("the set has no database {database}")).with_hint(format!(
                "it has {all}: `recover --recreate {}`",
                self.registry.databases()[0]
            )));
        }
        if self.has_file(database) {
            return Err(usage(format!("{} is there, and is not made anew", path.display()))
                .with_hint(
                    "`verify` says what is wrong with it; `restore` brings an older one back",
                ));
        }
        if self.applied_to(database, history).is_empty() {
            return Err(usage(format!("no migration was applied to {database}"))
                .with_hint("`upgrade` makes it"));
        }
        let operator = |text: String| Error::new(ErrorKind::NeedsOperator, text);
        if is_dangling(&path) {
            return Err(operator(format!(
                "{} is a link to a file that is not there",
                path.display()
            ))
            .with_hint("mount the disk that it is on, or remove the link"));
        }
        if path.is_dir() {
            return Err(operator(format!("{} is a directory", path.display()))
                .with_hint(format!("move it away: `mv {0} {0}.folder`", in_shell(&path))));
        }
        if let Some(left) = log_left(&path).or_else(|| journal_left(&path)) {
            return Err(operator(left).with_hint("move it away if the file is lost for good"));
        }
        if path.exists() && !holders::of(&path).is_empty() {
            let error = Error::new(ErrorKind::Busy, format!("{} is open", path.display()));
            return Err(used_by(error, &path).with_hint("stop the program that uses it"));
        }
        Ok(())
    }

    /// A replay shows what was applied only if the compiled set is that.
    fn refuse_another_set(&self, history: &History) -> Result<(), Error> {
        let status = Status::of(&self.infos(), history);
        let other = status
            .applied
            .iter()
            .filter(|entry| matches!(entry.state, State::Missing | State::Modified));
        let lines: Vec<String> =
            other.map(|entry| format!("{} is {}", entry.version, entry.state)).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let text =
            "this program does not know the schema: it is not the one that applied the migrations";
        let error = Error::new(ErrorKind::NeedsOperator, text);
        Err(lines.into_iter().fold(error, Error::detail).with_hint(
            "use the program that applied them, or put the source of the modified ones back",
        ))
    }

    /// Gives the version rows of a replay the times of the history.
    fn date_records(&self, made: &Path, history: &History) -> Result<(), Error> {
        let table = self.registry.schema_version_table();
        let dated = Connection::open(made).and_then(|connection| {
            let rows: Vec<_> = history.rows().filter(|(_, row)| row.success).collect();
            rows.into_iter().try_for_each(|(version, row)| {
                schema_version::set_time(&connection, table, version, &row.applied_at)
            })
        });
        dated.map_err(|error| scratch::point_out(on_file(error, "write", made)))
    }

    fn put(&self, made: &Path, database: &str) -> Result<(), Error> {
        let bytes = std::fs::read(made)
            .map_err(|error| scratch::point_out(io_on_file(error, "read", made)))?;
        let path = self.file_of(database);
        // The one that is written first keeps its mode: only the owner reads it.
        let written = plain_files::create_private(&path.with_extension("new"))
            .and_then(|()| plain_files::replace(&path, &bytes));
        written.map_err(|error| {
            let error = io_on_file(error, "write", &path);
            if !self.has_file(database) {
                return error;
            }
            error.in_state(format!(
                "{database}.db is made; until its folder is on the disk a power loss may take it away"
            ))
        })
    }

    fn tell_of(&self, database: &str, history: &History) -> Result<(), Error> {
        let event = Event {
            at: now(),
            kind: EventKind::Recovered,
            version: None,
            name: None,
            checksum: None,
            program: self.options.program.clone(),
            backup_id: None,
            note: Some(format!("{database} was lost, and was made anew without its rows")),
        };
        self.write_history(history, |connection| history_table::append(connection, &event))
    }
}
