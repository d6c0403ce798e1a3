//! A disk that dies: from one operation on nothing is written any more.
//!
//! To the run above it every write fails, and what is on the disk stays as a
//! process would leave it that is killed there. For the checks of a set.

use std::ffi::{CStr, CString, c_int};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rusqlite::ffi;

use super::base::Base;
use super::shim::{Hooks, Layer, OpenFile};

/// A file layer that stops to write, under a name of its own, over the default one.
pub(crate) struct DyingDisk {
    layer: Layer,
    life: Arc<Life>,
}

struct Life {
    operations: AtomicUsize,
    last: usize,
}

impl DyingDisk {
    /// Makes a disk that does this many changing operations; nothing if SQLite refuses.
    pub(crate) fn after(operations: usize) -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("agentos-migrate-dying-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let life = Arc::new(Life { operations: AtomicUsize::new(0), last: operations });
        let hooks = Box::new(LifeHooks(Arc::clone(&life)));
        let layer = Layer::register(CString::new(name).ok()?, Base::find(None)?, hooks).ok()?;
        Some(Self { layer, life })
    }

    /// Returns the name that SQLite knows it by.
    pub(crate) fn name(&self) -> &str {
        self.layer.name().to_str().unwrap_or_default()
    }

    /// Returns how many changing operations were asked for.
    pub(crate) fn operations(&self) -> usize {
        self.life.operations.load(Ordering::Relaxed)
    }
}

struct LifeHooks(Arc<Life>);

impl LifeHooks {
    fn or(&self, code: c_int, work: impl FnOnce() -> c_int) -> c_int {
        let is_dead = self.0.operations.fetch_add(1, Ordering::Relaxed) >= self.0.last;
        if is_dead { code } else { work() }
    }
}

impl Hooks for LifeHooks {
    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        self.or(ffi::SQLITE_IOERR_WRITE, || file.real.write(bytes, offset))
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        self.or(ffi::SQLITE_IOERR_TRUNCATE, || file.real.truncate(size))
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        self.or(ffi::SQLITE_IOERR_FSYNC, || file.real.sync(flags))
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        self.or(ffi::SQLITE_IOERR_DELETE, || base.delete(name, sync_directory))
    }
}
