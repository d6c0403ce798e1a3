//! Opening a database to ask a question: nothing is written, not a byte.
//!
//! SQLite writes to answer in two cases: a WAL file gets its -shm, and a hot
//! journal is rolled back (<https://sqlite.org/lockingv3.html#hot_journals>).
//! In both a copy in a temporary directory is asked instead. A short question to a
//! WAL file with an empty log needs none.

use std::fs::File;
use std::io::Write;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, ffi};

use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::{io_on_file, is_a_directory, on_file};
use crate::sqlite::plain_files;
use crate::sqlite::scratch;
use crate::sqlite::vfs::{self, Look, RawFile, super_journal};
use crate::system;

/// A connection that only reads.
pub(crate) struct Reader {
    // Closed before the copy that it may read is removed.
    connection: Connection,
    _copy: Option<scratch::Folder>,
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// How long a question waits for a program that keeps a file to itself: an answer is
/// wanted now, and a commit takes a fraction of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Opens a database to read, with [`PATIENCE`]; nothing if the file is missing or empty.
pub(crate) fn open(path: &Path) -> Result<Option<Reader>, Error> {
    open_within(path, PATIENCE)
}

/// Opens a database to read, waiting for others no longer than this.
pub(crate) fn open_within(path: &Path, wait: Duration) -> Result<Option<Reader>, Error> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_on_file(error, "read", path)),
        Ok(metadata) if metadata.is_dir() => return Err(is_a_directory(path)),
        Ok(metadata) if metadata.is_file() && metadata.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    let look = vfs::look_at(path)?;
    if look == Look::Other {
        vfs::refuse_other(path, "read")?;
    }
    let journal = with_suffix(&vfs::real(path), "-journal");
    if look == Look::Recoverable
        || vfs::is_wal(path)?
        || std::fs::metadata(&journal).is_ok_and(|metadata| metadata.len() > 0)
    {
        return open_copy(path, wait).map(Some);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| on_file(error, "open", path))?;
    match prepare(&connection, wait) {
        Ok(()) => Ok(Some(Reader { connection, _copy: None })),
        // A journal came since we looked.
        Err(error) if has_hot_journal(&error) => open_copy(path, wait).map(Some),
        Err(error) => Err(on_file(error, "read", path)),
    }
}

/// Asks a short question of a database; nothing if the file is missing or empty.
///
/// A file in WAL mode whose log is empty holds all that was committed, and is asked as it is, which
/// costs no copy of it. If somebody wrote meanwhile, the answer may be of two moments: then a copy
/// is asked.
pub(crate) fn ask<T>(
    path: &Path,
    wait: Duration,
    question: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<Option<T>, Error> {
    if is_settled(path)? {
        let of_now = || stamps(&[path.to_owned()]);
        let before = of_now();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let answer = Connection::open_with_flags(immutable(path), flags)
            .and_then(|connection| question(&connection));
        if let Ok(answer) = answer
            && of_now() == before
        {
            return Ok(Some(answer));
        }
    }
    let Some(reader) = open_within(path, wait)? else { return Ok(None) };
    question(&reader).map(Some).map_err(|error| on_file(error, "read", path))
}

/// Asks whether a file is in WAL mode, and nothing waits in its log or in a journal.
fn is_settled(path: &Path) -> Result<bool, Error> {
    let path = vfs::real(path);
    let is_empty = |suffix| {
        std::fs::metadata(with_suffix(&path, suffix)).map_or(true, |found| found.len() == 0)
    };
    Ok(path.is_file() && is_empty("-wal") && is_empty("-journal") && vfs::is_wal(&path)?)
}

/// Returns a path as a URI (<https://sqlite.org/uri.html>) that names an immutable file.
pub(crate) fn immutable(path: &Path) -> String {
    let mut text = String::from("file:");
    for byte in system::bytes_of(path).unwrap_or_default() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02x}"));
        }
    }
    text.push_str("?immutable=1");
    text
}

fn open_copy(path: &Path, wait: Duration) -> Result<Reader, Error> {
    let directory = scratch::directory()?;
    let copy = directory.path().join(path.file_name().unwrap_or_default());
    // Held until the copy is made: a run that commits would change the file meanwhile.
    let _held = copy_all(std::slice::from_ref(&path.to_owned()), directory.path(), wait)?;
    let connection =
        Connection::open(&copy).map_err(|error| on_file(error, "open a copy of", path))?;
    prepare(&connection, wait).map_err(|error| on_file(error, "read", path))?;
    Ok(Reader { connection, _copy: Some(directory) })
}

/// Copies databases of one moment into a directory.
///
/// Readers go on meanwhile; writers in rollback-journal mode wait until all
/// are copied, and until what is returned is dropped. Files in WAL mode are
/// copied again if they changed meanwhile, as long as one may wait.
pub(crate) fn copy_all(
    paths: &[PathBuf],
    directory: &Path,
    wait: Duration,
) -> Result<Vec<RawFile>, Error> {
    const TRIES_MIN: usize = 5;
    let deadline = Instant::now() + wait;
    let mut held = Vec::new();
    for path in paths {
        if !vfs::is_wal(path)? {
            let file = RawFile::open_read(path)?;
            file.lock_shared(wait)?;
            held.push(file);
        }
    }
    for attempt in 0.. {
        if attempt >= TRIES_MIN && Instant::now() >= deadline {
            break;
        }
        let before = stamps(paths);
        for path in paths {
            copy_into(path, directory)?;
        }
        if stamps(paths) == before {
            return Ok(held);
        }
    }
    let message = format!(
        "the databases in {} change faster than they can be copied",
        paths[0].parent().unwrap_or(&paths[0]).display()
    );
    Err(Error::new(ErrorKind::Busy, message)
        .in_state("nothing was changed")
        .with_hint("stop the program that writes to them, and try again"))
}

/// Sizes and times of the files and their side files: what changes when somebody writes.
fn stamps(paths: &[PathBuf]) -> Vec<Option<(u64, std::time::SystemTime)>> {
    let stamp = |path: PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    paths
        .iter()
        .flat_map(|path| ["", "-wal"].map(|suffix| stamp(with_suffix(&vfs::real(path), suffix))))
        .collect()
}

/// Copies a database with its side files into a directory; returns the copy's path.
///
/// Bytes are read through SQLite's file layer, as closing any other
/// descriptor would drop the locks that this process holds.
pub(crate) fn copy_into(path: &Path, directory: &Path) -> Result<PathBuf, Error> {
    let name = path.file_name().unwrap_or_default();
    let target = directory.join(name);
    // Side files stand beside the real file.
    let path = &vfs::real(path);
    copy_file(path, &target, Some(&LOCK_BYTES))?;
    for suffix in ["-journal", "-wal"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&target, suffix));
        if from.exists() {
            copy_file(&from, &to, None)?;
        } else if to.exists() {
            // It is of a moment that was not kept, and would be taken for one of this.
            plain_files::remove(&to)
                .map_err(|error| of_target(io_on_file(error, "remove", &to), &to))?;
        }
    }
    detach(&with_suffix(&target, "-journal"), path)?;
    Ok(target)
}

/// Cuts the pointer off the copy of a journal whose commit was not done, so that SQLite rolls the
/// copy back by itself: a run that recovers the originals takes their super-journal away.
fn detach(journal: &Path, original: &Path) -> Result<(), Error> {
    let Some(folder) = original.parent().filter(|_| journal.exists()) else { return Ok(()) };
    let cut = || match super_journal::outstanding_pointer(journal, folder)? {
        Some(pointer) => File::options().write(true).open(journal)?.set_len(pointer.offset_bytes),
        None => Ok(()),
    };
    cut().map_err(|error| of_target(io_on_file(error, "write", journal), journal))
}

/// The bytes of a database that SQLite locks: no page has them for its content, and where a lock
/// keeps others from reading they can't be read (<https://sqlite.org/fileformat2.html#the_lock_byte_page>).
const LOCK_BYTES: Range<u64> = (1 << 30)..(1 << 30) + 512;

/// Copies a file; what is `left_out` reads as zeros, and begins where a chunk does.
fn copy_file(from: &Path, to: &Path, left_out: Option<&Range<u64>>) -> Result<(), Error> {
    const CHUNK: usize = 1 << 20;
    let source = RawFile::open_read(from)?;
    let on_target = |doing| move |error| of_target(io_on_file(error, doing, to), to);
    let mut file = File::create(to).map_err(on_target("create"))?;
    let (mut offset, size) = (0, source.size()?);
    let mut buffer = vec![0; CHUNK];
    while offset < size {
        let wanted = usize::try_from(size - offset).unwrap_or(CHUNK).min(CHUNK);
        let skipped = match left_out {
            Some(range) if range.start == offset => range.clone().count().min(wanted),
            _ => 0,
        };
        buffer[..skipped].fill(0);
        source.read_at(&mut buffer[skipped..wanted], offset + skipped as u64)?;
        file.write_all(&buffer[..wanted]).map_err(on_target("write"))?;
        offset += wanted as u64;
    }
    Ok(())
}

/// A copy that could not be written is mostly one in the folder for temporary files.
fn of_target(error: Error, to: &Path) -> Error {
    if to.starts_with(std::env::temp_dir()) { scratch::point_out(error) } else { error }
}

/// Whether SQLite refused as it would have to roll back, and may not write
/// (<https://sqlite.org/rescode.html#readonly_rollback>).
fn has_hot_journal(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(ffi::SQLITE_READONLY_ROLLBACK)
}

fn prepare(connection: &Connection, wait: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(wait)?;
    // Asks for the first page now, so that a file which is no database says so here.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::sqlite::vfs::Group;

    fn count(path: &Path) -> Option<i64> {
        let sql = "SELECT count(*) FROM t";
        let counted = |connection: &Connection| connection.query_row(sql, [], |row| row.get(0));
        ask(path, PATIENCE, counted).expect("answers")
    }

    #[test]
    fn a_file_in_wal_mode_is_asked_with_its_log_and_left_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        // A name that a URI has to escape; Windows knows no question mark in one.
        let name = if cfg!(windows) { "a b#%.db" } else { "a b?%.db" };
        let path = directory.path().join(name);
        assert_eq!(count(&path), None);
        let program = Connection::open(&path).expect("opens");
        let sql = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(a)";
        program.execute_batch(sql).expect("creates");
        let checkpoint = || program.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        let is_settled = || is_settled(&path).expect("looks");
        assert!(!is_settled());
        assert_eq!(count(&path), Some(0));
        checkpoint().expect("folds in");
        assert!(is_settled());
        let before = std::fs::read(&path).expect("reads");
        assert_eq!(count(&path), Some(0));
        assert_eq!(std::fs::read(&path).expect("reads"), before);
        program.execute("INSERT INTO t VALUES (1)", []).expect("writes");
        assert_eq!(count(&path), Some(1), "what is only in the log");
        // Somebody folds the log in and writes on while the question is asked.
        checkpoint().expect("folds in");
        let asked = std::cell::Cell::new(0);
        let answer = ask(&path, PATIENCE, |connection| {
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                program.execute("INSERT INTO t VALUES (2)", [])?;
            }
            connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!((answer.expect("answers"), asked.get()), (Some(2), 2));
    }

    #[test]
    fn a_second_copy_keeps_nothing_of_the_first() {
        let (directory, copies) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let path = directory.path().join("a.db");
        let program = Connection::open(&path).expect("opens");
        program.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a)").expect("creates");
        let copy = copy_into(&path, copies.path()).expect("copies");
        assert!(with_suffix(&copy, "-wal").exists());
        drop(program);
        copy_into(&path, copies.path()).expect("copies");
        assert!(!with_suffix(&copy, "-wal").exists(), "its log was folded in");
        assert_eq!(count(&copy), Some(0));
    }

    #[test]
    fn a_question_beside_commits_of_several_files_gets_a_whole_answer_or_is_told_to_wait() {
        // In memory, where the system has such a place: many commits, none of which waits for a disk.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory");
        let paths = ["a.db", "b.db"].map(|name| directory.path().join(name));
        for path in &paths {
            let connection = Connection::open(path).expect("opens");
            // Two pages that change together.
            let sql = "CREATE TABLE t(n); CREATE TABLE u(n); INSERT INTO t VALUES (0); INSERT INTO u VALUES (0)";
            connection.execute_batch(sql).expect("creates");
        }
        let is_over = AtomicBool::new(false);
        let (mut answers, mut waits) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let group = Group::new(None).expect("a group");
                while !is_over.load(Ordering::Relaxed) {
                    let mut members = paths.each_ref().map(|path| {
                        let connection = group.open(path).expect("opens");
                        connection.busy_timeout(Duration::from_secs(10)).expect("sets");
                        let sql = "BEGIN EXCLUSIVE; UPDATE t SET n = n + 1; UPDATE u SET n = n + 1";
                        connection.execute_batch(sql).expect("changes");
                        (path.as_path(), connection)
                    });
                    let mut all: Vec<_> =
                        members.iter_mut().map(|(path, member)| (*path, member)).collect();
                    group.commit(&paths[0], &mut all).expect("commits");
                }
            });
            // Both kinds, however the machine shares its time.
            let deadline = Instant::now() + Duration::from_secs(60);
            while (answers < 20 || waits < 20) && Instant::now() < deadline {
                let asked = open_within(&paths[0], Duration::ZERO).and_then(|reader| {
                    let reader = reader.expect("is there");
                    let sql = "SELECT (SELECT n FROM t) = (SELECT n FROM u)";
                    let answer = reader.query_row(sql, [], |row| row.get::<_, bool>(0));
                    answer.map_err(|error| on_file(error, "ask", &paths[0]))
                });
                match asked {
                    Ok(is_whole) => {
                        assert!(is_whole, "half of a commit");
                        answers += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
                        waits += 1;
                    }
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(answers > 0 && waits > 0, "{answers} answers, {waits} times busy");
    }
}
