//! Recording a changed checksum without running anything.

use std::sync::Arc;

use super::Migrator;
use super::questions;
use super::time::now;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::history::{AppliedMigration, History};
use crate::plan::known;
use crate::sqlite::directory::refuse_unusable;
use crate::sqlite::failure::on_file;
use crate::sqlite::history_table;
use crate::sqlite::session::{Opening, Session};
use crate::sqlite::vfs::CommitError;
use crate::status::{State, Status};
use crate::version::Version;

impl Migrator {
    /// Records the compiled checksum of a modified migration; runs nothing.
    ///
    /// # Errors
    ///
    /// `UnknownVersion`, and `Usage` if the migration is not modified.
    pub fn accept(&self, version: &Version) -> Result<AppliedMigration, Error> {
        self.record_checksum(version).map_err(Error::or_unchanged)
    }

    fn record_checksum(&self, version: &Version) -> Result<AppliedMigration, Error> {
        self.registry.check()?;
        refuse_unusable(&self.data_dir)?;
        let _lock = self.lock()?;
        self.recover_locked()?;
        let infos = self.infos();
        let info = known(&infos, version).map_err(|error| {
            let hint = error.hint().unwrap_or_default().replace("--target ", "accept ");
            error.with_hint(hint)
        })?;
        let mut history = questions::history(&self.data_dir, self.options.wait)?;
        let state = Status::of(&infos, &history).state(version);
        let row = match (state, history.row(&info.version)) {
            (Some(State::Modified), Some(row)) => row.clone(),
            (state, _) => {
                let state = state.map_or("unknown", State::as_str);
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("{version} is {state}, not modified: there is nothing to accept"),
                )
                .in_state("nothing was changed")
                .with_hint("run `status` to see which migrations are modified"));
            }
        };
        let note = format!("was {}", row.checksum);
        let accepted = AppliedMigration { checksum: info.checksum.to_string(), ..row };
        history.set(accepted.clone());
        let event = Event {
            at: now(),
            kind: EventKind::Accepted,
            version: Some(accepted.version.clone()),
            name: Some(accepted.name.clone()),
            checksum: Some(accepted.checksum.clone()),
            program: self.options.program.clone(),
            backup_id: None,
            note: Some(note),
        };
        self.write_history(&history, |connection| {
            let entry = history_table::Entry {
                version: accepted.version.clone(),
                row: Some(accepted.clone()),
                event,
            };
            history_table::write(connection, &[entry])
        })?;
        Ok(accepted)
    }

    /// Changes migrations.db alone, in one transaction. The caller holds the run lock.
    pub(super) fn write_history(
        &self,
        after: &History,
        change: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let opening = Opening {
            data_dir: &self.data_dir,
            databases: &[],
            wait: self.options.wait,
            cancelled: Arc::clone(&self.cancelled),
            base_vfs: None,
        };
        let mut session = Session::open(&opening)?;
        let path = self.data_dir.join(history_table::FILE_NAME);
        let written = session.create_history().and_then(|()| {
            change(session.history()).map_err(|error| on_file(error, "write", &path))
        });
        let outcome = written.and_then(|()| match session.commit(&mut [], self.digest_of(after)) {
            Ok(()) => Ok(()),
            Err(CommitError::RolledBack(error) | CommitError::DurabilityUnknown(error)) => {
                Err(error)
            }
        });
        session.close()?;
        outcome
    }
}
