//! The few files that the engine writes without SQLite: new databases before
//! SQLite opens them, and lists of names.
//!
//! Everything here is seen by the crash and fault tests, which is why the
//! engine has no other way to make, rename or remove a file of a run.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
use crate::sqlite::vfs::{plain::Plain, watch};
use crate::system;

/// Tells the tests' file layer what comes; elsewhere it is nothing.
macro_rules! tell {
    ($operation:ident($($argument:expr),*)) => {
        #[cfg(test)]
        watch::plain(&Plain::$operation($($argument),*))?;
    };
}

/// Creates an empty file that only its owner reads; one that is there stays.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    tell!(Create(path));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    match system::private(&mut options).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|_| system::give_to_owner(path)),
    }
}

/// Replaces a file whole: after a crash it is the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    tell!(Create(&temporary));
    let mut file = fs::File::create(&temporary)?;
    tell!(Write(&temporary, bytes));
    file.write_all(bytes)?;
    tell!(Sync(&temporary));
    file.sync_all()?;
    tell!(Rename(&temporary, path));
    // An open file has no second name on every system.
    drop(file);
    system::rename(&temporary, path)?;
    sync_directory_of(path)
}

/// Removes a file; one that is gone already is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    tell!(Remove(path));
    match system::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Cuts a file to a size, and waits until the disk has it so.
pub(crate) fn cut(path: &Path, size_bytes: u64) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    tell!(Cut(path, size_bytes));
    file.set_len(size_bytes)?;
    tell!(Sync(path));
    file.sync_all()
}

/// Makes the names in a file's directory durable.
pub(crate) fn sync_directory_of(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(directory) => {
            tell!(SyncDirectory(directory));
            system::sync_directory(directory)
        }
        None => Ok(()),
    }
}
