//! Names that may come from elsewhere: backup ids, and paths inside a backup.
//!
//! Whatever passes here stays inside the directory that it is joined to. A
//! path inside a backup (`databases/rules.db`, `blobs/…`, `files/…`) is
//! called stored; the same file's path in the data directory is called live.

use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::error::{Error, ErrorKind};
use crate::sqlite::{STATE_DIR, history_table};
use crate::system;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const DATABASES: &str = "databases";
/// Folders that the layout keeps under their own names; all else is under [`FILES`].
pub(super) const NAMED_FOLDERS: [&str; 2] = ["blobs", "metadata"];
pub(super) const FILES: &str = "files";
pub(super) const DATABASE_ENDING: &str = ".db";
/// The history's file, as a live path.
pub(super) const TRACKING: &str = history_table::FILE_NAME;
/// What SQLite may keep beside a database; never part of a backup.
pub(super) const SIDE_FILE_ENDINGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What an unfinished backup's name begins with.
pub(super) const TEMPORARY: &str = ".tmp-";
/// How the names of archives end: ours, and the Python tool's.
pub(super) const ARCHIVE_ENDINGS: [&str; 3] = [".tar.zst", ".tar.gz", ".tgz"];

const PATH_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 255;
const ID_BYTES_MAX: usize = 128;

/// Makes a new id: `backup_YYYYMMDD_HHMMSS_xxxxxxxx`, in UTC.
///
/// The random end keeps two backups of one second apart, also when the clock
/// went back; the order of backups does not come from it.
pub(super) fn new_id(now: DateTime<Utc>) -> String {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let random = hasher.finish() & u64::from(u32::MAX);
    format!("backup_{}_{random:08x}", now.format("%Y%m%d_%H%M%S"))
}

/// Returns the time that an id of our form, or of the Python tool's, says.
pub(super) fn time_of(id: &str) -> Option<NaiveDateTime> {
    let mut parts = id.strip_prefix("backup_")?.split('_');
    let text = format!("{}{}", parts.next()?, parts.next()?);
    NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%S").ok()
}

/// Whether a name is that of a backup of our form, whatever is left of it, or of an unfinished one.
pub(super) fn is_of_a_backup(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| is_leftover(name) || is_of_our_form(name))
}

/// Whether this is a name that only an unfinished backup or removal has.
pub(super) fn is_leftover(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(TEMPORARY) else { return false };
    match rest.strip_prefix("removed-") {
        // Backups of other tools are removed too.
        Some(id) => check_id(id).is_ok(),
        None => is_of_our_form(rest.strip_suffix(".tar.zst").unwrap_or(rest)),
    }
}

/// Asks whether [`new_id`] may have made this.
pub(super) fn is_of_our_form(id: &str) -> bool {
    let Some((_, random)) = id.rsplit_once('_') else { return false };
    let is_hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    id.len() == "backup_YYYYMMDD_HHMMSS_xxxxxxxx".len()
        && random.len() == 8
        && random.bytes().all(is_hex)
        && time_of(id).is_some()
}

/// Refuses what is no id, before it meets the file system.
pub(super) fn check_id(id: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && !id.starts_with(['.', '-'])
        && id.chars().all(plain)
    {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UnknownBackup, format!("`{}` is not a backup id", id.escape_debug()))
        .detail("an id has letters, digits, `_`, `-` and `.`, such as backup_20260114_083012_5f3a")
        .in_state("nothing was changed")
        .with_hint("list the backups with `agentos-migrate list-backups`"))
}

/// Returns what is wrong with a path inside a backup; such a path is relative and stays inside.
pub(super) fn fault_of_stored(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return Some("an empty or too long path");
    }
    if path.contains('\0') {
        return Some("a path with a NUL byte");
    }
    if path.starts_with('/') {
        return Some("an absolute path");
    }
    path.split('/').find_map(fault_of_name)
}

fn fault_of_name(name: &str) -> Option<&'static str> {
    match name {
        "" | "." => Some("an empty part in a path"),
        ".." => Some("a path that leads out of its directory"),
        _ if name.len() > NAME_BYTES_MAX => Some("a too long name"),
        _ => system::fault_of_name(name),
    }
}

/// Returns the stored path of a database in the data directory itself.
pub(super) fn stored_database(name: &str) -> String {
    format!("{DATABASES}/{name}{DATABASE_ENDING}")
}

/// Returns the stored path of any other file of the data directory.
pub(super) fn stored_file(live: &str) -> String {
    let top = live.split('/').next().unwrap_or_default();
    if NAMED_FOLDERS.contains(&top) { live.to_owned() } else { format!("{FILES}/{live}") }
}

/// Returns where a stored path belongs in the data directory; nothing for what belongs nowhere.
pub(super) fn live_of(stored: &str) -> Option<&str> {
    let (top, rest) = stored.split_once('/')?;
    let live = match top {
        FILES => rest,
        DATABASES if !rest.contains('/') && rest.ends_with(DATABASE_ENDING) => rest,
        _ if NAMED_FOLDERS.contains(&top) => stored,
        _ => return None,
    };
    (!is_reserved(live)).then_some(live)
}

/// The same for a stored folder.
pub(super) fn live_of_folder(stored: &str) -> Option<&str> {
    if NAMED_FOLDERS.contains(&stored) {
        return Some(stored);
    }
    live_of(stored).filter(|_| !stored.starts_with(DATABASES))
}

/// Returns the name of the database that is stored under this path.
pub(super) fn database_name(stored: &str) -> Option<&str> {
    let name = stored.strip_prefix(DATABASES)?.strip_prefix('/')?.strip_suffix(DATABASE_ENDING)?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Returns the entry of the data directory that holds this live path.
pub(super) fn top_of(live: &str) -> &str {
    live.split('/').next().unwrap_or(live)
}

/// Whether the path would replace the library's own files.
fn is_reserved(live: &str) -> bool {
    let top = top_of(live);
    [STATE_DIR, "backups"].iter().any(|reserved| top.eq_ignore_ascii_case(reserved))
}

/// Returns the database whose side file this would be.
pub(super) fn owner_of_side_file(name: &str) -> Option<&str> {
    SIDE_FILE_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))
}

/// Whether the name promises a database.
pub(super) fn is_database_name(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| {
        ["db", "sqlite", "sqlite3", "db3"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_second_differ_and_are_valid() {
        let now = Utc::now();
        let (one, two) = (new_id(now), new_id(now));
        assert_ne!(one, two);
        check_id(&one).expect("valid");
        assert_eq!(one.len(), "backup_20260114_083012_5f3a0b1c".len());
        let second = |time: NaiveDateTime| time.and_utc().timestamp();
        assert_eq!(time_of(&one).map(second), Some(now.timestamp()));
        assert!(time_of("before_the_move").is_none() && time_of("backup_2026_01_a").is_none());
    }

    #[test]
    fn an_id_can_not_name_anything_outside_its_directory() {
        for id in
            ["", ".", "..", "../x", "a/b", "a\\b", "/etc", ".tmp-x", "a\0b", "-rf", "ä", "C:x"]
        {
            assert!(check_id(id).is_err(), "{id:?}");
        }
        check_id("backup_20250101_120000_abc123").expect("an id of the Python tool");
    }

    #[test]
    fn a_stored_path_stays_inside() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a/..", "a\0b"] {
            assert!(fault_of_stored(path).is_some(), "{path:?}");
        }
        assert!(fault_of_stored(&"x/".repeat(3000)).is_some());
        assert_eq!(fault_of_stored("blobs/a/..b/…"), None);
    }

    #[test]
    fn stored_and_live_paths_are_each_others_inverse() {
        for live in ["blobs/a/b", "metadata/x", "crypto/keys.json", ".session_secret", "files/a"] {
            assert_eq!(live_of(&stored_file(live)), Some(live));
        }
        assert_eq!(live_of(&stored_database("rules")), Some("rules.db"));
        assert_eq!(database_name("databases/rules.db"), Some("rules"));
    }

    #[test]
    fn nothing_stored_lands_on_the_backups_or_on_the_librarys_own_files() {
        for stored in [
            "files/backups/x",
            "files/.agentos-migrate/restore.json",
            "files/.Agentos-Migrate/lock",
            "manifest.json",
            "other/x",
            "databases/a/b.db",
            "databases/x.txt",
        ] {
            assert_eq!(live_of(stored), None, "{stored}");
        }
    }
}
