//! The archive form: a tar file, compressed.
//!
//! Ours are `.tar.zst`, the Python tool's `.tar.gz`; both hold one folder
//! with the tree. An archive may come from anywhere: only regular files and
//! folders are taken, only those of the manifest, each once, none larger
//! than it says, and nothing is written outside the target.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use tar::{Archive, Builder, EntryType, Header};

use super::hashing::{self, StreamHasher};
use super::manifest::{MANIFEST_BYTES_MAX, Manifest};
use super::options::Meter;
use super::unpacking::Unpacking;
use super::{files, paths, soundness};
use crate::error::{Error, ErrorKind};

/// Fast: higher levels gain little on databases and take several times as long.
const LEVEL: i32 = 1;

/// Entries of a hostile archive beyond this number are not looked at.
const ENTRIES_MAX: usize = 10_000_000;

/// At most this many threads compress; each needs some megabytes.
const THREADS_MAX: usize = 4;

/// Packs a tree into an archive, the manifest first; the caller syncs it.
pub(super) fn pack(
    root: &Path,
    id: &str,
    manifest: &Manifest,
    target: &Path,
    meter: &mut Meter<'_>,
) -> Result<File, Error> {
    let output = files::Output { file: files::create_file(target)?, path: target };
    let failed = |error| files::failed("write", target, error);
    let writer = BufWriter::with_capacity(files::CHUNK_BYTES, output);
    let encoder = encoder(writer).map_err(failed)?;
    let mut builder = Builder::new(encoder);
    append_folder(&mut builder, id).map_err(failed)?;
    let folders = manifest.directories.keys().map(|folder| format!("{id}/{folder}"));
    for folder in folders {
        append_folder(&mut builder, &folder).map_err(failed)?;
    }
    for stored in [paths::MANIFEST, paths::SUMS]
        .into_iter()
        .chain(manifest.checksums.keys().map(String::as_str))
    {
        append_file(&mut builder, &root.join(stored), &format!("{id}/{stored}"), target, meter)?;
    }
    let encoder = builder.into_inner().map_err(failed)?;
    let writer = encoder.finish().map_err(failed)?;
    writer.into_inner().map(|output| output.file).map_err(|error| failed(error.into_error()))
}

fn encoder<W: Write>(writer: W) -> std::io::Result<zstd::stream::Encoder<'static, W>> {
    let mut encoder = zstd::stream::Encoder::new(writer, LEVEL)?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    encoder.multithread(u32::try_from(threads.min(THREADS_MAX)).unwrap_or(1))?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

fn append_folder(builder: &mut Builder<impl Write>, name: &str) -> std::io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Directory);
    header.set_mode(0o700);
    header.set_size(0);
    builder.append_data(&mut header, format!("{name}/"), std::io::empty())
}

fn append_file(
    builder: &mut Builder<impl Write>,
    path: &Path,
    name: &str,
    target: &Path,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let file = File::open(path).map_err(|error| files::failed("read", path, error))?;
    let metadata = file.metadata().map_err(|error| files::failed("read", path, error))?;
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(metadata.len());
    let modified =
        metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    header.set_mtime(modified.map(|since| since.as_secs()).unwrap_or_default());
    builder
        .append_data(&mut header, name, file)
        .map_err(|error| files::failed("write", target, error))?;
    meter.add(metadata.len())
}

/// Opens an archive by its first bytes, whatever its name.
fn open(path: &Path) -> Result<Archive<Box<dyn Read>>, Error> {
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let failed = |error| files::failed("read", path, error);
    let mut file = files::open_plain(path).map_err(failed)?;
    let mut magic = [0; 4];
    let count = files::read_some(&mut file, &mut magic).map_err(failed)?;
    std::io::Seek::rewind(&mut file).map_err(failed)?;
    let reader = BufReader::with_capacity(files::CHUNK_BYTES, file);
    let stream: Box<dyn Read> = if magic == ZSTD {
        Box::new(zstd::stream::Decoder::with_buffer(reader).map_err(failed)?)
    } else if magic[..2] == GZIP {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else {
        let what = if count == 0 { "it is empty" } else { "it is neither zstd nor gzip" };
        return Err(damaged(path, what.to_owned()));
    };
    Ok(Archive::new(stream))
}

/// Reads the manifest: the file of that name in the one folder, not any that ends so.
pub(super) fn manifest(path: &Path) -> Result<Manifest, Error> {
    let mut found = None;
    each_entry(path, |stored, _, reader| {
        if stored != paths::MANIFEST {
            return Ok(Next::Go);
        }
        let mut bytes = Vec::new();
        let limit = MANIFEST_BYTES_MAX + 1;
        reader.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
        if bytes.len() as u64 == limit {
            return Err(damaged(path, "its manifest is too large".to_owned()));
        }
        found = Some(Manifest::parse(&bytes).map_err(|problem| damaged(path, problem))?);
        Ok(Next::Stop)
    })?;
    found.ok_or_else(|| damaged(path, "it has no manifest.json".to_owned()))
}

/// Reads an archive back and compares every file with the manifest.
pub(super) fn check(path: &Path, manifest: &Manifest, meter: &mut Meter<'_>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    each_entry(path, |stored, _, reader| {
        if let Some(expected) = manifest.checksums.get(stored) {
            let mut hasher = StreamHasher::new();
            hashing::each_chunk(reader, path, &mut |chunk| {
                hasher.update(chunk);
                meter.add(chunk.len() as u64)
            })?;
            seen.insert(stored.to_owned());
            wrong.extend(soundness::difference(stored, expected, &hasher.finish()));
        }
        Ok(Next::Go)
    })?;
    let missing = manifest.checksums.keys().filter(|stored| !seen.contains(*stored));
    wrong.extend(missing.map(|stored| format!("{stored}: it is missing")));
    soundness::refuse(&manifest.backup_id, wrong)
}

/// Unpacks the wanted files, and lets the databases among them be checked; returns the files that
/// the manifest does not name.
pub(super) fn unpack(
    path: &Path,
    manifest: &Manifest,
    target: &Path,
    unpacking: &Unpacking<'_>,
    meter: &mut Meter<'_>,
) -> Result<Vec<String>, Error> {
    let (mut seen, mut unnamed, mut has_sums) = (BTreeSet::new(), Vec::new(), false);
    let mut wrong = Vec::new();
    each_entry(path, |stored, size, reader| {
        let Some(expected) = manifest.checksums.get(stored) else {
            unnamed.extend(manifest.leaves_out(stored, size).then(|| stored.to_owned()));
            if stored == paths::SUMS && unpacking.verified {
                has_sums = true;
                wrong.extend(manifest.fault_in_sums(reader).map_err(|e| unreadable(path, e))?);
            }
            return Ok(Next::Go);
        };
        if size > manifest.size_max(stored) {
            return Err(damaged(path, format!("{stored} is larger than the manifest says")));
        }
        seen.insert(stored.to_owned());
        if !(unpacking.wanted)(stored) {
            return Ok(Next::Go);
        }
        let copy = target.join(stored);
        let mut reader = Decoded { reader, fault: None };
        let brought = unpacking.bring(stored, &mut reader, &copy, meter);
        if let Some(fault) = reader.fault {
            return Err(damaged(path, format!("{stored}: {fault}")));
        }
        if let Some(found) = brought? {
            wrong.extend(soundness::difference(stored, expected, &found));
        }
        Ok(Next::Go)
    })?;
    let missing = manifest.checksums.keys().filter(|stored| !seen.contains(*stored));
    wrong.extend(missing.map(|stored| format!("{stored}: it is missing")));
    wrong.extend(manifest.fault_without_sums().filter(|_| unpacking.verified && !has_sums));
    soundness::refuse(&manifest.backup_id, wrong).map(|()| unnamed)
}

/// Whether to look at the next entry.
enum Next {
    Go,
    Stop,
}

/// Calls `work` with each regular file: its path below the one folder, its size, its content.
fn each_entry(
    path: &Path,
    mut work: impl FnMut(&str, u64, &mut dyn Read) -> Result<Next, Error>,
) -> Result<(), Error> {
    let mut archive = open(path)?;
    let unreadable = |error| unreadable(path, error);
    let mut top: Option<String> = None;
    let mut names = BTreeSet::new();
    for (index, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| damaged(path, "a name in it is not UTF-8".to_owned()))?;
        let kind = entry.header().entry_type();
        if index >= ENTRIES_MAX || !matches!(kind, EntryType::Regular | EntryType::Directory) {
            return Err(damaged(path, format!("{name:?} is neither a file nor a folder")));
        }
        let trimmed = name.trim_end_matches('/');
        if let Some(fault) = paths::fault_of_stored(trimmed) {
            return Err(damaged(path, format!("it holds {fault}: {name:?}")));
        }
        let (first, stored) = trimmed.split_once('/').unwrap_or((trimmed, ""));
        if top.get_or_insert_with(|| first.to_owned()) != first {
            return Err(damaged(path, "it holds more than one folder".to_owned()));
        }
        if kind == EntryType::Directory {
            continue;
        }
        if stored.is_empty() || !names.insert(stored.to_owned()) {
            return Err(damaged(path, format!("it holds {name:?} twice, or outside its folder")));
        }
        let size = entry.header().entry_size().map_err(unreadable)?;
        if let Next::Stop = work(stored, size, &mut entry)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Tells what the decoder refuses from what the operating system can't read.
struct Decoded<'a> {
    reader: &'a mut dyn Read,
    fault: Option<String>,
}

impl Read for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let outcome = self.reader.read(buffer);
        if let Err(error) = &outcome
            && !files::is_of_the_system(error)
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            self.fault = Some(error.to_string());
        }
        outcome
    }
}

/// Tells what the system could not read from what is not as it was written.
fn unreadable(path: &Path, error: std::io::Error) -> Error {
    if files::is_of_the_system(&error) {
        files::failed("read", path, error)
    } else {
        damaged(path, error.to_string())
    }
}

/// Makes an error of an archive that can't be trusted.
pub(super) fn damaged(path: &Path, problem: String) -> Error {
    Error::new(ErrorKind::DamagedBackup, format!("the backup {} is damaged", path.display()))
        .detail(problem)
        .in_state("nothing was changed")
        .with_hint("take another backup: `list-backups` shows those that are good")
}
