//! The history: tables as documented, an event for everything that happened.

use agentos_migrate::{BackupPolicy, EventKind, Force, Options, Target};

use crate::support::{Directory, migrator, sql, three};

#[test]
fn the_history_table_has_the_documented_columns() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    let columns = "SELECT group_concat(name || ' ' || type || ' ' || \"notnull\" || pk, ', ') FROM pragma_table_info('migration_history')";
    assert_eq!(
        directory.ask("migrations", columns),
        "version TEXT 01, name TEXT 10, applied_at TEXT 10, checksum TEXT 10, success INTEGER 10, execution_time_ms REAL 10, error_message TEXT 00"
    );
}

#[test]
fn the_event_log_remembers_what_the_history_forgets() {
    let directory = Directory::new();
    let set = || {
        vec![
            sql("0001", "chat", "CREATE TABLE t(a)", "DROP TABLE t"),
            sql("0002", "chat", "SELECT nowhere", ""),
        ]
    };
    let first = vec![set()[0].clone()];
    migrator(&directory, first.clone()).upgrade(&Target::Latest).expect("upgrades");
    migrator(&directory, set()).upgrade(&Target::Latest).expect_err("fails");
    let with_name = migrator(&directory, first.clone());
    directory.sql("migrations", "DELETE FROM migration_history WHERE version = '0002'");
    let named = with_name
        .clone()
        .with_options(Options::program(with_name.options().clone(), "agent-os 9.1"));
    named.downgrade(&"0000".parse().expect("a version")).expect("reverts");
    let events = named.history().expect("asks");
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Applied, EventKind::Failed, EventKind::Reverted]);
    assert_eq!(
        events[1].note.as_deref().and_then(|note| note.lines().next()),
        Some(
            "migration 0002 `step_0002` failed: no such column: nowhere in SELECT nowhere at offset 7 (on chat)"
        )
    );
    assert_eq!(events[2].program, "agent-os 9.1");
}

#[test]
fn the_event_log_can_only_grow() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    let connection = rusqlite::Connection::open(directory.file("migrations.db")).expect("opens");
    for sql in ["DELETE FROM migration_events", "UPDATE migration_events SET note = 'x'"] {
        let error = connection.execute(sql, []).expect_err("refused");
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[test]
fn notes_of_a_migration_are_kept() {
    let directory = Directory::new();
    let set = vec![agentos_migrate::Migration::new("0001", &["chat"], |ctx| {
        ctx.note("mended 3 rows");
        Ok(())
    })];
    let migrator = migrator(&directory, set);
    migrator.upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(migrator.history().expect("asks")[0].note.as_deref(), Some("mended 3 rows"));
}

#[test]
fn a_forced_run_that_fails_leaves_the_migration_applied() {
    let directory = Directory::new();
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    directory
        .sql("migrations", "UPDATE migration_history SET checksum = 'x' WHERE version = '0001'");
    let options = Options::default().backup(BackupPolicy::Skip).force(Force::Yes);
    let forced = migrator(&directory, three()).with_options(options);
    forced.upgrade(&Target::Latest).expect_err("the table is there");
    let row = "SELECT success FROM migration_history WHERE version = '0001'";
    assert_eq!(directory.ask("migrations", row), "1");
    let last = "SELECT kind FROM migration_events ORDER BY id DESC LIMIT 1";
    assert_eq!(directory.ask("migrations", last), "failed");
}

#[test]
fn a_history_table_with_other_columns_beside_ours_is_written_by_name() {
    let directory = Directory::new();
    directory.sql(
        "migrations",
        "CREATE TABLE migration_history (note TEXT, name TEXT, version TEXT PRIMARY KEY,
            applied_at TEXT, checksum TEXT, success INTEGER, execution_time_ms REAL, error_message TEXT)",
    );
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    let row = "SELECT version FROM migration_history WHERE name = 'step_0001' AND success = 1";
    assert_eq!(directory.ask("migrations", row), "0001");
}
