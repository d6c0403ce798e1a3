//! What a disk may hold after a crash: a recorded run, replayed up to any operation.
//!
//! Three models. *Kill*: everything that was asked for is there. *Power loss,
//! nothing*: what was not synced is gone. *Power loss, anything*: of what was
//! not synced any part is there, sectors of 512 bytes torn, names lost,
//! garbage where a file had grown. A disk that breaks more than that (what
//! was synced, a sector in the middle) is outside of the models, as it is of
//! SQLite's own (<https://sqlite.org/atomiccommit.html#_hardware_assumptions>).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// SQLite's own file layer, by name: what opens a file that nobody watches (<https://sqlite.org/vfs.html>).
pub(crate) const PLAIN_VFS: &str = if cfg!(windows) { "win32" } else { "unix" };

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The directory's number: its own name may change.
    pub(super) directory: usize,
    /// The path when it was recorded.
    pub(crate) path: PathBuf,
}

impl Place {
    fn key(&self) -> (usize, OsString) {
        (self.directory, self.path.file_name().unwrap_or_default().to_owned())
    }
}

/// One operation on the disk. Files and directories are numbers, as a name may come and go.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// A file, a directory or a second name of a file is there.
    Name {
        at: Place,
        file: usize,
    },
    Rename {
        from: Place,
        to: Place,
        file: usize,
    },
    Delete {
        at: Place,
        file: usize,
    },
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        size: usize,
    },
    Sync {
        file: usize,
    },
    SyncDirectory {
        directory: usize,
    },
    /// The whole file system.
    SyncAll,
}

/// A recorded run: what was on the disk before it, and what was done.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recording {
    /// What has a name now; the watched directory is number 0.
    pub(super) live: BTreeMap<PathBuf, usize>,
    /// What had a name before.
    pub(super) names: Vec<(Place, usize)>,
    pub(super) contents: BTreeMap<usize, Vec<u8>>,
    pub(super) directories: BTreeSet<usize>,
    pub(super) root: PathBuf,
    /// How long files are that are only ever appended to.
    pub(super) sizes: BTreeMap<usize, usize>,
    pub(super) unsynced_names: BTreeMap<usize, usize>,
    pub(super) next: usize,
    pub(crate) operations: Vec<Operation>,
}

/// What a directory holds, with all that is in it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Disk {
    directories: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Vec<u8>>,
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

impl DiskFile {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.waiting) {
            change.apply(&mut self.durable);
        }
    }
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

/// The names that are safe, and those that wait for a sync of their directory.
#[derive(Default)]
struct Names<'a> {
    durable: BTreeMap<(usize, OsString), usize>,
    waiting: Vec<&'a Operation>,
}

impl<'a> Names<'a> {
    fn change(&mut self, operation: &'a Operation) {
        let names = &mut self.durable;
        let mut remove = |at: &Place, file: usize| {
            if names.get(&at.key()) == Some(&file) {
                names.remove(&at.key());
            }
        };
        match operation {
            Operation::Delete { at, file } => remove(at, *file),
            Operation::Name { at, file } => drop(names.insert(at.key(), *file)),
            Operation::Rename { from, to, file } => {
                remove(from, *file);
                names.insert(to.key(), *file);
            }
            _ => {}
        }
    }

    /// Makes durable what a sync of a directory does: a rename is one change, and hangs on its new name.
    /// What was done to the same file before comes with it, as a name is not moved before it is there.
    fn sync(&mut self, is_synced: impl Fn(usize) -> bool) {
        let waiting: Vec<(&'a Operation, &Place, usize)> = std::mem::take(&mut self.waiting)
            .into_iter()
            .filter_map(|operation| match operation {
                Operation::Name { at, file }
                | Operation::Rename { to: at, file, .. }
                | Operation::Delete { at, file } => Some((operation, at, *file)),
                _ => None,
            })
            .collect();
        let synced = waiting.iter().enumerate().filter(|(_, (_, at, _))| is_synced(at.directory));
        let last: BTreeMap<usize, usize> =
            synced.map(|(index, (.., file))| (*file, index)).collect();
        for (index, (operation, _, file)) in waiting.into_iter().enumerate() {
            if last.get(&file).is_some_and(|last| index <= *last) {
                self.change(operation);
            } else {
                self.waiting.push(operation);
            }
        }
    }

    fn settle(&mut self, model: Model, random: &mut Random) {
        let in_order = random.chance(30);
        let kept = random.below(self.waiting.len() + 1);
        for (index, operation) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            let there = match model {
                Model::Kill => true,
                Model::PowerLossNothing => false,
                Model::PowerLossAnything if in_order => index < kept,
                Model::PowerLossAnything => random.chance(50),
            };
            if there {
                self.change(operation);
            }
        }
    }
}

/// Returns what is there after a crash behind the first `count` operations.
pub(crate) fn disk_after(
    recording: &Recording,
    count: usize,
    model: Model,
    random: &mut Random,
) -> Disk {
    let durable = |bytes: &Vec<u8>| DiskFile { durable: bytes.clone(), waiting: Vec::new() };
    let mut files: BTreeMap<usize, DiskFile> =
        recording.contents.iter().map(|(file, bytes)| (*file, durable(bytes))).collect();
    let mut names = Names::default();
    names.durable = recording.names.iter().map(|(at, file)| (at.key(), *file)).collect();
    for operation in &recording.operations[..count] {
        match operation {
            Operation::Name { .. } | Operation::Delete { .. } | Operation::Rename { .. } => {
                names.waiting.push(operation);
            }
            Operation::Write { file, offset, bytes } => {
                let change = Change::Write { offset: *offset, bytes: bytes.clone() };
                files.entry(*file).or_default().waiting.push(change);
            }
            Operation::Truncate { file, size } => {
                files.entry(*file).or_default().waiting.push(Change::Truncate(*size));
            }
            Operation::Sync { file } => files.entry(*file).or_default().sync(),
            Operation::SyncDirectory { directory } => names.sync(|one| one == *directory),
            Operation::SyncAll => {
                files.values_mut().for_each(DiskFile::sync);
                names.sync(|_| true);
            }
        }
    }
    names.settle(model, random);
    let mut disk = Disk::default();
    let mut open = vec![(0, recording.root.clone())];
    while let Some((directory, path)) = open.pop() {
        let inside = names.durable.range((directory, OsString::new())..);
        for ((_, name), file) in inside.take_while(|((of, _), _)| *of == directory) {
            let path = path.join(name);
            if recording.directories.contains(file) {
                disk.directories.insert(path.clone());
                open.push((*file, path));
            } else {
                let file = files.entry(*file).or_default();
                disk.files.insert(path, content_of(file, model, random));
            }
        }
    }
    disk
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

impl Disk {
    /// Returns what a directory holds now.
    pub(crate) fn of(root: &Path) -> io::Result<Self> {
        let mut disk = Self::default();
        for entry in walkdir::WalkDir::new(root).min_depth(1) {
            let entry = entry?;
            if entry.file_type().is_dir() {
                disk.directories.insert(entry.into_path());
            } else if !is_lock(entry.path()) {
                let bytes = std::fs::read(entry.path())?;
                disk.files.insert(entry.into_path(), bytes);
            }
        }
        Ok(disk)
    }

    pub(super) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.directories.iter()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, &Vec<u8>)> {
        self.files.iter()
    }

    /// Makes a directory hold exactly this.
    pub(crate) fn write_to(&self, root: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(root)? {
            let path = entry?.path();
            if path.is_dir() {
                std::fs::remove_dir_all(path)?;
            } else {
                std::fs::remove_file(path)?;
            }
        }
        self.directories.iter().try_for_each(std::fs::create_dir_all)?;
        self.files.iter().try_for_each(|(name, bytes)| std::fs::write(name, bytes))
    }
}

/// The run lock is the operating system's, not the disk's.
fn is_lock(path: &Path) -> bool {
    let state = Path::new(crate::sqlite::STATE_DIR);
    ["lock", "lock-holder"].iter().any(|name| path.ends_with(state.join(name)))
}
