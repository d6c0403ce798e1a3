//! Whether SQLite's own `ALTER TABLE` can make the changes.
//!
//! Decided from the definition, the changes and SQLite's version. What is in
//! doubt is not native: a rebuild can always do it.
//! <https://sqlite.org/lang_altertable.html>

use crate::error::Error;
use crate::schema::tokens::{quote_name, significant_tokens};

use super::changes::{Change, Place};
use super::clauses::{ColumnDefinition, ConstraintKind};
use super::definition::Definition;
use super::fragment;

/// `ALTER TABLE … RENAME COLUMN`, with views and triggers rewritten.
pub(super) const RENAMES_COLUMNS: i32 = 3_026_000;
const DROPS_COLUMNS: i32 = 3_035_000;
const ALTERS_CONSTRAINTS: i32 = 3_053_000;

/// Returns the statements that make every change but the renames, or nothing if one of them can't.
pub(super) fn native_statements(
    table: &str,
    definition: &Definition<'_>,
    changes: &[Change],
    sqlite_version: i32,
) -> Result<Option<Vec<String>>, Error> {
    let mut statements = Vec::new();
    // SQLite adds a column after those that are there now, not after those that will be.
    let mut last = definition.columns.last().map(|column| column.name.clone()).unwrap_or_default();
    for change in changes {
        let clause = match change {
            Change::RenameColumn { .. } => continue,
            Change::AddColumn { definition: column, place } => {
                let added = Definition::parse_column(table, column)?;
                let is_last = match place {
                    Place::Last => true,
                    Place::After(name) => name.eq_ignore_ascii_case(&last),
                    Place::First => false,
                };
                let can_add = is_last && is_native_column(&added);
                last.clone_from(&added.columns[0].name);
                can_add.then(|| format!("ADD COLUMN {}", added.text(&added.columns[0].tokens)))
            }
            Change::DropColumn { column } => (sqlite_version >= DROPS_COLUMNS
                && definition.column(column).is_some_and(|own| is_free(definition, own)))
            .then(|| format!("DROP COLUMN {}", quote_name(column))),
            _ if sqlite_version < ALTERS_CONSTRAINTS => None,
            Change::SetNotNull { column } => {
                Some(format!("ALTER COLUMN {} SET NOT NULL", quote_name(column)))
            }
            Change::DropNotNull { column } => {
                Some(format!("ALTER COLUMN {} DROP NOT NULL", quote_name(column)))
            }
            Change::AddCheck { name, expression } => {
                Some(format!("ADD {}", fragment::check_clause(table, name.as_deref(), expression)?))
            }
            Change::DropConstraint { name } => {
                is_check(definition, name).then(|| format!("DROP CONSTRAINT {}", quote_name(name)))
            }
            _ => None,
        };
        let Some(clause) = clause else { return Ok(None) };
        statements.push(format!("ALTER TABLE main.{} {clause}", quote_name(table)));
    }
    Ok(Some(statements))
}

/// Asks whether SQLite can add a column to a table that has rows, with the same result as to one that has none.
fn is_native_column(added: &Definition<'_>) -> bool {
    let column = &added.columns[0];
    let has = |kind| column.constraint(&[kind]).is_some();
    if has(ConstraintKind::PrimaryKey)
        || has(ConstraintKind::PrimaryKeyAutoincrement)
        || has(ConstraintKind::Unique)
        || has(ConstraintKind::GeneratedStored)
        || (has(ConstraintKind::Generated)
            && (has(ConstraintKind::NotNull) || has(ConstraintKind::Check)))
    {
        return false;
    }
    let default =
        column.constraint(&[ConstraintKind::Default]).map(|default| added.text(&default.tokens));
    let Some(default) = default else { return !has(ConstraintKind::NotNull) };
    let tokens = significant_tokens(default);
    let value =
        &tokens[tokens.iter().position(|token| token.is_word("DEFAULT")).map_or(0, |at| at + 1)..];
    let is_constant = fragment::is_plain_value(value)
        && !value.iter().any(|token| token.text.to_ascii_uppercase().starts_with("CURRENT_"));
    let is_null = value.iter().any(|token| token.is_word("NULL"));
    is_constant && !(is_null && has(ConstraintKind::NotNull))
}

/// Asks whether nothing in the definition names a column but its own line, and that holds no key.
fn is_free(definition: &Definition<'_>, column: &ColumnDefinition) -> bool {
    let holds_key = column.constraints.iter().any(|constraint| {
        constraint.is_primary_key()
            || matches!(constraint.kind, ConstraintKind::Unique | ConstraintKind::ForeignKey)
    });
    let named_elsewhere = definition.tokens.iter().enumerate().any(|(at, token)| {
        !column.tokens.contains(&at) && at != definition.name && token.is_name(&column.name)
    });
    !holds_key && !named_elsewhere
}

fn is_check(definition: &Definition<'_>, name: &str) -> bool {
    definition.all_constraints().any(|(_, constraint)| {
        constraint.kind == ConstraintKind::Check
            && constraint.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
    })
}
