//! Which values go where when the rows move into the new table.
//!
//! A decision made from the two shapes and the declared changes, and the one
//! statement that follows from it.

use crate::error::Error;
use crate::schema::tokens::quote_name;

use super::changes::Change;
use super::fragment;
use super::report::refusal;
use super::shape::{Shape, is_generated};

/// The columns to fill, each with the expression that fills it.
#[derive(Debug)]
pub(super) struct Copying {
    targets: Vec<String>,
    sources: Vec<String>,
    /// Whether every row keeps its rowid.
    pub(super) keeps_rowids: bool,
}

/// Decides how the rows of `old` become rows of `new`.
pub(super) fn plan(
    table: &str,
    old: &Shape,
    new: &Shape,
    changes: &[Change],
) -> Result<Copying, Error> {
    let expressions = expressions(table, new, changes)?;
    check_nothing_lost(table, old, new, &expressions, changes)?;
    let mut copying = Copying { targets: Vec::new(), sources: Vec::new(), keeps_rowids: true };
    for column in new.columns.iter().filter(|column| !is_generated(column)) {
        let expression = find(&expressions, &column.name).map(|sql| format!("({sql})"));
        let same = || old.columns.iter().find(|old| old.name.eq_ignore_ascii_case(&column.name));
        if let Some(source) = expression.or_else(|| same().map(|old| quote_name(&old.name))) {
            copying.targets.push(quote_name(&column.name));
            copying.sources.push(source);
        }
    }
    copying.keep_rowids(old, new, &expressions);
    if copying.targets.is_empty() {
        return Err(refusal(
            table,
            "no column of the new definition gets a value from the old one",
        )
        .with_hint("fill a column with `copy_expr`, or drop the table and create another"));
    }
    Ok(copying)
}

impl Copying {
    /// Adds the rowid, where both tables have one that no column stands for.
    fn keep_rowids(&mut self, old: &Shape, new: &Shape, expressions: &[(String, String)]) {
        if old.is_without_rowid || new.is_without_rowid {
            self.keeps_rowids = old.is_without_rowid;
            return;
        }
        if let Some(alias) = new.rowid_alias() {
            let is_same = old.rowid_alias().is_some_and(|old| old.eq_ignore_ascii_case(alias));
            self.keeps_rowids = is_same && find(expressions, alias).is_none();
            return;
        }
        // Rowids that no name reaches keep their order, which is all that can be seen of them.
        if let (Some(target), Some(source)) = (new.rowid_name(), old.rowid_name()) {
            self.targets.insert(0, target.to_owned());
            self.sources.insert(0, source.to_owned());
        }
    }

    /// Writes the one statement that copies all rows; memory does not grow with their number.
    ///
    /// `OR ABORT` stands above every `ON CONFLICT` clause of the definition,
    /// so a row that does not fit is an error and never left out or replaced.
    /// `NOT INDEXED` reads in the table's own order, in which the new table
    /// is written from end to end.
    pub(super) fn sql(&self, old: &str, new: &str) -> String {
        format!(
            "INSERT OR ABORT INTO main.{} ({}) SELECT {} FROM main.{} NOT INDEXED",
            quote_name(new),
            self.targets.join(", "),
            self.sources.join(", "),
            quote_name(old),
        )
    }
}

/// Collects what `copy_expr` and `new_sql` say.
fn expressions(
    table: &str,
    new: &Shape,
    changes: &[Change],
) -> Result<Vec<(String, String)>, Error> {
    let mut expressions: Vec<(String, String)> = Vec::new();
    for change in changes {
        let said: Vec<(&String, &String)> = match change {
            Change::CopyExpression { column, sql } => vec![(column, sql)],
            Change::NewSql { column_map, .. } => {
                column_map.iter().map(|(column, sql)| (column, sql)).collect()
            }
            _ => continue,
        };
        for (column, sql) in said {
            let target = new.columns.iter().find(|own| own.name.eq_ignore_ascii_case(column));
            match target {
                None => {
                    return Err(refusal(
                        table,
                        &format!("it will have no column `{column}` to fill"),
                    ));
                }
                Some(target) if is_generated(target) => {
                    return Err(refusal(
                        table,
                        &format!("column `{column}` is generated, so it cannot be filled"),
                    ));
                }
                Some(_) if find(&expressions, column).is_some() => {
                    return Err(refusal(table, &format!("column `{column}` is filled twice")));
                }
                Some(_) => {
                    expressions
                        .push((column.clone(), fragment::expression(table, sql)?.to_owned()));
                }
            }
        }
    }
    Ok(expressions)
}

/// Refuses to lose the values of a column that no call names.
fn check_nothing_lost(
    table: &str,
    old: &Shape,
    new: &Shape,
    expressions: &[(String, String)],
    changes: &[Change],
) -> Result<(), Error> {
    for column in old.columns.iter().filter(|column| !is_generated(column)) {
        let name = &column.name;
        let is_kept =
            new.columns.iter().any(|new| new.name.eq_ignore_ascii_case(name) && !is_generated(new));
        let is_dropped = changes.iter().any(
            |change| matches!(change, Change::DropColumn { column } if column.eq_ignore_ascii_case(name)),
        );
        if !is_kept && !is_dropped && !is_used(expressions, name) {
            return Err(refusal(table, &format!("the values of column `{name}` would be lost"))
                .with_hint(
                    "use them in the column map, or say `drop_column` if they are not wanted",
                ));
        }
    }
    Ok(())
}

fn is_used(expressions: &[(String, String)], column: &str) -> bool {
    expressions.iter().any(|(_, sql)| {
        crate::schema::tokens::significant_tokens(sql).iter().any(|token| token.is_name(column))
    })
}

fn find<'a>(expressions: &'a [(String, String)], column: &str) -> Option<&'a str> {
    expressions
        .iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(column))
        .map(|(_, sql)| sql.as_str())
}
