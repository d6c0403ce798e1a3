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

#[cfg(test)]
use super::faults;
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::of_kind;
#[cfg(test)]
use crate::sqlite::vfs::{plain::Plain, watch};
use crate::system;

/// Tells the tests what comes, which may fail there; elsewhere it is nothing.
macro_rules! step {
    () => {
        #[cfg(test)]
        faults::step()?;
    };
    ($operation:ident($($argument:expr),*)) => {
        step!();
        #[cfg(test)]
        watch::plain(&Plain::$operation($($argument),*))?;
        #[cfg(not(test))]
        let _ = ($(&$argument),*);
    };
}

/// The bytes moved at a time: memory use does not grow with the files.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Below this number of files each is synced by itself.
const SYNC_TOGETHER_FROM: usize = 32;

/// Makes a new file (0600); fails if anything has that name.
pub(super) fn create_file(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let mut create = || {
        step!(Create(path));
        let file = system::private(&mut options).open(path)?;
        system::give_to_owner(path).map(|()| file)
    };
    create().map_err(|e| failed("create", path, e))
}

/// Makes a directory and those above it (0700) where they are missing.
pub(super) fn create_dir_all(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_dir_all(above)?;
    }
    let create = || {
        step!(CreateDirectory(path));
        match system::private_folder().create(path) {
            Err(_) if path.is_dir() => {}
            made => made?,
        }
        system::give_to_owner(path)
    };
    create().map_err(|e| failed("create", path, e))
}

/// Makes a directory that is still there after a power loss, and those above it.
pub(super) fn create_dir_durably(path: &Path) -> Result<(), Error> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    create_dir_all(path)?;
    missing.into_iter().rev().try_for_each(sync_parent)
}

/// Writes at the end of an open file.
pub(super) fn write(file: &mut File, bytes: &[u8], path: &Path) -> Result<(), Error> {
    append(file, bytes, path).map_err(|e| failed("write", path, e))
}

fn append(file: &mut File, bytes: &[u8], path: &Path) -> io::Result<()> {
    step!(Append(path, bytes));
    file.write_all(bytes)
}

/// A new file that an encoder writes.
pub(super) struct Output<'a> {
    pub(super) file: File,
    pub(super) path: &'a Path,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        append(&mut self.file, bytes, self.path).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
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
    let sync = || {
        step!(Sync(path));
        file.sync_all()
    };
    sync().map_err(|e| failed("sync", path, e))
}

/// Forces the names in a directory to the disk.
pub(super) fn sync_dir(path: &Path) -> Result<(), Error> {
    let sync = || {
        step!(SyncDirectory(path));
        system::sync_directory(path)
    };
    sync().map_err(|e| failed("sync", path, e))
}

/// Forces the name of a file or directory to the disk.
pub(super) fn sync_parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Forces a whole tree to the disk, its files and its names.
pub(super) fn sync_tree(root: &Path) -> Result<(), Error> {
    let entries: Vec<_> = walkdir::WalkDir::new(root)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|e| failed("read", root, e.into()))?;
    // One sync of the file system costs less than thousands of single ones.
    if system::SYNCS_A_WHOLE_FILE_SYSTEM && entries.len() >= SYNC_TOGETHER_FROM {
        let sync = || {
            step!(SyncAll(root));
            system::sync_file_system(root)
        };
        return sync().map_err(|e| failed("sync", root, e));
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
    let rename = || {
        step!(Rename(from, to));
        system::rename(from, to)
    };
    rename().map_err(|e| failed("rename", from, e).detail(format!("to {}", to.display())))
}

/// Gives a file a second name.
pub(super) fn hard_link(original: &Path, link: &Path) -> io::Result<()> {
    step!(Link(original, link));
    fs::hard_link(original, link)
}

/// Removes a file if it is there.
pub(super) fn remove_file_if_there(path: &Path) -> Result<(), Error> {
    let remove = || {
        step!(Remove(path));
        system::remove_file(path)
    };
    match remove() {
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
    let remove = || {
        step!(Remove(path));
        system::remove_folder(path)
    };
    match remove() {
        Err(e) if e.kind() != IoErrorKind::NotFound => Err(failed("remove", path, e)),
        _ => Ok(()),
    }
}

/// Sets the permission bits of a file that the restore has made, never more than 0777.
pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    let set = || {
        step!();
        system::set_mode(path, mode)
    };
    set().map_err(|e| failed("set the mode of", path, e))
}

/// Gives a copy the mode of its original, and the owner of what else is in its folder.
pub(super) fn like(original: &Path, copy: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(original).map_err(|e| failed("read", original, e))?;
    set_mode(copy, mode_of(&metadata))?;
    system::give_to_owner(copy).map_err(|e| failed("set the owner of", copy, e))
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
    let count = || -> io::Result<()> {
        step!();
        Ok(())
    };
    count().map_err(|e| failed("write", path, e))
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
