//! Finishing what an interrupted run left, under the run lock.

use super::Migrator;
use crate::error::Error;
use crate::report::Recovery;
use crate::sqlite::directory::refuse_unusable;
use crate::sqlite::lock::RunLock;
use crate::sqlite::{journal_modes, orphans, session};

impl Migrator {
    /// Finishes or undoes what an interrupted run left: a restore half way, files that wait to
    /// return to write-ahead logging, leftovers of a backup.
    ///
    /// Also mends a history that does not agree with its databases: a migration that none of its
    /// databases records is marked, so that `upgrade` runs it again; version rows written twice go; what
    /// every database of it records, and the history does not have as applied, counts as applied.
    ///
    /// Every command that writes does the first part by itself. A transaction that was interrupted needs
    /// nothing: SQLite recovers it when any program opens any of its files.
    ///
    /// # Errors
    ///
    /// `Busy` while another run holds the lock; `NeedsOperator` if a restore can't be finished, or
    /// if only some databases of a migration record it: then a file has to come back first.
    pub fn recover(&self) -> Result<Recovery, Error> {
        refuse_unusable(&self.data_dir)?;
        let _lock = self.lock()?;
        let not_all = |error: Error| error.or_in_state("what was interrupted is not all finished");
        let mut recovery = self.recover_locked().map_err(not_all)?;
        let not_mended = |error: Error| {
            error.or_in_state("what was interrupted is finished; the history is as it was")
        };
        self.mend_locked(&mut recovery).map_err(not_mended)?;
        Ok(recovery)
    }

    pub(super) fn lock(&self) -> Result<RunLock, Error> {
        RunLock::acquire(&self.data_dir, self.options.wait)
    }

    /// As [`recover`](Self::recover), for a caller that holds the run lock.
    pub(super) fn recover_locked(&self) -> Result<Recovery, Error> {
        orphans::clean(&self.data_dir, self.options.wait)?;
        let restored = self.backups().recover_locked()?;
        let databases = journal_modes::read(&self.data_dir)?;
        session::return_to_wal(&self.data_dir, &databases, self.options.wait)?;
        Ok(Recovery { restored, returned_to_wal: databases, ..Recovery::default() })
    }
}
