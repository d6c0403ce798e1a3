//! Crashes, made: a file layer that records every operation, and what a disk
//! may hold if the machine stops after any of them.
//!
//! Three models. *Kill*: everything that was asked for is there. *Power loss,
//! nothing*: what was not synced is gone. *Power loss, anything*: of what was
//! not synced any part is there, sectors of 512 bytes torn, names lost,
//! garbage where a file had grown.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use super::base::Base;
use super::shim::{Hooks, Layer, OpenFile};

/// One operation on the disk. Files are numbers, as a name may come and go.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Create { name: PathBuf, file: usize },
    Write { file: usize, offset: usize, bytes: Vec<u8> },
    Truncate { file: usize, size: usize },
    Sync { file: usize },
    SyncDirectory { directory: PathBuf },
    Delete { name: PathBuf },
}

/// A recorded run: what was on the disk before it, and what was done.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recording {
    names: BTreeMap<PathBuf, usize>,
    before: BTreeMap<PathBuf, (usize, Vec<u8>)>,
    unsynced_names: BTreeMap<usize, PathBuf>,
    next: usize,
    pub(crate) operations: Vec<Operation>,
}

/// A recording file layer under a name of its own.
pub(crate) struct Recorder {
    layer: Layer,
    recording: Arc<Mutex<Recording>>,
}

fn unique_name(what: &str) -> CString {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    CString::new(format!("{what}-{}", COUNT.fetch_add(1, Ordering::Relaxed))).expect("no zero byte")
}

impl Recorder {
    /// Starts to record what happens in a directory.
    pub(crate) fn start(directory: &Path) -> Self {
        let mut recording = Recording::default();
        for entry in std::fs::read_dir(directory).expect("reads") {
            let path = entry.expect("reads").path();
            if path.is_file() {
                let file = recording.number_of(&path);
                let bytes = std::fs::read(&path).expect("reads");
                recording.before.insert(path, (file, bytes));
            }
        }
        let recording = Arc::new(Mutex::new(recording));
        let hooks = Box::new(RecordingHooks(Arc::clone(&recording)));
        let base = Base::find(None).expect("a default VFS");
        let layer = Layer::register(unique_name("recorder"), base, hooks).expect("registers");
        Self { layer, recording }
    }

    pub(crate) fn name(&self) -> String {
        self.layer.name().to_str().expect("text").to_owned()
    }

    pub(crate) fn recording(&self) -> Recording {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
}

struct RecordingHooks(Arc<Mutex<Recording>>);

impl RecordingHooks {
    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_of(name: &CStr) -> PathBuf {
    PathBuf::from(name.to_str().expect("a path of text"))
}

fn size_of(number: i64) -> usize {
    usize::try_from(number).expect("not negative")
}

impl Hooks for RecordingHooks {
    fn opened(&self, file: &mut OpenFile, created: bool) {
        let name = path_of(&file.name);
        let mut recording = self.lock();
        file.number = recording.number_of(&name);
        if created && !name.as_os_str().is_empty() {
            let number = file.number;
            recording
                .unsynced_names
                .insert(number, name.parent().expect("in a directory").to_owned());
            recording.operations.push(Operation::Create { name, file: number });
        }
    }

    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        let operation =
            Operation::Write { file: file.number, offset: size_of(offset), bytes: bytes.to_vec() };
        self.lock().operations.push(operation);
        file.real.write(bytes, offset)
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        self.lock().operations.push(Operation::Truncate { file: file.number, size: size_of(size) });
        file.real.truncate(size)
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        let mut recording = self.lock();
        recording.operations.push(Operation::Sync { file: file.number });
        // SQLite's Unix layer syncs the directory at the first sync of a new file.
        if let Some(directory) = recording.unsynced_names.remove(&file.number) {
            recording.operations.push(Operation::SyncDirectory { directory });
        }
        drop(recording);
        file.real.sync(flags)
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        let code = base.delete(name, sync_directory);
        if code == ffi::SQLITE_OK {
            let path = path_of(name);
            let mut recording = self.lock();
            recording.names.remove(&path);
            let directory = path.parent().expect("in a directory").to_owned();
            recording.operations.push(Operation::Delete { name: path });
            if sync_directory != 0 {
                recording.operations.push(Operation::SyncDirectory { directory });
            }
        }
        code
    }
}

/// What a crash does with what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    Kill,
    PowerLossNothing,
    PowerLossAnything,
}

/// Small, seeded, the same everywhere (xorshift64*).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % limit.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A file on the simulated disk: what is safe, and what waits for a sync.
#[derive(Default, Clone)]
struct DiskFile {
    durable: Vec<u8>,
    waiting: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Truncate(size) => content.resize(*size, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// Leaves what a power loss may leave of a change that was not synced.
    fn apply_damaged(&self, content: &mut Vec<u8>, random: &mut Random) {
        const SECTOR: usize = 512;
        let Self::Write { offset, bytes } = self else { return };
        match random.below(3) {
            0 => {}
            1 => {
                let mut start = 0;
                while start < bytes.len() {
                    let end = (((offset + start) / SECTOR + 1) * SECTOR - offset).min(bytes.len());
                    if random.chance(50) {
                        Self::Write { offset: offset + start, bytes: bytes[start..end].to_vec() }
                            .apply(content);
                    }
                    start = end;
                }
            }
            _ => {
                let end = offset + bytes.len();
                while content.len() < end {
                    content.push(random.next().to_le_bytes()[0]);
                }
            }
        }
    }
}

/// Returns the files that are there after a crash behind the first `count` operations.
pub(crate) fn disk_after(
    recording: &Recording,
    count: usize,
    model: Model,
    random: &mut Random,
) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files: BTreeMap<usize, DiskFile> = BTreeMap::new();
    let mut names: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (name, (file, bytes)) in &recording.before {
        files.insert(*file, DiskFile { durable: bytes.clone(), waiting: Vec::new() });
        names.insert(name.clone(), *file);
    }
    let mut waiting_names: Vec<&Operation> = Vec::new();
    for operation in &recording.operations[..count] {
        match operation {
            Operation::Create { file, .. } => {
                files.entry(*file).or_default();
                waiting_names.push(operation);
            }
            Operation::Delete { .. } => waiting_names.push(operation),
            Operation::Write { file, offset, bytes } => {
                let change = Change::Write { offset: *offset, bytes: bytes.clone() };
                files.entry(*file).or_default().waiting.push(change);
            }
            Operation::Truncate { file, size } => {
                files.entry(*file).or_default().waiting.push(Change::Truncate(*size));
            }
            Operation::Sync { file } => {
                let file = files.entry(*file).or_default();
                for change in std::mem::take(&mut file.waiting) {
                    change.apply(&mut file.durable);
                }
            }
            Operation::SyncDirectory { directory } => {
                waiting_names.retain(|operation| {
                    let here = name_of(operation).parent() == Some(directory);
                    if here {
                        change_names(&mut names, operation);
                    }
                    !here
                });
            }
        }
    }
    settle_names(&mut names, &waiting_names, model, random);
    names.into_iter().map(|(name, file)| (name, content_of(&files[&file], model, random))).collect()
}

fn name_of(operation: &Operation) -> &Path {
    match operation {
        Operation::Create { name, .. } | Operation::Delete { name } => name,
        _ => Path::new(""),
    }
}

fn change_names(names: &mut BTreeMap<PathBuf, usize>, operation: &Operation) {
    match operation {
        Operation::Create { name, file } => drop(names.insert(name.clone(), *file)),
        Operation::Delete { name } => drop(names.remove(name)),
        _ => {}
    }
}

fn settle_names(
    names: &mut BTreeMap<PathBuf, usize>,
    waiting: &[&Operation],
    model: Model,
    random: &mut Random,
) {
    let in_order = random.chance(30);
    let kept = random.below(waiting.len() + 1);
    for (index, operation) in waiting.iter().enumerate() {
        let there = match model {
            Model::Kill => true,
            Model::PowerLossNothing => false,
            Model::PowerLossAnything if in_order => index < kept,
            Model::PowerLossAnything => random.chance(50),
        };
        if there {
            change_names(names, operation);
        }
    }
}

fn content_of(file: &DiskFile, model: Model, random: &mut Random) -> Vec<u8> {
    let mut content = file.durable.clone();
    let kept = [0, 20, 50, 80, 100][random.below(5)];
    for change in &file.waiting {
        match model {
            Model::Kill => change.apply(&mut content),
            Model::PowerLossNothing => {}
            Model::PowerLossAnything if random.chance(kept) => change.apply(&mut content),
            Model::PowerLossAnything => change.apply_damaged(&mut content, random),
        }
    }
    content
}

/// Makes a directory hold exactly these files.
pub(crate) fn materialise(directory: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_file() {
            std::fs::remove_file(path).expect("removes");
        }
    }
    for (name, bytes) in files {
        std::fs::write(name, bytes).expect("writes");
    }
}

/// A file layer that fails its n-th operation, once or from then on.
pub(crate) struct Faults {
    layer: Layer,
    state: Arc<FaultState>,
}

struct FaultState {
    count: AtomicUsize,
    at: AtomicUsize,
    happened: AtomicBool,
    persistent: bool,
    code: c_int,
}

impl Faults {
    pub(crate) fn new(at: usize, persistent: bool, code: c_int) -> Self {
        let state = Arc::new(FaultState {
            count: AtomicUsize::new(0),
            at: AtomicUsize::new(at),
            happened: AtomicBool::new(false),
            persistent,
            code,
        });
        let base = Base::find(None).expect("a default VFS");
        let hooks = Box::new(FaultHooks(Arc::clone(&state)));
        Self {
            layer: Layer::register(unique_name("faults"), base, hooks).expect("registers"),
            state,
        }
    }

    pub(crate) fn name(&self) -> String {
        self.layer.name().to_str().expect("text").to_owned()
    }

    /// Returns whether the operation that was to fail came.
    pub(crate) fn happened(&self) -> bool {
        self.state.happened.load(Ordering::Relaxed)
    }

    /// Ends the trouble.
    pub(crate) fn stop(&self) {
        self.state.at.store(usize::MAX, Ordering::Relaxed);
    }
}

struct FaultHooks(Arc<FaultState>);

impl FaultHooks {
    fn fails(&self) -> bool {
        let count = self.0.count.fetch_add(1, Ordering::Relaxed);
        let at = self.0.at.load(Ordering::Relaxed);
        let fails = if self.0.persistent { count >= at } else { count == at };
        self.0.happened.fetch_or(fails, Ordering::Relaxed);
        fails
    }

    fn or(&self, code: c_int, work: impl FnOnce() -> c_int) -> c_int {
        if self.fails() { code } else { work() }
    }
}

impl Hooks for FaultHooks {
    fn before_open(&self, _name: Option<&CStr>) -> c_int {
        self.or(ffi::SQLITE_CANTOPEN, || ffi::SQLITE_OK)
    }

    fn read(&self, file: &mut OpenFile, buffer: &mut [u8], offset: i64) -> c_int {
        self.or(ffi::SQLITE_IOERR_READ, || file.real.read(buffer, offset))
    }

    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        self.or(self.0.code, || file.real.write(bytes, offset))
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        self.or(ffi::SQLITE_IOERR_TRUNCATE, || file.real.truncate(size))
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        self.or(ffi::SQLITE_IOERR_FSYNC, || file.real.sync(flags))
    }

    fn lock(&self, file: &mut OpenFile, level: c_int) -> c_int {
        self.or(ffi::SQLITE_BUSY, || file.real.lock(level))
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        self.or(ffi::SQLITE_IOERR_DELETE, || base.delete(name, sync_directory))
    }
}
