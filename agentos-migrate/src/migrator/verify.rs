//! Comparing what is there with what the compiled set would have made. Never writes.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{BackupPolicy, Migrator, Options, questions};
use crate::error::{Error, ErrorKind};
use crate::history::History;
use crate::migration::Migration;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema::compare;
use crate::schema::read::Schema;
use crate::sqlite::failure::{io_on_file, on_file};
use crate::sqlite::{foreign_keys, reading, schema_version};
use crate::status::{State, Status};

/// What is wrong, and what is only worth knowing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Inspection {
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// What is as it may be.
    pub notes: Vec<String>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The kind, stable: `modified`, `missing`, `failed`, `unrecorded`, `unknown_record`,
    /// `doubled`, `collision`, `no_file`, `damaged`, `drift`.
    pub code: &'static str,
    /// The database, if it is about one.
    pub database: Option<String>,
    /// What was found.
    pub message: String,
    /// The difference, for a schema that drifted.
    pub diff: Option<String>,
    /// The command that mends it.
    pub hint: String,
}

impl Finding {
    fn on(database: &str, code: &'static str, message: String, hint: &str) -> Self {
        Self {
            code,
            database: Some(database.to_owned()),
            message,
            diff: None,
            hint: hint.to_owned(),
        }
    }
}

impl Migrator {
    /// Compares history, checksums, each database's versions and its real schema with the
    /// compiled set, and asks SQLite about every file. Never writes.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status). What is wrong with the data is in the
    /// [`Inspection`], not an error.
    pub fn verify(&self) -> Result<Inspection, Error> {
        self.registry.check()?;
        questions::refuse_half_restored(&self.data_dir)?;
        let mut inspection = Inspection::default();
        let history = questions::history(&self.data_dir, self.patience())?;
        self.inspect_history(&history, &mut inspection);
        let mut readable = Vec::new();
        for database in self.registry.databases() {
            match self.inspect_database(database, &history, &mut inspection) {
                Ok(true) => readable.push(*database),
                Ok(false) => {}
                // What could not be looked at is no finding.
                Err(error) if error.kind() == ErrorKind::Busy => return Err(error),
                Err(error) => inspection.findings.push(damaged(database, &error)),
            }
        }
        self.inspect_schemas(&history, &readable, &mut inspection)?;
        Ok(inspection)
    }

    fn inspect_history(&self, history: &History, inspection: &mut Inspection) {
        let status = Status::of(&self.infos(), history);
        for entry in status.entries() {
            let (code, hint) = match entry.state {
                State::Applied | State::Pending => continue,
                State::Modified => (
                    "modified",
                    "`accept VERSION` records the new checksum, `upgrade --force` runs it again",
                ),
                State::Missing => ("missing", "install the newer program that applied it"),
                State::Failed => ("failed", "`upgrade` runs it again"),
            };
            let why = entry
                .error_message
                .as_deref()
                .map(|why| format!(": {}", why.lines().next().unwrap_or_default()));
            let message = format!(
                "migration {} `{}` is {}{}",
                entry.version,
                entry.name,
                entry.state,
                why.unwrap_or_default()
            );
            inspection.findings.push(Finding {
                code,
                database: None,
                message,
                diff: None,
                hint: hint.to_owned(),
            });
        }
        if status.pending_count > 0 {
            inspection.notes.push(format!("{} migration(s) pending", status.pending_count));
        }
    }

    /// Returns whether the database is there to be compared.
    fn inspect_database(
        &self,
        database: &str,
        history: &History,
        inspection: &mut Inspection,
    ) -> Result<bool, Error> {
        let path = self.file_of(database);
        let applied: BTreeSet<String> = self.applied_to(database, history);
        let Some(connection) = reading::open_within(&path, self.patience())? else {
            if !applied.is_empty() {
                let message = format!(
                    "{} is missing, and the history has {} migration(s) on it",
                    path.display(),
                    applied.len()
                );
                inspection.findings.push(Finding::on(database, "no_file", message, "`restore ID --database NAME` brings it back; `recover`, then `upgrade` makes it anew"));
            }
            return Ok(false);
        };
        if let Err(error) = schema_version::refuse_foreign(
            &connection,
            self.registry.schema_version_table(),
            database,
        ) {
            inspection.findings.push(Finding::on(
                database,
                "collision",
                error.to_string(),
                error.hint().unwrap_or_default(),
            ));
            return Ok(true);
        }
        let failed = |error| on_file(error, "read", &path);
        let rows = schema_version::recorded(&connection, self.registry.schema_version_table())
            .map_err(failed)?;
        inspection.findings.extend(compare_records(database, &applied, &rows, history));
        let check: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(failed)?;
        if check != "ok" {
            inspection.findings.push(Finding::on(
                database,
                "damaged",
                format!("{database}: {check}"),
                "`restore ID --database NAME` from a good backup",
            ));
        }
        let orphans = foreign_keys::violations(&connection).map_err(failed)?.count();
        if orphans > 0 {
            inspection
                .notes
                .push(format!("{database} has {orphans} row(s) whose parent is missing"));
        }
        Ok(true)
    }

    pub(super) fn applied_to(&self, database: &str, history: &History) -> BTreeSet<String> {
        let applied = self.infos().into_iter().filter(|info| info.databases.contains(&database));
        applied
            .filter(|info| history.row(&info.version).is_some_and(|row| row.success))
            .map(|info| info.version.to_string())
            .collect()
    }

    /// Replays what is applied in a scratch directory and compares object by object.
    fn inspect_schemas(
        &self,
        history: &History,
        databases: &[&str],
        inspection: &mut Inspection,
    ) -> Result<(), Error> {
        let is_applied = |migration: &&Migration| {
            history.row(&migration.info().version).is_some_and(|row| row.success)
        };
        let applied: Vec<Migration> =
            self.registry.migrations().iter().filter(is_applied).cloned().collect();
        if applied.is_empty() {
            return Ok(());
        }
        let scratch = tempfile::tempdir()
            .map_err(|error| io_on_file(error, "create", &std::env::temp_dir()))?;
        if let Err(error) = self.replay(applied, scratch.path()) {
            inspection.notes.push(format!(
                "the schema could not be compared: a replay on empty databases fails: {error}"
            ));
            return Ok(());
        }
        for database in databases {
            let expected = self.schema_at(&scratch.path().join(format!("{database}.db")))?;
            let found = self.schema_at(&self.file_of(database))?;
            for difference in compare::differences(&expected, &found) {
                inspection.findings.push(Finding {
                    code: "drift",
                    database: Some((*database).to_owned()),
                    message: format!("{database}: {difference}"),
                    diff: Some(difference.unified_diff()),
                    hint: "write a migration that makes the schema what it should be, or undo the change by hand".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Builds a set from nothing in another directory.
    pub(super) fn replay(
        &self,
        migrations: Vec<Migration>,
        directory: &std::path::Path,
    ) -> Result<(), Error> {
        let registry = Registry::new(self.registry.databases(), migrations)
            .with_schema_version_table(self.registry.schema_version_table());
        let options = Options { backup: BackupPolicy::Skip, ..Options::default() };
        Self::new(registry, directory).with_options(options).upgrade(&Target::Latest)?;
        Ok(())
    }

    /// Reads a schema without the engine's own table.
    pub(crate) fn schema_at(&self, path: &std::path::Path) -> Result<Schema, Error> {
        let Some(connection) = reading::open_within(path, self.patience())? else {
            return Ok(Schema::default());
        };
        let table = self.registry.schema_version_table();
        Ok(Schema::read(&connection)?.without(|object| object.table.eq_ignore_ascii_case(table)))
    }

    /// Returns each database's schema as normalised SQL: the real one, or with a version what
    /// the compiled set makes up to it. Never writes.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status); `UnknownVersion`; what a replay meets.
    pub fn schema(
        &self,
        at: Option<&crate::version::Version>,
    ) -> Result<Vec<(String, String)>, Error> {
        self.registry.check()?;
        let scratch = tempfile::tempdir()
            .map_err(|error| io_on_file(error, "create", &std::env::temp_dir()))?;
        if let Some(version) = at {
            crate::plan::known(&self.infos(), version)?;
            let up_to = |migration: &&Migration| migration.info().version <= *version;
            self.replay(
                self.registry.migrations().iter().filter(up_to).cloned().collect(),
                scratch.path(),
            )?;
        } else {
            questions::refuse_unusable(&self.data_dir)?;
        }
        let file = |database: &str| match at {
            Some(_) => scratch.path().join(format!("{database}.db")),
            None => self.file_of(database),
        };
        let databases = self.registry.databases().iter();
        databases
            .map(|database| Ok(((*database).to_owned(), self.schema_at(&file(database))?.to_sql())))
            .collect()
    }
}

/// Compares what a database records with what the history has on it.
fn compare_records(
    database: &str,
    applied: &BTreeSet<String>,
    rows: &[String],
    history: &History,
) -> Vec<Finding> {
    let recorded: BTreeSet<String> = rows.iter().cloned().collect();
    let mut findings = Vec::new();
    for version in applied.difference(&recorded) {
        let message = format!("the history has {version}, and {database} does not record it");
        findings.push(Finding::on(
            database,
            "unrecorded",
            message,
            "`recover` marks it, then `upgrade` runs it again",
        ));
    }
    for version in recorded.iter().filter(|version| !is_applied(version, history)) {
        let message = format!("{database} records {version}, and the history does not have it");
        let hint = "`upgrade` runs it again; or `restore` a backup of one moment";
        findings.push(Finding::on(database, "unknown_record", message, hint));
    }
    if recorded.len() < rows.len() {
        let message = format!("{database} records a migration more than once");
        findings.push(Finding::on(
            database,
            "doubled",
            message,
            "`recover` removes the doubled rows",
        ));
    }
    findings
}

fn is_applied(version: &str, history: &History) -> bool {
    version.parse().is_ok_and(|version| history.row(&version).is_some_and(|row| row.success))
}

fn damaged(database: &str, error: &Error) -> Finding {
    let hint = error.hint().unwrap_or("`restore ID --database NAME` from a good backup");
    Finding::on(database, "damaged", error.to_string(), hint)
}
