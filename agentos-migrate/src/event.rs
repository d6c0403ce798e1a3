//! What happened, for the event log, and what is happening, for an observer.

use std::path::Path;
use std::str::FromStr;

use serde::Serialize;

use crate::plan::Direction;
use crate::report::MigrationResult;
use crate::version::Version;

/// The kind of an event in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EventKind {
    /// A migration was applied.
    Applied,
    /// A migration was reverted.
    Reverted,
    /// A migration failed; nothing of it was kept.
    Failed,
    /// A modified migration was run again.
    Forced,
    /// A changed checksum was recorded without running anything.
    Accepted,
    /// The data directory was restored from a backup.
    Restored,
    /// The history was mended by `recover`.
    Recovered,
    /// A migration was applied by an older tool, which had no log. Read from its history, never stored.
    Adopted,
    /// A kind that a newer program wrote.
    Unknown,
}

impl EventKind {
    const ALL: [Self; 7] = [
        Self::Applied,
        Self::Reverted,
        Self::Failed,
        Self::Forced,
        Self::Accepted,
        Self::Restored,
        Self::Recovered,
    ];

    /// Returns the word that the log holds.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Reverted => "reverted",
            Self::Failed => "failed",
            Self::Forced => "forced",
            Self::Accepted => "accepted",
            Self::Restored => "restored",
            Self::Recovered => "recovered",
            Self::Adopted => "adopted",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for EventKind {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::ALL.into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::Unknown))
    }
}

/// One line of the append-only event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, UTC in RFC 3339.
    pub at: String,
    /// What.
    pub kind: EventKind,
    /// The migration's version, if it is about one.
    pub version: Option<String>,
    /// The migration's name.
    pub name: Option<String>,
    /// The migration's checksum.
    pub checksum: Option<String>,
    /// The program and its version.
    pub program: String,
    /// The backup that was made before, or restored.
    pub backup_id: Option<String>,
    /// What else was said: notes of the migration, the error.
    pub note: Option<String>,
}

/// What is happening, told to an observer while a run goes on.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The run lock is held.
    Locked {
        /// The data directory.
        data_dir: &'a Path,
    },
    /// What follows happens on copies, and nothing of it is kept.
    RehearsalStarted,
    /// What follows is real again.
    RehearsalFinished,
    /// A backup begins.
    BackupStarted,
    /// A backup goes on.
    BackupBytes {
        /// How many bytes are done.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// A backup is made and verified.
    BackupFinished {
        /// Its id.
        id: &'a str,
        /// Its size before compression.
        bytes: u64,
    },
    /// A backup failed and the run goes on, as it was told to.
    BackupFailed {
        /// Why.
        error: &'a str,
    },
    /// A migration begins.
    MigrationStarted {
        /// Its version.
        version: &'a Version,
        /// Its name.
        name: &'a str,
        /// Applied or reverted.
        direction: Direction,
    },
    /// A migration is committed, or it failed. Not told of one that is rolled back with a later one.
    MigrationFinished {
        /// What came of it.
        result: &'a MigrationResult,
    },
    /// A migration says how far it is.
    Step {
        /// How much is done, in its own unit.
        done: u64,
        /// How much there is.
        total: u64,
    },
    /// A migration says something.
    Note {
        /// What.
        text: &'a str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_word_and_a_newer_programs_is_unknown() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!(EventKind::Applied.as_str(), "applied");
        assert_eq!("squashed".parse(), Ok(EventKind::Unknown));
        assert_eq!(EventKind::Unknown.as_str(), "unknown");
    }
}
