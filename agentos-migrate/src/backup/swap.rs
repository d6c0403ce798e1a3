//! Putting a restored tree in place: written down first, then only renames.
//!
//! `.agentos-migrate/restore.json` lists what is replaced. Once it is on the
//! disk, whoever comes after a crash finishes the restore: each step looks at what is
//! there and does what is left, so it may be cut off and begun again at any
//! point. Where a step fails, everything is put back while the databases are still locked. The replaced
//! files end in `.agentos-migrate/replaced`, in a folder for each restore: what was
//! live may be in no backup, so only `prune` removes it.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{files, paths};
use crate::error::{Error, ErrorKind};
use crate::sqlite::{STATE_DIR, journal_modes};

const JOURNAL: &str = "restore.json";
/// Where the new tree is built.
pub(super) const NEW: &str = "restore-new";
/// In the new tree: the names of entries that only go.
pub(super) const REMOVALS: &str = ".removals";
/// Where the old one goes.
const OLD: &str = "replaced";
/// With what the name of such a folder begins; the backup's id follows.
const TIME: &str = "%Y%m%d_%H%M%S_%6f_";
const FORMAT: u32 = 1;

/// What is going to be done.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    format: u32,
    backup_id: String,
    /// Entries of the data directory that are replaced, or removed if there is no new one.
    entries: Vec<String>,
    /// The folder below `replaced` for what is replaced; an older version had none.
    #[serde(default)]
    replaced: Option<String>,
}

impl Journal {
    fn old(&self, state: &Path) -> PathBuf {
        let all = state.join(OLD);
        self.replaced.as_ref().map_or_else(|| all.clone(), |folder| all.join(folder))
    }
}

/// Returns whether a restore was interrupted after its decision: one question to the file system.
pub(crate) fn pending(data_dir: &Path) -> bool {
    data_dir.join(STATE_DIR).join(JOURNAL).exists()
}

/// Makes an empty folder to build the new tree in.
pub(super) fn stage(data_dir: &Path) -> Result<PathBuf, Error> {
    let stage = data_dir.join(STATE_DIR).join(NEW);
    files::remove_tree(&stage)?;
    files::create_dir_all(&stage)?;
    Ok(stage)
}

/// Removes what was staged and is not going to be put in place.
pub(super) fn forget(data_dir: &Path) -> Result<(), Error> {
    files::remove_tree(&data_dir.join(STATE_DIR).join(NEW))
}

/// Puts the staged entries in the place of the live ones. Returns where the old ones are.
///
/// The caller holds the run lock, and every live database by an exclusive lock.
pub(super) fn commit(
    data_dir: &Path,
    backup_id: &str,
    entries: Vec<String>,
) -> Result<PathBuf, Error> {
    let state = data_dir.join(STATE_DIR);
    let folder = format!("{}{backup_id}", time_behind(&replaced(data_dir)?).format(TIME));
    // What is neither staged nor marked would pass for an entry that is in its place.
    let new = state.join(NEW);
    let is_staged = |entry: &String| is_there(&new.join(entry)) || removes(entry, &new);
    let journal = Journal {
        format: FORMAT,
        backup_id: backup_id.to_owned(),
        entries: entries.into_iter().filter(is_staged).collect(),
        replaced: Some(folder),
    };
    let old = journal.old(&state);
    let put = decide(&state, &old, &journal).and_then(|()| put_all(data_dir, &journal));
    if let Err(error) = put {
        return Err(given_up(data_dir, &journal, error));
    }
    settle(data_dir, &journal)?;
    Ok(old)
}

/// Returns the time, or one behind every earlier restore's: the clock may have been set back, and what the
/// last one replaced is never cleaned away.
fn time_behind(earlier: &[Replaced]) -> DateTime<Utc> {
    let behind = earlier.first().and_then(|tree| DateTime::from_timestamp_micros(tree.at_us + 1));
    behind.into_iter().fold(Utc::now(), Ord::max)
}

/// Undoes a swap that can't go on: the databases are still locked, so that nobody saw half of it.
fn given_up(data_dir: &Path, journal: &Journal, error: Error) -> Error {
    if !pending(data_dir) {
        // Nothing is replaced yet; an empty folder that stays does no harm.
        drop(std::fs::remove_dir(journal.old(&data_dir.join(STATE_DIR))));
        return error;
    }
    let error = explained(error);
    match take_back(data_dir, journal) {
        Ok(()) => error.in_state("what was replaced is back in its place: nothing was changed"),
        Err(left) => {
            error.detail(format!("and not all of it could be undone: {left}")).in_state(HALF)
        }
    }
}

/// What state a swap leaves that is neither finished nor undone.
const HALF: &str = "some files are restored and others are not";

/// Says what keeps a name in its place, where the system's word alone does not tell.
fn explained(error: Error) -> Error {
    let source =
        std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices) => error.with_hint(
            "what is mounted in the data directory can't be replaced: unmount it, or restore the databases alone with `--no-blobs`",
        ),
        Some(io::ErrorKind::PermissionDenied) => error.with_hint(
            "make it writable: a folder can only be moved by who may write to it (`chmod u+w`), and an immutable file by nobody (`lsattr`)",
        ),
        _ => error,
    }
}

fn decide(state: &Path, old: &Path, journal: &Journal) -> Result<(), Error> {
    files::create_dir_all(old)?;
    files::sync_dir(&state.join(OLD))?;
    files::sync_tree(&state.join(NEW))?;
    files::sync_dir(state)?;
    // The folder of all this may be new.
    files::sync_parent(state)?;
    let json = serde_json::to_vec_pretty(journal)
        .map_err(|error| Error::new(ErrorKind::Io, "cannot write restore.json").caused_by(error))?;
    files::write_atomically(&state.join(JOURNAL), &json)
}

/// A tree that a restore replaced.
pub(super) struct Replaced {
    pub(super) path: PathBuf,
    /// When, in microseconds since 1970.
    pub(super) at_us: i64,
}

/// Returns what restores replaced, newest first; not what an older version left there.
pub(super) fn replaced(data_dir: &Path) -> Result<Vec<Replaced>, Error> {
    let all = data_dir.join(STATE_DIR).join(OLD);
    let listed = match std::fs::read_dir(&all) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(files::failed("read", &all, error)),
    };
    let tree = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let at = NaiveDateTime::parse_and_remainder(&name, TIME).ok()?.0;
        let path = entry.path();
        (!path.is_symlink() && path.is_dir())
            .then(|| Replaced { path, at_us: at.and_utc().timestamp_micros() })
    };
    let mut found: Vec<Replaced> = listed.flatten().filter_map(tree).collect();
    found.sort_by_key(|tree| std::cmp::Reverse(tree.at_us));
    Ok(found)
}

/// Finishes a restore that was interrupted; removes a tree that was never decided for.
pub(super) fn recover(data_dir: &Path) -> Result<Option<String>, Error> {
    let state = data_dir.join(STATE_DIR);
    let path = state.join(JOURNAL);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            files::remove_tree(&state.join(NEW))?;
            return Ok(None);
        }
        Err(error) => return Err(files::failed("read", &path, error)),
    };
    let journal: Journal =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&path, error.to_string()))?;
    let mut names = journal.entries.iter().chain(&journal.replaced);
    if journal.format != FORMAT || !names.all(|name| is_entry(name)) {
        return Err(unreadable(&path, "it is not of a form that this program knows".to_owned()));
    }
    finish(data_dir, &journal)?;
    Ok(Some(journal.backup_id))
}

fn unreadable(path: &Path, problem: String) -> Error {
    Error::new(ErrorKind::NeedsOperator, format!("a restore was interrupted, and {} can't be read", path.display()))
        .detail(problem)
        .in_state("the data directory holds files of two states")
        .with_hint("restore the backup once more by hand: its files are plain copies; then remove restore.json")
}

/// An entry is one name in the data directory, and not our own folder.
fn is_entry(entry: &str) -> bool {
    !entry.contains('/')
        && paths::fault_of_stored(entry).is_none()
        && entry != STATE_DIR
        && entry != REMOVALS
}

/// Goes on with a swap, from wherever it was cut off.
fn finish(data_dir: &Path, journal: &Journal) -> Result<(), Error> {
    put_all(data_dir, journal).map_err(|error| explained(error).in_state(HALF))?;
    settle(data_dir, journal)
}

fn put_all(data_dir: &Path, journal: &Journal) -> Result<(), Error> {
    let state = data_dir.join(STATE_DIR);
    let old = journal.old(&state);
    journal.entries.iter().try_for_each(|entry| put(data_dir, &state.join(NEW), &old, entry))?;
    files::sync_dir(data_dir)?;
    files::sync_dir(&old)
}

/// Puts one staged entry in the place of the live one.
fn put(data_dir: &Path, new: &Path, old: &Path, entry: &str) -> Result<(), Error> {
    let (live, staged, replaced) = (data_dir.join(entry), new.join(entry), old.join(entry));
    // With the staged one gone and no live one left, this entry is done;
    // a live one beside a staged one is still the old one.
    let is_removal = !is_there(&staged);
    let was_put = is_removal && is_there(&live) && is_there(&replaced);
    // A live one beside both was made by a program after the interruption: it is kept too.
    let is_old = is_there(&live) && (is_there(&staged) || !is_there(&replaced));
    if is_old && (!is_removal || removes(entry, new)) {
        set_aside(&live, old, entry)?;
    }
    if !was_put {
        // A write-ahead log or journal of the old file would be taken for one of the new.
        for ending in paths::SIDE_FILE_ENDINGS {
            let side_file = data_dir.join(format!("{entry}{ending}"));
            if (is_there(&staged) || removes(entry, new)) && is_there(&side_file) {
                set_aside(&side_file, old, &format!("{entry}{ending}"))?;
            }
        }
    }
    if is_there(&staged) { files::rename(&staged, &live) } else { Ok(()) }
}

/// Puts back what was replaced, and forgets the decision. What is cut off here is finished by
/// [`finish`]: every state on the way is one of its own.
fn take_back(data_dir: &Path, journal: &Journal) -> Result<(), Error> {
    let state = data_dir.join(STATE_DIR);
    let (new, old) = (state.join(NEW), journal.old(&state));
    // Each step is on the disk before the next: a power loss may keep any of the names not yet synced.
    let sync = || [data_dir, &new, &old].into_iter().try_for_each(files::sync_dir);
    sync()?;
    for entry in &journal.entries {
        let (live, staged) = (data_dir.join(entry), new.join(entry));
        if is_there(&live) && !is_there(&staged) && !removes(entry, &new) {
            files::rename(&live, &staged)?;
        }
    }
    sync()?;
    for entry in &journal.entries {
        let endings = std::iter::once("").chain(paths::SIDE_FILE_ENDINGS);
        for name in endings.map(|ending| format!("{entry}{ending}")) {
            let (live, replaced) = (data_dir.join(&name), old.join(&name));
            if is_there(&replaced) && !is_there(&live) {
                files::rename(&replaced, &live)?;
            }
        }
    }
    sync()?;
    files::remove_file_if_there(&state.join(JOURNAL))?;
    files::sync_dir(&state)?;
    // An empty folder that stays does no harm.
    drop(std::fs::remove_dir(&old));
    Ok(())
}

/// Forgets a swap that is done.
fn settle(data_dir: &Path, journal: &Journal) -> Result<(), Error> {
    let state = data_dir.join(STATE_DIR);
    let is_new =
        |name: &String| journal.entries.contains(&format!("{name}{}", paths::DATABASE_ENDING));
    let settled = journal_modes::forget(data_dir, is_new)
        .and_then(|()| files::remove_file_if_there(&state.join(JOURNAL)))
        .and_then(|()| files::sync_dir(&state))
        .and_then(|()| files::remove_tree(&state.join(NEW)));
    settled.map_err(|error| {
        error.in_state("all files are restored; the next command removes what is left of it")
    })
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Moves a file to the replaced ones, under a name that is free: `rules.db`, `rules.db.2`, ….
fn set_aside(live: &Path, old: &Path, name: &str) -> Result<(), Error> {
    let numbered = (2_u32..).map(|number| old.join(format!("{name}.{number}")));
    let free = std::iter::once(old.join(name))
        .chain(numbered)
        .find(|path| path.symlink_metadata().is_err())
        .expect("some number is free");
    files::rename(live, &free)
}

/// Whether an entry is only removed: then its name is marked in the staged tree.
fn removes(entry: &str, new: &Path) -> bool {
    new.join(REMOVALS).join(entry).symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_last_restore_replaced_is_the_newest_whatever_the_clock_says() {
        let directory = tempfile::tempdir().expect("a directory");
        let made = directory.path().join(STATE_DIR).join(OLD).join("29990101_000000_000000_b");
        std::fs::create_dir_all(&made).expect("makes");
        std::fs::create_dir_all(directory.path().join(STATE_DIR).join(NEW)).expect("makes");
        let last = commit(directory.path(), "b", Vec::new()).expect("swaps nothing");
        let trees = replaced(directory.path()).expect("reads");
        assert_eq!(trees.iter().map(|tree| &tree.path).collect::<Vec<_>>(), [&last, &made]);
    }

    #[test]
    fn a_file_that_a_program_made_during_an_interrupted_restore_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join(STATE_DIR);
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("writes");
        for folder in [NEW, OLD] {
            std::fs::create_dir_all(state.join(folder)).expect("makes");
        }
        write(state.join(NEW).join("rules.db"), "restored");
        write(state.join(OLD).join("rules.db"), "old");
        write(directory.path().join("rules.db"), "made meanwhile");
        write(state.join(JOURNAL), r#"{"format": 1, "backup_id": "b", "entries": ["rules.db"]}"#);
        assert_eq!(recover(directory.path()).expect("finishes").as_deref(), Some("b"));
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("reads");
        assert_eq!(read(directory.path().join("rules.db")), "restored");
        assert_eq!(read(state.join(OLD).join("rules.db")), "old");
        assert_eq!(read(state.join(OLD).join("rules.db.2")), "made meanwhile");
        assert!(!pending(directory.path()));
    }
}
