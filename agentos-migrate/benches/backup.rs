//! How long backups and restores take, as ratios in one run.
//!
//! `cargo bench -p agentos-migrate --bench backup` makes 1,000 MB of
//! databases and 2,000 blobs. `AGENTOS_MIGRATE_BENCH_MB=100` makes less,
//! `AGENTOS_MIGRATE_BENCH_DIR` puts them elsewhere than the folder for
//! temporary files. Everything is divided by `cp -a` followed by `sha256sum`
//! of the copy, which syncs nothing and checks no database. Each round runs
//! all rows in turn; the medians are compared. A `sha256sum` without the CPU's
//! SHA instructions makes the baseline slow, so `cp` and `openssl dgst` stand
//! beside it: the ratio to that one is what the same hashing would give.

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

    let mut times: Vec<(&str, &str, Vec<Duration>)> = ROWS.map(|(n, t)| (n, t, Vec::new())).into();
    forget_peak_memory();
    for _ in 0..rounds {
        let round = bench.round();
        times.iter_mut().zip(round).for_each(|((.., times), time)| times.push(time));
    }
    let peak = peak_memory();
    let baseline = median(&times[0].2).as_secs_f64();
    println!("{:<32} {:>9} {:>7}  target", "what", "time", "ratio");
    for (name, target, times) in &times {
        let time = median(times);
        println!("{name:<32} {time:>9.2?} {:>7.2}  {target}", time.as_secs_f64() / baseline);
    }
    let archive = median(&times[5].2).as_secs_f64();
    if let Some(python) = bench.python() {
        let ratio = python.as_secs_f64() / archive;
        println!(
            "{:<32} {python:>9.2?} {:>7.2}",
            "Python, .tar.gz",
            python.as_secs_f64() / baseline
        );
        println!("an archive is made {ratio:.1} times as fast as Python's (target: at least 4)");
    }
    if let Some(kilobytes) = peak {
        println!("peak memory {:.1} MB (target: below 64)", kilobytes / 1000.0);
    }
}

const ROWS: [(&str, &str); 8] = [
    ("cp -a, then sha256sum", ""),
    ("cp -a, then openssl dgst", ""),
    ("create a folder", "<= 0.65"),
    ("verify a folder", ""),
    ("restore a folder, verified", "<= 0.65"),
    ("create an archive", "<= 1.6"),
    ("verify an archive", ""),
    ("restore an archive, verified", "<= 1.6"),
];

struct Bench {
    root: PathBuf,
    data: PathBuf,
}

impl Bench {
    fn round(&self) -> Vec<Duration> {
        let manager = BackupManager::new(&self.data).with_directory(self.root.join("backups"));
        let mut times =
            vec![self.copy_and_hash("sha256sum"), self.copy_and_hash("openssl dgst -sha256")];
        for compression in [Compression::None, Compression::Zstd] {
            let options = BackupOptions { compression, ..BackupOptions::default() };
            let mut id = String::new();
            times.push(timed(|| id = manager.create_backup(&options).expect("makes").backup_id));
            times.push(timed(|| drop(manager.verify_backup(&id).expect("good"))));
            let restore = RestoreOptions::default();
            times.push(timed(|| drop(manager.restore_backup(&id, &restore).expect("restores"))));
            manager.delete_backup(&id).expect("removes");
            // A restore keeps what it replaced; the baseline would copy that too.
            std::fs::remove_dir_all(self.data.join(".agentos-migrate")).expect("removes");
        }
        times
    }

    fn copy_and_hash(&self, program: &str) -> Duration {
        let copy = self.root.join("copy");
        let time = timed(|| {
            run(Command::new("cp").arg("-a").args([&self.data, &copy]));
            let script = format!("find . -type f -print0 | xargs -0 {program}");
            run(Command::new("sh").args(["-c", &script]).current_dir(&copy));
        });
        std::fs::remove_dir_all(copy).expect("removes");
        time
    }

    /// The steps of the Python tool; nothing if there is no Python.
    fn python(&self) -> Option<Duration> {
        let script = include_str!("python_backup.py");
        let target = self.root.join("python.tar.gz");
        Command::new("python3").arg("--version").stdout(Stdio::null()).status().ok()?;
        let mut command = Command::new("python3");
        command.args(["-c", script]).args([&self.data, &target]);
        Some(timed(|| run(&mut command)))
    }
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
