//! How a run is to be done. The defaults are the safe ones.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::context::Observer;
use crate::event::Progress;
use crate::plan::Force;
use crate::sqlite::lock::LONGEST_WAIT;

/// How a run is to be done. The defaults are the safe ones, in the library and on the command line alike.
#[derive(Clone)]
pub struct Options {
    pub(crate) wait: Duration,
    pub(crate) backup: BackupPolicy,
    pub(crate) backup_directory: Option<PathBuf>,
    pub(crate) keep_backups: Option<usize>,
    pub(crate) commit: CommitMode,
    pub(crate) rehearsal: RehearsalPolicy,
    pub(crate) force: Force,
    pub(crate) verbose: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) observer: Observer,
    pub(crate) program: String,
}

/// Whether a run is backed up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackupPolicy {
    /// Before the first write; a backup that fails stops the run.
    #[default]
    Required,
    /// Before the first write; the run goes on without one if it fails.
    BestEffort,
    /// None: what a migration destroys is gone.
    Skip,
}

/// How much one transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitMode {
    /// One migration: a failure keeps its predecessors. A fresh data directory is built in one all the same.
    #[default]
    EachMigration,
    /// The whole run: a failure keeps nothing.
    WholeRun,
}

/// Whether a run is rehearsed on copies first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RehearsalPolicy {
    /// It is not: a failure is rolled back all the same.
    #[default]
    Skip,
    /// It is, and nothing is begun unless the rehearsal passes.
    Required,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(30),
            backup: BackupPolicy::default(),
            backup_directory: None,
            keep_backups: None,
            commit: CommitMode::default(),
            rehearsal: RehearsalPolicy::default(),
            force: Force::No,
            verbose: false,
            metadata: BTreeMap::new(),
            observer: Arc::new(|_| {}),
            program: concat!("agentos-migrate ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Options {
    /// Sets how long to wait for other runs and for programs that use the files (30 s), twenty days at most.
    ///
    /// A question, such as [`Migrator::status`](crate::Migrator::status), waits at most 2 s of it.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(LONGEST_WAIT);
        self
    }

    /// Sets whether the run is backed up first.
    #[must_use]
    pub fn backup(mut self, policy: BackupPolicy) -> Self {
        self.backup = policy;
        self
    }

    /// Sets where backups go (`backups` in the data directory).
    #[must_use]
    pub fn backup_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.backup_directory = Some(directory.into());
        self
    }

    /// Sets how many automatic backups are kept; older ones go after a run that succeeded (all are kept).
    ///
    /// The newest good one is never removed.
    #[must_use]
    pub fn keep_backups(mut self, count: usize) -> Self {
        self.keep_backups = Some(count);
        self
    }

    /// Sets how much one transaction holds.
    #[must_use]
    pub fn commit(mut self, mode: CommitMode) -> Self {
        self.commit = mode;
        self
    }

    /// Sets whether the run is rehearsed on copies first (it is not).
    ///
    /// [`Report::rehearsed`](crate::Report::rehearsed) then holds what the rehearsal saw. It needs
    /// space for copies of the databases in the directory for temporary files.
    #[must_use]
    pub fn rehearsal(mut self, policy: RehearsalPolicy) -> Self {
        self.rehearsal = policy;
        self
    }

    /// Sets whether modified migrations run again instead of stopping the run.
    #[must_use]
    pub fn force(mut self, force: Force) -> Self {
        self.force = force;
        self
    }

    /// Sets what [`MigrationContext::verbose`](crate::MigrationContext::verbose) says.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Adds something that migrations and the backup's manifest are told about this run.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Sets who is told what happens while the run goes on.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Progress<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Sets the program and version that the event log names.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("wait", &self.wait)
            .field("backup", &self.backup)
            .field("commit", &self.commit)
            .field("rehearsal", &self.rehearsal)
            .field("force", &self.force)
            .finish_non_exhaustive()
    }
}
