//! Trouble, made: the n-th operation of one kind fails, once or from then on.

use std::ffi::{CStr, c_int};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rusqlite::ffi;

use super::base::Base;
use super::plain::Plain;
use super::shim::{Hooks, OpenFile};

/// What the system says then: `ENOSPC` and `EIO`, `ERROR_DISK_FULL` and `ERROR_IO_DEVICE`.
const DISK_FULL: i32 = if cfg!(windows) { 112 } else { 28 };
const DEVICE_FAILS: i32 = if cfg!(windows) { 1117 } else { 5 };

/// What goes wrong, and with it which operations are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No space: writes.
    Full,
    /// The device fails: reads, writes, syncs, truncations, deletions, locks.
    Device,
    /// Somebody else holds the file: locks.
    Busy,
    /// A file can't be opened.
    Open,
    /// No memory: reads, writes, opening.
    Memory,
    /// A file is deleted, and its directory can't be synced.
    DirectorySync,
}

/// How long the trouble lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    Once,
    FromThenOn,
}

/// A fault that waits for its operation.
#[derive(Clone)]
pub(crate) struct Faults(Arc<Fault>);

struct Fault {
    trouble: Trouble,
    lasting: Lasting,
    at: AtomicUsize,
    count: AtomicUsize,
    happened: AtomicBool,
}

impl Faults {
    pub(crate) fn new(trouble: Trouble, lasting: Lasting, at: usize) -> Self {
        Self(Arc::new(Fault {
            trouble,
            lasting,
            at: AtomicUsize::new(at),
            count: AtomicUsize::new(0),
            happened: AtomicBool::new(false),
        }))
    }

    /// Returns whether the operation that was to fail came.
    pub(crate) fn happened(&self) -> bool {
        self.0.happened.load(Ordering::Relaxed)
    }

    /// Ends the trouble.
    pub(crate) fn stop(&self) {
        self.0.at.store(usize::MAX, Ordering::Relaxed);
    }

    /// Counts an operation of these kinds of trouble; returns whether it is to fail.
    fn strikes(&self, among: &[Trouble]) -> bool {
        let fault = &self.0;
        if !among.contains(&fault.trouble) {
            return false;
        }
        let count = fault.count.fetch_add(1, Ordering::Relaxed);
        let at = fault.at.load(Ordering::Relaxed);
        let strikes = match fault.lasting {
            Lasting::Once => count == at,
            Lasting::FromThenOn => count >= at,
        };
        fault.happened.fetch_or(strikes, Ordering::Relaxed);
        strikes
    }

    fn or(&self, among: &[Trouble], code: c_int, work: impl FnOnce() -> c_int) -> c_int {
        if !self.strikes(among) {
            return work();
        }
        match self.0.trouble {
            Trouble::Full => ffi::SQLITE_FULL,
            Trouble::Busy => ffi::SQLITE_BUSY,
            Trouble::Memory => ffi::SQLITE_IOERR_NOMEM,
            Trouble::Open => ffi::SQLITE_CANTOPEN,
            Trouble::Device | Trouble::DirectorySync => code,
        }
    }
}

impl Hooks for Faults {
    fn before_open(&self, _name: Option<&CStr>) -> c_int {
        self.or(&[Trouble::Open, Trouble::Memory], ffi::SQLITE_CANTOPEN, || ffi::SQLITE_OK)
    }

    fn read(&self, file: &mut OpenFile, buffer: &mut [u8], offset: i64) -> c_int {
        self.or(&[Trouble::Device, Trouble::Memory], ffi::SQLITE_IOERR_READ, || {
            file.real.read(buffer, offset)
        })
    }

    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        let among = [Trouble::Full, Trouble::Device, Trouble::Memory];
        self.or(&among, ffi::SQLITE_IOERR_WRITE, || file.real.write(bytes, offset))
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        self.or(&[Trouble::Device], ffi::SQLITE_IOERR_TRUNCATE, || file.real.truncate(size))
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        self.or(&[Trouble::Device], ffi::SQLITE_IOERR_FSYNC, || file.real.sync(flags))
    }

    fn lock(&self, file: &mut OpenFile, level: c_int) -> c_int {
        self.or(&[Trouble::Device, Trouble::Busy], ffi::SQLITE_IOERR_LOCK, || file.real.lock(level))
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        if sync_directory != 0 && self.strikes(&[Trouble::DirectorySync]) {
            base.delete(name, 0);
            return ffi::SQLITE_IOERR_DIR_FSYNC;
        }
        self.or(&[Trouble::Device], ffi::SQLITE_IOERR_DELETE, || base.delete(name, sync_directory))
    }

    fn plain(&self, operation: &Plain<'_>) -> io::Result<()> {
        let among = match operation {
            Plain::Create(_) | Plain::Write(..) => &[Trouble::Device, Trouble::Full][..],
            _ => &[Trouble::Device],
        };
        if !self.strikes(among) {
            return Ok(());
        }
        let code = if self.0.trouble == Trouble::Full { DISK_FULL } else { DEVICE_FAILS };
        Err(io::Error::from_raw_os_error(code))
    }
}
