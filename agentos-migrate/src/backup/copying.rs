//! Copying one file that others may write to meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::catalog::{BackupEntry, Form};
use super::files;
use super::hashing::{self, StreamHasher};
use super::manifest::FileRecord;
use super::options::Meter;
use super::source::{self, FileSource};
use crate::checksum::Checksum;
use crate::error::{Error, ErrorKind};

/// How often a file that changes while it is copied is tried.
const TRIES: u32 = 8;

/// A file of the last backup of the same form, to share space with.
pub(super) struct Original {
    path: PathBuf,
    record: FileRecord,
    checksum: String,
}

/// What became of a file.
pub(super) enum Copied {
    /// It was copied; the copy is to be read back.
    Fresh(Checksum, FileRecord),
    /// It shares the space of an earlier copy, which was read and is good.
    Shared(Checksum, FileRecord),
    /// It was removed since it was listed.
    Gone,
}

/// Returns the files of the newest backup that is a folder.
pub(super) fn originals(earlier: &[BackupEntry]) -> BTreeMap<String, Original> {
    let last = earlier.iter().find_map(|entry| {
        let is_folder = entry.form == Form::Directory && entry.problem.is_none();
        Some((entry, entry.manifest.as_ref()?)).filter(|_| is_folder)
    });
    let Some((entry, manifest)) = last else { return BTreeMap::new() };
    let original = |(stored, record): (&String, &FileRecord)| {
        let checksum = manifest.checksums.get(stored)?.clone();
        let path = entry.path.join(stored);
        Some((stored.clone(), Original { path, record: record.clone(), checksum }))
    };
    manifest.files.iter().filter_map(original).collect()
}

/// Copies a file while hashing it, again if it changed meanwhile.
pub(super) fn copy_file(
    source: &FileSource,
    target: &Path,
    original: Option<&Original>,
    meter: &mut Meter<'_>,
) -> Result<Copied, Error> {
    for attempt in 0..TRIES {
        std::thread::sleep(pause_before(attempt));
        let mut file = match files::open_plain(&source.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Copied::Gone),
            Err(error) => return Err(files::failed("read", &source.path, error)),
        };
        let before = stamp(&file, &source.path)?;
        let (size, modified_ns) = before;
        let record = FileRecord { size, mode: source.mode, modified_ns };
        let original = original.filter(|original| {
            (original.record.size, original.record.modified_ns) == (size, modified_ns)
        });
        if let Some(checksum) = original.and_then(|original| share(&source.path, original, target))
        {
            meter.add(size)?;
            return Ok(Copied::Shared(checksum, record));
        }
        let checksum = copy_bytes(&mut file, target, modified_ns, meter)?;
        if stamp(&file, &source.path)? == before {
            return Ok(Copied::Fresh(checksum, record));
        }
        files::remove_file_if_there(target)?;
    }
    Err(Error::new(
        ErrorKind::BackupFailed,
        format!("{} changes faster than it can be copied", source.path.display()),
    )
    .detail(format!("it changed during each of {TRIES} copies"))
    .with_hint("stop the program that writes to it, and try again"))
}

fn pause_before(attempt: u32) -> Duration {
    if attempt == 0 { Duration::ZERO } else { Duration::from_millis(1 << attempt) }
}

/// Gives an earlier copy a second name, after reading it and the live file.
///
/// Never the live file itself: who writes to that would write into the backup. Nothing is
/// returned where the file system has no links, or where one of the two is not what it was.
fn share(live: &Path, original: &Original, target: &Path) -> Option<Checksum> {
    let is_same = |path: &Path| {
        let (checksum, _) = hashing::hash_file(path, &mut |_| Ok(())).ok()?;
        (checksum.to_string() == original.checksum).then_some(checksum)
    };
    let checksum = is_same(live)?;
    is_same(&original.path)?;
    files::hard_link(&original.path, target).ok()?;
    Some(checksum)
}

fn copy_bytes(
    from: &mut File,
    target: &Path,
    modified_ns: i64,
    meter: &mut Meter<'_>,
) -> Result<Checksum, Error> {
    let mut hasher = StreamHasher::new();
    let mut copy = files::create_file(target)?;
    files::copy(from, &mut copy, target, &mut |chunk| {
        hasher.update(chunk);
        meter.add(chunk.len() as u64)
    })?;
    let modified = UNIX_EPOCH + Duration::from_nanos(modified_ns.unsigned_abs());
    files::set_modified(&copy, target, modified)?;
    Ok(hasher.finish())
}

/// Size and time of last change: what shows that a file was written to.
fn stamp(file: &File, path: &Path) -> Result<(u64, i64), Error> {
    let metadata = file.metadata().map_err(|error| files::failed("read", path, error))?;
    Ok((metadata.len(), source::modified_ns(&metadata)))
}
