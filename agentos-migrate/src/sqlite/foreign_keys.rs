//! Foreign key violations before and after a migration.
//!
//! `PRAGMA foreign_key_check` (<https://sqlite.org/pragma.html#pragma_foreign_key_check>)
//! on a connection whose file is `main`. Real data has old orphans, so only
//! what a migration adds counts. A violation is known by its child's key
//! values, not by its rowid, which a rebuild may change.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::error::{Error, ErrorKind};
use crate::schema::tokens::quote_name;

/// One row whose parent is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    table: String,
    parent: String,
    /// The values that point to nothing; empty where a row can't be looked up.
    values: Vec<String>,
}

/// How many violations an error lists.
const SHOWN: usize = 5;

/// Violations with how often each occurs, and the foreign keys themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    rows: BTreeMap<Violation, usize>,
    keys: BTreeMap<Key, Parent>,
}

/// A foreign key: the child table in lower case, and its columns.
type Key = (String, String);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parent {
    name: String,
    is_there: bool,
}

/// Returns the violations of the whole database.
pub(crate) fn violations(connection: &Connection) -> rusqlite::Result<Violations> {
    let mut found = Violations::default();
    if !any_declared(connection)? {
        return Ok(found);
    }
    let mut check = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let (table, rowid, parent, key): (String, Option<i64>, String, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let values = match rowid {
            Some(rowid) => key_values(connection, &table, rowid, key)?,
            None => Vec::new(),
        };
        *found.rows.entry(Violation { table, parent, values }).or_default() += 1;
    }
    found.keys = keys(connection)?;
    Ok(found)
}

/// Returns the foreign keys of all tables, with whether the parent table is there.
fn keys(connection: &Connection) -> rusqlite::Result<BTreeMap<Key, Parent>> {
    let sql = "SELECT lower(child.name), group_concat(key.\"from\", ', '), key.\"table\",
            EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = key.\"table\" COLLATE NOCASE)
        FROM sqlite_schema child, pragma_foreign_key_list(child.name) key
        WHERE child.type = 'table' GROUP BY child.name, key.id ORDER BY 4 DESC";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let parent = Parent { name: row.get(2)?, is_there: row.get(3)? };
        Ok(((row.get(0)?, row.get(1)?), parent))
    })?;
    rows.collect()
}

/// Returns whether any table declares a foreign key: most checks end here.
fn any_declared(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%REFERENCES%')";
    connection.query_row(sql, [], |row| row.get(0))
}

fn key_values(
    connection: &Connection,
    table: &str,
    rowid: i64,
    key: i64,
) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT \"from\" FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq";
    let mut list = connection.prepare(sql)?;
    let columns = list.query_map((table, key), |row| row.get::<_, String>(0))?;
    let columns: Vec<String> = columns.collect::<rusqlite::Result<_>>()?;
    let quoted: Vec<String> = columns.iter().map(|column| quote_name(column)).collect();
    let sql = format!("SELECT {} FROM {} WHERE rowid = ?1", quoted.join(", "), quote_name(table));
    let Ok(mut lookup) = connection.prepare(&sql) else {
        // A user's column named rowid shadows the real one.
        return Ok(Vec::new());
    };
    let read = |row: &rusqlite::Row<'_>| {
        (0..columns.len())
            .map(|index| row.get::<_, Value>(index).map(|value| shown(&value)))
            .collect()
    };
    match lookup.query_row([rowid], read) {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(Vec::new()),
        values => values,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    }
}

impl Violations {
    /// Tells them to a person, a line for each pair of tables.
    pub(crate) fn told(&self, database: &str) -> Vec<String> {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (Violation { table, parent, .. }, count) in &self.rows {
            *counts.entry((table, parent)).or_default() += count;
        }
        let line = |((table, parent), count)| {
            format!("{database}: {count} row(s) of {table} have no parent in {parent}")
        };
        counts.into_iter().map(line).collect()
    }

    /// Refuses violations that `before` does not hold.
    pub(crate) fn refuse_new(&self, before: &Self, database: &str) -> Result<(), Error> {
        self.refuse_lost_parents(before, database)?;
        let added = self.added_to(before);
        let Some(total) = added.values().copied().reduce(|a, b| a + b) else { return Ok(()) };
        let message =
            format!("{total} foreign key violation(s) in {database} that were not there before");
        let error = Error::new(ErrorKind::ForeignKey, message);
        let error = added.iter().take(SHOWN).fold(error, |error, (violation, count)| {
            let Violation { table, parent, values } = violation;
            let times = if *count > 1 { format!(" ({count} rows)") } else { String::new() };
            let row = if values.is_empty() { "a row".to_owned() } else { values.join(", ") };
            error.detail(format!("table {table}: {row} has no parent in {parent}{times}"))
        });
        let hint = "delete or repoint the children in the same migration: foreign key actions such as \
            ON DELETE CASCADE do not fire while a migration runs";
        Err(error.with_hint(hint))
    }

    /// Refuses foreign keys that had a parent table and have none now: no row violates them as long
    /// as the child is empty, and the next one can't be inserted.
    ///
    /// Rows that lost their parent with it are told as rows.
    fn refuse_lost_parents(&self, before: &Self, database: &str) -> Result<(), Error> {
        let had_one = |key: &Key| before.keys.get(key).is_some_and(|parent| parent.is_there);
        let lost = self.keys.iter().filter(|(key, parent)| !parent.is_there && had_one(key));
        let with_rows = |table: &str| {
            self.rows.keys().any(|violation| violation.table.eq_ignore_ascii_case(table))
        };
        let lines: Vec<String> = lost
            .filter(|((table, _), _)| !with_rows(table))
            .map(|((table, columns), parent)| {
                format!("table {table}: ({columns}) refers to {}, which is not there", parent.name)
            })
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        let text = format!("{} foreign key(s) in {database} lost their parent table", lines.len());
        let error = lines.into_iter().fold(Error::new(ErrorKind::ForeignKey, text), Error::detail);
        Err(error.with_hint("change the parent with `rebuild_table`, or by a new table that gets the old name last: \
            a table that is renamed away takes the references of its children with it; or drop the children too"))
    }

    /// Returns what is new. A violation that only changed its table's name is not.
    fn added_to(&self, before: &Self) -> BTreeMap<Violation, usize> {
        let mut added = surplus(&self.rows, &before.rows);
        let mut gone: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for (violation, count) in surplus(&before.rows, &self.rows) {
            *gone.entry(violation.values).or_default() += count;
        }
        added.retain(|violation, count| {
            let renamed = gone.get_mut(&violation.values);
            let matched = renamed.map_or(0, |left| {
                let matched = (*left).min(*count);
                *left -= matched;
                matched
            });
            *count -= matched;
            *count > 0
        });
        added
    }
}

fn surplus(
    of: &BTreeMap<Violation, usize>,
    over: &BTreeMap<Violation, usize>,
) -> BTreeMap<Violation, usize> {
    let more = |(violation, count): (&Violation, &usize)| {
        let others = over.get(violation).copied().unwrap_or_default();
        (*count > others).then(|| (violation.clone(), count - others))
    };
    of.iter().filter_map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(extra: &str) -> Connection {
        let connection = Connection::open_in_memory().expect("opens");
        let schema = "PRAGMA foreign_keys = OFF; CREATE TABLE parent(id TEXT PRIMARY KEY);
            CREATE TABLE child(a, parent_id REFERENCES parent(id)); INSERT INTO child VALUES (1, 'old'), (2, 'old');";
        connection.execute_batch(schema).expect("schema");
        connection.execute_batch(extra).expect("extra");
        connection
    }

    #[track_caller]
    fn check(change: &str, expected: Option<&str>) {
        let connection = database("");
        let before = violations(&connection).expect("checks");
        connection.execute_batch(change).expect("changes");
        let after = violations(&connection).expect("checks");
        let outcome = after.refuse_new(&before, "a").map_err(|error| error.details().join("; "));
        assert_eq!(outcome.err().as_deref(), expected);
    }

    #[test]
    fn old_violations_do_not_count() {
        check("UPDATE child SET a = a + 1", None);
        check("DELETE FROM child WHERE a = 1", None);
    }

    #[test]
    fn a_new_violation_is_named_by_table_value_and_parent() {
        check(
            "INSERT INTO child VALUES (3, 'x')",
            Some("table child: 'x' has no parent in parent"),
        );
        check(
            "INSERT INTO child VALUES (3, 'old')",
            Some("table child: 'old' has no parent in parent"),
        );
    }

    #[test]
    fn a_rebuild_that_renumbers_rows_and_a_rename_add_nothing() {
        let rebuild = "CREATE TABLE n(a, parent_id REFERENCES parent(id)); DELETE FROM child WHERE a = 1;
            INSERT INTO n SELECT * FROM child ORDER BY a DESC; DROP TABLE child; ALTER TABLE n RENAME TO child";
        check(rebuild, None);
        check("ALTER TABLE child RENAME TO kid; ALTER TABLE parent RENAME TO mother", None);
    }

    #[test]
    fn an_empty_child_that_loses_its_parent_is_named() {
        let lost = Some("table child: (parent_id) refers to old, which is not there");
        let rename = "DELETE FROM child; ALTER TABLE parent RENAME TO old; CREATE TABLE parent(id TEXT PRIMARY KEY); DROP TABLE old";
        check(rename, lost);
        check(
            "DELETE FROM child; DROP TABLE parent",
            Some("table child: (parent_id) refers to parent, which is not there"),
        );
        check("DROP TABLE child; DROP TABLE parent", None);
        check("CREATE TABLE early(p REFERENCES of_a_later_migration)", None);
    }

    #[test]
    fn one_mended_and_one_new_is_still_a_new_one() {
        check(
            "UPDATE child SET parent_id = 'new' WHERE a = 1",
            Some("table child: 'new' has no parent in parent"),
        );
    }

    #[test]
    fn a_table_without_rowid_is_counted() {
        let connection =
            database("CREATE TABLE w(k PRIMARY KEY, p REFERENCES parent(id)) WITHOUT ROWID");
        let before = violations(&connection).expect("checks");
        connection.execute_batch("INSERT INTO w VALUES (1, 'x')").expect("inserts");
        let error =
            violations(&connection).expect("checks").refuse_new(&before, "a").expect_err("new");
        assert_eq!(error.details(), ["table w: a row has no parent in parent"]);
    }
}
