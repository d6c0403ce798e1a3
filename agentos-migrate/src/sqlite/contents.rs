//! What a database holds, in numbers and text.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::schema::tokens::quote_name;

/// Rows per table, and the size.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) rows: BTreeMap<String, i64>,
    /// The size of the file, also of what is not written to it yet.
    pub(crate) bytes: u64,
}

/// Counts the rows of the tables, by name in lower case, if there is a trigger that could delete any.
pub(crate) fn rows_at_risk(connection: &Connection) -> rusqlite::Result<BTreeMap<String, i64>> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%delete%')";
    if !connection.query_row(sql, [], |row| row.get::<_, bool>(0))? {
        return Ok(BTreeMap::new());
    }
    let rows = of(connection)?.rows.into_iter();
    Ok(rows.map(|(table, count)| (table.to_ascii_lowercase(), count)).collect())
}

/// Counts every table's rows.
///
/// The tables in which a virtual table keeps its content are left out: they
/// are that table's own business (<https://sqlite.org/pragma.html#pragma_table_list>). So is a
/// virtual table that has lost what it reads, as one of FTS5 without its content table: a run gets
/// on with it, and nobody can count it.
pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Contents> {
    let mut contents = Contents::default();
    let sql = "SELECT name, type = 'virtual' FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let tables = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let tables: Vec<(String, bool)> = tables.collect::<rusqlite::Result<_>>()?;
    for (table, is_virtual) in tables {
        let count = format!("SELECT count(*) FROM {}", quote_name(&table));
        match connection.query_row(&count, [], |row| row.get(0)) {
            Ok(rows) => drop(contents.rows.insert(table, rows)),
            Err(_) if is_virtual => {}
            Err(error) => return Err(error),
        }
    }
    // https://sqlite.org/pragma.html#pragma_page_count
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    contents.bytes = connection.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    Ok(contents)
}
