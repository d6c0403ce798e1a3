//! The commit over several files: all old or all new, whatever happens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::disk::{Disk, Model, PLAIN_VFS, Random, disk_after};
use super::faults::{Faults, Lasting, Trouble};
use super::{Group, change_counter, is_wal, probe_header, watch};
use crate::sqlite::locking;
use crate::system::real;

const NAMES: [&str; 6] = ["migrations", "conversations", "context", "rules", "audit", "intent_log"];

/// Makes six databases at version 1.
fn make(directory: &Path, extra: &str) -> Vec<PathBuf> {
    NAMES
        .iter()
        .map(|name| {
            let path = directory.join(format!("{name}.db"));
            let connection = Connection::open(&path).expect("opens");
            connection.execute_batch(extra).expect("runs");
            connection
                .execute_batch(
                    "CREATE TABLE meta(v); INSERT INTO meta VALUES (1);
                    CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INT); CREATE INDEX ta ON t(a);
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
                    INSERT INTO t(a, b) SELECT 'row ' || i || hex(zeroblob(60)), i FROM n;",
                )
                .expect("fills");
            path
        })
        .collect()
}

const CHANGE: &str =
    "ALTER TABLE t ADD COLUMN c TEXT; UPDATE t SET c = 'new' || id, b = b + 1 WHERE id % 2 = 0;
    CREATE TABLE n(x INTEGER PRIMARY KEY, y); INSERT INTO n(y) SELECT a FROM t LIMIT 20;
    CREATE INDEX nb ON n(y); UPDATE meta SET v = v + 1;";

fn open(group: &Group, paths: &[PathBuf]) -> Vec<Connection> {
    paths
        .iter()
        .map(|path| {
            let connection = group.open(path).expect("opens");
            locking::begin(&connection, path, Duration::ZERO).expect("begins");
            connection
        })
        .collect()
}

fn commit(
    group: &Group,
    paths: &[PathBuf],
    connections: &mut [Connection],
) -> Result<(), super::CommitError> {
    let mut members: Vec<(&Path, &mut Connection)> =
        paths.iter().map(PathBuf::as_path).zip(connections).collect();
    group.commit(&paths[0], &mut members)
}

/// Opens one file alone with stock SQLite: its version, if it is whole.
fn version(path: &Path) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags_and_vfs(path, flags, PLAIN_VFS).expect("opens");
    let check: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(check, "ok", "{}", path.display());
    let version = connection.query_row("SELECT v FROM meta", [], |row| row.get(0)).expect("reads");
    let changed = connection.prepare("SELECT c FROM t").is_ok()
        && connection.prepare("SELECT y FROM n").is_ok();
    assert_eq!(changed, version > 1, "{} holds half a change", path.display());
    version
}

fn versions(paths: &[PathBuf], random: &mut Random) -> Vec<i64> {
    let mut order: Vec<&PathBuf> = paths.iter().collect();
    for index in (1..order.len()).rev() {
        order.swap(index, random.below(index + 1));
    }
    order.into_iter().map(|path| version(path)).collect()
}

/// How many states of a recording are looked at: all of them only when asked for.
fn sample(count: usize, wanted: usize, random: &mut Random) -> Vec<usize> {
    if std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some() {
        return (0..=count).collect();
    }
    // The operations of the commit itself come last: look at all of those.
    let tail = count.saturating_sub(wanted / 2);
    let mut chosen: Vec<usize> = (tail..=count).collect();
    chosen.extend((0..wanted / 2).map(|_| random.below(tail + 1)));
    chosen
}

/// Records a change of six files and looks at the disk after crashes.
fn check_crashes(extra: &str, sql: impl Fn(&str) -> String, wanted: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = real(directory.path()).expect("real");
    let paths = make(&path, extra);
    let (watched, recorder) = watch::record(&path);
    let group = Group::new(None).expect("a group");
    let mut connections = open(&group, &paths);
    for (connection, name) in connections.iter().zip(NAMES) {
        connection.execute_batch(&sql(name)).expect("changes");
    }
    commit(&group, &paths, &mut connections).expect("commits");
    drop(connections);
    drop(watched);
    let recording = recorder.recording();
    let mut random = Random::new(7);
    let (mut old, mut new) = (0, 0);
    let expected: Vec<bool> = NAMES.iter().map(|name| sql(name).contains("UPDATE meta")).collect();
    for model in [Model::Kill, Model::PowerLossNothing, Model::PowerLossAnything] {
        for count in sample(recording.operations.len(), wanted, &mut random) {
            disk_after(&recording, count, model, &mut random).write_to(&path).expect("writes");
            versions(&paths, &mut random);
            let found: Vec<bool> = paths.iter().map(|path| version(path) > 1).collect();
            if found == expected {
                new += 1;
            } else {
                assert!(
                    found.iter().all(|changed| !changed),
                    "torn after operation {count} of {model:?}: {found:?}"
                );
                old += 1;
            }
            if count == recording.operations.len() {
                assert_eq!(found, expected, "lost after the commit returned, {model:?}");
            }
        }
    }
    assert!(old > 0 && new > 0, "{old} old, {new} new");
}

// Proves G1.
#[test]
fn a_crash_at_any_operation_leaves_all_files_old_or_all_new() {
    check_crashes("", |_| CHANGE.to_owned(), 160);
}

#[test]
fn a_crash_during_a_commit_that_spilled_its_cache_leaves_no_mixture() {
    check_crashes("", |_| format!("PRAGMA cache_size = 4; {CHANGE}"), 100);
}

#[test]
fn a_crash_while_files_shrink_leaves_no_mixture() {
    let shrink = "DELETE FROM t WHERE id > 2;";
    check_crashes("PRAGMA auto_vacuum = FULL;", |_| format!("{shrink}{CHANGE}"), 100);
    check_crashes("", |_| format!("DROP INDEX ta; {shrink}{CHANGE}"), 60);
}

#[test]
fn a_crash_with_savepoints_and_a_member_that_only_reads_leaves_no_mixture() {
    let nested = "SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; RELEASE s;";
    let sql = |name: &str| {
        if name == "rules" { "SELECT 1;".to_owned() } else { format!("{nested}{CHANGE}") }
    };
    check_crashes("", sql, 100);
}

#[test]
fn several_commits_follow_each_other_on_the_same_connections() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = make(&real(directory.path()).expect("real"), "");
    let group = Group::new(None).expect("a group");
    let mut connections = open(&group, &paths);
    for round in 2..5 {
        for (connection, path) in connections.iter().zip(&paths) {
            if round > 2 {
                locking::begin(connection, path, Duration::ZERO).expect("begins");
            }
            connection
                .execute_batch(if round == 2 { CHANGE } else { "UPDATE meta SET v = v + 1" })
                .expect("changes");
        }
        commit(&group, &paths, &mut connections).expect("commits");
        assert!(paths.iter().all(|path| version(path) == round));
    }
    let left: Vec<_> = std::fs::read_dir(directory.path()).expect("reads").collect();
    assert_eq!(left.len(), NAMES.len(), "no journal is left: {left:?}");
}

#[test]
fn a_member_that_was_in_wal_mode_may_have_nothing_to_commit() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = make(&real(directory.path()).expect("real"), "PRAGMA journal_mode = WAL;");
    let group = Group::new(None).expect("a group");
    let mut connections = open(&group, &paths);
    for (round, connection) in connections.iter().enumerate() {
        if round % 2 == 0 {
            connection.execute_batch(CHANGE).expect("changes");
        }
    }
    commit(&group, &paths, &mut connections).expect("commits");
    drop(connections);
    let found: Vec<i64> = paths.iter().map(|path| version(path)).collect();
    assert_eq!(found, [2, 1, 2, 1, 2, 1]);
}

#[test]
fn a_member_that_lost_its_transaction_rolls_all_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = make(&real(directory.path()).expect("real"), "");
    let group = Group::new(None).expect("a group");
    let mut connections = open(&group, &paths);
    for connection in &connections {
        connection.execute_batch(CHANGE).expect("changes");
    }
    connections[4].execute_batch("ROLLBACK").expect("rolls back");
    let error = commit(&group, &paths, &mut connections).expect_err("refused");
    assert!(matches!(error, super::CommitError::RolledBack(_)), "{error:?}");
    drop(connections);
    assert!(paths.iter().all(|path| version(path) == 1));
}

// Proves G2.
#[test]
fn any_operation_may_fail_and_no_file_is_torn() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = real(directory.path()).expect("real");
    let exhaustive = std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some();
    let step = if exhaustive { 1 } else { 5 };
    for (lasting, trouble) in [
        (Lasting::Once, Trouble::Full),
        (Lasting::FromThenOn, Trouble::Device),
        (Lasting::Once, Trouble::Device),
    ] {
        let mut at = 0;
        loop {
            Disk::default().write_to(&path).expect("removes");
            let paths = make(&path, "");
            let faults = Faults::new(trouble, lasting, at);
            let committed = with_faults(&faults, &path, &paths);
            let found: Vec<i64> = paths.iter().map(|path| version(path)).collect();
            let all_old = found.iter().all(|version| *version == 1);
            let all_new = found.iter().all(|version| *version == 2);
            assert!(all_old || all_new, "torn by {trouble:?} at operation {at}: {found:?}");
            assert!(!committed || all_new, "lost by {trouble:?} at operation {at}");
            if !faults.happened() {
                assert!(committed);
                break;
            }
            at += step;
        }
    }
}

/// Tries the change; returns whether the group said that it is committed.
fn with_faults(faults: &Faults, directory: &Path, paths: &[PathBuf]) -> bool {
    let _watched = watch::trouble(directory, faults);
    let group = Group::new(None).expect("a group");
    let mut connections = Vec::new();
    for path in paths {
        let Ok(connection) = group.open(path) else { return false };
        if locking::begin(&connection, path, Duration::ZERO).is_err()
            || connection.execute_batch(CHANGE).is_err()
        {
            return false;
        }
        connections.push(connection);
    }
    let outcome = commit(&group, paths, &mut connections);
    faults.stop();
    matches!(outcome, Ok(()) | Err(super::CommitError::DurabilityUnknown(_)))
}

#[test]
fn connections_may_outlive_their_group() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = make(&real(directory.path()).expect("real"), "");
    let group = Group::new(None).expect("a group");
    let connection = group.open(&paths[0]).expect("opens");
    drop(group);
    connection.execute_batch("UPDATE meta SET v = 1").expect("goes on");
}

#[test]
fn the_header_is_read_beside_a_lock_of_this_process_without_dropping_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = make(directory.path(), "")[0].clone();
    let before = probe_header(&path).expect("reads").expect("a plain file");
    let connection = Connection::open(&path).expect("opens");
    connection
        .execute_batch("PRAGMA user_version = 77; PRAGMA application_id = 5")
        .expect("writes");
    let header = probe_header(&path).expect("reads").expect("a plain file");
    assert_eq!((header.user_version, header.application_id), (77, 5));
    assert_eq!(header.change_counter, before.change_counter + 2);
    assert_eq!(change_counter(&path).expect("reads"), header.change_counter);

    connection.execute_batch("BEGIN EXCLUSIVE").expect("locks");
    assert_eq!(probe_header(&path).expect("asks"), None, "a locked file is asked the slow way");
    change_counter(&path).expect("reads");
    let shell = std::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "sqlite::vfs::tests::child_reads_the_file_that_is_named", "--nocapture"])
        .env("AGENTOS_MIGRATE_CHILD_FILE", &path)
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&shell.stdout);
    assert!(said.contains("child: database is locked"), "the lock of this process is gone: {said}");
}

/// Not a test of its own: the other process of the test above.
#[test]
#[expect(clippy::print_stdout, reason = "this is how it answers")]
fn child_reads_the_file_that_is_named() {
    let Some(path) = std::env::var_os("AGENTOS_MIGRATE_CHILD_FILE") else { return };
    let connection = Connection::open(path).expect("opens");
    connection.busy_timeout(Duration::ZERO).expect("sets");
    match connection.query_row("SELECT v FROM meta", [], |row| row.get::<_, i64>(0)) {
        Ok(version) => println!("child: version {version}"),
        Err(error) => println!("child: {error}"),
    }
}

#[test]
fn a_wal_file_a_missing_one_and_rubbish_are_asked_the_slow_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.db");
    assert_eq!(probe_header(&path).expect("asks"), None);
    std::fs::write(&path, "rubbish, and more than a hundred bytes of it. ".repeat(9))
        .expect("writes");
    assert_eq!(probe_header(&path).expect("asks"), None);
    std::fs::remove_file(&path).expect("removes");
    let connection = Connection::open(&path).expect("opens");
    connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a)").expect("creates");
    assert_eq!(probe_header(&path).expect("asks"), None);
    assert!(is_wal(&path).expect("reads"));
}
