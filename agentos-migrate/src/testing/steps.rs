//! What the checks of a set do, and how they say what they found.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::Harness;
use super::rows::{Wildness, fill};
use crate::discovery::unregistered_files;
use crate::error::{Error, ErrorKind};
use crate::lock_file;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema::compare::differences;
use crate::schema::read::{ObjectKind, Schema};
use crate::schema::tokens::quote_name;
use crate::sqlite::failure::on_file;

/// How many of the newest prefixes are built; each costs a run of the rest of the set.
const PREFIXES_MAX: usize = 50;

pub(super) fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ValidationFailed, message)
        .in_state("only a temporary directory was changed")
}

pub(super) fn check_lock_file(registry: &Registry) -> Result<(), Error> {
    let Some((declared, lock_path)) =
        registry.declaration().and_then(|declared| Some((declared, declared.lock_path?)))
    else {
        return Ok(());
    };
    let path = Path::new(declared.manifest_dir).join(lock_path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| crate::sqlite::failure::io_on_file(error, "read", &path))?;
    let new = lock_file::new_versions(&text, registry.migrations());
    if new.is_empty() {
        return Ok(());
    }
    Err(failed(format!("{} does not hold {}", path.display(), new.join(", ")))
        .with_hint("record them when they are released: `lock`"))
}

/// A file that looks like a migration is one.
pub(super) fn check_files(registry: &Registry) -> Result<(), Error> {
    let Some(declared) = registry.declaration() else { return Ok(()) };
    let root = Path::new(declared.manifest_dir);
    let files = unregistered_files(root, Path::new("src"), registry.migrations());
    let Some(first) = files.first() else { return Ok(()) };
    let stem = first.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let lines = files.iter().map(|file| {
        format!("{}: no migration of the set has the version {}", file.path.display(), file.version)
    });
    let error = lines.fold(failed("files are named like migrations and are none"), Error::detail);
    Err(error.with_hint(format!(
        "declare each in the module above it (`#[path = \"{stem}.rs\"] mod v{stem};`), or give it another name"
    )))
}

/// Builds up to each version in one run, the rest in another.
pub(super) fn check_prefixes(registry: &Registry) -> Result<(), Error> {
    let whole = Harness::empty(registry.clone())?;
    whole.migrator().upgrade(&Target::Latest)?;
    let expected = schemas(&whole, registry)?;
    for migration in registry.migrations().iter().rev().skip(1).take(PREFIXES_MAX) {
        let version = migration.info().version.to_string();
        let prefix = Harness::at(registry.clone(), &version)?;
        prefix.migrator().upgrade(&Target::Latest)?;
        compare(&expected, &schemas(&prefix, registry)?, || {
            format!("a directory that stood at {version} ends with another schema than a new one")
        })?;
    }
    Ok(())
}

/// Lets SQLite prepare what uses each foreign key, and check all rows.
pub(super) fn check_foreign_keys(registry: &Registry) -> Result<(), Error> {
    let built = Harness::empty(registry.clone())?;
    built.migrator().upgrade(&Target::Latest)?;
    built.seed()?;
    each_table(&built, registry, |database, connection, table| {
        let name = quote_name(table);
        let wrong = |what: String| {
            failed(format!("a foreign key of or to {database}.{table} can't hold")).detail(what)
        };
        for sql in [format!("INSERT INTO {name} DEFAULT VALUES"), format!("DELETE FROM {name}")] {
            // A missing table or a key that is not unique is an error of any statement that
            // would have to look there (<https://sqlite.org/foreignkeys.html#fk_indexes>).
            if let Err(error) = connection.prepare(&sql) {
                return Err(wrong(error.to_string()));
            }
        }
        let check = format!("PRAGMA foreign_key_check({name})");
        match connection.prepare(&check).and_then(|mut statement| statement.exists([])) {
            Ok(false) => Ok(()),
            Ok(true) => Err(wrong("a row points to no parent".to_owned())),
            Err(error) => Err(wrong(error.to_string())),
        }
    })
}

pub(super) fn schemas(
    harness: &Harness,
    registry: &Registry,
) -> Result<Vec<(&'static str, Schema)>, Error> {
    let read = |database: &&'static str| {
        let path = harness.data_dir().join(format!("{database}.db"));
        Ok((*database, harness.migrator().schema_at(&path)?))
    };
    registry.databases().iter().map(read).collect()
}

pub(super) fn compare(
    expected: &[(&str, Schema)],
    found: &[(&str, Schema)],
    what: impl FnOnce() -> String,
) -> Result<(), Error> {
    let pairs = expected.iter().zip(found);
    let lines: Vec<String> = pairs
        .flat_map(|((database, expected), (_, found))| {
            let changes = differences(expected, found);
            changes.into_iter().map(move |one| format!("{database}: {one}\n{}", one.unified_diff()))
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(lines.into_iter().fold(failed(what()), Error::detail))
}

/// Rows by database and table.
pub(super) type RowCounts = BTreeMap<(String, String), i64>;

/// Gives the tables rows, where some can be made up.
pub(super) fn seed(harness: &Harness, registry: &Registry) -> Result<(), Error> {
    for database in registry.databases() {
        if harness.data_dir().join(format!("{database}.db")).exists() {
            let connection = harness.connection(database)?;
            fill(&connection, registry.schema_version_table(), Wildness::AsDeclared)
                .map_err(|error| on_database(error, "fill", harness, database))?;
        }
    }
    Ok(())
}

/// Counts the rows of every table.
pub(super) fn count_rows(harness: &Harness, registry: &Registry) -> Result<RowCounts, Error> {
    let mut counts = RowCounts::new();
    each_table(harness, registry, |database, connection, table| {
        let rows = count(connection, table)
            .map_err(|error| on_database(error, "count the rows of", harness, database))?;
        counts.insert((database.to_owned(), table.to_owned()), rows);
        Ok(())
    })?;
    Ok(counts)
}

fn on_database(error: rusqlite::Error, doing: &str, harness: &Harness, database: &str) -> Error {
    on_file(error, doing, &harness.data_dir().join(format!("{database}.db")))
}

fn count(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    let sql = format!("SELECT count(*) FROM {}", quote_name(table));
    connection.query_row(&sql, [], |row| row.get(0))
}

/// Does something with each of the application's tables, on a connection with foreign keys on.
pub(super) fn each_table(
    harness: &Harness,
    registry: &Registry,
    mut work: impl FnMut(&str, &Connection, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let own = registry.schema_version_table();
    for database in registry.databases() {
        if !harness.data_dir().join(format!("{database}.db")).exists() {
            continue;
        }
        let connection = harness.connection(database)?;
        let schema = Schema::read(&connection)?;
        let tables = schema.objects().iter().filter(|object| {
            object.kind == ObjectKind::Table && !object.name.eq_ignore_ascii_case(own)
        });
        for table in tables {
            work(database, &connection, &table.name)?;
        }
    }
    Ok(())
}
