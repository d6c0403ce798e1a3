//! From flags, environment and defaults to what the commands work with.

use std::path::PathBuf;

use super::args::{Global, Running, Waiting};
use super::{App, usage};
use crate::backup::BackupManager;
use crate::error::Error;
use crate::migrator::{BackupPolicy, Migrator, Options, RehearsalPolicy};
use crate::plan::{Force, Target};
use crate::sqlite::failure::io_on_file;
use crate::system;
use crate::version::Version;

/// What every command works with.
pub(super) struct Settings {
    pub(super) app: App,
    pub(super) data_dir: PathBuf,
    /// Whether nobody named the directory.
    is_default: bool,
    pub(super) verbose: u8,
}

impl Settings {
    pub(super) fn resolve(app: &App, global: &Global) -> Result<Self, Error> {
        let data_dir = match &global.data_dir {
            // The variable is read by clap, behind the flag.
            Some(path) => path.clone(),
            None => std::env::home_dir().map(|home| home.join(app.default_data_dir)).ok_or_else(
                || {
                    usage("there is no home directory to look for the data in")
                        .with_hint("name the directory with `--data-dir PATH`")
                },
            )?,
        };
        let is_default = global.data_dir.is_none();
        Ok(Self { app: app.clone(), data_dir, is_default, verbose: global.verbose })
    }

    /// Makes the default directory where there is none: a first start. A named one that is missing is a mistake.
    pub(super) fn make_default_directory(&self) -> Result<(), Error> {
        if !self.is_default || self.data_dir.exists() {
            return Ok(());
        }
        system::private_folder()
            .recursive(true)
            .create(&self.data_dir)
            .map_err(|error| io_on_file(error, "create", &self.data_dir))
    }

    /// Returns a migrator with the library's defaults.
    pub(super) fn migrator(&self) -> Migrator {
        Migrator::new(self.app.registry().clone(), &self.data_dir).with_options(self.options())
    }

    /// Returns a migrator that waits for others as long as it is told.
    pub(super) fn patient_migrator(&self, waiting: &Waiting) -> Migrator {
        self.migrator().with_options(self.options().wait(waiting.time))
    }

    pub(super) fn options(&self) -> Options {
        let program = format!("{} {}", self.app.name, env!("CARGO_PKG_VERSION"));
        Options::default().verbose(self.verbose > 0).program(program)
    }

    /// Returns the manager of the backups.
    pub(super) fn backups(&self, directory: Option<&std::path::Path>) -> BackupManager {
        let manager = BackupManager::for_registry(self.app.registry(), &self.data_dir);
        match directory {
            Some(directory) => manager.with_directory(directory),
            None => manager,
        }
    }

    /// Returns the options of a run.
    pub(super) fn running(&self, running: &Running) -> Options {
        let backup = match (running.no_backup, running.force) {
            (true, _) => BackupPolicy::Skip,
            (false, true) => BackupPolicy::BestEffort,
            (false, false) => BackupPolicy::Required,
        };
        let force = if running.force { Force::Yes } else { Force::No };
        let rehearsal =
            if running.rehearse { RehearsalPolicy::Required } else { RehearsalPolicy::Skip };
        self.options().wait(running.waiting.time).backup(backup).force(force).rehearsal(rehearsal)
    }
}

/// Reads a version from an argument.
pub(super) fn version(text: &str) -> Result<Version, Error> {
    text.parse().map_err(|error: crate::version::InvalidVersion| {
        usage(error.to_string())
            .in_state("nothing was changed")
            .with_hint("`status` shows the versions there are")
    })
}

/// Reads a target from an argument that may be absent.
pub(super) fn target(text: Option<&str>) -> Result<Target, Error> {
    text.map_or(Ok(Target::Latest), |text| version(text).map(Target::Version))
}
