//! From SQLite's result codes to the library's error kinds.

use std::path::Path;

use rusqlite::ErrorCode::OutOfMemory;
use rusqlite::ffi;

use crate::error::{Error, ErrorKind};
use crate::sqlite::holders;
use crate::sqlite::vfs::super_journal;

/// Returns the kind of an SQLite error (<https://sqlite.org/rescode.html>).
pub(crate) fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    error.sqlite_error().map_or(ErrorKind::Sqlite, |error| kind_of_code(error.extended_code))
}

/// Returns the kind of one of SQLite's result codes, extended or not.
pub(crate) fn kind_of_code(code: std::ffi::c_int) -> ErrorKind {
    match code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => ErrorKind::Busy,
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM | ffi::SQLITE_CANTOPEN => {
            ErrorKind::PermissionDenied
        }
        ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT => ErrorKind::DamagedDatabase,
        ffi::SQLITE_FULL => ErrorKind::DiskFull,
        // The index of a log grows in a file of its own, for which SQLite has no other word than this
        // (<https://sqlite.org/rescode.html#ioerr_shmsize>).
        ffi::SQLITE_IOERR if code == ffi::SQLITE_IOERR_SHMSIZE => ErrorKind::DiskFull,
        ffi::SQLITE_INTERRUPT => ErrorKind::Interrupted,
        ffi::SQLITE_IOERR => ErrorKind::Io,
        _ => ErrorKind::Sqlite,
    }
}

/// Returns one of SQLite's result codes in words, where they are better than the number.
pub(crate) fn said(code: std::ffi::c_int) -> String {
    match code & 0xff {
        ffi::SQLITE_BUSY => "database is locked".to_owned(),
        ffi::SQLITE_NOMEM => "out of memory".to_owned(),
        ffi::SQLITE_FULL => "database or disk is full".to_owned(),
        _ => format!("SQLite's code {code}"),
    }
}

/// Makes an error of what SQLite said of a file; `doing` reads like "read" or "lock".
pub(crate) fn on_file(error: rusqlite::Error, doing: &str, path: &Path) -> Error {
    let said = match &error {
        // Of an opening without memory rusqlite tells only the path.
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == OutOfMemory => {
            "out of memory".to_owned()
        }
        _ => error.to_string(),
    };
    let text = format!("cannot {doing} {}: {said}", path.display());
    of_kind(kind_of(&error), text, path).caused_by(error)
}

/// Makes an error with what is known of its kind: the next step, and who uses a file that is busy.
pub(crate) fn of_kind(kind: ErrorKind, text: String, path: &Path) -> Error {
    let mut made = Error::new(kind, text);
    if kind == ErrorKind::Busy {
        made = used_by(made, path);
    }
    match hint_on(kind, path) {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}

/// Returns the next step that fits a kind of error on a file.
pub(crate) fn hint_on(kind: ErrorKind, path: &Path) -> Option<&'static str> {
    let is_long = path.as_os_str().len() + "-journal".len() > super_journal::NAME_BYTES_MAX;
    if kind == ErrorKind::PermissionDenied && is_long {
        return Some(
            "SQLite takes paths of up to 512 bytes with the name of the journal: give a directory with a shorter path (`--data-dir`, `--backup-dir`)",
        );
    }
    hint_for(kind)
}

/// Names the programs that use a file, where the system tells.
pub(crate) fn used_by(error: Error, path: &Path) -> Error {
    let lines = holders::of(path).into_iter().map(|holder| format!("used by {holder}"));
    lines.fold(error, Error::detail)
}

/// Makes an error of what the operating system said of a file.
pub(crate) fn io_on_file(error: std::io::Error, doing: &str, path: &Path) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        std::io::ErrorKind::StorageFull
        | std::io::ErrorKind::QuotaExceeded
        | std::io::ErrorKind::FileTooLarge => ErrorKind::DiskFull,
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            ErrorKind::DataDirectory
        }
        _ => ErrorKind::Io,
    };
    let text = format!("cannot {doing} {}: {error}", path.display());
    of_kind(kind, text, path).caused_by(error)
}

/// Writes a path for a command that somebody is told to run: one with a space is one word there too.
pub(crate) fn in_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |sign: char| sign.is_alphanumeric() || "/._-+=:@%,".contains(sign);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Says that a folder stands where a database should.
pub(crate) fn is_a_directory(path: &Path) -> Error {
    let text = format!("{} is a directory", path.display());
    Error::new(ErrorKind::DamagedDatabase, text)
        .with_hint(format!("move the folder away: `mv {0} {0}.folder`", in_shell(path)))
}

/// Returns the next step that fits a kind of error wherever it happens.
pub(crate) fn hint_for(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Busy => "stop the program that uses the file, or wait longer with `--wait 5m`",
        ErrorKind::PermissionDenied => {
            "check the owner and mode of the directory and its files with `ls -la`, and that the file system is not mounted read-only"
        }
        ErrorKind::DamagedDatabase => {
            "`verify` says what is damaged, and which `restore` of a good backup mends it"
        }
        ErrorKind::DiskFull => "free some space (`df -h` tells where) and run the command again",
        _ => return None,
    })
}

/// Asks whether an error is SQLite's word on what a file holds, and not on whether it can be read.
pub(crate) fn says_damaged(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::DamagedDatabase | ErrorKind::Sqlite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_command_is_one_word_for_the_shell() {
        for (path, word) in [
            ("/data/a-b.db", "/data/a-b.db"),
            ("/my data/é", "'/my data/é'"),
            ("/it's $HOME", r"'/it'\''s $HOME'"),
        ] {
            assert_eq!(in_shell(Path::new(path)), word);
        }
    }
}
