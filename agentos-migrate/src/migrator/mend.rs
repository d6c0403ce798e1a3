//! Mending a history that does not agree with its databases.
//!
//! What an older tool left: a migration that the history has and a database
//! does not record, and version rows written twice. What the loss of
//! migrations.db leaves: databases that record what no history tells of.
//! Nothing is run here: a migration that no database of it records is marked as
//! failed, so that `upgrade` runs it again, with a backup before it. One that
//! only some of them record is refused: it would run twice on those.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Migrator;
use super::questions;
use super::standing::{Evidence, Standing, UNRECORDED, is_marked};
use super::time::now;
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::history::{AppliedMigration, History};
use crate::info::MigrationInfo;
use crate::report::Recovery;
use crate::sqlite::failure::on_file;
use crate::sqlite::schema_version::Record;
use crate::sqlite::session::{Opening, Session};
use crate::sqlite::vfs::CommitError;
use crate::sqlite::{history_table, reading, schema_version};
use crate::version::Version;

/// Why a row is there that no run wrote.
const UNTOLD: &str = "every database of it records it, and the history did not have it as applied";

impl Migrator {
    /// Marks what the history has and no database records, and removes doubled version rows,
    /// and takes in what only the databases tell of.
    pub(super) fn mend_locked(&self, recovery: &mut Recovery) -> Result<(), Error> {
        let mut history = questions::history(&self.data_dir, self.options.wait)?;
        let doubled = self.doubled()?;
        let (unrecorded, untold) = {
            let evidence = self.evidence(&history)?;
            self.refuse_strangers(&evidence)?;
            self.refuse_renamed(&evidence)?;
            self.refuse_torn(&evidence)?;
            (self.unrecorded(&history, &evidence), self.untold(&history, &evidence))
        };
        if unrecorded.is_empty() && doubled.is_empty() && untold.is_empty() {
            return Ok(());
        }
        let databases: Vec<&str> = doubled.iter().copied().collect();
        let opening = Opening {
            data_dir: &self.data_dir,
            databases: &databases,
            wait: self.options.wait,
            cancelled: Arc::clone(&self.cancelled),
            base_vfs: None,
        };
        let mut session = Session::open(&opening)?;
        let written = self
            .remove_doubled_rows(&session)
            .and_then(|()| {
                let failed = unrecorded.iter().map(|row| AppliedMigration {
                    success: false,
                    error_message: Some(UNRECORDED.to_owned()),
                    ..row.clone()
                });
                self.write_mended(&session, &mut history, failed, UNRECORDED)
            })
            .and_then(|()| {
                self.write_mended(&session, &mut history, untold.iter().cloned(), UNTOLD)
            });
        let outcome = written.and_then(|()| {
            let mut members = std::mem::take(&mut session.members);
            let outcome = session.commit(&mut members, self.digest_of(&history));
            session.members = members;
            match outcome {
                Ok(()) => Ok(()),
                Err(CommitError::RolledBack(error) | CommitError::DurabilityUnknown(error)) => {
                    Err(error)
                }
            }
        });
        session.close()?;
        outcome?;
        recovery.to_run_again = unrecorded.into_iter().map(|row| row.version).collect();
        recovery.taken_into_history = untold.into_iter().map(|row| row.version).collect();
        recovery.deduplicated = databases.into_iter().map(str::to_owned).collect();
        Ok(())
    }

    fn remove_doubled_rows(&self, session: &Session) -> Result<(), Error> {
        let table = self.registry.schema_version_table();
        for member in &session.members {
            let removed = schema_version::remove_doubled(&member.connection, table);
            removed.map_err(|error| on_file(error, "mend", &member.path))?;
        }
        Ok(())
    }

    fn write_mended(
        &self,
        session: &Session,
        history: &mut History,
        rows: impl Iterator<Item = AppliedMigration>,
        note: &str,
    ) -> Result<(), Error> {
        session.create_history()?;
        for row in rows {
            let event = Event {
                at: now(),
                kind: EventKind::Recovered,
                version: Some(row.version.clone()),
                name: Some(row.name.clone()),
                checksum: Some(row.checksum.clone()),
                program: self.options.program.clone(),
                backup_id: None,
                note: Some(note.to_owned()),
            };
            session.write_history(&[history_table::Entry {
                version: row.version.clone(),
                row: Some(row.clone()),
                event,
            }])?;
            history.set(row);
        }
        Ok(())
    }

    /// Returns the applied migrations that none of their databases records.
    fn unrecorded(&self, history: &History, evidence: &Evidence<'_>) -> Vec<AppliedMigration> {
        let infos = self.infos();
        let unrecorded =
            infos.iter().filter(|info| evidence.standing(info) == Standing::Unrecorded);
        let rows = unrecorded
            .filter(|info| !info.databases.is_empty())
            .filter_map(|info| history.row(&info.version).filter(|row| row.success));
        rows.cloned().collect()
    }

    /// Returns the migrations of which the history says nothing, or that they failed, though every
    /// database of theirs records them: what a lost migrations.db leaves, or a lost database that is
    /// put back after it was marked. To run them again would be to run them twice.
    fn untold(&self, history: &History, evidence: &Evidence<'_>) -> Vec<AppliedMigration> {
        let infos = self.infos();
        let untold = infos.iter().filter(|info| {
            history.row(&info.version).is_none_or(|row| !row.success)
                && evidence.standing(info) == Standing::Recorded
        });
        let row = |info: &&MigrationInfo| {
            let marked = history.row(&info.version).filter(|row| is_marked(row));
            if let Some(row) = marked {
                return Some(AppliedMigration {
                    success: true,
                    error_message: None,
                    ..row.clone()
                });
            }
            let record = evidence.record(info.databases.first()?, &info.version)?;
            let logged = evidence.logged_checksum(&info.version).map(str::to_owned);
            Some(AppliedMigration {
                version: info.version.to_string(),
                name: info.name.to_string(),
                applied_at: record.applied_at.clone(),
                checksum: logged.unwrap_or_else(|| info.checksum.to_string()),
                success: true,
                execution_time_ms: 0.0,
                error_message: None,
            })
        };
        untold.filter_map(row).collect()
    }

    /// Returns the versions that a database records; none for a missing file.
    pub(super) fn recorded(&self, database: &str) -> Result<BTreeSet<Version>, Error> {
        Ok(self.recorded_rows(database)?.iter().filter_map(|text| text.parse().ok()).collect())
    }

    fn recorded_rows(&self, database: &str) -> Result<Vec<String>, Error> {
        Ok(self.records_of(database)?.into_iter().map(|record| record.migration).collect())
    }

    pub(super) fn records_of(&self, database: &str) -> Result<Vec<Record>, Error> {
        let path = self.file_of(database);
        // Told where it matters, as a lost file.
        if path.is_dir() {
            return Ok(Vec::new());
        }
        let table = self.registry.schema_version_table();
        let records =
            |connection: &rusqlite::Connection| schema_version::records(connection, table);
        let found = reading::ask(&path, self.patience(), records)?;
        Ok(found.unwrap_or_default())
    }

    /// Returns the databases that record one version more than once.
    pub(super) fn doubled(&self) -> Result<BTreeSet<&'static str>, Error> {
        let mut found = BTreeSet::new();
        for database in self.registry.databases() {
            let rows = self.recorded_rows(database)?;
            let distinct: BTreeSet<&str> =
                rows.iter().map(|version| version.trim_start_matches('0')).collect();
            if distinct.len() < rows.len() {
                found.insert(*database);
            }
        }
        Ok(found)
    }
}
