//! Whether a copy of a database is a sound one, and which migrations it records.
//!
//! The copy may come from anywhere, so it is opened read-only, as a file that
//! nobody changes (no side files appear beside it), and with SQLite's
//! defences on (<https://www.sqlite.org/security.html>).

use std::ffi::OsString;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::snapshot::refused;
use crate::error::{Error, ErrorKind};

const PROBLEMS_SHOWN: usize = 5;

/// Lines of `quick_check` that speak of values, not of a damaged file.
/// An application may hold such rows, and a backup has to take them as they are.
const ABOUT_VALUES: [&str; 6] = [
    "NULL value in ",
    "CHECK constraint failed",
    "non-unique entry in index",
    "NUMERIC value in ",
    "TEXT value in ",
    "non-",
];

/// Checks the structure of a copy; returns what is strange but not damaged.
///
/// # Errors
///
/// [`ErrorKind::DamagedDatabase`] with the first lines of `PRAGMA quick_check`.
pub(super) fn check(path: &Path) -> Result<Vec<String>, Error> {
    if path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        // An empty file is a database without tables.
        return Ok(Vec::new());
    }
    let connection = open(path).map_err(|e| refused("open", path, e))?;
    let lines = match quick_check(&connection) {
        Ok(lines) => lines,
        Err(e) if needs_the_application(&e) => {
            return Ok(vec![format!("structure not checked: {e}")]);
        }
        Err(e) => return Err(refused("check", path, e)),
    };
    let (values, damage): (Vec<_>, Vec<_>) = lines
        .into_iter()
        .filter(|line| line != "ok")
        .partition(|line| ABOUT_VALUES.iter().any(|start| line.starts_with(start)));
    if damage.is_empty() {
        return Ok(values);
    }
    let error =
        Error::new(ErrorKind::DamagedDatabase, format!("{} is damaged", path.display()));
    Err(damage.into_iter().take(PROBLEMS_SHOWN).fold(error, Error::detail))
}

/// Returns the versions in the database's `schema_version` table, sorted; none
/// if it has no such table, or one of the application's own shape.
pub(super) fn migration_versions(path: &Path, table: &str) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = open(path)?;
        let table = table.replace('"', "\"\"");
        let sql = format!(
            "SELECT DISTINCT CAST(s.migration_version AS TEXT) FROM \"{table}\" AS s \
             WHERE s.migration_version IS NOT NULL ORDER BY 1"
        );
        let mut statement = connection.prepare(&sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    read().unwrap_or_default()
}

fn quick_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA quick_check(20)")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Whether the schema uses a function, collation or module that only the application has.
fn needs_the_application(error: &rusqlite::Error) -> bool {
    let text = error.to_string();
    ["no such function", "no such collation", "no such module", "unknown function"]
        .iter()
        .any(|known| text.contains(known))
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(immutable_uri(path), flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    Ok(connection)
}

/// <https://www.sqlite.org/uri.html>: every byte that could mean something is escaped.
fn immutable_uri(path: &Path) -> OsString {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = "file:".to_owned();
    if cfg!(windows) {
        uri.push('/');
    }
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(*byte));
            }
            b'\\' if cfg!(windows) => uri.push('/'),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_break_a_constraint_are_no_damage() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("odd name?#%.db");
        let connection = Connection::open(&path).expect("opens");
        connection
            .execute_batch(
                "CREATE TABLE t(a CHECK (a > 0)); PRAGMA ignore_check_constraints = ON; \
                 INSERT INTO t VALUES (-1); CREATE TABLE u(b); INSERT INTO u VALUES (NULL); \
                 PRAGMA writable_schema = ON; \
                 UPDATE sqlite_master SET sql = 'CREATE TABLE u(b NOT NULL)' WHERE name = 'u';",
            )
            .expect("made");
        drop(connection);
        assert_eq!(check(&path).expect("sound"), ["NULL value in u.b"]);
    }

    #[test]
    fn a_damaged_page_is_found() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).expect("opens");
        connection
            .execute_batch(
                "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                 WHERE i < 2000) INSERT INTO t SELECT hex(randomblob(50)) FROM n;",
            )
            .expect("made");
        drop(connection);
        assert_eq!(check(&path).expect("sound"), Vec::<String>::new());
        let mut bytes = std::fs::read(&path).expect("read");
        bytes[4096 * 3..4096 * 3 + 64].fill(0xff);
        std::fs::write(&path, bytes).expect("written");
        assert_eq!(check(&path).expect_err("damaged").kind(), ErrorKind::DamagedDatabase);
    }

    #[test]
    fn a_schema_version_table_of_another_shape_records_no_migration() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).expect("opens");
        connection
            .execute_batch("CREATE TABLE schema_version(version INTEGER, applied_at TEXT)")
            .expect("made");
        assert_eq!(migration_versions(&path, "schema_version"), Vec::<String>::new());
    }
}
