//! One run at a time per data directory, across processes.
//!
//! An advisory lock of the operating system on `.agentos-migrate/lock`: it
//! goes with the process, however that ends, so there is no stale lock to
//! remove. The file's content only tells people who holds it; where nobody
//! can read a locked file, that is written into one beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::sqlite::STATE_DIR;
use crate::sqlite::failure::io_on_file;
use crate::system;

const FILE_NAME: &str = "lock";

/// Where it is written who holds the lock.
const HOLDER: &str = if system::LOCKED_FILES_CAN_BE_READ { FILE_NAME } else { "lock-holder" };

/// Nobody waits longer: SQLite counts milliseconds in 31 bits (<https://sqlite.org/c3ref/busy_timeout.html>).
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(20 * 24 * 60 * 60);

/// The run lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct RunLock {
    file: File,
    /// The file that names the holder, if it is another one.
    holder: Option<File>,
}

impl RunLock {
    /// Takes the lock, or waits for whoever holds it.
    pub(crate) fn acquire(data_dir: &Path, wait: Duration) -> Result<Self, Error> {
        let path = prepare(data_dir)?;
        let file = open(&path).map_err(|error| unlocked(error, "open the run lock", &path))?;
        system::give_to_owner(&path).map_err(|error| unlocked(error, "set the owner of", &path))?;
        let deadline = Instant::now() + wait;
        let mut pause = Duration::from_millis(2);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(
                        pause.min(deadline.saturating_duration_since(Instant::now())),
                    );
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => return Err(held(data_dir, &path, wait)),
                Err(TryLockError::Error(error)) => return Err(unlocked(error, "lock", &path)),
            }
        }
        // Who holds it is only for people: a disk that is full does not matter here.
        let holder =
            if HOLDER == FILE_NAME { None } else { open(&path.with_file_name(HOLDER)).ok() };
        let mut lock = Self { file, holder };
        drop(lock.sign());
        Ok(lock)
    }

    fn sign(&mut self) -> std::io::Result<()> {
        let program = std::env::current_exe().unwrap_or_default();
        let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = self.holder.as_mut().unwrap_or(&mut self.file);
        file.rewind()?;
        file.set_len(0)?;
        write!(file, "process {} ({program})", std::process::id())
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    system::private(&mut options).open(path)
}

impl Drop for RunLock {
    fn drop(&mut self) {
        drop(self.holder.as_ref().unwrap_or(&self.file).set_len(0));
        drop(self.file.unlock());
    }
}

fn prepare(data_dir: &Path) -> Result<PathBuf, Error> {
    let directory = data_dir.join(STATE_DIR);
    match system::private_folder().create(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made
            .and_then(|()| system::give_to_owner(&directory))
            .map_err(|error| unlocked(error, "create", &directory))?,
    }
    Ok(directory.join(FILE_NAME))
}

/// Says of a lock that can't be had why, and that nothing was begun.
fn unlocked(error: std::io::Error, doing: &str, path: &Path) -> Error {
    let made = io_on_file(error, doing, path).in_state("nothing was changed");
    if made.hint().is_some() {
        return made;
    }
    made.with_hint(format!(
        "the run lock is a file in the folder {STATE_DIR} of the data directory: see what is there with `ls -la`"
    ))
}

fn held(data_dir: &Path, path: &Path, wait: Duration) -> Error {
    let mut holder = String::new();
    let read = File::open(path.with_file_name(HOLDER))
        .and_then(|mut file| file.read_to_string(&mut holder));
    let holder =
        if read.is_ok() && !holder.is_empty() { holder } else { "another process".to_owned() };
    Error::new(ErrorKind::Busy, format!("{holder} is at work on {}", data_dir.display()))
        .detail(format!("waited {:.0} s for the run lock {}", wait.as_secs_f64(), path.display()))
        .in_state("nothing was changed")
        .with_hint("let it finish, or wait longer with `--wait 5m`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_holder_and_goes_with_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = RunLock::acquire(dir.path(), Duration::ZERO).expect("free");
        let error = RunLock::acquire(dir.path(), Duration::from_millis(20)).expect_err("held");
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(lock);
        RunLock::acquire(dir.path(), Duration::ZERO).expect("free again");
    }

    #[test]
    fn a_waiter_gets_the_lock_when_it_is_released() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = RunLock::acquire(dir.path(), Duration::ZERO).expect("free");
        let path = dir.path().to_owned();
        let waiter =
            std::thread::spawn(move || RunLock::acquire(&path, Duration::from_secs(20)).map(drop));
        drop(lock);
        waiter.join().expect("no panic").expect("released");
    }
}
