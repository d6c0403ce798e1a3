//! Answers: what a question says is so; where it can't be known, it says why, and what to do.

#[cfg(target_os = "linux")]
use agentos_migrate::Compression;
use agentos_migrate::{BackupManager, BackupOptions, EventKind, Target};

use crate::support::command::{Said, command, run, said};
use crate::support::{Directory, agentos, finds, migrator, sql, three, upgraded};

/// The error that `--json` tells, with its exit status.
#[track_caller]
fn told(said: &Said, code: i32, kind: &str) -> serde_json::Value {
    let error = said.json()["error"].clone();
    assert_eq!((said.code, error["code"].as_str()), (code, Some(kind)), "{}", said.out);
    assert!(error["state_on_disk"].is_string(), "{}", said.out);
    error
}

#[test]
fn a_lost_history_is_said_and_not_taken_for_one_in_which_nothing_is_applied() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    assert_eq!(run(path, &["upgrade", "--no-backup"]).code, 0);
    std::fs::remove_file(directory.file("migrations.db")).expect("loses");
    for nothing in [false, true] {
        if nothing {
            std::fs::write(directory.file("migrations.db"), "").expect("writes");
        }
        let before = directory.contents();
        for arguments in [
            &["status"][..],
            &["plan"],
            &["history"],
            &["downgrade", "--target", "0001"],
            &["downgrade", "--target", "0000", "--dry-run"],
            &["upgrade"],
            &["upgrade", "--dry-run"],
        ] {
            let said = run(path, &[arguments, &["--json"]].concat());
            let error = told(&said, 6, "needs_operator");
            assert!(error["hint"].to_string().contains("`recover`"), "{arguments:?} {}", said.out);
            assert_eq!(directory.contents(), before, "{arguments:?}");
        }
    }
    let text = run(path, &["status"]).err;
    assert!(text.contains("  conversations records 0001, 0002, 0003\n"), "{text}");
    assert_eq!(run(path, &["recover"]).code, 0);
    assert_eq!(run(path, &["status", "--check"]).code, 0);
}

#[test]
fn a_lost_database_is_said_also_where_nothing_is_left_to_apply() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    assert_eq!(run(path, &["upgrade", "--no-backup"]).code, 0);
    std::fs::remove_file(directory.file("rules.db")).expect("loses");
    for empty in [false, true] {
        if empty {
            std::fs::write(directory.file("rules.db"), "").expect("writes");
        }
        let before = directory.contents();
        for arguments in [
            &["status", "--check"][..],
            &["plan"],
            &["upgrade"],
            &["upgrade", "--dry-run"],
            &["downgrade", "--target", "0002"],
        ] {
            let said = run(path, &[arguments, &["--json"]].concat());
            let error = told(&said, 6, "needs_operator");
            let how = if empty { "rules.db is empty" } else { "rules.db is missing" };
            assert!(error["message"].to_string().contains(how), "{arguments:?} {}", said.out);
            let hint = error["hint"].to_string();
            assert!(hint.contains("put rules.db back") && !hint.contains("`recover`"), "{hint}");
            assert_eq!(directory.contents(), before, "{arguments:?}");
        }
        assert_eq!(run(path, &["history"]).code, 0, "what happened is known");
    }
    let before = directory.contents();
    told(&run(path, &["recover", "--json"]), 6, "needs_operator");
    assert_eq!(directory.contents(), before, "0001 ran on five files, and four record it");
}

#[test]
fn a_directory_that_was_never_migrated_has_lost_nothing() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    assert_eq!(run(path, &["status", "--check"]).code, 2);
    assert_eq!(run(path, &["history"]).out, "nothing happened yet\n");
    assert_eq!(run(path, &["downgrade", "--target", "0000"]).out, "nothing to do\n");
    assert!(!directory.file(".agentos-migrate").exists(), "there was nothing to do");
}

#[test]
fn trouble_with_temporary_files_is_not_told_of_the_data() {
    let directory = agentos::directory("agentos-v0-crashed");
    let path = directory.path();
    let nowhere = directory.file("nowhere");
    for arguments in
        [&["verify"][..], &["lint"], &["upgrade", "--dry-run"], &["schema", "--at", "0001"]]
    {
        let mut missing = command(path, &[arguments, &["--json"]].concat());
        // As Unix calls it, and as Windows does.
        missing.env("TMPDIR", &nowhere).env("TMP", &nowhere);
        let missing = said(missing.output().expect("runs"));
        let error = told(&missing, 1, "io");
        let variable = if cfg!(windows) { "`TMP`" } else { "`TMPDIR`" };
        assert!(error["hint"].to_string().contains(variable), "{arguments:?} {error}");
        assert!(error["message"].to_string().contains("temporary folder"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_full_place_for_temporary_files_is_not_told_of_the_data() {
    use crate::support::command::run_with_files_up_to;
    let directory = agentos::directory("agentos-v2");
    let path = directory.path();
    let manager = BackupManager::new(path);
    let id = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    for arguments in [
        &["verify"][..],
        &["lint"],
        &["upgrade", "--dry-run"],
        &["schema", "--at", "0001"],
        &["verify", "--backup", &id],
    ] {
        let said = run_with_files_up_to(1, path, &[arguments, &["--json"]].concat());
        let error = &said.json()["error"];
        let kind = error["code"].as_str().unwrap_or_default();
        assert!(
            said.code == 1 && ["io", "disk_full"].contains(&kind),
            "{arguments:?} {}",
            said.out
        );
        assert!(error["hint"].to_string().contains("`TMPDIR`"), "{arguments:?} {error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_be_read_is_not_a_damaged_one() {
    use std::os::unix::fs::PermissionsExt;

    use crate::support::command::Nobody;
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("sets");
    };
    let nobody = Nobody::new();
    let (directory, _) = upgraded();
    let path = directory.path();
    set(path, 0o755);
    let manager = BackupManager::new(path);
    let folder = BackupOptions { compression: Compression::None, ..BackupOptions::default() };
    let folder = manager.create_backup(&folder).expect("makes").backup_id;
    let archive = manager.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    let backups = manager.directory();
    let hidden = backups.join(&folder).join("databases/chat.db");
    let refused = |arguments: &[&str]| {
        let error =
            told(&nobody.run(path, &[arguments, &["--json"]].concat()), 1, "permission_denied");
        assert!(error["hint"].to_string().contains("ls -la"), "{arguments:?} {error}");
    };
    set(&directory.file("chat.db"), 0o000);
    refused(&["verify"]);
    // The folders can be looked into, one file can't be read.
    for open in [backups.to_owned(), backups.join(&folder), backups.join(&folder).join("databases")]
    {
        set(&open, 0o755);
    }
    for readable in ["manifest.json", "databases/rules.db", "databases/migrations.db"] {
        set(&backups.join(&folder).join(readable), 0o644);
    }
    set(&hidden, 0o000);
    refused(&["verify", "--backup", &folder]);
    refused(&["verify", "--backup", &archive]);
    let list = nobody.run(path, &["list-backups"]);
    let line = list.out.lines().find(|line| line.contains(&archive)).unwrap_or_default();
    assert!(line.contains("can't be read: Permission denied"), "{}", list.out);
    assert!(!list.out.contains("damaged"), "{}", list.out);
    set(path, 0o777);
    std::fs::remove_dir_all(directory.file(".agentos-migrate")).expect("removes");
    refused(&["restore", &folder, "--yes"]);
    refused(&["restore", &archive, "--yes"]);
}

#[test]
fn whoever_keeps_a_file_busy_is_named_and_only_a_command_that_waits_is_told_to_wait_longer() {
    let directory = agentos::directory("agentos-v2");
    let path = directory.path();
    let hold = |database: &str, sql: &str| {
        let holder = rusqlite::Connection::open(directory.file(database)).expect("opens");
        holder.execute_batch(sql).expect("locks");
        holder
    };
    // Who holds a file is known where `/proc` tells it.
    let is_linux = cfg!(target_os = "linux");
    let me =
        if is_linux { format!("used by process {}", std::process::id()) } else { String::new() };
    let writer = hold("conversations.db", "BEGIN IMMEDIATE");
    for arguments in [&["upgrade"][..], &["backup"]] {
        let said = run(path, &[arguments, &["--wait", "50ms", "--json"]].concat());
        let error = told(&said, 5, "busy");
        assert!(error["details"].to_string().contains(&me), "{error}");
        let hint = error["hint"].to_string();
        assert!(hint.contains("--wait 5m") && !hint.contains("--force"), "{hint}");
    }
    drop(writer);
    let holder = hold("migrations.db", "PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    for question in ["status", "plan", "history", "verify"] {
        let error = told(&run(path, &[question, "--json"]), 5, "busy");
        assert!(error["details"].to_string().contains(&me), "{error}");
        let hint = error["hint"].to_string();
        assert!(!hint.contains("--wait") && hint.contains("ask again"), "{hint}");
    }
    for acts in [&["recover"][..], &["accept", "0001"], &["accept", "--drift"]] {
        let said = run(path, &[acts, &["--wait", "50ms", "--json"]].concat());
        told(&said, 5, "busy");
    }
    drop(holder);
}

#[test]
fn damage_in_the_history_says_that_nothing_was_changed() {
    let (directory, _) = upgraded();
    std::fs::write(directory.file("migrations.db"), vec![7; 8192]).expect("spoils");
    told(&run(directory.path(), &["status", "--json"]), 3, "damaged_database");
}

#[test]
fn a_rehearsal_passes_where_the_run_passes_though_a_full_text_index_lost_its_table() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT); CREATE VIRTUAL TABLE found USING fts5(body, content='note'); DROP TABLE note");
    let migrator = migrator(&directory, three());
    assert_eq!(migrator.rehearse(&Target::Latest).expect("rehearses").results.len(), 3);
    migrator.upgrade(&Target::Latest).expect("upgrades");
}

#[test]
fn a_rehearsal_names_the_files_of_the_directory_and_not_its_copies() {
    let (directory, _) = upgraded();
    directory.sql("rules", "DELETE FROM schema_version");
    let mut set = three();
    set.push(sql("0004", "rules", "CREATE TABLE more (a)", ""));
    let failure =
        migrator(&directory, set).rehearse(&Target::Latest).expect_err("nothing is recorded");
    let file = directory.file("rules.db").display().to_string();
    assert!(failure.to_string().contains(&file), "{failure:?}");
}

#[test]
fn a_run_that_was_rehearsed_says_once_that_it_applied_a_migration() {
    let directory = agentos::directory("agentos-v2");
    let said = run(directory.path(), &["upgrade", "--rehearse", "--no-backup", "-v"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let both = format!("{}{}", said.out, said.err);
    assert_eq!(both.matches("applied   0003").count(), 1, "{both}");
    assert_eq!(both.matches("rehearsed 0003").count(), 1, "{both}");
}

#[test]
fn a_file_that_is_copied_in_after_a_recovery_is_named() {
    let (directory, migrator) = upgraded();
    let (other, _) = upgraded();
    std::fs::remove_file(directory.file("migrations.db")).expect("loses");
    migrator.recover().expect("makes it anew");
    finds(&migrator, &[]);
    std::fs::copy(other.file("rules.db"), directory.file("rules.db")).expect("copies");
    let findings = migrator.verify().expect("verifies").findings;
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["copied_in", "copied_in"], "{findings:?}");
}

#[test]
fn a_lost_history_is_told_by_its_migrations_and_not_by_rows() {
    let (directory, migrator) = upgraded();
    std::fs::remove_file(directory.file("migrations.db")).expect("loses");
    // Four rows in two databases.
    finds(
        &migrator,
        &[
            "no_history: migrations.db holds no history, and the databases record 3 migration(s) as applied: 0001, 0002, 0003",
        ],
    );
}

#[test]
fn accept_says_what_it_wants_and_that_there_may_be_nothing_to_accept() {
    let directory = agentos::directory("agentos-v2");
    let path = directory.path();
    let wanting = run(path, &["accept"]);
    assert_eq!(wanting.code, 64);
    assert!(
        wanting.err.contains("VERSION") && wanting.err.contains("`--drift`"),
        "{}",
        wanting.err
    );
    let nothing = run(path, &["accept", "--drift"]);
    assert_eq!((nothing.code, nothing.err.as_str()), (0, ""));
    assert_eq!(nothing.out, "nothing to accept: `verify` finds no difference\n");
    assert_eq!(
        run(path, &["accept", "--drift", "--json"]).json()["accepted"],
        serde_json::json!([])
    );
}

#[test]
fn what_an_older_tool_applied_stands_at_the_head_of_the_history() {
    let directory = agentos::directory("agentos-v2");
    let path = directory.path();
    let before = directory.contents();
    let text = run(path, &["history"]).out;
    let first = "2026-11-23 09:41:30  adopted  0001";
    assert!(text.starts_with(first) && text.lines().count() == 2, "{text}");
    assert_eq!(directory.contents(), before);
    assert_eq!(run(path, &["upgrade", "--no-backup"]).code, 0);
    let migrator = agentos_migrate::Migrator::new(migrations::registry(), path);
    let events = migrator.history().expect("asks");
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Adopted, EventKind::Adopted, EventKind::Applied]);
    assert_eq!(directory.ask("migrations", "SELECT count(*) FROM migration_events"), "1");
}

#[test]
fn the_schema_files_are_those_of_the_crate_wherever_the_command_is_started() {
    let nowhere = Directory::new();
    let mut command = command(nowhere.path(), &["schema", "--check"]);
    let check = said(command.current_dir(nowhere.path()).output().expect("runs"));
    assert_eq!((check.code, check.out.as_str()), (0, "the schema files are current\n"));
    let named = crate::support::command::command(nowhere.path(), &["schema", "--check", "schema"])
        .current_dir(nowhere.path())
        .output();
    assert_eq!(said(named.expect("runs")).code, 2, "a path that is given is the shell's");
}

#[test]
fn a_file_in_the_place_of_the_folder_of_backups_is_said() {
    let (directory, _) = upgraded();
    let file = directory.file("chat.db").display().to_string();
    for arguments in [&["list-backups"][..], &["restore"], &["prune"]] {
        let said = run(directory.path(), &[arguments, &["--backup-dir", &file, "--json"]].concat());
        let error = told(&said, 64, "usage");
        assert!(error["message"].to_string().contains("is a file"), "{error}");
        assert!(error["hint"].to_string().contains("--backup-dir"), "{error}");
    }
}

#[test]
fn what_is_said_of_a_restore_is_said_of_a_backup_or_refused() {
    let (directory, _) = upgraded();
    let path = directory.path();
    let id = BackupManager::new(path).create_backup(&BackupOptions::default()).expect("makes");
    // The option takes several names, and so the ID.
    let said = run(path, &["restore", "--database", "rules", &id.backup_id, "--yes", "--json"]);
    let error = told(&said, 64, "usage");
    assert!(error["hint"].to_string().contains("restore ID --database rules"), "{error}");
    let asked = run(path, &["restore", &id.backup_id, "--database", "rules", "--no-blobs"]);
    let hint = format!("restore {} --database rules --no-blobs --yes`", id.backup_id);
    assert!(asked.code == 64 && asked.err.contains(&hint), "{}", asked.err);
    assert!(asked.err.contains(&format!("--data-dir {}", path.display())), "{}", asked.err);
}

#[test]
fn a_wait_longer_than_any_clock_goes_is_a_long_one() {
    let directory = agentos::directory("agentos-v0");
    let said =
        run(directory.path(), &["upgrade", "--no-backup", "--wait", "18446744073709551615h"]);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn a_history_that_is_cut_off_is_not_taken_for_one_with_nothing_to_do() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    assert_eq!(run(path, &["upgrade", "--no-backup"]).code, 0);
    let file = std::fs::OpenOptions::new().write(true).open(directory.file("migrations.db"));
    file.and_then(|file| file.set_len(9_000)).expect("cuts");
    told(&run(path, &["upgrade", "--json"]), 3, "damaged_database");
}

#[test]
fn an_unknown_version_is_answered_with_one_that_the_command_takes() {
    let directory = agentos::directory("agentos-v0");
    let path = directory.path();
    let hint = |arguments: &[&str]| run(path, arguments).err;
    assert!(hint(&["accept", "0099"]).contains("did you mean `accept 0003`?"));
    assert!(hint(&["upgrade", "--target", "0099"]).contains("did you mean `--target 0003`?"));
}

#[test]
fn a_run_lock_that_cannot_be_had_is_told_with_its_state_and_a_way_out() {
    let (directory, _) = upgraded();
    let path = directory.path();
    let lock = directory.file(".agentos-migrate/lock");
    std::fs::remove_file(&lock).expect("removes");
    std::fs::create_dir(&lock).expect("makes a folder of it");
    for arguments in [&["backup"][..], &["prune"], &["recover"], &["downgrade", "--target", "0000"]]
    {
        let said = run(path, &[arguments, &["--json"]].concat());
        let error = said.json()["error"].clone();
        assert_eq!(error["state_on_disk"], "nothing was changed", "{arguments:?} {}", said.out);
        assert!(error["hint"].is_string(), "{arguments:?} {}", said.out);
    }
}
