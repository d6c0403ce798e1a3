//! A database to change and the questions that tests ask of it.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::error::Error;
use crate::schema::normalise::same_statement;
use crate::schema::rebuild::{RebuildApi, RebuildReport, TableChanges, rebuild, rebuild_as_of};
use crate::schema::tokens::quote_name;

/// A version of SQLite that has no native way but adding, renaming and dropping columns.
pub(super) const BEFORE_NATIVE_CONSTRAINTS: i32 = 3_046_000;

pub(super) struct Database(pub(super) Connection);

impl Database {
    /// Opens a database as the engine does: foreign keys off before the transaction.
    pub(super) fn new(sql: &str) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        Self::around(connection)
    }

    pub(super) fn around(connection: Connection) -> Self {
        connection.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    #[track_caller]
    pub(super) fn change(
        &self,
        table: &str,
        change: impl FnOnce(&mut TableChanges),
    ) -> RebuildReport {
        self.try_change(table, change)
            .unwrap_or_else(|error| panic!("{error}: {:?}", error.details()))
    }

    pub(super) fn try_change(
        &self,
        table: &str,
        change: impl FnOnce(&mut TableChanges),
    ) -> Result<RebuildReport, Error> {
        rebuild(&self.0, table, &changes(change))
    }

    /// Changes a table as an older SQLite would have to.
    pub(super) fn try_change_as_of(
        &self,
        version: i32,
        table: &str,
        change: impl FnOnce(&mut TableChanges),
    ) -> Result<RebuildReport, Error> {
        rebuild_as_of(&self.0, table, &changes(change), version)
    }

    /// Checks that a change is refused with this text, and that nothing is different after.
    #[track_caller]
    pub(super) fn refuses(
        &self,
        table: &str,
        text: &str,
        change: impl FnOnce(&mut TableChanges),
    ) -> Error {
        let before = self.everything();
        let error = self.try_change(table, change).expect_err("the change is refused");
        let whole = format!("{error}\n{}", error.details().join("\n"));
        assert!(whole.contains(text), "{whole}");
        assert_eq!(error.state(), Some("the table was left as it was"));
        assert_eq!(self.everything(), before);
        for pragma in ["legacy_alter_table", "ignore_check_constraints"] {
            assert_eq!(self.text(&format!("PRAGMA {pragma}")), "0", "{pragma}");
        }
        error
    }

    pub(super) fn run(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap();
    }

    /// Returns one row's columns, or several rows, as one text.
    #[track_caller]
    pub(super) fn text(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        let shown = |value: &Value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => format!("{number:?}"),
            Value::Text(text) => text.clone(),
            Value::Blob(bytes) => format!("{bytes:02x?}"),
        };
        let rows: Vec<String> =
            rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect();
        rows.join("\n")
    }

    #[track_caller]
    pub(super) fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = self.0.prepare(sql).unwrap();
        let n_columns = statement.column_count();
        let rows =
            statement.query_map([], |row| (0..n_columns).map(|at| row.get(at)).collect()).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Returns the stored SQL of an object, wherever it is.
    #[track_caller]
    pub(super) fn sql(&self, name: &str) -> String {
        self.text(&format!(
            "SELECT sql FROM sqlite_schema WHERE name = '{name}' UNION ALL SELECT sql FROM sqlite_temp_schema WHERE name = '{name}'"
        ))
    }

    #[track_caller]
    pub(super) fn has_sql(&self, name: &str, expected: &str) {
        let found = self.sql(name);
        assert!(same_statement(&found, expected), "\nfound    {found}\nexpected {expected}");
    }

    /// Returns the whole schema and every row of every table.
    pub(super) fn everything(&self) -> Vec<String> {
        let mut all = vec![
            self.text("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"),
            self.text(
                "SELECT type, name, tbl_name, sql FROM sqlite_temp_schema ORDER BY type, name",
            ),
        ];
        for row in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
            let Value::Text(name) = &row[0] else { continue };
            let rows =
                self.text(&format!("SELECT {}, * FROM {}", quote_text(name), quote_name(name)));
            let mut rows: Vec<String> = rows.lines().map(str::to_owned).collect();
            // SQLite's own tables are sets of rows.
            if name.starts_with("sqlite_") {
                rows.sort_unstable();
            }
            all.extend(rows);
        }
        all
    }
}

pub(super) fn changes(change: impl FnOnce(&mut TableChanges)) -> TableChanges {
    let mut changes = TableChanges::new(RebuildApi::V1);
    change(&mut changes);
    changes
}

/// Writes a text as an SQL text.
fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
