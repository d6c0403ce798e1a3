//! Makes the n-th operation of a backup or restore fail, or kills the process at it.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;

/// The variable by which a test tells its child process where to die.
pub(crate) const ABORT_AT: &str = "AGENTOS_MIGRATE_TEST_ABORT_AT";

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Only count.
    None,
    /// The n-th operation and all after it fail as on a full disk.
    FullFrom(u64),
    /// The n-th operation fails, later ones succeed.
    FullOnce(u64),
    /// The n-th operation fails as on a disk that can't be read or written, later ones succeed.
    DeviceOnce(u64),
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}

/// Runs `work` under a fault; returns its result and the operations it made.
pub(crate) fn under<T>(fault: Fault, work: impl FnOnce() -> T) -> (T, u64) {
    COUNT.set(0);
    FAULT.set(fault);
    let result = work();
    FAULT.set(Fault::None);
    (result, COUNT.get())
}

fn abort_at() -> Option<u64> {
    static AT: OnceLock<Option<u64>> = OnceLock::new();
    *AT.get_or_init(|| std::env::var(ABORT_AT).ok()?.parse().ok())
}

pub(crate) fn step() -> io::Result<()> {
    let count = COUNT.get() + 1;
    COUNT.set(count);
    if abort_at() == Some(count) {
        std::process::abort();
    }
    match FAULT.get() {
        Fault::FullFrom(from) if count >= from => Err(io::ErrorKind::StorageFull.into()),
        Fault::FullOnce(at) if count == at => Err(io::ErrorKind::StorageFull.into()),
        Fault::DeviceOnce(at) if count == at => Err(io::Error::other("the device fails")),
        _ => Ok(()),
    }
}
