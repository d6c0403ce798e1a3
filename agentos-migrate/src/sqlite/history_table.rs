//! The history in migrations.db: which migrations are applied, and the event log.
//!
//! `migration_history` is Agent OS's table, to the column. `migration_events`
//! is append-only: triggers refuse to change or delete a row, so a failure
//! or a revert is never forgotten. docs/format.md is normative.

use std::collections::BTreeMap;

use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::event::{Event, EventKind};
use crate::history::{AppliedMigration, History};

/// The file in the data directory.
pub(crate) const FILE_NAME: &str = "migrations.db";

const CREATE_HISTORY: &str = "CREATE TABLE migration_history (
    version TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TEXT NOT NULL,
    checksum TEXT NOT NULL,
    success INTEGER NOT NULL,
    execution_time_ms REAL NOT NULL,
    error_message TEXT
)";

const CREATE_EVENTS: &str = "CREATE TABLE migration_events (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    version TEXT,
    name TEXT,
    checksum TEXT,
    program TEXT NOT NULL,
    backup_id TEXT,
    note TEXT
);
CREATE TRIGGER migration_events_no_update BEFORE UPDATE ON migration_events
BEGIN SELECT RAISE(ABORT, 'migration_events is append-only'); END;
CREATE TRIGGER migration_events_no_delete BEFORE DELETE ON migration_events
BEGIN SELECT RAISE(ABORT, 'migration_events is append-only'); END";

const COLUMNS: [&str; 7] =
    ["version", "name", "applied_at", "checksum", "success", "execution_time_ms", "error_message"];

/// What migrations.db holds at the name of the history.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No such table: nothing was ever applied.
    Absent,
    /// The table of docs/format.md.
    Expected,
    /// Somebody else's table of that name.
    Foreign,
}

/// Returns what migrations.db holds at the name of the history.
pub(crate) fn shape(connection: &Connection) -> rusqlite::Result<Shape> {
    let mut columns =
        connection.prepare("SELECT name FROM pragma_table_info('migration_history')")?;
    let columns = columns.query_map([], |row| row.get::<_, String>(0))?;
    let columns: Vec<String> = columns.collect::<rusqlite::Result<_>>()?;
    if columns.is_empty() {
        return Ok(Shape::Absent);
    }
    let has = |name: &&str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    Ok(if COLUMNS.iter().all(has) { Shape::Expected } else { Shape::Foreign })
}

/// Creates the tables that are missing.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    if shape(connection)? == Shape::Absent {
        connection.execute_batch(CREATE_HISTORY)?;
    }
    if !table_exists(connection, "migration_events")? {
        connection.execute_batch(CREATE_EVENTS)?;
    }
    Ok(())
}

/// Reads the whole history.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<History> {
    if shape(connection)? == Shape::Absent {
        return Ok(History::default());
    }
    let sql = format!("SELECT {} FROM migration_history ORDER BY version", COLUMNS.join(", "));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], applied_migration)?;
    Ok(History::new(rows.collect::<rusqlite::Result<Vec<_>>>()?))
}

fn applied_migration(row: &Row<'_>) -> rusqlite::Result<AppliedMigration> {
    Ok(AppliedMigration {
        version: row.get(0)?,
        name: row.get(1)?,
        applied_at: row.get(2)?,
        checksum: row.get(3)?,
        success: row.get(4)?,
        execution_time_ms: row.get(5)?,
        error_message: row.get(6)?,
    })
}

/// A change of the history with the event that tells of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The version whose row is replaced or removed.
    pub(crate) version: String,
    /// The new row; none after a revert.
    pub(crate) row: Option<AppliedMigration>,
    pub(crate) event: Event,
}

/// Writes entries in order.
///
/// An earlier row of a version is a failed attempt or a forced re-run; the
/// event log keeps what it said.
pub(crate) fn write(connection: &Connection, entries: &[Entry]) -> rusqlite::Result<()> {
    let spellings = spellings(connection)?;
    let mut remove = connection.prepare("DELETE FROM migration_history WHERE version = ?1")?;
    let mut insert = connection.prepare(&insert_sql())?;
    let mut append = connection.prepare(APPEND)?;
    for Entry { version, row, event } in entries {
        remove.execute([version])?;
        for earlier in spellings.get(version.trim_start_matches('0')).into_iter().flatten() {
            remove.execute([earlier])?;
        }
        if let Some(row) = row {
            insert.execute(values_of(row).as_slice())?;
        }
        append.execute(columns_of(event).as_slice())?;
    }
    Ok(())
}

/// Returns the versions as they are stored, by their digits without leading zeros.
///
/// Read once for all entries: [`REMOVE`] looks at every row, and a long set would pay its square.
fn spellings(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
    let mut by_digits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT version FROM migration_history")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // What is no text is no version of ours.
        let Ok(version) = row.get::<_, String>(0) else { continue };
        by_digits.entry(version.trim_start_matches('0').to_owned()).or_default().push(version);
    }
    Ok(by_digits)
}

const APPEND: &str =
    "INSERT INTO migration_events (at, kind, version, name, checksum, program, backup_id, note)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

fn columns_of(event: &Event) -> [&dyn ToSql; 8] {
    let Event { at, kind, version, name, checksum, program, backup_id, note } = event;
    [at, kind, version, name, checksum, program, backup_id, note]
}

impl ToSql for EventKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

/// Appends to the event log.
pub(crate) fn append(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    connection.execute(APPEND, columns_of(event).as_slice())?;
    Ok(())
}

/// By name: a table that another tool made may have its columns in another order, and more of them.
fn insert_sql() -> String {
    let names = COLUMNS.join(", ");
    format!("INSERT INTO migration_history ({names}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
}

/// As versions: `0003` and `00003` are one.
pub(crate) const REMOVE: &str =
    "DELETE FROM migration_history WHERE ltrim(version, '0') = ltrim(?1, '0')";

/// In the order of [`COLUMNS`].
fn values_of(row: &AppliedMigration) -> [&dyn ToSql; 7] {
    let AppliedMigration {
        version,
        name,
        applied_at,
        checksum,
        success,
        execution_time_ms,
        error_message,
    } = row;
    [version, name, applied_at, checksum, success, execution_time_ms, error_message]
}

/// Returns whether the history has a migration as applied.
pub(crate) fn is_applied(connection: &Connection, version: &str) -> rusqlite::Result<bool> {
    connection
        .prepare("SELECT 1 FROM migration_history WHERE ltrim(version, '0') = ltrim(?1, '0') AND success = 1")?
        .exists([version])
}

/// Writes one row of the history in the place of an earlier one, without an event.
pub(crate) fn write_row(connection: &Connection, row: &AppliedMigration) -> rusqlite::Result<()> {
    connection.execute(REMOVE, [&row.version])?;
    connection.execute(&insert_sql(), values_of(row).as_slice())?;
    Ok(())
}

/// Reads the event log, oldest first.
pub(crate) fn events(connection: &Connection) -> rusqlite::Result<Vec<Event>> {
    if !table_exists(connection, "migration_events")? {
        return Ok(Vec::new());
    }
    let sql = "SELECT at, kind, version, name, checksum, program, backup_id, note FROM migration_events ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Event {
            at: row.get(0)?,
            kind: row.get::<_, String>(1)?.parse().unwrap_or(EventKind::Unknown),
            version: row.get(2)?,
            name: row.get(3)?,
            checksum: row.get(4)?,
            program: row.get(5)?,
            backup_id: row.get(6)?,
            note: row.get(7)?,
        })
    })?;
    rows.collect()
}

pub(crate) fn table_exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(connection.query_row(sql, [table], |_| Ok(())).optional()?.is_some())
}
