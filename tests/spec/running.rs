//! Running: what is pending is applied in order, what is applied is left alone,
//! what is above a target is reverted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentos_migrate::{ErrorKind, Migration, Target};

use crate::support::{Directory, migrator, sql, three};

fn versions(report: &agentos_migrate::Report) -> Vec<&str> {
    report.results.iter().map(|result| result.version.as_str()).collect()
}

fn to(version: &str) -> Target {
    Target::Version(version.parse().expect("a version"))
}

#[test]
fn a_fresh_directory_is_brought_to_the_newest_version() {
    let directory = Directory::new();
    let report = migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(versions(&report), ["0001", "0002", "0003"]);
    assert!(report.results.iter().all(|result| result.success && result.checksum.len() == 64));
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM pragma_table_info('chat')"), "3");
    assert_eq!(
        directory.ask(
            "migrations",
            "SELECT group_concat(version) FROM migration_history WHERE success = 1"
        ),
        "0001,0002,0003"
    );
}

#[test]
fn a_second_run_does_nothing_and_changes_no_byte() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let before = directory.contents();
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    assert_eq!(directory.contents(), before);
}

#[test]
fn a_change_of_the_history_by_somebody_else_is_noticed_at_the_next_start() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    migrator.upgrade(&Target::Latest).expect("upgrades");
    directory
        .sql("migrations", "UPDATE migration_history SET checksum = 'x' WHERE version = '0002'");
    let error = migrator.upgrade(&Target::Latest).expect_err("noticed");
    assert_eq!(error.kind(), ErrorKind::Modified);
    directory.sql("migrations", "DELETE FROM migration_history WHERE version = '0003'");
    directory.sql(
        "migrations",
        "INSERT INTO migration_history VALUES ('0009', 'x', 'now', 'y', 1, 0, NULL)",
    );
    let error = migrator.upgrade(&Target::Latest).expect_err("noticed");
    assert_eq!(error.kind(), ErrorKind::Newer);
}

#[test]
fn a_new_migration_runs_and_an_older_one_that_came_late_too() {
    let directory = Directory::new();
    let mut set = three();
    set.remove(1);
    let set: Vec<Migration> = set.into_iter().map(|migration| migration.depends_on(&[])).collect();
    let first = vec![set[0].clone()];
    migrator(&directory, first).upgrade(&Target::Latest).expect("upgrades");
    let report = migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(versions(&report), ["0002", "0003"]);
}

#[test]
fn a_target_is_an_upper_bound() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    assert_eq!(versions(&migrator.upgrade(&to("0002")).expect("upgrades")), ["0001", "0002"]);
    assert!(migrator.upgrade(&to("0001")).expect("nothing to do").results.is_empty());
    let error = migrator.upgrade(&to("0007")).expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::UnknownVersion);
    assert_eq!(migrator.status().expect("asks").current_version.as_deref(), Some("0002"));
}

#[test]
fn a_downgrade_reverts_what_is_above_and_leaves_no_trace_of_it() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let report = migrator.downgrade(&"0001".parse().expect("a version")).expect("reverts");
    assert_eq!(versions(&report), ["0003", "0002"]);
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM pragma_table_info('chat')"), "2");
    assert_eq!(directory.ask("rules", "SELECT count(*) FROM sqlite_schema"), "0");
    assert_eq!(
        directory.ask("migrations", "SELECT group_concat(version) FROM migration_history"),
        "0001"
    );
    assert_eq!(
        directory.ask("chat", "SELECT group_concat(migration_version) FROM schema_version"),
        "0001"
    );
    assert_eq!(
        versions(&migrator.upgrade(&Target::Latest).expect("upgrades again")),
        ["0002", "0003"]
    );
}

// Proves G7.
#[test]
fn an_irreversible_step_stops_a_downgrade_before_anything_is_touched() {
    let directory = Directory::new();
    let mut set = three();
    set[1] = set[1].clone().irreversible("it merges two columns");
    let migrator = migrator(&directory, set);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let before = directory.contents();
    let error = migrator.downgrade(&"0001".parse().expect("a version")).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Irreversible);
    assert!(error.details()[0].contains("it merges two columns"));
    assert_eq!(directory.contents(), before);
}

// Proves G6.
#[test]
fn questions_do_not_write_a_byte_nor_create_a_file() {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    migrator.status().expect("asks");
    migrator.plan(&Target::Latest).expect("asks");
    migrator.history().expect("asks");
    assert!(std::fs::read_dir(directory.path()).expect("reads").next().is_none());
}

#[test]
fn each_database_carries_its_version_unless_the_author_wrote_it() {
    let directory = Directory::new();
    let by_hand = "CREATE TABLE t(a); CREATE TABLE schema_version (id INTEGER PRIMARY KEY, version TEXT NOT NULL,
        migration_version TEXT NOT NULL, applied_at TEXT NOT NULL, description TEXT);
        INSERT INTO schema_version (version, migration_version, applied_at, description) VALUES ('7.0', '0001', 'then', 'mine')";
    let set = vec![
        sql("0001", "chat", by_hand, "DROP TABLE t"),
        sql("0002", "chat", "CREATE TABLE u(a)", "DROP TABLE u"),
    ];
    migrator(&directory, set).upgrade(&Target::Latest).expect("upgrades");
    let rows = directory.ask("chat", "SELECT group_concat(migration_version || ' ' || version || ' ' || description, '; ') FROM schema_version");
    assert_eq!(rows, "0001 7.0 mine; 0002 7.0 step_0002");
}

// Proves G8.
#[test]
fn eight_threads_that_start_at_once_all_succeed_and_each_migration_runs_once() {
    let directory = Directory::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let set = vec![Migration::new("0001", &["chat"], move |ctx| {
        counted.fetch_add(1, Ordering::Relaxed);
        // The others have long seen that it is pending.
        std::thread::sleep(std::time::Duration::from_millis(200));
        ctx.execute("chat", "CREATE TABLE IF NOT EXISTS t(a)", [])?;
        Ok(())
    })];
    let migrator = migrator(&directory, set);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| migrator.upgrade(&Target::Latest).expect("upgrades"));
        }
    });
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(
        directory.ask("migrations", "SELECT count(*) FROM migration_events WHERE kind = 'applied'"),
        "1"
    );
}

#[test]
fn rows_move_between_databases_in_the_one_transaction() {
    let directory = Directory::new();
    directory.sql(
        "chat",
        "CREATE TABLE a(x, y); INSERT INTO a VALUES (1, 'one'), (2, NULL), (3, x'00ff')",
    );
    let set = vec![Migration::new("0001", &["chat", "rules"], |ctx| {
        assert!(ctx.database_existed("chat")? && !ctx.database_existed("rules")?);
        ctx.execute("rules", "CREATE TABLE b(y, x)", [])?;
        let moved = ctx.copy_rows(
            "chat",
            "SELECT y, x FROM a ORDER BY x",
            "rules",
            "INSERT INTO b VALUES (?1, ?2)",
        )?;
        assert_eq!(moved, 3);
        ctx.execute("chat", "DROP TABLE a", [])?;
        Ok(())
    })];
    migrator(&directory, set).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(
        directory.ask("rules", "SELECT group_concat(x || quote(y)) FROM b"),
        "1'one',2NULL,3X'00FF'"
    );
}

#[test]
fn a_savepoint_rolls_back_alone() {
    let directory = Directory::new();
    let set = vec![Migration::new("0001", &["chat"], |ctx| {
        ctx.execute("chat", "CREATE TABLE t(a)", [])?;
        let nested = ctx.savepoint("chat", |ctx| {
            ctx.execute("chat", "INSERT INTO t VALUES (1)", [])?;
            ctx.execute("chat", "INSERT INTO nowhere VALUES (1)", [])
        });
        assert!(nested.is_err());
        ctx.savepoint("chat", |ctx| ctx.execute("chat", "INSERT INTO t VALUES (2)", []))?;
        Ok(())
    })];
    migrator(&directory, set).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("chat", "SELECT group_concat(a) FROM t"), "2");
}
