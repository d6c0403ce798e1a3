//! A run that failed: what the caller gets, and what the history keeps of it.

use std::fmt;
use std::ops::Deref;

use super::Migrator;
use super::preflight::Ground;
use crate::error::Error;
use crate::event::{Event, EventKind, Progress};
use crate::plan::Plan;
use crate::report::{MigrationResult, Report};
use crate::sqlite::failure::on_file;
use crate::sqlite::history_table;

/// A run that failed: the error, and what was done before it.
///
/// Reads like its error, in `Debug` too.
pub struct RunFailure {
    /// Why it failed.
    pub error: Error,
    /// What was done, the failed migration last.
    pub report: Report,
}

impl From<Error> for RunFailure {
    fn from(error: Error) -> Self {
        Self { error, report: Report::default() }
    }
}

impl From<RunFailure> for Error {
    fn from(failure: RunFailure) -> Self {
        failure.error
    }
}

impl fmt::Debug for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl Deref for RunFailure {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for RunFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl Migrator {
    /// Records a failure in the history, where there is one, and says what state the files are in.
    pub(super) fn failed(
        &self,
        error: Error,
        mut report: Report,
        ground: &Ground,
        plan: &Plan,
    ) -> RunFailure {
        let failed = report.failed_result().cloned();
        let state = report.state_after_failure(plan);
        let mut error = error.in_state(state);
        if let Some(result) = &failed {
            self.tell(&Progress::MigrationFinished { result });
            if ground.has_history
                && self.dying.is_none()
                && let Err(unrecorded) = self.record_failure(result, report.backup_id.as_deref())
            {
                error = error.detail(format!("the failure could not be recorded: {unrecorded}"));
            }
        }
        if let Some(id) = &report.backup_id {
            error = error
                .detail(format!("backup before this run: {id}, brought back by `restore {id}`"));
        }
        report.dry_run = false;
        RunFailure { error, report }
    }

    fn record_failure(
        &self,
        result: &MigrationResult,
        backup_id: Option<&str>,
    ) -> Result<(), Error> {
        let path = self.data_dir.join(history_table::FILE_NAME);
        let failed = |error| on_file(error, "write", &path);
        let mut connection = rusqlite::Connection::open(&path).map_err(failed)?;
        connection.busy_timeout(self.options.wait).map_err(failed)?;
        let transaction = connection.transaction().map_err(failed)?;
        history_table::create(&transaction).map_err(failed)?;
        // A revert or a forced re-run that failed leaves the migration applied.
        if result.upgrades()
            && !history_table::is_applied(&transaction, &result.version).map_err(failed)?
        {
            history_table::write_row(&transaction, &result.row()).map_err(failed)?;
        }
        let event = Event {
            note: result.error_message.clone(),
            ..self.event(EventKind::Failed, result, backup_id)
        };
        history_table::append(&transaction, &event).map_err(failed)?;
        transaction.commit().map_err(failed)
    }
}
