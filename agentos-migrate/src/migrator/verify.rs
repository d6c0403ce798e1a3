//! Looking at a data directory for what is not as it should be. Never writes.

use std::collections::BTreeSet;

use super::drift::Drift;
use super::finding::{Finding, Inspection};
use super::losses::{how_lost, log_left};
use super::records::Told;
use super::standing::Evidence;
use super::{Migrator, questions};
use crate::error::Error;
use crate::history::History;
use crate::sqlite::failure::{on_file, says_damaged};
use crate::sqlite::{foreign_keys, history_table, reading, schema_version};
use crate::status::{State, Status};
use crate::version::Version;

impl Migrator {
    /// Compares history, checksums, each database's versions and its real schema with the
    /// compiled set, and asks SQLite about every file. Never writes.
    ///
    /// The schema is compared with what the set makes on its declared baseline
    /// ([`Registry::with_baseline`](crate::Registry::with_baseline)). What
    /// [`accept_drift`](Self::accept_drift) recorded is no finding as long as it stays as it was.
    /// A database that no migration touched and no baseline describes is not compared.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status). What is wrong with the data is in the
    /// [`Inspection`], not an error.
    pub fn verify(&self) -> Result<Inspection, Error> {
        Ok(self.look_closely().map_err(questions::asked)?.inspection)
    }

    /// Verifies, and keeps what a person could accept as it is.
    pub(super) fn look_closely(&self) -> Result<CloseLook, Error> {
        self.registry.check()?;
        questions::refuse_half_restored(&self.data_dir)?;
        let mut look = CloseLook::default();
        let history = questions::history(&self.data_dir, self.patience())?;
        let events = questions::events(&self.data_dir, self.patience())?;
        let accepted = questions::accepted(&self.data_dir, self.patience())?;
        let evidence = self.evidence(&history)?;
        self.inspect_history(&history, &evidence, &mut look.inspection)?;
        let told = Told::new(&history, &events, &accepted, &evidence);
        let mut readable = Vec::new();
        for database in self.registry.databases() {
            match self.inspect_database(database, &told, &history, &mut look) {
                Ok(true) => readable.push(*database),
                Ok(false) => {}
                Err(error) if says_damaged(&error) => {
                    let hint = match error.hint() {
                        Some(hint) if self.file_of(database).is_dir() => hint.to_owned(),
                        _ => self.ways_to_restore(&evidence, &BTreeSet::from([*database])),
                    };
                    let finding = Finding::on(database, "damaged", error.to_string(), &hint);
                    look.inspection.findings.push(finding);
                }
                // What could not be looked at is no finding.
                Err(error) => return Err(error),
            }
        }
        if self.is_lost(&history, &evidence, &mut look) {
            look.inspection.schema_compared = false;
            return Ok(look);
        }
        look.drifts = self.inspect_schemas(&history, &readable, &accepted, &mut look.inspection)?;
        Ok(look)
    }

    fn inspect_history(
        &self,
        history: &History,
        evidence: &Evidence<'_>,
        inspection: &mut Inspection,
    ) -> Result<(), Error> {
        let path = self.data_dir.join(history_table::FILE_NAME);
        if let Some(connection) = reading::open_within(&path, self.patience())? {
            let hint = questions::DAMAGED_HISTORY;
            inspection.findings.extend(integrity(&connection, "migrations", &path, hint)?);
        }
        let status = Status::of(&self.infos(), history);
        for entry in status.entries() {
            let (code, hint) = match entry.state {
                State::Applied | State::Pending => continue,
                State::Modified => (
                    "modified",
                    "`accept VERSION` records the new checksum, `upgrade --force` runs it again"
                        .to_owned(),
                ),
                State::Missing => {
                    ("missing", "install the newer program that applied it".to_owned())
                }
                State::Failed => ("failed", self.way_out_of_failure(&entry.version, evidence)),
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
            inspection.findings.push(Finding { code, database: None, message, diff: None, hint });
        }
        if status.pending_count > 0 {
            inspection.notes.push(format!("{} migration(s) pending", status.pending_count));
        }
        Ok(())
    }

    /// Says of a database without a file that migrations ran on it.
    fn lost(&self, database: &str, told: &Told<'_>, history: &History) -> Option<Finding> {
        let path = self.file_of(database);
        let applied = self.applied_to(database, history).len();
        let elsewhere = self.recorded_elsewhere(database, told.evidence);
        let who = match (applied, elsewhere) {
            (0, 0) => return None,
            (0, _) => format!("other databases record {elsewhere} migration(s) that ran on it too"),
            _ => format!("the history has {applied} migration(s) on it"),
        };
        let log = log_left(&path).map(|log| format!("; {log}")).unwrap_or_default();
        let message = format!("{} {}, and {who}{log}", path.display(), how_lost(&path));
        let hint = self.ways_back(told.evidence, &BTreeSet::from([database]));
        Some(Finding::on(database, "no_file", message, &hint))
    }

    /// Returns whether the database is there, and this set's, to be compared.
    fn inspect_database(
        &self,
        database: &str,
        told: &Told<'_>,
        history: &History,
        look: &mut CloseLook,
    ) -> Result<bool, Error> {
        let path = self.file_of(database);
        let inspection = &mut look.inspection;
        if !self.has_file(database)
            && let Some(finding) = self.lost(database, told, history)
        {
            inspection.findings.push(finding);
            return Ok(false);
        }
        let Some(connection) = reading::open_within(&path, self.patience())? else {
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
            return Ok(false);
        }
        let failed = |error| on_file(error, "read", &path);
        let records = schema_version::records(&connection, self.registry.schema_version_table())
            .map_err(failed)?;
        inspection.findings.extend(self.compare_records(database, &records, told));
        look.untold.extend(told.unknown_of(&records));
        let copied = told.rows_from_elsewhere(database, &records);
        look.copied.extend(copied.into_iter().map(|row| (database.to_owned(), row)));
        let hint = self.ways_to_restore(told.evidence, &BTreeSet::from([database]));
        inspection.findings.extend(integrity(&connection, database, &path, &hint)?);
        let orphans = foreign_keys::violations(&connection).map_err(failed)?;
        inspection.notes.extend(orphans.told(database));
        Ok(true)
    }
}

/// What a look found, with what a person could accept as it is.
#[derive(Default)]
pub(super) struct CloseLook {
    pub(super) inspection: Inspection,
    pub(super) drifts: Vec<Drift>,
    /// Version rows of another directory: database, and version with its time.
    pub(super) copied: Vec<(String, (String, String))>,
    /// Migrations that databases record and the history does not have.
    untold: BTreeSet<Version>,
}

impl Migrator {
    /// Says once, instead of for each row, that databases record what no history tells of.
    fn is_lost(&self, history: &History, evidence: &Evidence<'_>, look: &mut CloseLook) -> bool {
        let versions: Vec<&str> = look.untold.iter().map(Version::as_str).collect();
        if !history.is_empty() || versions.is_empty() {
            return false;
        }
        let hint = match self.refuse_torn(evidence) {
            Err(torn) => torn.hint().unwrap_or_default().to_owned(),
            Ok(()) => "put migrations.db back, or `restore` a backup of one moment; `recover` makes a history of what the databases record".to_owned(),
        };
        let inspection = &mut look.inspection;
        inspection.findings.retain(|finding| finding.code != "unknown_record");
        inspection.findings.push(Finding {
            code: "no_history",
            database: None,
            message: format!(
                "migrations.db holds no history, and the databases record {} migration(s) as applied: {}",
                versions.len(),
                versions.join(", ")
            ),
            diff: None,
            hint,
        });
        true
    }
}

fn integrity(
    connection: &rusqlite::Connection,
    database: &str,
    path: &std::path::Path,
    hint: &str,
) -> Result<Option<Finding>, Error> {
    // https://sqlite.org/pragma.html#pragma_integrity_check
    let check: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| on_file(error, "read", path))?;
    Ok((check != "ok")
        .then(|| Finding::on(database, "damaged", format!("{database}: {check}"), hint)))
}
