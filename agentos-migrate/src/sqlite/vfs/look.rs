//! What a file is, by its first bytes and those of what stands beside it.
//!
//! To open a file to write is to let SQLite deal with what it takes for its journal or log: one that is
//! none is deleted, with the file it belongs to read no further. So whoever opens looks first.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::raw::{MAGIC, RawFile, real};
use super::super_journal::MAGIC as JOURNAL;
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::of_kind;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// There is none, or nothing is in it: SQLite would make a new database.
    Nothing,
    /// It begins as a database.
    Database,
    /// It does not, and beside it is a journal or a log of which SQLite may make one again.
    Recoverable,
    /// Something else, or an empty file whose log is not empty.
    Other,
}

/// Looks at a file; takes no lock, and reads none of its pages.
pub(crate) fn look_at(path: &Path) -> Result<Look, Error> {
    let path = &real(path);
    if !path.exists() {
        return Ok(Look::Nothing);
    }
    let file = RawFile::open_read(path)?;
    let mut head = [0; MAGIC.len()];
    file.read_at(&mut head, 0)?;
    let journal = head_of(path, "-journal");
    let log = head_of(path, "-wal");
    Ok(if head == *MAGIC {
        Look::Database
    } else if file.size()? == 0 {
        // SQLite deletes a log that it finds beside an empty file.
        if log.is_empty() { Look::Nothing } else { Look::Other }
    } else if journal.starts_with(&JOURNAL) || LOGS.iter().any(|known| log.starts_with(known)) {
        Look::Recoverable
    } else {
        Look::Other
    })
}

/// Refuses to open what is no database to SQLite; `doing` reads like "read" or "lock".
pub(crate) fn refuse_other(path: &Path, doing: &str) -> Result<(), Error> {
    if look_at(path)? != Look::Other {
        return Ok(());
    }
    let text = format!("cannot {doing} {}: file is not a database", path.display());
    Err(of_kind(ErrorKind::DamagedDatabase, text, path))
}

/// What a write-ahead log begins with, on processors of either kind
/// (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
const LOGS: [[u8; 4]; 2] = [[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]];

/// Returns the first bytes of a side file, on which SQLite takes no locks; none if it is not there.
fn head_of(path: &Path, ending: &str) -> Vec<u8> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    let mut head = Vec::new();
    let opened = File::open(Path::new(&name));
    // One that can't be read is SQLite's to complain of.
    drop(opened.and_then(|file| file.take(JOURNAL.len() as u64).read_to_end(&mut head)));
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: Option<&[u8]>, journal: &[u8], log: &[u8], expected: Look) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.db");
        for (name, bytes) in [("a.db-journal", journal), ("a.db-wal", log)] {
            std::fs::write(directory.path().join(name), bytes).expect("writes");
        }
        if let Some(bytes) = file {
            std::fs::write(&path, bytes).expect("writes");
        }
        assert_eq!(look_at(&path).expect("looks"), expected);
        assert_eq!(refuse_other(&path, "read").is_err(), expected == Look::Other);
    }

    #[test]
    fn a_file_is_what_its_first_bytes_say_and_those_beside_it() {
        let log = &[0x37, 0x7f, 0x06, 0x83, 0, 0, 0, 0, 0];
        check(None, b"", log, Look::Nothing);
        check(Some(b""), &JOURNAL, b"", Look::Nothing);
        check(Some(b""), b"", log, Look::Other);
        check(Some(b"SQLite format 3\0 and so on"), b"any", b"any", Look::Database);
        check(Some(b"damaged"), b"", b"", Look::Other);
        check(Some(b"a text"), b"another text", b"and another", Look::Other);
        check(Some(b"damaged"), &JOURNAL, b"", Look::Recoverable);
        check(Some(b"damaged"), b"", log, Look::Recoverable);
    }
}
