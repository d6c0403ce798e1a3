//! Lost files: nothing runs again on a database that was not lost, and every way out that is told works.

use agentos_migrate::{
    BackupManager, BackupOptions, BackupPolicy, ErrorKind, Migration, Migrator, Options, Registry,
    RestoreOptions, Target,
};

use crate::support::command::run;
use crate::support::{Directory, agentos, finds};

/// Accounts; a migration over two files that must not run twice; a file with a migration of its own.
fn accounts() -> Vec<Migration> {
    vec![
        Migration::new("0001", &["money"], |ctx| {
            ctx.execute_batch(
                "money",
                "CREATE TABLE account (amount); INSERT INTO account VALUES (5)",
            )?;
            Ok(())
        }),
        Migration::new("0002", &["money", "log"], |ctx| {
            ctx.execute("money", "UPDATE account SET amount = amount * 100", [])?;
            ctx.execute("log", "CREATE TABLE line (text)", [])?;
            Ok(())
        })
        .depends_on(&["0001"]),
        Migration::new("0003", &["notes"], |ctx| {
            ctx.execute("notes", "CREATE TABLE note (body)", [])?;
            Ok(())
        }),
        Migration::new("0004", &["money"], |_| Ok(())).depends_on(&["0003"]),
    ]
}

fn bank() -> (Directory, Migrator) {
    let directory = Directory::new();
    let registry = Registry::new(&["money", "log", "notes"], accounts());
    let options = Options::default().backup(BackupPolicy::Skip);
    let migrator = Migrator::new(registry, directory.path()).with_options(options);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    (directory, migrator)
}

fn amount(directory: &Directory) -> String {
    directory.ask("money", "SELECT amount FROM account")
}

/// Every command that would go on refuses, names the file, and changes nothing.
#[track_caller]
fn refuses_to_go_on(directory: &Directory, migrator: &Migrator, says: &str) {
    let before = directory.contents();
    let upgrade = migrator.upgrade(&Target::Latest).expect_err("would run twice");
    let recover = migrator.recover().expect_err("would mark it to run twice");
    for (kind, hint) in [(upgrade.kind(), upgrade.hint()), (recover.kind(), recover.hint())] {
        let hint = hint.unwrap_or_default();
        assert_eq!(kind, ErrorKind::NeedsOperator);
        assert!(hint.contains(says) && !hint.contains("`recover`"), "{hint}");
    }
    assert_eq!(directory.contents(), before);
    assert_eq!(amount(directory), "500");
}

#[test]
fn a_migration_does_not_run_again_because_one_of_its_databases_is_lost() {
    let (directory, migrator) = bank();
    std::fs::rename(directory.file("log.db"), directory.file("aside")).expect("moves");
    let hint = "put log.db back as it was; or `list-backups`, then `restore ID --database log --database money`";
    refuses_to_go_on(&directory, &migrator, hint);
    for finding in migrator.verify().expect("verifies").findings {
        assert!(finding.code == "unrecorded" || finding.code == "no_file", "{finding:?}");
        assert!(finding.hint.contains(hint), "{finding:?}");
    }
    std::fs::rename(directory.file("aside"), directory.file("log.db")).expect("moves");
    assert!(migrator.recover().expect("nothing is amiss").is_empty());
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
}

#[test]
fn a_restore_of_the_databases_that_share_migrations_mends_a_lost_one() {
    let (directory, migrator) = bank();
    let backups = BackupManager::new(directory.path());
    let id = backups.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    std::fs::remove_file(directory.file("log.db")).expect("loses");
    refuses_to_go_on(&directory, &migrator, "`restore ID --database log --database money`");
    let both = RestoreOptions {
        databases: vec!["log".to_owned(), "money".to_owned()],
        ..RestoreOptions::default()
    };
    backups.restore_backup(&id, &both).expect("restores");
    assert!(migrator.recover().expect("nothing is amiss").is_empty());
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    assert_eq!(amount(&directory), "500");
    assert!(migrator.verify().expect("verifies").findings.is_empty());
}

#[test]
fn what_an_earlier_recover_marked_does_not_run_again_while_a_database_records_it() {
    let (directory, migrator) = bank();
    std::fs::remove_file(directory.file("log.db")).expect("loses");
    directory.sql("migrations", "UPDATE migration_history SET success = 0, error_message = 'a database does not record it' WHERE version = '0002'");
    refuses_to_go_on(&directory, &migrator, "put log.db back");
    // The same where the attempt that it led to failed, and said why.
    directory.sql(
        "migrations",
        "UPDATE migration_history SET error_message = 'duplicate column' WHERE version = '0002'",
    );
    refuses_to_go_on(&directory, &migrator, "put log.db back");
}

#[test]
fn a_database_whose_migrations_name_it_alone_is_made_anew() {
    let (directory, migrator) = bank();
    std::fs::remove_file(directory.file("notes.db")).expect("loses");
    let refused = migrator.upgrade(&Target::Latest).expect_err("a file is lost");
    assert!(refused.hint().is_some_and(|hint| hint.contains("`recover`, then `upgrade`")));
    assert_eq!(migrator.recover().expect("marks").to_run_again, ["0003"]);
    let results = migrator.upgrade(&Target::Latest).expect("makes it anew").results;
    assert_eq!(results.len(), 1, "0004 depends on it, in another file, and does not run again");
    assert!(migrator.verify().expect("verifies").findings.is_empty());
    assert_eq!(amount(&directory), "500");
}

#[test]
fn a_file_that_is_put_back_after_recover_marked_its_migrations_is_taken_back() {
    let (directory, migrator) = bank();
    std::fs::rename(directory.file("notes.db"), directory.file("aside")).expect("moves");
    assert_eq!(migrator.recover().expect("marks").to_run_again, ["0003"]);
    std::fs::rename(directory.file("aside"), directory.file("notes.db")).expect("moves");
    let before = directory.contents();
    let refused = migrator.upgrade(&Target::Latest).expect_err("the table is there");
    assert_eq!(refused.kind(), ErrorKind::NeedsOperator, "{refused:?}");
    assert_eq!(directory.contents(), before);
    let findings = migrator.verify().expect("verifies").findings;
    assert_eq!((findings.len(), findings[0].code), (1, "failed"), "{findings:?}");
    assert!(findings[0].hint.starts_with("`recover` takes it into the history"), "{findings:?}");
    taken_back(&directory, &migrator, "0003");
}

#[test]
fn a_history_and_a_database_that_are_lost_together_are_named_with_one_way_out() {
    let (directory, migrator) = bank();
    let backups = BackupManager::new(directory.path());
    let id = backups.create_backup(&BackupOptions::default()).expect("makes").backup_id;
    for name in ["migrations.db", "log.db"] {
        std::fs::remove_file(directory.file(name)).expect("loses");
    }
    let way =
        "put migrations.db and log.db back as they were, or `list-backups`, then `restore ID`";
    refuses_to_go_on(&directory, &migrator, way);
    let status = migrator.status().expect_err("two files are lost");
    assert!(status.hint().is_some_and(|hint| hint.starts_with(way)), "{status:?}");
    let findings = migrator.verify().expect("verifies").findings;
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["no_file", "no_history"], "{findings:?}");
    assert_eq!(findings[0].database.as_deref(), Some("log"));
    assert!(findings.iter().all(|finding| finding.hint.starts_with(way)), "{findings:?}");
    backups.restore_backup(&id, &RestoreOptions::default()).expect("restores");
    assert!(migrator.recover().expect("nothing is amiss").is_empty());
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    assert_eq!(amount(&directory), "500");
}

#[test]
fn a_folder_in_the_place_of_a_database_is_a_lost_database() {
    let (directory, migrator) = bank();
    std::fs::rename(directory.file("log.db"), directory.file("aside")).expect("moves");
    std::fs::create_dir(directory.file("log.db")).expect("makes");
    let says = |error: &agentos_migrate::Error| {
        assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
        let path = directory.file("log.db").display().to_string();
        assert!(error.to_string().contains(&format!("{path} is a directory")), "{error:?}");
    };
    says(&migrator.status().expect_err("a file is lost"));
    says(&migrator.plan(&Target::Latest).expect_err("a file is lost"));
    says(&migrator.rehearse(&Target::Latest).expect_err("a file is lost"));
    refuses_to_go_on(&directory, &migrator, "put log.db back");
}

#[test]
fn a_folder_in_the_place_of_the_history_is_said_with_the_way_out() {
    let (directory, migrator) = bank();
    std::fs::remove_file(directory.file("migrations.db")).expect("loses");
    std::fs::create_dir(directory.file("migrations.db")).expect("makes");
    for error in [
        migrator.status().expect_err("refused"),
        migrator.verify().expect_err("refused"),
        migrator.upgrade(&Target::Latest).expect_err("refused").error,
        migrator.recover().expect_err("refused"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
        assert!(error.to_string().ends_with("migrations.db is a directory"), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("move the folder away")));
    }
    std::fs::remove_dir(directory.file("migrations.db")).expect("removes");
    assert_eq!(migrator.recover().expect("makes it anew").taken_into_history.len(), 4);
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
}

#[test]
fn a_migrations_db_without_a_history_is_a_lost_one_where_databases_record_migrations() {
    let (directory, migrator) = bank();
    std::fs::remove_file(directory.file("migrations.db")).expect("loses");
    directory.sql("migrations", "CREATE TABLE of_another_program (a)");
    let before = directory.contents();
    for error in [
        migrator.status().expect_err("refused"),
        migrator.plan(&Target::Latest).expect_err("refused"),
        migrator.history().expect_err("refused"),
        migrator.upgrade(&Target::Latest).expect_err("refused").error,
    ] {
        assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("`recover`")), "{error:?}");
    }
    assert_eq!(directory.contents(), before);
    assert_eq!(migrator.recover().expect("makes it anew").taken_into_history.len(), 4);
    assert_eq!(migrator.status().expect("asks").applied_count, 4);
}

#[test]
fn a_damaged_history_is_set_aside_and_made_anew() {
    let (directory, migrator) = bank();
    std::fs::write(directory.file("migrations.db"), vec![7; 8192]).expect("spoils");
    for error in [
        migrator.status().expect_err("refused"),
        migrator.upgrade(&Target::Latest).expect_err("refused").error,
        migrator.recover().expect_err("refused"),
    ] {
        assert_eq!(error.kind(), ErrorKind::DamagedDatabase, "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("then `recover`")), "{error:?}");
    }
    std::fs::rename(directory.file("migrations.db"), directory.file("migrations.db.damaged"))
        .expect("moves");
    assert_eq!(migrator.recover().expect("makes it anew").taken_into_history.len(), 4);
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    assert!(migrator.verify().expect("verifies").findings.is_empty());
}

#[test]
fn the_schema_of_a_directory_that_is_half_restored_is_not_told() {
    let (directory, migrator) = bank();
    assert_eq!(migrator.schema().expect("asks").len(), 3);
    std::fs::write(
        directory.file(".agentos-migrate/restore.json"),
        "as a killed restore leaves it",
    )
    .expect("writes");
    let error = migrator.schema().expect_err("the files are of two states");
    assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
    assert_eq!(error.state(), Some("some files are restored and others are not"));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_that_is_not_there_is_told_as_one() {
    let (directory, migrator) = bank();
    let elsewhere = Directory::new();
    std::fs::rename(directory.file("notes.db"), elsewhere.file("real")).expect("moves");
    std::os::unix::fs::symlink(elsewhere.file("real"), directory.file("notes.db")).expect("links");
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    std::fs::rename(elsewhere.file("real"), elsewhere.file("away")).expect("unmounts");
    let target = elsewhere.file("real").display().to_string();
    let says = format!("notes.db is a link to {target}, which is not there");
    let error = migrator.status().expect_err("the file is not there");
    assert!(error.to_string().ends_with(&says), "{error:?}");
    let finding = migrator.verify().expect("verifies").findings.remove(0);
    assert!(finding.code == "no_file" && finding.message.contains(&says), "{finding:?}");
    for hint in [error.hint().unwrap_or_default(), &finding.hint] {
        assert!(hint.starts_with("mount the disk that notes.db is on"), "{hint}");
        assert!(!hint.contains("`recover`"), "{hint}");
    }
    std::fs::rename(elsewhere.file("away"), elsewhere.file("real")).expect("mounts");
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
}

#[test]
fn a_log_that_a_lost_database_left_is_to_be_kept() {
    let (directory, migrator) = bank();
    std::fs::remove_file(directory.file("notes.db")).expect("loses");
    let log = directory.file("notes.db-wal");
    std::fs::write(&log, "rows that the file never got").expect("writes");
    let says = format!("{} is there and may hold rows: keep it", log.display());
    let error = migrator.status().expect_err("a file is lost");
    assert!(error.details().iter().any(|line| line.starts_with(&says)), "{error:?}");
    let hint = error.hint().unwrap_or_default();
    assert!(!hint.contains("`recover`"), "SQLite removes the log of a new file: {hint}");
    let finding = migrator.verify().expect("verifies").findings.remove(0);
    assert!(finding.message.contains(&says), "{finding:?}");
}

/// `recover` takes the version back, and the row is again what it was.
#[track_caller]
fn taken_back(directory: &Directory, migrator: &Migrator, version: &str) {
    assert_eq!(migrator.recover().expect("takes it back").taken_into_history, [version]);
    let (time, sum) = ("applied_at", "checksum");
    for column in [time, sum] {
        let first = if column == time { "at" } else { sum };
        let same = format!(
            "SELECT h.{column} = e.{first} FROM migration_history h JOIN migration_events e USING (version)
             WHERE version = '{version}' AND e.kind = 'applied'"
        );
        assert_eq!(directory.ask("migrations", &same), "1", "{column}");
    }
    assert!(migrator.verify().expect("verifies").findings.is_empty());
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    assert_eq!(amount(directory), "500");
}

#[test]
fn what_an_earlier_recover_marked_and_a_run_then_failed_on_is_taken_back_with_the_file() {
    for why in ["a database does not record it", "duplicate column"] {
        let (directory, migrator) = bank();
        let when = "applied_at = '2026-11-26T00:00:00.000000Z', checksum = 'that of the attempt'";
        let attempt = if why.starts_with('a') { String::new() } else { format!(", {when}") };
        directory.sql("migrations", &format!("UPDATE migration_history SET success = 0, error_message = '{why}'{attempt} WHERE version = '0002'"));
        let refused = migrator.upgrade(&Target::Latest).expect_err("it would run twice");
        assert!(refused.hint().is_some_and(|hint| hint.contains("`recover`")), "{refused:?}");
        taken_back(&directory, &migrator, "0002");
    }
}

#[test]
fn a_lost_database_without_a_backup_is_made_anew_and_nothing_runs_on_the_others() {
    let (directory, migrator) = bank();
    std::fs::remove_file(directory.file("log.db")).expect("loses");
    refuses_to_go_on(&directory, &migrator, "`recover --recreate log` makes it new and empty");
    let recovery = migrator.recreate(&["log"]).expect("makes it anew");
    assert_eq!(recovery.recreated, ["log"]);
    assert_eq!(amount(&directory), "500", "nothing ran again");
    assert_eq!(directory.ask("log", "SELECT count(*) FROM line"), "0");
    finds(&migrator, &[]);
    assert!(migrator.upgrade(&Target::Latest).expect("all is applied").results.is_empty());
    let notes = migrator.history().expect("tells");
    let last = notes.last().and_then(|event| event.note.clone()).unwrap_or_default();
    assert!(last.contains("log was lost"), "{last}");
}

#[cfg(unix)]
#[test]
fn a_database_that_is_made_anew_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, migrator) = bank();
    std::fs::remove_file(directory.file("log.db")).expect("loses");
    migrator.recreate(&["log"]).expect("makes it anew");
    let mode = std::fs::metadata(directory.file("log.db")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn only_what_is_lost_for_good_is_made_anew() {
    let (directory, migrator) = bank();
    let refused = |migrator: &Migrator, names: &[&str], kind, says: &str| {
        let before = directory.contents();
        let error = migrator.recreate(names).expect_err("refused");
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(format!("{error:?}").contains(says), "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
        assert_eq!(error.state(), Some("nothing was changed"));
        assert_eq!(directory.contents(), before);
    };
    refused(&migrator, &["log"], ErrorKind::Usage, "is there, and is not made anew");
    refused(&migrator, &["other"], ErrorKind::Usage, "no database other");
    std::fs::remove_file(directory.file("log.db")).expect("loses");
    refused(&migrator, &["log", "money"], ErrorKind::Usage, "money.db is there");
    for suffix in ["-wal", "-journal"] {
        let left = directory.file(&format!("log.db{suffix}"));
        std::fs::write(&left, "rows").expect("leaves");
        refused(&migrator, &["log"], ErrorKind::NeedsOperator, suffix);
        std::fs::remove_file(left).expect("removes");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/nowhere/log.db", directory.file("log.db")).expect("links");
        let error = migrator.recreate(&["log"]).expect_err("the disk may come back");
        assert!(error.to_string().contains("is a link"), "{error:?}");
        assert!(directory.file("log.db").is_symlink() && !directory.file("log.db").exists());
        std::fs::remove_file(directory.file("log.db")).expect("removes");
    }
    let mut changed = accounts();
    changed[1] = changed[1].clone().checksum(agentos_migrate::Checksum::from_bytes([7; 32]));
    let other = Registry::new(&["money", "log", "notes"], changed);
    let other = Migrator::new(other, directory.path());
    refused(&other, &["log"], ErrorKind::NeedsOperator, "0002 is modified");
    std::fs::remove_file(directory.file("migrations.db")).expect("loses the history too");
    refused(&migrator, &["log"], ErrorKind::NeedsOperator, "migrations.db is missing");
}

#[test]
fn every_database_of_agent_os_is_made_anew_as_its_migrations_make_it() {
    for database in ["conversations", "context", "rules", "audit", "intent_log"] {
        let directory = agentos::directory("agentos-v2");
        let path = directory.path();
        assert_eq!(run(path, &["upgrade", "--no-backup"]).code, 0);
        std::fs::write(directory.file(&format!("{database}.db")), "").expect("empties");
        let hint = format!("`recover --recreate {database}`");
        assert!(run(path, &["status"]).err.contains(&hint), "{database}");
        let said = run(path, &["recover", "--recreate", database]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains(&format!("made {database} anew")), "{}", said.out);
        let verified = run(path, &["verify"]);
        assert_eq!(verified.code, 0, "{database}: {}", verified.out);
        assert_eq!(run(path, &["status", "--check"]).code, 0);
    }
}
