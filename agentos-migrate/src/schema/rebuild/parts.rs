//! What a table promises, part by part, for whoever asks what it allows or what it lost.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::clauses::ConstraintKind;
use super::definition::Definition;
use super::shape::{Reference, Shape};
use crate::schema::normalise::normal_tokens;
use crate::schema::read::{Object, TableColumn};

/// What a table promises.
#[derive(Debug, Clone)]
pub(crate) struct TableParts {
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) is_strict: bool,
    /// The column that is another name of the rowid.
    pub(crate) rowid_alias: Option<String>,
    /// Constraints and options, as texts for people: ``CHECK (a > 0) of `a` ``.
    pub(crate) constraints: BTreeSet<String>,
    pub(crate) foreign_keys: Vec<ForeignKeyParts>,
}

/// A foreign key of a table.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKeyParts {
    pub(crate) columns: Vec<String>,
    pub(crate) parent: String,
    /// None where it points at the parent's primary key.
    pub(crate) parent_columns: Vec<Option<String>>,
    /// Whether an index finds the children of a parent.
    pub(crate) is_indexed: bool,
}

impl TableParts {
    /// Reads a table of `main`; constraints that can't be taken apart are left out.
    pub(crate) fn read(connection: &Connection, table: &Object) -> rusqlite::Result<Self> {
        let shape = Shape::read(connection, &table.name)?;
        let rowid_alias = shape.rowid_alias().map(ToOwned::to_owned);
        let foreign_keys = shape.foreign_keys.iter().map(|key| parts_of(key, &shape)).collect();
        let mut constraints = Definition::parse(&table.name, &table.sql)
            .map_or_else(|_| BTreeSet::new(), |definition| constraints(&definition));
        let options = [(shape.is_strict, "STRICT"), (shape.is_without_rowid, "WITHOUT ROWID")];
        constraints.extend(
            options.iter().filter(|(is_set, _)| *is_set).map(|(_, option)| (*option).to_owned()),
        );
        let is_strict = shape.is_strict;
        Ok(Self { columns: shape.columns, is_strict, rowid_alias, constraints, foreign_keys })
    }
}

fn parts_of(key: &Reference, shape: &Shape) -> ForeignKeyParts {
    let (columns, parent_columns): (Vec<String>, Vec<Option<String>>) =
        key.columns.iter().cloned().unzip();
    let is_alias = columns.len() == 1
        && shape.rowid_alias().is_some_and(|alias| alias.eq_ignore_ascii_case(&columns[0]));
    let is_indexed = is_alias
        || shape.indexes.iter().any(|index| {
            let first = index.keys.iter().take(columns.len());
            let names: Vec<&str> = first.filter_map(|key| key.column.as_deref()).collect();
            columns.iter().all(|column| names.iter().any(|name| name.eq_ignore_ascii_case(column)))
        });
    ForeignKeyParts { columns, parent: key.parent.clone(), parent_columns, is_indexed }
}

fn constraints(definition: &Definition<'_>) -> BTreeSet<String> {
    let told = definition.all_constraints().filter(|(_, constraint)| {
        !matches!(
            constraint.kind,
            ConstraintKind::Null | ConstraintKind::NameAlone | ConstraintKind::PrimaryKey
        )
    });
    told.map(|(column, constraint)| {
        let text = normal_tokens(definition.text(&constraint.tokens)).join(" ");
        match column {
            Some(column) => format!("{text} of `{}`", column.name),
            None => text,
        }
    })
    .collect()
}
