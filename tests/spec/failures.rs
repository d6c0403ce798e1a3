//! Failing: a clear error, the kind to branch on, and files as they were.

use std::time::Duration;

use agentos_migrate::rusqlite::Connection;
use agentos_migrate::{
    CommitMode, Error, ErrorKind, Migration, MigrationContext, Options, Result, RunFailure, Target,
};

use crate::support::{Directory, hash_of, migrator, registry, sql, three};

/// Runs a set whose last migration fails, on top of three that are applied.
#[track_caller]
fn check(fourth: Migration, kind: ErrorKind, said: &str) -> RunFailure {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    directory.sql("chat", "INSERT INTO chat VALUES (1, 'kept', NULL)");
    let before = data_of(&directory);
    let mut set = three();
    set.push(fourth);
    let migrator = migrator(&directory, set);
    let failure = migrator.upgrade(&Target::Latest).expect_err("fails");
    let text = std::iter::once(failure.to_string())
        .chain(failure.details().iter().cloned())
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(failure.kind(), kind, "{text}");
    assert!(text.contains(said), "{text}");
    assert_eq!(failure.state(), Some("nothing was changed"));
    assert_eq!(data_of(&directory), before, "a file changed");
    assert_eq!(
        directory.ask(
            "migrations",
            "SELECT success || kind FROM migration_history, migration_events
        WHERE migration_history.version = '0004' AND migration_events.version = '0004'"
        ),
        "0failed"
    );
    failure
}

fn data_of(directory: &Directory) -> Vec<String> {
    ["chat.db", "rules.db"].map(|name| hash_of(&directory.file(name))).to_vec()
}

// Proves G2.
#[test]
fn a_migration_that_returns_an_error_leaves_everything_as_it_was() {
    let fourth = Migration::new("0004", &["chat", "rules"], |ctx| {
        ctx.execute("chat", "DELETE FROM chat", [])?;
        ctx.execute("rules", "CREATE TABLE more(a)", [])?;
        let _: u8 = "no number".parse()?;
        Ok(())
    });
    let failure = check(
        fourth,
        ErrorKind::MigrationFailed,
        "migration 0004 `migration_0004` failed: invalid digit",
    );
    assert!(!failure.report.results[0].success);
}

// Proves G2.
#[test]
fn a_migration_that_panics_leaves_everything_as_it_was() {
    let fourth = Migration::new("0004", &["chat"], |ctx| {
        ctx.execute("chat", "DROP TABLE chat", [])?;
        panic!("no way {}", 1)
    });
    check(fourth, ErrorKind::MigrationFailed, "it panicked: no way 1");
}

// Proves G2.
#[test]
fn a_migration_whose_validation_says_no_leaves_everything_as_it_was() {
    let fourth =
        sql("0004", "chat", "DROP TABLE chat", "").validate(|ctx| ctx.table_exists("chat", "chat"));
    check(fourth, ErrorKind::ValidationFailed, "the validation of 0004 `step_0004` says no");
}

#[test]
fn a_validation_that_fails_or_writes_leaves_everything_as_it_was() {
    let fourth = sql("0004", "chat", "DROP TABLE chat", "").validate(|ctx| {
        Ok(ctx.query_row("chat", "SELECT 1 FROM chat", [], |row| row.get::<_, i64>(0))? == 1)
    });
    check(fourth, ErrorKind::ValidationFailed, "no such table: chat");
    let fourth = sql("0004", "chat", "CREATE TABLE x(a)", "").validate(|ctx| {
        Ok(ctx.connection("chat")?.execute("INSERT INTO x VALUES (1)", []).is_ok())
    });
    check(fourth, ErrorKind::ValidationFailed, "says no");
}

#[test]
fn sql_that_fails_is_shown_with_its_database_and_its_statement() {
    let fourth = sql("0004", "chat", "CREATE TABLE x(a);\n INSERT INTO nowhere VALUES (1)", "");
    check(fourth, ErrorKind::MigrationFailed, "no such table: nowhere");
}

#[test]
fn sql_that_the_engine_keeps_to_itself_is_refused_with_what_to_write_instead() {
    for sql_text in ["COMMIT", "PRAGMA foreign_keys = ON", "ATTACH 'x.db' AS x", "VACUUM"] {
        let fourth = Migration::new("0004", &["chat"], move |ctx| {
            ctx.execute("chat", "DELETE FROM chat", [])?;
            ctx.execute_batch("chat", sql_text)?;
            Ok(())
        });
        let failure = check(fourth, ErrorKind::ForbiddenSql, "may not run");
        assert!(failure.hint().is_some());
    }
}

#[test]
fn a_database_that_the_migration_does_not_name_cannot_be_reached() {
    let fourth = Migration::new("0004", &["chat"], |ctx| {
        ctx.execute("rules", "DELETE FROM rule", [])?;
        Ok(())
    });
    let failure = check(fourth, ErrorKind::ForbiddenSql, "does not name the database `rules`");
    assert_eq!(failure.hint(), Some("add it: `databases = [\"chat\", \"rules\"]`"));
}

#[test]
fn a_statement_that_rolls_back_the_transaction_by_itself_is_noticed() {
    let fourth = Migration::new("0004", &["chat", "rules"], |ctx| {
        ctx.execute("rules", "DELETE FROM rule", [])?;
        ctx.execute("chat", "INSERT OR ROLLBACK INTO chat(id) VALUES (1)", [])?;
        Ok(())
    });
    check(fourth, ErrorKind::MigrationFailed, "UNIQUE constraint failed");
    let fourth = Migration::new("0004", &["chat", "rules"], |ctx| {
        ctx.execute("rules", "DELETE FROM rule", [])?;
        // The author does not look at the error.
        drop(ctx.execute("chat", "INSERT OR ROLLBACK INTO chat(id) VALUES (1)", []));
        Ok(())
    });
    check(fourth, ErrorKind::ForbiddenSql, "the transaction on chat is gone");
}

#[test]
fn a_failure_keeps_the_migrations_before_it_or_none_of_the_run_as_the_caller_likes() {
    let set = || {
        let mut set = three();
        set.push(sql("0004", "chat", "CREATE TABLE fine(a)", "DROP TABLE fine"));
        set.push(sql("0005", "chat", "CREATE TABLE chat(a)", ""));
        set
    };
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    let whole = migrator(&directory, set());
    let whole = whole.clone().with_options(whole.options().clone().commit(CommitMode::WholeRun));
    let failure = whole.upgrade(&Target::Latest).expect_err("fails");
    assert_eq!(failure.state(), Some("nothing was changed"));
    assert!(failure.report.results.iter().all(|result| !result.success), "{:?}", failure.report);
    assert_eq!(whole.status().expect("asks").current_version.as_deref(), Some("0003"));

    let failure = migrator(&directory, set()).upgrade(&Target::Latest).expect_err("fails");
    assert_eq!(failure.state(), Some("0004 is applied and kept, nothing else was changed"));
    assert_eq!(whole.status().expect("asks").current_version.as_deref(), Some("0004"));
}

#[test]
fn a_fresh_directory_that_fails_stays_empty() {
    let directory = Directory::new();
    let mut set = three();
    set.push(sql("0004", "chat", "CREATE TABLE chat(a)", ""));
    let failure = migrator(&directory, set).upgrade(&Target::Latest).expect_err("fails");
    assert_eq!(failure.state(), Some("nothing was changed"));
    assert!(directory.contents().is_empty(), "{:?}", directory.contents().keys());
}

#[track_caller]
fn refused(directory: &Directory, kind: ErrorKind, said: &str) -> Error {
    let options = Options::default()
        .wait(Duration::from_millis(50))
        .backup(agentos_migrate::BackupPolicy::Skip);
    let migrator =
        agentos_migrate::Migrator::new(registry(three()), directory.path()).with_options(options);
    let error: Error = migrator.upgrade(&Target::Latest).expect_err("refused").into();
    let text = std::iter::once(error.to_string())
        .chain(error.details().iter().cloned())
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(said), "{text}");
    assert_eq!(error.state(), Some("nothing was changed"));
    assert!(error.hint().is_some(), "{text}");
    error
}

#[test]
fn a_missing_directory_and_a_path_that_is_a_file_are_refused() {
    let directory = Directory::new();
    let options = Options::default();
    for (name, said) in [("nowhere", "does not exist"), ("file", "is a file")] {
        std::fs::write(directory.file("file"), "x").expect("writes");
        let migrator = agentos_migrate::Migrator::new(registry(three()), directory.file(name))
            .with_options(options.clone());
        let error = migrator.upgrade(&Target::Latest).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::DataDirectory);
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(migrator.status().expect_err("refused").kind(), ErrorKind::DataDirectory);
    }
    assert!(!directory.file("nowhere").exists());
}

#[test]
fn a_file_that_is_no_database_is_refused_unchanged() {
    let directory = Directory::new();
    std::fs::write(
        directory.file("rules.db"),
        "this is no database, but it is long enough ".repeat(99),
    )
    .expect("writes");
    let before = directory.contents();
    refused(&directory, ErrorKind::DamagedDatabase, "rules.db: file is not a database");
    assert_eq!(directory.contents(), before);
}

#[test]
fn a_file_that_may_not_be_written_is_named_before_anything_runs() {
    let directory = Directory::new();
    directory.sql("rules", "CREATE TABLE kept (id INTEGER)");
    let path = directory.file("rules.db");
    let mut mode = std::fs::metadata(&path).expect("is there").permissions();
    mode.set_readonly(true);
    std::fs::set_permissions(&path, mode).expect("sets");
    let before = directory.contents();
    refused(&directory, ErrorKind::PermissionDenied, "rules.db is write-protected");
    assert_eq!(directory.contents(), before);
}

#[test]
fn a_database_that_is_gone_is_not_begun_anew_in_the_middle_of_the_history() {
    let directory = Directory::new();
    let first = three().into_iter().take(2).collect();
    migrator(&directory, first).upgrade(&Target::Latest).expect("upgrades");
    std::fs::remove_file(directory.file("rules.db")).expect("removes");
    let before = directory.contents();
    let error = migrator(&directory, three()).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::NeedsOperator);
    assert!(error.to_string().contains("0002 on rules"), "{error:?}");
    assert_eq!(directory.contents(), before);
}

#[test]
fn a_corrupt_page_stops_the_migration_that_meets_it() {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 4000)
        INSERT INTO t SELECT hex(randomblob(30)) FROM n");
    let mut bytes = std::fs::read(directory.file("chat.db")).expect("reads");
    bytes[4096 * 5..4096 * 6].fill(0xfe);
    std::fs::write(directory.file("chat.db"), bytes).expect("writes");
    let before = directory.contents();
    let set = vec![sql("0001", "chat", "UPDATE t SET a = a || 'x'", "")];
    let error = migrator(&directory, set).upgrade(&Target::Latest).expect_err("fails");
    assert_eq!(error.kind(), ErrorKind::DamagedDatabase, "{error}");
    assert_eq!(directory.contents(), before);
}

#[test]
fn a_locked_file_is_waited_for_and_then_named() {
    let directory = Directory::new();
    directory.sql("rules", "CREATE TABLE x(a)");
    let before = directory.contents();
    let holder = Connection::open(directory.file("rules.db")).expect("opens");
    holder.execute_batch("BEGIN IMMEDIATE").expect("locks");
    refused(&directory, ErrorKind::Busy, "rules.db is in use");
    assert_eq!(directory.contents(), before);
    holder.execute_batch("ROLLBACK").expect("lets go");
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
}

#[test]
fn the_applications_own_version_table_is_not_touched() {
    let directory = Directory::new();
    directory.sql("rules", "CREATE TABLE schema_version(version INTEGER, applied_at TEXT); INSERT INTO schema_version VALUES (4, 'x')");
    let before = directory.contents();
    refused(
        &directory,
        ErrorKind::NameCollision,
        "rules has a table `schema_version` of another shape",
    );
    assert_eq!(directory.contents(), before);

    let declared = registry(three()).with_schema_version_table("migration_schema_version");
    let migrator = agentos_migrate::Migrator::new(declared, directory.path());
    let options = migrator.options().clone().backup(agentos_migrate::BackupPolicy::Skip);
    migrator.with_options(options).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("rules", "SELECT version FROM schema_version"), "4");
    assert_eq!(directory.ask("rules", "SELECT count(*) FROM migration_schema_version"), "2");
}

#[test]
fn an_invalid_set_is_refused_with_every_mistake() {
    let directory = Directory::new();
    let error = migrator(&directory, vec![]).upgrade(&Target::Latest).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidSet);
    assert!(directory.contents().is_empty());
}

// Proves G2.
#[test]
fn a_run_that_is_cancelled_rolls_back_and_says_so() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    let mut set = three();
    set.push(sql("0004", "chat", "CREATE TABLE endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", ""));
    let migrator = migrator(&directory, set);
    let canceller = migrator.canceller();
    let before = data_of(&directory);
    let error = std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.upgrade(&Target::Latest).expect_err("cancelled"));
        std::thread::sleep(Duration::from_millis(150));
        canceller.cancel();
        run.join().expect("no panic")
    });
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    assert_eq!(data_of(&directory), before);
}

/// Runs a set and returns what an observer was told of each migration, with what a
/// program that opens the history at that moment would find there.
fn told(directory: &Directory, set: Vec<Migration>, commit: CommitMode) -> Vec<(String, bool)> {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, history) = (std::sync::Arc::clone(&told), directory.file("migrations.db"));
    let migrator = migrator(directory, set);
    let options = migrator.options().clone().commit(commit).observer(move |event| {
        let agentos_migrate::Progress::MigrationFinished { result } = event else { return };
        let row = "SELECT success FROM migration_history WHERE version = ?1";
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let is_stored = Connection::open_with_flags(&history, flags)
            .and_then(|history| history.query_row(row, [&result.version], |row| row.get(0)));
        assert_eq!(is_stored.unwrap_or(false), result.success, "told before it was true");
        seen.lock().expect("no panic").push((result.version.clone(), result.success));
    });
    drop(migrator.with_options(options).upgrade(&Target::Latest));
    told.lock().expect("no panic").clone()
}

#[test]
fn a_migration_is_told_to_be_applied_when_it_is_committed_and_not_before() {
    let applied = |versions: &[&str]| -> Vec<(String, bool)> {
        versions.iter().map(|version| ((*version).to_owned(), true)).collect()
    };
    let everything = applied(&["0001", "0002", "0003"]);
    for commit in [CommitMode::EachMigration, CommitMode::WholeRun] {
        let fresh = Directory::new();
        assert_eq!(told(&fresh, three(), commit), everything);
        let in_use = Directory::new();
        in_use.sql("chat", "CREATE TABLE mine(a)");
        assert_eq!(told(&in_use, three(), commit), everything);
    }
    let mut set = three();
    set.push(sql("0004", "chat", "SELECT nothing", ""));
    let failed = [("0004".to_owned(), false)];
    assert_eq!(told(&Directory::new(), set.clone(), CommitMode::WholeRun), failed);
    let in_use = Directory::new();
    in_use.sql("chat", "CREATE TABLE mine(a)");
    let expected = [everything, failed.to_vec()].concat();
    assert_eq!(told(&in_use, set, CommitMode::EachMigration), expected);
}

#[test]
fn a_run_that_is_stopped_in_one_transaction_reports_nothing_as_done() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    let canceller = migrator.canceller();
    let options = migrator.options().clone().observer(move |event| {
        if matches!(event, agentos_migrate::Progress::MigrationStarted { version, .. } if version.as_str() == "0001") {
            canceller.cancel();
        }
    });
    let failure = migrator.with_options(options).upgrade(&Target::Latest).expect_err("stopped");
    assert_eq!(failure.kind(), ErrorKind::Interrupted);
    assert!(failure.report.results.iter().all(|result| !result.success), "{:?}", failure.report);
    assert_eq!(failure.state(), Some("nothing was changed"));
}

/// Fails with a statement of a fourth migration, and returns where that stands.
#[track_caller]
fn place_of(fails: fn(&mut MigrationContext) -> Result<()>) -> String {
    let fourth = Migration::new("0004", &["chat", "rules"], fails);
    let failure = check(fourth, ErrorKind::MigrationFailed, "statement at ");
    let place = failure.details().iter().find_map(|line| line.strip_prefix("statement at "));
    place.expect("it is told").to_owned()
}

#[test]
fn an_error_says_on_which_line_the_statement_stands() {
    let calls: [fn(&mut MigrationContext) -> Result<()>; 7] = [
        |ctx| ctx.execute("chat", "UPDATE none SET a = 1", []).map(drop),
        |ctx| ctx.execute_many("chat", "INSERT INTO chat VALUES (1, ?, 2)", [["a"]]).map(drop),
        |ctx| ctx.execute_batch("chat", "SELECT 1; DROP TABLE none").map(drop),
        |ctx| ctx.query_row("chat", "SELECT none FROM chat", [], |_| Ok(())),
        |ctx| ctx.query_one("chat", "SELECT none FROM chat", [], |_| Ok(())),
        |ctx| ctx.query_map("chat", "SELECT none FROM chat", [], |_| Ok(())).map(drop),
        |ctx| ctx.copy_rows("chat", "SELECT 1", "rules", "INSERT INTO none VALUES (?)").map(drop),
    ];
    let last = line!() - 2;
    for (line, call) in (last - 6..).zip(calls) {
        assert_eq!(place_of(call), format!("{}:{line}", file!()));
    }
}

#[test]
fn an_error_in_an_sql_file_names_the_file_and_the_line_of_the_statement() {
    const FAILS_AS_IT_RUNS: &str = "-- why\nCREATE TABLE more (a CHECK (a > 1));\n\n/* and\n so */ -- on\n  INSERT INTO more VALUES (1);\n";
    const FAILS_TO_COMPILE: &str = "SELECT ';\n';\nINSERT INTO none VALUES (1);\nSELECT 2";
    fn run_file(ctx: &mut MigrationContext, sql: &str) -> Result<()> {
        agentos_migrate::private::run_file(ctx, "chat", "sql/0004.up.sql", sql)
    }
    assert_eq!(place_of(|ctx| run_file(ctx, FAILS_AS_IT_RUNS)), "sql/0004.up.sql:6");
    assert_eq!(place_of(|ctx| run_file(ctx, FAILS_TO_COMPILE)), "sql/0004.up.sql:3");
}

#[test]
fn a_history_table_of_another_program_is_left_alone_by_questions_and_runs() {
    let directory = Directory::new();
    directory.sql("migrations", "CREATE TABLE migration_history(id INTEGER, what TEXT)");
    let before = directory.contents();
    let migrator = migrator(&directory, three());
    for error in [
        migrator.status().expect_err("not ours"),
        migrator.upgrade(&Target::Latest).expect_err("not ours").error,
    ] {
        assert_eq!(error.kind(), ErrorKind::NameCollision, "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("--data-dir")), "{error:?}");
    }
    assert_eq!(directory.contents(), before);
}
