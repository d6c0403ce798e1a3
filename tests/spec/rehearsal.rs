//! Rehearsing: the real migrations on copies, and not a byte of the data directory changes.

use agentos_migrate::{ErrorKind, Target};

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
        rehearsal.schema_changes[0].diff.contains("+CREATE TABLE more(x);"),
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
    let migrator = agentos_migrate::Migrator::new(migrations::registry(), directory.path());
    migrator.rehearse(&Target::Latest).expect("rehearses");
    migrator.verify().expect("verifies");
    migrator.status().expect("asks");
    assert_eq!(directory.contents(), before);
}
