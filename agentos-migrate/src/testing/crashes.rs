//! Runs of a set that end in the middle, and the run after them.

use std::path::Path;

use super::Harness;
use super::steps::{compare, count_rows, failed, schemas};
use crate::error::{Error, ErrorKind};
use crate::info::TransactionMode;
use crate::migration::Migration;
use crate::plan::Target;
use crate::registry::Registry;
use crate::sqlite::failure::io_on_file;
use crate::sqlite::vfs::DyingDisk;

/// How many of the newest migrations are crashed, each from the version before it.
const MIGRATIONS_MAX: usize = 20;
/// At how many moments of a migration; more where its author commits, as there is more to see.
const MOMENTS: usize = 6;
const MOMENTS_MANUAL: usize = 24;

/// Ends runs at sampled moments and lets the next run go on.
pub(super) fn check(registry: &Registry) -> Result<(), Error> {
    crash_at_moments(&Harness::empty(registry.clone())?, registry, None)?;
    let stair = Harness::empty(registry.clone())?;
    let skipped = registry.migrations().len().saturating_sub(MIGRATIONS_MAX);
    for (index, migration) in registry.migrations().iter().enumerate() {
        if index > 0 && index >= skipped {
            crash_at_moments(&stair, registry, Some(migration))?;
        }
        stair.migrate_to(migration.info().version.as_str())?;
        stair.seed()?;
    }
    Ok(())
}

/// Crashes one migration from where a directory stands, or the building of a new one.
fn crash_at_moments(
    from: &Harness,
    registry: &Registry,
    migration: Option<&Migration>,
) -> Result<(), Error> {
    let target = migration
        .map_or(Target::Latest, |migration| Target::Version(migration.info().version.clone()));
    let what = migration.map_or_else(
        || "the building of a new directory".to_owned(),
        |migration| migration.info().version.to_string(),
    );
    let whole = copy_of(from, registry)?;
    let operations = run_until(&whole, &target, usize::MAX)?;
    let (expected, rows) = (schemas(&whole, registry)?, count_rows(&whole, registry)?);
    let is_manual = |migration: &Migration| migration.info().transaction == TransactionMode::Manual;
    let moments =
        if registry.migrations().iter().any(is_manual) { MOMENTS_MANUAL } else { MOMENTS };
    let mut last: Vec<usize> =
        (0..moments).map(|moment| operations * moment / moments.max(1)).collect();
    // The commit itself comes last.
    last.extend((1..=3).map(|back| operations.saturating_sub(back)));
    for last in last {
        let crashed = copy_of(from, registry)?;
        run_until(&crashed, &target, last)?;
        let named = || format!("{what}, ended behind {last} of {operations} writes");
        crashed.migrator().upgrade(&target).map_err(|failure| {
            failed(format!("the run after a crash of {} fails: {failure}", named()))
                .caused_by(Error::from(failure))
        })?;
        compare(&expected, &schemas(&crashed, registry)?, || {
            format!("a crash of {} leads to another schema", named())
        })?;
        let found = count_rows(&crashed, registry)?;
        for ((database, table), count) in &rows {
            let found = found.get(&(database.clone(), table.clone())).copied().unwrap_or_default();
            if found != *count {
                return Err(failed(format!("a crash of {} leads to other rows", named()))
                    .detail(format!("{database}.{table} has {found} rows instead of {count}")));
            }
        }
    }
    Ok(())
}

/// Runs on a disk that dies behind so many writes; returns how many there were.
fn run_until(harness: &Harness, target: &Target, last: usize) -> Result<usize, Error> {
    let disk = DyingDisk::after(last)
        .ok_or_else(|| Error::new(ErrorKind::Sqlite, "SQLite does not take another file layer"))?;
    let outcome = harness.migrator().clone().on_dying_disk(&disk).upgrade(target);
    match outcome {
        Err(failure) if last == usize::MAX => Err(failure.into()),
        // Whatever it says: nobody is there to hear it.
        _ => Ok(disk.operations()),
    }
}

/// Copies a directory whole; nobody has it open.
fn copy_of(from: &Harness, registry: &Registry) -> Result<Harness, Error> {
    let copy = Harness::empty(registry.clone())?;
    copy_into(from.data_dir(), copy.data_dir())?;
    Ok(copy)
}

fn copy_into(from: &Path, to: &Path) -> Result<(), Error> {
    for entry in walkdir::WalkDir::new(from).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|error| io_on_file(error.into(), "read", from))?;
        let target = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        let copied = if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target)
        } else {
            std::fs::copy(entry.path(), &target).map(drop)
        };
        copied.map_err(|error| io_on_file(error, "copy", entry.path()))?;
    }
    Ok(())
}
