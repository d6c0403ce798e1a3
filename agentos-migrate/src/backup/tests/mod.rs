//! Backups and restores under faults: at every file operation the disk is full once, full
//! from then on, fails, or the process dies. Old backups stay, data is all old or all new.

#[cfg(unix)]
mod crashes;

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use super::faults::{ABORT_AT, Fault, under};
use super::{BackupManager, BackupOptions, Compression, RestoreOptions};
use crate::error::ErrorKind;
use crate::{Migration, Migrator, Options, Registry, Target};

const DATABASES: [&str; 3] = ["chat", "rules", "migrations"];

fn fill(data_dir: &Path, value: &str) {
    for name in DATABASES {
        let connection = Connection::open(data_dir.join(format!("{name}.db"))).expect("opens");
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS t(a); DELETE FROM t; INSERT INTO t VALUES ('{value}')"
        );
        connection.execute_batch(&sql).expect("fills");
        if name == "chat" {
            connection.execute_batch("PRAGMA journal_mode = WAL").expect("switches");
        }
    }
    std::fs::create_dir_all(data_dir.join("blobs/a")).expect("creates");
    std::fs::write(data_dir.join("blobs/a/one.blob"), value).expect("writes");
    std::fs::write(data_dir.join("keys.json"), value).expect("writes");
}

/// Returns the value that every file holds; fails if they differ.
fn value(data_dir: &Path) -> String {
    let mut found: Vec<String> = DATABASES
        .iter()
        .map(|name| {
            let connection = Connection::open(data_dir.join(format!("{name}.db"))).expect("opens");
            connection.query_row("SELECT a FROM t", [], |row| row.get(0)).expect("reads")
        })
        .collect();
    found.push(std::fs::read_to_string(data_dir.join("blobs/a/one.blob")).expect("reads"));
    found.push(std::fs::read_to_string(data_dir.join("keys.json")).expect("reads"));
    found.dedup();
    assert_eq!(found.len(), 1, "a mixture: {found:?}");
    found.remove(0)
}

/// Whether the file that was in WAL mode is so again.
fn is_wal(data_dir: &Path) -> bool {
    crate::sqlite::vfs::is_wal(&data_dir.join("chat.db")).expect("reads")
}

fn options(compression: Compression) -> BackupOptions {
    BackupOptions { compression, ..BackupOptions::default() }
}

#[test]
fn a_full_or_failing_disk_at_any_operation_leaves_the_earlier_backups_and_no_half_one() {
    for compression in [Compression::Zstd, Compression::None] {
        let directory = tempfile::tempdir().expect("a directory");
        fill(directory.path(), "one");
        let manager = BackupManager::new(directory.path());
        let first = manager.create_backup(&options(compression)).expect("makes").backup_id;
        fill(directory.path(), "two");
        let (_, count) =
            under(Fault::None, || manager.create_backup(&options(compression)).expect("makes"));
        for at in 1..=count {
            for fault in [Fault::FullOnce(at), Fault::FullFrom(at), Fault::DeviceOnce(at)] {
                let before = manager.list_backups().expect("lists").len();
                let (outcome, _) = under(fault, || manager.create_backup(&options(compression)));
                let after = manager.list_backups().expect("lists");
                assert!(
                    after.iter().all(|entry| entry.problem.is_none()),
                    "half a backup is listed"
                );
                assert!(
                    after.len() == before + usize::from(outcome.is_ok())
                        || after.len() == before + 1
                );
                assert_eq!(value(directory.path()), "two");
            }
        }
        manager.verify_backup(&first).expect("still good");
        manager.create_backup(&options(compression)).expect("makes, when there is space");
        let left = std::fs::read_dir(manager.directory()).expect("reads").flatten();
        assert!(
            left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".tmp"))
        );
    }
}

#[test]
fn a_full_or_failing_disk_at_any_operation_of_a_restore_leaves_all_old_or_all_new() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), "old");
    let manager = BackupManager::new(directory.path());
    let id = manager.create_backup(&options(Compression::None)).expect("makes").backup_id;
    let restore = || manager.restore_backup(&id, &RestoreOptions::default());
    fill(directory.path(), "new");
    let (outcome, count) = under(Fault::None, restore);
    outcome.expect("restores");
    for at in 1..=count {
        for fault in [Fault::FullOnce(at), Fault::FullFrom(at), Fault::DeviceOnce(at)] {
            fill(directory.path(), "new");
            let (outcome, _) = under(fault, restore);
            let said = outcome.as_ref().err().and_then(|error| error.state()).unwrap_or_default();
            if said.ends_with("nothing was changed") {
                assert_eq!(value(directory.path()), "new", "operation {at} was undone");
            } else if said.starts_with("all files are restored") {
                assert_eq!(value(directory.path()), "old", "operation {at} was the last but a few");
            } else if outcome.is_err() {
                let is_lasting = matches!(fault, Fault::FullFrom(_));
                assert!(is_lasting && super::pending(directory.path()), "operation {at}: {said}");
            }
            manager.recover_alone().expect("recovers");
            assert!(is_wal(directory.path()), "operation {at}");
            let found = value(directory.path());
            assert!(
                found == "old" || outcome.is_err() && found == "new",
                "operation {at}: {found}"
            );
        }
    }
}

// Proves G5.
#[test]
fn a_process_killed_at_any_operation_of_a_restore_leaves_all_old_or_all_new() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), "old");
    let manager = BackupManager::new(directory.path());
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let (mut old, mut new) = (0, 0);
    for at in 1.. {
        fill(directory.path(), "new");
        let died = child("restore", directory.path(), &id, at);
        manager.recover_alone().expect("recovers");
        assert!(is_wal(directory.path()), "operation {at}");
        match value(directory.path()).as_str() {
            "old" => old += 1,
            _ => new += 1,
        }
        if !died {
            break;
        }
    }
    assert!(old > 3 && new > 3, "{old} restored, {new} not");
}

// Proves G5.
#[test]
fn a_process_killed_at_any_operation_of_a_backup_leaves_no_half_one() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), "one");
    let manager = BackupManager::new(directory.path());
    let first = manager.create_backup(&options(Compression::None)).expect("makes").backup_id;
    for work in ["backup", "folder"] {
        let n_died = (1..).take_while(|at| {
            let died = child(work, directory.path(), "", *at);
            for entry in manager.list_backups().expect("lists") {
                manager.verify_backup(&entry.id).expect("what is listed is whole");
                if entry.id != first {
                    manager.delete_backup(&entry.id).expect("removes");
                }
            }
            died
        });
        assert!(n_died.count() > 15, "{work}");
    }
    manager.verify_backup(&first).expect("still good");
    let last = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    manager.verify_backup(&last).expect("good");
    let left = std::fs::read_dir(manager.directory()).expect("reads").flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".tmp")));
}

#[test]
fn a_process_killed_at_any_operation_of_a_removal_leaves_whole_backups_only() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), "one");
    let manager = BackupManager::new(directory.path());
    for at in 1.. {
        let old = manager.create_backup(&options(Compression::None)).expect("makes").backup_id;
        let newest = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
        let died = child("prune", directory.path(), "", at);
        for entry in manager.list_backups().expect("lists") {
            manager.verify_backup(&entry.id).expect("what is listed is whole");
        }
        manager.recover_locked().expect("cleans");
        let left: Vec<_> =
            std::fs::read_dir(manager.directory()).expect("reads").flatten().collect();
        assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with('.')));
        manager.verify_backup(&newest).expect("the newest stays");
        if !died {
            assert!(at > 3 && manager.verify_backup(&old).is_err(), "{at}");
            break;
        }
    }
}

#[test]
fn a_recovery_killed_at_any_operation_is_finished_by_the_next() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), "old");
    let manager = BackupManager::new(directory.path());
    let id = manager.create_backup(&options(Compression::None)).expect("makes").backup_id;
    let mut n_killed = 0;
    for restore_at in 1.. {
        fill(directory.path(), "new");
        if !child("restore", directory.path(), &id, restore_at) {
            break;
        }
        // Most recoveries have nothing but leftovers to remove: of those, each fifth will do.
        if !super::pending(directory.path()) && restore_at % 5 != 0 {
            manager.recover_locked().expect("recovers");
            continue;
        }
        for at in 1.. {
            if at > 1 {
                fill(directory.path(), "new");
                assert!(child("restore", directory.path(), &id, restore_at), "as before");
            }
            let died = child("recover", directory.path(), "", at);
            manager.recover_locked().expect("recovers");
            value(directory.path());
            manager.verify_backup(&id).expect("still good");
            if !died {
                break;
            }
            n_killed += 1;
        }
    }
    assert!(n_killed > 20, "{n_killed} recoveries were killed");
}

#[test]
fn a_full_or_failing_disk_at_any_operation_of_a_removal_leaves_whole_backups_only() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), "one");
    let manager = BackupManager::new(directory.path());
    let fill_up = || {
        manager.create_backup(&options(Compression::None)).expect("makes");
        manager.create_backup(&BackupOptions::default()).expect("makes").backup_id
    };
    fill_up();
    let (removed, count) = under(Fault::None, || manager.cleanup_old_backups(1, 0));
    assert_eq!(removed.expect("removes").removed.len(), 1);
    for at in 1..=count {
        for fault in [Fault::FullOnce(at), Fault::FullFrom(at), Fault::DeviceOnce(at)] {
            let newest = fill_up();
            let (outcome, _) = under(fault, || manager.cleanup_old_backups(1, 0));
            for entry in manager.list_backups().expect("lists") {
                manager.verify_backup(&entry.id).expect("what is listed is whole");
            }
            if let Err(error) = outcome {
                let expected = match fault {
                    Fault::DeviceOnce(_) => ErrorKind::Io,
                    _ => ErrorKind::DiskFull,
                };
                assert_eq!(error.kind(), expected, "{error}");
            }
            manager.verify_backup(&newest).expect("the newest stays");
            manager.cleanup_old_backups(1, 0).expect("removes, when there is space");
            assert_eq!(manager.list_backups().expect("lists").len(), 1);
        }
    }
}

#[test]
fn a_backup_that_somebody_else_removes_meanwhile_does_not_stop_the_others_from_going() {
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), "one");
    let manager = BackupManager::new(directory.path());
    let ids: Vec<String> = (0..3)
        .map(|_| manager.create_backup(&BackupOptions::default()).expect("makes").backup_id)
        .collect();
    manager.delete_backup(&ids[0]).expect("somebody else");
    super::retention::delete_all(&manager.place, &ids[..2]).expect("removes the other");
    let left: Vec<String> =
        manager.list_backups().expect("lists").into_iter().map(|entry| entry.id).collect();
    assert_eq!(left, ids[2..]);
}

#[test]
fn a_run_whose_old_backups_cannot_be_removed_says_what_it_applied() {
    let set =
        ["0001", "0002", "0003"].map(|version| Migration::new(version, &["chat"], |_| Ok(())));
    let set = Registry::new(&["chat"], set.to_vec());
    let to = |version: &str| Target::Version(version.parse().expect("a version"));
    let mut told = 0;
    for at in 1.. {
        let directory = tempfile::tempdir().expect("a directory");
        let migrator = |options| Migrator::new(set.clone(), directory.path()).with_options(options);
        for version in ["0001", "0002"] {
            migrator(Options::default()).upgrade(&to(version)).expect("upgrades");
        }
        let last = migrator(Options::default().keep_backups(0));
        let (outcome, count) = under(Fault::DeviceOnce(at), || last.upgrade(&Target::Latest));
        let applied = last.status().expect("asks").applied_count;
        match outcome {
            Ok(_) if count < at => break,
            Ok(_) => assert_eq!(applied, 3),
            Err(failure) => {
                let is_committed = failure.state()
                    == Some("the run is committed; old backups are not all removed");
                assert_eq!(failure.report.results.len(), usize::from(is_committed), "{failure:?}");
                assert_eq!(applied, if is_committed { 3 } else { 2 }, "{failure:?}");
                told += usize::from(is_committed);
            }
        }
    }
    assert!(told > 2, "{told}");
}

/// Runs this test program again as a child that dies at an operation; returns whether it did.
fn child(what: &str, data_dir: &Path, id: &str, at: u64) -> bool {
    let status = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "backup::tests::child_works_until_it_is_killed"])
        .env(ABORT_AT, at.to_string())
        .env("AGENTOS_MIGRATE_TEST_WORK", what)
        .env("AGENTOS_MIGRATE_TEST_DIRECTORY", data_dir)
        .env("AGENTOS_MIGRATE_TEST_ID", id)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("runs");
    !status.success()
}

/// Not a test of its own: the child of the tests above.
#[test]
fn child_works_until_it_is_killed() {
    let Ok(what) = std::env::var("AGENTOS_MIGRATE_TEST_WORK") else { return };
    let variable = |name| std::env::var(name).expect("set by the parent");
    let manager = BackupManager::new(variable("AGENTOS_MIGRATE_TEST_DIRECTORY"));
    match what.as_str() {
        "backup" => drop(manager.create_backup(&BackupOptions::default()).expect("makes")),
        "folder" => drop(manager.create_backup(&options(Compression::None)).expect("makes")),
        "recover" => drop(manager.recover_locked().expect("recovers")),
        "prune" => drop(manager.cleanup_old_backups(1, 0).expect("removes")),
        _ => {
            let id = variable("AGENTOS_MIGRATE_TEST_ID");
            drop(manager.restore_backup(&id, &RestoreOptions::default()).expect("restores"));
        }
    }
}
