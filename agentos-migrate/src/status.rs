//! Where a data directory stands: registry × history.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::{History, is_unmodified};
use crate::info::{Downgrade, MigrationInfo};
use crate::version::Version;

/// What is true of one migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is applied, as compiled.
    Applied,
    /// It is compiled and not applied.
    Pending,
    /// It is applied, and the compiled one differs.
    Modified,
    /// It is applied, and no compiled migration has its version: the data is newer than this program.
    Missing,
    /// It failed half way under a tool or an author that commits by himself.
    Failed,
}

impl State {
    /// Returns the word that texts and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Modified => "modified",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One migration, compiled or applied or both.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The version as written.
    pub version: String,
    /// The compiled name, or the recorded one.
    pub name: String,
    /// The compiled description.
    pub description: String,
    /// When it was applied, or tried.
    pub applied_at: Option<String>,
    /// The recorded checksum, or the compiled one of a pending migration.
    pub checksum: String,
    /// What is true of it.
    pub state: State,
    /// The databases that it names.
    pub databases: Vec<String>,
    /// Why it can't be reverted, where it can't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Where a data directory stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The highest applied version.
    pub current_version: Option<String>,
    /// The highest compiled version.
    pub latest_available: Option<String>,
    /// How many are applied, modified and missing ones too.
    pub applied_count: usize,
    /// How many an upgrade would run: pending and failed ones.
    pub pending_count: usize,
    /// The applied ones, by version.
    pub applied: Vec<Entry>,
    /// Those that an upgrade would run, by version.
    pub pending: Vec<Entry>,
    #[serde(skip)]
    states: BTreeMap<Version, State>,
}

impl Status {
    /// Compares the compiled migrations, sorted by version, with the history.
    pub fn of(infos: &[&MigrationInfo], history: &History) -> Self {
        let (mut applied, mut pending) = (Vec::new(), Vec::new());
        let mut latest: Option<Version> = None;
        for info in infos {
            let entry = compiled_entry(info, history);
            if matches!(entry.state, State::Pending | State::Failed) {
                pending.push(entry);
            } else {
                latest = latest.max(Some(info.version.clone()));
                applied.push(entry);
            }
        }
        for (version, row) in history.rows() {
            if infos.binary_search_by(|info| info.version.cmp(version)).is_err() {
                let state = if row.success { State::Missing } else { State::Failed };
                latest = latest.max(row.success.then(|| version.clone()));
                applied.push(unknown_entry(row, state));
            }
        }
        applied.extend(history.unreadable().iter().map(|row| unknown_entry(row, State::Missing)));
        applied.sort_by_cached_key(|entry| entry.version.parse::<Version>().ok());
        let versions = applied.iter().chain(&pending);
        let states =
            versions.filter_map(|entry| Some((entry.version.parse().ok()?, entry.state))).collect();
        Self {
            current_version: latest.map(|version| version.to_string()),
            latest_available: infos.last().map(|info| info.version.to_string()),
            applied_count: applied.len(),
            pending_count: pending.len(),
            applied,
            pending,
            states,
        }
    }

    /// Returns all entries by version.
    pub fn entries(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self.applied.iter().chain(&self.pending).collect();
        entries.sort_by_cached_key(|entry| entry.version.parse::<Version>().ok());
        entries
    }

    /// Returns the state of a version, if it is compiled or recorded.
    pub fn state(&self, version: &Version) -> Option<State> {
        self.states.get(version).copied()
    }
}

fn compiled_entry(info: &MigrationInfo, history: &History) -> Entry {
    let row = history.row(&info.version);
    let state = match row {
        None => State::Pending,
        Some(row) if !row.success => State::Failed,
        Some(row) if is_unmodified(info, row) => State::Applied,
        Some(_) => State::Modified,
    };
    Entry {
        version: info.version.to_string(),
        name: info.name.to_string(),
        description: info.description.to_string(),
        applied_at: row.map(|row| row.applied_at.clone()),
        checksum: row.map_or_else(|| info.checksum.to_string(), |row| row.checksum.clone()),
        state,
        databases: info.databases.iter().map(|name| (*name).to_owned()).collect(),
        irreversible: match &info.downgrade {
            Downgrade::Available => None,
            Downgrade::Absent => Some("it declares no downgrade".to_owned()),
            Downgrade::Irreversible(reason) => Some(reason.to_string()),
        },
        error_message: row.and_then(|row| row.error_message.clone()),
    }
}

fn unknown_entry(row: &crate::history::AppliedMigration, state: State) -> Entry {
    Entry {
        version: row.version.clone(),
        name: row.name.clone(),
        description: String::new(),
        applied_at: Some(row.applied_at.clone()),
        checksum: row.checksum.clone(),
        state,
        databases: Vec::new(),
        irreversible: Some("this program does not hold it".to_owned()),
        error_message: row.error_message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::row_of;
    use crate::migration::Migration;

    #[track_caller]
    fn check(rows: &[(&str, &str)], expected: &[(&str, State)], current: Option<&str>) {
        let migrations =
            ["0001", "0002", "0003"].map(|version| Migration::new(version, &["a"], |_| Ok(())));
        let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
        let rows = rows.iter().map(|(version, what)| {
            let info =
                infos.iter().find(|info| info.version.as_str() == *version).unwrap_or(&infos[0]);
            let mut row = row_of(info);
            row.version = (*version).to_owned();
            match *what {
                "ok" => {}
                "failed" => row.success = false,
                checksum => row.checksum = checksum.to_owned(),
            }
            row
        });
        let status = Status::of(&infos, &History::new(rows.collect()));
        let found: Vec<_> =
            status.entries().iter().map(|entry| (entry.version.clone(), entry.state)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(version, state)| ((*version).to_owned(), *state)).collect();
        assert_eq!(found, expected);
        assert_eq!(status.current_version.as_deref(), current);
        assert_eq!(status.applied_count + status.pending_count, found.len());
    }

    use State::{Applied, Failed, Missing, Modified, Pending};

    #[test]
    fn every_state_is_told_apart() {
        check(&[], &[("0001", Pending), ("0002", Pending), ("0003", Pending)], None);
        check(
            &[("0001", "ok")],
            &[("0001", Applied), ("0002", Pending), ("0003", Pending)],
            Some("0001"),
        );
        check(
            &[("0002", "ok")],
            &[("0001", Pending), ("0002", Applied), ("0003", Pending)],
            Some("0002"),
        );
        check(
            &[("0001", "ok"), ("0002", "other"), ("0003", "failed")],
            &[("0001", Applied), ("0002", Modified), ("0003", Failed)],
            Some("0002"),
        );
        check(
            &[("0001", "ok"), ("0007", "ok")],
            &[("0001", Applied), ("0002", Pending), ("0003", Pending), ("0007", Missing)],
            Some("0007"),
        );
    }

    #[test]
    fn a_row_that_is_no_version_is_missing_not_lost() {
        check(
            &[("v1", "ok")],
            &[("v1", Missing), ("0001", Pending), ("0002", Pending), ("0003", Pending)],
            None,
        );
    }

    #[test]
    fn the_json_keys_are_those_of_the_contract() {
        let migration = Migration::new("0001", &["a"], |_| Ok(()));
        let status = Status::of(&[migration.info()], &History::default());
        let json = serde_json::to_value(&status).expect("serialises");
        let keys: Vec<_> = json.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(
            keys,
            [
                "applied",
                "applied_count",
                "current_version",
                "latest_available",
                "pending",
                "pending_count"
            ]
        );
        let entry = json["pending"][0].as_object().expect("an object");
        for key in
            ["version", "name", "description", "applied_at", "checksum", "state", "databases"]
        {
            assert!(entry.contains_key(key), "{key}");
        }
        assert_eq!(json["pending"][0]["state"], "pending");
    }

    #[test]
    fn a_state_is_shown_by_the_word_of_the_glossary_and_fills_its_column() {
        let states = [Applied, Pending, Modified, Missing, Failed];
        let words = ["applied", "pending", "modified", "missing", "failed"];
        assert_eq!(states.map(State::as_str), words);
        assert_eq!(format!("{Failed:<9}|"), "failed   |");
    }
}
