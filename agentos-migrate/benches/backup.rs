//! How long backups and restores take, as ratios in one run.
//!
//! `cargo bench -p agentos-migrate --bench backup` makes 1,000 MB of
//! databases and 2,000 blobs. `AGENTOS_MIGRATE_BENCH_MB=100` makes less,
//! `AGENTOS_MIGRATE_BENCH_DIR` puts them elsewhere than the folder for
//! temporary files. Everything is divided by `cp -a` followed by `sha256sum`
//! of the copy, which syncs nothing and checks no database. Each round runs
//! all rows in turn; the medians are compared. A `sha256sum` without the CPU's
//! SHA instructions makes the baseline slow, so `cp` and `openssl dgst` stand
//! beside it: the ratio to that one is what the same hashing would give. `sqlite3`,
//! `restic` and `python3` have rows where they are installed.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agentos_migrate::rusqlite::Connection;
use agentos_migrate::{BackupManager, BackupOptions, Compression, RestoreOptions};

const N_BLOBS: usize = 2_000;
/// Percent of the bytes in each database: one holds most.
const SHARES: [(&str, usize); 4] =
    [("conversations", 70), ("intent_log", 15), ("audit", 10), ("rules", 5)];

fn main() {
    let megabytes = number("AGENTOS_MIGRATE_BENCH_MB", 1_000);
    let rounds = number("AGENTOS_MIGRATE_BENCH_ROUNDS", 3);
    let parent = std::env::var_os("AGENTOS_MIGRATE_BENCH_DIR")
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let root = tempfile::tempdir_in(parent).expect("a directory");
    let bench = Bench { data: root.path().join("data"), root: root.path().to_owned() };
    fill(&bench.data, megabytes);
    let bytes: u64 = SHARES
        .iter()
        .map(|(name, _)| bench.data.join(format!("{name}.db")).metadata().expect("there").len())
        .sum();
    println!("{} MB of databases, {N_BLOBS} blobs, median of {rounds}", bytes / 1_000_000);

    let mut table = Table::default();
    forget_peak_memory();
    for _ in 0..rounds {
        bench.round(&mut table);
    }
    let peak = peak_memory();
    for _ in 0..rounds {
        bench.others(&mut table);
    }
    table.print();
    if let Some(kilobytes) = peak {
        println!("peak memory {:.1} MB (target: below 64)", kilobytes / 1000.0);
    }
}

const BASELINE: &str = "cp -a, then sha256sum";

const TARGETS: [(&str, &str); 4] = [
    ("create a folder", "<= 0.65"),
    ("restore a folder, verified", "<= 0.65"),
    ("create an archive", "<= 1.6; the Python tool's at least 4 times"),
    ("restore an archive, verified", "<= 1.6"),
];

/// The rows, in the order in which they were first measured.
#[derive(Default)]
struct Table(Vec<(&'static str, Vec<Duration>)>);

impl Table {
    fn add(&mut self, name: &'static str, time: Duration) {
        match self.0.iter_mut().find(|(one, _)| *one == name) {
            Some((_, times)) => times.push(time),
            None => self.0.push((name, vec![time])),
        }
    }

    fn print(&self) {
        let of = |name: &str| self.0.iter().find(|(one, _)| *one == name).map(|(_, t)| median(t));
        let baseline = of(BASELINE).expect("it is measured").as_secs_f64();
        println!("{:<48} {:>9} {:>7}  target", "what", "time", "ratio");
        for (name, times) in &self.0 {
            let time = median(times);
            let target =
                TARGETS.iter().find(|(one, _)| one == name).map_or("", |(_, target)| target);
            println!("{name:<48} {time:>9.2?} {:>7.2}  {target}", time.as_secs_f64() / baseline);
        }
    }
}

struct Bench {
    root: PathBuf,
    data: PathBuf,
}

impl Bench {
    fn round(&self, table: &mut Table) {
        let manager = BackupManager::new(&self.data).with_directory(self.root.join("backups"));
        table.add(BASELINE, self.copy_and_hash("sha256sum"));
        table.add("cp -a, then openssl dgst", self.copy_and_hash("openssl dgst -sha256"));
        let rows = [
            (
                Compression::None,
                ["create a folder", "verify a folder", "restore a folder, verified"],
            ),
            (
                Compression::Zstd,
                ["create an archive", "verify an archive", "restore an archive, verified"],
            ),
        ];
        for (compression, [create, verify, restore]) in rows {
            let options = BackupOptions { compression, ..BackupOptions::default() };
            let mut id = String::new();
            let make = || id = manager.create_backup(&options).expect("makes").backup_id;
            table.add(create, timed(make));
            table.add(verify, timed(|| drop(manager.verify_backup(&id).expect("good"))));
            let options = RestoreOptions::default();
            let bring_back = || drop(manager.restore_backup(&id, &options).expect("restores"));
            table.add(restore, timed(bring_back));
            manager.delete_backup(&id).expect("removes");
            // A restore keeps what it replaced; the baseline would copy that too.
            std::fs::remove_dir_all(self.data.join(".agentos-migrate")).expect("removes");
        }
    }

    fn copy_and_hash(&self, program: &str) -> Duration {
        let copy = self.root.join("copy");
        let time = timed(|| {
            run(Command::new("cp").arg("-a").args([&self.data, &copy]));
            hash_all(&copy, program);
        });
        std::fs::remove_dir_all(copy).expect("removes");
        time
    }

    /// What other programs take, those that are installed.
    fn others(&self, table: &mut Table) {
        if is_installed("sqlite3") {
            table.add("sqlite3 .backup, cp -a of blobs, then sha256sum", self.shell_backup());
        }
        if is_installed("restic") {
            self.restic(table);
        }
        if is_installed("python3") {
            table.add("the steps of Agent OS's Python tool, .tar.gz", self.python());
        }
    }

    /// Nothing is synced, and no database is checked.
    fn shell_backup(&self) -> Duration {
        let copy = self.root.join("copy");
        std::fs::create_dir(&copy).expect("makes");
        let time = timed(|| {
            for (name, _) in SHARES {
                let target = copy.join(format!("{name}.db"));
                let mut shell = Command::new("sqlite3");
                shell.arg(self.data.join(format!("{name}.db")));
                run(shell.arg(format!(".backup '{}'", target.display())));
            }
            run(Command::new("cp").arg("-a").args([&self.data.join("blobs"), &copy]));
            hash_all(&copy, "sha256sum");
        });
        std::fs::remove_dir_all(copy).expect("removes");
        time
    }

    /// A new repository each time, as one backup of ours shares nothing with another archive.
    fn restic(&self, table: &mut Table) {
        let (repository, copy) = (self.root.join("restic"), self.root.join("copy"));
        let restic = |arguments: &[&str]| {
            let mut command = Command::new("restic");
            command.env("RESTIC_PASSWORD", "benchmark").arg("--repo").arg(&repository);
            run(command.args(["--quiet", "--no-cache"]).args(arguments).current_dir(&self.data));
        };
        restic(&["init"]);
        table.add("restic backup", timed(|| restic(&["backup", "."])));
        table.add("restic check --read-data", timed(|| restic(&["check", "--read-data"])));
        let target = copy.to_str().expect("UTF-8");
        let restore = ["restore", "latest", "--target", target, "--verify"];
        table.add("restic restore --verify", timed(|| restic(&restore)));
        for folder in [repository, copy] {
            std::fs::remove_dir_all(folder).expect("removes");
        }
    }

    /// The steps of the Python tool.
    fn python(&self) -> Duration {
        let script = include_str!("python_backup.py");
        let target = self.root.join("python.tar.gz");
        let mut command = Command::new("python3");
        command.args(["-c", script]).args([&self.data, &target]);
        timed(|| run(&mut command))
    }
}

fn hash_all(folder: &Path, program: &str) {
    let script = format!("find . -type f -print0 | xargs -0 {program}");
    run(Command::new("sh").args(["-c", &script]).current_dir(folder));
}

fn is_installed(program: &str) -> bool {
    let argument = if program == "restic" { "version" } else { "--version" };
    Command::new(program).arg(argument).stdout(Stdio::null()).status().is_ok()
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Times `work` on a disk that has nothing left to write: no row pays for what another left.
fn timed(work: impl FnOnce()) -> Duration {
    run(&mut Command::new("sync"));
    let started = Instant::now();
    work();
    started.elapsed()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().expect("starts");
    assert!(status.success(), "{command:?}: {status}");
}

/// Rows of words beside rows of noise: about half of it compresses, as chats with encrypted parts do.
fn fill(data: &Path, megabytes: usize) {
    std::fs::create_dir_all(data.join("blobs")).expect("makes");
    for (name, share) in SHARES {
        let connection = Connection::open(data.join(format!("{name}.db"))).expect("opens");
        let n_rows = megabytes * share * 1_000_000 / 100 / 1_110;
        connection
            .execute_batch(&format!(
                "PRAGMA synchronous = OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, words TEXT, noise BLOB);
                CREATE INDEX by_words ON t(substr(words, 1, 20));
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n_rows})
                INSERT INTO t SELECT i, printf('%d %s %d said %s to everyone around ', i * 7919 % 1000003,
                hex(randomblob(8)), i, substr(hex(zeroblob(600)), 1, 500)), randomblob(440) FROM n;"
            ))
            .expect("fills");
    }
    let mut noise = 1_u64;
    for number in 0..N_BLOBS {
        let bytes = std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[0]
        });
        let bytes: Vec<u8> = bytes.take(4_000 + number).collect();
        std::fs::write(data.join(format!("blobs/{number}.blob")), bytes).expect("writes");
    }
}

/// Begins to measure anew: filling the databases does not count (`man 5 proc`, `clear_refs`).
fn forget_peak_memory() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
