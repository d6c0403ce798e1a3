//! Backups: made of one moment, verified, listed, restored, pruned.
//!
//! A backup is written under a temporary name, synced, verified and renamed;
//! it is never changed afterwards. A restore builds the whole new tree beside
//! the data, writes down what it is going to do, and then only renames.
//! docs/format.md is normative, docs/adr/0004 argues the forms.

mod archive;
mod catalog;
mod copying;
mod create;
mod files;
mod hashing;
mod held;
mod history;
mod kept;
mod manifest;
mod options;
mod paths;
mod place;
mod reading_back;
mod restore;
mod retention;
mod snapshot;
mod soundness;
mod source;
mod swap;
mod unpacking;
mod verify;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::catalog::{BackupEntry, Form};
pub use self::manifest::{FileRecord, Manifest, Scope};
pub use self::options::{
    BackupOptions, BackupProgress, Blobs, Compression, Phase, RestoreOptions, Verification,
};
pub use self::restore::RestoreReport;
pub(crate) use self::retention::AUTOMATIC;
pub use self::retention::Cleanup;
pub(crate) use self::swap::pending;

use self::options::Listener;
use self::place::Place;
use crate::error::Error;
use crate::migration::Migration;
use crate::registry::Registry;
use crate::sqlite::lock::{LONGEST_WAIT, RunLock};
use crate::sqlite::{journal_modes, orphans, session};

/// Makes, lists, checks, restores and removes backups of one data directory.
///
/// # Examples
///
/// ```
/// use agentos_migrate::{BackupManager, BackupOptions, RestoreOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # agentos_migrate::rusqlite::Connection::open(directory.path().join("notes.db"))?.execute_batch("CREATE TABLE t(a)")?;
/// let manager = BackupManager::new(directory.path());
/// let manifest = manager.create_backup(&BackupOptions::default().with_reason("before the demo"))?;
/// assert_eq!(manifest.databases, ["notes"]);
/// manager.restore_backup(&manifest.backup_id, &RestoreOptions::default())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BackupManager {
    place: Place,
}

impl BackupManager {
    /// Makes a manager of everything in a data directory; backups are in its `backups` folder.
    ///
    /// Every SQLite file is copied through SQLite, every other file as it is: also an encrypted database, with its
    /// log, for which the program that uses it should be stopped.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            place: Place {
                directory: data_dir.join("backups"),
                data_dir,
                declared: Vec::new(),
                paths: None,
                touching: BTreeMap::new(),
                wait: Duration::from_secs(30),
                schema_version_table: crate::registry::SCHEMA_VERSION_TABLE.to_owned(),
                application_version: String::new(),
                listener: Listener::default(),
            },
        }
    }

    /// As [`new`](Self::new), for what a set declares: its databases, and its `backup` paths if it names some.
    pub fn for_registry(registry: &Registry, data_dir: impl Into<PathBuf>) -> Self {
        let mut manager = Self::new(data_dir);
        manager.place.declared =
            registry.databases().iter().map(|name| (*name).to_owned()).collect();
        for info in registry.migrations().iter().map(Migration::info) {
            for database in info.databases.iter() {
                let touching = manager.place.touching.entry((*database).to_owned()).or_default();
                touching.insert(info.version.clone());
            }
        }
        registry.schema_version_table().clone_into(&mut manager.place.schema_version_table);
        if !registry.backup().is_empty() {
            manager.place.paths =
                Some(registry.backup().iter().map(|path| (*path).to_owned()).collect());
        }
        manager
    }

    /// Sets where the backups are.
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.place.directory = directory.into();
        self
    }

    /// Sets how long to wait for writers and for other runs (30 s), twenty days at most.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.place.wait = wait.min(LONGEST_WAIT);
        self
    }

    /// Sets the application's version for the manifest.
    #[must_use]
    pub fn with_application_version(mut self, version: impl Into<String>) -> Self {
        self.place.application_version = version.into();
        self
    }

    /// Sets who hears of progress, and may stop the work.
    #[must_use]
    pub fn with_listener(
        mut self,
        listener: impl Fn(&BackupProgress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.place.listener = Listener::new(listener);
        self
    }

    /// Makes a backup and verifies it.
    ///
    /// # Errors
    ///
    /// `Busy` if a writer or another run does not let go, `DiskFull`,
    /// `DamagedDatabase`, `BackupFailed`, `Usage` for a folder that holds the data itself; earlier backups stay as they are.
    pub fn create_backup(&self, options: &BackupOptions) -> Result<Manifest, Error> {
        let _lock = self.lock()?;
        self.recover_alone()?;
        self.create_backup_locked(options)
    }

    pub(crate) fn create_backup_locked(&self, options: &BackupOptions) -> Result<Manifest, Error> {
        create::create(&self.place, options)
    }

    /// Returns the backups, newest first; damaged ones too, with what is wrong. Never writes.
    ///
    /// # Errors
    ///
    /// `DataDirectory` if the data directory is missing, `Usage` if the folder that was set is;
    /// `PermissionDenied` or `Io` if it can't be read.
    pub fn list_backups(&self) -> Result<Vec<BackupEntry>, Error> {
        self.place
            .check_exists()
            .and_then(|()| catalog::list(&self.place))
            .map_err(Error::or_unchanged)
    }

    /// Checks a backup: every checksum, and SQLite's own check of every database.
    ///
    /// # Errors
    ///
    /// `UnknownBackup`, or `DamagedBackup` with every file that is wrong.
    pub fn verify_backup(&self, id: &str) -> Result<Manifest, Error> {
        verify::verify(&self.place, id).map_err(Error::or_unchanged)
    }

    /// Restores a backup: all files or none, also across a crash.
    ///
    /// Files are replaced, not written. A connection that is open goes on with the replaced one, so the
    /// caller closes its own first. Who has a file open is only known on Linux, and of other users' programs
    /// only to root.
    ///
    /// # Errors
    ///
    /// `UnknownBackup`, `DamagedBackup`, `Busy` if a program uses a file, this one too, `DiskFull`.
    pub fn restore_backup(
        &self,
        id: &str,
        options: &RestoreOptions,
    ) -> Result<RestoreReport, Error> {
        self.place.check_exists()?;
        let _lock = self.lock()?;
        self.recover_alone()?;
        restore::restore(&self.place, id, options).map_err(|error| {
            if pending(&self.place.data_dir) {
                return error;
            }
            let error = error.or_unchanged();
            match swap::forget(&self.place.data_dir) {
                Ok(()) => error,
                Err(left) => error.detail(format!("what was unpacked is left: {left}")),
            }
        })
    }

    /// Removes a backup.
    ///
    /// # Errors
    ///
    /// `UnknownBackup`, `Io`, `Usage` for a folder that holds the data itself.
    pub fn delete_backup(&self, id: &str) -> Result<(), Error> {
        self.place.check_apart()?;
        let _lock = self.lock()?;
        retention::delete(&self.place, id)
    }

    /// Returns which backups [`cleanup_old_backups`](Self::cleanup_old_backups) would remove.
    ///
    /// # Errors
    ///
    /// As [`list_backups`](Self::list_backups).
    pub fn preview_cleanup(&self, keep_count: usize, keep_days: u32) -> Result<Cleanup, Error> {
        self.place.check_exists()?;
        retention::removable(&self.place, keep_count, keep_days).map_err(Error::or_unchanged)
    }

    /// Removes the backups that are neither among the newest `keep_count` nor younger than `keep_days`.
    ///
    /// The newest good one of each thing that any holds is never removed: of each database, of `blobs`, of
    /// `metadata`, of the other files. Whether it is good is checked now, by reading it whole. A
    /// damaged one is never removed either: it may hold what nothing else has. What an interrupted
    /// cleanup or backup left is removed too. So is what restores replaced, by the same count and age, if
    /// it is older than the newest backup; what the last one replaced stays.
    ///
    /// # Errors
    ///
    /// As [`delete_backup`](Self::delete_backup); what was removed stays removed.
    pub fn cleanup_old_backups(&self, keep_count: usize, keep_days: u32) -> Result<Cleanup, Error> {
        self.place.check_exists()?;
        self.place.check_apart()?;
        let _lock = self.lock()?;
        let cleanup = retention::removable(&self.place, keep_count, keep_days)
            .map_err(Error::or_unchanged)?;
        retention::delete_all(&self.place, &cleanup.removed)?;
        cleanup.removed_replaced.iter().try_for_each(|tree| files::remove_tree(tree))?;
        Ok(cleanup)
    }

    /// Removes automatic backups beyond the newest `keep_count`, but for the last copies. The caller holds the run lock.
    pub(crate) fn clean_automatic_locked(&self, keep_count: usize) -> Result<(), Error> {
        let ids = retention::removable_automatic(&self.place, keep_count)?;
        retention::delete_all(&self.place, &ids)
    }

    /// Finishes a restore that was interrupted, and removes what unfinished work left.
    ///
    /// Returns the backup whose files are in place now, if there was one.
    pub(crate) fn recover_locked(&self) -> Result<Option<String>, Error> {
        let restored = swap::recover(&self.place.data_dir)?;
        create::clean_leftovers(&self.place)?;
        Ok(restored)
    }

    /// As [`recover_locked`](Self::recover_locked), for who has no migrator that does the rest of it.
    fn recover_alone(&self) -> Result<(), Error> {
        orphans::clean(&self.place.data_dir, self.place.wait)?;
        self.recover_locked()?;
        let databases = journal_modes::read(&self.place.data_dir)?;
        session::return_to_wal(&self.place.data_dir, &databases, self.place.wait)
    }

    fn lock(&self) -> Result<RunLock, Error> {
        RunLock::acquire(&self.place.data_dir, self.place.wait)
    }

    /// Returns where the backups are.
    pub fn directory(&self) -> &Path {
        &self.place.directory
    }
}
