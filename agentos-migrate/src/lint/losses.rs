//! AM101, AM102 and AM105 to AM109, AM401 to AM403: what was there before and is not any more.

use std::collections::BTreeSet;

use super::facts::{ColumnFacts, DatabaseFacts, Facts, Passage, TableFacts, shortened};
use super::report::Found;
use super::rules;
use super::statement::{Act, same};
use crate::info::MigrationInfo;
use crate::schema::read::ObjectKind;

/// Compares what the databases held before and after an upgrade.
pub(super) fn judge(info: &MigrationInfo, facts: &Facts, found: &mut Vec<Found>) {
    let Some(passage) = &facts.up else { return };
    for (database, before) in &passage.before.0 {
        let Some(after) = passage.after.0.get(database) else { continue };
        let change = Change { info, passage, database, before, after };
        for (name, table) in &before.tables {
            match after.table(name) {
                None => found.extend(change.table_gone(name, table)),
                Some(now) => change.table_changed(name, table, now, found),
            }
        }
        found.extend(change.broken());
    }
}

/// One database, before and after.
struct Change<'a> {
    info: &'a MigrationInfo,
    passage: &'a Passage,
    database: &'a str,
    before: &'a DatabaseFacts,
    after: &'a DatabaseFacts,
}

impl Change<'_> {
    fn is_declared(&self, table: &str) -> bool {
        self.info.deletes.iter().any(|declared| same(declared, table))
    }

    fn table_gone(&self, name: &str, table: &TableFacts) -> Option<Found> {
        if let Some(to) = self.new_name(name, table) {
            // The old name lives on as a view, which is what makes a rename harmless.
            if self.after.schema.find(ObjectKind::View, name).is_some() {
                return None;
            }
            let message = format!(
                "table `{name}` is now `{to}`: programs of the version before can't find it"
            );
            let statement = self.passage.statement_that(
                self.database,
                |act| matches!(act, Act::RenameTable { from, .. } if same(from, name)),
            );
            return Some(
                Found::new(&rules::TABLE_RENAMED, message).on(self.database).by(statement),
            );
        }
        let first = table.rows.first().filter(|_| !self.is_declared(name))?;
        let message = format!("table `{name}` is dropped with {} row(s)", table.rows.len());
        let statement = self.passage.statement_that(
            self.database,
            |act| matches!(act, Act::Drop { kind, name: dropped, .. } if kind == "table" && same(dropped, name)),
        );
        let found = Found::new(&rules::TABLE_DROPPED, message).on(self.database).by(statement);
        Some(found.rows([table.shown(name, first)]))
    }

    /// Returns the new table that has all its columns and all its rows.
    fn new_name(&self, name: &str, table: &TableFacts) -> Option<&str> {
        let holds_all = |candidate: &TableFacts| {
            table.columns.iter().all(|column| candidate.column(&column.name).is_some())
                && table.first_missing_in(candidate).is_none()
        };
        let new = self.after.tables.iter().filter(|(new, _)| self.before.table(new).is_none());
        let renamed = |to: &str| {
            self.passage.acts(self.database).any(|(_, act)| {
                matches!(act, Act::RenameTable { from, to: new } if same(&from, name) && same(&new, to))
            })
        };
        let mut new = new.filter(|(to, candidate)| {
            renamed(to) || (!table.rows.is_empty() && holds_all(candidate))
        });
        new.next().map(|(to, _)| to.as_str())
    }

    fn table_changed(
        &self,
        name: &str,
        before: &TableFacts,
        after: &TableFacts,
        found: &mut Vec<Found>,
    ) {
        let mut renamed = Vec::new();
        for (place, column) in before.columns.iter().enumerate() {
            match after.column(&column.name) {
                None => found.extend(self.column_gone(name, before, after, place, &mut renamed)),
                Some(now) => found.extend(self.column_changed(name, (before, place), (after, now))),
            }
        }
        // The default that it needs for old rows is the one that new ones need.
        if !found.iter().any(|one| *one.rule == rules::NOT_NULL_WITHOUT_DEFAULT) {
            found.extend(self.column_required(name, before, after));
        }
        found.extend(self.rows_deleted(name, before, after, &renamed));
        found.extend(self.rebuilt(name, before, after));
    }

    fn column_gone(
        &self,
        table: &str,
        before: &TableFacts,
        after: &TableFacts,
        place: usize,
        renamed: &mut Vec<String>,
    ) -> Option<Found> {
        let column = &before.columns[place].name;
        if let Some(to) = self.new_column(table, before, after, place) {
            renamed.push(column.clone());
            let message = format!(
                "column `{column}` of `{table}` is now `{to}`: programs of the version before can't find it"
            );
            let statement = self.passage.statement_that(
                self.database,
                |act| matches!(act, Act::RenameColumn { from, .. } if same(from, column)),
            );
            return Some(
                Found::new(&rules::COLUMN_RENAMED, message).on(self.database).by(statement),
            );
        }
        let row = before.rows.iter().find(|row| row[place] != "NULL")?;
        let message = format!("column `{column}` of `{table}` is dropped with its values");
        let statement = self.passage.statement_that(self.database, |act| match act {
            Act::DropColumn { table: of, column: dropped } => {
                same(of, table) && same(dropped, column)
            }
            Act::Drop { kind, name, .. } => kind == "table" && same(name, table),
            _ => false,
        });
        let found = Found::new(&rules::COLUMN_DROPPED, message).on(self.database).by(statement);
        Some(found.rows([before.shown(table, row)]))
    }

    /// Returns the new column that holds its values.
    fn new_column<'a>(
        &self,
        table: &str,
        before: &TableFacts,
        after: &'a TableFacts,
        place: usize,
    ) -> Option<&'a str> {
        let column = &before.columns[place].name;
        let renamed = |to: &str| {
            self.passage.acts(self.database).any(|(_, act)| {
                matches!(act, Act::RenameColumn { table: of, from, to: new } if same(&of, table) && same(&from, column) && same(&new, to))
            })
        };
        let holds_all = |place_after: usize| {
            let (mut old, mut new): (Vec<&str>, Vec<&str>) =
                (before.values(place).collect(), after.values(place_after).collect());
            old.sort_unstable();
            new.sort_unstable();
            old == new && old.iter().any(|value| *value != "NULL")
        };
        let new = after.columns.iter().enumerate();
        let mut new = new.filter(|(_, new)| before.column(&new.name).is_none());
        let found = new.find(|(place, new)| renamed(&new.name) || holds_all(*place));
        found.map(|(_, column)| column.name.as_str())
    }

    fn column_changed(
        &self,
        table: &str,
        (before, place): (&TableFacts, usize),
        (after, now): (&TableFacts, usize),
    ) -> Option<Found> {
        let column = &before.columns[place].name;
        let old: BTreeSet<&str> = before.values(place).filter(|value| *value != "NULL").collect();
        let new: BTreeSet<&str> = after.values(now).collect();
        let update = || {
            self.passage.statement_that(
                self.database,
                |act| matches!(act, Act::Update { table: of } if same(of, table)),
            )
        };
        if let (true, true, Some(value)) =
            (old.len() > 1 && new.len() == 1, after.rows.len() > 1, new.first())
        {
            let message = format!(
                "every row of `{table}` now has {} in `{column}`, which held {} different values",
                shortened(value),
                old.len()
            );
            let row = before.rows.iter().find(|row| row[place] != *value && row[place] != "NULL");
            let found =
                Found::new(&rules::COLUMN_OVERWRITTEN, message).on(self.database).by(update());
            return Some(found.rows(row.map(|row| before.shown(table, row))));
        }
        let types = (&before.columns[place].declared_type, &after.columns[now].declared_type);
        if same(types.0, types.1) || before.rows.len() != after.rows.len() {
            return None;
        }
        let pairs = before.rows.iter().zip(before.values(place).zip(after.values(now)));
        let lossy: Vec<_> = pairs.filter(|(_, (old, new))| !is_same_value(old, new)).collect();
        let (row, (old, new)) = lossy.first()?;
        let more = match lossy.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        let message = format!(
            "`{column}` of `{table}` went from type {} to {}: {} became {}{more}",
            written(types.0),
            written(types.1),
            shortened(old),
            shortened(new)
        );
        let found = Found::new(&rules::VALUES_CONVERTED, message).on(self.database).by(update());
        Some(found.rows([before.shown(table, row)]))
    }

    /// A program that does not know the column can't write rows any more.
    fn column_required(
        &self,
        table: &str,
        before: &TableFacts,
        after: &TableFacts,
    ) -> Option<Found> {
        let is_new = |column: &&ColumnFacts| before.column(&column.name).is_none();
        // With a column less it is renamed, which is another finding.
        let is_more = after.columns.len() > before.columns.len();
        let mut new = after.columns.iter().filter(is_new).filter(|column| column.is_required);
        let column = new.next().filter(|_| is_more)?;
        let message = format!(
            "`{table}` takes no row without `{}` any more: INSERTs of the version before fail",
            column.name
        );
        Some(Found::new(&rules::COLUMN_REQUIRED, message).on(self.database))
    }

    fn rows_deleted(
        &self,
        table: &str,
        before: &TableFacts,
        after: &TableFacts,
        renamed: &[String],
    ) -> Option<Found> {
        if after.rows.len() >= before.rows.len() || self.is_declared(table) {
            return None;
        }
        let lost = before.rows.len() - after.rows.len();
        let message = format!("{lost} of {} rows of `{table}` are gone", before.rows.len());
        let statement = self
            .passage
            .statement_that(
                self.database,
                |act| matches!(act, Act::Delete { table: of } if same(of, table)),
            )
            .or_else(|| {
                self.passage.statement_that(self.database, |act| {
                matches!(act, Act::Drop { kind, name, .. } if kind == "table" && same(name, table))
            })
            });
        let row = before.first_missing_in(after).filter(|_| renamed.is_empty());
        let found = Found::new(&rules::ROWS_DELETED, message).on(self.database).by(statement);
        Some(found.rows(row.map(|row| before.shown(table, row))))
    }

    /// A table that was dropped and is there again has lost what nobody wrote down.
    fn rebuilt(&self, table: &str, before: &TableFacts, after: &TableFacts) -> Option<Found> {
        let dropped = self.passage.acts(self.database).find(|(ran, act)| {
            !ran.by_rebuild
                && match act {
                    Act::Drop { kind, name, .. } => kind == "table" && same(name, table),
                    // Renamed away first, and another one made in its place.
                    Act::RenameTable { from, .. } => same(from, table),
                    _ => false,
                }
        });
        let (ran, _) = dropped?;
        let gone: Vec<&str> = before
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .filter(|name| after.column(name).is_none())
            .collect();
        let is_about_gone = |text: &str| gone.iter().any(|name| text.contains(name));
        let constraints = before.constraints.difference(&after.constraints).cloned();
        let mut lost: Vec<String> = constraints.filter(|text| !is_about_gone(text)).collect();
        lost.extend(self.objects_lost(table).filter(|text| !is_about_gone(text)));
        if lost.is_empty() {
            return None;
        }
        let message = format!("table `{table}` was made anew without {}", lost.join("; "));
        Some(Found::new(&rules::REBUILT_BY_HAND, message).on(self.database).by(Some(&ran.sql)))
    }

    /// Returns the indexes and triggers that went with the table, and that no statement named.
    fn objects_lost<'a>(&'a self, table: &'a str) -> impl Iterator<Item = String> + 'a {
        let named = |wanted: &str| {
            self.passage
                .acts(self.database)
                .any(|(_, act)| matches!(act, Act::Drop { name, .. } if same(&name, wanted)))
        };
        self.before
            .schema
            .objects()
            .iter()
            .filter(|object| matches!(object.kind, ObjectKind::Index | ObjectKind::Trigger))
            .filter(move |object| same(&object.table, table))
            .filter(|object| self.after.schema.find(object.kind, &object.name).is_none())
            .filter(move |object| !named(&object.name))
            .map(|object| format!("{} `{}`", object.kind, object.name))
    }

    fn broken(&self) -> Option<Found> {
        let (what, why) =
            self.after.broken.iter().find(|(what, _)| !self.before.broken.contains_key(*what))?;
        let rename = |act: &Act| {
            matches!(act, Act::RenameTable { .. } | Act::Drop { .. } | Act::DropColumn { .. })
        };
        let statement = self.passage.statement_that(self.database, rename);
        let message = format!("{what} does not work any more: {why}");
        Some(Found::new(&rules::OBJECT_BROKEN, message).on(self.database).by(statement))
    }
}

fn written(declared_type: &str) -> &str {
    if declared_type.is_empty() { "(none)" } else { declared_type }
}

/// Asks whether a conversion kept what a person would read.
fn is_same_value(old: &str, new: &str) -> bool {
    let plain = |value: &str| value.trim_matches('\'').to_owned();
    if plain(old) == plain(new) {
        return true;
    }
    // A whole number as a real one, as long as it is the same number.
    match (old.parse::<i64>(), new.parse::<f64>()) {
        #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "that is the question")]
        (Ok(whole), Ok(real)) => whole as f64 == real && whole.unsigned_abs() <= 1 << 53,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversion_that_a_person_reads_the_same_is_no_loss() {
        assert!(is_same_value("1", "'1'") && is_same_value("1", "1.0"));
        assert!(!is_same_value("'007'", "7") && !is_same_value("' 7'", "7"));
        assert!(!is_same_value("9223372036854775807", "9.22337203685478e+18"));
    }
}
