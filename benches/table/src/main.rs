//! Calls the programs in turn, checks what each did, and prints the table.
//!
//! A round runs every tool once, so that a busy moment of the machine hits
//! all. Of the rounds the fastest counts: what is added to it is other
//! people's work.

mod jobs;
mod print;

use std::path::{Path, PathBuf};
use std::process::Command;

use jobs::{Job, Step};

/// One column: a program and how it is called.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    program: &'static str,
    variant: &'static str,
}

const COLUMNS: &[Column] = &[
    column("limit", "bench-raw", "-"),
    column("agentos-migrate", "bench-ours", "-"),
    column("agentos-migrate, one transaction", "bench-ours", "one"),
    column("rusqlite_migration", "bench-rusqlite-migration", "-"),
    column("refinery", "bench-refinery", "-"),
    column("refinery, grouped", "bench-refinery", "one"),
    column("diesel_migrations", "bench-diesel", "-"),
    column("sqlx", "bench-sqlx", "-"),
    column("sea-orm-migration", "bench-seaorm", "-"),
    column("sea-orm-migration, transactions", "bench-seaorm", "one"),
];

const fn column(title: &'static str, program: &'static str, variant: &'static str) -> Column {
    Column { title, program, variant }
}

/// The nanoseconds of a job: for each column those of each round; none for what a tool can't.
pub(crate) type Times = Vec<Option<Vec<f64>>>;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let scratch = PathBuf::from(arguments.next().expect("usage: table SCRATCH [ROUNDS [JOB]]"));
    let rounds = arguments.next().map(|text| text.parse::<usize>().expect("a number of rounds"));
    let only = arguments.next();
    let mut results = Vec::new();
    for job in jobs::all() {
        if only.as_ref().is_some_and(|only| !job.title.contains(only.as_str())) {
            continue;
        }
        eprintln!("{} …", job.title);
        results.push((job.title, measure(&job, &scratch, rounds.unwrap_or(job.rounds))));
    }
    print::machine(&scratch);
    print::tables(COLUMNS, &results);
}

fn measure(job: &Job, scratch: &Path, rounds: usize) -> Times {
    let templates: Vec<PathBuf> =
        COLUMNS.iter().map(|column| prepare(job, column, scratch)).collect();
    let mut times: Times = COLUMNS.iter().map(|_| Some(Vec::new())).collect();
    for round in 0..rounds {
        for turn in 0..COLUMNS.len() {
            let index = (round + turn) % COLUMNS.len();
            let time = run_once(job, &COLUMNS[index], &templates[index], scratch);
            match (time, &mut times[index]) {
                (Some(time), Some(known)) => known.push(time),
                _ => times[index] = None,
            }
        }
    }
    for template in templates {
        std::fs::remove_dir_all(template).expect("removes");
    }
    times
}

/// Makes the directory from which every round starts.
fn prepare(job: &Job, column: &Column, scratch: &Path) -> PathBuf {
    let directory = scratch.join(format!("{}-{}-template", column.program, column.variant));
    drop(std::fs::remove_dir_all(&directory));
    std::fs::create_dir_all(&directory).expect("creates");
    if job.before > 0 {
        call(column, &["prepare", job.set, &job.before.to_string()], &directory, &[]);
        check(&directory, job.set, job.before, column);
    }
    directory
}

fn run_once(job: &Job, column: &Column, template: &Path, scratch: &Path) -> Option<f64> {
    // A start with nothing to do changes nothing, so the template serves all rounds.
    let directory = if job.before == job.after { template } else { &scratch.join("work") };
    if directory != template {
        drop(std::fs::remove_dir_all(directory));
        copy(template, directory);
        // What the copy left to write is not the tool's.
        assert!(Command::new("sync").status().expect("syncs").success());
    }
    let (name, count) = match job.step {
        Step::Start => ("start", job.after),
        Step::Revert => ("revert", job.before),
    };
    let last = job.after.to_string();
    let text = call(column, &[name, job.set, &count.to_string()], directory, &[&last]);
    let time = text.trim().parse().ok()?;
    check(directory, job.set, job.after, column);
    Some(time)
}

fn call(column: &Column, job: &[&str], directory: &Path, rest: &[&str]) -> String {
    let program = match column.program {
        // The set is compiled in.
        ours @ "bench-ours" => format!("{ours}-{}-{}", job[1], job[2]),
        other => other.to_owned(),
    };
    let program = std::env::current_exe().expect("a program").with_file_name(program);
    let output = Command::new(&program)
        .args(job)
        .arg(directory)
        .arg(column.variant)
        .args(rest)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {job:?} failed: {talk}", column.program);
    String::from_utf8(output.stdout).expect("text")
}

/// A tool that did not do the work has no time: the tables must be there.
fn check(directory: &Path, set: &str, count: usize, column: &Column) {
    let connection = rusqlite::Connection::open(directory.join("app.db")).expect("opens");
    let number =
        |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).expect("reads") };
    let done = match set {
        "heavy" => {
            let column = "SELECT \"notnull\" FROM pragma_table_info('big') WHERE name = 'b'";
            assert_eq!(number("SELECT count(*) FROM big"), 1_000_000);
            number(column) + 1
        }
        _ => number(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 't[0-9]*'",
        ),
    };
    assert_eq!(usize::try_from(done), Ok(count), "{} did not do its work", column.title);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}
