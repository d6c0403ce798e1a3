//! Rehearsing: the real migrations on copies, and not a byte of the data directory changes.

use agentos_migrate::{
    BackupPolicy, ErrorKind, EventKind, Migration, Migrator, Options, Rehearsal, RehearsalPolicy,
    Target, Validation,
};

use crate::support::command::run;
use crate::support::{Directory, agentos, migrator, sql, three};

// Proves G6.
#[test]
fn a_rehearsal_reports_what_would_happen_and_changes_no_byte() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    directory.sql("chat", "INSERT INTO chat VALUES (1, 'a', NULL), (2, 'b', NULL)");
    let before = directory.contents();
    let mut set = three();
    set.push(sql("0004", "chat", "DELETE FROM chat WHERE id = 1; CREATE TABLE more(x)", ""));
    let migrator = migrator(&directory, set);
    let report = migrator.rehearse(&Target::Latest).expect("rehearses");
    assert!(report.dry_run);
    let rehearsal = report.results[0].rehearsal.as_ref().expect("is a rehearsal");
    assert_eq!(rehearsal.statements.len(), 2);
    assert_eq!(
        (rehearsal.statements[0].database.as_str(), rehearsal.statements[0].rows),
        ("chat", 1)
    );
    let deltas: Vec<_> =
        rehearsal.row_changes.iter().map(|c| (c.table.as_str(), c.before, c.after)).collect();
    assert_eq!(deltas, [("chat", Some(2), Some(1)), ("more", None, Some(0))]);
    assert!(
        rehearsal.schema_changes[0].diff.contains("+CREATE TABLE more (\n+    x\n+);\n"),
        "{}",
        rehearsal.schema_changes[0].diff
    );
    assert_eq!(directory.contents(), before);
    assert_eq!(migrator.status().expect("asks").pending_count, 1);
}

#[test]
fn a_rehearsal_meets_the_failure_that_the_real_run_would_meet() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    directory.sql("chat", "INSERT INTO chat VALUES (1, 'same', NULL), (2, 'same', NULL)");
    let before = directory.contents();
    let mut set = three();
    set.push(sql("0004", "chat", "CREATE UNIQUE INDEX once ON chat(title)", ""));
    let failure = migrator(&directory, set).rehearse(&Target::Latest).expect_err("fails");
    assert_eq!(failure.kind(), ErrorKind::MigrationFailed);
    assert!(failure.state().expect("a state").contains("nothing was changed"));
    assert_eq!(directory.contents(), before);
}

#[test]
fn a_downgrade_can_be_rehearsed_and_a_fresh_directory_too() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    assert_eq!(migrator.rehearse(&Target::Latest).expect("rehearses").results.len(), 3);
    assert!(directory.contents().is_empty());
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let before = directory.contents();
    let report =
        migrator.rehearse_downgrade(&"0000".parse().expect("a version")).expect("rehearses");
    assert_eq!(report.results.len(), 3);
    assert_eq!(directory.contents(), before);
}

#[test]
fn crashed_files_are_rehearsed_as_they_would_be_recovered_and_stay_as_they_are() {
    let directory = agentos::directory("agentos-v0-crashed");
    let before = directory.contents();
    let migrator = Migrator::new(migrations::registry(), directory.path());
    migrator.rehearse(&Target::Latest).expect("rehearses");
    migrator.verify().expect("verifies");
    migrator.status().expect("asks");
    assert_eq!(directory.contents(), before);
}

/// Rehearses one more migration after the three, and returns what was seen of it, failed or not.
fn seen(directory: &Directory, migration: Migration) -> Rehearsal {
    let migrator = migrator(directory, [three(), vec![migration]].concat());
    let report = match migrator.rehearse(&Target::Latest) {
        Ok(report) => report,
        Err(failure) => failure.report,
    };
    report.results.last().and_then(|last| last.rehearsal.clone()).expect("a rehearsal")
}

#[test]
fn a_rehearsal_says_what_the_validation_said() {
    let directory = Directory::new();
    let add = || sql("0004", "chat", "ALTER TABLE chat ADD COLUMN late TEXT", "");
    assert_eq!(seen(&directory, add()).validation, Validation::Absent);
    assert_eq!(seen(&directory, add().validate(|_| Ok(true))).validation, Validation::Passed);
    assert_eq!(seen(&directory, add().validate(|_| Ok(false))).validation, Validation::Failed);
    let fails = sql("0004", "chat", "DELETE FROM chat; SELECT nowhere", "").validate(|_| Ok(true));
    let seen = seen(&directory, fails);
    assert_eq!(seen.validation, Validation::NotReached);
    assert_eq!(seen.statements[0].sql.trim(), "DELETE FROM chat;", "what ran before is shown");
}

#[test]
fn a_rehearsal_measures_the_space_that_a_run_needs() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    directory.sql("chat", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) INSERT INTO chat SELECT i, hex(randomblob(50)), i FROM n");
    let before = std::fs::metadata(directory.file("chat.db")).expect("is there").len();
    let rebuild = Migration::new("0004", &["chat"], |ctx| {
        ctx.rebuild_table("chat", "chat", |table| {
            table.set_default("title", "'untitled'");
        })?;
        Ok(())
    });
    let set = [three(), vec![rebuild]].concat();
    let migrator = migrator(&directory, set);
    let report = migrator.rehearse(&Target::Latest).expect("rehearses");
    let space = &report.results[0].rehearsal.as_ref().expect("a rehearsal").space;
    assert_eq!((space.len(), space[0].before_bytes), (1, before));
    assert!(space[0].after_bytes > before + before / 2, "a second copy: {space:?}");
    assert!(space[0].journal_bytes > 0 && report.needed_bytes() > before / 2);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let after = std::fs::metadata(directory.file("chat.db")).expect("is there").len();
    // The row of the version table is not the migration's own.
    assert!(after.abs_diff(space[0].after_bytes) <= 8192, "{after} {space:?}");
}

// Proves G6.
#[test]
fn a_run_that_is_rehearsed_first_begins_only_if_that_passed() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    directory.sql("chat", "INSERT INTO chat VALUES (1, 'same', NULL), (2, 'same', NULL)");
    let before = directory.contents();
    let options =
        || Options::default().backup(BackupPolicy::Skip).rehearsal(RehearsalPolicy::Required);
    let set = |sql_text| {
        [
            three(),
            vec![
                sql("0004", "chat", "ALTER TABLE chat ADD COLUMN late TEXT", ""),
                sql("0005", "chat", sql_text, ""),
            ],
        ]
        .concat()
    };
    let fails = migrator(&directory, set("CREATE UNIQUE INDEX once ON chat(title)"))
        .with_options(options());
    let failure = fails.upgrade(&Target::Latest).expect_err("the second one fails");
    assert_eq!(failure.kind(), ErrorKind::MigrationFailed);
    assert_eq!(failure.state(), Some("this was a rehearsal on copies: nothing was changed"));
    assert!(failure.report.dry_run);
    assert_eq!(directory.contents(), before, "0004 is not applied, and no failure is recorded");
    let passes =
        migrator(&directory, set("CREATE INDEX often ON chat(title)")).with_options(options());
    let report = passes.upgrade(&Target::Latest).expect("passes");
    assert_eq!((report.results.len(), report.rehearsed.len(), report.dry_run), (2, 2, false));
    assert!(report.results[0].rehearsal.is_none() && report.rehearsed[0].rehearsal.is_some());
    let kinds: Vec<EventKind> =
        passes.history().expect("asks").iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [EventKind::Applied; 5]);
    assert!(passes.upgrade(&Target::Latest).expect("nothing to do").rehearsed.is_empty());
}

#[test]
fn readers_and_a_reading_transaction_go_on_while_a_rehearsal_runs() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    directory.sql("chat", "INSERT INTO chat VALUES (1, 'a', NULL)");
    let path = directory.file("chat.db");
    let asks = Migration::new("0004", &["chat"], move |ctx| {
        ctx.execute("chat", "DELETE FROM chat", [])?;
        // Another connection to the real file, in the middle of the rehearsal.
        let reader = rusqlite::Connection::open(&path)?;
        reader.busy_timeout(std::time::Duration::ZERO)?;
        let rows: i64 = reader.query_row("SELECT count(*) FROM chat", [], |row| row.get(0))?;
        reader.execute("UPDATE chat SET title = 'written meanwhile'", [])?;
        assert_eq!(rows, 1);
        Ok(())
    });
    let reader = rusqlite::Connection::open(directory.file("rules.db")).expect("opens");
    reader.execute_batch("BEGIN; SELECT * FROM rule").expect("reads");
    migrator(&directory, [three(), vec![asks]].concat())
        .rehearse(&Target::Latest)
        .expect("rehearses");
    assert_eq!(directory.ask("chat", "SELECT title FROM chat"), "written meanwhile");
}

#[test]
fn a_rehearsal_by_command_shows_everything_as_text_and_in_json() {
    let directory = agentos::directory("agentos-v2");
    let path = directory.path();
    let before = directory.contents();
    let text = run(path, &["upgrade", "--dry-run", "--color", "always"]).out;
    for part in [
        "conversations:\u{1b}[0m ALTER TABLE conversations ADD COLUMN intent_count",
        "row(s)",
        "  schema of conversations:\n",
        "\u{1b}[32m+    intent_count INTEGER NOT NULL DEFAULT 0,",
        "  validation: \u{1b}[32mpassed",
        "  space of conversations: ",
        "1 applied on copies; nothing was kept\na run needs ",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let json = run(path, &["upgrade", "--dry-run", "--json"]).json();
    let seen = &json["results"][0]["rehearsal"];
    assert_eq!(
        (json["dry_run"].as_bool(), seen["validation"].as_str()),
        (Some(true), Some("passed"))
    );
    for key in ["database", "sql", "rows", "elapsed_ms"] {
        assert!(seen["statements"][0].get(key).is_some(), "{key}");
    }
    assert!(
        seen["schema_changes"][0]["diff"]
            .as_str()
            .is_some_and(|diff| diff.starts_with("--- before"))
    );
    assert!(seen["space"][0]["after_bytes"].is_u64() && seen["row_changes"].is_array());
    assert_eq!(directory.contents(), before);
    let done = run(path, &["upgrade", "--rehearse", "--no-backup"]);
    assert_eq!((done.code, done.out.as_str()), (0, "1 applied, as rehearsed\n"), "{}", done.err);
    assert_eq!(run(path, &["upgrade", "--rehearse", "--dry-run"]).code, 64);
    let back = run(path, &["downgrade", "--target", "0002", "--rehearse", "--no-backup", "--json"]);
    assert_eq!(back.json()["rehearsed"][0]["direction"], "downgrade");
}

#[test]
fn a_rehearsal_that_fails_shows_how_far_it_came() {
    let directory = agentos::directory("agentos-v2");
    directory.sql(
        "conversations",
        "CREATE INDEX idx_intents ON conversations(id); CREATE TABLE intent_count (a)",
    );
    directory.sql("intent_log", "CREATE INDEX idx_intent_log_related ON intent_log(user_id)");
    let said = run(directory.path(), &["upgrade", "--dry-run"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("ADD COLUMN last_intent_at"), "{}", said.out);
    assert!(said.out.contains("validation: not reached"), "{}", said.out);
    assert!(said.err.contains("idx_intent_log_related already exists"), "{}", said.err);
}

#[test]
fn a_directory_that_is_half_restored_is_not_rehearsed() {
    let directory = agentos::directory("agentos-v2");
    let state = directory.file(".agentos-migrate");
    std::fs::create_dir_all(&state).expect("creates");
    let journal = r#"{"format": 1, "backup_id": "x", "entries": ["rules.db"]}"#;
    std::fs::write(state.join("restore.json"), journal).expect("writes");
    let error = Migrator::new(migrations::registry(), directory.path())
        .rehearse(&Target::Latest)
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::NeedsOperator);
}
