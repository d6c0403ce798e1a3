//! Reading everything that a database holds.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::lint::facts::{ColumnFacts, DatabaseFacts, TableFacts};
use crate::schema::read::{Object, ObjectKind, Schema, Visibility, columns};
use crate::schema::rebuild::{ForeignKeyParts, TableParts};
use crate::schema::tokens::{quote_name, significant_tokens};

/// Reads a database; `left_out` is the engine's own table.
pub(super) fn look(connection: &Connection, left_out: &str) -> rusqlite::Result<DatabaseFacts> {
    let schema = Schema::read(connection)
        .map_err(|_| rusqlite::Error::InvalidQuery)?
        .without(|object| object.table.eq_ignore_ascii_case(left_out));
    let mut facts = DatabaseFacts { broken: broken(connection, &schema), ..Default::default() };
    let tables = schema.objects().iter().filter(|object| object.kind == ObjectKind::Table);
    for table in tables.filter(|table| !is_virtual(table)) {
        let parts = TableParts::read(connection, table)?;
        for key in &parts.foreign_keys {
            if schema.find(ObjectKind::Table, &key.parent).is_none() {
                let what =
                    format!("the foreign key of `{}` ({})", table.name, key.columns.join(", "));
                facts.broken.insert(what, format!("there is no table `{}`", key.parent));
            }
        }
        facts.tables.insert(table.name.clone(), read_table(connection, table, parts)?);
    }
    facts.schema = schema;
    Ok(facts)
}

fn read_table(
    connection: &Connection,
    table: &Object,
    parts: TableParts,
) -> rusqlite::Result<TableFacts> {
    let stored: Vec<ColumnFacts> = parts
        .columns
        .iter()
        .filter(|column| column.visibility == Visibility::Ordinary)
        .map(|column| ColumnFacts {
            name: column.name.clone(),
            declared_type: column.declared_type.clone(),
            is_required: column.not_null && column.default.is_none() && column.primary_key == 0,
        })
        .collect();
    let literals: Vec<String> =
        stored.iter().map(|column| format!("quote({})", quote_name(&column.name))).collect();
    let sql = format!("SELECT {} FROM {}", literals.join(", "), quote_name(&table.name));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement
        .query_map([], |row| (0..stored.len()).map(|at| row.get::<_, String>(at)).collect())?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    let unindexed = parts.foreign_keys.iter().filter(|key| !key.is_indexed).map(shown).collect();
    Ok(TableFacts { columns: stored, rows, constraints: parts.constraints, unindexed })
}

fn shown(key: &ForeignKeyParts) -> String {
    format!("({}) to `{}`", key.columns.join(", "), key.parent)
}

/// Compiles a use of every view and of every table that has triggers.
fn broken(connection: &Connection, schema: &Schema) -> BTreeMap<String, String> {
    let mut uses: Vec<(String, String)> = Vec::new();
    for object in schema.objects() {
        match object.kind {
            ObjectKind::View => {
                let sql = format!("SELECT * FROM {} LIMIT 0", quote_name(&object.name));
                uses.push((format!("view `{}`", object.name), sql));
            }
            ObjectKind::Trigger => uses.extend(firings(connection, &object.table)),
            ObjectKind::Table | ObjectKind::Index => {}
        }
    }
    let failing = uses.into_iter().filter_map(|(what, sql)| {
        connection.prepare(&sql).err().map(|error| (what, error.to_string()))
    });
    // A view without a trigger for an event refuses that event, before and after alike.
    failing.filter(|(_, why)| !why.contains("cannot modify")).collect()
}

/// Returns statements that compile the triggers of a table.
fn firings(connection: &Connection, table: &str) -> Vec<(String, String)> {
    let names = columns(connection, table).unwrap_or_default();
    let set: Vec<String> = names
        .iter()
        .filter(|column| column.visibility == Visibility::Ordinary)
        .map(|column| format!("{0} = {0}", quote_name(&column.name)))
        .collect();
    let quoted = quote_name(table);
    let of = |event: &str, sql: String| (format!("a trigger on `{table}` ({event})"), sql);
    vec![
        of("insert", format!("INSERT INTO {quoted} DEFAULT VALUES")),
        of("update", format!("UPDATE {quoted} SET {}", set.join(", "))),
        of("delete", format!("DELETE FROM {quoted}")),
    ]
}

fn is_virtual(table: &Object) -> bool {
    significant_tokens(&table.sql).get(1).is_some_and(|token| token.is_word("VIRTUAL"))
}
