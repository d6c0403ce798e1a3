//! Reading copies back while the next ones are made: their hashes on one
//! thread, SQLite's own check on another.
//!
//! The threads only read. Whatever changes a file is done by the caller's
//! thread, and so is the reporting of progress.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::hashing;
use super::options::Meter;
use super::soundness;
use crate::checksum::Checksum;
use crate::error::{Error, ErrorKind};

/// How often progress is reported while only the reading is left.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Takes the copies that are complete, by their stored paths.
pub(super) struct Reader {
    to_hash: Sender<Copy>,
    to_check: Sender<Copy>,
}

struct Copy {
    stored: String,
    path: PathBuf,
}

/// What was found, by stored path.
#[derive(Default)]
pub(super) struct Found {
    /// The hash and size of every file that was to be hashed.
    pub(super) hashes: BTreeMap<String, Result<(Checksum, u64), Error>>,
    /// What SQLite says against a database.
    pub(super) faults: BTreeMap<String, Error>,
}

impl Reader {
    /// Hashes a file that is complete.
    pub(super) fn hash(&self, stored: &str, path: &Path) {
        send(&self.to_hash, stored, path);
    }

    /// Lets SQLite check a database that is complete and that nobody has open.
    pub(super) fn check(&self, stored: &str, path: &Path) {
        send(&self.to_check, stored, path);
    }
}

fn send(to: &Sender<Copy>, stored: &str, path: &Path) {
    let copy = Copy { stored: stored.to_owned(), path: path.to_owned() };
    to.send(copy).expect("the thread takes every copy");
}

/// Does `work`, which hands on what is to be read back, and waits until all is.
///
/// # Errors
///
/// That of `work`, or [`ErrorKind::Interrupted`] if the meter's listener stops the reading.
pub(super) fn beside(
    meter: &mut Meter<'_>,
    work: impl FnOnce(&Reader) -> Result<(), Error>,
) -> Result<Found, Error> {
    let (stop, n_bytes) = (Arc::new(AtomicBool::new(false)), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (to_hash, hashing) = channel();
        let (to_check, checking) = channel();
        let (working, ended) = channel::<()>();
        let also_working = working.clone();
        let (stop, n_bytes) = (&stop, &n_bytes);
        let hashing_thread = scope.spawn(move || {
            let _ends = working;
            hash_all(hashing, stop, n_bytes)
        });
        let checking_thread = scope.spawn(move || {
            let _ends = also_working;
            check_all(checking, stop)
        });
        let reader = Reader { to_hash, to_check };
        let done = work(&reader);
        // No copy comes after these: the threads end with the last one.
        drop(reader);
        let done = done.and_then(|()| wait(&ended, meter, n_bytes));
        stop.store(done.is_err(), Ordering::Relaxed);
        let hashes = hashing_thread.join().expect("hashing does not panic");
        let faults = checking_thread.join().expect("checking does not panic");
        done.map(|()| Found { hashes, faults })
    })
}

/// Reports until both threads have ended.
fn wait(ended: &Receiver<()>, meter: &mut Meter<'_>, n_bytes: &AtomicU64) -> Result<(), Error> {
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(REPORT_EVERY) {
        meter.reach(n_bytes.load(Ordering::Relaxed))?;
    }
    meter.reach(n_bytes.load(Ordering::Relaxed))
}

fn hash_all(
    copies: Receiver<Copy>,
    stop: &AtomicBool,
    n_bytes: &AtomicU64,
) -> BTreeMap<String, Result<(Checksum, u64), Error>> {
    let mut count = |read| {
        n_bytes.fetch_add(read, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, "stopped on request"));
        }
        Ok(())
    };
    let hash = |copy: Copy| (copy.stored, hashing::hash_file(&copy.path, &mut count));
    copies.into_iter().map(hash).collect()
}

fn check_all(copies: Receiver<Copy>, stop: &Arc<AtomicBool>) -> BTreeMap<String, Error> {
    let copies = copies.into_iter().filter(|_| !stop.load(Ordering::Relaxed));
    copies
        .filter_map(|copy| Some((copy.stored, soundness::check_database(&copy.path, stop).err()?)))
        .collect()
}
