//! Processes: one run at a time, a run that is killed leaves no mixture, a run that is asked to stop rolls back.

#[cfg(unix)]
use std::process::Command;
use std::process::{Child, Stdio};
use std::time::Duration;

#[cfg(unix)]
use crate::support::command::{Said, run_with_files_up_to};
use crate::support::command::{command, run, said};
use crate::support::{Directory, agentos};

pub(crate) fn start(directory: &Directory, arguments: &[&str]) -> Child {
    command(directory.path(), arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

// Proves G8.
#[test]
fn eight_processes_that_start_at_once_all_succeed_and_each_migration_runs_once() {
    for directory in [Directory::new(), agentos::directory("agentos-v0")] {
        let children: Vec<Child> =
            (0..8).map(|_| start(&directory, &["upgrade", "--json"])).collect();
        let mut ran = 0;
        for child in children {
            let said = said(child.wait_with_output().expect("ends"));
            assert_eq!(said.code, 0, "{}", said.out);
            ran += said.json()["results"].as_array().expect("results").len();
        }
        assert_eq!(ran, 3);
        assert_eq!(
            directory
                .ask("migrations", "SELECT count(*) FROM migration_events WHERE kind = 'applied'"),
            "3"
        );
    }
}

/// What [`recorded`] finds at each version of the set.
pub(crate) const STATES: [[&str; 5]; 4] = [
    ["", "", "", "", ""],
    ["0001", "0001", "0001", "0001", "0001"],
    ["0001,0002", "0001", "0001", "0001", "0001"],
    ALL_VERSIONS,
];
pub(crate) const ALL_VERSIONS: [&str; 5] = ["0001,0002,0003", "0001", "0001", "0001", "0001,0003"];

/// Versions that each database records, opened by stock SQLite.
pub(crate) fn recorded(directory: &Directory) -> Vec<String> {
    let databases = ["conversations", "context", "rules", "audit", "intent_log"];
    let recorded = databases.iter().map(|database| {
        let exists = directory
            .ask(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'");
        if exists == "0" {
            return String::new();
        }
        directory.ask(
            database,
            "SELECT coalesce(group_concat(migration_version), '') FROM schema_version",
        )
    });
    recorded.collect()
}

/// A run that is killed, and where it leads from where.
struct Killed {
    arguments: &'static [&'static str],
    /// The newest version before the run, and after it.
    from: usize,
    to: usize,
}

impl Killed {
    fn begin(&self) -> Directory {
        let directory = agentos::directory("agentos-v0");
        if self.from > 0 {
            assert_eq!(run(directory.path(), &["upgrade", "--no-backup"]).code, 0);
        }
        directory
    }

    /// Kills runs at moments spread over the life of one, which is measured first.
    fn check(&self) {
        let full = std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some();
        let rounds = if full { 200 } else { 12 };
        let directory = self.begin();
        let begun = std::time::Instant::now();
        assert_eq!(run(directory.path(), self.arguments).code, 0);
        let life = begun.elapsed();
        let mut killed = 0;
        for round in 0..rounds {
            let directory = self.begin();
            let mut child = start(&directory, self.arguments);
            std::thread::sleep(life * (round * 7 % rounds) / rounds);
            child.kill().expect("kills");
            killed += u32::from(!child.wait().expect("ends").success());
            self.compare_with_history(&directory, round);
            self.go_on(&directory);
        }
        assert!(killed * 2 > rounds, "only {killed} of {rounds} runs were still at work");
    }

    /// All files are at one version, each opened alone by stock SQLite, and the history says which.
    fn compare_with_history(&self, directory: &Directory, round: u32) {
        let found = recorded(directory);
        let state = STATES.iter().position(|state| found == state);
        let state = state.unwrap_or_else(|| panic!("round {round} left a mixture: {found:?}"));
        let way = self.from.min(self.to)..=self.from.max(self.to);
        assert!(way.contains(&state), "round {round} left {state}, which is not on the way");
        if directory.file("migrations.db").exists() {
            let exists = directory.ask(
                "migrations",
                "SELECT count(*) FROM sqlite_schema WHERE name = 'migration_history'",
            );
            let history = if exists == "0" {
                "0".to_owned()
            } else {
                directory.ask("migrations", "SELECT count(*) FROM migration_history")
            };
            assert_eq!(history, state.to_string(), "the history does not agree with the files");
        }
    }

    /// The next run finishes, files are in their journal modes, nothing is left behind.
    fn go_on(&self, directory: &Directory) {
        let next = run(directory.path(), self.arguments);
        assert_eq!(next.code, 0, "{}", next.err);
        assert_eq!(recorded(directory), STATES[self.to]);
        assert_eq!(directory.ask("intent_log", "PRAGMA journal_mode"), "wal");
        let left: Vec<_> = directory
            .contents()
            .into_keys()
            .filter(|path| path.to_string_lossy().contains("-mj"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let verify = run(directory.path(), &["verify"]);
        assert_eq!(verify.code, 0, "{} {}", verify.out, verify.err);
    }
}

// Proves G1.
#[test]
fn a_run_that_is_killed_at_any_moment_leaves_all_files_old_or_all_new() {
    Killed { arguments: &["upgrade", "--no-backup"], from: 0, to: 3 }.check();
}

// Proves G1.
#[test]
fn a_downgrade_that_is_killed_at_any_moment_leaves_all_files_old_or_all_new() {
    let arguments = &["downgrade", "--target", "0001", "--no-backup"];
    Killed { arguments, from: 3, to: 1 }.check();
}

// Proves G1.
#[test]
fn readers_never_see_a_mixture_while_a_run_goes_on() {
    let directory = agentos::directory("agentos-v0");
    run(directory.path(), &["upgrade", "--no-backup", "--target", "0002"]);
    directory.sql("intent_log", "PRAGMA journal_mode = DELETE");
    let mut child = start(&directory, &["upgrade", "--no-backup"]);
    let ask = |database: &str, sql: &str| -> Option<i64> {
        let connection =
            rusqlite::Connection::open(directory.file(&format!("{database}.db"))).expect("opens");
        connection.busy_timeout(Duration::ZERO).expect("sets");
        connection.query_row(sql, [], |row| row.get(0)).ok()
    };
    let third = "SELECT count(*) FROM schema_version WHERE migration_version = '0003'";
    let mut rounds = 0;
    loop {
        let ended = child.try_wait().expect("asks").is_some();
        // If the first file is new, every file read after it is new.
        if let (Some(first), Some(second)) = (ask("conversations", third), ask("intent_log", third))
        {
            assert!(first <= second, "a mixture: conversations {first}, intent_log {second}");
            rounds += 1;
        }
        if ended {
            break;
        }
    }
    assert!(rounds > 0);
    assert_eq!(ask("intent_log", third), Some(1));
}

#[test]
#[cfg(unix)]
fn a_run_that_is_asked_to_stop_rolls_back_or_is_done() {
    let directory = agentos::directory("agentos-v0");
    let child = start(&directory, &["upgrade", "--no-backup"]);
    std::thread::sleep(Duration::from_millis(5));
    let process = child.id().to_string();
    Command::new("kill").args(["-INT", &process]).status().expect("sends");
    let said = said(child.wait_with_output().expect("ends"));
    assert!([0, 1, -1].contains(&said.code), "{} {}", said.code, said.err);
    assert_eq!(run(directory.path(), &["upgrade", "--no-backup"]).code, 0);
    assert_eq!(run(directory.path(), &["verify"]).code, 0);
}

/// A limit on the size of a file stands for a disk that fills up: the write that crosses it fails.
// Proves G2.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_in_the_middle_leaves_every_file_as_it_was() {
    let mut failures = 0;
    for blocks in [0, 8, 24, 64, 128, 256, 3136, 3144, 3160, 3200, 3300, 9000] {
        let directory = agentos::directory("agentos-v0");
        let first = run(directory.path(), &["upgrade", "--target", "0002", "--no-backup"]);
        assert_eq!(first.code, 0, "{}", first.err);
        let state = || {
            let mut files = directory.contents();
            // The failure is recorded where there is room; a WAL file's header and side files may differ.
            files.retain(|path, _| {
                let name = path.file_name().expect("a file").to_string_lossy();
                !name.starts_with("migrations.db") && !name.starts_with("intent_log.db")
            });
            files
        };
        let log = "SELECT count(*) || group_concat(sql) FROM intent_log, sqlite_schema";
        let (before, rows) = (state(), directory.ask("intent_log", log));
        let limited = upgrade_with_files_up_to(blocks, &directory);
        if limited.code != 0 {
            failures += 1;
            assert!(matches!(limited.code, 1 | 3), "{blocks}: {}", limited.err);
            assert!(limited.err.contains("error: "), "{blocks}: {}", limited.err);
            // Opened, as a limit, other than a full disk, also stops a rollback.
            for database in ["audit", "context", "conversations", "rules"] {
                directory.ask(database, "SELECT count(*) FROM sqlite_schema");
            }
            let after = state();
            let differing: Vec<_> =
                after.iter().filter(|one| before.get(one.0) != Some(one.1)).collect();
            assert_eq!(after, before, "{blocks}: {differing:?} {}", limited.err);
            assert_eq!(directory.ask("intent_log", log), rows, "{blocks}: {}", limited.err);
        }
        let upgrade = run(directory.path(), &["upgrade", "--no-backup"]);
        assert_eq!(upgrade.code, 0, "{blocks}: {}", upgrade.err);
        assert_eq!(run(directory.path(), &["verify"]).code, 0);
    }
    assert!(failures >= 3, "the limits were too wide to show anything");
}

#[cfg(unix)]
fn upgrade_with_files_up_to(blocks: u32, directory: &Directory) -> Said {
    run_with_files_up_to(blocks, directory.path(), &["upgrade", "--no-backup"])
}

#[cfg(unix)]
#[test]
fn a_new_directory_on_a_full_disk_can_be_used_when_there_is_room() {
    let mut failures = 0;
    for blocks in [0, 1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128] {
        let directory = Directory::new();
        failures += usize::from(upgrade_with_files_up_to(blocks, &directory).code != 0);
        let upgrade = run(directory.path(), &["upgrade", "--no-backup"]);
        assert_eq!(upgrade.code, 0, "{blocks}: {}", upgrade.err);
        assert_eq!(run(directory.path(), &["verify"]).code, 0);
    }
    assert!(failures >= 3, "the limits were too wide to show anything");
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_may_not_be_written_is_refused_and_can_still_be_asked_about() {
    use std::os::unix::fs::PermissionsExt;

    use crate::support::command::Nobody;

    let directory = agentos::directory("agentos-v0");
    let before = directory.contents();
    let nobody = Nobody::new();
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("sets");
    };
    set(directory.path(), 0o555);
    let as_nobody = |arguments: &[&str]| nobody.run(directory.path(), arguments);
    let upgrade = as_nobody(&["upgrade", "--no-backup"]);
    assert_eq!(upgrade.code, 1, "{}", upgrade.err);
    assert!(upgrade.err.contains("Permission denied"), "{}", upgrade.err);
    assert!(upgrade.err.contains("nothing was changed"), "{}", upgrade.err);
    assert_eq!(as_nobody(&["status", "--check"]).code, 2);
    set(directory.path(), 0o000);
    let status = as_nobody(&["status"]);
    assert_eq!(status.code, 1, "{}", status.err);
    set(directory.path(), 0o755);
    assert_eq!(directory.contents(), before);
}
