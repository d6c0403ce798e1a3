//! Reading migrations.db without writing: the history, the events, the glance.

use std::path::Path;
use std::time::Duration;

use super::Migrator;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::history::{AppliedMigration, History};
use crate::sqlite::directory::refuse_unusable;
use crate::sqlite::failure::on_file;
use crate::sqlite::{accepted_drift, fingerprint, history_table, journal_modes, reading, vfs};

impl Migrator {
    /// Returns how long a question waits for a file: the run's wait, but never long.
    pub(super) fn patience(&self) -> Duration {
        self.options.wait.min(reading::PATIENCE)
    }

    /// Returns the history of a directory that is whole, as far as that shows.
    pub(super) fn known_history(&self) -> Result<History, Error> {
        refuse_half_restored(&self.data_dir)?;
        let history = history(&self.data_dir, self.patience())?;
        self.refuse_lost_history(&history)?;
        Ok(history)
    }

    /// Returns the event log, and before it what the history has and no event tells of.
    pub(super) fn told_events(&self) -> Result<Vec<Event>, Error> {
        let history = self.known_history()?;
        let logged = events(&self.data_dir, self.patience())?;
        let is_told = |version: &str| {
            let of_it =
                |event: &&Event| event.version.as_deref().map(digits) == Some(digits(version));
            logged.iter().any(|event| of_it(&event))
        };
        let rows = history.rows().map(|(_, row)| row).chain(history.unreadable());
        let mut told: Vec<Event> = rows.filter(|row| !is_told(&row.version)).map(adopted).collect();
        told.sort_by(|a, b| a.at.cmp(&b.at));
        told.extend(logged);
        Ok(told)
    }

    /// Returns whether the whole compiled set is applied, by one look into migrations.db, and
    /// whether there is a file of every database.
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
        let found = fingerprint::Stamp {
            user_version: header.user_version,
            application_id: header.application_id,
        };
        Ok(stamp == found && self.registry.databases().iter().all(|name| self.has_file(name)))
    }

    /// Returns the digest that the stamp of this history is made of, if all is applied as compiled.
    pub(super) fn digest_of(&self, history: &History) -> Option<u64> {
        // A set with a mistake gets no stamp: a start trusts a stamp that fits.
        self.registry.check().ok()?;
        let digest = history.digest(&self.infos())?;
        Some(digest.wrapping_add(self.registry.seal()))
    }
}

/// Says of a question that failed that nothing was changed. It gives up soon by itself, so what
/// a run may be told, to wait longer, is no way out.
pub(super) fn asked(error: Error) -> Error {
    let error = error.or_unchanged();
    if error.kind() == ErrorKind::Busy {
        error.with_hint("stop the program that uses the file, or ask again when it is done")
    } else {
        error
    }
}

/// Returns the history, from a data directory that exists.
pub(super) fn history(data_dir: &Path, wait: Duration) -> Result<History, Error> {
    refuse_unusable(data_dir)?;
    let path = data_dir.join(history_table::FILE_NAME);
    if path.is_dir() {
        let text = format!("{} is a directory", path.display());
        return Err(Error::new(ErrorKind::NeedsOperator, text).in_state("nothing was changed").with_hint(
            "move the folder away and put migrations.db back; or let `recover` make it anew from what the databases record",
        ));
    }
    let Some(connection) = reading::open_within(&path, wait).map_err(of_history)? else {
        return Ok(History::default());
    };
    let read = || -> rusqlite::Result<Option<History>> {
        match history_table::shape(&connection)? {
            history_table::Shape::Foreign => Ok(None),
            _ => history_table::read(&connection).map(Some),
        }
    };
    let history = read().map_err(|error| of_history(on_file(error, "read", &path)))?;
    history.ok_or_else(|| {
        let message =
            format!("{} has a table `migration_history` of another shape", path.display());
        Error::new(ErrorKind::NameCollision, message).in_state("nothing was changed").with_hint(
            "the file belongs to another program: move it away, or point `--data-dir` elsewhere",
        )
    })
}

/// As versions: `0003` and `00003` are one.
fn digits(version: &str) -> &str {
    version.trim_start_matches('0')
}

/// Tells of a row that an older tool wrote, which had no log.
fn adopted(row: &AppliedMigration) -> Event {
    Event {
        at: row.applied_at.clone(),
        kind: if row.success { EventKind::Adopted } else { EventKind::Failed },
        version: Some(row.version.clone()),
        name: Some(row.name.clone()),
        checksum: Some(row.checksum.clone()),
        program: "an older tool".to_owned(),
        backup_id: None,
        note: row.error_message.clone(),
    }
}

/// What mends a damaged migrations.db without a backup of the same moment.
pub(super) const DAMAGED_HISTORY: &str = "set the file aside with `mv migrations.db migrations.db.damaged`, a `migrations.db-journal` beside it too, then `recover` makes the history anew from what the databases record; what the log said before is only in the old file";

/// To restore migrations.db alone would bring a history of another moment.
fn of_history(error: Error) -> Error {
    if error.kind() == ErrorKind::DamagedDatabase {
        error.with_hint(DAMAGED_HISTORY)
    } else {
        error
    }
}

/// Returns the event log.
pub(super) fn events(data_dir: &Path, wait: Duration) -> Result<Vec<Event>, Error> {
    refuse_unusable(data_dir)?;
    let path = data_dir.join(history_table::FILE_NAME);
    match reading::open_within(&path, wait).map_err(of_history)? {
        Some(connection) => history_table::events(&connection)
            .map_err(|error| of_history(on_file(error, "read", &path))),
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
