//! Places: a data directory may lie anywhere that SQLite can follow, under any name; where it can
//! not, that is said before the first write. Temporary files lie where they are told to, and not longer.

use std::path::{Path, PathBuf};
use std::process::Command;
#[cfg(unix)]
use std::process::Stdio;

#[cfg(unix)]
use agentos_migrate::RestoreOptions;
use agentos_migrate::{BackupManager, BackupOptions, ErrorKind, Migrator, Registry, Target};

#[cfg(unix)]
use crate::support::command::run_with_files_up_to;
use crate::support::command::{command, said};
#[cfg(unix)]
use crate::support::hash_of;
use crate::support::{Directory, agentos, migrator, registry, sql, three};

/// Returns a new folder below the directory, whose path has so many bytes.
fn folder_of(directory: &Directory, bytes: usize) -> PathBuf {
    let mut path = directory.path().canonicalize().expect("a real path");
    while path.as_os_str().len() + 200 < bytes {
        path.push("x".repeat(100));
    }
    path.push("y".repeat(bytes - path.as_os_str().len() - 1));
    assert_eq!(path.as_os_str().len(), bytes);
    std::fs::create_dir_all(&path).expect("makes");
    path
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).expect("reads").all(|entry| entry.expect("reads").path().is_dir())
}

// SQLite takes a pointer to a super-journal with a longer name for none: after a crash behind the
// commit it would roll back those files whose journals are left.
#[test]
fn a_path_is_refused_in_which_sqlite_would_not_follow_a_super_journal() {
    let directory = Directory::new();
    // The longest name in it is that of `migrations.db-mj0123AB9CD`.
    let longest = 512 - "/migrations.db-mj0123AB9CD".len();
    let fits = folder_of(&directory, longest);
    Migrator::new(registry(three()), &fits).upgrade(&Target::Latest).expect("upgrades");
    let too_long = folder_of(&directory, longest + 1);
    let migrator = Migrator::new(registry(three()), &too_long);
    let error = migrator.upgrade(&Target::Latest).expect_err("is too long").error;
    assert_eq!(error.kind(), ErrorKind::DataDirectory, "{error:?}");
    assert!(format!("{error:?}").contains("up to 512 bytes"), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("shorter path")), "{error:?}");
    assert!(is_empty(&too_long));
}

#[test]
fn a_backup_folder_whose_path_is_too_long_is_told_as_that() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a)");
    let folder = folder_of(&directory, 480);
    let manager = BackupManager::new(directory.path()).with_directory(&folder);
    let error = manager.create_backup(&BackupOptions::default()).expect_err("is too long");
    assert!(error.hint().is_some_and(|hint| hint.contains("512 bytes")), "{error:?}");
}

#[cfg(unix)]
#[test]
fn a_directory_whose_name_is_no_text_is_backed_up_and_restored() {
    use std::os::unix::ffi::OsStrExt;
    let directory = Directory::new();
    let path = directory.path().join(std::ffi::OsStr::from_bytes(b"no text \xff %?#"));
    std::fs::create_dir(&path).expect("makes");
    let migrator = Migrator::new(registry(three()), &path);
    migrator.upgrade(&Target::Version("0002".parse().expect("a version"))).expect("upgrades");
    let upgraded = migrator.upgrade(&Target::Latest).expect("upgrades");
    let id = upgraded.backup_id.expect("a backup before it");
    let manager = BackupManager::for_registry(migrator.registry(), &path);
    manager.verify_backup(&id).expect("is good");
    manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
    assert_eq!(migrator.status().expect("answers").current_version.as_deref(), Some("0002"));
    assert_eq!(migrator.verify().expect("verifies").findings, []);
}

#[test]
fn an_empty_name_of_the_folder_for_temporary_files_is_not_the_working_directory() {
    let directory = agentos::directory("agentos-v2");
    for arguments in [&["verify"][..], &["upgrade", "--dry-run"]] {
        let mut asked = command(directory.path(), &[arguments, &["--json"]].concat());
        let said = said(asked.env("TMPDIR", "").output().expect("runs"));
        let error = &said.json()["error"];
        assert_eq!((said.code, error["code"].as_str()), (64, Some("usage")), "{error}");
        assert!(error["message"].to_string().contains("`TMPDIR` is empty"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_question_that_a_signal_ends_leaves_no_copies() {
    let directory = agentos::directory("agentos-v0-crashed");
    let temporary = Directory::new();
    let count = || std::fs::read_dir(temporary.path()).expect("reads").count();
    let mut n_ended = 0;
    for round in 0..12 {
        let arguments = [&["lint"][..], &["verify"]][round % 2];
        let mut asked = command(directory.path(), arguments);
        asked.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = asked.spawn().expect("starts");
        let mut status = None;
        while status.is_none() && count() == 0 {
            status = child.try_wait().expect("asks");
        }
        let process = child.id().to_string();
        let signalled = Command::new("kill").args(["-TERM", &process]).status();
        assert!(signalled.is_ok(), "a child that is not waited for is there");
        let status = child.wait().expect("ends");
        n_ended += usize::from(status.code() == Some(130));
        assert_eq!(count(), 0, "round {round}: {status}");
    }
    assert!(n_ended > 6, "only {n_ended} were ended by the signal");
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_beside_a_write_ahead_log_is_told_as_full() {
    let directory = agentos::directory("agentos-v2");
    directory.sql("rules", "PRAGMA journal_mode = WAL");
    for arguments in [&["upgrade", "--no-backup"][..], &["backup"]] {
        let said = run_with_files_up_to(8, directory.path(), &[arguments, &["--json"]].concat());
        let error = &said.json()["error"];
        assert_eq!((said.code, error["code"].as_str()), (1, Some("disk_full")), "{error}");
        assert!(error["hint"].to_string().contains("free some space"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_database_with_a_second_name_is_not_written() {
    let directory = Directory::new();
    let copy = Directory::new();
    let migrator = migrator(&directory, three());
    let target = Target::Version("0002".parse().expect("a version"));
    migrator.upgrade(&target).expect("upgrades");
    let linked = copy.file("rules.db");
    std::fs::hard_link(directory.file("rules.db"), &linked).expect("links, as `cp -al` does");
    let before = directory.contents();
    let error = migrator.upgrade(&Target::Latest).expect_err("the copy would change too").error;
    assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
    assert!(error.to_string().contains("rules.db has 2 names"), "{error}");
    assert_eq!(directory.contents(), before);
    // What the hint says.
    let own = copy.file("own");
    std::fs::copy(&linked, &own).expect("copies");
    std::fs::rename(own, directory.file("rules.db")).expect("moves");
    migrator.upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(hash_of(&linked), before[&directory.file("rules.db")]);
}

#[cfg(unix)]
#[test]
fn two_databases_that_a_link_makes_one_are_told_as_that() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a)");
    std::os::unix::fs::symlink("chat.db", directory.file("rules.db")).expect("links");
    let error = migrator(&directory, three()).upgrade(&Target::Latest).expect_err("one").error;
    assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
    assert_eq!(error.to_string(), "the databases chat and rules are one file");
}

#[test]
fn the_directory_of_another_program_is_told_as_that_and_not_mended() {
    let directory = Directory::new();
    let target = Target::Version("0001".parse().expect("a version"));
    migrator(&directory, three()).upgrade(&target).expect("upgrades");
    let create = sql("0001", "tools", "CREATE TABLE tool(a)", "DROP TABLE tool").name("tools");
    let other = Migrator::new(Registry::new(&["tools"], vec![create]), directory.path());
    let before = directory.contents();
    for error in [
        other.status().expect_err("not its own"),
        other.upgrade(&Target::Latest).expect_err("not its own").error,
        other.recover().expect_err("not its own"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
        let line = "0001 is `step_0001` there, and `tools` in this program";
        assert_eq!(error.details(), [line]);
        assert!(error.hint().is_some_and(|hint| hint.contains("--data-dir")), "{error:?}");
        assert_eq!(directory.contents(), before);
    }
}

#[cfg(target_os = "linux")]
fn refuse_other_owners(path: &Path, owner: u32) {
    let metadata = path.symlink_metadata().expect("reads");
    let uid = std::os::unix::fs::MetadataExt::uid(&metadata);
    assert_eq!(uid, owner, "{}", path.display());
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).expect("reads") {
            refuse_other_owners(&entry.expect("reads").path(), owner);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_root_makes_in_the_directory_of_a_user_is_the_users() {
    use std::os::unix::fs::MetadataExt;

    use crate::support::command::{Nobody, run};
    let nobody = Nobody::new();
    let directory = agentos::directory("agentos-v0");
    Nobody::give(directory.path());
    let owner = std::fs::metadata(directory.path()).expect("is there").uid();
    let path = directory.path();
    assert_eq!(run(path, &["upgrade"]).code, 0);
    let id = BackupManager::new(path).list_backups().expect("lists")[0].id.clone();
    assert_eq!(run(path, &["restore", &id, "--yes"]).code, 0);
    refuse_other_owners(path, owner);
    for arguments in [&["upgrade"][..], &["restore", &id, "--yes"], &["upgrade"], &["verify"]] {
        let said = nobody.run(path, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    }
}

#[test]
fn an_empty_name_of_the_data_directory_is_told_by_the_variable_that_holds_it() {
    let mut asked = Command::new(env!("CARGO_BIN_EXE_command-line-under-test"));
    asked.arg("status").env("AGENT_OS_DATA_DIR", "");
    let said = said(asked.output().expect("runs"));
    assert_eq!(said.code, 64);
    assert!(said.err.contains("the variable AGENT_OS_DATA_DIR is empty"), "{}", said.err);
}
