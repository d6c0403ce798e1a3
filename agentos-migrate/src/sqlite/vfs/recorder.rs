//! A file layer that records every operation on the files of one directory.

use std::ffi::{CStr, c_int};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use super::base::Base;
use super::disk::{Operation, Recording, files_in};
use super::shim::{Hooks, OpenFile, Purpose};
use super::watch::Plain;

/// What is recorded, shared with the layer that records.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Mutex<Recording>>);

impl Recorder {
    /// Starts with what a directory holds now.
    pub(crate) fn start(directory: &Path) -> io::Result<Self> {
        let mut recording = Recording::default();
        for path in files_in(directory)? {
            let bytes = std::fs::read(&path)?;
            let file = recording.number_of(&path);
            recording.before.insert(path, (file, bytes));
        }
        Ok(Self(Arc::new(Mutex::new(recording))))
    }

    /// Returns what was recorded so far.
    pub(crate) fn recording(&self) -> Recording {
        self.lock().clone()
    }

    /// Returns how many operations were recorded so far.
    pub(crate) fn len(&self) -> usize {
        self.lock().operations.len()
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, operation: Operation) {
        self.lock().operations.push(operation);
    }
}

impl Recording {
    fn number_of(&mut self, name: &Path) -> usize {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = self.next;
        self.next += 1;
        self.names.insert(name.to_owned(), number);
        number
    }

    fn create(&mut self, name: PathBuf) -> usize {
        let is_new = !self.names.contains_key(&name);
        let file = self.number_of(&name);
        if is_new {
            self.operations.push(Operation::Create { name, file });
        }
        file
    }
}

fn path_of(name: &CStr) -> PathBuf {
    super::raw::path_of(name.to_bytes())
}

fn directory_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

fn size_of(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

impl Hooks for Recorder {
    fn opened(&self, file: &mut OpenFile) {
        // A file without a name is a temporary one: nobody looks for it after a crash.
        if file.name.is_empty() {
            return;
        }
        let path = path_of(&file.name);
        let mut recording = self.lock();
        let is_new = !recording.names.contains_key(&path);
        file.number = recording.create(path.clone());
        // SQLite's Unix layer syncs the directory at the first sync of a new file, but not of a database.
        if is_new && file.purpose != Purpose::Database {
            recording.unsynced_names.insert(file.number, directory_of(&path));
        }
    }

    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        if !file.name.is_empty() {
            let (offset, bytes) = (size_of(offset), bytes.to_vec());
            self.push(Operation::Write { file: file.number, offset, bytes });
        }
        file.real.write(bytes, offset)
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        if !file.name.is_empty() {
            self.push(Operation::Truncate { file: file.number, size: size_of(size) });
        }
        file.real.truncate(size)
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        let code = file.real.sync(flags);
        if code == ffi::SQLITE_OK && !file.name.is_empty() {
            let mut recording = self.lock();
            recording.operations.push(Operation::Sync { file: file.number });
            if let Some(directory) = recording.unsynced_names.remove(&file.number) {
                recording.operations.push(Operation::SyncDirectory { directory });
            }
        }
        code
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        let code = base.delete(name, sync_directory);
        if code == ffi::SQLITE_OK {
            let path = path_of(name);
            let directory = directory_of(&path);
            let mut recording = self.lock();
            recording.names.remove(&path);
            recording.operations.push(Operation::Delete { name: path });
            if sync_directory != 0 {
                recording.operations.push(Operation::SyncDirectory { directory });
            }
        }
        code
    }

    fn plain(&self, operation: &Plain<'_>) -> io::Result<()> {
        let mut recording = self.lock();
        let operation = match *operation {
            Plain::Create(path) => {
                recording.create(path.to_owned());
                return Ok(());
            }
            Plain::Write(path, bytes) => {
                let file = recording.number_of(path);
                recording.operations.push(Operation::Truncate { file, size: 0 });
                Operation::Write { file, offset: 0, bytes: bytes.to_vec() }
            }
            Plain::Sync(path) => Operation::Sync { file: recording.number_of(path) },
            Plain::Cut(path, size) => {
                let size = usize::try_from(size).unwrap_or_default();
                Operation::Truncate { file: recording.number_of(path), size }
            }
            Plain::Rename(from, to) => {
                let file = recording.number_of(from);
                recording.names.remove(from);
                recording.names.insert(to.to_owned(), file);
                Operation::Rename { from: from.to_owned(), to: to.to_owned(), file }
            }
            Plain::Remove(path) => {
                recording.names.remove(path);
                Operation::Delete { name: path.to_owned() }
            }
            Plain::SyncDirectory(path) => Operation::SyncDirectory { directory: path.to_owned() },
        };
        recording.operations.push(operation);
        Ok(())
    }
}
