//! Where operating systems differ in files: modes, links, the names in a folder, files that others have open.
//!
//! The rest of the library is written once. A system is one file here, and each has the same
//! functions: what it can't give is said where the function is.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as this;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as this;

use std::io;
use std::path::{Path, PathBuf};

#[cfg(any(test, feature = "cli"))]
pub(crate) use this::take_turn;
pub(crate) use this::{
    Claim, LOCKED_FILES_CAN_BE_READ, OPEN_FILES_CAN_BE_RENAMED, SQLITE_SYNCS_DIRECTORIES,
    SYNCS_A_WHOLE_FILE_SYSTEM, bytes_of, fault_of_name, give_to_owner, hides_a_link, link_refusing,
    mode_of, names_of, open_to_sync, path_of, private, private_folder, remove_file, remove_folder,
    rename, set_mode, sync_directory, sync_file_system,
};

/// Returns where a path leads, in the system's own spelling and in a form that other programs take.
///
/// The form that Windows gives by itself (`\\?\C:\…`) names no file in a URI, and looks like none to people.
pub(crate) fn real(path: &Path) -> io::Result<PathBuf> {
    dunce::canonicalize(path)
}

/// Whether files whose names differ in the case of letters are one, as a rule.
pub(crate) const NAMES_IGNORE_CASE: bool = cfg!(any(windows, target_vendor = "apple"));

/// The variable that names the folder for temporary files (see [`std::env::temp_dir`]).
pub(crate) const TEMPORARY_FOLDER: &str = if cfg!(windows) { "TMP" } else { "TMPDIR" };

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_directory_is_synced_and_one_that_is_missing_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        sync_directory(directory.path()).expect("syncs");
        let error = sync_directory(&directory.path().join("missing")).expect_err("nothing there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_is_opened_to_be_synced_without_a_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("one");
        std::fs::write(&path, "one").expect("writes");
        open_to_sync(&path).and_then(|file| file.sync_all()).expect("syncs");
        assert_eq!(std::fs::read(&path).expect("reads"), b"one");
    }

    #[test]
    fn a_file_is_renamed_over_one_that_is_read_for_a_moment() {
        let directory = tempfile::tempdir().expect("a directory");
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        for path in [&old, &new] {
            std::fs::write(path, path.display().to_string()).expect("writes");
        }
        let reader = File::open(&old).expect("opens");
        std::thread::scope(|scope| {
            scope.spawn(|| drop(reader));
            rename(&new, &old).expect("renames");
        });
        assert_eq!(std::fs::read_to_string(&old).expect("reads"), new.display().to_string());
        remove_file(&old).expect("removes");
        assert_eq!(remove_file(&old).expect_err("gone").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_turn_at_a_folder_is_taken_one_after_the_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let turn = take_turn(directory.path()).expect("is free");
        std::fs::write(directory.path().join("one"), "").expect("writes meanwhile");
        let path = directory.path().to_owned();
        let next = std::thread::spawn(move || {
            let _turn = take_turn(&path).expect("becomes free");
            path.join("two").exists()
        });
        std::fs::write(directory.path().join("two"), "").expect("writes meanwhile");
        drop(turn);
        assert!(next.join().expect("no panic"), "the second waits for the first");
    }

    #[test]
    fn a_claimed_file_can_be_renamed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (old, new) = (directory.path().join("old.db"), directory.path().join("new.db"));
        std::fs::write(&old, "").expect("writes");
        let _claim = Claim::of(&old).expect("opens").expect("nobody has it open");
        rename(&old, &new).expect("renames");
        assert!(new.exists() && !old.exists());
    }

    /// Where files that are open can be renamed, a claim stands for nothing.
    #[test]
    fn a_file_that_somebody_has_open_is_claimed_only_where_it_can_be_renamed_all_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("chat.db");
        let program = rusqlite::Connection::open(&path).expect("opens");
        program.execute_batch("CREATE TABLE t(a)").expect("writes");
        let claimed = Claim::of(&path).expect("asks").is_some();
        assert_eq!(claimed, OPEN_FILES_CAN_BE_RENAMED);
        let renamed = rename(&path, &directory.path().join("other.db"));
        assert_eq!(renamed.is_ok(), OPEN_FILES_CAN_BE_RENAMED);
    }

    #[test]
    fn a_path_is_the_bytes_that_sqlite_knows_it_by() {
        let path = Path::new("ä b/c.db");
        let bytes = bytes_of(path).expect("has some");
        assert_eq!(path_of(&bytes).as_deref(), Some(path));
        assert_eq!(path_of(b"\xff.db").is_some(), cfg!(unix));
    }

    #[test]
    fn a_real_path_is_one_that_sqlite_takes_in_a_uri() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = real(directory.path()).expect("is there");
        assert!(path.is_absolute() && !path.display().to_string().contains('?'), "{path:?}");
        assert_eq!(real(&path).expect("is there"), path);
    }
}
