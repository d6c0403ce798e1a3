//! Write-ahead logs: files in WAL mode are switched for the run and back, with all that was in the log.

use std::time::Duration;

use agentos_migrate::rusqlite::Connection;
use agentos_migrate::{ErrorKind, Target};

use crate::support::{Directory, migrator, three};

fn in_wal() -> Directory {
    let directory = Directory::new();
    directory.sql(
        "chat",
        "PRAGMA journal_mode = WAL; CREATE TABLE mine(a); INSERT INTO mine VALUES (1)",
    );
    directory
}

#[test]
fn a_wal_file_is_migrated_and_is_in_wal_mode_afterwards() {
    let directory = in_wal();
    // Rows that are only in the log: the last connection is leaked, so nothing is folded in.
    let writer = Connection::open(directory.file("chat.db")).expect("opens");
    writer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO mine VALUES (2)")
        .expect("writes");
    drop(writer);
    migrator(&directory, three()).upgrade(&Target::Latest).expect("upgrades");
    assert_eq!(directory.ask("chat", "PRAGMA journal_mode"), "wal");
    assert_eq!(directory.ask("rules", "PRAGMA journal_mode"), "delete");
    assert_eq!(directory.ask("chat", "SELECT count(*) FROM mine"), "2");
    assert!(!directory.file(".agentos-migrate/journal-modes").exists());
}

#[test]
fn a_run_that_fails_leaves_the_file_in_wal_mode() {
    let directory = in_wal();
    let mut set = three();
    set.push(crate::support::sql("0004", "chat", "SELECT nothing", ""));
    migrator(&directory, set).upgrade(&Target::Latest).expect_err("fails");
    assert_eq!(directory.ask("chat", "PRAGMA journal_mode"), "wal");
    assert!(!directory.file(".agentos-migrate/journal-modes").exists());
}

#[test]
fn a_program_that_does_not_let_go_of_a_wal_file_is_named_and_nothing_changed() {
    let directory = in_wal();
    let reader = Connection::open(directory.file("chat.db")).expect("opens");
    reader.query_row("SELECT a FROM mine", [], |_| Ok(())).expect("reads");
    let patient = migrator(&directory, three());
    let impatient =
        patient.clone().with_options(patient.options().clone().wait(Duration::from_millis(50)));
    let error = impatient.upgrade(&Target::Latest).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(error.state(), Some("nothing was changed"));
    assert_eq!(directory.ask("chat", "PRAGMA journal_mode"), "wal");
    assert!(!directory.file("migrations.db").exists(), "an empty file is left");
    let waiting = std::thread::scope(|scope| {
        let run = scope.spawn(|| patient.upgrade(&Target::Latest));
        std::thread::sleep(Duration::from_millis(100));
        drop(reader);
        run.join().expect("no panic")
    });
    waiting.expect("upgrades when the reader is gone");
}

#[test]
fn a_file_left_in_rollback_mode_by_a_crash_goes_back_at_the_next_run() {
    let directory = in_wal();
    let migrator = migrator(&directory, three());
    migrator.upgrade(&Target::Latest).expect("upgrades");
    // As a crash between the commit and the switch back leaves it.
    directory.sql("chat", "PRAGMA journal_mode = DELETE");
    std::fs::write(directory.file(".agentos-migrate/journal-modes"), "# x\nchat\n")
        .expect("writes");
    assert!(migrator.upgrade(&Target::Latest).expect("nothing to apply").results.is_empty());
    assert_eq!(directory.ask("chat", "PRAGMA journal_mode"), "wal");
    assert!(!directory.file(".agentos-migrate/journal-modes").exists());
}
