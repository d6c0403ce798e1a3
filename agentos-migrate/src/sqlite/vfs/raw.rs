//! Reading a database file's bytes beside SQLite's locks.
//!
//! Never through `std::fs`: closing any descriptor of a file drops all POSIX
//! locks that the process holds on it. SQLite's own file layer knows which
//! it holds.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::ffi;

use super::base::{Base, OwnedFile};
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::{kind_of_code, of_kind, said};
use crate::system;

/// A database file, open to read its bytes.
pub(crate) struct RawFile {
    file: OwnedFile,
    shown: String,
}

impl RawFile {
    /// Opens a file to read.
    pub(crate) fn open_read(path: &Path) -> Result<Self, Error> {
        let base = Base::find(None)
            .ok_or_else(|| Error::new(ErrorKind::Sqlite, "SQLite has no default file layer"))?;
        let opened =
            base.open(&name_of(&real(path))?, ffi::SQLITE_OPEN_READONLY | ffi::SQLITE_OPEN_MAIN_DB);
        let file = opened.map_err(|code| failed("open", &path.display().to_string(), code))?;
        Ok(Self { file, shown: path.display().to_string() })
    }

    /// Takes a shared lock: readers go on, writers wait. It goes with the file.
    pub(crate) fn lock_shared(&self, wait: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + wait;
        loop {
            match self.file.file().lock(ffi::SQLITE_LOCK_SHARED) {
                ffi::SQLITE_OK => return Ok(()),
                code if code & 0xff == ffi::SQLITE_BUSY && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                code => return Err(failed("lock", &self.shown, code)),
            }
        }
    }

    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> Result<u64, Error> {
        let size = self.file.file().size().map_err(|code| failed("measure", &self.shown, code))?;
        Ok(size.unsigned_abs())
    }

    /// Reads bytes from an offset; what is behind the end reads as zeros.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        match self.file.file().read(buffer, offset) {
            ffi::SQLITE_OK | ffi::SQLITE_IOERR_SHORT_READ => Ok(()),
            code => Err(failed("read", &self.shown, code)),
        }
    }
}

/// The parts of a database header that the start-up check looks at
/// (<https://sqlite.org/fileformat2.html#the_database_header>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) change_counter: u32,
    pub(crate) user_version: u32,
    pub(crate) application_id: u32,
}

const HEADER_BYTES: usize = 100;

/// What a database begins with.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The smallest page, of which a database has at least one.
const SMALLEST_BYTES: i64 = 512;

/// Reads a database's header under a shared lock; nothing means "ask SQLite":
/// the file is missing, busy, in WAL mode, has a journal, is no database, or not as long as its header says.
pub(crate) fn probe_header(path: &Path) -> Result<Option<Header>, Error> {
    let head = read_head(path)?;
    Ok(head
        .filter(|head| head.size_bytes == stated_size(&head.bytes))
        .and_then(|h| parse(&h.bytes)))
}

/// Says why SQLite will not take a file for a database, as far as its header and its size tell.
///
/// Nothing means that a glance does not tell: the file is missing, empty, busy, or not all of it is in
/// itself, as a journal or a log stands beside it.
pub(crate) fn fault_of_head(path: &Path) -> Result<Option<String>, Error> {
    let Some(Head { bytes, size_bytes }) = read_head(path)? else { return Ok(None) };
    let page_size = page_size(&bytes);
    Ok(if size_bytes == 0 {
        None
    } else if size_bytes < SMALLEST_BYTES {
        Some(format!("is cut off: {size_bytes} bytes are left of it"))
    } else if !page_size.cast_unsigned().is_power_of_two() || page_size < SMALLEST_BYTES {
        Some(format!("is no SQLite database: its header says pages of {page_size} bytes"))
    } else if is_size_valid(&bytes) && size_bytes < stated_size(&bytes) {
        let stated = stated_size(&bytes);
        Some(format!("is cut off: its header says {stated} bytes, and {size_bytes} are there"))
    } else {
        None
    })
}

/// What a file begins with, and how long it is.
struct Head {
    bytes: [u8; HEADER_BYTES],
    size_bytes: i64,
}

fn read_head(path: &Path) -> Result<Option<Head>, Error> {
    let Some(base) = Base::find(None) else { return Ok(None) };
    let name = name_of(&real(path))?;
    let Ok(opened) = base.open(&name, ffi::SQLITE_OPEN_READONLY | ffi::SQLITE_OPEN_MAIN_DB) else {
        return Ok(None);
    };
    let file = opened.file();
    if file.lock(ffi::SQLITE_LOCK_SHARED) != ffi::SQLITE_OK {
        return Ok(None);
    }
    let mut bytes = [0; HEADER_BYTES];
    let beside = |suffix: &[u8]| {
        CString::new([name.to_bytes(), suffix].concat()).map(|name| base.exists(&name))
    };
    let alone =
        [b"-journal".as_slice(), b"-wal"].into_iter().all(|suffix| beside(suffix) == Ok(Ok(false)));
    let read = |bytes: &mut [u8]| {
        let code = file.read(bytes, 0);
        code == ffi::SQLITE_OK || code == ffi::SQLITE_IOERR_SHORT_READ
    };
    let size = if alone && read(&mut bytes) { file.size().ok() } else { None };
    file.unlock(ffi::SQLITE_LOCK_NONE);
    Ok(size.map(|size_bytes| Head { bytes, size_bytes }))
}

fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
    let in_rollback_mode = bytes[18] == 1 && bytes[19] == 1;
    (bytes.starts_with(MAGIC) && in_rollback_mode).then(|| Header {
        change_counter: number_at(bytes, 24),
        user_version: number_at(bytes, 60),
        application_id: number_at(bytes, 68),
    })
}

/// Returns the size that the header states: pages times bytes
/// (<https://sqlite.org/fileformat2.html#the_database_header>).
fn stated_size(bytes: &[u8; HEADER_BYTES]) -> i64 {
    i64::from(number_at(bytes, 28)) * page_size(bytes)
}

/// Returns the size of a page, for which 1 stands for 65,536.
fn page_size(bytes: &[u8; HEADER_BYTES]) -> i64 {
    match u16::from_be_bytes([bytes[16], bytes[17]]) {
        1 => 1 << 16,
        size => i64::from(size),
    }
}

/// Whether the header's size counts: a program older than SQLite 3.7.0 leaves it behind
/// (<https://sqlite.org/fileformat2.html#in_header_database_size>).
fn is_size_valid(bytes: &[u8; HEADER_BYTES]) -> bool {
    number_at(bytes, 28) > 0 && number_at(bytes, 24) == number_at(bytes, 92)
}

fn number_at(bytes: &[u8; HEADER_BYTES], offset: usize) -> u32 {
    u32::from_be_bytes([bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]])
}

/// Returns whether a database is in WAL mode; a missing or empty one is not.
pub(crate) fn is_wal(path: &Path) -> Result<bool, Error> {
    if !path.exists() {
        return Ok(false);
    }
    let mut bytes = [0; HEADER_BYTES];
    RawFile::open_read(path)?.read_at(&mut bytes, 0)?;
    Ok(bytes.starts_with(MAGIC) && bytes[18] == 2)
}

/// Returns the change counter of a database that this process has locked; zero for an empty one.
pub(crate) fn change_counter(path: &Path) -> Result<u32, Error> {
    let mut bytes = [0; HEADER_BYTES];
    RawFile::open_read(path)?.read_at(&mut bytes, 0)?;
    Ok(number_at(&bytes, 24))
}

/// Returns a path as SQLite names the file.
/// Follows links, as SQLite does before it opens a file: its file layer opens none
/// (<https://sqlite.org/c3ref/vfs.html>, `xFullPathname`), and journals stand beside the real file.
pub(crate) fn real(path: &Path) -> PathBuf {
    system::real(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn name_of(path: &Path) -> Result<CString, Error> {
    let name = system::bytes_of(path).and_then(|bytes| CString::new(bytes).ok());
    name.ok_or_else(|| {
        Error::new(
            ErrorKind::DataDirectory,
            format!("SQLite can't name the file {}", path.display()),
        )
    })
}

fn failed(doing: &str, path: &str, code: std::ffi::c_int) -> Error {
    let text = format!("cannot {doing} {path}: {}", said(code));
    of_kind(kind_of_code(code), text, Path::new(path))
}
