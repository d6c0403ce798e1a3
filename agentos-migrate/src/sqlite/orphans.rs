//! Super-journals that nobody needs any more.
//!
//! A crash before the commit point leaves the super-journal and journals
//! that point to it. SQLite rolls each file back when it opens it, and
//! removes the super-journal with the last one; a crash before the first
//! pointer leaves a super-journal alone. Removing one while a journal still
//! points to it would be a commit of half the files, so every journal named
//! in it is rolled back first.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::Error;
use crate::sqlite::failure::{io_on_file, on_file};
use crate::sqlite::{history_table, plain_files};
use crate::system;

/// Removes super-journals beside migrations.db to which no journal points. The caller holds the run lock.
///
/// SQLite names a journal after the real file: where migrations.db is a link, that folder is looked at too.
pub(crate) fn clean(data_dir: &Path, wait: Duration) -> Result<(), Error> {
    let mut found = super_journals(data_dir, history_table::FILE_NAME)?;
    let history = data_dir.join(history_table::FILE_NAME);
    if let Ok(real) = system::real(&history)
        && let (Some(folder), Some(name)) = (real.parent(), real.file_name())
        && system::real(data_dir)
            .is_ok_and(|directory| directory.join(history_table::FILE_NAME) != real)
    {
        found.extend(super_journals(folder, &name.to_string_lossy())?);
    }
    for path in found {
        let body = match fs::read(&path) {
            Ok(body) => body,
            // SQLite may have removed it with the last journal.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_on_file(error, "read", &path)),
        };
        // What names no path here may be a journal that points to it: it stays.
        let Some(journals) = journals_of(&body) else { continue };
        for journal in journals.iter().filter(|journal| journal.exists()) {
            roll_back(journal, wait)?;
        }
        if !journals.iter().any(|journal| is_hot(journal)) && path.exists() {
            plain_files::remove(&path).map_err(|error| io_on_file(error, "remove", &path))?;
        }
    }
    Ok(())
}

fn super_journals(folder: &Path, database: &str) -> Result<Vec<PathBuf>, Error> {
    let prefix = format!("{database}-mj");
    let entries = fs::read_dir(folder).map_err(|error| io_on_file(error, "read", folder))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| io_on_file(error, "read", folder))?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn journals_of(body: &[u8]) -> Option<Vec<PathBuf>> {
    let names = body.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(system::path_of).collect()
}

/// Returns whether SQLite would roll this journal back: one that it only keeps begins with a zero
/// (<https://sqlite.org/lockingv3.html#hot_journals>).
fn is_hot(journal: &Path) -> bool {
    let mut first = [0];
    let read =
        fs::File::open(journal).and_then(|mut file| std::io::Read::read(&mut file, &mut first));
    read.is_ok_and(|count| count == 1) && first != [0]
}

/// Returns whether a journal has nothing to bring back: its file was empty when the transaction
/// began, or its head never reached the disk. It begins with eight known bytes; the pages before
/// it are at byte 16 (<https://sqlite.org/fileformat2.html#the_rollback_journal>).
fn holds_nothing(journal: &Path) -> bool {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let mut head = [0; 20];
    let read = fs::File::open(journal)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    match read {
        Ok(()) => head[..8] != MAGIC || head[16..] == [0; 4],
        Err(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
    }
}

/// Opens the journal's database, by which SQLite rolls it back if it is hot.
fn roll_back(journal: &Path, wait: Duration) -> Result<(), Error> {
    let bytes = system::bytes_of(journal).unwrap_or_default();
    let database = bytes.strip_suffix(b"-journal").and_then(system::path_of);
    let Some(path) = database.as_deref() else { return Ok(()) };
    if !path.exists() && holds_nothing(journal) {
        // To roll back what a new file got is to have it empty, and it is gone already.
        return plain_files::remove(journal).map_err(|error| io_on_file(error, "remove", journal));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let recover = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(wait)?;
        // A lock to write makes SQLite look at the journal, stale or hot.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")
    };
    recover().map_err(|error| on_file(error, "recover", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_of_a_new_file_that_is_gone_does_not_stand_in_the_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let orphan = directory.path().join("migrations.db-mj12345690A");
        let journal = directory.path().join("migrations.db-journal");
        fs::write(&orphan, format!("{}\0", journal.display())).expect("writes");
        let head = |pages| {
            [
                &[
                    0xd9, 0xd5, 5, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0,
                    pages,
                ][..],
                &[0; 492],
            ]
            .concat()
        };
        fs::write(&journal, head(3)).expect("writes");
        assert!(clean(directory.path(), Duration::ZERO).is_err(), "a file with pages is missing");
        for nothing in [head(0), vec![7; 600], Vec::new()] {
            fs::write(&orphan, format!("{}\0", journal.display())).expect("writes");
            fs::write(&journal, nothing).expect("writes");
            clean(directory.path(), Duration::ZERO).expect("cleans");
            assert!(!orphan.exists() && !journal.exists());
        }
        fs::write(&orphan, format!("{}\0", journal.display())).expect("writes");
        fs::write(&journal, head(0)).expect("writes");
        clean(directory.path(), Duration::ZERO).expect("cleans");
        assert!(!orphan.exists() && !journal.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_whose_name_is_no_text_keeps_the_super_journal_that_its_journals_need() {
        use crate::sqlite::vfs::{DyingDisk, Group};

        let directory = tempfile::tempdir().expect("a directory");
        let data_dir = directory.path().join(system::path_of(b"\xff").expect("a path"));
        if fs::create_dir(&data_dir).is_err() {
            return; // This file system only takes text.
        }
        let data_dir = system::real(&data_dir).expect("is there");
        let paths = ["migrations.db", "rules.db"].map(|name| data_dir.join(name));
        for path in &paths {
            let connection = Connection::open(path).expect("opens");
            connection.execute_batch("CREATE TABLE t(a)").expect("makes");
        }
        let mut seen = std::collections::BTreeSet::new();
        for operations in 0.. {
            let disk = DyingDisk::after(operations).expect("registers");
            let group = Group::new(Some(disk.name())).expect("a group");
            let mut members = paths.each_ref().map(|path| (path.as_path(), group.open(path)));
            let mut all: Vec<_> = members
                .iter_mut()
                .map(|(path, member)| (*path, member.as_mut().expect("opens")))
                .collect();
            let sql = "BEGIN EXCLUSIVE; UPDATE t SET a = a + 1; INSERT INTO t VALUES (1)";
            let begun = all.iter().all(|(_, member)| member.execute_batch(sql).is_ok());
            let is_done = begun && group.commit(&paths[0], &mut all).is_ok();
            drop(all);
            drop(members);
            clean(&data_dir, Duration::ZERO).expect("cleans");
            let rows = paths.each_ref().map(|path| {
                let connection = Connection::open(path).expect("opens");
                connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
            });
            let [one, two] = rows.map(|rows| rows.expect("reads"));
            assert_eq!(one, two, "torn behind {operations} operations");
            seen.insert(one);
            if is_done {
                break;
            }
        }
        assert!(seen.len() > 1, "some are committed: {seen:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_of_a_linked_history_is_looked_at_too() {
        let (directory, elsewhere) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let real = elsewhere.path().join("history.sqlite");
        fs::write(&real, "").expect("writes");
        std::os::unix::fs::symlink(&real, directory.path().join("migrations.db")).expect("links");
        let orphan = elsewhere.path().join("history.sqlite-mj12345690A");
        let other = elsewhere.path().join("other.db-mj12345690A");
        for path in [&orphan, &other] {
            fs::write(path, "/nowhere/rules.db-journal\0").expect("writes");
        }
        clean(directory.path(), Duration::ZERO).expect("cleans");
        assert!(!orphan.exists() && other.exists(), "another program's file is not ours");
    }

    #[test]
    fn a_super_journal_to_which_nothing_points_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let orphan = directory.path().join("migrations.db-mj12345690A");
        let gone = directory.path().join("rules.db-journal");
        fs::write(&orphan, format!("{}\0", gone.display())).expect("writes");
        clean(directory.path(), Duration::ZERO).expect("cleans");
        assert!(!orphan.exists());
        fs::write(&orphan, format!("{}\0", gone.display())).expect("writes");
        fs::write(&gone, [0; 512]).expect("writes");
        Connection::open(directory.path().join("rules.db"))
            .expect("opens")
            .execute_batch("CREATE TABLE t(a)")
            .expect("creates");
        fs::write(&gone, [0; 512]).expect("a journal that is only kept");
        clean(directory.path(), Duration::ZERO).expect("cleans");
        assert!(!orphan.exists());
    }
}
