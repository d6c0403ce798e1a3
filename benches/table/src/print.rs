//! The figures, as Markdown.

use std::path::Path;

use crate::{Column, Times};

/// What the figures depend on.
pub(crate) fn machine(scratch: &Path) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split(": ").nth(1).unwrap_or("unknown").to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("- {cores} × {}", field("model name"));
    println!("- Linux {}", read("/proc/sys/kernel/osrelease").trim());
    println!("- file system: {}", file_system(scratch));
    println!("- SQLite {}", rusqlite::version());
    let lock = include_str!("../../Cargo.lock");
    for name in [
        "rusqlite",
        "rusqlite_migration",
        "refinery",
        "diesel_migrations",
        "sqlx",
        "sea-orm-migration",
    ] {
        println!("- {name} {}", version(lock, name));
    }
    println!();
}

fn version<'a>(lock: &'a str, name: &str) -> &'a str {
    let after = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1).unwrap_or_default();
    after.split('"').next().unwrap_or_default()
}

/// The type of the mount that holds a directory.
fn file_system(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_default();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let holding = fields.filter(|fields| fields.len() > 2 && path.starts_with(fields[1]));
    holding.max_by_key(|fields| fields[1].len()).map_or("unknown".to_owned(), |f| f[2].to_owned())
}

/// The fastest rounds with their factors to the limit's, and then what the other rounds were.
pub(crate) fn tables(columns: &[Column], results: &[(&str, Times)]) {
    let heads: Vec<_> = columns.iter().map(|column| column.title).collect();
    let head = || {
        println!("| | {} |", heads.join(" | "));
        println!("|---|{}", "--:|".repeat(columns.len()));
    };
    let row = |title: &str, times: &Times, cell: &dyn Fn(&[f64]) -> String| {
        let cell = |times: &Option<Vec<f64>>| times.as_deref().map_or("–".to_owned(), cell);
        println!("| {title} | {} |", times.iter().map(cell).collect::<Vec<_>>().join(" | "));
    };
    head();
    for (title, times) in results {
        let limit = times[0].as_deref().map_or(f64::NAN, fastest);
        let cell = |times: &[f64]| {
            format!("{} ({})", human(fastest(times)), ratio(fastest(times) / limit))
        };
        row(title, times, &cell);
    }
    println!("\nThe median and the slowest round; how many rounds:\n");
    head();
    for (title, times) in results {
        let rounds = times[0].as_ref().map_or(0, Vec::len);
        let cell = |times: &[f64]| {
            let mut times = times.to_vec();
            times.sort_by(f64::total_cmp);
            format!("{}, {}", human(times[times.len() / 2]), human(times[times.len() - 1]))
        };
        row(&format!("{title} ({rounds})"), times, &cell);
    }
}

/// What the machine can when nobody else is at work.
fn fastest(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn human(nanoseconds: f64) -> String {
    match nanoseconds {
        time if time < 1e6 => format!("{:.1} µs", time / 1e3),
        time if time < 1e9 => format!("{:.1} ms", time / 1e6),
        time => format!("{:.2} s", time / 1e9),
    }
}

fn ratio(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}×") } else { format!("{ratio:.0}×") }
}
