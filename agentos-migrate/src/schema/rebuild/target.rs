//! The table to change, and the reasons not to.

use rusqlite::{Connection, OptionalExtension};

use crate::error::Error;
use crate::schema::tokens::{TokenKind, significant_tokens};

use super::changes::Change;
use super::clauses::ConstraintKind;
use super::definition::Definition;
use super::keep::Kept;
use super::prove;
use super::report::{refusal, sqlite_failure};
use super::shape::{Shape, is_generated};

/// A table of `main`, as SQLite stores it.
#[derive(Debug)]
pub(super) struct Target {
    /// In the case that it was created with.
    pub(super) name: String,
    pub(super) sql: String,
}

impl Target {
    /// Finds a table that can be changed.
    pub(super) fn find(connection: &Connection, table: &str) -> Result<Self, Error> {
        let failure = |e| sqlite_failure(table, "reading the schema", e);
        if table.to_ascii_lowercase().starts_with("sqlite_") {
            return Err(refusal(table, "it is SQLite's own"));
        }
        let is_hidden: bool = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM temp.sqlite_schema \
                 WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE)",
                [table],
                |row| row.get(0),
            )
            .map_err(failure)?;
        if is_hidden {
            return Err(refusal(table, "a temporary table or view of the same name hides it"));
        }
        // https://sqlite.org/pragma.html#pragma_table_list
        let found: Option<(String, String, Option<String>)> = connection
            .query_row(
                "SELECT list.name, list.type, object.sql FROM pragma_table_list(?1) AS list \
                 LEFT JOIN main.sqlite_schema AS object ON object.name = list.name AND object.type = 'table' \
                 WHERE list.schema = 'main'",
                [table],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(failure)?;
        let Some((name, kind, sql)) = found else {
            return Err(refusal(table, "there is no such table"));
        };
        match (kind.as_str(), sql) {
            ("table", Some(sql)) => Ok(Self { name, sql }),
            ("view", _) => {
                Err(refusal(table, "it is a view").with_hint("drop it and create it again"))
            }
            ("virtual", _) => Err(refusal(table, "it is a virtual table")
                .with_hint("drop it and create it again, and fill it from its source")),
            ("shadow", _) => Err(refusal(table, "it belongs to a virtual table")),
            _ => Err(refusal(table, "SQLite stores no definition of it")),
        }
    }
}

/// Step 1: foreign keys are off, or dropping the old table would delete what refers to it.
pub(super) fn check_foreign_keys_off(connection: &Connection, table: &str) -> Result<(), Error> {
    let failure = |e| sqlite_failure(table, "reading pragmas", e);
    let is_on: bool =
        connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0)).map_err(failure)?;
    if !is_on {
        return Ok(());
    }
    let children = prove::cascading_children(connection, table).map_err(failure)?;
    let mut error =
        refusal(table, "foreign keys are on, so rows that refer to it could be deleted")
            .with_hint("run `PRAGMA foreign_keys = OFF` before the transaction begins");
    for child in children {
        error = error.detail(format!("rows of {child} refer to it"));
    }
    Err(error)
}

/// Compares what was read from the text with what SQLite read from it.
pub(super) fn check_understood(
    table: &str,
    definition: &Definition<'_>,
    shape: &Shape,
) -> Result<(), Error> {
    let same_columns = definition.columns.len() == shape.columns.len()
        && definition.columns.iter().zip(&shape.columns).all(|(read, own)| {
            read.name == own.name
                && read.is_generated() == is_generated(own)
                && (read.constraint(&[ConstraintKind::Default]).is_some() == own.default.is_some())
        });
    let keys = definition
        .all_constraints()
        .filter(|(_, constraint)| constraint.kind == ConstraintKind::ForeignKey);
    let same_options = definition.options.iter().any(|option| option.is_strict) == shape.is_strict
        && definition.options.iter().any(|option| !option.is_strict) == shape.is_without_rowid;
    if same_columns && same_options && keys.count() == shape.foreign_keys.len() {
        return Ok(());
    }
    Err(refusal(table, "its definition is not understood as SQLite understands it")
        .detail(definition.sql.to_owned()))
}

/// Refuses to drop a column that an index holds: the index is the author's to drop.
pub(super) fn check_indexes_keep_their_columns(
    table: &str,
    kept: &Kept,
    changes: &[Change],
) -> Result<(), Error> {
    for change in changes {
        let Change::DropColumn { column } = change else { continue };
        for (index, sql) in kept.indexes() {
            let tokens = significant_tokens(sql);
            let names_column = tokens
                .iter()
                .enumerate()
                .skip_while(|(_, token)| !token.is_operator("("))
                .any(|(at, token)| {
                    let is_function = tokens.get(at + 1).is_some_and(|next| next.is_operator("("));
                    token.kind != TokenKind::Text && !is_function && token.is_name(column)
                });
            if names_column {
                return Err(refusal(table, &format!("index `{index}` uses column `{column}`"))
                    .with_hint(format!("run `DROP INDEX {index}` before")));
            }
        }
    }
    Ok(())
}
