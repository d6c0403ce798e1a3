//! Rows made up for any table, so that a migration meets tables that are not empty.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::Harness;
use crate::error::Error;
use crate::registry::Registry;
use crate::schema::read::{ObjectKind, Schema, Visibility, columns};
use crate::schema::tokens::quote_name;
use crate::sqlite::failure::on_file;

/// Rows by database and table.
pub(super) type RowCounts = BTreeMap<(String, String), i64>;

/// Gives every empty table a row where that can be done without breaking a rule.
pub(super) fn seed(harness: &Harness, registry: &Registry) -> Result<(), Error> {
    each_table(harness, registry, |database, connection, table| {
        fill(connection, table).map_err(|error| on_database(error, "fill", harness, database))
    })
}

fn fill(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    if count(connection, table)? > 0 {
        return Ok(());
    }
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.execute_batch("SAVEPOINT seed")?;
    let is_allowed = connection.execute(&insert(connection, table)?, []).is_ok()
        && !connection.prepare("PRAGMA foreign_key_check")?.exists([])?;
    connection.execute_batch(if is_allowed {
        "RELEASE seed"
    } else {
        "ROLLBACK TO seed; RELEASE seed"
    })
}

/// Counts the rows of every table.
pub(super) fn count_rows(harness: &Harness, registry: &Registry) -> Result<RowCounts, Error> {
    let mut counts = RowCounts::new();
    each_table(harness, registry, |database, connection, table| {
        let rows = count(connection, table)
            .map_err(|error| on_database(error, "count the rows of", harness, database))?;
        counts.insert((database.to_owned(), table.to_owned()), rows);
        Ok(())
    })?;
    Ok(counts)
}

fn on_database(error: rusqlite::Error, doing: &str, harness: &Harness, database: &str) -> Error {
    on_file(error, doing, &harness.data_dir().join(format!("{database}.db")))
}

/// One value for every column keeps foreign keys true: parents and children hold the same.
fn insert(connection: &Connection, table: &str) -> rusqlite::Result<String> {
    let columns = columns(connection, table)?;
    let names: Vec<String> = columns
        .iter()
        .filter(|column| column.visibility == Visibility::Ordinary)
        .map(|column| quote_name(&column.name))
        .collect();
    let values = vec!["1"; names.len()].join(", ");
    Ok(format!("INSERT INTO {} ({}) VALUES ({values})", quote_name(table), names.join(", ")))
}

fn count(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    let sql = format!("SELECT count(*) FROM {}", quote_name(table));
    connection.query_row(&sql, [], |row| row.get(0))
}

/// Does something with each of the application's tables, on a connection with foreign keys on.
pub(super) fn each_table(
    harness: &Harness,
    registry: &Registry,
    mut work: impl FnMut(&str, &Connection, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let own = registry.schema_version_table();
    for database in registry.databases() {
        if !harness.data_dir().join(format!("{database}.db")).exists() {
            continue;
        }
        let connection = harness.connection(database)?;
        let schema = Schema::read(&connection)?;
        let tables = schema.objects().iter().filter(|object| {
            object.kind == ObjectKind::Table && !object.name.eq_ignore_ascii_case(own)
        });
        for table in tables {
            work(database, &connection, &table.name)?;
        }
    }
    Ok(())
}
