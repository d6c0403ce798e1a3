//! The super-journal's name and the pointer to it, in SQLite's own format.
//!
//! <https://sqlite.org/fileformat2.html#the_super_journal>. SQLite follows a
//! pointer only to a name of one pattern, and it sums the name as C `char`s,
//! which are signed on some processors and not on others.

use std::ffi::c_char;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::system;

/// The bytes that end a pointer, and begin a rollback journal
/// (<https://sqlite.org/fileformat2.html#the_rollback_journal>).
pub(super) const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// The byte of a database file that locks are taken on: no page holds it.
const PENDING_BYTE: u32 = 0x4000_0000;

/// A pointer begins at a multiple of this, as a journal header does.
const SECTOR: i64 = 512;

/// Returns the super-journal's name beside the database `anchor`.
pub(super) fn name(anchor: &[u8], random: [u8; 4]) -> Vec<u8> {
    let number = u32::from_be_bytes(random);
    let suffix = format!("-mj{:06X}9{:02X}", (number >> 8) & 0x00ff_ffff, number & 0xff);
    [anchor, suffix.as_bytes()].concat()
}

/// Returns what a super-journal holds: the journals' names, each with a zero behind it.
pub(super) fn body<'a>(journals: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    journals.into_iter().flat_map(|name| name.iter().copied().chain([0])).collect()
}

/// Returns the pointer that a rollback journal ends with.
pub(super) fn pointer(name: &[u8], page_size: u32) -> Vec<u8> {
    let page = PENDING_BYTE / page_size.max(1) + 1;
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    let mut record = Vec::with_capacity(name.len() + 20);
    record.extend_from_slice(&page.to_be_bytes());
    record.extend_from_slice(name);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&checksum(name).to_be_bytes());
    record.extend_from_slice(&MAGIC);
    record
}

/// Returns where the pointer of a journal of this size begins.
pub(super) fn pointer_offset(journal_size: i64) -> i64 {
    journal_size.saturating_add(SECTOR - 1) / SECTOR * SECTOR
}

/// The longest name that SQLite follows, in bytes; a pointer to a longer one counts for none.
///
/// `mxPathname` of its Unix file layer (<https://sqlite.org/c3ref/vfs.html>).
pub(crate) const NAME_BYTES_MAX: usize = 512;

/// How much longer a super-journal's name is than that of the database beside it.
pub(crate) const SUFFIX_BYTES: usize = "-mj0123AB9CD".len();

/// What the end of a rollback journal points to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// The super-journal.
    pub(crate) super_journal: PathBuf,
    /// Where in the journal the pointer begins.
    pub(crate) offset_bytes: u64,
}

/// Returns the pointer with which a journal ends, as SQLite looks for it; nothing if there is none.
pub(crate) fn pointer_of(journal: &Path) -> io::Result<Option<Pointer>> {
    const TAIL: usize = 16;
    let mut file = File::open(journal)?;
    let size = file.metadata()?.len();
    let mut tail = [0; TAIL];
    if size < TAIL as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(size - TAIL as u64))?;
    file.read_exact(&mut tail)?;
    let number =
        |at: usize| u32::from_be_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
    let (length, sum) = (number(0) as usize, number(4));
    // The number of a page stands before the name.
    let Some(offset_bytes) = size.checked_sub((TAIL + length + 4) as u64) else { return Ok(None) };
    if tail[8..] != MAGIC || length == 0 || length > NAME_BYTES_MAX {
        return Ok(None);
    }
    let mut name = vec![0; length];
    file.seek(SeekFrom::Start(offset_bytes + 4))?;
    file.read_exact(&mut name)?;
    let Some(super_journal) = system::path_of(&name) else { return Ok(None) };
    let pointer = Pointer { super_journal, offset_bytes };
    Ok((checksum(&name) == sum).then_some(pointer))
}

/// Returns the pointer of a journal whose super-journal is in `folder`, and not where the pointer
/// says: both were moved or copied there after a crash, or the folder is mounted at another place.
///
/// SQLite would take the journal for one of a commit that is done, and drop it.
pub(crate) fn stray_pointer(journal: &Path, folder: &Path) -> io::Result<Option<Pointer>> {
    let is_stray = |pointer: &Pointer| {
        let moved = pointer.moved_to(folder);
        moved.is_some_and(|moved| moved != pointer.super_journal && moved.exists())
    };
    Ok(pointer_of(journal)?.filter(is_stray))
}

/// Returns the pointer of a journal from `folder` whose commit was not done: its super-journal is there.
pub(crate) fn outstanding_pointer(journal: &Path, folder: &Path) -> io::Result<Option<Pointer>> {
    let is_outstanding = |pointer: &Pointer| {
        pointer.super_journal.exists() || pointer.moved_to(folder).is_some_and(|it| it.exists())
    };
    Ok(pointer_of(journal)?.filter(is_outstanding))
}

impl Pointer {
    /// Returns where the super-journal is if it was moved to a folder.
    fn moved_to(&self, folder: &Path) -> Option<PathBuf> {
        Some(folder.join(self.super_journal.file_name()?))
    }
}

fn checksum(name: &[u8]) -> u32 {
    let value = |byte: &u8| i32::from(c_char::from_ne_bytes([*byte]));
    name.iter().fold(0, |sum: u32, byte| sum.wrapping_add(value(byte).cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_has_the_pattern_that_sqlite_follows() {
        let name = name(b"/d/m.db", [0x12, 0x34, 0x56, 0x0a]);
        assert_eq!(name, b"/d/m.db-mj12345690A");
    }

    #[test]
    fn the_pointer_is_laid_out_as_sqlite_reads_it_from_the_end() {
        let record = pointer(b"/a", 4096);
        assert_eq!(record[..4], (0x4000_0000_u32 / 4096 + 1).to_be_bytes());
        assert_eq!(&record[4..6], b"/a");
        assert_eq!(record[6..10], 2_u32.to_be_bytes());
        assert_eq!(record[10..14], (u32::from(b'/') + u32::from(b'a')).to_be_bytes());
        assert_eq!(record[14..], MAGIC);
    }

    #[test]
    fn the_pointer_begins_at_a_sector() {
        assert_eq!([0, 1, 512, 513].map(pointer_offset), [0, 512, 512, 1024]);
    }

    #[test]
    fn the_body_lists_names_with_a_zero_behind_each() {
        assert_eq!(body([b"/a-journal".as_slice(), b"/b-journal"]), b"/a-journal\0/b-journal\0");
    }
}
