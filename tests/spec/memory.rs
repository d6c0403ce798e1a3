//! Memory: a run for which SQLite has too little of it fails as a whole, whatever allocation is refused.
//!
//! The full form, with many more limits and moments:
//! `AGENTOS_MIGRATE_EXHAUSTIVE=1 cargo test -p spec-tests --test spec memory`.

use std::time::{Duration, Instant};

use crate::processes::{STATES, recorded};
use crate::support::command::{Said, command, run, said};
use crate::support::{Directory, agentos};

/// A run that gets too little memory, and where it leads from where.
struct Starved {
    arguments: &'static [&'static str],
    from: usize,
    to: usize,
}

const UPGRADE: Starved = Starved { arguments: &["upgrade", "--no-backup"], from: 0, to: 3 };
const DOWNGRADE: Starved =
    Starved { arguments: &["downgrade", "--target", "0001", "--no-backup"], from: 3, to: 1 };

fn is_full() -> bool {
    std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some()
}

impl Starved {
    fn begin(&self) -> Directory {
        let directory = agentos::directory("agentos-v0");
        if self.from > 0 {
            assert_eq!(run(directory.path(), &["upgrade", "--no-backup"]).code, 0);
        }
        directory
    }

    /// Runs with so much memory, from a moment on, and judges what is left; returns whether it failed.
    fn try_with(&self, bytes: u64, after: Option<Duration>) -> bool {
        let directory = self.begin();
        let mut command = command(directory.path(), self.arguments);
        command.env("HEAP_LIMIT", bytes.to_string());
        if let Some(after) = after {
            command.env("HEAP_LIMIT_AFTER", after.as_micros().to_string());
        }
        let said = said(command.output().expect("runs"));
        self.judge(&directory, &said, &format!("{bytes} bytes after {after:?}"));
        said.code != 0
    }

    /// All files stand at one version, the one that was told, and the next run finishes.
    fn judge(&self, directory: &Directory, said: &Said, what: &str) {
        let found = recorded(directory);
        let state = STATES.iter().position(|state| found == state);
        let state = state.unwrap_or_else(|| panic!("{what}: a mixture: {found:?} {}", said.err));
        if said.code == 0 {
            assert_eq!(state, self.to, "{what}");
        } else {
            assert_eq!(said.code, 1, "{what}: {}{}", said.out, said.err);
            assert!(said.err.contains("out of memory"), "{what}: {}", said.err);
            let told = ["nothing was changed\n", "nothing is committed"];
            let is_unchanged = told.iter().any(|told| said.err.contains(told));
            assert_eq!(is_unchanged, state == self.from, "{what}: {state} {}", said.err);
        }
        let next = run(directory.path(), self.arguments);
        assert_eq!(next.code, 0, "{what}: {}", next.err);
        assert_eq!(recorded(directory), STATES[self.to], "{what}");
        let verify = run(directory.path(), &["verify"]);
        assert_eq!(verify.code, 0, "{what}: {}{}", verify.out, verify.err);
    }

    /// Gives more and more memory, until it is enough.
    fn with_little(&self) {
        let (mut bytes, mut failures) = (32 << 10, 0);
        while self.try_with(bytes, None) {
            failures += 1;
            bytes += if is_full() { bytes / 100 } else { bytes / 4 };
            assert!(bytes < 1 << 30, "it is never enough");
        }
        assert!(failures >= 5, "only {failures} limits were too low");
    }

    /// Takes all memory that is not in use at moments spread over the life of a run, which is measured first.
    fn without_more(&self) {
        let rounds = if is_full() { 200 } else { 12 };
        let directory = self.begin();
        let time_of = |arguments: &[&str]| {
            let begun = Instant::now();
            assert_eq!(run(directory.path(), arguments).code, 0);
            begun.elapsed()
        };
        // Moments count from where the program begins, and on some systems it is long till then.
        let start = time_of(&["--help"]);
        let life = time_of(self.arguments).saturating_sub(start);
        let moments = (0..rounds).map(|round| life * round / rounds);
        let failures = moments.filter(|moment| self.try_with(1, Some(*moment))).count();
        assert!(failures >= 4, "only {failures} runs failed");
    }
}

// Proves G2.
#[test]
fn an_upgrade_with_little_memory_leaves_every_file_at_one_version() {
    UPGRADE.with_little();
}

// Proves G2.
#[test]
fn a_downgrade_with_little_memory_leaves_every_file_at_one_version() {
    DOWNGRADE.with_little();
}

// Proves G2.
#[test]
fn an_upgrade_whose_memory_ends_at_any_moment_leaves_every_file_at_one_version() {
    UPGRADE.without_more();
}

// Proves G2.
#[test]
fn a_downgrade_whose_memory_ends_at_any_moment_leaves_every_file_at_one_version() {
    DOWNGRADE.without_more();
}
