//! What goes away with a table and has to come back: indexes, triggers,
//! the AUTOINCREMENT mark and the planner's statistics.
//!
//! Holds texts and small rows, never rows of the table itself.

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::error::Error;
use crate::schema::tokens::{Token, quote_name, tokenize};

use super::report::{RebuildReport, sqlite_failure};
use super::shape::Index;

/// What `DROP TABLE` will take along.
#[derive(Debug)]
pub(super) struct Kept {
    indexes: Vec<Statement>,
    triggers: Vec<Statement>,
    /// The highest rowid that AUTOINCREMENT ever gave.
    sequence: Option<i64>,
    statistics: Vec<Statistics>,
}

/// An object to create again.
#[derive(Debug)]
struct Statement {
    name: String,
    sql: String,
}

/// The rows of `sqlite_stat1` or `sqlite_stat4` about the table.
#[derive(Debug)]
struct Statistics {
    table: &'static str,
    columns: Vec<String>,
    /// The place of the column that names the index.
    index_column: usize,
    rows: Vec<Vec<Value>>,
}

impl Kept {
    /// Reads what belongs to a table.
    pub(super) fn read(connection: &Connection, table: &str) -> rusqlite::Result<Self> {
        // Step 4: save the SQL of every index and trigger of the table,
        // temporary ones included; the indexes of constraints have no SQL.
        let indexes = statements(connection, "main.sqlite_schema", "index", table)?;
        let mut triggers = statements(connection, "main.sqlite_schema", "trigger", table)?;
        for trigger in statements(connection, "temp.sqlite_schema", "trigger", table)? {
            triggers.push(Statement { sql: as_temporary(&trigger.sql), ..trigger });
        }
        // Step 4: save the AUTOINCREMENT mark and the statistics.
        let sequence = if has_table(connection, "sqlite_sequence")? {
            read_sequence(connection, table)?
        } else {
            None
        };
        let mut statistics = Vec::new();
        for name in ["sqlite_stat1", "sqlite_stat4"] {
            if has_table(connection, name)? {
                statistics.push(Statistics::read(connection, name, table)?);
            }
        }
        Ok(Self { indexes, triggers, sequence, statistics })
    }

    /// Returns the SQL of the indexes that have a name, with it.
    pub(super) fn indexes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.indexes.iter().map(|index| (index.name.as_str(), index.sql.as_str()))
    }

    /// Sets the AUTOINCREMENT mark where it was.
    ///
    /// `DROP TABLE` deletes it, and the renamed table brings one that knows
    /// only the rows that are still there, so that ids of deleted rows would
    /// be given again.
    pub(super) fn restore_sequence(
        &self,
        connection: &Connection,
        table: &str,
    ) -> Result<(), Error> {
        // Step 9.
        let Some(kept) = self.sequence else { return Ok(()) };
        let restore = || {
            let copied = read_sequence(connection, table)?;
            connection.execute("DELETE FROM main.sqlite_sequence WHERE name = ?1", [table])?;
            let mark = copied.map_or(kept, |copied| copied.max(kept));
            connection
                .execute(
                    "INSERT INTO main.sqlite_sequence(name, seq) VALUES (?1, ?2)",
                    (table, mark),
                )
                .map(drop)
        };
        restore().map_err(|e| sqlite_failure(table, "restoring the AUTOINCREMENT mark", e))
    }

    /// Creates the indexes again, then the triggers, which so do not fire for the copy.
    pub(super) fn recreate(
        &self,
        connection: &Connection,
        table: &str,
        report: &mut RebuildReport,
    ) -> Result<(), Error> {
        // Step 10.
        for (kind, objects) in [("index", &self.indexes), ("trigger", &self.triggers)] {
            for object in objects {
                let named = format!("{kind} `{}`", object.name);
                connection
                    .execute_batch(&object.sql)
                    .map_err(|e| sqlite_failure(table, &format!("creating {named} again"), e))?;
                report.statements.push(object.sql.clone());
                report.recreated.push(named);
            }
        }
        Ok(())
    }

    /// Puts the planner's statistics back, those of indexes that are the same as before.
    pub(super) fn restore_statistics(
        &self,
        connection: &Connection,
        table: &str,
        (before, after): (&[Index], &[Index]),
    ) -> Result<(), Error> {
        // Step 10.
        let is_same = |name: &str| {
            let of_name = |indexes: &[Index]| indexes.iter().position(|index| index.name == name);
            match (of_name(before), of_name(after)) {
                (Some(old), Some(new)) => before[old].has_same_columns(&after[new]),
                _ => false,
            }
        };
        let restore = || {
            for statistics in &self.statistics {
                statistics.restore(connection, table, is_same)?;
            }
            if !self.statistics.is_empty() {
                load_statistics(connection)?;
            }
            Ok(())
        };
        restore().map_err(|e| sqlite_failure(table, "restoring its statistics", e))
    }
}

impl Statistics {
    fn read(connection: &Connection, name: &'static str, table: &str) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(&format!(
            "SELECT * FROM main.{name} WHERE tbl = ?1 COLLATE NOCASE ORDER BY rowid"
        ))?;
        // One by one: what `column_names` returns differs between versions of rusqlite.
        let columns: Vec<String> = (0..statement.column_count())
            .map(|at| statement.column_name(at).map(str::to_owned))
            .collect::<Result<_, _>>()?;
        let index_column = columns.iter().position(|column| column == "idx").unwrap_or(0);
        let n_columns = columns.len();
        let rows =
            statement.query_map([table], |row| (0..n_columns).map(|at| row.get(at)).collect())?;
        let rows = rows.collect::<Result<_, _>>()?;
        Ok(Self { table: name, columns, index_column, rows })
    }

    fn restore(
        &self,
        connection: &Connection,
        table: &str,
        is_same: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<()> {
        connection.execute(
            &format!("DELETE FROM main.{} WHERE tbl = ?1 COLLATE NOCASE", self.table),
            [table],
        )?;
        let columns: Vec<String> = self.columns.iter().map(|column| quote_name(column)).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let mut statement = connection.prepare(&format!(
            "INSERT INTO main.{}({}) VALUES ({marks})",
            self.table,
            columns.join(", ")
        ))?;
        for row in &self.rows {
            let is_wanted = match &row[self.index_column] {
                // A table without an index is counted as such, a WITHOUT ROWID table by its own name.
                Value::Text(index) => is_same(index) || index.eq_ignore_ascii_case(table),
                _ => true,
            };
            if is_wanted {
                statement.execute(rusqlite::params_from_iter(row))?;
            }
        }
        Ok(())
    }
}

fn statements(
    connection: &Connection,
    schema: &str,
    kind: &str,
    table: &str,
) -> rusqlite::Result<Vec<Statement>> {
    let sql = format!(
        "SELECT name, sql FROM {schema} \
         WHERE type = ?1 AND tbl_name = ?2 COLLATE NOCASE AND sql IS NOT NULL ORDER BY rowid"
    );
    let mut statement = connection.prepare(&sql)?;
    let objects = statement
        .query_map([kind, table], |row| Ok(Statement { name: row.get(0)?, sql: row.get(1)? }))?;
    objects.collect()
}

/// Loads the statistics for this connection: <https://sqlite.org/lang_analyze.html>.
///
/// `ANALYZE` makes the tables that it writes to. Where one is missing, the
/// next connection loads what there is.
fn load_statistics(connection: &Connection) -> rusqlite::Result<()> {
    let uses_both: bool =
        connection
            .query_row("SELECT sqlite_compileoption_used('ENABLE_STAT4')", [], |row| row.get(0))?;
    if has_table(connection, "sqlite_stat1")?
        && (!uses_both || has_table(connection, "sqlite_stat4")?)
    {
        connection.execute_batch("ANALYZE main.sqlite_schema")?;
    }
    Ok(())
}

fn read_sequence(connection: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    connection.query_row(
        "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?1",
        [table],
        |row| row.get(0),
    )
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1)",
        [name],
        |row| row.get(0),
    )
}

/// SQLite stores a temporary trigger without the word that makes it one.
fn as_temporary(sql: &str) -> String {
    let create_end =
        tokenize(sql).iter().find(|token| token.is_word("CREATE")).map_or(0, Token::end);
    format!("{} TEMP{}", &sql[..create_end], &sql[create_end..])
}
