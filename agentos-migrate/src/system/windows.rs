//! Windows.
//!
//! A file that one program has open is, as a rule, not to be renamed or removed by another, and a
//! virus scanner or an indexer opens files for moments. So what fails for this reason is tried again
//! for a while, as SQLite does (<https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlwin32avretry>).
//! There are no modes: who may read a file is inherited from its folder.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whether others can read a file while it is locked: `LockFileEx` keeps them from it
/// (<https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex>).
pub(crate) const LOCKED_FILES_CAN_BE_READ: bool = false;

/// Whether a file can be renamed while a program has it open: not as SQLite opens it.
pub(crate) const OPEN_FILES_CAN_BE_RENAMED: bool = false;

/// Whether [`sync_file_system`] is there: it needs an administrator.
pub(crate) const SYNCS_A_WHOLE_FILE_SYSTEM: bool = false;

/// Whether SQLite syncs the directory of a file that it deletes.
pub(crate) const SQLITE_SYNCS_DIRECTORIES: bool = false;

// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew>
const FILE_SHARE_READ: u32 = 0x1;
const FILE_SHARE_DELETE: u32 = 0x4;
const FILE_ADD_FILE: u32 = 0x2;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const DELETE: u32 = 0x0001_0000;

// <https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499->
const ERROR_INVALID_FUNCTION: i32 = 1;
const ERROR_ACCESS_DENIED: i32 = 5;
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_LOCK_VIOLATION: i32 = 33;
const ERROR_NOT_SUPPORTED: i32 = 50;
const ERROR_INVALID_PARAMETER: i32 = 87;

/// Returns a path as SQLite names the file: in UTF-8, which a path need not have.
pub(crate) fn bytes_of(path: &Path) -> Option<Vec<u8>> {
    path.to_str().map(|text| text.as_bytes().to_vec())
}

/// Returns the path that SQLite names so.
pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Lets a new file be as private as its folder.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Returns what makes folders that are as private as those above them.
pub(crate) fn private_folder() -> DirBuilder {
    DirBuilder::new()
}

/// Lets a link at the end of the path be opened itself, which is no plain file then.
pub(crate) fn link_refusing(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
}

/// Asks whether an error of a file opened by [`link_refusing`] says that it is a link: here it is opened.
pub(crate) fn hides_a_link(_error: &io::Error) -> bool {
    false
}

/// Returns the permission bits that a backup keeps for other systems.
pub(crate) fn mode_of(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o700 } else { 0o600 }
}

/// Does nothing: a file is as private as its folder.
#[expect(clippy::unnecessary_wraps, reason = "as on the other systems")]
pub(crate) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Opens a file whose content is to be forced to the disk, which takes the right to write
/// (<https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-flushfilebuffers>).
pub(crate) fn open_to_sync(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Asks for the names in a directory to be forced to the disk, as far as the file system does that.
///
/// No page of Microsoft's says that it does. One that answers that it can't is taken at its word:
/// NTFS writes down what happens to names in order, so after a power failure an older moment is found.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
    match options.open(path).and_then(|directory| directory.sync_all()) {
        Err(error) if cannot_sync_directories(&error) => Ok(()),
        outcome => outcome,
    }
}

fn cannot_sync_directories(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            ERROR_INVALID_FUNCTION
                | ERROR_ACCESS_DENIED
                | ERROR_SHARING_VIOLATION
                | ERROR_NOT_SUPPORTED
                | ERROR_INVALID_PARAMETER
        )
    )
}

/// Is not asked for, see [`SYNCS_A_WHOLE_FILE_SYSTEM`].
pub(crate) fn sync_file_system(path: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, path.display().to_string()))
}

/// Waits for whoever else works in this folder in the same way; the turn ends when it is dropped.
///
/// A folder can't be locked. But one that is open to be written to and not shared for that is not opened so twice.
pub(crate) fn take_turn(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.access_mode(FILE_ADD_FILE).share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE);
    options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
    patiently(|| options.open(folder))
}

/// Renames, over what is there.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| fs::rename(from, to))
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    patiently(|| fs::remove_file(path))
}

/// Removes a folder with all that is in it. Follows no link.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    patiently(|| fs::remove_dir_all(path))
}

/// Tries again while somebody has a file open, for about a second.
fn patiently<T>(work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    const PAUSES_MS: [u64; 8] = [1, 5, 10, 25, 50, 100, 300, 500];
    for pause in PAUSES_MS {
        match work() {
            Err(error) if is_in_use(&error) => std::thread::sleep(Duration::from_millis(pause)),
            outcome => return outcome,
        }
    }
    work()
}

/// Windows says of a folder with an open file in it that access is denied.
fn is_in_use(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION)
    )
}

/// A file that is going to be renamed, kept open so that nobody else can open it.
#[derive(Debug)]
pub(crate) struct Claim {
    _file: File,
}

impl Claim {
    /// Claims a file; nothing if a program has it open.
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.access_mode(DELETE).share_mode(FILE_SHARE_DELETE);
        match options.open(path) {
            Ok(file) => Ok(Some(Self { _file: file })),
            Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns what is wrong with a file's name on this system: drive letters, streams, separators and device names
/// (<https://learn.microsoft.com/windows/win32/fileio/naming-a-file>).
pub(crate) fn fault_of_name(name: &str) -> Option<&'static str> {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_port = |prefix| {
        let rest = stem.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.chars().count() == 1 && rest != "0")
    };
    let is_special = name.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
        || name.chars().any(|c| u32::from(c) < 0x20)
        || name.ends_with(['.', ' '])
        || matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || is_port("COM")
        || is_port("LPT");
    is_special.then_some("a name that means something else on Windows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_and_streams_are_refused() {
        for name in
            ["nul.db", "CON", "com1.txt", "LPT¹", "a:b", "a\\b", "a.", "a ", "a\tb", "nul .db"]
        {
            assert!(fault_of_name(name).is_some(), "{name}");
        }
        for name in ["null.db", "console", "com0", "com10.txt", "ä b", ".nul"] {
            assert_eq!(fault_of_name(name), None, "{name}");
        }
    }

    #[test]
    fn nobody_opens_a_claimed_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("chat.db");
        fs::write(&path, "").expect("writes");
        let claim = Claim::of(&path).expect("asks").expect("nobody has it open");
        let opened =
            rusqlite::Connection::open(&path).and_then(|c| c.execute_batch("CREATE TABLE t(a)"));
        assert!(opened.is_err() && fs::read(&path).is_err());
        drop(claim);
        fs::read(&path).expect("reads");
    }
}
