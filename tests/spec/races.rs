//! Races: programs that read and write while a run goes on, runs that meet backups and restores,
//! signals at any moment.
//!
//! The full form, with many more rounds: `AGENTOS_MIGRATE_EXHAUSTIVE=1 cargo test -p spec-tests --test spec races`.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use agentos_migrate::BackupManager;
use agentos_migrate::rusqlite::{self, Connection, ErrorCode};

use crate::processes::{ALL_VERSIONS, recorded, start};
use crate::support::command::{run, said};
use crate::support::{Directory, agentos};

fn rounds(short: u64, full: u64) -> u64 {
    if std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some() { full } else { short }
}

/// One statement of a program that comes and goes; nothing where somebody else has the file.
///
/// Anything but "busy" is a failure: no error of a file, of a schema, of a disk.
#[track_caller]
fn visit<T>(
    directory: &Directory,
    database: &str,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Option<T> {
    let visit = || -> rusqlite::Result<T> {
        let connection = Connection::open(directory.file(&format!("{database}.db")))?;
        connection.busy_timeout(Duration::from_millis(20))?;
        work(&connection)
    };
    match visit() {
        Ok(value) => Some(value),
        Err(rusqlite::Error::SqliteFailure(error, _))
            if matches!(error.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) =>
        {
            None
        }
        Err(error) => panic!("{database}: {error}"),
    }
}

// Proves G1.
#[test]
fn programs_that_read_and_write_during_an_upgrade_see_no_mixture_and_lose_no_row() {
    const THIRD: &str = "SELECT count(*) FROM schema_version WHERE migration_version = '0003'";
    let look =
        |connection: &Connection| connection.query_row(THIRD, [], |row| row.get::<_, i64>(0));
    // Run to its end, where it commits: a row that was promised counts.
    let write = |connection: &Connection| connection.execute("INSERT INTO visits VALUES (1)", []);
    let looks = &AtomicI64::new(0);
    for round in 0..rounds(3, 60) {
        let directory = &agentos::directory("agentos-v0");
        let base = run(directory.path(), &["upgrade", "--no-backup", "--target", "0002"]);
        assert_eq!(base.code, 0, "{}", base.err);
        // Every other round with a database in WAL mode.
        if round % 2 == 0 {
            directory.sql("intent_log", "PRAGMA journal_mode = DELETE");
        }
        let files = ["conversations", "intent_log"];
        for database in files {
            directory.sql(database, "CREATE TABLE visits(a)");
        }
        let is_over = &AtomicBool::new(false);
        let written = &[AtomicI64::new(0), AtomicI64::new(0)];
        std::thread::scope(|scope| {
            for (database, count) in files.into_iter().zip(written) {
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        if visit(directory, database, write).is_some() {
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
            }
            for (first, second) in [(files[0], files[1]), (files[1], files[0])] {
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let first_look = visit(directory, first, look);
                        let second_look = visit(directory, second, look);
                        if let (Some(before), Some(after)) = (first_look, second_look) {
                            // A file read later is not older than one that was new before.
                            assert!(before <= after, "{first} is new and {second} is old");
                            looks.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(5));
            let upgrade = run(directory.path(), &["upgrade", "--no-backup", "--wait", "60s"]);
            std::thread::sleep(Duration::from_millis(5));
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(upgrade.code, 0, "{}", upgrade.err);
        });
        assert_eq!(recorded(directory), ALL_VERSIONS);
        for (database, count) in files.into_iter().zip(written) {
            let rows = directory.ask(database, "SELECT count(*) FROM visits");
            assert_eq!(
                rows,
                count.load(Ordering::Relaxed).to_string(),
                "rows of {database} are lost"
            );
            assert_eq!(directory.ask(database, "PRAGMA integrity_check"), "ok");
        }
    }
    assert!(looks.load(Ordering::Relaxed) > 0);
}

#[test]
fn upgrades_downgrades_backups_restores_and_questions_at_once_take_turns() {
    let directory = agentos::directory("agentos-v0");
    assert_eq!(run(directory.path(), &["upgrade", "--no-backup"]).code, 0);
    let backup = run(directory.path(), &["--json", "backup"]).json();
    let id = backup["backup_id"].as_str().expect("an id").to_owned();
    let acting: [&[&str]; 5] = [
        &["upgrade", "--no-backup", "--wait", "60s"],
        &["downgrade", "--target", "0002", "--no-backup", "--wait", "60s"],
        &["backup"],
        &["restore", &id, "--yes", "--wait", "60s"],
        &["upgrade", "--wait", "60s"],
    ];
    for round in 0..rounds(2, 40) {
        let turn = usize::try_from(round).expect("small");
        let children: Vec<_> = (0..acting.len())
            .map(|index| acting[(index + turn) % acting.len()])
            .map(|arguments| (arguments, start(&directory, arguments)))
            .collect();
        let status = run(directory.path(), &["status"]);
        // 6: it looked into the middle of the restore, and says so.
        assert!([0, 5, 6].contains(&status.code), "status: {} {}", status.code, status.err);
        for (arguments, child) in children {
            let said = said(child.wait_with_output().expect("ends"));
            assert!([0, 5].contains(&said.code), "{arguments:?}: {} {}", said.code, said.err);
        }
        let upgrade = run(directory.path(), &["upgrade", "--no-backup"]);
        assert_eq!(upgrade.code, 0, "{}", upgrade.err);
        let verify = run(directory.path(), &["verify"]);
        assert_eq!(verify.code, 0, "{} {}", verify.out, verify.err);
        assert_eq!(recorded(&directory), ALL_VERSIONS);
    }
    let manager = BackupManager::new(directory.path());
    let backups = manager.list_backups().expect("lists");
    assert!(backups.len() > 1);
    for backup in backups {
        manager.verify_backup(&backup.id).expect("is whole");
    }
}

// Proves G2.
#[cfg(unix)]
#[test]
fn a_run_that_gets_a_signal_at_any_moment_is_done_or_rolled_back() {
    for round in 0..rounds(12, 200) {
        let (signal, arguments) = [
            (libc::SIGINT, &["upgrade", "--no-backup"][..]),
            (libc::SIGTERM, &["upgrade", "--no-backup", "--all-or-nothing"]),
            (libc::SIGTERM, &["downgrade", "--target", "0001", "--no-backup"]),
            (libc::SIGINT, &["downgrade", "--target", "0001", "--no-backup"]),
        ][usize::try_from(round % 4).expect("small")];
        let directory = agentos::directory("agentos-v0");
        if arguments[0] == "downgrade" {
            assert_eq!(run(directory.path(), &["upgrade", "--no-backup"]).code, 0);
        }
        let child = start(&directory, arguments);
        // Spread over the life of a run, which is some tens of milliseconds.
        std::thread::sleep(Duration::from_micros(500 + round * 53_000 % 40_000));
        let process = child.id().to_string();
        let sent =
            std::process::Command::new("kill").args([&format!("-{signal}"), &process]).status();
        sent.expect("sends");
        let said = said(child.wait_with_output().expect("ends"));
        // A signal that comes before the program listens ends it, as any other.
        assert!([0, 1, -1].contains(&said.code), "{arguments:?}: {} {}", said.code, said.err);
        let found = recorded(&directory);
        let at = crate::processes::STATES.iter().position(|state| found == state);
        assert!(at.is_some(), "{arguments:?}, round {round}: a mixture: {found:?}");
        if said.code == 1 {
            assert!(said.err.contains("the run was asked to stop"), "{}", said.err);
        }
        assert_eq!(run(directory.path(), &["upgrade", "--no-backup"]).code, 0);
        assert_eq!(run(directory.path(), &["verify"]).code, 0);
    }
}
