//! Which migrations are applied, as the history says: a plain value.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::info::MigrationInfo;
use crate::version::Version;

/// One row of the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppliedMigration {
    /// The version as stored.
    pub version: String,
    /// The name at the time.
    pub name: String,
    /// When it ended, as stored: ours are UTC in RFC 3339.
    pub applied_at: String,
    /// The checksum as stored: 64 hex digits, or an older tool's.
    pub checksum: String,
    /// Whether it succeeded.
    pub success: bool,
    /// How long it took, in milliseconds.
    pub execution_time_ms: f64,
    /// Why it failed.
    pub error_message: Option<String>,
}

/// The applied migrations: a set, not a high-water mark.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    rows: BTreeMap<Version, AppliedMigration>,
    unreadable: Vec<AppliedMigration>,
}

impl History {
    /// Makes a history of rows; a row whose version is not 4 to 20 digits is kept apart.
    pub fn new(rows: Vec<AppliedMigration>) -> Self {
        let mut history = Self::default();
        for row in rows {
            history.set(row);
        }
        history
    }

    /// Returns the row of a version.
    pub fn row(&self, version: &Version) -> Option<&AppliedMigration> {
        self.rows.get(version)
    }

    /// Returns the rows by version.
    pub fn rows(&self) -> impl Iterator<Item = (&Version, &AppliedMigration)> {
        self.rows.iter()
    }

    /// Returns the rows whose version is none of ours.
    pub fn unreadable(&self) -> &[AppliedMigration] {
        &self.unreadable
    }

    /// Returns whether nothing was ever applied.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.unreadable.is_empty()
    }

    /// Adds a row, in place of an earlier one of the version.
    pub fn set(&mut self, row: AppliedMigration) {
        match row.version.parse() {
            Ok(version) => drop(self.rows.insert(version, row)),
            Err(_) => self.unreadable.push(row),
        }
    }

    /// Removes the row of a version.
    pub fn remove(&mut self, version: &Version) {
        self.rows.remove(version);
    }

    /// Returns the digest of the applied set, or nothing if a row is failed, modified or unknown.
    pub(crate) fn digest(&self, infos: &[&MigrationInfo]) -> Option<u64> {
        if !self.unreadable.is_empty() {
            return None;
        }
        let mut sum = 0_u64;
        for (version, row) in &self.rows {
            let found = infos.binary_search_by(|info| info.version.cmp(version)).ok()?;
            if !row.success || !is_unmodified(infos[found], row) {
                return None;
            }
            sum = sum.wrapping_add(infos[found].digest());
        }
        Some(sum)
    }
}

/// Returns whether the stored checksum is the compiled one, or one that an older tool recorded for it.
pub(crate) fn is_unmodified(info: &MigrationInfo, row: &AppliedMigration) -> bool {
    info.checksum.is_written(&row.checksum)
        || info.legacy_checksums.iter().any(|legacy| legacy.eq_ignore_ascii_case(&row.checksum))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::migration::Migration;

    /// A row as a run of this migration leaves it.
    pub(crate) fn row_of(info: &MigrationInfo) -> AppliedMigration {
        AppliedMigration {
            version: info.version.to_string(),
            name: info.name.to_string(),
            applied_at: "2026-01-14T08:30:12.000000Z".to_owned(),
            checksum: info.checksum.to_string(),
            success: true,
            execution_time_ms: 1.5,
            error_message: None,
        }
    }

    #[test]
    fn the_digest_of_a_history_is_that_of_its_set_only_if_nothing_is_odd() {
        let migrations = [
            Migration::new("0001", &["a"], |_| Ok(())),
            Migration::new("0002", &["a"], |_| Ok(())),
        ];
        let infos: Vec<_> = migrations.iter().map(Migration::info).collect();
        let registry = crate::Registry::new(&["a"], migrations.to_vec());
        let rows: Vec<_> = infos.iter().map(|info| row_of(info)).collect();
        assert_eq!(History::new(rows.clone()).digest(&infos), Some(registry.digest()));

        let odd = |change: &dyn Fn(&mut Vec<AppliedMigration>)| {
            let mut rows = rows.clone();
            change(&mut rows);
            History::new(rows).digest(&infos)
        };
        assert_eq!(odd(&|rows| rows[0].success = false), None);
        assert_eq!(odd(&|rows| rows[1].checksum = "other".into()), None);
        assert_eq!(odd(&|rows| rows[1].version = "0003".into()), None);
        assert_eq!(odd(&|rows| rows[1].version = "latest".into()), None);
        assert_ne!(odd(&|rows| drop(rows.pop())), Some(registry.digest()));
    }

    #[test]
    fn an_older_tools_checksum_counts_where_it_is_declared() {
        let migration =
            Migration::new("0001", &["a"], |_| Ok(())).legacy_checksums(&["b6d9a02a4d9668fd"]);
        let mut row = row_of(migration.info());
        row.checksum = "B6D9A02A4D9668FD".to_owned();
        assert!(is_unmodified(migration.info(), &row));
        row.checksum = "e85dbdfca3c410a0".to_owned();
        assert!(!is_unmodified(migration.info(), &row));
    }

    #[test]
    fn a_history_is_empty_only_without_any_row_also_an_unreadable_one() {
        let migration = Migration::new("0001", &["a"], |_| Ok(()));
        let row = row_of(migration.info());
        let unreadable = AppliedMigration { version: "latest".into(), ..row.clone() };
        let mut history = History::default();
        assert!(history.is_empty());
        history.set(row);
        assert!(!history.is_empty());
        assert!(!History::new(vec![unreadable]).is_empty());
        history.remove(&migration.info().version);
        assert!(history.is_empty(), "{history:?}");
    }
}
