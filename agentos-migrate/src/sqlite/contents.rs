//! What a database holds, in numbers and text.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::schema::tokens::quote_name;

/// Rows per table, and the schema as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) rows: BTreeMap<String, i64>,
    pub(crate) schema: String,
}

/// Counts every table's rows and collects the schema's text.
///
/// The tables in which a virtual table keeps its content are left out: they
/// are that table's own business (<https://sqlite.org/pragma.html#pragma_table_list>).
pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Contents> {
    let mut contents = Contents::default();
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let tables: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for table in tables {
        let count = format!("SELECT count(*) FROM {}", quote_name(&table));
        let rows = connection.query_row(&count, [], |row| row.get(0))?;
        contents.rows.insert(table, rows);
    }
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY tbl_name, type DESC, name";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        contents.schema.push_str(row.get_ref(0)?.as_str().unwrap_or_default());
        contents.schema.push_str(";\n");
    }
    Ok(contents)
}
