//! What the set calls by another name now: a version table, or a database's file.
//!
//! Both look like a loss, and to run the migrations again would be to run them twice, or beside the data.

use std::collections::BTreeSet;

use super::Migrator;
use super::standing::{Evidence, way_to_rename};
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::says_damaged;
use crate::sqlite::{reading, schema_version};
use crate::version::Version;

impl Migrator {
    /// Returns the table in which a database records migrations, if it is not the one that the set declares.
    pub(super) fn earlier_name(&self, database: &str) -> Result<Option<String>, Error> {
        let path = self.file_of(database);
        if path.is_dir() {
            return Ok(None);
        }
        let table = self.registry.schema_version_table();
        let ask =
            |connection: &rusqlite::Connection| schema_version::earlier_name(connection, table);
        match reading::ask(&path, self.patience(), ask) {
            Err(error) if says_damaged(&error) => Ok(None),
            found => Ok(found?.flatten()),
        }
    }

    /// Refuses to take migrations for lost whose records stand in a table of another name: to run them
    /// again would be to run them twice.
    pub(super) fn refuse_renamed(&self, evidence: &Evidence<'_>) -> Result<(), Error> {
        let Some(earlier) = evidence.renamed.values().next() else { return Ok(()) };
        let table = self.registry.schema_version_table();
        let text = format!("the databases record their migrations in another table than `{table}`");
        let error = Error::new(ErrorKind::NeedsOperator, text).in_state("nothing was changed");
        let lines = evidence.renamed.iter();
        let lines = lines.map(|(database, name)| format!("{database} has them in `{name}`"));
        Err(lines.fold(error, Error::detail).with_hint(way_to_rename(earlier, table)))
    }

    /// Returns how a lost database comes back that only has another name now, as the start of a hint.
    pub(super) fn ways_to_move_back(
        &self,
        evidence: &Evidence<'_>,
        lost: &BTreeSet<&str>,
    ) -> String {
        let Ok(entries) = std::fs::read_dir(&self.data_dir) else { return String::new() };
        let mut ways = String::new();
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            let Some(other) = name.strip_suffix(".db") else { continue };
            if other == "migrations" || self.registry.databases().contains(&other) {
                continue;
            }
            let found = self.recorded(other).unwrap_or_default();
            let is_it = |database: &&&str| {
                let applied: BTreeSet<Version> = self.applied_to(database, evidence.history);
                !applied.is_empty() && applied.is_subset(&found)
            };
            let Some(database) = lost.iter().find(is_it) else { continue };
            let log = if self.data_dir.join(format!("{name}-wal")).exists() {
                format!(" && mv {name}-wal {database}.db-wal")
            } else {
                String::new()
            };
            ways.push_str(&format!(
                "{name} records the same migrations: if it is {database} under its old name, stop the programs that use it, and `mv {name} {database}.db{log}`; else "
            ));
        }
        ways
    }
}
