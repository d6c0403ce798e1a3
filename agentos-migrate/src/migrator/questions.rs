//! Reading migrations.db without writing: the history, the events, the glance.

use std::path::Path;
use std::time::Duration;

use super::Migrator;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::history::History;
use crate::sqlite::failure::{io_on_file, on_file};
use crate::sqlite::{accepted_drift, fingerprint, history_table, journal_modes, reading, vfs};

impl Migrator {
    /// Returns how long a question waits for a file: the run's wait, but never long.
    pub(super) fn patience(&self) -> Duration {
        self.options.wait.min(reading::PATIENCE)
    }

    /// Returns whether the whole compiled set is applied, by one look into migrations.db.
    ///
    /// False means "not known": then the history is read.
    pub(super) fn is_up_to_date(&self) -> Result<bool, Error> {
        self.registry.check_before_stamp()?;
        if journal_modes::pending(&self.data_dir) || crate::backup::pending(&self.data_dir) {
            return Ok(false);
        }
        let Some(header) = vfs::probe_header(&self.data_dir.join(history_table::FILE_NAME))? else {
            return Ok(false);
        };
        let digest = self.registry.digest().wrapping_add(self.registry.seal());
        let stamp = fingerprint::stamp(digest, header.change_counter);
        Ok(stamp
            == fingerprint::Stamp {
                user_version: header.user_version,
                application_id: header.application_id,
            })
    }

    /// Returns the digest that the stamp of this history is made of, if all is applied as compiled.
    pub(super) fn digest_of(&self, history: &History) -> Option<u64> {
        // A set with a mistake gets no stamp: a start trusts a stamp that fits.
        self.registry.check().ok()?;
        let digest = history.digest(&self.infos())?;
        Some(digest.wrapping_add(self.registry.seal()))
    }
}

/// Returns the history, from a data directory that exists.
pub(super) fn history(data_dir: &Path, wait: Duration) -> Result<History, Error> {
    refuse_unusable(data_dir)?;
    let path = data_dir.join(history_table::FILE_NAME);
    let Some(connection) = reading::open_within(&path, wait)? else {
        return Ok(History::default());
    };
    let read = || -> rusqlite::Result<Option<History>> {
        match history_table::shape(&connection)? {
            history_table::Shape::Foreign => Ok(None),
            _ => history_table::read(&connection).map(Some),
        }
    };
    let history = read().map_err(|error| on_file(error, "read", &path))?;
    history.ok_or_else(|| {
        let message =
            format!("{} has a table `migration_history` of another shape", path.display());
        Error::new(ErrorKind::NameCollision, message).in_state("nothing was changed").with_hint(
            "the file belongs to another program: move it away, or point `--data-dir` elsewhere",
        )
    })
}

/// Returns the event log.
pub(super) fn events(data_dir: &Path, wait: Duration) -> Result<Vec<Event>, Error> {
    refuse_unusable(data_dir)?;
    let path = data_dir.join(history_table::FILE_NAME);
    match reading::open_within(&path, wait)? {
        Some(connection) => {
            history_table::events(&connection).map_err(|error| on_file(error, "read", &path))
        }
        None => Ok(Vec::new()),
    }
}

/// Returns the differences that a person accepted.
pub(super) fn accepted(
    data_dir: &Path,
    wait: Duration,
) -> Result<Vec<accepted_drift::Accepted>, Error> {
    let path = data_dir.join(history_table::FILE_NAME);
    match reading::open_within(&path, wait)? {
        Some(connection) => {
            accepted_drift::read(&connection).map_err(|error| on_file(error, "read", &path))
        }
        None => Ok(Vec::new()),
    }
}

/// Refuses what is not a directory that can be read.
pub(super) fn refuse_unusable(data_dir: &Path) -> Result<(), Error> {
    let unusable = |message: String| {
        Error::new(ErrorKind::DataDirectory, message).in_state("nothing was changed")
    };
    match std::fs::read_dir(data_dir) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(unusable(format!("the data directory {} does not exist", data_dir.display()))
                .with_hint(format!(
                    "check the path, or create it with `mkdir -p {}`",
                    data_dir.display()
                )))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(unusable(format!("the data directory {} is a file", data_dir.display()))
                .with_hint("give the folder that holds the databases: `--data-dir PATH`"))
        }
        Err(error) => {
            Err(io_on_file(error, "read the data directory", data_dir)
                .in_state("nothing was changed"))
        }
    }
}

/// Refuses to answer about a directory that holds files of two states.
pub(super) fn refuse_half_restored(data_dir: &Path) -> Result<(), Error> {
    if !crate::backup::pending(data_dir) {
        return Ok(());
    }
    let text = format!("a restore of {} was interrupted", data_dir.display());
    Err(Error::new(ErrorKind::NeedsOperator, text)
        .in_state("some files are restored and others are not")
        .with_hint("finish it before any program opens the files: `recover`"))
}
