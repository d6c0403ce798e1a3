//! AM301 to AM305: what the downgrade does, and what it leaves.

use super::facts::{Facts, Failure, Passage, Restored, Snapshot, TableFacts, WayBack};
use super::report::Found;
use super::{failures, rules};
use crate::info::{Downgrade, MigrationInfo};
use crate::schema::compare::{Change, Difference, differences};

/// The way out of AM303 for a migration of SQL files.
const WAY_BACK_OF_A_FILE: &str = "write the down file beside it, `NNNN_name.down.sql`, or a first line `-- irreversible: why`; \
    in `sql_migration!`: `down` or `irreversible`";

/// Judges the downgrade of a migration, or that there is none.
pub(super) fn judge(info: &MigrationInfo, facts: &Facts, found: &mut Vec<Found>) {
    match &info.downgrade {
        Downgrade::Absent => {
            let one = Found::new(&rules::NO_WAY_BACK, "it has no downgrade and does not say why");
            let is_sql =
                std::path::Path::new(info.location.file).extension() == Some("sql".as_ref());
            found.push(if is_sql { one.fixed_by(WAY_BACK_OF_A_FILE) } else { one });
        }
        Downgrade::Irreversible(reason) if reason.trim().is_empty() => {
            found.push(Found::new(&rules::NO_WAY_BACK, "`irreversible` gives no reason"));
        }
        Downgrade::Irreversible(_) | Downgrade::Available => {}
    }
    let Some(up) = &facts.up else { return };
    match &facts.down {
        None => {}
        Some(WayBack::Fails(failure)) => found.push(failures::of(failure, &rules::DOWNGRADE_FAILS)),
        Some(WayBack::Done(restored)) => {
            let is_restored = schema(up, &restored.passage, found);
            data(info, up, restored, found);
            // What is left over is why it does not run again; told once is enough, unless it is meant.
            let is_meant =
                info.allow.iter().any(|text| text.starts_with(rules::SCHEMA_NOT_RESTORED.code));
            if is_restored || is_meant {
                repeated(up, &restored.again, found);
            }
        }
    }
}

/// Every object is as it was before the upgrade.
fn schema(up: &Passage, down: &Passage, found: &mut Vec<Found>) -> bool {
    let known = found.len();
    for (database, before) in &up.before.0 {
        let changes = differences(&before.schema, &down.after.0[database].schema);
        if changes.is_empty() {
            continue;
        }
        let named: Vec<String> = changes.iter().take(SHOWN).map(told).collect();
        let more = changes.len() - named.len();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let message = format!("after the downgrade {}{more}", named.join(", "));
        found.push(Found::new(&rules::SCHEMA_NOT_RESTORED, message).on(database).diff(&changes));
    }
    found.len() == known
}

/// How many objects a message names.
const SHOWN: usize = 5;

fn told(difference: &Difference) -> String {
    let what = format!("{} `{}`", difference.kind, difference.name);
    match difference.change {
        Change::Added { .. } => format!("{what} is left"),
        Change::Missing { .. } => format!("{what} is missing"),
        Change::Changed { .. } => format!("{what} is another"),
    }
}

/// What a table held before is there again, and what was written since is not lost.
fn data(info: &MigrationInfo, up: &Passage, restored: &Restored, found: &mut Vec<Found>) {
    let declared = |table: &str| info.deletes.iter().any(|name| name.eq_ignore_ascii_case(table));
    if let Some(Err(failure)) = &restored.later {
        found.push(failures::of(failure, &rules::DOWNGRADE_FAILS));
    }
    for (database, before) in &up.before.0 {
        let after = &restored.passage.after.0[database];
        for (name, table) in before.tables.iter().filter(|(name, _)| !declared(name)) {
            // A table that is gone is a difference of the schemas.
            let Some(now) = after.table(name) else { continue };
            let lost = not_restored(name, table, now)
                .or_else(|| later_rows_lost(name, database, restored.later.as_ref()));
            found.extend(lost.map(|lost| lost.on(database)));
        }
    }
}

fn not_restored(name: &str, before: &TableFacts, now: &TableFacts) -> Option<Found> {
    let row = before.first_missing_in(now)?;
    let message = if now.rows.is_empty() {
        format!("`{name}` held {} row(s), and after up and down it is empty", before.rows.len())
    } else if now.rows.len() < before.rows.len() {
        format!(
            "`{name}` held {} rows, and after up and down {}",
            before.rows.len(),
            now.rows.len()
        )
    } else {
        let column = changed_column(before, now).unwrap_or("a column");
        format!("`{name}` has other values in `{column}` after up and down than before")
    };
    Some(Found::new(&rules::DATA_NOT_RESTORED, message).rows([before.shown(name, row)]))
}

fn changed_column<'a>(before: &'a TableFacts, now: &TableFacts) -> Option<&'a str> {
    let changed = before.columns.iter().enumerate().find(|(place, column)| {
        let Some(there) = now.column(&column.name) else { return false };
        let mut held: Vec<&str> = now.values(there).collect();
        before.values(*place).any(|value| match held.iter().position(|one| *one == value) {
            Some(at) => {
                held.swap_remove(at);
                false
            }
            None => true,
        })
    });
    changed.map(|(_, column)| column.name.as_str())
}

/// Rows that a program wrote between upgrade and downgrade.
fn later_rows_lost(
    name: &str,
    database: &str,
    later: Option<&Result<(Snapshot, Snapshot), Failure>>,
) -> Option<Found> {
    let (upgraded, now) = later?.as_ref().ok()?;
    let upgraded = upgraded.0.get(database)?.table(name)?;
    let now = now.0.get(database)?.table(name)?;
    if now.rows.len() >= upgraded.rows.len() {
        return None;
    }
    let lost = upgraded.rows.len() - now.rows.len();
    let message = format!(
        "the downgrade loses {lost} row(s) of `{name}` that were written after the upgrade"
    );
    let row = upgraded.first_missing_in(now).map(|row| upgraded.shown(name, row));
    Some(Found::new(&rules::DATA_NOT_RESTORED, message).rows(row))
}

/// Up, down and up again is the same as up.
fn repeated(up: &Passage, again: &Result<Snapshot, Failure>, found: &mut Vec<Found>) {
    match again {
        Err(failure) => found.push(failures::of(failure, &rules::NOT_REPEATABLE)),
        Ok(again) => {
            for (database, first) in &up.after.0 {
                let changes = differences(&first.schema, &again.0[database].schema);
                if let Some(first) = changes.first() {
                    let message = format!("applied again after its downgrade, {}", told(first));
                    found.push(
                        Found::new(&rules::NOT_REPEATABLE, message).on(database).diff(&changes),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Migration;
    use crate::info::Location;
    use crate::lint::report::LintReport;

    #[test]
    fn the_way_out_of_an_sql_file_without_a_way_back_is_that_of_files() {
        let fix_of = |file: &'static str| {
            let mut info = Migration::new("0001", &["notes"], |_| Ok(())).info().clone();
            info.location = Location { file, line: 1 };
            let facts =
                Facts { fails_empty: None, fails_populated: Vec::new(), up: None, down: None };
            let mut found = Vec::new();
            judge(&info, &facts, &mut found);
            let mut report = LintReport::default();
            report.add(&info, found, &facts);
            report.findings[0].fix
        };
        assert!(fix_of("src/versions/0001_a.up.sql").contains("`NNNN_name.down.sql`"));
        assert_eq!(fix_of("src/versions/0001_a.rs"), rules::NO_WAY_BACK.fix);
    }
}
