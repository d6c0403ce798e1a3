//! Differences that a person accepted as they are, in migrations.db.
//!
//! A row says what was found of one object when it was accepted, not what was expected: it
//! stands as long as the object stays as it was found. docs/format.md is normative.

use rusqlite::{Connection, params};

use crate::sqlite::history_table::table_exists;

/// The `kind` of a row that is about the version table: its `name` is a version, its `sql` a time.
pub(crate) const RECORD: &str = "record";

/// One accepted difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The database.
    pub(crate) database: String,
    /// `table`, `index`, `view`, `trigger`, or [`RECORD`].
    pub(crate) kind: String,
    /// The object's name.
    pub(crate) name: String,
    /// The object's SQL as it was found; none if it was not there.
    pub(crate) sql: Option<String>,
    /// When it was accepted.
    pub(crate) at: String,
    /// The program that was told so, with its version.
    pub(crate) program: String,
}

impl Accepted {
    /// Asks whether it is about this object, in any ASCII case.
    pub(crate) fn is_about(&self, database: &str, kind: &str, name: &str) -> bool {
        self.database == database && self.kind == kind && self.name.eq_ignore_ascii_case(name)
    }
}

const TABLE: &str = "accepted_drift";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS accepted_drift (
    database TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL COLLATE NOCASE,
    sql TEXT,
    accepted_at TEXT NOT NULL,
    program TEXT NOT NULL,
    PRIMARY KEY (database, kind, name)
)";

/// Reads all rows; none if the table is not there.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Vec<Accepted>> {
    if !table_exists(connection, TABLE)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT database, kind, name, sql, accepted_at, program FROM accepted_drift ORDER BY database, kind, name";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Accepted {
            database: row.get(0)?,
            kind: row.get(1)?,
            name: row.get(2)?,
            sql: row.get(3)?,
            at: row.get(4)?,
            program: row.get(5)?,
        })
    })?;
    rows.collect()
}

/// Writes rows in the place of earlier ones about the same objects.
pub(crate) fn write(connection: &Connection, rows: &[Accepted]) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)?;
    let sql = "INSERT OR REPLACE INTO accepted_drift (database, kind, name, sql, accepted_at, program) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = connection.prepare(sql)?;
    for Accepted { database, kind, name, sql, at, program } in rows {
        insert.execute(params![database, kind, name, sql, at, program])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_an_object_stands() {
        let connection = Connection::open_in_memory().expect("opens");
        assert!(read(&connection).expect("reads").is_empty());
        let row = |name: &str, sql: Option<&str>| Accepted {
            database: "chat".to_owned(),
            kind: "table".to_owned(),
            name: name.to_owned(),
            sql: sql.map(str::to_owned),
            at: "now".to_owned(),
            program: "tests".to_owned(),
        };
        write(&connection, &[row("Note", Some("CREATE TABLE Note(a)"))]).expect("writes");
        write(&connection, &[row("note", None)]).expect("writes again");
        let rows = read(&connection).expect("reads");
        assert_eq!(rows, [row("note", None)]);
        assert!(rows[0].is_about("chat", "table", "NOTE"));
        assert!(!rows[0].is_about("rules", "table", "note"));
    }
}
