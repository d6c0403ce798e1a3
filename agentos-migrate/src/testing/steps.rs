//! What the checks of a set do, and how they say what they found.

use super::Harness;
use super::seed::{RowCounts, count_rows, each_table};
use crate::error::{Error, ErrorKind};
use crate::info::Downgrade;
use crate::lock_file;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema::compare::differences;
use crate::schema::read::Schema;
use crate::schema::tokens::quote_name;

/// How many of the newest prefixes are built; each costs a run of the rest of the set.
const PREFIXES_MAX: usize = 50;

/// What the tables hold while a set climbs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    None,
    Seeded,
}

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
    let path = std::path::Path::new(declared.manifest_dir).join(lock_path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| crate::sqlite::failure::io_on_file(error, "read", &path))?;
    let new = lock_file::new_versions(&text, registry.migrations());
    if new.is_empty() {
        return Ok(());
    }
    Err(failed(format!("{} does not hold {}", path.display(), new.join(", ")))
        .with_hint("record them when they are released: `lock`"))
}

/// Takes every migration up, down and up again.
pub(super) fn climb(registry: &Registry, keeping: &[String], fill: Rows) -> Result<(), Error> {
    registry.check()?;
    let ladder = &Harness::empty(registry.clone())?;
    let mut previous = "0000".to_owned();
    for migration in registry.migrations() {
        let info = migration.info();
        let version = info.version.to_string();
        let before = schemas(ladder, registry)?;
        ladder.migrate_to(&version)?;
        let after = schemas(ladder, registry)?;
        if info.downgrade == Downgrade::Available {
            let rows = count_rows(ladder, registry)?;
            ladder.migrate_to(&previous)?;
            let kept = if keeping.contains(&version) { &after } else { &before };
            compare(kept, &schemas(ladder, registry)?, || {
                format!("the downgrade of {version} does not leave the schema that it should")
            })?;
            refuse_lost_rows(&version, &rows, &count_rows(ladder, registry)?)?;
            ladder.migrate_to(&version)?;
            compare(&after, &schemas(ladder, registry)?, || {
                format!("{version} makes another schema after its downgrade than before")
            })?;
        }
        if fill == Rows::Seeded {
            ladder.seed()?;
        }
        previous = version;
    }
    Ok(())
}

fn refuse_lost_rows(version: &str, before: &RowCounts, after: &RowCounts) -> Result<(), Error> {
    for (table, rows) in before {
        if after.get(table).is_some_and(|left| left < rows) {
            let (database, table) = table;
            return Err(failed(format!("the downgrade of {version} loses rows"))
                .detail(format!("{database}.{table}")));
        }
    }
    Ok(())
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
