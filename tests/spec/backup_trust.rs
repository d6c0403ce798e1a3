//! Backups that say something else than they hold, are named otherwise, or meet another directory:
//! what is not as it was is named, and nothing is replaced that nobody sees.

#[cfg(unix)]
use std::path::Path;
use std::time::{Duration, Instant};

use agentos_migrate::{
    BackupManager, BackupOptions, Compression, Error, ErrorKind, Manifest, RestoreOptions,
};

use crate::support::Directory;
#[cfg(unix)]
use crate::support::agentos;
use crate::support::command::run;
#[cfg(unix)]
use crate::support::command::{command, said};

fn folder() -> BackupOptions {
    BackupOptions { compression: Compression::None, ..BackupOptions::default() }
}

fn filled() -> (Directory, BackupManager) {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a); INSERT INTO t VALUES ('old')");
    let manager = BackupManager::new(directory.path());
    (directory, manager)
}

fn made(manager: &BackupManager) -> String {
    manager.create_backup(&folder()).expect("makes").backup_id
}

/// Changes the manifest of a folder, as somebody with an editor does.
fn edit(manager: &BackupManager, id: &str, key: &str, value: impl Into<serde_json::Value>) {
    let path = manager.directory().join(id).join("manifest.json");
    let text = std::fs::read_to_string(&path).expect("reads");
    let mut manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    manifest[key] = value.into();
    std::fs::write(&path, manifest.to_string()).expect("writes");
}

/// Packs a folder into an archive of the same name, and removes it.
fn pack(manager: &BackupManager, id: &str) {
    let path = manager.directory().join(id);
    let file = std::fs::File::create(manager.directory().join(format!("{id}.tar.zst")));
    let encoder = zstd::stream::Encoder::new(file.expect("creates"), 1).expect("zstd");
    let mut builder = tar::Builder::new(encoder);
    builder.append_dir_all(id, &path).expect("packs");
    builder.into_inner().expect("packs").finish().expect("packs");
    std::fs::remove_dir_all(path).expect("removes");
}

#[track_caller]
fn damaged(outcome: Result<Manifest, Error>, what: &str) {
    let error = outcome.expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::DamagedBackup, "{error:?}");
    assert!(format!("{error:?}").contains(what), "{error:?}");
}

#[test]
fn a_database_that_the_manifest_does_not_name_is_named_and_not_restored() {
    for packed in [false, true] {
        let (directory, manager) = filled();
        let id = made(&manager);
        let databases = manager.directory().join(&id).join("databases");
        std::fs::copy(databases.join("chat.db"), databases.join("extra.db")).expect("copies");
        std::fs::write(databases.join("chat.db-wal"), "").expect("a trace of a look");
        if packed {
            pack(&manager, &id);
        }
        let what = "databases/extra.db: the manifest does not name it";
        damaged(manager.verify_backup(&id), what);
        let report = manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
        assert_eq!(report.not_used, ["databases/extra.db"]);
        assert!(!directory.file("extra.db").exists() && !directory.file("chat.db-wal").exists());
        let said = run(directory.path(), &["restore", &id, "--yes"]);
        assert!(said.out.contains("not used: databases/extra.db"), "{}{}", said.out, said.err);
    }
}

#[test]
fn a_time_that_was_edited_makes_no_backup_the_newest() {
    let (_directory, manager) = filled();
    let (forged, newest) = (made(&manager), made(&manager));
    edit(&manager, &forged, "created_at", "9999-01-01T00:00:00.000000Z");
    let entries = manager.list_backups().expect("lists");
    assert_eq!(entries[0].id, newest);
    let problem = entries[1].problem.as_deref().unwrap_or_default();
    assert!(problem.contains("made at 9999-01-01") && problem.contains("another day"), "{problem}");
    damaged(manager.verify_backup(&forged), "9999");
    let cleanup = manager.cleanup_old_backups(0, 0).expect("cleans");
    assert_eq!((cleanup.removed, cleanup.kept_damaged), (Vec::new(), vec![forged]));
}

#[test]
fn a_manifest_that_was_edited_is_known_by_its_own_sum() {
    for packed in [false, true] {
        let (_directory, manager) = filled();
        let (good, forged) = (made(&manager), made(&manager));
        edit(&manager, &forged, "sequence", 4_000_000);
        if packed {
            pack(&manager, &forged);
        }
        damaged(manager.verify_backup(&forged), "manifest.json: it was changed");
        let refused = manager.restore_backup(&forged, &RestoreOptions::default());
        assert_eq!(refused.expect_err("changed").kind(), ErrorKind::DamagedBackup);
        let cleanup = manager.cleanup_old_backups(1, 0).expect("cleans");
        assert!(cleanup.removed.is_empty(), "the good one is the newest: {cleanup:?}");
        manager.verify_backup(&good).expect("good");
    }
    let (_directory, manager) = filled();
    let id = made(&manager);
    std::fs::remove_file(manager.directory().join(&id).join("SHA256SUMS")).expect("removes");
    damaged(manager.verify_backup(&id), "SHA256SUMS: it is missing");
}

#[test]
fn a_backup_under_another_name_is_named_and_not_used() {
    let (directory, manager) = filled();
    let id = made(&manager);
    let other = "backup_20990101_000000_00000000";
    std::fs::rename(manager.directory().join(&id), manager.directory().join(other))
        .expect("renames");
    damaged(manager.verify_backup(other), &format!("its manifest is that of {id}"));
    let before = directory.contents();
    let said = run(directory.path(), &["restore", other, "--yes"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert_eq!(directory.contents(), before);
}

#[cfg(unix)]
#[test]
fn a_backup_without_modes_keeps_those_of_the_files_that_it_replaces() {
    use std::os::unix::fs::PermissionsExt;

    let directory = agentos::directory("agentos-v2");
    let manager = BackupManager::for_registry(&migrations::registry(), directory.path());
    let mode =
        |name: &str| directory.file(name).metadata().expect("there").permissions().mode() & 0o777;
    let set = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(directory.file("rules.db"), set).expect("sets");
    std::fs::remove_file(directory.file("audit.db")).expect("removes");
    let id = "backup_20261123_094130_b8f49313";
    manager.restore_backup(id, &RestoreOptions::default()).expect("restores");
    assert_eq!((mode("rules.db"), mode("audit.db")), (0o640, 0o600));
}

#[cfg(unix)]
#[test]
fn a_link_is_neither_replaced_nor_removed_by_a_restore() {
    let (directory, manager) = filled();
    let elsewhere = Directory::new();
    let id = made(&manager);
    let link = |name: &str, target: &Path| {
        std::os::unix::fs::symlink(target, directory.file(name)).expect("links");
    };
    link("shared", elsewhere.path());
    manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
    assert!(directory.file("shared").is_symlink(), "no backup holds a link");
    let real = elsewhere.file("real.db");
    std::fs::rename(directory.file("chat.db"), &real).expect("moves");
    link("chat.db", &real);
    let before = directory.contents();
    let error = manager.restore_backup(&id, &RestoreOptions::default()).expect_err("a link");
    assert_eq!((error.kind(), error.state()), (ErrorKind::Usage, Some("nothing was changed")));
    let real = real.display().to_string();
    assert!(error.details()[0].ends_with(&format!("chat.db leads to {real}")), "{error:?}");
    assert_eq!(directory.contents(), before);
    assert!(directory.file("chat.db").is_symlink());
}

#[test]
fn prune_names_the_damaged_ones_that_it_keeps_and_clears_up_after_one_that_was_killed() {
    let (directory, manager) = filled();
    let ids: Vec<String> = (0..3).map(|_| made(&manager)).collect();
    std::fs::write(manager.directory().join(&ids[0]).join("manifest.json"), "{").expect("spoils");
    let left = manager.directory().join(".tmp-removed-backup_20260101_000000_00000000");
    std::fs::create_dir(&left).expect("makes");
    let preview = run(directory.path(), &["prune", "--keep", "1", "--dry-run"]);
    assert!(left.exists(), "a question");
    for said in [preview, run(directory.path(), &["prune", "--keep", "1"])] {
        assert_eq!(said.code, 0, "{}", said.err);
        let kept =
            format!("kept  {0}, which is no good one: `verify --backup {0}` says why", ids[0]);
        assert!(said.out.contains(&kept) && said.out.contains(&ids[1]), "{}", said.out);
    }
    assert!(!left.exists());
    let json = run(directory.path(), &["prune", "--keep", "1", "--json"]).json();
    let expected = serde_json::json!({
        "removed": [], "kept_damaged": [ids[0]], "kept_for": {}, "removed_replaced": [],
        "dry_run": false,
    });
    assert_eq!(json, expected);
}

/// A database that is quick to write and slow to check: its computed column is dear, and nothing asks for it while writing.
fn slow_to_check(directory: &Directory) {
    directory.sql(
        "chat",
        "CREATE TABLE t (a INTEGER, b TEXT NOT NULL AS (replace(hex(zeroblob(6000 + a % 100)), '0', 'x')) VIRTUAL) STRICT;
        PRAGMA ignore_check_constraints = ON;
        INSERT INTO t (a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24000) SELECT i FROM n",
    );
}

/// Stops some work after an eighth of the time that a backup takes; it ends long before its own end.
#[track_caller]
fn stops(manager: &BackupManager, whole: Duration, work: impl Fn(&BackupManager) -> Error) {
    let attempt = || {
        let begun = Instant::now();
        let stopping = manager.clone().with_listener(move |_| {
            if begun.elapsed() < whole / 8 {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        });
        let error = work(&stopping);
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
        begun.elapsed()
    };
    // Another test may have had the machine meanwhile.
    let times: Vec<Duration> = (0..3).map(|_| attempt()).take_while(|t| *t > whole / 2).collect();
    assert!(times.len() < 3, "{times:?} of {whole:?}");
}

#[test]
fn a_check_by_sqlite_that_takes_long_is_stopped_on_request() {
    let directory = Directory::new();
    slow_to_check(&directory);
    let manager = BackupManager::new(directory.path());
    let begun = Instant::now();
    let archive = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let ids = [made(&manager), archive];
    let whole = begun.elapsed() / 2;
    let before = directory.contents();
    for id in &ids {
        stops(&manager, whole, |stopping| stopping.verify_backup(id).expect_err("stopped"));
        stops(&manager, whole, |stopping| {
            stopping.restore_backup(id, &RestoreOptions::default()).expect_err("stopped")
        });
    }
    stops(&manager, whole, |stopping| stopping.create_backup(&folder()).expect_err("stopped"));
    assert_eq!(directory.contents(), before);
}

#[cfg(unix)]
#[test]
fn a_verification_that_is_asked_to_stop_leaves_no_copies_behind() {
    let directory = Directory::new();
    slow_to_check(&directory);
    let manager = BackupManager::new(directory.path());
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let copies = Directory::new();
    let mut verify = command(directory.path(), &["verify", "--backup", &id, "--json"]);
    verify.env("TMPDIR", copies.path());
    verify.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = verify.spawn().expect("starts");
    while copies.contents().is_empty() {
        std::thread::yield_now();
    }
    let process = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &process]).status().expect("sends");
    let said = said(child.wait_with_output().expect("ends"));
    assert_eq!(
        (said.code, said.json()["error"]["code"].as_str()),
        (1, Some("interrupted")),
        "{}",
        said.out
    );
    assert!(copies.contents().is_empty());
}
