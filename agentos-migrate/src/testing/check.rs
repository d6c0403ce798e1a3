//! The check of a whole set: what every set has to do, whatever it is about.

use std::path::Path;

use super::Harness;
use crate::discovery::unregistered_files;
use crate::error::{Error, ErrorKind};
use crate::lock_file;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema::compare::differences;
use crate::schema::read::Schema;

/// How many of the newest prefixes are built; each costs a run of the rest of the set.
const PREFIXES_MAX: usize = 50;

/// The rules of the lint that no set may break: it runs, on rows and without, and goes back.
fn is_asked(code: &str) -> bool {
    let runs = ["AM103", "AM104", "AM501"].contains(&code) || code.starts_with("AM2");
    // That there is no downgrade, and no reason, is the lint's to say.
    runs || (code.starts_with("AM30") && code != "AM303")
}

/// Checks a set on real files.
///
/// - It is whole, its lock file, if it has one, holds every migration, and no
///   file below `src` is named like a migration that the set does not have.
/// - Every migration runs after the one before it, on empty tables and on
///   tables that hold rows, where rows can be made up.
/// - Every downgrade brings back the schema and every row of the tables that
///   stay ([`prove_downgrades`](super::prove_downgrades)), and the migration
///   runs again after it.
/// - A second run has nothing to do.
/// - A directory that stood at any of the newest 50 versions ends with the
///   same schema as a new one.
///
/// What a migration's `allow` explains passes. [`lint`](super::lint) asks
/// for more: whether anything is lost on the way up, and how it is written.
///
/// # Errors
///
/// [`ErrorKind::ValidationFailed`] that names the migration and shows the
/// difference or the rows; what a run meets; an incomplete set.
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
/// assert!(error.to_string().contains("downgrade that does not restore the schema"));
/// ```
pub fn check(registry: &Registry) -> Result<(), Error> {
    registry.check()?;
    check_lock_file(registry)?;
    check_files(registry)?;
    super::lint::lint_tamely(registry)?.check_rules(is_asked)?;
    let whole = Harness::empty(registry.clone())?;
    whole.migrator().upgrade(&Target::Latest)?;
    let again = whole.migrator().upgrade(&Target::Latest)?;
    if !again.results.is_empty() {
        return Err(failed("a second run of the set did something"));
    }
    check_prefixes(registry, &whole)
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

/// Builds up to each version in one run, the rest in another.
fn check_prefixes(registry: &Registry, whole: &Harness) -> Result<(), Error> {
    let expected = schemas(whole, registry)?;
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
