//! A directory that was moved after a crash, or copied, or is mounted at another place: what its
//! journals point to moved along, and SQLite alone would take an unfinished commit for a done one.

use std::path::Path;

use super::crashes::{Run, record, upgrade};
use super::world::{LATEST, World};
use crate::backup::{BackupManager, BackupOptions};
use crate::sqlite::vfs::disk::{Model, Random, disk_after};
use crate::system;

/// How many moments of the recorded run are looked at.
const MOMENTS: usize = 60;

/// Where a crashed directory is found.
#[derive(Clone, Copy)]
enum Found {
    /// Moved.
    Moved,
    /// Copied, and the original is still as the crash left it.
    Copied,
}

/// Who comes first to what the crash left.
#[derive(Clone, Copy)]
enum First {
    Run,
    Backup,
}

/// Puts a directory at another place.
fn put(from: &Path, to: &Path, how: Found) {
    std::fs::remove_dir_all(to).expect("empties");
    std::fs::create_dir(to).expect("makes");
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry.expect("reads");
        let target = to.join(entry.path().strip_prefix(from).expect("is below"));
        match (entry.file_type().is_dir(), how) {
            (true, _) => std::fs::create_dir(&target).expect("makes"),
            (false, Found::Moved) => std::fs::rename(entry.path(), &target).expect("moves"),
            (false, Found::Copied) => drop(std::fs::copy(entry.path(), &target).expect("copies")),
        }
    }
}

/// Moments of the whole run, evenly.
fn moments(run: &Run) -> Vec<usize> {
    let count = run.recording.operations.len();
    let step =
        if std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some() { 1 } else { count / MOMENTS };
    (0..=count).step_by(step.max(1)).collect()
}

#[track_caller]
fn check(how: Found, first: First) {
    let world = World::at(1);
    let run = record(&world, upgrade);
    let elsewhere = World::empty();
    let mut random = Random::new(5);
    let mut seen = [0; LATEST + 1];
    for at in moments(&run) {
        let disk = disk_after(&run.recording, at, Model::Kill, &mut random);
        disk.write_to(&world.path).expect("writes");
        put(&world.path, &elsewhere.path, how);
        let migrator = elsewhere.migrator();
        let told = migrator.status().expect("answers").current_version.expect("is migrated");
        match first {
            First::Run => drop(migrator.recover().expect("recovers")),
            First::Backup => {
                let manager = BackupManager::new(&elsewhere.path);
                manager.create_backup(&BackupOptions::default()).expect("makes");
            }
        }
        let version = elsewhere.version(&mut random);
        let version = version.unwrap_or_else(|what| panic!("behind operation {at}: {what}"));
        assert_eq!(format!("{version:04}"), told, "behind operation {at}");
        seen[version] += 1;
        upgrade(&migrator);
        elsewhere.refuse_leftovers(true).expect("leaves nothing");
        if matches!(how, Found::Copied) {
            let original = world.version(&mut random);
            assert!(original.is_ok(), "behind operation {at}, of the original: {original:?}");
        }
    }
    assert!(seen[1..].iter().all(|count| *count > 0), "{seen:?}");
}

// Proves G1.
#[test]
fn a_directory_that_is_moved_after_a_crash_is_at_one_version() {
    check(Found::Moved, First::Run);
}

// Proves G1.
#[test]
fn a_directory_that_is_copied_after_a_crash_is_at_one_version_and_so_is_the_original() {
    check(Found::Copied, First::Run);
}

#[test]
fn a_backup_of_a_directory_that_is_moved_after_a_crash_undoes_the_commit_first() {
    check(Found::Moved, First::Backup);
}

// Proves G1.
#[test]
fn a_crash_in_a_directory_whose_name_is_no_text_is_undone_in_all_files() {
    // Where every name is a text there is no such directory.
    let Some(name) = system::path_of(b"no text \xff") else { return };
    let world = World::named(name.as_os_str(), 1);
    let run = record(&world, upgrade);
    let mut random = Random::new(6);
    let mut seen = [0; LATEST + 1];
    for at in moments(&run) {
        let disk = disk_after(&run.recording, at, Model::Kill, &mut random);
        disk.write_to(&world.path).expect("writes");
        world.migrator().recover().expect("recovers");
        let version = world.version(&mut random);
        seen[version.unwrap_or_else(|what| panic!("behind operation {at}: {what}"))] += 1;
    }
    assert!(seen[1..].iter().all(|count| *count > 0), "{seen:?}");
}
