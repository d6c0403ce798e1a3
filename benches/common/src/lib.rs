//! What every program of the comparison shares: one generated set, one clock.
//!
//! A program wraps one tool in a [`Tool`] and hands it to [`main`]. It does
//! one job per call and prints the nanoseconds of each repetition; the
//! program `table` calls them in turn and compares.

use std::path::{Path, PathBuf};
use std::time::Instant;

/// One migration of the generated set.
pub struct Entry {
    /// From 1.
    pub version: usize,
    /// A word that is not its version.
    pub name: &'static str,
    /// The SQL that applies it.
    pub up: &'static str,
    /// The SQL that reverts it.
    pub down: &'static str,
}

/// A migration tool with the set compiled into it.
pub trait Tool {
    /// Does what the tool's macro does at compile time. Not measured.
    fn compile(set: &'static [Entry], variant: &str) -> Self;

    /// Does what a program does when it starts: opens the file, applies what is pending, closes.
    fn upgrade(&self, directory: &Path, durability: Durability);

    /// Reverts everything above a version, newest first; false if the tool can't.
    fn revert(&self, directory: &Path, target: usize) -> bool;
}

/// How a tool is asked to write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The tool's default, which for all of them is `synchronous=FULL` and a rollback journal.
    Default,
    /// `synchronous=OFF` where the tool allows it: for making a file that is measured later.
    Off,
}

/// The file that every tool migrates.
#[must_use]
pub fn file(directory: &Path) -> PathBuf {
    directory.join("app.db")
}

/// Runs one job, and prints the nanoseconds of its measured part.
///
/// - `prepare SET COUNT DIRECTORY VARIANT`: applies the first COUNT migrations, as fast as the tool can
/// - `start SET COUNT DIRECTORY VARIANT`: starts a program with COUNT migrations
/// - `revert SET COUNT DIRECTORY VARIANT TARGET`: goes back; prints nothing if the tool can't
///
/// One job is one process, as a program starts once: what a tool does the
/// first time counts.
///
/// # Panics
///
/// On any failure: a comparison that failed has no result.
pub fn main<T: Tool>() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [job, set, count, directory, variant, rest @ ..] = &arguments[..] else {
        panic!("usage: JOB SET COUNT DIRECTORY VARIANT [TARGET]");
    };
    let tool = T::compile(generate(set, count.parse().expect("a count")), variant);
    let directory = Path::new(directory);
    let started = Instant::now();
    let did = match job.as_str() {
        "prepare" => {
            tool.upgrade(directory, Durability::Off);
            true
        }
        "start" => {
            tool.upgrade(directory, Durability::Default);
            true
        }
        "revert" => tool.revert(directory, rest[0].parse().expect("a number")),
        other => panic!("no job `{other}`"),
    };
    let elapsed = started.elapsed();
    if did {
        println!("{}", elapsed.as_nanos());
    }
}

/// Makes the first `count` migrations of a set: `tiny` or `heavy`.
///
/// # Panics
///
/// If there is no such set.
#[must_use]
pub fn generate(set: &str, count: usize) -> &'static [Entry] {
    let make = match set {
        "tiny" => tiny,
        "heavy" => heavy,
        other => panic!("no set `{other}`"),
    };
    (1..=count).map(make).collect::<Vec<_>>().leak()
}

/// A table, an index, a row.
fn tiny(version: usize) -> Entry {
    let up = format!(
        "CREATE TABLE t{version}(id INTEGER PRIMARY KEY, a TEXT);\n\
         CREATE INDEX i{version} ON t{version}(a);\n\
         INSERT INTO t{version}(a) VALUES ('x');"
    );
    Entry {
        version,
        name: format!("table_{version}").leak(),
        up: up.leak(),
        down: format!("DROP TABLE t{version};").leak(),
    }
}

/// First a table of 1,000,000 rows, then the same table rebuilt as SQLite's
/// documentation tells (<https://sqlite.org/lang_altertable.html#otheralter>).
fn heavy(version: usize) -> Entry {
    let (up, down) = match version {
        1 => (
            "CREATE TABLE big(id INTEGER PRIMARY KEY, a TEXT, b INTEGER); CREATE INDEX big_a ON big(a);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
             INSERT INTO big SELECT i, 'row ' || (i * 7919 % 1000003), i FROM n;",
            "DROP TABLE big;",
        ),
        _ => (
            "CREATE TABLE big_new(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INTEGER NOT NULL DEFAULT 0);
             INSERT INTO big_new SELECT id, a, b FROM big; DROP TABLE big; ALTER TABLE big_new RENAME TO big;
             CREATE INDEX big_a ON big(a);",
            "",
        ),
    };
    Entry { version, name: "big", up, down }
}
