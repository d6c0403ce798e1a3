//! `manifest.json`: what a backup says of itself.
//!
//! The keys of the Python tool keep their names and meaning; ours stand
//! beside them. Unknown keys are ignored, so that an older program lists the
//! backups of a newer one. A manifest may come from anywhere: [`Manifest::parse`]
//! returns none whose paths could lead out of the backup or the data directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::paths;

/// The format written now. 1 is the Python tool's, which has no number.
pub(super) const FORMAT: u32 = 2;

/// A larger manifest is not read.
pub(super) const MANIFEST_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a backup says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The id under which it was made.
    pub backup_id: String,
    /// When it was made: UTC, `YYYY-MM-DDTHH:MM:SS.ffffffZ`; the Python tool wrote no `Z`.
    pub created_at: String,
    /// The version of the program that made it.
    #[serde(default)]
    pub agent_os_version: String,
    /// The names of the databases, without `.db`.
    #[serde(default)]
    pub databases: Vec<String>,
    /// Whether it holds `blobs/` or other files beside the databases.
    #[serde(default)]
    pub blob_storage: bool,
    /// The bytes of all files before compression.
    #[serde(default)]
    pub total_size_bytes: u64,
    /// The SHA-256 of every file, by its path in the backup.
    #[serde(default)]
    pub checksums: BTreeMap<String, String>,
    /// Free text; an older tool's other values appear as JSON.
    #[serde(default, deserialize_with = "texts")]
    pub metadata: BTreeMap<String, String>,
    /// The format: 2, or 1 for a backup of the Python tool.
    #[serde(default = "format_of_python")]
    pub format: u32,
    /// The tool that made it, with its version.
    #[serde(default)]
    pub tool: String,
    /// The version of SQLite that made it.
    #[serde(default)]
    pub sqlite_version: String,
    /// Counts up from backup to backup, so that their order does not hang on the clock.
    #[serde(default)]
    pub sequence: u64,
    /// What was to be saved.
    #[serde(default)]
    pub scope: Scope,
    /// Size, mode and time of every file, by its path in the backup.
    #[serde(default)]
    pub files: BTreeMap<String, FileRecord>,
    /// The mode of every folder, by its path in the backup.
    #[serde(default)]
    pub directories: BTreeMap<String, u32>,
    /// The migrations recorded in each database's `schema_version`, by database.
    #[serde(default)]
    pub migration_versions: BTreeMap<String, Vec<String>>,
    /// The databases of the set that had no file in the data directory.
    #[serde(default)]
    pub missing_databases: Vec<String>,
    /// What was left out, and why.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The SHA-256 of its bytes, as they were read.
    #[serde(skip)]
    pub(super) own_sum: Option<String>,
}

/// What is recorded of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileRecord {
    /// The size in bytes.
    pub size: u64,
    /// The permission bits in the data directory.
    pub mode: u32,
    /// The time of last change, in nanoseconds since 1970; 0 for a database.
    #[serde(default)]
    pub modified_ns: i64,
}

/// What a backup was to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// What the Python tool knew: some databases, `blobs/`, `metadata/`.
    #[default]
    Known,
    /// All databases and all files that are to be backed up.
    Everything,
    /// All databases, no other files.
    Databases,
    /// Databases that the caller named.
    Named,
}

impl Scope {
    /// Whether a database that the backup lacks did not exist when it was made.
    pub(super) fn holds_all_databases(self) -> bool {
        matches!(self, Self::Everything | Self::Databases)
    }
}

impl Manifest {
    /// Reads a manifest; the error says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut manifest: Self = serde_json::from_slice(bytes)
            .map_err(|e| format!("manifest.json can't be read: {e}"))?;
        manifest.own_sum = Some(crate::hash::of_bytes(bytes).to_string());
        match manifest.fault() {
            None => Ok(manifest),
            Some(fault) => Err(format!("manifest.json holds {fault}")),
        }
    }

    /// Returns the manifest as it is written.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("maps with text keys");
        bytes.push(b'\n');
        bytes
    }

    /// Returns the checksums in the form that `sha256sum -c` reads.
    pub(super) fn sums(&self, manifest_bytes: &[u8]) -> Vec<u8> {
        let own = crate::hash::of_bytes(manifest_bytes).to_string();
        let lines = self.checksums.iter().map(|(path, sum)| (sum.as_str(), path.as_str()));
        lines.chain([(own.as_str(), paths::MANIFEST)]).fold(Vec::new(), |mut text, (sum, path)| {
            // GNU coreutils marks a line whose name is escaped with a backslash.
            let escaped = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
            let mark = if escaped == path { "" } else { "\\" };
            text.extend_from_slice(format!("{mark}{sum}  {escaped}\n").as_bytes());
            text
        })
    }

    /// Returns what is wrong with the manifest, by the sum that `SHA256SUMS` has of it.
    pub(super) fn fault_in_sums(&self, sums: &mut dyn Read) -> io::Result<Option<String>> {
        let mut text = Vec::new();
        sums.take(MANIFEST_BYTES_MAX).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let mut pairs = text.lines().filter_map(|line| line.split_once("  "));
        let stored = pairs.find(|(_, path)| *path == paths::MANIFEST).map(|(sum, _)| sum);
        let found = self.own_sum.as_deref().unwrap_or_default();
        Ok(match stored {
            Some(stored) if stored.eq_ignore_ascii_case(found) => None,
            Some(stored) => Some(format!(
                "{}: it was changed after the backup was made: stored {stored}, found {found}",
                paths::MANIFEST
            )),
            None => Some(format!("{}: it does not name {}", paths::SUMS, paths::MANIFEST)),
        })
    }

    /// Returns what is wrong without `SHA256SUMS`, which the Python tool did not write.
    pub(super) fn fault_without_sums(&self) -> Option<String> {
        (self.format >= FORMAT).then(|| format!("{}: it is missing", paths::SUMS))
    }

    /// Asks whether a file stands among the databases of the backup that the manifest does not name.
    ///
    /// What SQLite leaves beside a database that somebody looked at is none, if it holds nothing.
    pub(super) fn leaves_out(&self, stored: &str, size: u64) -> bool {
        let top = stored.split('/').next();
        let is_trace =
            stored.ends_with("-shm") || (size == 0 && paths::owner_of_side_file(stored).is_some());
        top == Some(paths::DATABASES) && !is_trace && !self.checksums.contains_key(stored)
    }

    /// Returns what does not fit between the manifest and the name under which it is found.
    ///
    /// The time is part of the name: one that was changed in the manifest alone does not make the
    /// backup a newer one. A day is let pass, as the Python tool's names are of local time.
    pub(super) fn fault_under(&self, id: &str) -> Option<String> {
        const US_PER_DAY: u64 = 86_400_000_000;
        if self.backup_id != id {
            return Some(format!(
                "its manifest is that of {}, and it is named {id}",
                self.backup_id
            ));
        }
        let named = paths::time_of(id)?;
        (self.created_us().abs_diff(named.and_utc().timestamp_micros()) > US_PER_DAY).then(|| {
            format!(
                "its manifest says that it was made at {}, and its name another day",
                self.created_at
            )
        })
    }

    /// Returns when it was made, in microseconds since 1970; the Python tool's
    /// times have no zone and are UTC.
    pub(super) fn created_us(&self) -> i64 {
        let text = self.created_at.as_str();
        text.parse::<DateTime<Utc>>().map_or_else(
            |_| {
                let naive = text.parse::<NaiveDateTime>();
                naive.map_or(0, |time| time.and_utc().timestamp_micros())
            },
            |time| time.timestamp_micros(),
        )
    }

    /// Orders backups from old to new.
    ///
    /// By the counter where both have one: it is right also when the clock went back.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let by_time = self.created_us().cmp(&other.created_us());
        let by_count = match (self.sequence, other.sequence) {
            (0, 0) => by_time,
            (mine, theirs) => mine.cmp(&theirs),
        };
        by_count.then(by_time).then_with(|| self.backup_id.cmp(&other.backup_id))
    }

    /// Returns the stored paths of the databases.
    pub(super) fn database_paths(&self) -> impl Iterator<Item = &str> {
        self.checksums.keys().map(String::as_str).filter(|p| paths::database_name(p).is_some())
    }

    /// Returns the most bytes that this file may have.
    pub(super) fn size_max(&self, stored: &str) -> u64 {
        self.files.get(stored).map_or(self.total_size_bytes, |record| record.size)
    }

    fn fault(&self) -> Option<String> {
        let quoted = |what: &str, path: &str| Some(format!("{what}: {}", path.escape_debug()));
        if paths::check_id(&self.backup_id).is_err() {
            return quoted("a backup_id that is none", &self.backup_id);
        }
        if self.checksums.is_empty() {
            return Some("it names no file".to_owned());
        }
        let mut live_paths = BTreeSet::new();
        for stored in self.checksums.keys().chain(self.files.keys()) {
            if let Some(fault) = paths::fault_of_stored(stored) {
                return quoted(fault, stored);
            }
            let Some(live) = paths::live_of(stored) else {
                return quoted("a file with no place in a data directory", stored);
            };
            live_paths.insert((live, stored.as_str()));
        }
        if let Some(twice) = first_repeated(&live_paths) {
            return quoted("two files for one place", twice);
        }
        let planted = live_paths.iter().map(|(live, _)| *live).find(|live| {
            paths::owner_of_side_file(live).is_some_and(|owner| {
                let of_database = |stored: &&str| paths::database_name(stored).is_some();
                live_paths
                    .range((owner, "")..)
                    .take_while(|(live, _)| *live == owner)
                    .any(|(_, stored)| of_database(stored))
            })
        });
        if let Some(side_file) = planted {
            return quoted("a write-ahead log or journal for one of its databases", side_file);
        }
        for (folder, mode) in &self.directories {
            if let Some(fault) = paths::fault_of_stored(folder) {
                return quoted(fault, folder);
            }
            if paths::live_of_folder(folder).is_none() || *mode > 0o777 {
                return quoted("a folder with no place in a data directory", folder);
            }
        }
        for name in self.databases.iter().chain(self.migration_versions.keys()) {
            if !self.checksums.contains_key(&paths::stored_database(name)) {
                return quoted("a database without a checksum", name);
            }
        }
        let is_sum = |sum: &str| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
        let (path, _) = self.checksums.iter().find(|(_, sum)| !is_sum(sum))?;
        quoted("a checksum that is none", path)
    }
}

/// Returns a live path that two files have, or two databases whose names differ by case alone.
fn first_repeated<'a>(live_paths: &BTreeSet<(&'a str, &'a str)>) -> Option<&'a str> {
    let mut previous = None;
    for (live, _) in live_paths {
        if previous == Some(*live) {
            return previous;
        }
        previous = Some(*live);
    }
    let mut folded = BTreeSet::new();
    let mut databases =
        live_paths.iter().filter(|(_, stored)| paths::database_name(stored).is_some());
    databases.find(|(live, _)| !folded.insert(live.to_lowercase())).map(|(live, _)| *live)
}

fn format_of_python() -> u32 {
    1
}

/// Accepts any JSON object: the Python tool's metadata holds numbers and lists as well.
fn texts<'de, D: Deserializer<'de>>(source: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = Option::<BTreeMap<String, serde_json::Value>>::deserialize(source)?;
    let as_text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let values = values.unwrap_or_default().into_iter();
    Ok(values.map(|(key, value)| (key, as_text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn with_files(paths: &[&str]) -> Result<Manifest, String> {
        let checksums: BTreeMap<_, _> = paths.iter().map(|path| (*path, SUM)).collect();
        let json = serde_json::json!({
            "backup_id": "backup_20260101_000000_0000", "created_at": "2026-01-01T00:00:00",
            "checksums": checksums, "unknown key": [1, 2],
        });
        Manifest::parse(json.to_string().as_bytes())
    }

    #[test]
    fn unknown_keys_are_ignored_and_missing_ones_have_defaults() {
        let manifest = with_files(&["databases/a.db"]).expect("good");
        assert_eq!((manifest.format, manifest.scope), (1, Scope::Known));
    }

    #[test]
    fn a_manifest_that_leads_outside_is_refused() {
        for path in [
            "../x.db",
            "/etc/passwd",
            "databases/../../victim.db",
            "databases//x.db",
            "files/backups/x",
            "files/.agentos-migrate/lock",
            "elsewhere/x",
        ] {
            with_files(&[path]).expect_err(path);
        }
    }

    #[test]
    fn a_manifest_with_two_files_for_one_place_is_refused() {
        with_files(&["databases/a.db", "files/a.db"]).expect_err("one place");
        with_files(&["databases/a.db", "databases/A.db"]).expect_err("the same but for case");
        with_files(&["blobs/a", "blobs/A"])
            .expect("two blobs on a file system that tells them apart");
    }

    #[test]
    fn a_manifest_that_plants_a_write_ahead_log_is_refused() {
        with_files(&["databases/a.db", "files/a.db-wal"]).expect_err("planted");
        with_files(&["databases/a.db", "files/b.db-wal"]).expect("of no database");
    }

    #[test]
    fn what_no_backup_could_say_of_itself_is_refused_by_name() {
        let json = |key: &str, value: serde_json::Value| {
            let mut json = serde_json::json!({
                "backup_id": "backup_20260101_000000_0000", "created_at": "2026-01-01T00:00:00",
                "checksums": { "databases/a.db": SUM },
            });
            json[key] = value;
            Manifest::parse(json.to_string().as_bytes()).expect_err(key)
        };
        for (key, value, fault) in [
            ("backup_id", serde_json::json!("../x"), "a backup_id that is none: ../x"),
            ("checksums", serde_json::json!({}), "it names no file"),
            (
                "checksums",
                serde_json::json!({ "files/a": "00" }),
                "a checksum that is none: files/a",
            ),
            ("databases", serde_json::json!(["b"]), "a database without a checksum: b"),
            (
                "migration_versions",
                serde_json::json!({ "../../b": ["0001"] }),
                "a database without a checksum: ../../b",
            ),
            ("directories", serde_json::json!({ "../d": 0 }), "out of its directory: ../d"),
            ("directories", serde_json::json!({ "d": 0 }), "a folder with no place"),
            ("directories", serde_json::json!({ "files/d": 0o4755 }), "a folder with no place"),
        ] {
            let refused = json(key, value);
            assert!(refused.contains(fault), "{refused}");
        }
    }

    #[test]
    fn metadata_of_any_json_type_is_read() {
        let json = format!(
            r#"{{"backup_id":"b","created_at":"x","metadata":{{"n":3,"t":"text","l":[1]}},
               "checksums":{{"databases/a.db":"{SUM}"}}}}"#
        );
        let manifest = Manifest::parse(json.as_bytes()).expect("good");
        let values: Vec<_> = manifest.metadata.values().map(String::as_str).collect();
        assert_eq!(values, ["[1]", "3", "text"]);
    }

    #[test]
    fn backups_are_ordered_by_their_counter_when_the_clock_went_back() {
        let mut old = with_files(&["databases/a.db"]).expect("good");
        let mut new = old.clone();
        old.created_at = "2030-01-01T00:00:00.5".to_owned();
        (old.sequence, new.sequence) = (1, 2);
        assert!(old.order(&new).is_lt());
        (old.sequence, new.sequence) = (0, 0);
        assert!(old.order(&new).is_gt());
        "2026-01-01T00:00:00+00:00".clone_into(&mut new.created_at);
        assert_eq!(new.created_us(), 1_767_225_600_000_000);
    }
}
