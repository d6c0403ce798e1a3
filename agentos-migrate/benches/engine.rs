//! The engine against bare SQLite, as ratios in one run.
//!
//! `cargo bench -p agentos-migrate --bench engine` prints a table. Each row
//! runs both sides in turn, several times, and divides the medians: these
//! hold on a noisy machine, single times do not.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use agentos_migrate::rusqlite::{Connection, OpenFlags};
use agentos_migrate::{BackupPolicy, Migration, Migrator, Options, Registry, Target};

fn main() {
    if std::env::args().any(|argument| argument == "tiny-alone") {
        // For a profiler: our side of one row, once.
        let directory = tempfile::tempdir().expect("a directory");
        migrator(directory.path(), set(1_000)).upgrade(&Target::Latest).expect("upgrades");
        return;
    }
    println!("{:<46} {:>11} {:>11} {:>7}  target", "what", "bare", "ours", "ratio");
    for count in [10, 100, 1_000, 5_000] {
        nothing_to_do(count);
    }
    tiny_migrations(1);
    tiny_migrations(1_000);
    heavy_rebuild();
}

fn set(count: usize) -> Vec<Migration> {
    (1..=count)
        .map(|index| {
            let sql = tiny(index);
            Migration::new(leak(format!("{index:04}")), &["app"], move |ctx| {
                ctx.execute_batch("app", &sql)?;
                Ok(())
            })
        })
        .collect()
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn tiny(index: usize) -> String {
    format!(
        "CREATE TABLE t{index}(id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX i{index} ON t{index}(a); INSERT INTO t{index}(a) VALUES ('x');"
    )
}

fn migrator(directory: &Path, migrations: Vec<Migration>) -> Migrator {
    let options = Options::default().backup(BackupPolicy::Skip);
    Migrator::new(Registry::new(&["app"], migrations), directory).with_options(options)
}

fn nothing_to_do(count: usize) {
    const ROUNDS: usize = 400;
    let directory = tempfile::tempdir().expect("a directory");
    let migrator = migrator(directory.path(), set(count));
    migrator.upgrade(&Target::Latest).expect("upgrades");
    let path = directory.path().join("migrations.db");
    let bare = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).expect("opens");
        black_box(
            connection
                .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
                .expect("reads"),
        );
    };
    let ours =
        || assert!(migrator.upgrade(&Target::Latest).expect("nothing to do").results.is_empty());
    let (bare, ours) = in_turn(ROUNDS, bare, ours);
    row(&format!("nothing to do, {count} applied (bare: open, 1 page)"), bare, ours, "<= 1.15");
}

fn tiny_migrations(count: usize) {
    let migrations = set(count);
    let bare = || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut connection = Connection::open(directory.path().join("app.db")).expect("opens");
        connection.execute_batch("PRAGMA synchronous = FULL").expect("sets");
        let transaction = connection.transaction().expect("begins");
        for index in 1..=count {
            transaction.execute_batch(&tiny(index)).expect("runs");
        }
        transaction.commit().expect("commits");
    };
    let ours = || {
        let directory = tempfile::tempdir().expect("a directory");
        migrator(directory.path(), migrations.clone()).upgrade(&Target::Latest).expect("upgrades");
    };
    let (bare, ours) = in_turn(7, bare, ours);
    row(&format!("{count} tiny migration(s), fresh (bare: 1 transaction)"), bare, ours, "<= 1.2");
}

const REBUILD: &str =
    "CREATE TABLE big_new(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INTEGER NOT NULL DEFAULT 0);
    INSERT INTO big_new SELECT id, a, b FROM big; DROP TABLE big; ALTER TABLE big_new RENAME TO big;
    CREATE INDEX big_a ON big(a);";

fn heavy_rebuild() {
    let source = tempfile::tempdir().expect("a directory");
    let path = source.path().join("app.db");
    let connection = Connection::open(&path).expect("opens");
    connection
        .execute_batch(
            "CREATE TABLE big(id INTEGER PRIMARY KEY, a TEXT, b INTEGER); CREATE INDEX big_a ON big(a);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
            INSERT INTO big SELECT i, 'row ' || (i * 7919 % 1000003), i FROM n;",
        )
        .expect("fills");
    drop(connection);
    let fresh = || {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::copy(&path, directory.path().join("app.db")).expect("copies");
        directory
    };
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let directory = fresh();
        let started = Instant::now();
        let connection = Connection::open(directory.path().join("app.db")).expect("opens");
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; BEGIN")
            .expect("begins");
        connection.execute_batch(REBUILD).expect("runs");
        connection.execute_batch("COMMIT").expect("commits");
        drop(connection);
        bare.push(started.elapsed());

        let directory = fresh();
        let migrations = vec![Migration::new("0001", &["app"], |ctx| {
            ctx.execute_batch("app", REBUILD)?;
            Ok(())
        })];
        let migrator = migrator(directory.path(), migrations);
        let started = Instant::now();
        migrator.upgrade(&Target::Latest).expect("upgrades");
        ours.push(started.elapsed());
    }
    row("a table of 1,000,000 rows rebuilt", median(bare), median(ours), "<= 1.05");
}

fn in_turn(rounds: usize, mut bare: impl FnMut(), mut ours: impl FnMut()) -> (Duration, Duration) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        first.push(timed(&mut bare));
        second.push(timed(&mut ours));
    }
    (median(first), median(second))
}

fn timed(work: &mut impl FnMut()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn row(what: &str, bare: Duration, ours: Duration, target: &str) {
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("{what:<46} {bare:>11.1?} {ours:>11.1?} {ratio:>7.2}  {target}");
}
