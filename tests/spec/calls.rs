//! Calls: what a migration may ask its context, and what it must not leave to the next one.

use std::sync::{Arc, Mutex};

use agentos_migrate::{
    BackupPolicy, ErrorKind, Migration, MigrationContext, Options, Progress, Result, Target,
};

use crate::support::{Directory, migrator, registry};

/// Runs one migration on a database with a table of three rows.
fn run(
    work: impl Fn(&mut MigrationContext) -> Result<()> + Send + Sync + 'static,
) -> (Directory, std::result::Result<agentos_migrate::Report, agentos_migrate::RunFailure>) {
    let directory = Directory::new();
    directory.sql("chat", "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)");
    let outcome = migrator(&directory, vec![Migration::new("0001", &["chat"], work)])
        .upgrade(&Target::Latest);
    (directory, outcome)
}

#[test]
fn a_statement_runs_for_every_row_and_counts_all() {
    let (directory, outcome) = run(|ctx| {
        let changed = ctx.execute_many("chat", "INSERT INTO t VALUES (?1)", [[10], [20]])?;
        assert_eq!(changed, 2);
        Ok(())
    });
    outcome.expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT sum(a) FROM t"), "36");
}

#[test]
fn a_row_that_a_statement_refuses_takes_those_before_it_back() {
    let (directory, outcome) = run(|ctx| {
        ctx.execute("chat", "CREATE UNIQUE INDEX u ON t(a)", [])?;
        ctx.execute_many("chat", "INSERT INTO t VALUES (?1)", [[10], [1]])?;
        Ok(())
    });
    let failure = outcome.expect_err("1 is there");
    assert!(failure.to_string().contains("UNIQUE constraint failed"), "{failure}");
    assert_eq!(directory.ask("chat", "SELECT sum(a) FROM t"), "6");
}

#[test]
fn rows_that_are_copied_fill_every_parameter_of_a_statement_on_another_database() {
    let copy = |select: &'static str, to: &'static str, insert: &'static str| {
        let directory = Directory::new();
        directory.sql("chat", "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)");
        directory.sql("rules", "CREATE TABLE u(a, b)");
        let work = move |ctx: &mut MigrationContext| {
            ctx.copy_rows("chat", select, to, insert)?;
            Ok(())
        };
        let set = vec![Migration::new("0001", &["chat", "rules"], work)];
        let outcome = migrator(&directory, set).upgrade(&Target::Latest);
        let sum = directory.ask("rules", "SELECT count(*) || ' ' || total(a + b) FROM u");
        (outcome.map(drop), sum)
    };
    let (outcome, sum) = copy("SELECT a, a FROM t", "rules", "INSERT INTO u VALUES (?1, ?2)");
    assert_eq!((outcome.is_ok(), sum.as_str()), (true, "3 12.0"));
    for select in ["SELECT a FROM t", "SELECT a, a, a FROM t"] {
        let (outcome, sum) = copy(select, "rules", "INSERT INTO u VALUES (?1, ?2)");
        let failure = outcome.expect_err("one would be NULL, or lost");
        assert!(failure.to_string().contains("needed 2"), "{failure}");
        assert_eq!(sum, "0 0.0");
    }
    let (outcome, _) = copy("SELECT a FROM t", "chat", "INSERT INTO t VALUES (?1)");
    let failure = outcome.expect_err("would never end");
    assert_eq!(failure.kind(), ErrorKind::ForbiddenSql, "{failure:?}");
    assert!(
        failure.hint().is_some_and(|hint| hint.contains("INSERT INTO … SELECT")),
        "{failure:?}"
    );
}

#[test]
fn the_only_row_is_the_only_one() {
    let one = |sql: &'static str| {
        run(move |ctx| {
            let first: i64 = ctx.query_row("chat", "SELECT a FROM t", [], |row| row.get(0))?;
            let only: i64 = ctx.query_one("chat", sql, [], |row| row.get(0))?;
            assert_eq!((first, only), (1, 3));
            Ok(())
        })
        .1
    };
    one("SELECT max(a) FROM t").expect("there is one");
    let many = one("SELECT a FROM t WHERE a > 1").expect_err("two");
    assert!(many.to_string().contains("returned more than one row"), "{many}");
    assert!(many.details()[0].contains("SELECT a FROM t WHERE a > 1"), "{many:?}");
    let none = one("SELECT a FROM t WHERE a > 9").expect_err("none");
    assert!(none.to_string().contains("Query returned no rows"), "{none}");
}

#[test]
fn a_migration_is_told_what_the_caller_said_and_is_heard() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let directory = Directory::new();
    let expected = directory.path().canonicalize().expect("is there").join("chat.db");
    let migration = Migration::new("0001", &["chat"], move |ctx| {
        assert_eq!(ctx.db_path("chat")?.canonicalize()?, expected);
        assert!(ctx.db_path("rules").is_err(), "it is not named");
        assert!(ctx.verbose() && !ctx.dry_run());
        assert_eq!(ctx.metadata()["ticket"], "AB-1");
        ctx.progress(1, 2);
        ctx.note("half of it");
        Ok(())
    });
    let options = Options::default()
        .backup(BackupPolicy::Skip)
        .verbose(true)
        .metadata("ticket", "AB-1")
        .program("notes 7")
        .observer(move |progress| {
            let line = match progress {
                Progress::Step { done, total } => format!("{done}/{total}"),
                Progress::Note { text } => (*text).to_owned(),
                _ => return,
            };
            heard.lock().expect("no panic").push(line);
        });
    let migrator = agentos_migrate::Migrator::new(registry(vec![migration]), directory.path())
        .with_options(options);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(*told.lock().expect("no panic"), ["1/2", "half of it"]);
    let event = migrator.history().expect("asks").remove(0);
    assert_eq!((event.program.as_str(), event.note.as_deref()), ("notes 7", Some("half of it")));
}

#[test]
fn temporary_objects_and_settings_end_with_their_migration() {
    let leaves = Migration::new("0001", &["chat"], |ctx| {
        ctx.execute_batch(
            "chat",
            "CREATE TEMP TABLE scratch(a); CREATE TEMP VIEW \"odd \"\" name\" AS SELECT 1;
            PRAGMA legacy_alter_table = ON",
        )?;
        Ok(())
    });
    let looks = Migration::new("0002", &["chat"], |ctx| {
        let count = "SELECT count(*) FROM sqlite_temp_schema";
        let left: i64 = ctx.query_row("chat", count, [], |row| row.get(0))?;
        let legacy: i64 =
            ctx.query_row("chat", "PRAGMA legacy_alter_table", [], |row| row.get(0))?;
        assert_eq!((left, legacy), (0, 0));
        ctx.execute("chat", "CREATE TABLE scratch(a)", [])?;
        Ok(())
    });
    let directory = Directory::new();
    migrator(&directory, vec![leaves, looks]).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(
        directory.ask("chat", "SELECT count(*) FROM sqlite_schema WHERE name = 'scratch'"),
        "1"
    );
}

#[test]
fn vacuum_in_a_transaction_is_refused_with_the_way_to_do_it() {
    let (_, outcome) = run(|ctx| {
        ctx.execute("chat", "VACUUM", [])?;
        Ok(())
    });
    let failure = outcome.expect_err("refused");
    assert_eq!(failure.kind(), ErrorKind::ForbiddenSql);
    assert!(failure.hint().is_some_and(|hint| hint.contains("ctx.vacuum")), "{failure:?}");
}
