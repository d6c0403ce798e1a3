//! The schema that the compiled set makes, and how the real one differs from it.
//!
//! The set is replayed in a scratch directory, on the declared baseline. What a person accepted
//! as it is (`accepted_drift` in migrations.db) is no drift as long as it stays so.

use std::collections::BTreeSet;
use std::path::Path;

use super::finding::{Finding, Inspection};
use super::{BackupPolicy, CommitMode, Migrator, Options, questions};
use crate::error::{Error, ErrorKind};
use crate::history::History;
use crate::info::TransactionMode;
use crate::migration::Migration;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema::compare::{self, Difference};
use crate::schema::read::Schema;
use crate::sqlite::accepted_drift::Accepted;
use crate::sqlite::directory::refuse_unusable;
use crate::sqlite::failure::{kind_of, on_file};
use crate::sqlite::{reading, scratch};
use crate::status::{State, Status};
use crate::version::Version;

/// One object that is not as the compiled set makes it.
pub(super) struct Drift {
    pub(super) database: String,
    pub(super) difference: Difference,
    /// The object's SQL as SQLite stores it; none if it is not there.
    pub(super) found: Option<String>,
}

impl Drift {
    /// Asks whether somebody accepted the object as it is.
    fn is_accepted(&self, accepted: &[Accepted]) -> bool {
        self.last_word(accepted)
            .is_some_and(|row| compare::is_as_accepted(row.sql.as_deref(), self.found.as_deref()))
    }

    /// Returns what somebody accepted of the object, whether it still is so or not.
    fn last_word<'a>(&self, accepted: &'a [Accepted]) -> Option<&'a Accepted> {
        let Difference { kind, name, .. } = &self.difference;
        accepted.iter().find(|row| row.is_about(&self.database, kind.word(), name))
    }

    fn finding(&self, accepted: &[Accepted]) -> Finding {
        let since = self.last_word(accepted).map(|row| {
            let day = row.at.split('T').next().unwrap_or_default();
            format!("; it was accepted in another form on {day}")
        });
        let message =
            format!("{}: {}{}", self.database, self.difference, since.unwrap_or_default());
        let hint = "undo the change by hand, or write a migration that makes the schema what it should be; `accept --drift` records that it is meant";
        Finding {
            diff: Some(self.difference.unified_diff()),
            ..Finding::on(&self.database, "drift", message, hint)
        }
    }
}

impl Migrator {
    /// Compares the real schemas with what is applied, object by object; returns what nobody accepted.
    pub(super) fn inspect_schemas(
        &self,
        history: &History,
        databases: &[&str],
        accepted: &[Accepted],
        inspection: &mut Inspection,
    ) -> Result<Vec<Drift>, Error> {
        let known: Vec<&str> = databases
            .iter()
            .copied()
            .filter(|database| {
                self.baseline_of(database).is_some()
                    || !self.applied_to(database, history).is_empty()
            })
            .collect();
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let status = Status::of(&self.infos(), history);
        if status.applied.iter().any(|entry| entry.state == State::Missing) {
            let note = "the schema was not compared: the data is newer than this program";
            inspection.notes.push(note.to_owned());
            inspection.schema_compared = false;
            return Ok(Vec::new());
        }
        let scratch = scratch::directory()?;
        if let Err(error) = self.replay(self.applied(history), scratch.path()) {
            if scratch::is_of_the_system(error.kind()) {
                return Err(error);
            }
            inspection.notes.push(format!(
                "the schema was not compared, as a replay on new databases fails: {error}; \
                 if it needs tables that the application makes, declare them: `baseline` in `migrations!`"
            ));
            inspection.schema_compared = false;
            return Ok(Vec::new());
        }
        let (excused, drifted) = self.drifts(&known, scratch.path(), accepted)?;
        if excused > 0 {
            inspection.notes.push(format!("{excused} difference(s) of the schema are accepted"));
        }
        for drift in &drifted {
            if drift.difference.is_order_only() && drift.last_word(accepted).is_none() {
                inspection.notes.push(format!("{}: {}", drift.database, drift.difference));
            } else {
                inspection.findings.push(drift.finding(accepted));
            }
        }
        Ok(drifted)
    }

    /// Returns how many differences are accepted, and the others.
    fn drifts(
        &self,
        databases: &[&str],
        scratch: &Path,
        accepted: &[Accepted],
    ) -> Result<(usize, Vec<Drift>), Error> {
        let (mut excused, mut drifted) = (0, Vec::new());
        for database in databases {
            let expected = self.schema_at(&scratch.join(format!("{database}.db")))?;
            let found = self.schema_at(&self.file_of(database))?;
            for difference in compare::differences(&expected, &found) {
                let object = found.find(difference.kind, &difference.name);
                let found = object.map(|object| object.sql.clone());
                let drift = Drift { database: (*database).to_owned(), difference, found };
                if drift.is_accepted(accepted) {
                    excused += 1;
                } else {
                    drifted.push(drift);
                }
            }
        }
        Ok((excused, drifted))
    }

    fn baseline_of(&self, database: &str) -> Option<&'static str> {
        let mut declared = self.registry.baseline().iter();
        declared.find(|(name, _)| *name == database).map(|(_, sql)| *sql)
    }

    pub(super) fn applied_to(&self, database: &str, history: &History) -> BTreeSet<Version> {
        let applied = self.infos().into_iter().filter(|info| info.databases.contains(&database));
        applied
            .filter(|info| history.row(&info.version).is_some_and(|row| row.success))
            .map(|info| info.version.clone())
            .collect()
    }

    pub(super) fn applied(&self, history: &History) -> Vec<Migration> {
        let is_applied = |migration: &&Migration| {
            history.row(&migration.info().version).is_some_and(|row| row.success)
        };
        self.registry.migrations().iter().filter(is_applied).cloned().collect()
    }

    /// Builds a set in a folder for temporary files, on the declared baseline.
    pub(super) fn replay(&self, migrations: Vec<Migration>, directory: &Path) -> Result<(), Error> {
        self.lay_baseline(directory)?;
        if migrations.is_empty() {
            return Ok(());
        }
        let is_manual =
            |migration: &Migration| migration.info().transaction == TransactionMode::Manual;
        let commit = if migrations.iter().any(is_manual) {
            CommitMode::EachMigration
        } else {
            CommitMode::WholeRun
        };
        let registry = Registry::new(self.registry.databases(), migrations)
            .with_schema_version_table(self.registry.schema_version_table());
        let options = Options { backup: BackupPolicy::Skip, commit, ..Options::default() };
        let replayed =
            Self::new(registry, directory).with_options(options).upgrade(&Target::Latest);
        replayed.map(drop).map_err(|failure| scratch::point_out(failure.into()))
    }

    /// Makes what the application itself makes, in a folder for temporary files.
    pub(crate) fn lay_baseline(&self, directory: &Path) -> Result<(), Error> {
        for (database, sql) in self.registry.baseline() {
            let path = directory.join(format!("{database}.db"));
            let made = rusqlite::Connection::open(&path).and_then(|connection| {
                connection.execute_batch(&format!("BEGIN; {sql}\n; COMMIT"))
            });
            made.map_err(|error| {
                if scratch::is_of_the_system(kind_of(&error)) {
                    return scratch::point_out(on_file(error, "write", &path));
                }
                let message = format!("the baseline of {database} can't be made: {error}");
                Error::new(ErrorKind::InvalidSet, message)
                    .in_state("nothing was changed")
                    .with_hint("mend its SQL: the folder that `baseline` of `migrations!` names")
                    .caused_by(error)
            })?;
        }
        Ok(())
    }

    /// Reads a schema without the engine's own table.
    pub(crate) fn schema_at(&self, path: &Path) -> Result<Schema, Error> {
        let Some(connection) = reading::open_within(path, self.patience())? else {
            return Ok(Schema::default());
        };
        let table = self.registry.schema_version_table();
        Ok(Schema::read(&connection)?.without(|object| object.table.eq_ignore_ascii_case(table)))
    }

    /// Returns each database's present schema as normalised SQL. Never writes.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn schema(&self) -> Result<Vec<(String, String)>, Error> {
        self.registry.check()?;
        let schemas = refuse_unusable(&self.data_dir)
            .and_then(|()| questions::refuse_half_restored(&self.data_dir))
            .and_then(|()| self.schemas_in(&self.data_dir));
        schemas.map_err(questions::asked)
    }

    /// Returns the schema that the compiled set makes up to `target`, as normalised SQL by database.
    ///
    /// Replays the set in a temporary directory, on its declared baseline; the data directory
    /// is not looked at and need not be there.
    ///
    /// # Errors
    ///
    /// `InvalidSet`, `UnknownVersion`, and what a replay meets.
    pub fn compiled_schema(&self, target: &Target) -> Result<Vec<(String, String)>, Error> {
        self.registry.check()?;
        if let Target::Version(version) = target {
            crate::plan::known(&self.infos(), version)?;
        }
        let is_wanted = |migration: &&Migration| match target {
            Target::Version(version) => migration.info().version <= *version,
            Target::Latest => true,
        };
        let scratch = scratch::directory()?;
        let wanted = self.registry.migrations().iter().filter(is_wanted).cloned().collect();
        self.replay(wanted, scratch.path())?;
        self.schemas_in(scratch.path())
    }

    fn schemas_in(&self, directory: &Path) -> Result<Vec<(String, String)>, Error> {
        let databases = self.registry.databases().iter();
        let schema = |database: &&str| {
            let schema = self.schema_at(&directory.join(format!("{database}.db")))?;
            Ok(((*database).to_owned(), schema.to_sql()))
        };
        databases.map(schema).collect()
    }
}
