//! The check of a whole set: what every set has to do, whatever it is about.

use std::path::Path;

use super::Harness;
use super::seed::{RowCounts, count_rows, seed};
use crate::discovery::unregistered_files;
use crate::error::{Error, ErrorKind};
use crate::info::Downgrade;
use crate::lock_file;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema::compare::differences;
use crate::schema::read::Schema;

/// How many of the newest prefixes are built; each costs a run of the rest of the set.
const PREFIXES_MAX: usize = 50;

/// Checks a set on real files.
///
/// - It is whole, its lock file, if it has one, holds every migration, and no
///   file below `src` is named like a migration that the set does not have.
/// - Every migration runs after the one before it, on tables that hold a row
///   each where one can be made up.
/// - Every downgrade brings back the schema and keeps the number of rows of
///   the tables that stay, and the migration runs again after it.
/// - A second run has nothing to do.
/// - A directory that stood at any of the newest 50 versions ends with the
///   same schema as a new one.
///
/// # Errors
///
/// [`ErrorKind::ValidationFailed`] that names the migration and shows the
/// difference; what a migration meets; an incomplete set.
///
/// # Examples
///
/// ```
/// use agentos_migrate::{Migration, Registry, testing};
///
/// let notes = Migration::new("0001", &["notes"], |ctx| {
///     ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
///     Ok(())
/// });
/// let forgetful = notes.clone().downgrade(|_| Ok(()));
///
/// assert!(testing::check(&Registry::new(&["notes"], vec![notes])).is_ok());
/// let error = testing::check(&Registry::new(&["notes"], vec![forgetful])).unwrap_err();
/// assert!(error.to_string().contains("the downgrade of 0001"));
/// ```
pub fn check(registry: &Registry) -> Result<(), Error> {
    check_keeping(registry, &[])
}

/// The same, for a set in which some downgrades leave the schema on purpose, as a baseline's does.
///
/// # Errors
///
/// As [`check`].
pub fn check_keeping(registry: &Registry, versions: &[&str]) -> Result<(), Error> {
    registry.check()?;
    check_lock_file(registry)?;
    check_files(registry)?;
    let ladder = Harness::empty(registry.clone())?;
    climb(&ladder, registry, versions)?;
    let again = ladder.migrator().upgrade(&Target::Latest)?;
    if !again.results.is_empty() {
        return Err(failed("a second run of the set did something"));
    }
    check_prefixes(registry)
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ValidationFailed, message)
        .in_state("only a temporary directory was changed")
}

fn check_lock_file(registry: &Registry) -> Result<(), Error> {
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
fn check_files(registry: &Registry) -> Result<(), Error> {
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

/// Takes every migration up, down and up again, with rows in the tables.
fn climb(ladder: &Harness, registry: &Registry, keeping: &[&str]) -> Result<(), Error> {
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
            let kept = if keeping.contains(&version.as_str()) { &after } else { &before };
            compare(kept, &schemas(ladder, registry)?, || {
                format!("the downgrade of {version} does not leave the schema that it should")
            })?;
            refuse_lost_rows(&version, &rows, &count_rows(ladder, registry)?)?;
            ladder.migrate_to(&version)?;
            compare(&after, &schemas(ladder, registry)?, || {
                format!("{version} makes another schema after its downgrade than before")
            })?;
        }
        seed(ladder, registry)?;
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
fn check_prefixes(registry: &Registry) -> Result<(), Error> {
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

fn schemas(harness: &Harness, registry: &Registry) -> Result<Vec<(&'static str, Schema)>, Error> {
    let read = |database: &&'static str| {
        let path = harness.data_dir().join(format!("{database}.db"));
        Ok((*database, harness.migrator().schema_at(&path)?))
    };
    registry.databases().iter().map(read).collect()
}

fn compare(
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
