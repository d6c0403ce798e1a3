//! Making a backup: staged, hashed, synced, read back, and only then given its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};

use super::catalog;
use super::copying::{self, Copied};
use super::manifest::{FORMAT, FileRecord, Manifest, Scope};
use super::options::{BackupOptions, Blobs, Compression, Meter, Phase};
use super::paths::TEMPORARY;
use super::place::Place;
use super::reading_back::{self, Found, Reader};
use super::snapshot::Snapshot;
use super::source::{self, FileSource, Listing};
use super::{archive, files, paths, soundness};
use crate::error::{Error, ErrorKind};

pub(super) fn create(place: &Place, options: &BackupOptions) -> Result<Manifest, Error> {
    place.check_apart()?;
    files::create_dir_durably(&place.directory)?;
    clean_leftovers(place)?;
    let earlier = catalog::list(place)?;
    let now = Utc::now();
    let id = paths::new_id(now);
    let work = place.directory.join(format!("{TEMPORARY}{id}"));
    let made = Staging { place, options, id: &id, now, work: &work, earlier: &earlier }.make();
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
        if entry.file_name().to_str().is_some_and(paths::is_leftover) {
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
    /// The one moment in the id and in the manifest, though the clock may be set meanwhile.
    now: DateTime<Utc>,
    work: &'a Path,
    earlier: &'a [catalog::BackupEntry],
}

impl Staging<'_> {
    fn make(&self) -> Result<Manifest, Error> {
        let root = self.work.join(self.id);
        files::create_dir_all(&root)?;
        let databases = source::find_databases(self.place, self.options)?;
        self.refuse_none_of_some(&databases)?;
        let mut listing = match (self.options.blobs, self.options.databases.is_empty()) {
            (Blobs::Include, true) => source::find_files(self.place, &databases)?,
            _ => Listing::default(),
        };
        let snapshot = Snapshot::take(databases, self.place.deadline())?;
        for other in &snapshot.not_databases {
            listing.take_in(other)?;
        }
        let total = snapshot.total_bytes() + listing.total_bytes();
        self.check_space(total)?;
        let mut manifest = self.manifest(&listing, total);
        let mut copying = Meter::new(&self.place.listener, Phase::Copy, total);
        let mut reading = Meter::new(&self.place.listener, Phase::Verify, total);
        let found = reading_back::beside(&mut reading, |reader| {
            copy_databases(snapshot, &root, &mut manifest, &mut copying, reader)?;
            self.copy_files(&listing, &root, &mut manifest, &mut copying, reader)?;
            self.sync(&root)
        })?;
        take_in(found, &mut manifest)?;
        self.record_versions(&root, &mut manifest)?;
        self.publish(&root, &manifest)?;
        Ok(manifest)
    }

    /// A backup without any database, of a directory that has some, would be called verified.
    fn refuse_none_of_some(&self, databases: &[source::DatabaseSource]) -> Result<(), Error> {
        let names = self.place.declared.iter();
        let mut paths =
            names.map(|name| self.place.data_dir.join(format!("{name}{}", paths::DATABASE_ENDING)));
        match paths.find(|path| databases.is_empty() && path.exists()) {
            Some(path) => Err(Error::new(
                ErrorKind::BackupFailed,
                format!("no database was found to save, and {} is there", path.display()),
            )
            .with_hint("see what `--data-dir` and `--backup-dir` lead to")),
            None => Ok(()),
        }
    }

    /// An archive needs room for the tree and, at worst, for itself.
    fn check_space(&self, total: u64) -> Result<(), Error> {
        let copies = if self.is_archive() { 2 } else { 1 };
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
            created_at: self.now.to_rfc3339_opts(SecondsFormat::Micros, true),
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
            missing_databases: source::missing_databases(self.place),
            notes: listing.notes.clone(),
            own_sum: None,
        }
    }

    fn copy_files(
        &self,
        listing: &Listing,
        root: &Path,
        manifest: &mut Manifest,
        meter: &mut Meter<'_>,
        reader: &Reader,
    ) -> Result<(), Error> {
        for folder in listing.directories.keys() {
            files::create_dir_all(&root.join(folder))?;
        }
        let originals =
            if self.is_archive() { BTreeMap::new() } else { copying::originals(self.earlier) };
        for source in &listing.files {
            let target = root.join(&source.stored);
            if let Some(parent) = target.parent() {
                files::create_dir_all(parent)?;
            }
            let original = originals.get(&source.stored);
            let (checksum, record) = match copying::copy_file(source, &target, original, meter)? {
                Copied::Fresh(checksum, record) => {
                    // What goes into an archive is read back from there.
                    if !self.is_archive() {
                        reader.hash(&source.stored, &target);
                    }
                    (checksum, record)
                }
                Copied::Shared(checksum, record) => (checksum, record),
                Copied::Gone => {
                    let stored = &source.stored;
                    manifest.notes.push(format!("left out {stored}: it was removed meanwhile"));
                    continue;
                }
            };
            manifest.checksums.insert(source.stored.clone(), checksum.to_string());
            manifest.files.insert(source.stored.clone(), record);
        }
        Ok(())
    }

    fn is_archive(&self) -> bool {
        self.options.compression == Compression::Zstd
    }

    /// Forces a folder to the disk while its files are read back; an archive is synced when it is packed.
    fn sync(&self, root: &Path) -> Result<(), Error> {
        if self.is_archive() { Ok(()) } else { files::sync_tree(root) }
    }

    fn record_versions(&self, root: &Path, manifest: &mut Manifest) -> Result<(), Error> {
        let names = manifest.checksums.keys().filter_map(|stored| paths::database_name(stored));
        manifest.databases = names.map(str::to_owned).collect();
        manifest.databases.sort();
        for name in &manifest.databases {
            let copy = root.join(paths::stored_database(name));
            let versions = soundness::recorded_versions(&copy, &self.place.schema_version_table)?;
            if !versions.is_empty() {
                manifest.migration_versions.insert(name.clone(), versions);
            }
        }
        Ok(())
    }

    /// Writes the manifest, and gives the backup its name.
    fn publish(&self, root: &Path, manifest: &Manifest) -> Result<(), Error> {
        let json = manifest.to_json();
        for (name, bytes) in [(paths::MANIFEST, &json), (paths::SUMS, &manifest.sums(&json))] {
            let path = root.join(name);
            let mut file = files::create_file(&path)?;
            files::write(&mut file, bytes, &path)?;
            if !self.is_archive() {
                files::sync_file(&file, &path)?;
            }
        }
        if self.is_archive() {
            let temporary = temporary_archive(self.place, self.id);
            self.pack(root, manifest, &temporary)?;
            files::rename(&temporary, &self.place.archive_of(self.id))?;
        } else {
            files::sync_dir(root)?;
            files::rename(root, &self.place.directory_of(self.id))?;
        }
        files::sync_dir(&self.place.directory)?;
        files::remove_tree(self.work)
    }

    /// Packs the tree, and reads the archive back while it goes to the disk.
    fn pack(&self, root: &Path, manifest: &Manifest, target: &Path) -> Result<(), Error> {
        let total = manifest.total_size_bytes;
        let mut meter = Meter::new(&self.place.listener, Phase::Compress, total);
        let file = archive::pack(root, self.id, manifest, target, &mut meter)?;
        let mut meter = Meter::new(&self.place.listener, Phase::Verify, total);
        std::thread::scope(|scope| {
            let checking = scope.spawn(|| archive::check(target, manifest, &mut meter));
            let synced = files::sync_file(&file, target);
            let checked = checking.join().expect("checking does not panic");
            synced.and(checked)
        })
    }
}

fn copy_databases(
    snapshot: Snapshot,
    root: &Path,
    manifest: &mut Manifest,
    meter: &mut Meter<'_>,
    reader: &Reader,
) -> Result<(), Error> {
    for held in snapshot.in_order_of_need() {
        let source = held.source.clone();
        let target = root.join(&source.stored);
        if let Some(parent) = target.parent() {
            files::create_dir_all(parent)?;
        }
        held.copy_to(&target, meter)?;
        reader.hash(&source.stored, &target);
        reader.check(&source.stored, &target);
        let record = FileRecord { size: 0, mode: source.mode, modified_ns: 0 };
        manifest.files.insert(source.stored, record);
    }
    Ok(())
}

/// Takes the hashes of the databases into the manifest, and compares those of the files.
fn take_in(found: Found, manifest: &mut Manifest) -> Result<(), Error> {
    if let Some(fault) = found.faults.into_values().next() {
        return Err(fault);
    }
    let mut wrong = Vec::new();
    for (stored, hash) in found.hashes {
        let (checksum, size) = hash?;
        match manifest.checksums.get(&stored) {
            Some(copied) if *copied == checksum.to_string() => {}
            Some(copied) => wrong.push(format!("{stored}: wrote {copied}, read {checksum}")),
            None => {
                manifest.checksums.insert(stored.clone(), checksum.to_string());
                if let Some(record) = manifest.files.get_mut(&stored) {
                    record.size = size;
                }
            }
        }
    }
    manifest.total_size_bytes = manifest.files.values().map(|record| record.size).sum();
    soundness::refuse(&manifest.backup_id, wrong)
}

impl Listing {
    /// Takes in a file that promised to be a database and is none that SQLite can read, and what
    /// stands beside it as beside a database.
    fn take_in(&mut self, other: &source::DatabaseSource) -> Result<(), Error> {
        // Where databases are stored it would be read back as one.
        let stored = paths::live_of(&other.stored).map(paths::stored_file);
        let stored = stored.unwrap_or_else(|| other.stored.clone());
        let live = paths::live_of(&stored).unwrap_or(&stored).to_owned();
        self.notes.push(format!("{live} is no database that SQLite can read: copied as it is"));
        for ending in ["", "-wal", "-journal"] {
            let mut path = other.path.clone().into_os_string();
            path.push(ending);
            let path = PathBuf::from(path);
            let metadata = match path.symlink_metadata() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                found => found.map_err(|error| files::failed("read", &path, error))?,
            };
            if metadata.is_file() {
                let (size, mode) = (metadata.len(), files::mode_of(&metadata));
                self.files.push(FileSource {
                    stored: format!("{stored}{ending}"),
                    path,
                    size,
                    mode,
                });
            }
        }
        Ok(())
    }
}
