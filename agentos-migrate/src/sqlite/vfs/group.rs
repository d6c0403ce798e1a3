//! Several connections, one commit.
//!
//! Each file is `main` of its own connection, in rollback-journal mode. While
//! the connections commit, their journals get a pointer to one super-journal,
//! and what each SQLite does after its own commit is held back: deleting the
//! journal, shrinking the file, releasing the lock. Deleting the super-journal
//! is the commit point of all; then what was held is done. Until then a crash
//! leaves hot journals that point to a super-journal that is there: any
//! SQLite that opens any of the files rolls it back. After it, the pointers
//! point to nothing, and the journals count for nothing
//! (<https://sqlite.org/atomiccommit.html#_multi_file_commit>).

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_int};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, ffi};

use super::base::{Base, RealFile};
use super::raw::name_of;
use super::shim::{Hooks, Layer, OpenFile, Purpose};
use super::super_journal;
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::{kind_of_code, on_file, said};
use crate::system;

/// Connections that commit together.
pub(crate) struct Group {
    layer: Layer,
    state: Arc<Mutex<State>>,
}

/// Why a commit did not end as it should.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Nothing is committed. The caller drops all connections of the group:
    /// SQLite then rolls every file back from its journal.
    RolledBack(Error),
    /// All is committed, but the directory could not be synced: power loss may undo it, in all files.
    /// The caller drops all connections here too.
    DurabilityUnknown(Error),
}

#[derive(Default)]
struct State {
    phase: Phase,
    super_journal: Vec<u8>,
    /// Journals that could undo something: those whose header is not zero.
    live: BTreeSet<CString>,
    /// Journals that end with the pointer.
    stamped: BTreeSet<CString>,
    /// What each SQLite believes to have done.
    held_deletes: Vec<CString>,
    held_truncates: Vec<(RealFile, i64)>,
    held_unlocks: Vec<(RealFile, c_int)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// SQL runs; everything is passed on.
    #[default]
    Open,
    /// The connections commit, one after the other.
    Committing,
    /// A commit failed: the connections are only good to be dropped.
    Failed,
}

impl Group {
    /// Makes a group over the default VFS, or over one of this name.
    pub(crate) fn new(base: Option<&str>) -> Result<Self, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let failed = |what: &str| {
            Error::new(
                ErrorKind::Sqlite,
                format!("cannot set up the commit over several files: {what}"),
            )
        };
        let below =
            base.map(CString::new).transpose().map_err(|error| failed(&error.to_string()))?;
        let below = Base::find(below.as_deref()).ok_or_else(|| failed("no such VFS"))?;
        let name = format!("agentos-migrate-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).map_err(|error| failed(&error.to_string()))?;
        let state = Arc::new(Mutex::new(State::default()));
        let layer = Layer::register(name, below, Box::new(CommitHooks(Arc::clone(&state))))
            .map_err(|code| failed(&said(code)))?;
        Ok(Self { layer, state })
    }

    /// Opens a database file, which exists, as `main` of a new connection.
    pub(crate) fn open(&self, path: &Path) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let vfs = self.layer.name().to_str().unwrap_or_default();
        Connection::open_with_flags_and_vfs(path, flags, vfs)
            .map_err(|error| on_file(error, "open", path))
    }

    /// Commits all members, or none.
    ///
    /// Each member is a connection of this group with an open transaction.
    /// `anchor` is the member beside which the super-journal is made.
    pub(crate) fn commit(
        &self,
        anchor: &Path,
        members: &mut [(&Path, &mut Connection)],
    ) -> Result<(), CommitError> {
        let base = self.layer.base();
        let names = names_of(members).map_err(CommitError::RolledBack)?;
        let directory = anchor.parent();
        let anchor = name_of(anchor).map_err(CommitError::RolledBack)?;
        let name = super_journal::name(anchor.to_bytes(), base.random());
        let name = CString::new(name)
            .map_err(|_| CommitError::RolledBack(failed_commit("a path holds a zero byte")))?;
        self.write_super_journal(&name, &names).map_err(CommitError::RolledBack)?;
        {
            let mut state = self.lock();
            let live = std::mem::take(&mut state.live);
            *state = State {
                phase: Phase::Committing,
                super_journal: name.to_bytes().to_vec(),
                live,
                ..State::default()
            };
        }
        if let Err(error) = commit_each(members) {
            self.lock().phase = Phase::Failed;
            return Err(CommitError::RolledBack(error));
        }
        // The commit point of all members.
        let code = match (base.delete(&name, 1), directory) {
            (ffi::SQLITE_OK, Some(directory)) if !system::SQLITE_SYNCS_DIRECTORIES => {
                system::sync_directory(directory)
                    .map_or(ffi::SQLITE_IOERR_DIR_FSYNC, |()| ffi::SQLITE_OK)
            }
            (code, _) => code,
        };
        if code != ffi::SQLITE_OK
            && code != ffi::SQLITE_IOERR_DIR_FSYNC
            && base.exists(&name) != Ok(false)
        {
            self.lock().phase = Phase::Failed;
            let text = format!(
                "cannot delete the super-journal {}: {}",
                name.to_string_lossy(),
                said(code)
            );
            return Err(CommitError::RolledBack(Error::new(kind_of_code(code), text)));
        }
        if code == ffi::SQLITE_OK {
            self.release();
            return Ok(());
        }
        // Until the directory is on the disk the super-journal may come back
        // with a power loss: the journals stay, so that all files go the same way.
        self.lock().phase = Phase::Failed;
        let error = Error::new(
            ErrorKind::Io,
            format!(
                "the directory of {} could not be synced after the commit",
                name.to_string_lossy()
            ),
        );
        Err(CommitError::DurabilityUnknown(error.in_state("all files are committed; a power loss in the next seconds may undo the commit, in all files together")))
    }

    fn write_super_journal(&self, name: &CStr, journals: &[CString]) -> Result<(), Error> {
        let base = self.layer.base();
        let flags = ffi::SQLITE_OPEN_READWRITE
            | ffi::SQLITE_OPEN_CREATE
            | ffi::SQLITE_OPEN_EXCLUSIVE
            | ffi::SQLITE_OPEN_SUPER_JOURNAL;
        let body = super_journal::body(journals.iter().map(|name| name.to_bytes()));
        let outcome = base.open(name, flags).and_then(|opened| {
            let code = match opened.file().write(&body, 0) {
                // The first sync of a new file syncs its directory too.
                ffi::SQLITE_OK => opened.file().sync(ffi::SQLITE_SYNC_FULL),
                code => code,
            };
            if code == ffi::SQLITE_OK { Ok(()) } else { Err(code) }
        });
        outcome.map_err(|code| {
            // No journal points to it yet, so it may go.
            base.delete(name, 0);
            Error::new(
                kind_of_code(code),
                format!(
                    "cannot write the super-journal {}: {}",
                    name.to_string_lossy(),
                    said(code)
                ),
            )
        })
    }

    /// Does what each SQLite believes to have done: nothing of it can undo the commit.
    fn release(&self) {
        let base = self.layer.base();
        let State { held_deletes, held_truncates, held_unlocks, .. } =
            std::mem::take(&mut *self.lock());
        for journal in held_deletes {
            base.delete(&journal, 0);
        }
        for (file, size) in held_truncates {
            file.truncate(size);
        }
        for (file, level) in held_unlocks {
            file.unlock(level);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names_of(members: &[(&Path, &mut Connection)]) -> Result<Vec<CString>, Error> {
    members
        .iter()
        .map(|(path, _)| {
            let journal = [name_of(path)?.to_bytes(), b"-journal"].concat();
            CString::new(journal).map_err(|_| failed_commit("a path holds a zero byte"))
        })
        .collect()
}

/// Commits every member, all at the same time: what takes the time is waiting for the disk.
///
/// Nothing depends on their order: until the super-journal goes, each can be rolled back.
fn commit_each(members: &mut [(&Path, &mut Connection)]) -> Result<(), Error> {
    if let Some((path, _)) = members.iter().find(|(_, connection)| connection.is_autocommit()) {
        return Err(failed_commit(&format!("the transaction on {} is gone", path.display())));
    }
    std::thread::scope(|scope| {
        let commits: Vec<_> = members
            .iter_mut()
            .map(|(path, connection)| {
                scope.spawn(move || {
                    connection
                        .execute_batch("COMMIT")
                        .map_err(|error| on_file(error, "commit", path))
                })
            })
            .collect();
        let outcomes: Vec<_> =
            commits.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        outcomes.into_iter().try_for_each(|outcome| {
            outcome.unwrap_or_else(|_| Err(failed_commit("a commit panicked")))
        })
    })
}

fn failed_commit(what: &str) -> Error {
    Error::new(ErrorKind::Sqlite, format!("the commit over several files failed: {what}"))
}

struct CommitHooks(Arc<Mutex<State>>);

impl CommitHooks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the state while the connections commit, and nothing at other times.
    fn committing(&self) -> Option<MutexGuard<'_, State>> {
        Some(self.lock()).filter(|state| state.phase == Phase::Committing)
    }
}

impl Hooks for CommitHooks {
    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        if file.purpose == Purpose::Journal {
            note_journal_write(file, bytes, offset);
            if offset == 0 {
                // A header of zeros ends a journal that SQLite keeps open.
                let is_live = bytes.iter().any(|byte| *byte != 0);
                let mut state = self.lock();
                if is_live {
                    state.live.insert(file.name.clone());
                } else {
                    state.live.remove(&file.name);
                }
            }
        }
        file.real.write(bytes, offset)
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        match file.purpose {
            // SQLite shrinks a database after its own commit point, which is before ours.
            Purpose::Database => {
                if let Some(mut state) = self.committing()
                    && file.real.size().is_ok_and(|now| size < now)
                {
                    state.held_truncates.push((file.real, size));
                    return ffi::SQLITE_OK;
                }
            }
            Purpose::Journal => {
                file.end = size;
                if size == 0 {
                    self.lock().live.remove(&file.name);
                }
            }
            Purpose::Other => {}
        }
        file.real.truncate(size)
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        if file.purpose == Purpose::Journal
            && file.end > 0
            && let Some(mut state) = self.committing()
            && let Err(code) = stamp(file, &mut state)
        {
            return code;
        }
        file.real.sync(flags)
    }

    fn unlock(&self, file: &mut OpenFile, level: c_int) -> c_int {
        if file.purpose == Purpose::Database
            && let Some(mut state) = self.committing()
        {
            match state.held_unlocks.iter_mut().find(|(held, _)| *held == file.real) {
                Some((_, held)) => *held = level.min(*held),
                None => state.held_unlocks.push((file.real, level)),
            }
            return ffi::SQLITE_OK;
        }
        file.real.unlock(level)
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        let mut state = self.lock();
        // A member that fails rolls back and, if no other journal points to the
        // super-journal yet, would remove it: that would commit the others.
        if state.phase != Phase::Open && name.to_bytes() == state.super_journal {
            return ffi::SQLITE_IOERR_DELETE;
        }
        let is_live = state.live.remove(name);
        if state.phase == Phase::Committing && is_live {
            // A journal without the pointer would not be rolled back with the others.
            if !state.stamped.contains(name) {
                return ffi::SQLITE_IOERR_DELETE;
            }
            state.held_deletes.push(name.to_owned());
            return ffi::SQLITE_OK;
        }
        drop(state);
        base.delete(name, sync_directory)
    }
}

/// Follows where a journal's content ends, and the page size in its header
/// (<https://sqlite.org/fileformat2.html#the_rollback_journal>).
fn note_journal_write(file: &mut OpenFile, bytes: &[u8], offset: i64) {
    const PAGE_SIZE: std::ops::Range<usize> = 24..28;
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    file.end = file.end.max(offset.saturating_add(length));
    if let (0, Some(&[a, b, c, d])) = (offset, bytes.get(PAGE_SIZE)) {
        file.page_size = u32::from_be_bytes([a, b, c, d]);
    }
}

/// Ends a journal with the pointer, before it is synced; once is enough.
fn stamp(file: &OpenFile, state: &mut State) -> Result<(), c_int> {
    if file.page_size == 0 {
        return Err(ffi::SQLITE_IOERR_WRITE);
    }
    let record = super_journal::pointer(&state.super_journal, file.page_size);
    let offset = super_journal::pointer_offset(file.end);
    let end = offset + i64::try_from(record.len()).unwrap_or(i64::MAX);
    if state.stamped.contains(&file.name) && file.real.size()? == end {
        return Ok(());
    }
    let checked = |code| if code == ffi::SQLITE_OK { Ok(()) } else { Err(code) };
    checked(file.real.write(&record, offset))?;
    // The pointer is found from the end of the file.
    if file.real.size()? > end {
        checked(file.real.truncate(end))?;
    }
    state.stamped.insert(file.name.clone());
    Ok(())
}
