//! What a disk may hold after a crash: a recorded run, replayed up to any operation.
//!
//! Three models. *Kill*: everything that was asked for is there. *Power loss,
//! nothing*: what was not synced is gone. *Power loss, anything*: of what was
//! not synced any part is there, sectors of 512 bytes torn, names lost,
//! garbage where a file had grown. A disk that breaks more than that (what
//! was synced, a sector in the middle) is outside of the models, as it is of
//! SQLite's own (<https://sqlite.org/atomiccommit.html#_hardware_assumptions>).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// SQLite's own file layer, by name: what opens a file that nobody watches (<https://sqlite.org/vfs.html>).
pub(crate) const PLAIN_VFS: &str = if cfg!(windows) { "win32" } else { "unix" };

/// One operation on the disk. Files are numbers, as a name may come and go.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Create { name: PathBuf, file: usize },
    Rename { from: PathBuf, to: PathBuf, file: usize },
    Write { file: usize, offset: usize, bytes: Vec<u8> },
    Truncate { file: usize, size: usize },
    Sync { file: usize },
    SyncDirectory { directory: PathBuf },
    Delete { name: PathBuf },
}

/// A recorded run: what was on the disk before it, and what was done.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recording {
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) before: BTreeMap<PathBuf, (usize, Vec<u8>)>,
    pub(super) unsynced_names: BTreeMap<usize, PathBuf>,
    pub(super) next: usize,
    pub(crate) operations: Vec<Operation>,
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

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
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
            Operation::Delete { .. } | Operation::Rename { .. } => waiting_names.push(operation),
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
        Operation::Create { name, .. }
        | Operation::Rename { to: name, .. }
        | Operation::Delete { name } => name,
        _ => Path::new(""),
    }
}

fn change_names(names: &mut BTreeMap<PathBuf, usize>, operation: &Operation) {
    match operation {
        Operation::Create { name, file } => drop(names.insert(name.clone(), *file)),
        Operation::Delete { name } => drop(names.remove(name)),
        Operation::Rename { from, to, file } => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
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

/// Makes a directory, and the engine's own folder in it, hold exactly these files.
pub(crate) fn materialise(directory: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    for path in files_in(directory)? {
        std::fs::remove_file(path)?;
    }
    files.iter().try_for_each(|(name, bytes)| std::fs::write(name, bytes))
}

/// Returns the files of a directory and of the engine's own folder in it.
pub(crate) fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in [directory.to_owned(), directory.join(crate::sqlite::STATE_DIR)] {
        if folder.is_dir() {
            for entry in std::fs::read_dir(folder)? {
                found.push(entry?.path());
            }
        }
    }
    // The run lock is the operating system's, not the disk's.
    found.retain(|path| {
        path.is_file()
            && path.file_name().is_some_and(|name| name != "lock" && name != "lock-holder")
    });
    Ok(found)
}
