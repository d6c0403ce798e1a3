//! The commit over several files, and reading files beside SQLite's locks.
//!
//! The only unsafe code of the project: SQLite's file layer is a C interface
//! (<https://sqlite.org/vfs.html>). `base` calls it, `shim` is called by it,
//! both as thin as they can be; what is decided is in `group` and
//! `super_journal`, which are safe. docs/adr/0003 argues the design.
//! `dying` is for the checks of a user's set. `recorder`, `disk`, `faults` and
//! `watch` are this crate's own tests: what a crash leaves, what a fault does.

#[expect(unsafe_code, reason = "calls SQLite's C interface for files")]
mod base;
mod group;
mod look;
mod raw;
#[expect(
    unsafe_code,
    clippy::cast_ptr_alignment,
    reason = "is called by SQLite through its C interface for files; HANDLE_BYTES keeps the alignment"
)]
mod shim;
pub(crate) mod super_journal;

mod dying;

#[cfg(test)]
pub(crate) mod disk;
#[cfg(test)]
pub(crate) mod faults;
#[cfg(test)]
pub(crate) mod plain;
#[cfg(test)]
pub(crate) mod recorder;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod watch;

pub(crate) use self::dying::DyingDisk;
pub(crate) use self::group::{CommitError, Group};
pub(crate) use self::look::{Look, look_at, refuse_other};
pub(crate) use self::raw::{RawFile, change_counter, fault_of_head, is_wal, probe_header, real};
