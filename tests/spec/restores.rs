//! Restores that are killed from outside, at any time: all files are the old ones or all are the new
//! ones, and the backup is as good as before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::Digest;

#[cfg(target_os = "linux")]
use agentos_migrate::rusqlite::Connection;
use agentos_migrate::{BackupManager, BackupOptions, Compression};
#[cfg(target_os = "linux")]
use agentos_migrate::{ErrorKind, RestoreOptions};

use crate::support::command::run;
use crate::support::{Directory, agentos};

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("reads") {
        let path = entry.expect("reads").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copies");
        }
    }
}

fn copy_of(template: &Directory) -> Directory {
    let copy = Directory::new();
    copy_tree(template.path(), copy.path());
    copy
}

/// What every file holds, by its path in the data directory.
///
/// But for the counters in a database's header, which also say that it was in another journal mode
/// meanwhile (<https://sqlite.org/fileformat2.html#the_database_header>); the mode itself counts. And
/// but for a journal that holds nothing to roll back, which SQLite keeps while it has a file for
/// itself, and overwrites (<https://sqlite.org/lockingv3.html#hot_journals>).
fn contents(directory: &Directory) -> BTreeMap<PathBuf, String> {
    let files = directory.contents().into_iter().filter(|(path, _)| !is_kept_journal(path));
    let files = files.map(|(path, hash)| {
        let inner = path.strip_prefix(directory.path()).expect("inside").to_owned();
        let is_database = inner.extension().is_some_and(|ending| ending == "db");
        let hash = if is_database { hash_without_counters(&path) } else { hash };
        (inner, hash)
    });
    files.collect()
}

fn is_kept_journal(path: &Path) -> bool {
    let is_journal = path.to_string_lossy().ends_with("-journal");
    is_journal && std::fs::read(path).expect("reads").first().is_none_or(|first| *first == 0)
}

fn hash_without_counters(path: &Path) -> String {
    let mut bytes = std::fs::read(path).expect("reads");
    for counter in [24..28, 92..100] {
        bytes.get_mut(counter).into_iter().for_each(|counter| counter.fill(0));
    }
    format!("{:x?}", sha2::Sha256::digest(&bytes))
}

/// A directory with a backup, and with changes since then in databases, blobs and other files.
fn template(compression: Compression) -> (Directory, String) {
    let directory = agentos::directory("agentos-v0");
    // So that the swap has more than a few renames.
    for number in 0..24 {
        directory.sql(&format!("more_{number}"), "CREATE TABLE t(a)");
    }
    let manager = BackupManager::new(directory.path());
    let options = BackupOptions { compression, ..BackupOptions::default() };
    let id = manager.create_backup(&options).expect("makes").backup_id;
    directory.sql("conversations", "DELETE FROM messages");
    for number in 0..24 {
        directory.sql(&format!("more_{number}"), "INSERT INTO t VALUES (1)");
    }
    std::fs::write(directory.file("later.txt"), "not there at the time").expect("writes");
    std::fs::write(directory.file("blobs/later"), "neither").expect("writes");
    (directory, id)
}

// Proves G5.
#[test]
fn a_restore_killed_at_any_time_leaves_all_files_old_or_all_new() {
    let exhaustive = std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some();
    let rounds: u32 = if exhaustive { 150 } else { 8 };
    for compression in [Compression::Zstd, Compression::None] {
        let (template, id) = template(compression);
        let old = contents(&template);
        let whole = copy_of(&template);
        let begun = Instant::now();
        assert_eq!(run(whole.path(), &["restore", &id, "--yes"]).code, 0);
        let length = begun.elapsed();
        let new = contents(&whole);
        assert_ne!(old, new);
        let (mut n_killed, mut n_old, mut n_new) = (0, 0, 0);
        for round in 0..rounds {
            let directory = copy_of(&template);
            // Spread over the whole time, the last part, where files are swapped, more often.
            let part = f64::from(round) / f64::from(rounds);
            let part = if round % 2 == 0 { part } else { 0.75 + part / 4.0 };
            n_killed += u32::from(killed(&directory, &id, length.mul_f64(part)));
            let asked = run(directory.path(), &["status"]);
            let is_pending = directory.file(".agentos-migrate/restore.json").exists();
            assert_eq!(asked.code, if is_pending { 6 } else { 0 }, "{part} {}", asked.err);
            let recovered = run(directory.path(), &["recover"]);
            assert_eq!(recovered.code, 0, "{part} {}", recovered.err);
            let found = contents(&directory);
            n_old += u32::from(found == old);
            n_new += u32::from(found == new);
            let differing = |other: &BTreeMap<PathBuf, String>| -> Vec<PathBuf> {
                let names = found.keys().chain(other.keys());
                names.filter(|name| found.get(*name) != other.get(*name)).cloned().collect()
            };
            assert!(
                found == old || found == new,
                "killed at {part} of {length:?}: not old are {:?}, not new are {:?}",
                differing(&old),
                differing(&new)
            );
            assert_eq!(run(directory.path(), &["verify", "--backup", &id]).code, 0);
            assert_eq!(run(directory.path(), &["restore", &id, "--yes"]).code, 0);
            assert_eq!(contents(&directory), new);
        }
        assert!(n_killed >= rounds / 3, "only {n_killed} of {rounds} were killed");
        assert!(n_old > 0, "{n_old} old, {n_new} new");
    }
}

/// Starts a restore and kills it; returns whether it still ran.
fn killed(directory: &Directory, id: &str, after: Duration) -> bool {
    let mut child = crate::processes::start(directory, &["restore", id, "--yes"]);
    std::thread::sleep(after);
    let still_ran = child.try_wait().expect("asks").is_none();
    // SIGKILL, on Unix.
    child.kill().expect("kills");
    child.wait().expect("ends");
    still_ran
}

#[cfg(target_os = "linux")]
#[test]
fn a_restore_waits_for_connections_of_its_own_program_as_for_those_of_others() {
    let directory = Directory::new();
    std::fs::create_dir(directory.file("folder")).expect("makes");
    for database in ["notes", "folder/more"] {
        directory.sql(database, "CREATE TABLE t(a)");
    }
    let manager = BackupManager::new(directory.path()).with_wait(Duration::from_millis(60));
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let restore = || manager.restore_backup(&id, &RestoreOptions::default());
    for database in ["notes", "folder/more"] {
        let path = directory.file(&format!("{database}.db"));
        let program = Connection::open(path).expect("opens");
        program.execute("INSERT INTO t VALUES (1)", []).expect("writes");
        let error = restore().expect_err("what the program writes next would be lost");
        assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
        assert!(error.details().iter().any(|line| line.contains("this program")), "{error:?}");
        drop(program);
        assert_eq!(directory.ask(database, "SELECT count(*) FROM t"), "1");
    }
    restore().expect("restores");
    for database in ["notes", "folder/more"] {
        assert_eq!(directory.ask(database, "SELECT count(*) FROM t"), "0");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_restore_that_can_not_replace_one_entry_puts_the_others_back() {
    use std::os::unix::fs::PermissionsExt;

    use crate::support::command::Nobody;
    let nobody = Nobody::new();
    let (directory, id) = template(Compression::None);
    Nobody::give(directory.path());
    let folder = directory.file("crypto");
    let set_mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&folder, mode).expect("sets");
    };
    // To move a folder is to write to it: its `..` changes.
    set_mode(0o555);
    let before = contents(&directory);
    let refused = nobody.run(directory.path(), &["restore", &id, "--yes", "--json"]);
    let error = &refused.json()["error"];
    assert_eq!((refused.code, error["code"].as_str()), (1, Some("permission_denied")), "{error}");
    let state = error["state_on_disk"].to_string();
    assert!(state.contains("back in its place: nothing was changed"), "{error}");
    assert!(error["hint"].to_string().contains("chmod u+w"), "{error}");
    assert_eq!(contents(&directory), before);
    assert_eq!(nobody.run(directory.path(), &["status"]).code, 0, "nothing is half done");
    set_mode(0o755);
    assert_eq!(nobody.run(directory.path(), &["restore", &id, "--yes"]).code, 0);
    assert_ne!(contents(&directory), before);
}
