//! Every operation of a backup or restore that changes a file.
//!
//! Nothing else in `backup/` writes: so each operation is made with the right
//! mode, can be counted, and can be made to fail or to kill the process by a
//! test. Modes are set when a file is made, never afterwards, so nothing is
//! readable by others for an instant. What systems do differently is in `system`.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind as IoErrorKind, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::of_kind;
use crate::system;

/// The bytes moved at a time: memory use does not grow with the files.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Below this number of files each is synced by itself.
const SYNC_TOGETHER_FROM: usize = 32;

/// Makes a new file (0600); fails if anything has that name.
pub(super) fn create_file(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    step("create")
        .and_then(|()| system::private(&mut options).open(path))
        .map_err(|e| failed("create", path, e))
}

/// Makes a directory and those above it (0700) where they are missing.
pub(super) fn create_dir_all(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    step("mkdir")
        .and_then(|()| system::private_folder().recursive(true).create(path))
        .map_err(|e| failed("create", path, e))
}

/// Writes to an open file.
pub(super) fn write(file: &mut impl Write, bytes: &[u8], path: &Path) -> Result<(), Error> {
    step("write").and_then(|()| file.write_all(bytes)).map_err(|e| failed("write", path, e))
}

/// Writes a small file as a whole: a temporary name, sync, rename, sync of the directory.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("tmp");
    remove_file_if_there(&temporary)?;
    let mut file = create_file(&temporary)?;
    write(&mut file, bytes, &temporary)?;
    sync_file(&file, &temporary)?;
    drop(file);
    rename(&temporary, path)?;
    sync_parent(path)
}

/// Copies in constant memory; `look` sees every chunk before it is written.
pub(super) fn copy(
    from: &mut dyn Read,
    to: &mut File,
    path: &Path,
    look: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut copied = 0;
    loop {
        let n_read = read_some(from, &mut buffer).map_err(|e| failed("read", path, e))?;
        if n_read == 0 {
            return Ok(copied);
        }
        look(&buffer[..n_read])?;
        write(to, &buffer[..n_read], path)?;
        copied += n_read as u64;
    }
}

/// Reads once, going on after an interrupting signal.
pub(super) fn read_some(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(e) if e.kind() == IoErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Forces a file's content to the disk.
pub(super) fn sync_file(file: &File, path: &Path) -> Result<(), Error> {
    step("sync").and_then(|()| file.sync_all()).map_err(|e| failed("sync", path, e))
}

/// Forces the names in a directory to the disk.
pub(super) fn sync_dir(path: &Path) -> Result<(), Error> {
    step("sync directory")
        .and_then(|()| system::sync_directory(path))
        .map_err(|e| failed("sync", path, e))
}

/// Forces the name of a file or directory to the disk.
pub(super) fn sync_parent(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), sync_dir)
}

/// Forces a whole tree to the disk, its files and its names.
pub(super) fn sync_tree(root: &Path) -> Result<(), Error> {
    let entries: Vec<_> = walkdir::WalkDir::new(root)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|e| failed("read", root, e.into()))?;
    // One sync of the file system costs less than thousands of single ones.
    if system::SYNCS_A_WHOLE_FILE_SYSTEM && entries.len() >= SYNC_TOGETHER_FROM {
        return step("sync tree")
            .and_then(|()| system::sync_file_system(root))
            .map_err(|e| failed("sync", root, e));
    }
    // Contents first, so that no name on the disk leads to bytes that are not.
    for entry in entries.iter().rev() {
        let path = entry.path();
        if entry.file_type().is_dir() {
            sync_dir(path)?;
        } else {
            let file = system::open_to_sync(path).map_err(|e| failed("open", path, e))?;
            sync_file(&file, path)?;
        }
    }
    Ok(())
}

/// Renames; both names are on one file system.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    step("rename")
        .and_then(|()| system::rename(from, to))
        .map_err(|e| failed("rename", from, e).detail(format!("to {}", to.display())))
}

/// Gives a file a second name.
pub(super) fn hard_link(original: &Path, link: &Path) -> io::Result<()> {
    step("link").and_then(|()| fs::hard_link(original, link))
}

/// Removes a file if it is there.
pub(super) fn remove_file_if_there(path: &Path) -> Result<(), Error> {
    match step("remove").and_then(|()| system::remove_file(path)) {
        Err(e) if e.kind() != IoErrorKind::NotFound => Err(failed("remove", path, e)),
        _ => Ok(()),
    }
}

/// Removes a file, or a directory with all that is in it, if it is there. Follows no link.
pub(super) fn remove_tree(path: &Path) -> Result<(), Error> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    if !metadata.is_dir() {
        return remove_file_if_there(path);
    }
    match step("remove").and_then(|()| system::remove_folder(path)) {
        Err(e) if e.kind() != IoErrorKind::NotFound => Err(failed("remove", path, e)),
        _ => Ok(()),
    }
}

/// Sets the permission bits of a file that the restore has made, never more than 0777.
pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    step("chmod")
        .and_then(|()| system::set_mode(path, mode))
        .map_err(|e| failed("set the mode of", path, e))
}

/// Sets the time of last change.
pub(super) fn set_modified(file: &File, path: &Path, modified: SystemTime) -> Result<(), Error> {
    file.set_times(FileTimes::new().set_modified(modified))
        .map_err(|e| failed("set the time of", path, e))
}

/// Opens a regular file for reading; a link in its place is refused.
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    let file = system::link_refusing(OpenOptions::new().read(true)).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(IoErrorKind::InvalidInput, "not a regular file"))
    }
}

/// Stands for the writes that SQLite makes by itself, so that tests count them too.
pub(super) fn step_of_sqlite(path: &Path) -> Result<(), Error> {
    step("write through SQLite").map_err(|e| failed("write", path, e))
}

/// Stands for the writes that an archive makes through its encoder.
pub(super) fn step_of_archive(path: &Path) -> Result<(), Error> {
    step("write into the archive").map_err(|e| failed("write", path, e))
}

pub(super) use system::mode_of;

/// Asks whether an error is the system's own, such as of a device that can't be read, and not one
/// that a decoder made of the bytes.
pub(super) fn is_of_the_system(error: &io::Error) -> bool {
    if error.raw_os_error().is_some() {
        return true;
    }
    let mut source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(inner) = source {
        if inner.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some()) {
            return true;
        }
        source = inner.source();
    }
    false
}

/// Asks whether a name of a backup leads to nothing, or to what is no plain file: that is the
/// backup's fault, and anything else that of the system on which it lies.
pub(super) fn is_no_plain_file(error: &io::Error) -> bool {
    system::hides_a_link(error)
        || matches!(
            error.kind(),
            IoErrorKind::NotFound
                | IoErrorKind::NotADirectory
                | IoErrorKind::IsADirectory
                | IoErrorKind::InvalidInput
        )
}

/// Asks the same of an error that [`failed`] made.
pub(super) fn is_of_the_backup(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    source.is_some_and(is_no_plain_file)
}

/// Returns the error of a failed file operation, by what the system says.
pub(super) fn failed(what: &str, path: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        IoErrorKind::StorageFull | IoErrorKind::QuotaExceeded | IoErrorKind::FileTooLarge => {
            ErrorKind::DiskFull
        }
        IoErrorKind::PermissionDenied | IoErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        _ => ErrorKind::Io,
    };
    of_kind(kind, format!("cannot {what} {}", path.display()), path)
        .detail(source.to_string())
        .caused_by(source)
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "tests make it fail")]
fn step(_what: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use faults::step;

/// Makes the n-th operation fail, or kills the process at it.
#[cfg(test)]
pub(super) mod faults {
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

    pub(crate) fn step(_what: &str) -> io::Result<()> {
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
}
