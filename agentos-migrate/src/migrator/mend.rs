//! Mending a history that does not agree with its databases.
//!
//! What an older tool left: a migration that the history has and a database
//! does not record, and version rows written twice. Nothing is run here: a
//! migration that a database lacks is marked as failed, so that `upgrade`
//! runs it again, with a backup before it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Migrator;
use super::questions;
use super::step::now;
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::history::{AppliedMigration, History};
use crate::report::Recovery;
use crate::sqlite::failure::on_file;
use crate::sqlite::session::{Opening, Session};
use crate::sqlite::vfs::CommitError;
use crate::sqlite::{history_table, reading, schema_version};

impl Migrator {
    /// Marks what the history has and a database lacks, and removes doubled version rows.
    pub(super) fn mend_locked(&self, recovery: &mut Recovery) -> Result<(), Error> {
        let mut history = questions::history(&self.data_dir, self.options.wait)?;
        let unrecorded = self.unrecorded(&history)?;
        let doubled = self.doubled()?;
        if unrecorded.is_empty() && doubled.is_empty() {
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
        let written = self.write_mended(&session, &mut history, &unrecorded);
        let outcome = written.and_then(|()| {
            let mut members = std::mem::take(&mut session.members);
            let outcome = session.commit(&mut members, history.digest(&self.infos()));
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
        recovery.deduplicated = databases.into_iter().map(str::to_owned).collect();
        Ok(())
    }

    fn write_mended(
        &self,
        session: &Session,
        history: &mut History,
        unrecorded: &[AppliedMigration],
    ) -> Result<(), Error> {
        let table = self.registry.schema_version_table();
        for member in &session.members {
            let removed = schema_version::remove_doubled(&member.connection, table);
            removed.map_err(|error| on_file(error, "mend", &member.path))?;
        }
        session.create_history()?;
        for row in unrecorded {
            let note = "a database does not record it".to_owned();
            let failed = AppliedMigration {
                success: false,
                error_message: Some(note.clone()),
                ..row.clone()
            };
            let event = Event {
                at: now(),
                kind: EventKind::Recovered,
                version: Some(row.version.clone()),
                name: Some(row.name.clone()),
                checksum: Some(row.checksum.clone()),
                program: self.options.program.clone(),
                backup_id: None,
                note: Some(note),
            };
            session.write_history(&[history_table::Entry {
                version: row.version.clone(),
                row: Some(failed.clone()),
                event,
            }])?;
            history.set(failed);
        }
        Ok(())
    }

    /// Returns the applied migrations that one of their databases does not record.
    pub(super) fn unrecorded(&self, history: &History) -> Result<Vec<AppliedMigration>, Error> {
        let mut found = Vec::new();
        for info in self.infos() {
            let Some(row) = history.row(&info.version).filter(|row| row.success) else { continue };
            for database in info.databases.iter() {
                if !self.recorded(database)?.contains(info.version.as_str()) {
                    found.push(row.clone());
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Returns the versions that a database records; none for a missing file.
    pub(super) fn recorded(&self, database: &str) -> Result<BTreeSet<String>, Error> {
        Ok(self.recorded_rows(database)?.into_iter().collect())
    }

    fn recorded_rows(&self, database: &str) -> Result<Vec<String>, Error> {
        let path = self.file_of(database);
        let Some(connection) = reading::open_within(&path, self.patience())? else {
            return Ok(Vec::new());
        };
        let rows = schema_version::recorded(&connection, self.registry.schema_version_table());
        rows.map_err(|error| on_file(error, "read", &path))
    }

    /// Returns the databases that record one version more than once.
    pub(super) fn doubled(&self) -> Result<BTreeSet<&'static str>, Error> {
        let mut found = BTreeSet::new();
        for database in self.registry.databases() {
            let rows = self.recorded_rows(database)?;
            let distinct: BTreeSet<&String> = rows.iter().collect();
            if distinct.len() < rows.len() {
                found.insert(*database);
            }
        }
        Ok(found)
    }
}
