//! The stored definition of a table, edited.
//!
//! Each change is one edit of the text that the one before it left; what no
//! change names keeps its bytes. Pure: no connection, no pragma.

use crate::error::Error;
use crate::schema::tokens::{TokenKind, quote_name};

use super::changes::{Change, Place, TableOption};
use super::clauses::{ColumnDefinition, ConstraintDefinition, ConstraintKind};
use super::definition::Definition;
use super::fragment;
use super::report::refusal;

/// Returns the definition after all changes but the renames, which are SQLite's to do.
pub(super) fn edited(table: &str, sql: &str, changes: &[Change]) -> Result<String, Error> {
    let mut text = sql.to_owned();
    let is_new_sql = changes.iter().any(|change| matches!(change, Change::NewSql { .. }));
    for change in changes {
        text = match change {
            Change::RenameColumn { .. } | Change::CopyExpression { .. } => text,
            Change::NewSql { sql, .. } => sql.clone(),
            Change::DropColumn { .. } if is_new_sql => text,
            _ if is_new_sql => {
                return Err(refusal(
                    table,
                    "`new_sql` says the whole definition, so no other change can edit it",
                ));
            }
            _ => apply(table, &text, change)?,
        };
    }
    let definition = Definition::parse(table, &text)?;
    let name = &definition.tokens[definition.name];
    if !name.is_name(table) {
        return Err(refusal(
            table,
            &format!("the new definition names `{}`", name.name().unwrap_or_default()),
        ));
    }
    for change in changes {
        if let Change::DropColumn { column } = change {
            check_unused(table, &definition, column)?;
        }
    }
    Ok(text)
}

fn apply(table: &str, text: &str, change: &Change) -> Result<String, Error> {
    let definition = Definition::parse(table, text)?;
    let edit = Edit { table, definition: &definition };
    match change {
        Change::SetType { column, declared_type } => edit.set_type(column, declared_type),
        Change::SetDefault { column, sql } => {
            let clause = fragment::default_clause(table, sql)?;
            edit.set_clause(column, ConstraintKind::Default, &clause)
        }
        Change::DropDefault { column } => {
            edit.drop_clause(column, ConstraintKind::Default, "default")
        }
        Change::SetNotNull { column } => edit.set_not_null(column),
        Change::DropNotNull { column } => {
            edit.drop_clause(column, ConstraintKind::NotNull, "`NOT NULL`")
        }
        Change::SetCollation { column, collation } => {
            let clause = format!("COLLATE {}", quote_name(collation));
            edit.set_clause(column, ConstraintKind::Collate, &clause)
        }
        Change::AddCheck { name, expression } => Ok(definition
            .with_constraint(&fragment::check_clause(table, name.as_deref(), expression)?)),
        Change::DropConstraint { name } => edit.drop_constraint(name),
        Change::AddColumn { definition, place } => edit.add_column(definition, place),
        Change::DropColumn { column } => edit.drop_column(column),
        Change::SetPrimaryKey { columns } => edit.set_primary_key(columns),
        Change::AddForeignKey(key) => {
            key.columns.iter().try_for_each(|column| edit.column(column).map(drop))?;
            Ok(definition.with_constraint(&fragment::foreign_key_clause(key)))
        }
        Change::DropForeignKey { columns } => edit.drop_foreign_key(columns),
        Change::SetOption(option) => Ok(edit.set_option(*option)),
        Change::RenameColumn { .. } | Change::CopyExpression { .. } | Change::NewSql { .. } => {
            Ok(text.to_owned())
        }
    }
}

/// One edit of one definition; each method returns the whole new text.
struct Edit<'a> {
    table: &'a str,
    definition: &'a Definition<'a>,
}

impl Edit<'_> {
    fn column(&self, name: &str) -> Result<&ColumnDefinition, Error> {
        self.definition.column(name).ok_or_else(|| {
            let names: Vec<&str> =
                self.definition.columns.iter().map(|column| column.name.as_str()).collect();
            refusal(self.table, &format!("it has no column `{name}`"))
                .detail(format!("its columns: {}", names.join(", ")))
                .with_hint("renames come first, so every other call uses the new names")
        })
    }

    fn set_type(&self, column: &str, declared_type: &str) -> Result<String, Error> {
        let column = self.column(column)?;
        let declared_type = fragment::declared_type(self.table, declared_type)?;
        if column.declared_type.is_empty() {
            let after_name =
                self.definition.bytes(&(column.tokens.start..column.tokens.start + 1)).end;
            return Ok(self.definition.inserted(after_name, &spaced(declared_type)));
        }
        if declared_type.is_empty() {
            return Ok(self.definition.without(&column.declared_type));
        }
        Ok(self.definition.replaced(self.definition.bytes(&column.declared_type), declared_type))
    }

    /// Replaces a column's clause of a kind, or adds it at the column's end.
    fn set_clause(
        &self,
        column: &str,
        kind: ConstraintKind,
        clause: &str,
    ) -> Result<String, Error> {
        let column = self.column(column)?;
        match column.constraint(&[kind]) {
            Some(constraint) => Ok(self
                .definition
                .replaced(self.definition.bytes(&self.definition.body(constraint)), clause)),
            None => Ok(self
                .definition
                .inserted(self.definition.bytes(&column.tokens).end, &spaced(clause))),
        }
    }

    fn drop_clause(&self, column: &str, kind: ConstraintKind, what: &str) -> Result<String, Error> {
        let column = self.column(column)?;
        let constraint = column.constraint(&[kind]).ok_or_else(|| {
            refusal(self.table, &format!("column `{}` has no {what}", column.name))
        })?;
        Ok(self.definition.without(&constraint.tokens))
    }

    fn set_not_null(&self, name: &str) -> Result<String, Error> {
        let column = self.column(name)?;
        if column.constraint(&[ConstraintKind::NotNull]).is_some() {
            return Ok(self.definition.sql.to_owned());
        }
        self.set_clause(name, ConstraintKind::Null, "NOT NULL")
    }

    fn drop_constraint(&self, name: &str) -> Result<String, Error> {
        let all: Vec<_> = self.definition.all_constraints().collect();
        let is_it = |constraint: &ConstraintDefinition| {
            constraint.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        let found: Vec<_> = all.iter().filter(|(_, constraint)| is_it(constraint)).collect();
        match found.as_slice() {
            [(column, constraint)] => {
                self.refuse_loose_deferral(*column)?;
                Ok(self.definition.without_constraint(*column, constraint))
            }
            [] => {
                let names: Vec<&str> =
                    all.iter().filter_map(|(_, constraint)| constraint.name.as_deref()).collect();
                Err(refusal(self.table, &format!("it has no constraint `{name}`"))
                    .detail(format!("its named constraints: {}", none_or(&names))))
            }
            _ => Err(refusal(
                self.table,
                &format!("{} of its constraints are named `{name}`", found.len()),
            )
            .with_hint("say the whole definition with `new_sql`")),
        }
    }

    fn add_column(&self, definition: &str, place: &Place) -> Result<String, Error> {
        let added = Definition::parse_column(self.table, definition)?;
        let column = &added.columns[0];
        if self.definition.column(&column.name).is_some() {
            return Err(refusal(self.table, &format!("it already has a column `{}`", column.name)));
        }
        let text = added.text(&column.tokens);
        let previous = match place {
            Place::First => {
                let first = &self.definition.columns[0].tokens;
                let (before, after) =
                    self.definition.sql.split_at(self.definition.bytes(first).start);
                return Ok(format!("{before}{text},{}{after}", self.definition.gap_before(first)));
            }
            Place::After(name) => self.column(name)?,
            Place::Last => &self.definition.columns[self.definition.columns.len() - 1],
        };
        let inserted = format!(",{}{text}", self.definition.gap_before(&previous.tokens));
        Ok(self.definition.inserted(self.definition.bytes(&previous.tokens).end, &inserted))
    }

    fn drop_column(&self, name: &str) -> Result<String, Error> {
        let column = self.column(name)?;
        if self.definition.columns.len() == 1 {
            return Err(refusal(self.table, &format!("`{name}` is its only column")));
        }
        Ok(self.definition.without_item(&column.tokens))
    }

    fn set_primary_key(&self, columns: &[String]) -> Result<String, Error> {
        if columns.is_empty() {
            return Err(refusal(self.table, "a primary key needs a column"));
        }
        for column in columns {
            self.column(column)?;
        }
        let mut clause = format!("PRIMARY KEY {}", fragment::name_list(columns));
        let Some((column, constraint)) = self.definition.primary_key() else {
            return Ok(self.definition.with_constraint(&clause));
        };
        let present = match column {
            Some(column) => std::slice::from_ref(&column.name),
            None => constraint.columns.as_slice(),
        };
        if same_names(present, columns) {
            return Ok(self.definition.sql.to_owned());
        }
        clause.push_str(&spaced(self.definition.text(&constraint.conflict)));
        let without_key = self.definition.without_constraint(column, constraint);
        let definition = Definition::parse(self.table, &without_key)?;
        Ok(definition.with_constraint(&clause))
    }

    fn drop_foreign_key(&self, columns: &[String]) -> Result<String, Error> {
        let all = self.definition.all_constraints();
        let of_key: Vec<_> = all
            .filter(|(_, constraint)| constraint.kind == ConstraintKind::ForeignKey)
            .filter(|(column, constraint)| match column {
                Some(column) => same_names(std::slice::from_ref(&column.name), columns),
                None => same_names(&constraint.columns, columns),
            })
            .collect();
        let listed = columns.join(", ");
        match of_key.as_slice() {
            [(column, constraint)] => {
                self.refuse_loose_deferral(*column)?;
                Ok(self.definition.without_constraint(*column, constraint))
            }
            [] => Err(refusal(self.table, &format!("it has no foreign key of ({listed})"))),
            _ => Err(refusal(
                self.table,
                &format!("{} foreign keys are of ({listed})", of_key.len()),
            )
            .with_hint(
                "name one with `drop_constraint`, or say the whole definition with `new_sql`",
            )),
        }
    }

    /// `DEFERRABLE` apart from its `REFERENCES` would move to another foreign key.
    fn refuse_loose_deferral(&self, column: Option<&ColumnDefinition>) -> Result<(), Error> {
        match column.filter(|column| column.constraint(&[ConstraintKind::Deferral]).is_some()) {
            None => Ok(()),
            Some(column) => Err(refusal(
                self.table,
                &format!(
                    "`DEFERRABLE` of column `{}` stands apart from its `REFERENCES`",
                    column.name
                ),
            )
            .with_hint("say the whole definition with `new_sql`")),
        }
    }

    fn set_option(&self, option: TableOption) -> String {
        let options = &self.definition.options;
        let (is_strict, wanted, word) = match option {
            TableOption::Strict => (true, true, "STRICT"),
            TableOption::NotStrict => (true, false, ""),
            TableOption::WithoutRowid => (false, true, "WITHOUT ROWID"),
            TableOption::WithRowid => (false, false, ""),
        };
        let present = options.iter().position(|option| option.is_strict == is_strict);
        match (present, wanted) {
            (None, true) => {
                let end =
                    options.last().map_or(self.definition.close + 1, |option| option.tokens.end);
                let comma = if options.is_empty() { " " } else { ", " };
                let end = self.definition.bytes(&(end - 1..end)).end;
                self.definition.inserted(end, &format!("{comma}{word}"))
            }
            (Some(0), false) if options.len() > 1 => {
                self.definition.without(&(options[0].tokens.start..options[1].tokens.start))
            }
            (Some(0), false) => self.definition.without(&options[0].tokens),
            (Some(at), false) => {
                self.definition.without(&(options[at - 1].tokens.end..options[at].tokens.end))
            }
            (Some(_), true) | (None, false) => self.definition.sql.to_owned(),
        }
    }
}

/// Refuses to drop a column that the rest of the definition uses.
///
/// SQLite would take a quoted name that is no column for a text:
/// <https://sqlite.org/quirks.html#dblquote>.
fn check_unused(table: &str, definition: &Definition<'_>, column: &str) -> Result<(), Error> {
    if definition.column(column).is_some() {
        return Err(refusal(table, &format!("column `{column}` is dropped, and there again"))
            .with_hint("change it with `set_type` and `copy_expr`"));
    }
    for (_, constraint) in definition.all_constraints() {
        let listed = constraint.columns.iter().any(|own| own.eq_ignore_ascii_case(column));
        if listed || mentions(definition, constraint, column) {
            return Err(refusal(table, &format!("column `{column}` is used by a constraint"))
                .detail(definition.text(&constraint.tokens).to_owned())
                .with_hint("remove the constraint in the same change, or before"));
        }
    }
    Ok(())
}

/// Asks whether a constraint's expression names a column.
fn mentions(definition: &Definition<'_>, constraint: &ConstraintDefinition, column: &str) -> bool {
    let has_expression = matches!(
        constraint.kind,
        ConstraintKind::Check | ConstraintKind::Generated | ConstraintKind::GeneratedStored
    );
    has_expression
        && constraint.tokens.clone().any(|at| {
            let token = &definition.tokens[at];
            let is_function = definition.tokens[at + 1].is_operator("(");
            token.kind != TokenKind::Text && !is_function && token.is_name(column)
        })
}

/// Removes the table's own name before columns, which would not be its name while it is built.
///
/// `CHECK (t.a > 0)` says the same as `CHECK (a > 0)`: no other table can be meant.
pub(super) fn without_qualifiers(table: &str, sql: &str) -> Result<String, Error> {
    let definition = Definition::parse(table, sql)?;
    let mut text = String::new();
    let mut kept = 0;
    for (_, constraint) in definition.all_constraints() {
        for at in constraint.tokens.clone().skip(1) {
            let [before, name, dot] = &definition.tokens[at - 1..=at + 1] else { continue };
            let is_qualifier = name.kind != TokenKind::Text
                && name.is_name(table)
                && dot.is_operator(".")
                && !before.is_operator(".");
            if is_qualifier {
                text.push_str(&sql[kept..name.start]);
                kept = dot.end();
            }
        }
    }
    text.push_str(&sql[kept..]);
    Ok(text)
}

/// Puts a new name in place of the table's.
pub(super) fn with_name(table: &str, sql: &str, quoted_name: &str) -> Result<String, Error> {
    let definition = Definition::parse(table, sql)?;
    let name = definition.bytes(&(definition.name..definition.name + 1));
    Ok(format!("{}{quoted_name}{}", &sql[..name.start], &sql[name.end..]))
}

fn same_names(one: &[String], other: &[String]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// A clause with the space before it; nothing for nothing.
fn spaced(clause: &str) -> String {
    if clause.is_empty() { String::new() } else { format!(" {clause}") }
}

fn none_or(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
