//! The migrator: asks, plans, and brings a data directory to a version.
//!
//! Topics:
//!
//! - asking, which never writes: [`status`](Migrator::status), [`plan`](Migrator::plan),
//!   [`rehearse`](Migrator::rehearse), [`verify`](Migrator::verify), [`schema`](Migrator::schema),
//!   [`compiled_schema`](Migrator::compiled_schema), [`history`](Migrator::history)
//! - acting: [`recreate`](Migrator::recreate), [`upgrade`](Migrator::upgrade), [`downgrade`](Migrator::downgrade),
//!   [`accept`](Migrator::accept), [`accept_drift`](Migrator::accept_drift), [`recover`](Migrator::recover)
//! - options: [`Options`]
//!
//! Acting is always: take the run lock, finish what an interrupted run left,
//! decide, refuse with everything that is wrong, back up, run, report.

mod accept;
mod accept_drift;
mod backing_up;
mod drift;
mod failure;
mod finding;
mod follow;
mod glance;
mod links;
mod losses;
mod mend;
mod options;
mod preflight;
mod questions;
mod records;
mod recovery;
mod recreate;
mod rehearse;
mod renamed;
mod run;
mod standing;
mod step;
#[cfg(test)]
mod tests;
mod time;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::accept_drift::AcceptedDrift;
pub use self::failure::RunFailure;
pub use self::finding::{Finding, Inspection};
pub use self::options::{BackupPolicy, CommitMode, Options, RehearsalPolicy};

use self::questions::asked;
use crate::context::Settings;
use crate::error::Error;
use crate::event::{Event, Progress};
use crate::plan::{Plan, Target};
use crate::registry::Registry;
use crate::report::Report;
use crate::sqlite::vfs::DyingDisk;
use crate::status::Status;
use crate::version::Version;

/// Brings the databases of a data directory to a version of a compiled set.
///
/// # Examples
///
/// ```
/// use agentos_migrate::{Migration, Migrator, Registry, Target};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::new(
///     &["notes"],
///     vec![Migration::new("0001", &["notes"], |ctx| {
///         ctx.execute("notes", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)", [])?;
///         Ok(())
///     })],
/// );
/// let directory = tempfile::tempdir()?;
/// let migrator = Migrator::new(registry, directory.path());
/// let report = migrator.upgrade(&Target::Latest)?;
/// assert_eq!(report.results.len(), 1);
/// assert!(migrator.upgrade(&Target::Latest)?.results.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Migrator {
    registry: Registry,
    data_dir: PathBuf,
    options: Options,
    cancelled: Arc<AtomicBool>,
    is_rehearsal: bool,
    /// For the check of crashes: the file layer of a disk that dies.
    dying: Option<String>,
}

/// Stops a run from another thread, such as a signal handler.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<AtomicBool>);

impl Canceller {
    /// Asks the run to stop: the statement that runs is interrupted and its migration rolled back.
    ///
    /// Once a commit has begun it is finished.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Migrator {
    /// Makes a migrator of a compiled set for one data directory; reads nothing yet.
    pub fn new(registry: Registry, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            registry,
            data_dir: data_dir.into(),
            options: Options::default(),
            cancelled: Arc::default(),
            is_rehearsal: false,
            dying: None,
        }
    }

    /// Returns the migrator on a disk that dies: its run ends there, as that of a killed process.
    pub(crate) fn on_dying_disk(mut self, disk: &DyingDisk) -> Self {
        self.dying = Some(disk.name().to_owned());
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Keeps what a rehearsal keeps, on this directory itself: one made for that.
    pub(crate) fn recording(mut self) -> Self {
        self.is_rehearsal = true;
        self
    }

    /// Returns the options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns a handle that stops a run from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.cancelled))
    }

    /// Returns the data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Returns the compiled set.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns what is applied, pending, modified, missing and failed. Never writes.
    ///
    /// # Errors
    ///
    /// `InvalidSet`, `DataDirectory`, `DamagedDatabase`, `NameCollision`, `Busy`, `PermissionDenied`, `Io`;
    /// `NeedsOperator` while a restore is half done, and where migrations.db or a migrated database is lost.
    /// Of each database the header is read: damage further down is what [`verify`](Self::verify) finds.
    pub fn status(&self) -> Result<Status, Error> {
        self.registry.check()?;
        let history = self.known_history().map_err(asked)?;
        self.refuse_lost_databases(&history)?;
        self.refuse_damaged_heads(&history)?;
        Ok(Status::of(&self.infos(), &history))
    }

    /// Returns what an upgrade to `target` would do, or every reason why it can't. Never writes.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status), and `Modified`, `Newer`, `UnknownVersion`, `Dependency`.
    pub fn plan(&self, target: &Target) -> Result<Plan, Error> {
        let status = self.status()?;
        Plan::upgrade(&self.infos(), &status, target, self.options.force)
    }

    /// Returns what a downgrade to `target` would do, or every reason why it can't. Never writes.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan), and `Irreversible`.
    pub fn plan_downgrade(&self, target: &Version) -> Result<Plan, Error> {
        let status = self.status()?;
        Plan::downgrade(&self.infos(), &status, target, self.options.force)
    }

    /// Returns the event log, oldest first. Never writes.
    ///
    /// It begins with what an older tool applied before there was a log:
    /// [`Adopted`](crate::EventKind::Adopted), with the times of that tool.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn history(&self) -> Result<Vec<Event>, Error> {
        self.told_events().map_err(asked)
    }

    /// Applies what is pending up to `target`.
    ///
    /// With nothing to do it costs one look into migrations.db, and one whether the databases are there.
    ///
    /// # Errors
    ///
    /// A [`RunFailure`]: the error, and the report of what was done before it.
    pub fn upgrade(&self, target: &Target) -> Result<Report, RunFailure> {
        if matches!(target, Target::Latest) && self.is_up_to_date()? {
            return Ok(Report::default());
        }
        self.act_as_rehearsed(|status| {
            Plan::upgrade(&self.infos(), status, target, self.options.force)
        })
    }

    /// Reverts everything applied above `target`, newest first.
    ///
    /// # Errors
    ///
    /// As [`upgrade`](Self::upgrade). `Irreversible` comes before anything is touched.
    pub fn downgrade(&self, target: &Version) -> Result<Report, RunFailure> {
        self.act_as_rehearsed(|status| {
            Plan::downgrade(&self.infos(), status, target, self.options.force)
        })
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::new(Settings {
            data_dir: self.data_dir.clone(),
            dry_run: self.is_rehearsal,
            verbose: self.options.verbose,
            metadata: self.options.metadata.clone(),
            observer: Arc::clone(&self.options.observer),
        })
    }

    fn tell(&self, progress: &Progress<'_>) {
        (self.options.observer)(progress);
    }

    fn infos(&self) -> Vec<&crate::info::MigrationInfo> {
        self.registry.migrations().iter().map(crate::migration::Migration::info).collect()
    }
}

impl std::fmt::Debug for Migrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migrator").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}
