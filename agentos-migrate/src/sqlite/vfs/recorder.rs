//! A file layer that records every operation on the files of one directory.

use std::ffi::{CStr, c_int};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use super::base::Base;
use super::disk::{Disk, Operation, Place, Recording};
use super::plain::Plain;
use super::shim::{Hooks, OpenFile, Purpose};

/// What is recorded, shared with the layer that records.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Mutex<Recording>>);

impl Recorder {
    /// Starts with what a directory holds now.
    pub(crate) fn start(directory: &Path) -> io::Result<Self> {
        let mut recording =
            Recording { root: directory.to_owned(), next: 1, ..Recording::default() };
        recording.live.insert(directory.to_owned(), 0);
        recording.directories.insert(0);
        let disk = Disk::of(directory)?;
        for path in disk.directories() {
            recording.had(path, None);
        }
        for (path, bytes) in disk.files() {
            recording.had(path, Some(bytes));
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
    fn new_number(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// Takes in what is there before; a directory has no bytes, and comes before what is in it.
    fn had(&mut self, path: &Path, bytes: Option<&Vec<u8>>) {
        let at = self.place(path);
        let file = self.new_number();
        self.live.insert(path.to_owned(), file);
        self.names.push((at, file));
        match bytes {
            Some(bytes) => {
                self.sizes.insert(file, bytes.len());
                self.contents.insert(file, bytes.clone());
            }
            None => drop(self.directories.insert(file)),
        }
    }

    fn place(&mut self, path: &Path) -> Place {
        Place { directory: self.directory(&directory_of(path)), path: path.to_owned() }
    }

    /// Returns a directory's number; one that nobody told of was made just now.
    fn directory(&mut self, path: &Path) -> usize {
        if let Some(number) = self.live.get(path) {
            return *number;
        }
        assert!(path.starts_with(&self.root), "{} is not watched", path.display());
        let number = self.name(path);
        self.directories.insert(number);
        number
    }

    /// Returns a file's number; if it is not there, it is made.
    fn number_of(&mut self, path: &Path) -> usize {
        self.live.get(path).copied().unwrap_or_else(|| self.name(path))
    }

    fn name(&mut self, path: &Path) -> usize {
        let at = self.place(path);
        let file = self.new_number();
        self.live.insert(path.to_owned(), file);
        self.operations.push(Operation::Name { at, file });
        file
    }

    /// Gives a file a second name.
    fn link(&mut self, original: &Path, link: &Path) {
        let (file, at) = (self.number_of(original), self.place(link));
        self.live.insert(link.to_owned(), file);
        self.operations.push(Operation::Name { at, file });
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let file = self.number_of(from);
        let operation = Operation::Rename { from: self.place(from), to: self.place(to), file };
        let moved: Vec<(PathBuf, usize)> = self.below(from);
        for (path, _) in &moved {
            self.live.remove(path);
        }
        for (path, number) in moved {
            let inner = path.strip_prefix(from).unwrap_or(Path::new(""));
            // `join` of nothing would end the path with a slash.
            let path = if inner.as_os_str().is_empty() { to.to_owned() } else { to.join(inner) };
            self.live.insert(path, number);
        }
        self.operations.push(operation);
    }

    /// What is at a path and below it, the path itself first.
    fn below(&self, path: &Path) -> Vec<(PathBuf, usize)> {
        let found = self.live.iter().filter(|(one, _)| one.starts_with(path));
        found.map(|(path, number)| (path.clone(), *number)).collect()
    }

    fn remove(&mut self, path: &Path) {
        for (path, file) in self.below(path).into_iter().rev() {
            let at = self.place(&path);
            self.live.remove(&path);
            self.operations.push(Operation::Delete { at, file });
        }
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) {
        let file = self.number_of(path);
        let offset = self.sizes.insert(file, 0).unwrap_or_default();
        self.sizes.insert(file, offset + bytes.len());
        self.operations.push(Operation::Write { file, offset, bytes: bytes.to_vec() });
    }

    fn sync(&mut self, file: usize) {
        self.operations.push(Operation::Sync { file });
        if let Some(directory) = self.unsynced_names.remove(&file) {
            self.operations.push(Operation::SyncDirectory { directory });
        }
    }
}

fn path_of(name: &CStr) -> PathBuf {
    crate::system::path_of(name.to_bytes()).expect("SQLite was given a path")
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
        let is_new = !recording.live.contains_key(&path);
        file.number = recording.number_of(&path);
        // SQLite's Unix layer syncs the directory at the first sync of a new file, but not of a database.
        if is_new && file.purpose != Purpose::Database {
            let directory = recording.directory(&directory_of(&path));
            recording.unsynced_names.insert(file.number, directory);
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
            self.lock().sync(file.number);
        }
        code
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        let code = base.delete(name, sync_directory);
        if code == ffi::SQLITE_OK {
            let path = path_of(name);
            let mut recording = self.lock();
            recording.remove(&path);
            if sync_directory != 0 {
                let directory = recording.directory(&directory_of(&path));
                recording.operations.push(Operation::SyncDirectory { directory });
            }
        }
        code
    }

    fn plain(&self, operation: &Plain<'_>) -> io::Result<()> {
        let mut recording = self.lock();
        match *operation {
            Plain::Create(path) => drop(recording.number_of(path)),
            Plain::CreateDirectory(path) => drop(recording.directory(path)),
            Plain::Link(original, link) => recording.link(original, link),
            Plain::Write(path, bytes) => {
                let file = recording.number_of(path);
                recording.operations.push(Operation::Truncate { file, size: 0 });
                recording.sizes.insert(file, 0);
                recording.append(path, bytes);
            }
            Plain::Append(path, bytes) => recording.append(path, bytes),
            Plain::Cut(path, size) => {
                let (file, size) =
                    (recording.number_of(path), usize::try_from(size).unwrap_or_default());
                recording.operations.push(Operation::Truncate { file, size });
            }
            Plain::Sync(path) => {
                let file = recording.number_of(path);
                recording.operations.push(Operation::Sync { file });
            }
            Plain::Rename(from, to) => recording.rename(from, to),
            Plain::Remove(path) => recording.remove(path),
            Plain::SyncDirectory(path) => {
                let directory = recording.directory(path);
                recording.operations.push(Operation::SyncDirectory { directory });
            }
            Plain::SyncAll(_) => recording.operations.push(Operation::SyncAll),
        }
        Ok(())
    }
}
