//! A directory that a migration may spoil.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::rows::{Wildness, fill};
use super::look::look;
use crate::error::Error;
use crate::info::MigrationInfo;
use crate::lint::facts::{Failure, Ran, Snapshot};
use crate::migrator::{BackupPolicy, Migrator, Options, RunFailure};
use crate::plan::Target;
use crate::registry::Registry;
use crate::report::{Report, StatementRun};
use crate::sqlite::failure::{io_on_file, on_file};
use crate::sqlite::scratch;
use crate::version::Version;

/// Where to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Move<'a> {
    /// Apply this migration.
    Up(&'a MigrationInfo),
    /// Revert what is above this version.
    Down(&'a str),
}

/// A data directory that goes when it is dropped.
pub(in crate::testing) struct Scratch {
    migrator: Migrator,
    directory: scratch::Folder,
}

impl Scratch {
    /// Makes one that holds what the application makes itself, without rows.
    pub(in crate::testing) fn empty(registry: &Registry) -> Result<Self, Error> {
        let scratch = Self::bare(registry)?;
        scratch.migrator.lay_baseline(scratch.directory.path())?;
        Ok(scratch)
    }

    /// Makes one without any file.
    fn bare(registry: &Registry) -> Result<Self, Error> {
        let directory = temporary()?;
        let options = Options::default().backup(BackupPolicy::Skip);
        let migrator =
            Migrator::new(registry.clone(), directory.path()).with_options(options).recording();
        Ok(Self { migrator, directory })
    }

    /// Makes another one that holds the same.
    pub(in crate::testing) fn copy(&self) -> Result<Self, Error> {
        let copy = Self::bare(self.migrator.registry())?;
        let failed = |error| scratch::point_out(io_on_file(error, "copy", self.directory.path()));
        for entry in std::fs::read_dir(self.directory.path()).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if let (true, Some(name)) = (path.is_file(), path.file_name()) {
                std::fs::copy(&path, copy.directory.path().join(name)).map_err(failed)?;
            }
        }
        Ok(copy)
    }

    /// Runs one migration, up or down.
    ///
    /// A file that could not be read or written says nothing of the migration: that is the error.
    pub(super) fn run(&self, to: &Move<'_>) -> Result<Result<Vec<Ran>, Failure>, Error> {
        let outcome = match to {
            Move::Up(info) => self.migrator.upgrade(&Target::Version(info.version.clone())),
            Move::Down(version) => match version.parse::<Version>() {
                Ok(version) => self.migrator.downgrade(&version),
                Err(_) => unreachable!("versions of a set are versions"),
            },
        };
        match outcome {
            Ok(report) => Ok(Ok(statements(report))),
            Err(failure) if scratch::is_of_the_system(failure.kind()) => {
                Err(scratch::point_out(failure.into()))
            }
            Err(failure) => Ok(Err(failure_of(&failure, self.migrator.registry().databases()))),
        }
    }

    /// Adds rows to the tables of these databases; returns which got none, and why.
    pub(in crate::testing) fn fill(
        &self,
        databases: &[&str],
        wildness: Wildness,
    ) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        for database in databases {
            let Some(connection) = self.open(database)? else { continue };
            let table = self.migrator.registry().schema_version_table();
            let unfilled = fill(&connection, table, wildness)
                .map_err(|error| on_file(error, "fill", &self.path_of(database)))?;
            notes.extend(unfilled.into_iter().map(|unfilled| {
                format!("no rows for {database}.{}: {}", unfilled.table, unfilled.reason)
            }));
        }
        Ok(notes)
    }

    /// Looks at everything that the databases hold.
    pub(super) fn look(&self) -> Result<Snapshot, Error> {
        let registry = self.migrator.registry();
        let mut snapshot = Snapshot::default();
        for database in registry.databases() {
            let facts = match self.open(database)? {
                None => crate::lint::facts::DatabaseFacts::default(),
                Some(connection) => look(&connection, registry.schema_version_table())
                    .map_err(|error| on_file(error, "read", &self.path_of(database)))?,
            };
            snapshot.0.insert((*database).to_owned(), facts);
        }
        Ok(snapshot)
    }

    /// Opens a database, if it is there.
    pub(super) fn open(&self, database: &str) -> Result<Option<Connection>, Error> {
        let path = self.path_of(database);
        if !path.exists() {
            return Ok(None);
        }
        Connection::open(&path).map(Some).map_err(|error| on_file(error, "open", &path))
    }

    fn path_of(&self, database: &str) -> PathBuf {
        Path::new(self.directory.path()).join(format!("{database}.db"))
    }
}

fn statements(report: Report) -> Vec<Ran> {
    let rehearsals = report.results.into_iter().filter_map(|result| result.rehearsal);
    rehearsals
        .flat_map(|rehearsal| rehearsal.statements)
        .map(|StatementRun { database, sql, place, by_rebuild, .. }| Ran {
            database,
            sql,
            place,
            by_rebuild,
        })
        .collect()
}

/// Takes the migration's own words out of what the engine says of a failure.
fn failure_of(failure: &RunFailure, databases: &[&str]) -> Failure {
    let error = &failure.error;
    let message = error.to_string();
    let own = ["` failed: ", "` could not be reverted: "]
        .iter()
        .find_map(|verb| message.split_once(verb))
        .map_or(message.as_str(), |(_, own)| own);
    let on = |database: &&str| own.ends_with(&format!(" (on {database})"));
    let database = databases.iter().copied().find(on);
    let own = match database {
        Some(database) => own.trim_end_matches(&format!(" (on {database})")),
        None => own,
    };
    let (mut statement, mut place) = (None, None);
    let mut message = own.to_owned();
    for line in error.details() {
        if let Some(text) = line.strip_prefix("statement: ") {
            statement = Some(text.to_owned());
        } else if let Some(at) = line.strip_prefix("statement at ") {
            place = Some(Box::from(at));
        } else if !line.starts_with("migration at ") {
            message.push_str("; ");
            message.push_str(line);
        }
    }
    Failure {
        kind: error.kind(),
        message,
        database: database.map(ToOwned::to_owned),
        statement,
        place,
        rows: Vec::new(),
    }
}

/// The space that a memory file system needs to have for the temporary files, in bytes.
const MEMORY: u64 = 256 << 20;

/// Makes a directory in memory where the system has a place for that: after a crash these files
/// are worth nothing, so nobody should wait until they are safe on a disk. Whoever names a folder
/// for temporary files gets that one.
fn temporary() -> Result<scratch::Folder, Error> {
    let memory = Path::new("/dev/shm");
    if std::env::temp_dir() == Path::new("/tmp")
        && fs4::available_space(memory).is_ok_and(|space| space >= MEMORY)
        && let Ok(directory) = scratch::Folder::make_in(memory)
    {
        return Ok(directory);
    }
    scratch::directory()
}
