//! Mending a history that does not agree with its databases.
//!
//! What an older tool left: a migration that the history has and a database
//! does not record, and version rows written twice. What the loss of
//! migrations.db leaves: databases that record what no history tells of.
//! Nothing is run here: a migration that a database lacks is marked as failed,
//! so that `upgrade` runs it again, with a backup before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Migrator;
use super::questions;
use super::step::now;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::history::{AppliedMigration, History};
use crate::report::Recovery;
use crate::sqlite::failure::on_file;
use crate::sqlite::schema_version::Record;
use crate::sqlite::session::{Opening, Session};
use crate::sqlite::vfs::CommitError;
use crate::sqlite::{history_table, reading, schema_version};
use crate::version::Version;

/// Why a row is marked to run again.
const UNRECORDED: &str = "a database does not record it";

/// Why a row is there that no run wrote.
const UNTOLD: &str = "every database of it records it, and the history did not have it";

impl Migrator {
    /// Marks what the history has and a database lacks, and removes doubled version rows,
    /// and takes in what only the databases tell of.
    pub(super) fn mend_locked(&self, recovery: &mut Recovery) -> Result<(), Error> {
        let mut history = questions::history(&self.data_dir, self.options.wait)?;
        let unrecorded = self.unrecorded(&history)?;
        let doubled = self.doubled()?;
        let untold = self.untold(&history)?;
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

    /// Returns the applied migrations that one of their databases does not record.
    pub(super) fn unrecorded(&self, history: &History) -> Result<Vec<AppliedMigration>, Error> {
        let mut found = Vec::new();
        for info in self.infos() {
            let Some(row) = history.row(&info.version).filter(|row| row.success) else { continue };
            for database in info.databases.iter() {
                if !self.recorded(database)?.contains(&info.version) {
                    found.push(row.clone());
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Returns the migrations of which the history says nothing, though every database of theirs
    /// records them: what a lost migrations.db leaves. To run them again would be to run them twice.
    fn untold(&self, history: &History) -> Result<Vec<AppliedMigration>, Error> {
        let mut recorded = BTreeMap::new();
        for database in self.registry.databases() {
            recorded.insert(*database, self.records_of(database)?);
        }
        let mut found = Vec::new();
        for info in self.infos() {
            if history.row(&info.version).is_some() {
                continue;
            }
            let mut times = Vec::new();
            for database in info.databases.iter() {
                let records = recorded.get(database).into_iter().flatten();
                let mut of_it = records.filter(|record| {
                    record.migration.parse::<Version>().as_ref() == Ok(&info.version)
                });
                times.extend(of_it.next().map(|record| record.applied_at.clone()));
            }
            if !times.is_empty() && times.len() < info.databases.len() && self.has_lost_history() {
                return Err(half_recorded(info.version.as_str()));
            }
            if times.len() == info.databases.len()
                && let Some(applied_at) = times.into_iter().next()
            {
                found.push(AppliedMigration {
                    version: info.version.to_string(),
                    name: info.name.to_string(),
                    applied_at,
                    checksum: info.checksum.to_string(),
                    success: true,
                    execution_time_ms: 0.0,
                    error_message: None,
                });
            }
        }
        Ok(found)
    }

    /// Returns the versions that a database records; none for a missing file.
    pub(super) fn recorded(&self, database: &str) -> Result<BTreeSet<Version>, Error> {
        Ok(self.recorded_rows(database)?.iter().filter_map(|text| text.parse().ok()).collect())
    }

    fn recorded_rows(&self, database: &str) -> Result<Vec<String>, Error> {
        Ok(self.records_of(database)?.into_iter().map(|record| record.migration).collect())
    }

    fn records_of(&self, database: &str) -> Result<Vec<Record>, Error> {
        let table = self.registry.schema_version_table();
        let records =
            |connection: &rusqlite::Connection| schema_version::records(connection, table);
        let found = reading::ask(&self.file_of(database), self.patience(), records)?;
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

/// A history can't be made of databases that do not agree.
fn half_recorded(version: &str) -> Error {
    let text = format!("there is no migrations.db, and only some databases of {version} record it");
    Error::new(ErrorKind::NeedsOperator, text)
        .in_state("nothing was changed")
        .with_hint("put migrations.db and the lost database back, or `restore` a backup of one moment; `verify` shows which they are")
}
