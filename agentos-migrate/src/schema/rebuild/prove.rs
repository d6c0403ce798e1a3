//! The proof that a change broke nothing: step 11 of the procedure.
//!
//! Everything that can name the table is tried before and after: what worked
//! before works after, or the change is undone. What was broken before may
//! stay broken; that is not this change's to decide.

use std::collections::BTreeMap;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;
use crate::schema::read::{columns, folded};
use crate::schema::tokens::{quote_name, significant_tokens};

use super::report::failed_proof;
use super::shape::{Shape, is_generated};

/// What can be prepared, and what another table's foreign key may point at.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// Each statement that uses a view, a trigger or a full-text table.
    uses: BTreeMap<String, Use>,
    /// Foreign keys that point at the table, with whether they may.
    references: BTreeMap<String, bool>,
}

/// How well a statement works.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Use {
    Works,
    /// Only because SQLite takes a quoted name that is no column for a text.
    WorksByMisreading,
    Fails(String),
}

impl Use {
    fn rank(&self) -> u8 {
        match self {
            Self::Works => 2,
            Self::WorksByMisreading => 1,
            Self::Fails(_) => 0,
        }
    }
}

impl Surroundings {
    /// Tries everything once.
    pub(super) fn observe(
        connection: &Connection,
        table: &str,
        shape: &Shape,
    ) -> rusqlite::Result<Self> {
        let mut uses = BTreeMap::new();
        for (name, sql) in statements(connection)? {
            let outcome = prepare(connection, &sql)?;
            uses.insert(name, outcome);
        }
        for (name, sql) in full_text_reads(connection, table)? {
            uses.insert(name, read_one(connection, &sql));
        }
        Ok(Self { uses, references: references(connection, table, shape)? })
    }

    /// Fails if something that worked before does not any more.
    pub(super) fn check_kept(&self, after: &Self, table: &str) -> Result<(), Error> {
        for (name, before) in &self.uses {
            let now = after.uses.get(name);
            if now.is_none_or(|now| now.rank() < before.rank()) {
                let why = match now {
                    None => "it is gone".to_owned(),
                    Some(Use::Fails(message)) => message.clone(),
                    Some(_) => "a name in quotes would be read as a text".to_owned(),
                };
                return Err(failed_proof(table, name)
                    .detail(why)
                    .with_hint("drop what uses the column before, and create it again after"));
            }
        }
        for (name, before) in &self.references {
            if *before && after.references.get(name) == Some(&false) {
                return Err(failed_proof(table, name)
                    .detail("the columns that it points at are not unique any more")
                    .with_hint("keep the key, or change the foreign key before"));
            }
        }
        Ok(())
    }
}

/// Returns a statement for every view, and for every event of every table that has triggers.
fn statements(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut statement = connection.prepare(
        "SELECT type, name, tbl_name, 'main' FROM main.sqlite_schema WHERE type IN ('view', 'trigger') \
         UNION ALL SELECT type, name, tbl_name, 'temp' FROM temp.sqlite_schema WHERE type IN ('view', 'trigger')",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        let name: String = row.get(1)?;
        let target: String = row.get(2)?;
        let schema: String = row.get(3)?;
        if kind == "view" {
            let sql = format!("SELECT * FROM {schema}.{} LIMIT 0", quote_name(&name));
            found.push((format!("view `{name}`"), sql));
            continue;
        }
        // A trigger is compiled with the statement that fires it, and only then.
        // The event that a view has no trigger for fails before and after.
        let quoted = quote_name(&target);
        let columns: Vec<String> = columns(connection, &target)?
            .iter()
            .filter(|column| !is_generated(column))
            .map(|column| format!("{0} = {0}", quote_name(&column.name)))
            .collect();
        let named = format!("a trigger on `{target}`");
        found.push((format!("{named} (insert)"), format!("INSERT INTO {quoted} DEFAULT VALUES")));
        found.push((
            format!("{named} (update)"),
            format!("UPDATE {quoted} SET {}", columns.join(", ")),
        ));
        found.push((format!("{named} (delete)"), format!("DELETE FROM {quoted}")));
    }
    Ok(found)
}

/// Compiles a statement without running it, first without the misreading of quoted names.
///
/// <https://sqlite.org/quirks.html#dblquote>
fn prepare(connection: &Connection, sql: &str) -> rusqlite::Result<Use> {
    let strictly = {
        let _guard = NamesOnly::switch_on(connection)?;
        connection.prepare(sql).map(drop)
    };
    if strictly.is_ok() {
        return Ok(Use::Works);
    }
    Ok(match connection.prepare(sql) {
        Ok(_) => Use::WorksByMisreading,
        Err(error) => Use::Fails(error.to_string()),
    })
}

/// Takes every quoted name for a name, until it is dropped.
struct NamesOnly<'connection> {
    connection: &'connection Connection,
    was_lax: bool,
}

impl<'connection> NamesOnly<'connection> {
    fn switch_on(connection: &'connection Connection) -> rusqlite::Result<Self> {
        let was_lax = connection.db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        Ok(Self { connection, was_lax })
    }
}

impl Drop for NamesOnly<'_> {
    fn drop(&mut self) {
        // Setting a flag that was set before cannot fail.
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, self.was_lax);
    }
}

/// A full-text table looks for its content's columns when a row is read, not when a statement is compiled.
fn full_text_reads(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<(String, String)>> {
    let readers = full_text_tables(connection, table)?;
    Ok(readers
        .iter()
        .map(|name| {
            (
                format!("full-text table `{name}`"),
                format!("SELECT * FROM main.{} LIMIT 1", quote_name(name)),
            )
        })
        .collect())
}

fn read_one(connection: &Connection, sql: &str) -> Use {
    let read = || {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        rows.next().map(drop)
    };
    match read() {
        Ok(()) => Use::Works,
        Err(error) => Use::Fails(error.to_string()),
    }
}

/// Returns the virtual tables whose content is this table: `content = 'table'`.
///
/// <https://sqlite.org/fts5.html#external_content_tables>
pub(super) fn full_text_tables(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%' ORDER BY name",
    )?;
    let all =
        statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut readers = Vec::new();
    for found in all {
        let (name, sql) = found?;
        let tokens = significant_tokens(&sql);
        let is_reader = tokens.windows(3).any(|window| {
            window[0].is_word("content") && window[1].is_operator("=") && window[2].is_name(table)
        });
        if is_reader {
            readers.push(name);
        }
    }
    Ok(readers)
}

/// Returns every foreign key that points at a table, with whether SQLite lets it.
fn references(
    connection: &Connection,
    table: &str,
    shape: &Shape,
) -> rusqlite::Result<BTreeMap<String, bool>> {
    let mut statement = connection.prepare(
        "SELECT child.name, key.id, key.\"to\" \
         FROM main.sqlite_schema AS child, pragma_foreign_key_list(child.name, 'main') AS key \
         WHERE child.type = 'table' AND key.\"table\" = ?1 COLLATE NOCASE",
    )?;
    let mut rows = statement.query([table])?;
    let mut pointed_at: BTreeMap<(String, i64), Vec<Option<String>>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        pointed_at.entry((row.get(0)?, row.get(1)?)).or_default().push(row.get(2)?);
    }
    let mut references = BTreeMap::new();
    for ((child, _), columns) in pointed_at {
        let parent_columns: Option<Vec<String>> = columns.iter().cloned().collect();
        let (target, is_valid) = match parent_columns {
            // Without columns it points at the primary key, column by column.
            None => ("its primary key".to_owned(), columns.len() == shape.primary_key().len()),
            Some(mut names) => {
                names.sort_by_cached_key(|name| folded(name));
                (names.join(", "), shape.is_parent_key(&names))
            }
        };
        references
            .insert(format!("the foreign key of `{child}` to ({target}) of `{table}`"), is_valid);
    }
    Ok(references)
}

/// Returns a foreign key that would delete or change rows of another table when rows of this one go.
pub(super) fn cascading_children(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT DISTINCT child.name || ' (' || key.on_delete || ')' \
         FROM main.sqlite_schema AS child, pragma_foreign_key_list(child.name, 'main') AS key \
         WHERE child.type = 'table' AND key.\"table\" = ?1 COLLATE NOCASE \
           AND key.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT') ORDER BY 1",
    )?;
    let children = statement.query_map([table], |row| row.get(0))?;
    children.collect()
}

/// Finds a foreign key of any table that points at one of this table's columns.
pub(super) fn child_of_column(
    connection: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT child.name FROM main.sqlite_schema AS child, pragma_foreign_key_list(child.name, 'main') AS key \
             WHERE child.type = 'table' AND key.\"table\" = ?1 COLLATE NOCASE AND key.\"to\" = ?2 COLLATE NOCASE",
            [table, column],
            |row| row.get(0),
        )
        .optional()
}
