//! For tests: recorders and faults below everything that SQLite does in one directory.
//!
//! A layer that is the default one of the test's process from its first use
//! on. It passes everything on, but for files of a directory that is watched.

use std::ffi::{CStr, CString, c_int};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::base::Base;
use super::faults::Faults;
use super::recorder::Recorder;
use super::shim::{Hooks, Layer, OpenFile};
use crate::system;

type Watched = RwLock<Vec<(PathBuf, Arc<dyn Hooks>)>>;

static WATCHED: Watched = RwLock::new(Vec::new());

/// What the engine does to a file without SQLite.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plain<'a> {
    Create(&'a Path),
    Write(&'a Path, &'a [u8]),
    Sync(&'a Path),
    Rename(&'a Path, &'a Path),
    Remove(&'a Path),
    SyncDirectory(&'a Path),
}

/// A directory is watched until this is dropped.
pub(crate) struct Watch(PathBuf);

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = WATCHED.write().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|(directory, _)| *directory != self.0);
    }
}

/// Records what happens in a directory, which is its real path.
pub(crate) fn record(directory: &Path) -> (Watch, Recorder) {
    let recorder = Recorder::start(directory).expect("reads");
    (watch(directory, Arc::new(recorder.clone())), recorder)
}

/// Makes trouble in a directory, which is its real path.
pub(crate) fn trouble(directory: &Path, faults: &Faults) -> Watch {
    watch(directory, Arc::new(faults.clone()))
}

fn watch(directory: &Path, hooks: Arc<dyn Hooks>) -> Watch {
    static LAYER: OnceLock<Layer> = OnceLock::new();
    LAYER.get_or_init(|| {
        let name = CString::new("agentos-migrate-watch").expect("no zero byte");
        let base = Base::find(None).expect("a default VFS");
        let layer = Layer::register(name, base, Box::new(Router)).expect("registers");
        layer.make_default();
        layer
    });
    let mut watched = WATCHED.write().unwrap_or_else(PoisonError::into_inner);
    watched.push((directory.to_owned(), hooks));
    Watch(directory.to_owned())
}

fn hooks_of(path: &Path) -> Option<Arc<dyn Hooks>> {
    let watched = WATCHED.read().unwrap_or_else(PoisonError::into_inner);
    let found = watched.iter().find(|(directory, _)| path.starts_with(directory));
    found.map(|(_, hooks)| Arc::clone(hooks))
}

/// Tells who watches of an operation that SQLite has no part in; an error is what it fails with.
pub(crate) fn plain(operation: &Plain<'_>) -> io::Result<()> {
    let (Plain::Create(path)
    | Plain::Write(path, _)
    | Plain::Sync(path)
    | Plain::Rename(path, _)
    | Plain::Remove(path)
    | Plain::SyncDirectory(path)) = *operation;
    hooks_of(path).map_or(Ok(()), |hooks| hooks.plain(operation))
}

struct Router;

fn hooks_of_name(name: &CStr) -> Option<Arc<dyn Hooks>> {
    hooks_of(&system::path_of(name.to_bytes())?)
}

impl Hooks for Router {
    fn before_open(&self, name: Option<&CStr>) -> c_int {
        let hooks = name.and_then(hooks_of_name);
        hooks.map_or(rusqlite::ffi::SQLITE_OK, |hooks| hooks.before_open(name))
    }

    fn opened(&self, file: &mut OpenFile) {
        if let Some(hooks) = hooks_of_name(&file.name) {
            hooks.opened(file);
        }
    }

    fn read(&self, file: &mut OpenFile, buffer: &mut [u8], offset: i64) -> c_int {
        match hooks_of_name(&file.name) {
            Some(hooks) => hooks.read(file, buffer, offset),
            None => file.real.read(buffer, offset),
        }
    }

    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        match hooks_of_name(&file.name) {
            Some(hooks) => hooks.write(file, bytes, offset),
            None => file.real.write(bytes, offset),
        }
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        match hooks_of_name(&file.name) {
            Some(hooks) => hooks.truncate(file, size),
            None => file.real.truncate(size),
        }
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        match hooks_of_name(&file.name) {
            Some(hooks) => hooks.sync(file, flags),
            None => file.real.sync(flags),
        }
    }

    fn lock(&self, file: &mut OpenFile, level: c_int) -> c_int {
        match hooks_of_name(&file.name) {
            Some(hooks) => hooks.lock(file, level),
            None => file.real.lock(level),
        }
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        match hooks_of_name(name) {
            Some(hooks) => hooks.delete(base, name, sync_directory),
            None => base.delete(name, sync_directory),
        }
    }
}
