//! What a downgrade was shown to bring back.

use std::fmt;

use serde::Serialize;

use super::facts::{Facts, Passage, Snapshot, WayBack};
use crate::info::MigrationInfo;

/// That a downgrade undoes its migration, and what it was shown on.
///
/// The schema is as before, and so is every row that the tables held before;
/// what a program wrote since is there too, where the tables are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DowngradeProof {
    /// The migration's version.
    pub version: String,
    /// The migration's name.
    pub name: String,
    /// How many tables were compared row by row.
    pub tables: usize,
    /// How many rows they held.
    pub rows: usize,
    /// What the migration made, and what therefore goes with it: ``column `title` of chat.note``.
    pub gone: Vec<String>,
    /// What is lost because the migration says so, and why.
    pub declared: Vec<String>,
}

impl DowngradeProof {
    /// Sums up a way back; `allowed` are the findings about it that the migration explains.
    pub(super) fn of(info: &MigrationInfo, facts: &Facts, allowed: Vec<String>) -> Option<Self> {
        let (Some(up), Some(WayBack::Done(restored))) = (&facts.up, &facts.down) else {
            return None;
        };
        let down = &restored.passage;
        let (tables, rows) = compared(info, up);
        let deletes = info.deletes.iter().map(|table| format!("rows of `{table}`, by `deletes`"));
        Some(Self {
            version: info.version.to_string(),
            name: info.name.to_string(),
            tables,
            rows,
            gone: gone(&down.before, &down.after),
            declared: deletes.chain(allowed).collect(),
        })
    }
}

fn compared(info: &MigrationInfo, up: &Passage) -> (usize, usize) {
    let named = up.before.0.iter().filter(|(name, _)| info.databases.contains(&name.as_str()));
    let tables = named.flat_map(|(_, facts)| facts.tables.values());
    tables.fold((0, 0), |(tables, rows), table| (tables + 1, rows + table.rows.len()))
}

/// Returns what the upgraded databases have and the downgraded ones have not.
fn gone(upgraded: &Snapshot, downgraded: &Snapshot) -> Vec<String> {
    let mut gone = Vec::new();
    for (database, facts) in &upgraded.0 {
        for (name, table) in &facts.tables {
            let Some(left) = downgraded.0[database].table(name) else {
                gone.push(format!("table {database}.{name}"));
                continue;
            };
            let columns = table.columns.iter().filter(|column| left.column(&column.name).is_none());
            gone.extend(
                columns.map(|column| format!("column `{}` of {database}.{name}", column.name)),
            );
        }
    }
    gone
}

impl fmt::Display for DowngradeProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, name, tables, rows, gone, declared } = self;
        write!(
            f,
            "{version} `{name}` and back: schema as before, {rows} rows of {tables} tables as before"
        )?;
        if !declared.is_empty() {
            write!(f, ", but for what it declares: {}", declared.join(", "))?;
        }
        if !gone.is_empty() {
            write!(f, "; gone with what it made: {}", gone.join(", "))?;
        }
        Ok(())
    }
}
