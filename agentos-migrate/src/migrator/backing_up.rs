//! The backup before a run: made, told of, and cleaned up after.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::preflight::Ground;
use super::run::interrupted;
use super::{BackupPolicy, Migrator};
use crate::backup::{AUTOMATIC, BackupManager, BackupOptions, BackupProgress};
use crate::error::{Error, ErrorKind};
use crate::event::Progress;
use crate::plan::Plan;

impl Migrator {
    pub(super) fn backups(&self) -> BackupManager {
        let manager = BackupManager::for_registry(&self.registry, &self.data_dir)
            .with_wait(self.options.wait);
        match &self.options.backup_directory {
            Some(directory) => manager.with_directory(directory),
            None => manager,
        }
    }

    pub(super) fn back_up(&self, plan: &Plan, ground: &Ground) -> Result<Option<String>, Error> {
        if self.options.backup == BackupPolicy::Skip || ground.is_fresh {
            return Ok(None);
        }
        self.tell(&Progress::BackupStarted);
        let mut options = BackupOptions::default().with_reason(plan.reason());
        options.metadata.extend(self.options.metadata.clone());
        options.metadata.insert(AUTOMATIC.to_owned(), "true".to_owned());
        let (observer, cancelled) =
            (Arc::clone(&self.options.observer), Arc::clone(&self.cancelled));
        let manager = self.backups().with_listener(move |progress: &BackupProgress| {
            observer(&Progress::BackupBytes {
                done: progress.done_bytes,
                total: progress.total_bytes,
            });
            if cancelled.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match manager.create_backup_locked(&options) {
            Ok(manifest) => {
                self.tell(&Progress::BackupFinished {
                    id: &manifest.backup_id,
                    bytes: manifest.total_size_bytes,
                });
                Ok(Some(manifest.backup_id))
            }
            Err(error) if self.options.backup == BackupPolicy::BestEffort => {
                self.tell(&Progress::BackupFailed { error: &error.to_string() });
                Ok(None)
            }
            Err(error) => Err(no_backup(error)),
        }
    }

    pub(super) fn clean_backups(&self) -> Result<(), Error> {
        match self.options.keep_backups {
            Some(count) => self.backups().clean_automatic_locked(count),
            None => Ok(()),
        }
    }
}

/// Says why there is no backup. What would stop the run as well keeps its meaning.
fn no_backup(error: Error) -> Error {
    if error.kind() == ErrorKind::Interrupted {
        return interrupted().detail("while the backup was made").in_state("nothing was changed");
    }
    let kind = match error.kind() {
        kind @ (ErrorKind::Busy | ErrorKind::DamagedDatabase) => kind,
        _ => ErrorKind::BackupFailed,
    };
    let hint = match (error.hint(), kind) {
        (Some(hint), ErrorKind::Busy | ErrorKind::DamagedDatabase) => hint.to_owned(),
        (cause, _) => {
            let cause = cause.unwrap_or("mend the cause");
            format!("{cause}; or go on without a backup, with `--force` or `--no-backup`")
        }
    };
    let made = Error::new(kind, format!("no backup could be made: {error}"));
    let made = error.details().iter().fold(made, Error::detail);
    made.in_state("nothing was changed").with_hint(hint).caused_by(error)
}
