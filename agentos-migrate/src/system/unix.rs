//! Linux, macOS and their kin.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Whether others can read a file while it is locked: locks bind only those who ask for them.
pub(crate) const LOCKED_FILES_CAN_BE_READ: bool = true;

/// Whether a file can be renamed while a program has it open.
pub(crate) const OPEN_FILES_CAN_BE_RENAMED: bool = true;

/// Whether [`sync_file_system`] costs less than to sync many files, and reports a failed write just as well (Linux 5.8).
pub(crate) const SYNCS_A_WHOLE_FILE_SYSTEM: bool =
    cfg!(any(target_os = "linux", target_os = "android"));

/// Whether SQLite syncs the directory of a file that it deletes, through the drive's own cache.
///
/// Not on Apple's systems, where `fsync` ends at the cache and only `F_FULLFSYNC` goes through it; that
/// SQLite uses for files alone (<https://sqlite.org/pragma.html#pragma_fullfsync>), and std for all that it syncs.
pub(crate) const SQLITE_SYNCS_DIRECTORIES: bool = cfg!(not(target_vendor = "apple"));

/// Returns a path as SQLite names the file: its bytes.
#[expect(clippy::unnecessary_wraps, reason = "as on the other systems")]
pub(crate) fn bytes_of(path: &Path) -> Option<Vec<u8>> {
    Some(path.as_os_str().as_bytes().to_vec())
}

/// Returns the path that SQLite names so.
#[expect(clippy::unnecessary_wraps, reason = "as on the other systems")]
pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// Lets a new file be for its owner alone (0600).
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// Returns what makes folders for their owner alone (0700).
pub(crate) fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Lets no link be followed at the end of the path, and nothing wait for a pipe in a file's place.
pub(crate) fn link_refusing(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed())
}

/// Asks whether an error of a file opened by [`link_refusing`] says that it is a link.
pub(crate) fn hides_a_link(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

/// Returns the permission bits.
pub(crate) fn mode_of(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

/// Sets the permission bits, never more than 0777.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777))
}

/// Opens a file whose content is to be forced to the disk.
pub(crate) fn open_to_sync(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Forces the names in a directory to the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Forces all of a file system to the disk, if [`SYNCS_A_WHOLE_FILE_SYSTEM`].
pub(crate) fn sync_file_system(path: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Ok(rustix::fs::syncfs(File::open(path)?)?);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Err(io::Error::new(io::ErrorKind::Unsupported, path.display().to_string()))
}

/// Waits for whoever else works in this folder in the same way; the turn ends when it is dropped.
pub(crate) fn take_turn(folder: &Path) -> io::Result<File> {
    let turn = File::open(folder)?;
    turn.lock()?;
    Ok(turn)
}

/// Renames, over what is there.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Removes a folder with all that is in it. Follows no link.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

/// Stands for a file that is going to be renamed: here nothing has to be done for it.
#[derive(Debug)]
pub(crate) struct Claim;

impl Claim {
    /// Returns the claim; nothing would say that a program has the file open and so in its place.
    #[expect(clippy::unnecessary_wraps, reason = "as on the other systems")]
    pub(crate) fn of(_path: &Path) -> io::Result<Option<Self>> {
        Ok(Some(Self))
    }
}

/// Returns what is wrong with a file's name on this system.
pub(crate) fn fault_of_name(_name: &str) -> Option<&'static str> {
    None
}
