//! Making a backup: staged, hashed while copied, synced, verified, renamed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use chrono::{SecondsFormat, Utc};

use super::catalog::{self, Form};
use super::manifest::{FORMAT, FileRecord, Manifest, Scope};
use super::options::{BackupOptions, Blobs, Compression, Meter, Phase};
use super::place::Place;
use super::snapshot::Snapshot;
use super::source::{self, FileSource, Listing};
use super::{archive, files, paths, verify};
use crate::checksum::Checksum;
use crate::error::{Error, ErrorKind};
use crate::hash::Hasher;
use crate::sqlite::schema_version;

/// What an unfinished backup's name begins with.
const TEMPORARY: &str = ".tmp-";

/// How often a file that changes while it is copied is tried.
const TRIES: usize = 3;

pub(super) fn create(place: &Place, options: &BackupOptions) -> Result<Manifest, Error> {
    files::create_dir_all(&place.directory)?;
    clean_leftovers(place)?;
    let earlier = catalog::list(place)?;
    let id = paths::new_id(Utc::now());
    let work = place.directory.join(format!("{TEMPORARY}{id}"));
    let made = Staging { place, options, id: &id, work: &work, earlier: &earlier }.make();
    match made {
        Ok(manifest) => Ok(manifest),
        Err(error) => {
            // What is left is removed now, or by the next run.
            drop(files::remove_tree(&work));
            drop(files::remove_file_if_there(&temporary_archive(place, &id)));
            Err(error.in_state("no backup was made, nothing was changed"))
        }
    }
}

/// Removes what an interrupted backup left. The caller holds the run lock.
pub(super) fn clean_leftovers(place: &Place) -> Result<(), Error> {
    let Ok(entries) = std::fs::read_dir(&place.directory) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            files::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

fn temporary_archive(place: &Place, id: &str) -> PathBuf {
    place.directory.join(format!("{TEMPORARY}{id}.tar.zst"))
}

/// A backup that is being made.
struct Staging<'a> {
    place: &'a Place,
    options: &'a BackupOptions,
    id: &'a str,
    work: &'a Path,
    earlier: &'a [catalog::BackupEntry],
}

/// A file of the last backup of the same form, to share space with.
struct Original {
    path: PathBuf,
    record: FileRecord,
    checksum: String,
}

impl Staging<'_> {
    fn make(&self) -> Result<Manifest, Error> {
        let root = self.work.join(self.id);
        files::create_dir_all(&root)?;
        let databases = source::find_databases(self.place, self.options)?;
        let mut listing = match (self.options.blobs, self.options.databases.is_empty()) {
            (Blobs::Include, true) => source::find_files(self.place, &databases)?,
            _ => Listing::default(),
        };
        let snapshot = Snapshot::take(databases, self.place.deadline())?;
        for other in &snapshot.not_databases {
            listing.files.push(FileSource::of(other)?);
        }
        let total = snapshot.total_bytes() + listing.total_bytes();
        self.check_space(total)?;
        let mut manifest = self.manifest(&listing, total);
        let mut meter = Meter::new(&self.place.listener, Phase::Copy, total);
        self.copy_databases(snapshot, &root, &mut manifest, &mut meter)?;
        self.copy_files(&listing, &root, &mut manifest, &mut meter)?;
        self.publish(&root, &mut manifest)?;
        Ok(manifest)
    }

    /// An archive needs room for the tree and, at worst, for itself.
    fn check_space(&self, total: u64) -> Result<(), Error> {
        let copies = if self.options.compression == Compression::Zstd { 2 } else { 1 };
        self.place.check_space(&self.place.directory, total.saturating_mul(copies) + total / 10)
    }

    fn manifest(&self, listing: &Listing, total: u64) -> Manifest {
        let scope = match (self.options.databases.is_empty(), self.options.blobs) {
            (false, _) => Scope::Named,
            (true, Blobs::Exclude) => Scope::Databases,
            (true, Blobs::Include) => Scope::Everything,
        };
        let sequence = self
            .earlier
            .iter()
            .filter_map(|entry| entry.manifest.as_ref())
            .map(|manifest| manifest.sequence)
            .max();
        Manifest {
            backup_id: self.id.to_owned(),
            created_at: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            agent_os_version: self.place.application_version.clone(),
            databases: Vec::new(),
            blob_storage: !listing.files.is_empty(),
            total_size_bytes: total,
            checksums: BTreeMap::new(),
            metadata: self.options.metadata.clone(),
            format: FORMAT,
            tool: concat!("agentos-migrate ", env!("CARGO_PKG_VERSION")).to_owned(),
            sqlite_version: rusqlite::version().to_owned(),
            sequence: sequence.unwrap_or_default() + 1,
            scope,
            files: BTreeMap::new(),
            directories: listing.directories.clone(),
            migration_versions: BTreeMap::new(),
            notes: listing.notes.clone(),
        }
    }

    fn copy_databases(
        &self,
        snapshot: Snapshot,
        root: &Path,
        manifest: &mut Manifest,
        meter: &mut Meter<'_>,
    ) -> Result<(), Error> {
        let mut copied = Vec::new();
        for held in snapshot.databases {
            let source = held.source.clone();
            let target = root.join(&source.stored);
            if let Some(parent) = target.parent() {
                files::create_dir_all(parent)?;
            }
            held.copy_to(&target, meter)?;
            copied.push((source, target));
        }
        // The files are free again; their copies are read at leisure.
        let mut size = 0;
        for (source, target) in copied {
            let (checksum, bytes) = verify::hash_file(&target)?;
            verify::check_database(&target)?;
            size += bytes;
            if let Some(name) = paths::database_name(&source.stored) {
                manifest.databases.push(name.to_owned());
                let versions = recorded_versions(&target, &self.place.schema_version_table)?;
                if !versions.is_empty() {
                    manifest.migration_versions.insert(name.to_owned(), versions);
                }
            }
            let record = FileRecord { size: bytes, mode: source.mode, modified_ns: 0 };
            manifest.files.insert(source.stored.clone(), record);
            manifest.checksums.insert(source.stored, checksum.to_string());
        }
        manifest.total_size_bytes = size;
        Ok(())
    }

    fn copy_files(
        &self,
        listing: &Listing,
        root: &Path,
        manifest: &mut Manifest,
        meter: &mut Meter<'_>,
    ) -> Result<(), Error> {
        for folder in listing.directories.keys() {
            files::create_dir_all(&root.join(folder))?;
        }
        let originals = self.originals();
        for source in &listing.files {
            let target = root.join(&source.stored);
            if let Some(parent) = target.parent() {
                files::create_dir_all(parent)?;
            }
            let Some((checksum, record)) =
                copy_file(source, &target, originals.get(&source.stored), meter)?
            else {
                manifest
                    .notes
                    .push(format!("left out {}: it was removed meanwhile", source.stored));
                continue;
            };
            manifest.total_size_bytes += record.size;
            manifest.checksums.insert(source.stored.clone(), checksum.to_string());
            manifest.files.insert(source.stored.clone(), record);
        }
        Ok(())
    }

    /// Returns the files of the last backup that is a directory, if this is to be one.
    fn originals(&self) -> BTreeMap<String, Original> {
        if self.options.compression == Compression::Zstd {
            return BTreeMap::new();
        }
        let last = self
            .earlier
            .iter()
            .find(|entry| entry.form == Form::Directory && entry.problem.is_none());
        let Some((entry, manifest)) =
            last.and_then(|entry| Some((entry, entry.manifest.as_ref()?)))
        else {
            return BTreeMap::new();
        };
        let originals = manifest.files.iter().filter_map(|(stored, record)| {
            let checksum = manifest.checksums.get(stored)?.clone();
            Some((
                stored.clone(),
                Original { path: entry.path.join(stored), record: record.clone(), checksum },
            ))
        });
        originals.collect()
    }

    /// Writes the manifest, syncs, verifies, and gives the backup its name.
    fn publish(&self, root: &Path, manifest: &mut Manifest) -> Result<(), Error> {
        manifest.databases.sort();
        let json = manifest.to_json();
        for (name, bytes) in [(paths::MANIFEST, json.clone()), (paths::SUMS, manifest.sums(&json))]
        {
            let path = root.join(name);
            let mut file = files::create_file(&path)?;
            files::write(&mut file, &bytes, &path)?;
        }
        let mut meter = Meter::new(&self.place.listener, Phase::Verify, manifest.total_size_bytes);
        verify::check_files(root, manifest, &mut meter)?;
        if self.options.compression == Compression::None {
            files::sync_tree(root)?;
            files::rename(root, &self.place.directory_of(self.id))?;
        } else {
            let temporary = temporary_archive(self.place, self.id);
            let mut meter =
                Meter::new(&self.place.listener, Phase::Compress, manifest.total_size_bytes);
            archive::pack(root, self.id, manifest, &temporary, &mut meter)?;
            let mut meter =
                Meter::new(&self.place.listener, Phase::Verify, manifest.total_size_bytes);
            archive::check(&temporary, manifest, &mut meter)?;
            files::rename(&temporary, &self.place.archive_of(self.id))?;
        }
        files::sync_dir(&self.place.directory)?;
        files::remove_tree(self.work)
    }
}

impl FileSource {
    /// A file that promised to be a database and is none.
    fn of(other: &source::DatabaseSource) -> Result<Self, Error> {
        let metadata = other
            .path
            .symlink_metadata()
            .map_err(|error| files::failed("read", &other.path, error))?;
        Ok(Self {
            stored: other.stored.clone(),
            path: other.path.clone(),
            size: metadata.len(),
            mode: other.mode,
        })
    }
}

/// Copies a file while hashing it; nothing if it was removed since it was listed.
fn copy_file(
    source: &FileSource,
    target: &Path,
    original: Option<&Original>,
    meter: &mut Meter<'_>,
) -> Result<Option<(Checksum, FileRecord)>, Error> {
    for _ in 0..TRIES {
        let mut file = match files::open_plain(&source.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(files::failed("read", &source.path, error)),
        };
        let before = stamp(&file, &source.path)?;
        let record = FileRecord { size: before.0, mode: source.mode, modified_ns: before.1 };
        let shared = original
            .filter(|original| (original.record.size, original.record.modified_ns) == before);
        let checksum = match shared {
            Some(original) => {
                let (checksum, _) = verify::hash(&mut file, &source.path)?;
                if checksum.to_string() != original.checksum
                    || files::hard_link(&original.path, target).is_err()
                {
                    file = File::open(&source.path)
                        .map_err(|error| files::failed("read", &source.path, error))?;
                    copy_bytes(&mut file, target, before.1, meter)?
                } else {
                    meter.add(before.0)?;
                    checksum
                }
            }
            None => copy_bytes(&mut file, target, before.1, meter)?,
        };
        if stamp(&file, &source.path)? == before {
            return Ok(Some((checksum, record)));
        }
        files::remove_file_if_there(target)?;
    }
    Err(Error::new(
        ErrorKind::BackupFailed,
        format!("{} changes faster than it can be copied", source.path.display()),
    )
    .with_hint("stop the program that writes to it, and try again"))
}

fn copy_bytes(
    from: &mut File,
    target: &Path,
    modified_ns: i64,
    meter: &mut Meter<'_>,
) -> Result<Checksum, Error> {
    let mut hasher = Hasher::default();
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

/// Returns the migrations that a copied database records.
fn recorded_versions(copy: &Path, table: &str) -> Result<Vec<String>, Error> {
    if std::fs::metadata(copy).is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(Vec::new());
    }
    let connection = verify::open_copy(copy)?;
    schema_version::recorded(&connection, table)
        .map_err(|error| super::snapshot::refused("read", copy, error))
}
