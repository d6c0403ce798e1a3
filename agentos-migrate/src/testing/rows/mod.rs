//! Rows made up for any table, such as real tables hold and tests forget.
//!
//! SQLite is the judge of what is allowed: a row is tried, and what is
//! refused is amended by what the refusal says. Deterministic: the same
//! schema gets the same rows.

mod table;
mod values;

use rusqlite::Connection;

use self::table::Filling;
use self::values::{THEMES, Theme};
use crate::schema::read::{Object, ObjectKind, Schema};
use crate::schema::rebuild::TableParts;
use crate::schema::tokens::quote_name;

/// How far from what a column's type says the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildness {
    /// Also values of another type, where SQLite lets them.
    Any,
    /// Values of the declared types alone.
    AsDeclared,
}

/// A table that got no row, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfilled {
    pub(super) table: String,
    pub(super) reason: String,
}

/// Adds rows to every table but `left_out`; parents first, so that children have some.
pub(super) fn fill(
    connection: &Connection,
    left_out: &str,
    wildness: Wildness,
) -> rusqlite::Result<Vec<Unfilled>> {
    // Rows of a cycle of foreign keys need each other: what has no parent in the end is taken out.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute_batch("BEGIN")?;
    let mut unfilled = Vec::new();
    for table in in_order(connection, left_out)? {
        if is_virtual(&table.sql) {
            let reason = "it is virtual: its module decides what it takes".to_owned();
            unfilled.push(Unfilled { table: table.name, reason });
            continue;
        }
        let refused = fill_table(connection, &table, wildness)?;
        if let Some(reason) = refused {
            unfilled.push(Unfilled { table: table.name, reason });
        }
    }
    remove_orphans(connection)?;
    connection.execute_batch("COMMIT")?;
    Ok(unfilled)
}

/// Returns why a table has no row, if it has none.
fn fill_table(
    connection: &Connection,
    table: &Object,
    wildness: Wildness,
) -> rusqlite::Result<Option<String>> {
    let parts = TableParts::read(connection, table)?;
    let mut filling = match Filling::new(connection, table, &parts) {
        Ok(filling) => filling,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let mut refusal = None;
    for (number, theme) in THEMES.into_iter().enumerate() {
        if theme == Theme::Odd && wildness == Wildness::AsDeclared {
            continue;
        }
        if let Err(reason) = filling.add(theme, number)? {
            refusal.get_or_insert(reason);
        }
    }
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", quote_name(&table.name));
    let has_rows: bool = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(refusal.filter(|_| !has_rows))
}

/// Returns the tables, parents before children where there is no cycle.
fn in_order(connection: &Connection, left_out: &str) -> rusqlite::Result<Vec<Object>> {
    let schema = Schema::read(connection).map_err(|_| rusqlite::Error::InvalidQuery)?;
    let mut waiting: Vec<Object> = schema
        .objects()
        .iter()
        .filter(|object| object.kind == ObjectKind::Table)
        .filter(|object| !object.name.eq_ignore_ascii_case(left_out))
        .cloned()
        .collect();
    let mut ordered: Vec<Object> = Vec::new();
    while !waiting.is_empty() {
        let mut next = 0;
        for (at, table) in waiting.iter().enumerate() {
            let parents = parents(connection, &table.name)?;
            let waits = waiting.iter().any(|other| {
                !other.name.eq_ignore_ascii_case(&table.name)
                    && parents.iter().any(|parent| parent.eq_ignore_ascii_case(&other.name))
            });
            if !waits {
                next = at;
                break;
            }
        }
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}

fn parents(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT \"table\" FROM pragma_foreign_key_list(?1, 'main')")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// Deletes rows whose parent is missing, and then those that had them as parents.
fn remove_orphans(connection: &Connection) -> rusqlite::Result<()> {
    loop {
        let orphans = {
            let mut statement = connection.prepare(
                "SELECT DISTINCT \"table\", rowid FROM pragma_foreign_key_check WHERE rowid IS NOT NULL",
            )?;
            let rows = statement
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            // A foreign key to columns that are no key can't be checked at all.
            rows.collect::<rusqlite::Result<Vec<_>>>().unwrap_or_default()
        };
        let mut deleted = 0;
        for (table, rowid) in orphans {
            let sql = format!("DELETE FROM {} WHERE rowid = ?1", quote_name(&table));
            // A trigger may forbid it; then it stays, as it would in a real database.
            deleted += connection.execute(&sql, [rowid]).unwrap_or_default();
        }
        if deleted == 0 {
            return Ok(());
        }
    }
}

fn is_virtual(sql: &str) -> bool {
    crate::schema::tokens::significant_tokens(sql)
        .get(1)
        .is_some_and(|token| token.is_word("VIRTUAL"))
}

#[cfg(test)]
mod tests;
