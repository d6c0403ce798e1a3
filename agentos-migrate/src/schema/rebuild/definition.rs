//! A `CREATE TABLE` statement taken apart into places that can be edited.
//!
//! Every part is a range of tokens, so that an edit leaves the rest alone.

use std::ops::Range;

use crate::error::Error;
use crate::schema::tokens::{Token, significant_tokens};

use super::clauses::{
    ColumnDefinition, ConstraintDefinition, ConstraintKind, TableOptionDefinition,
};
use super::cursor::Cursor;
use super::parser::CreateTable;

/// A table's statement; ranges count the significant tokens.
pub(super) struct Definition<'sql> {
    pub(super) sql: &'sql str,
    pub(super) tokens: Vec<Token<'sql>>,
    /// The token that names the table.
    pub(super) name: usize,
    /// The bracket that closes the list of columns.
    pub(super) close: usize,
    pub(super) columns: Vec<ColumnDefinition>,
    /// The constraints of the table, columns' own ones left out.
    pub(super) constraints: Vec<ConstraintDefinition>,
    pub(super) options: Vec<TableOptionDefinition>,
}

impl<'sql> Definition<'sql> {
    /// Takes a statement apart.
    pub(super) fn parse(table: &str, sql: &'sql str) -> Result<Self, Error> {
        let tokens = significant_tokens(sql);
        let parsed = {
            let mut parser = Cursor::new(&tokens);
            parser.create_table().map_err(|expected| parser.refuse(table, &expected))?
        };
        let CreateTable { name, close, columns, constraints, options } = parsed;
        Ok(Self { sql, tokens, name, close, columns, constraints, options })
    }

    /// Takes apart the definition of one column, as in `name TEXT NOT NULL`.
    pub(super) fn parse_column(table: &str, column: &'sql str) -> Result<Self, Error> {
        let tokens = significant_tokens(column);
        let parsed = {
            let mut parser = Cursor::new(&tokens);
            parser.lone_column().map_err(|expected| parser.refuse(table, &expected))?
        };
        let close = tokens.len();
        Ok(Self {
            sql: column,
            tokens,
            name: 0,
            close,
            columns: vec![parsed],
            constraints: Vec::new(),
            options: Vec::new(),
        })
    }

    /// Finds a column by name, in any ASCII case.
    pub(super) fn column(&self, name: &str) -> Option<&ColumnDefinition> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Returns every constraint with the column that it belongs to, in the order of the text.
    pub(super) fn all_constraints(
        &self,
    ) -> impl Iterator<Item = (Option<&ColumnDefinition>, &ConstraintDefinition)> {
        let of_columns = self.columns.iter().flat_map(|column| {
            column.constraints.iter().map(move |constraint| (Some(column), constraint))
        });
        of_columns.chain(self.constraints.iter().map(|constraint| (None, constraint)))
    }

    /// Returns the tokens of a range as they are written.
    pub(super) fn text(&self, range: &Range<usize>) -> &'sql str {
        if range.is_empty() {
            return "";
        }
        &self.sql[self.bytes(range)]
    }

    /// Returns the bytes of a range of tokens that is not empty.
    pub(super) fn bytes(&self, range: &Range<usize>) -> Range<usize> {
        self.tokens[range.start].start..self.tokens[range.end - 1].end()
    }

    pub(super) fn is_autoincrement(&self) -> bool {
        self.all_constraints()
            .any(|(_, constraint)| constraint.kind == ConstraintKind::PrimaryKeyAutoincrement)
    }

    /// Returns the primary key's constraint with its column, where it is a column's own.
    pub(super) fn primary_key(&self) -> Option<(Option<&ColumnDefinition>, &ConstraintDefinition)> {
        self.all_constraints().find(|(_, constraint)| constraint.is_primary_key())
    }
}
