//! The version table that each database carries.
//!
//! An application may own a table of that name and another shape; that is
//! told apart here and never written. docs/format.md is normative.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::error::{Error, ErrorKind};
use crate::info::MigrationInfo;
use crate::schema::tokens::quote_name;
use crate::sqlite::failure::on_file;
use crate::version::Version;

/// The version that is recorded where a migration declares none.
const UNDECLARED: &str = "1.0.0";

const COLUMNS: [&str; 5] = ["id", "version", "migration_version", "applied_at", "description"];

/// What a database holds at the name of the version table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No such table.
    Absent,
    /// The table of docs/format.md.
    Expected,
    /// The application's own table, with these columns.
    Foreign(Vec<String>),
}

/// Returns what a database holds at the name of the version table.
pub(crate) fn shape(connection: &Connection, table: &str) -> rusqlite::Result<Shape> {
    let mut columns = connection.prepare("SELECT lower(name) FROM pragma_table_info(?1)")?;
    let columns = columns.query_map([table], |row| row.get::<_, String>(0))?;
    let columns: Vec<String> = columns.collect::<rusqlite::Result<_>>()?;
    Ok(if columns.is_empty() {
        Shape::Absent
    } else if columns == COLUMNS {
        Shape::Expected
    } else {
        Shape::Foreign(columns)
    })
}

/// Refuses a database in which the application owns a table of this name.
pub(crate) fn refuse_foreign(
    connection: &Connection,
    table: &str,
    database: &str,
) -> Result<(), Error> {
    let shape = shape(connection, table)
        .map_err(|error| on_file(error, "read", Path::new(&format!("{database}.db"))))?;
    match shape {
        Shape::Absent | Shape::Expected => Ok(()),
        Shape::Foreign(columns) => Err(Error::new(
            ErrorKind::NameCollision,
            format!("{database} has a table `{table}` of another shape: the application owns it"),
        )
        .detail(format!("found     {table}({})", columns.join(", ")))
        .detail(format!("expected  {table}({})", COLUMNS.join(", ")))
        .with_hint(format!(
            "declare another name for the version table of this set: `schema_version_table: \"migration_{table}\"` in `migrations!`"
        ))),
    }
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The migration, as written.
    pub(crate) migration: String,
    /// The version of the schema, the author's own word.
    pub(crate) version: String,
    /// When it was applied, as written.
    pub(crate) applied_at: String,
}

/// Returns what a database records, oldest row first.
pub(crate) fn records(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Record>> {
    if shape(connection, table)? != Shape::Expected {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT migration_version, version, applied_at FROM {} ORDER BY id",
        quote_name(table)
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Record { migration: row.get(0)?, version: row.get(1)?, applied_at: row.get(2)? })
    })?;
    rows.collect()
}

/// Returns another table of this form in which the database records migrations: that of the set was
/// declared under another name when they ran.
pub(crate) fn earlier_name(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> ?1 COLLATE NOCASE";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([table], |row| row.get::<_, String>(0))?;
    for name in names {
        let name = name?;
        let is_version = |record: &Record| record.migration.parse::<Version>().is_ok();
        // A table of this form may hold anything: it is then another's.
        if records(connection, &name).is_ok_and(|found| found.iter().any(is_version)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Returns the migration versions that a database records, oldest row first.
pub(crate) fn recorded(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    Ok(records(connection, table)?.into_iter().map(|record| record.migration).collect())
}

/// What the version table of one database holds, followed through a run.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    exists: bool,
    migrations: BTreeSet<Version>,
    last: Option<String>,
}

impl Versions {
    /// Reads the table.
    pub(crate) fn read(connection: &Connection, table: &str) -> rusqlite::Result<Self> {
        if shape(connection, table)? != Shape::Expected {
            return Ok(Self::default());
        }
        let records = records(connection, table)?;
        Ok(Self {
            exists: true,
            migrations: records.iter().filter_map(|record| record.migration.parse().ok()).collect(),
            last: records.into_iter().next_back().map(|record| record.version),
        })
    }

    /// Records a migration, unless its own SQL did already: then `written` is true.
    ///
    /// Where it declares no version, the last recorded one goes on. A row of an earlier attempt
    /// gets the time of this one, as the history does.
    pub(crate) fn record(
        &mut self,
        connection: &Connection,
        table: &str,
        info: &MigrationInfo,
        applied_at: &str,
        written: bool,
    ) -> rusqlite::Result<()> {
        let table = quote_name(table);
        if !self.exists {
            connection
                .execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} ({DEFINITION})"))?;
            self.exists = true;
        }
        if !self.migrations.insert(info.version.clone()) {
            if written {
                return Ok(());
            }
            let sql = format!(
                "UPDATE {table} SET applied_at = ?1, version = coalesce(?2, version)
                WHERE ltrim(migration_version, '0') = ltrim(?3, '0')"
            );
            let values = params![applied_at, info.schema_version.as_deref(), info.version.as_str()];
            return connection.execute(&sql, values).map(drop);
        }
        let version = info
            .schema_version
            .as_deref()
            .or(self.last.as_deref())
            .unwrap_or(UNDECLARED)
            .to_owned();
        let sql = format!(
            "INSERT INTO {table} (version, migration_version, applied_at, description) VALUES (?1, ?2, ?3, ?4)"
        );
        let description: &str =
            if info.description.is_empty() { &info.name } else { &info.description };
        connection
            .execute(&sql, params![version, info.version.as_str(), applied_at, description])?;
        self.last = Some(version);
        Ok(())
    }
}

const DEFINITION: &str = "
    id INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    migration_version TEXT NOT NULL,
    applied_at TEXT NOT NULL,
    description TEXT
";

/// Gives a migration's row another time. `0003` and `00003` are one.
pub(crate) fn set_time(
    connection: &Connection,
    table: &str,
    version: &Version,
    applied_at: &str,
) -> rusqlite::Result<()> {
    if shape(connection, table)? == Shape::Expected {
        let sql = format!(
            "UPDATE {} SET applied_at = ?2 WHERE ltrim(migration_version, '0') = ltrim(?1, '0')",
            quote_name(table)
        );
        connection.execute(&sql, [version.as_str(), applied_at])?;
    }
    Ok(())
}

/// Removes all but the first row of each migration. `0003` and `00003` are one.
pub(crate) fn remove_doubled(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    if shape(connection, table)? == Shape::Expected {
        let table = quote_name(table);
        let sql = format!(
            "DELETE FROM {table} WHERE id NOT IN (SELECT min(id) FROM {table} GROUP BY ltrim(migration_version, '0'))"
        );
        connection.execute(&sql, [])?;
    }
    Ok(())
}

/// Forgets a reverted migration; the table goes with its last row.
pub(crate) fn forget(
    connection: &Connection,
    table: &str,
    info: &MigrationInfo,
) -> rusqlite::Result<()> {
    if shape(connection, table)? != Shape::Expected {
        return Ok(());
    }
    let table = quote_name(table);
    connection.execute(
        &format!("DELETE FROM {table} WHERE ltrim(migration_version, '0') = ltrim(?1, '0')"),
        [info.version.as_str()],
    )?;
    let empty: bool =
        connection.query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM {table})"), [], |row| {
            row.get(0)
        })?;
    if empty {
        connection.execute_batch(&format!("DROP TABLE {table}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Migration;

    fn versions(connection: &Connection) -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT version, migration_version FROM schema_version")
            .expect("reads");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("reads");
        rows.collect::<rusqlite::Result<_>>().expect("reads")
    }

    #[test]
    fn a_migration_is_recorded_once_and_forgotten_with_the_table() {
        let connection = Connection::open_in_memory().expect("opens");
        let migration = Migration::new("0001", &["a"], |_| Ok(()));
        for _ in 0..2 {
            let mut versions = Versions::read(&connection, "schema_version").expect("reads");
            versions
                .record(&connection, "schema_version", migration.info(), "now", false)
                .expect("records");
        }
        assert_eq!(versions(&connection), [("1.0.0".to_owned(), "0001".to_owned())]);
        forget(&connection, "schema_version", migration.info()).expect("forgets");
        assert_eq!(shape(&connection, "schema_version").expect("asks"), Shape::Absent);
    }

    #[test]
    fn a_version_written_with_more_zeros_is_the_same_one() {
        let connection = Connection::open_in_memory().expect("opens");
        let short = Migration::new("0001", &["a"], |_| Ok(()));
        let long = Migration::new("00001", &["a"], |_| Ok(()));
        let record = |migration: &Migration| {
            let mut versions = Versions::read(&connection, "schema_version").expect("reads");
            versions
                .record(&connection, "schema_version", migration.info(), "now", false)
                .expect("records");
        };
        record(&short);
        record(&long);
        assert_eq!(versions(&connection), [("1.0.0".to_owned(), "0001".to_owned())]);
        connection
            .execute("INSERT INTO schema_version VALUES (2, '1', '00001', 'now', NULL)", [])
            .expect("doubles");
        remove_doubled(&connection, "schema_version").expect("removes");
        assert_eq!(versions(&connection).len(), 1);
        forget(&connection, "schema_version", long.info()).expect("forgets");
        assert_eq!(shape(&connection, "schema_version").expect("asks"), Shape::Absent);
    }

    #[test]
    fn the_declared_version_is_recorded_and_goes_on() {
        let connection = Connection::open_in_memory().expect("opens");
        let mut first = Migration::new("0001", &["a"], |_| Ok(()));
        first.info.schema_version = Some("2.5.0".into());
        let second = Migration::new("0002", &["a"], |_| Ok(()));
        let mut recorded = Versions::default();
        recorded
            .record(&connection, "schema_version", first.info(), "now", false)
            .expect("records");
        recorded
            .record(&connection, "schema_version", second.info(), "now", false)
            .expect("records");
        assert_eq!(versions(&connection)[1], ("2.5.0".to_owned(), "0002".to_owned()));
    }

    #[test]
    fn the_applications_own_table_is_refused_by_name_and_shape() {
        let connection = Connection::open_in_memory().expect("opens");
        connection
            .execute_batch(
                "CREATE TABLE schema_version(version INTEGER PRIMARY KEY, applied_at TEXT)",
            )
            .expect("creates");
        let error = refuse_foreign(&connection, "schema_version", "context").expect_err("foreign");
        assert_eq!(error.kind(), ErrorKind::NameCollision);
        assert_eq!(error.details()[0], "found     schema_version(version, applied_at)");
        refuse_foreign(&connection, "another_name", "context").expect("free");
    }
}
