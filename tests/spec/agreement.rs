//! History and files agree: `verify` names every file that is not the one that the history tells of,
//! and nothing runs twice.

use agentos_migrate::{BackupPolicy, ErrorKind, Migration, Migrator, Options, Registry, Target};

use crate::support::{Directory, agentos, finds, migrator, registry, sql, three, upgraded};

#[test]
fn a_file_of_another_directory_is_named_and_may_be_accepted() {
    let (directory, migrator) = upgraded();
    let (other, _) = upgraded();
    std::fs::copy(other.file("rules.db"), directory.file("rules.db")).expect("copies");
    let findings = migrator.verify().expect("verifies").findings;
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!((findings[0].code, findings[0].database.as_deref()), ("copied_in", Some("rules")));
    assert!(findings[0].message.starts_with("rules records 0002 as applied at 20"));
    assert_eq!(migrator.accept_drift().expect("accepts").len(), 2);
    finds(&migrator, &[]);
}

#[test]
fn an_older_copy_and_a_missing_an_empty_and_a_foreign_file_are_named() {
    let (directory, migrator) = upgraded();
    let early = Directory::new();
    crate::support::migrator(&early, three())
        .upgrade(&Target::Version("0002".parse().expect("a version")))
        .expect("upgrades");
    std::fs::remove_file(directory.file("chat.db")).expect("removes");
    let missing = format!(
        "no_file: {} is missing, and the history has 2 migration(s) on it",
        directory.file("chat.db").display()
    );
    finds(&migrator, &[&missing]);
    std::fs::write(directory.file("chat.db"), "").expect("writes");
    finds(&migrator, &[&missing.replace("missing", "empty")]);
    std::fs::write(
        directory.file("chat.db"),
        "no database at all, but long enough to be looked at".repeat(20),
    )
    .expect("writes");
    assert_eq!(migrator.verify().expect("verifies").findings[0].code, "damaged");
    std::fs::copy(early.file("chat.db"), directory.file("chat.db")).expect("copies");
    let codes: Vec<&str> =
        migrator.verify().expect("verifies").findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["unrecorded", "copied_in", "drift"]);
}

#[test]
fn a_lost_history_is_said_once_and_nothing_runs_twice() {
    let (directory, migrator) = upgraded();
    std::fs::remove_file(directory.file("migrations.db")).expect("removes");
    finds(
        &migrator,
        &[
            "no_history: migrations.db holds no history, and the databases record 3 migration(s) as applied: 0001, 0002, 0003",
        ],
    );
    let before = directory.contents();
    let failure = migrator.upgrade(&Target::Latest).expect_err("it would run everything twice");
    assert_eq!(failure.kind(), ErrorKind::NeedsOperator);
    assert!(failure.to_string().starts_with("the databases record 0001, 0002, 0003 as applied"));
    assert_eq!(directory.contents(), before);
    assert_eq!(migrator.recover().expect("recovers").taken_into_history, ["0001", "0002", "0003"]);
    finds(&migrator, &[]);
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    migrator.downgrade(&"0000".parse().expect("a version")).expect("reverts");
    finds(&migrator, &[]);
}

#[test]
fn what_only_one_of_its_databases_records_runs_again() {
    // An older tool made its migrations.db, committed file by file, and died between two of them.
    let directory = Directory::new();
    let set = || {
        vec![Migration::new("0001", &["chat", "rules"], |ctx| {
            ctx.execute("chat", "CREATE TABLE IF NOT EXISTS a (b)", [])?;
            ctx.execute("rules", "CREATE TABLE IF NOT EXISTS a (b)", [])?;
            Ok(())
        })]
    };
    migrator(&directory, set()).upgrade(&Target::Latest).expect("upgrades");
    directory.sql("migrations", "DELETE FROM migration_history; DROP TABLE migration_events");
    directory.sql("chat", "UPDATE schema_version SET applied_at = '2026-11-23T09:43:54.795609'");
    std::fs::remove_file(directory.file("rules.db")).expect("removes");
    assert!(migrator(&directory, set()).recover().expect("recovers").is_empty());
    migrator(&directory, set()).upgrade(&Target::Latest).expect("runs again");
    finds(&migrator(&directory, set()), &[]);
}

#[test]
fn a_page_that_is_damaged_and_orphans_are_told_apart() {
    let (directory, migrator) = upgraded();
    directory.sql(
        "chat",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 900 WHERE name = 'chat'",
    );
    let findings = migrator.verify().expect("verifies").findings;
    assert!(findings.iter().any(|finding| finding.code == "damaged"), "{findings:?}");

    let (directory, migrator) = upgraded();
    directory.sql("migrations", "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 900 WHERE name = 'migration_events'");
    let told = migrator.verify();
    let is_told = told
        .as_ref()
        .map_or(true, |look| look.findings.iter().any(|finding| finding.code == "damaged"));
    assert!(is_told, "{told:?}");
}

#[test]
fn a_row_of_the_version_table_that_was_edited_is_named() {
    let directory = agentos::directory("agentos-v2");
    let migrator = Migrator::new(migrations::registry(), directory.path());
    finds(&migrator, &[]);
    directory.sql(
        "conversations",
        "UPDATE schema_version SET version = '9.9.9' WHERE migration_version = '0002'",
    );
    finds(
        &migrator,
        &[
            "version_differs: conversations records 0002 as schema version 9.9.9, and it declares 1.1.0",
        ],
    );
}

#[test]
fn a_version_written_with_more_zeros_is_the_same_one_everywhere() {
    let (directory, _) = upgraded();
    let renamed: Vec<Migration> = vec![
        sql("00001", "chat", "SELECT 1", "DROP TABLE chat").name("step_0001"),
        three().remove(1).depends_on(&["00001"]),
        three().remove(2),
    ];
    let migrator = migrator(&directory, renamed);
    directory.sql("migrations", "UPDATE migration_history SET checksum = (SELECT checksum FROM migration_events WHERE version = migration_history.version)");
    finds(&migrator, &[]);
    assert!(migrator.recover().expect("recovers").is_empty());
    migrator.downgrade(&"0000".parse().expect("a version")).expect("reverts");
    assert_eq!(directory.ask("migrations", "SELECT count(*) FROM migration_history"), "0");
    finds(&migrator, &[]);
    let left = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'";
    assert_eq!(directory.ask("chat", left), "0");
}

#[cfg(unix)]
#[test]
fn files_behind_links_are_asked_copied_and_migrated_where_they_are() {
    use std::os::unix::fs::symlink;
    let (directory, elsewhere) = (agentos::directory("agentos-v2"), Directory::new());
    for (name, real) in
        [("migrations.db", "history"), ("intent_log.db", "intents"), ("rules.db", "r.db")]
    {
        // intent_log.db is in WAL mode: its side files stand beside the real one.
        std::fs::rename(directory.file(name), elsewhere.file(real)).expect("moves");
        symlink(elsewhere.file(real), directory.file(name)).expect("links");
    }
    std::fs::write(elsewhere.file("history-mj12345690A"), "/nowhere/rules.db-journal\0")
        .expect("writes");
    let migrator = Migrator::new(migrations::registry(), directory.path());
    let migrator = migrator.with_options(Options::default().backup(BackupPolicy::Skip));
    assert_eq!(migrator.status().expect("asks").applied_count, 2);
    assert_eq!(migrator.rehearse(&Target::Latest).expect("rehearses").results.len(), 1);
    assert_eq!(migrator.upgrade(&Target::Latest).expect("upgrades").results.len(), 1);
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    finds(&migrator, &[]);
    assert!(directory.file("intent_log.db").is_symlink());
    assert!(!elsewhere.file("history-mj12345690A").exists(), "a super-journal of a crash");
}

#[cfg(unix)]
#[test]
fn rows_that_are_only_in_the_log_of_a_linked_file_are_seen() {
    let (directory, elsewhere) = (agentos::directory("agentos-v0-crashed"), Directory::new());
    for suffix in ["", "-wal"] {
        let (from, to) = (format!("intent_log.db{suffix}"), format!("intents{suffix}"));
        std::fs::rename(directory.file(&from), elsewhere.file(&to)).expect("moves");
    }
    std::os::unix::fs::symlink(elsewhere.file("intents"), directory.file("intent_log.db"))
        .expect("links");
    let before = elsewhere.contents();
    let migrator = Migrator::new(migrations::registry(), directory.path());
    let report = migrator.rehearse(&Target::Latest).expect("rehearses");
    assert_eq!(report.results.len(), 3);
    assert_eq!(elsewhere.contents(), before);
    let migrator = migrator.with_options(Options::default().backup(BackupPolicy::Skip));
    migrator.upgrade(&Target::Latest).expect("upgrades");
    // From the fixture's list of what recovery gives.
    assert_eq!(directory.ask("intent_log", "SELECT count(*) FROM intent_log"), "180");
}

#[test]
fn a_lost_history_beside_a_lost_database_stops_the_run_and_the_recovery() {
    let (directory, migrator) = upgraded();
    std::fs::remove_file(directory.file("migrations.db")).expect("loses");
    std::fs::remove_file(directory.file("chat.db")).expect("loses");
    let before = directory.contents();
    let refused = migrator.upgrade(&Target::Latest).expect_err("would run twice");
    assert_eq!(refused.kind(), ErrorKind::NeedsOperator, "{refused:?}");
    let refused = migrator.recover().expect_err("does not agree");
    assert_eq!(refused.kind(), ErrorKind::NeedsOperator, "{refused:?}");
    let after = directory.contents();
    assert!(before.iter().all(|(path, sum)| after.get(path) == Some(sum)), "{after:?}");
    assert!(!directory.file("chat.db").exists());
}

#[test]
fn a_version_table_that_the_set_calls_by_another_name_now_is_found_and_nothing_runs_twice() {
    let (directory, old) = upgraded();
    let mut set = three();
    set.push(sql("0004", "rules", "CREATE TABLE more(a)", "DROP TABLE more"));
    let renamed = registry(set).with_schema_version_table("versions");
    let options = Options::default().backup(BackupPolicy::Skip);
    let renamed = Migrator::new(renamed, directory.path()).with_options(options);
    let before = directory.contents();
    for error in [
        renamed.upgrade(&Target::Latest).expect_err("they stand elsewhere").error,
        renamed.recover().expect_err("they are not lost"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NeedsOperator, "{error:?}");
        let lines = ["chat has them in `schema_version`", "rules has them in `schema_version`"];
        assert!(
            lines.iter().all(|line| error.details().contains(&(*line).to_owned())),
            "{error:?}"
        );
        assert_eq!(directory.contents(), before);
    }
    let findings = renamed.verify().expect("verifies").findings;
    let hints = findings.iter().filter(|it| it.code == "unrecorded").map(|it| it.hint.as_str());
    let hints: Vec<&str> = hints.collect();
    assert_eq!(hints.len(), 4, "{findings:#?}");
    let rename = "ALTER TABLE \"schema_version\" RENAME TO \"versions\"";
    assert!(hints.iter().all(|hint| hint.contains(rename)), "{hints:?}");
    old.status().expect("the old program goes on");
    for database in ["chat", "rules"] {
        directory.sql(database, rename);
    }
    assert_eq!(renamed.upgrade(&Target::Latest).expect("upgrades").results.len(), 1);
    finds(&renamed, &[]);
}

#[test]
fn a_database_that_the_set_calls_by_another_name_now_is_found_under_the_old_one() {
    let directory = Directory::new();
    let set = |database: &'static str| {
        let create = sql("0001", database, "CREATE TABLE t(a)", "DROP TABLE t").name("create");
        Migrator::new(Registry::new(&[database], vec![create]), directory.path())
    };
    set("chat").upgrade(&Target::Latest).expect("upgrades");
    let renamed = set("talks");
    for hint in [
        renamed.status().expect_err("there is none of that name").hint().map(str::to_owned),
        Some(renamed.verify().expect("verifies").findings[0].hint.clone()),
    ] {
        let hint = hint.expect("a hint");
        assert!(hint.contains("chat.db records the same migrations"), "{hint}");
        assert!(hint.contains("`mv chat.db talks.db`"), "{hint}");
    }
    std::fs::rename(directory.file("chat.db"), directory.file("talks.db")).expect("moves");
    renamed.status().expect("is found");
    finds(&renamed, &[]);
}
