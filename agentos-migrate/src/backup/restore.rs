//! Restoring: the whole new tree is built and checked beside the data, then swapped.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rusqlite::Connection;
use serde::Serialize;

use super::catalog::{self, BackupEntry, Form};
use super::manifest::{Manifest, Scope};
use super::options::{Blobs, Meter, Phase, RestoreOptions, Verification};
use super::place::{Place, plain_name};
use super::unpacking::Unpacking;
use super::{archive, files, history, paths, reading_back, swap, verify};
use crate::error::{Error, ErrorKind};
use crate::sqlite::locking::{self, JournalMode};
use crate::sqlite::{history_table, holders};

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The backup.
    pub backup_id: String,
    /// The databases that were replaced.
    pub databases: Vec<String>,
    /// The entries of the data directory that were replaced or removed.
    pub entries: Vec<String>,
    /// Where what was replaced is kept until the next restore.
    pub replaced: PathBuf,
    /// Migrations that the history had and the restored databases do not: `upgrade` runs them again.
    pub to_run_again: Vec<String>,
}

pub(super) fn restore(
    place: &Place,
    id: &str,
    options: &RestoreOptions,
) -> Result<RestoreReport, Error> {
    let (entry, manifest) = catalog::find(place, id)?;
    let known: Vec<String> =
        manifest.database_paths().filter_map(paths::database_name).map(str::to_owned).collect();
    Place::check_names(
        &options.databases,
        known.iter().map(String::as_str),
        &format!("the backup {id}"),
    )?;
    // What a manifest says may come from anybody.
    let needed = manifest.total_size_bytes.saturating_add(manifest.total_size_bytes / 10);
    place.check_space(&place.data_dir, needed)?;
    let wanted = |stored: &str| is_wanted(stored, options);
    let stage = swap::stage(&place.data_dir)?;
    let unpacked = stage.join(".unpacked");
    files::create_dir_all(&unpacked)?;
    bring(place, &entry, &manifest, &unpacked, &wanted, options.verify)?;
    let wanted_databases = manifest.database_paths().filter(|stored| wanted(stored));
    let databases = wanted_databases.filter_map(paths::database_name).map(str::to_owned).collect();
    let mut entries = lay_out(&manifest, &unpacked, &stage, &wanted)?;
    entries.extend(removals(place, &manifest, options, &stage, &entries)?);
    let to_run_again = history::agree(place, &manifest.backup_id, &stage, &mut entries)?;
    if !options.databases.is_empty() {
        history::refuse_torn(place, &manifest.backup_id, &stage, &entries)?;
    }
    files::remove_tree(&unpacked)?;
    let held = Held::take(place, &entries)?;
    let replaced = swap::commit(&place.data_dir, id, entries.iter().cloned().collect())?;
    drop(held.connections);
    Ok(RestoreReport {
        backup_id: id.to_owned(),
        databases,
        entries: entries.into_iter().collect(),
        replaced,
        to_run_again,
    })
}

fn is_wanted(stored: &str, options: &RestoreOptions) -> bool {
    match (paths::database_name(stored), options.databases.is_empty()) {
        (Some(name), false) => options.databases.iter().any(|wanted| plain_name(wanted) == name),
        (None, false) => false,
        (Some(_), true) => true,
        (None, true) => options.blobs == Blobs::Include,
    }
}

/// Brings the files out of the backup, by their stored names, and has the databases checked.
fn bring(
    place: &Place,
    entry: &BackupEntry,
    manifest: &Manifest,
    target: &Path,
    wanted: &dyn Fn(&str) -> bool,
    verification: Verification,
) -> Result<(), Error> {
    let mut meter = Meter::new(&place.listener, Phase::Unpack, manifest.total_size_bytes);
    let found = reading_back::beside(&mut Meter::silent(), |reader| {
        let verified = verification == Verification::Full;
        let unpacking = Unpacking { verified, wanted, reader };
        match entry.form {
            Form::Archive => archive::unpack(&entry.path, manifest, target, &unpacking, &mut meter),
            Form::Directory => unpacking.folder(&entry.path, manifest, target, &mut meter),
        }
    })?;
    let mut wrong = verify::faults(found.faults);
    if wrong.is_empty() && verification == Verification::Full {
        wrong = verify::other_versions(place, target, manifest)?;
    }
    verify::refuse(&manifest.backup_id, wrong)
}

/// Moves the files to where they belong in the data directory, with their modes and times.
fn lay_out(
    manifest: &Manifest,
    unpacked: &Path,
    stage: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeSet<String>, Error> {
    let mut entries = BTreeSet::new();
    for (stored, mode) in manifest.directories.iter().filter(|(stored, _)| wanted(stored)) {
        let Some(live) = paths::live_of_folder(stored) else { continue };
        files::create_dir_all(&stage.join(live))?;
        // A folder that its owner can't write to could not be filled.
        files::set_mode(&stage.join(live), mode | 0o700)?;
        entries.insert(paths::top_of(live).to_owned());
    }
    for stored in manifest.checksums.keys().filter(|stored| wanted(stored)) {
        let Some(live) = paths::live_of(stored) else { continue };
        let (from, to) = (unpacked.join(stored), stage.join(live));
        if let Some(parent) = to.parent() {
            files::create_dir_all(parent)?;
        }
        if let Some(record) = manifest.files.get(stored) {
            if record.modified_ns > 0 {
                let file = File::options()
                    .write(true)
                    .open(&from)
                    .map_err(|error| files::failed("open", &from, error))?;
                files::set_modified(
                    &file,
                    &from,
                    UNIX_EPOCH + Duration::from_nanos(record.modified_ns.unsigned_abs()),
                )?;
            }
            files::set_mode(&from, record.mode)?;
        }
        files::rename(&from, &to)?;
        entries.insert(paths::top_of(live).to_owned());
    }
    Ok(entries)
}

/// Marks what is there now and was not when the backup was made.
fn removals(
    place: &Place,
    manifest: &Manifest,
    options: &RestoreOptions,
    stage: &Path,
    entries: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let mut gone = BTreeSet::new();
    if !manifest.scope.holds_all_databases() || !options.databases.is_empty() {
        return Ok(gone);
    }
    files::create_dir_all(&stage.join(swap::REMOVALS))?;
    let everything = manifest.scope == Scope::Everything
        && options.blobs == Blobs::Include
        && place.paths.is_none();
    let listed = std::fs::read_dir(&place.data_dir)
        .map_err(|error| files::failed("read", &place.data_dir, error))?;
    for entry in listed.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_database =
            name.ends_with(paths::DATABASE_ENDING) && paths::owner_of_side_file(&name).is_none();
        let is_side_file = paths::owner_of_side_file(&name).is_some();
        let is_ours = name == crate::sqlite::STATE_DIR
            || name == "backups"
            || entry.path() == place.directory;
        if is_ours || is_side_file || entries.contains(&name) || !(is_database || everything) {
            continue;
        }
        files::create_file(&stage.join(swap::REMOVALS).join(&name))?;
        gone.insert(name);
    }
    Ok(gone)
}

/// Live databases under an exclusive lock, so that nobody writes to what goes.
struct Held {
    connections: Vec<Connection>,
    were_wal: Vec<PathBuf>,
}

impl Held {
    fn take(place: &Place, entries: &BTreeSet<String>) -> Result<Self, Error> {
        let mut held = Self { connections: Vec::new(), were_wal: Vec::new() };
        match held.take_all(place, entries) {
            Ok(()) => Ok(held),
            Err(error) => {
                held.let_go()?;
                Err(error.in_state("nothing was changed"))
            }
        }
    }

    fn take_all(&mut self, place: &Place, entries: &BTreeSet<String>) -> Result<(), Error> {
        let deadline = Instant::now() + place.wait;
        for entry in entries.iter().filter(|entry| entry.ends_with(paths::DATABASE_ENDING)) {
            let path = place.data_dir.join(entry);
            if !path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
                continue;
            }
            refuse_users(&path, deadline)?;
            let connection = Connection::open(&path)
                .map_err(|error| super::snapshot::refused("open", &path, error))?;
            match locking::begin(
                &connection,
                &path,
                deadline.saturating_duration_since(Instant::now()),
            ) {
                Ok(mode) => {
                    self.connections.push(connection);
                    if mode == JournalMode::Wal {
                        self.were_wal.push(path);
                    }
                }
                // What is damaged is what one restores; nobody can use it anyway.
                Err(error) if error.kind() == ErrorKind::DamagedDatabase => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the files back as they were: the restore does not take place.
    fn let_go(self) -> Result<(), Error> {
        drop(self.connections);
        let wait = locking::SWITCH_WAIT_MAX;
        self.were_wal.iter().try_for_each(|path| locking::return_to_wal(path, wait).map(drop))
    }
}

/// A program that has the file open would go on with the old one.
fn refuse_users(path: &Path, deadline: Instant) -> Result<(), Error> {
    loop {
        let users = holders::of(path);
        if users.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let error = Error::new(
                ErrorKind::Busy,
                format!("{} is in use and can't be replaced", path.display()),
            );
            let error =
                users.iter().fold(error, |error, user| error.detail(format!("used by {user}")));
            return Err(error
                .in_state("nothing was changed")
                .with_hint("stop the program that uses it, and restore again"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The name of the tracking database among the entries.
pub(super) const TRACKING: &str = history_table::FILE_NAME;
