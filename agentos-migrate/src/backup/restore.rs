//! Restoring: the whole new tree is built and checked beside the data, then swapped.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::catalog::{self, BackupEntry, Form};
use super::held::Held;
use super::manifest::{Manifest, Scope};
use super::options::{Blobs, Meter, Phase, RestoreOptions, Verification};
use super::place::{Place, plain_name};
use super::unpacking::Unpacking;
use super::{archive, files, history, kept, paths, reading_back, soundness, swap};
use crate::error::{Error, ErrorKind};

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
    /// Where what was replaced is kept until a cleanup removes it.
    pub replaced: PathBuf,
    /// Files in the backup that its manifest does not name, by their path there: nobody knows what they are.
    pub not_used: Vec<String>,
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
    refuse_links(place, &manifest, options)?;
    // What a manifest says may come from anybody.
    let needed = manifest.total_size_bytes.saturating_add(manifest.total_size_bytes / 10);
    place.check_space(&place.data_dir, needed)?;
    let wanted = |stored: &str| is_wanted(stored, options);
    let stage = swap::stage(&place.data_dir)?;
    let unpacked = stage.join(".unpacked");
    files::create_dir_all(&unpacked)?;
    let not_used = bring(place, &entry, &manifest, &unpacked, &wanted, options.verify)?;
    let wanted_databases = manifest.database_paths().filter(|stored| wanted(stored));
    let databases: Vec<String> =
        wanted_databases.filter_map(paths::database_name).map(str::to_owned).collect();
    let mut entries = lay_out(place, &manifest, &unpacked, &stage, &wanted)?;
    kept::keep(place, &manifest, &stage, &entries)?;
    entries.extend(removals(place, &manifest, options, &stage, &entries)?);
    let to_run_again = history::agree(place, &manifest.backup_id, &stage, &mut entries)?;
    if !options.databases.is_empty() || !manifest.scope.holds_all_databases() {
        history::refuse_torn(place, &manifest, &databases, &stage, &entries)?;
    }
    files::remove_tree(&unpacked)?;
    let held = Held::take(place, &entries)?;
    let replaced = swap::commit(&place.data_dir, id, entries.iter().cloned().collect());
    let replaced = held.end(place, replaced)?;
    Ok(RestoreReport {
        backup_id: id.to_owned(),
        databases,
        entries: entries.into_iter().collect(),
        replaced,
        not_used,
        to_run_again,
    })
}

/// Refuses to put a file where a link stands: what it leads to would be left behind, unseen.
///
/// A backup follows no links either. To follow one here is to replace a file in another folder,
/// maybe on another file system, where there is no renaming of all files or none.
fn refuse_links(place: &Place, manifest: &Manifest, options: &RestoreOptions) -> Result<(), Error> {
    let files = manifest.checksums.keys().filter(|stored| is_wanted(stored, options));
    let folders = manifest.directories.keys().filter(|stored| is_wanted(stored, options));
    let live = files.filter_map(|stored| paths::live_of(stored));
    let live = live.chain(folders.filter_map(|stored| paths::live_of_folder(stored)));
    let mut tops: BTreeSet<&str> = live.map(paths::top_of).collect();
    tops.insert(paths::TRACKING);
    let links =
        tops.into_iter().map(|top| place.data_dir.join(top)).filter(|path| path.is_symlink());
    let told: Vec<String> = links
        .map(|path| {
            let target = path.read_link().unwrap_or_default();
            format!("{} leads to {}", path.display(), target.display())
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Usage, "a restore would put files in the place of links");
    Err(told.into_iter().fold(error, Error::detail).in_state("nothing was changed").with_hint(
        "move what each link leads to into its place, or remove the link, and restore again",
    ))
}

fn is_wanted(stored: &str, options: &RestoreOptions) -> bool {
    match (paths::database_name(stored), options.databases.is_empty()) {
        (Some(name), false) => options.databases.iter().any(|wanted| plain_name(wanted) == name),
        (None, false) => false,
        (Some(_), true) => true,
        (None, true) => options.blobs == Blobs::Include,
    }
}

/// Brings the files out of the backup, by their stored names, and has the databases checked;
/// returns the files that its manifest does not name.
fn bring(
    place: &Place,
    entry: &BackupEntry,
    manifest: &Manifest,
    target: &Path,
    wanted: &dyn Fn(&str) -> bool,
    verification: Verification,
) -> Result<Vec<String>, Error> {
    let total = manifest.total_size_bytes;
    let mut meter = Meter::new(&place.listener, Phase::Unpack, total);
    let mut waiting = Meter::at_end(&place.listener, Phase::Unpack, total);
    let mut unnamed = Vec::new();
    let found = reading_back::beside(&mut waiting, |reader| {
        let verified = verification == Verification::Full;
        let unpacking = Unpacking { verified, wanted, reader };
        unnamed = match entry.form {
            Form::Archive => {
                archive::unpack(&entry.path, manifest, target, &unpacking, &mut meter)?
            }
            Form::Directory => unpacking.folder(&entry.path, manifest, target, &mut meter)?,
        };
        Ok(())
    })?;
    let mut wrong = soundness::faults(found.faults)?;
    if wrong.is_empty() && verification == Verification::Full {
        wrong = soundness::other_versions(place, target, manifest)?;
    }
    soundness::refuse(&manifest.backup_id, wrong)?;
    Ok(unnamed)
}

/// Moves the files to where they belong in the data directory, with their modes and times.
fn lay_out(
    place: &Place,
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
        if let Some(mode) =
            mode_of_replaced(place, live).filter(|_| !manifest.files.contains_key(stored))
        {
            files::set_mode(&from, mode)?;
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

/// The Python tool's backups tell of no modes: what is replaced says who may read it, else its owner alone.
fn mode_of_replaced(place: &Place, live: &str) -> Option<u32> {
    let metadata = place.data_dir.join(live).symlink_metadata().ok()?;
    metadata.is_file().then(|| files::mode_of(&metadata))
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
        let is_ours = name == crate::sqlite::STATE_DIR || name == "backups";
        // No backup holds a link, so that one is missing says nothing.
        let is_link = entry.path().is_symlink();
        let is_kept = is_ours || is_side_file || is_link || entries.contains(&name);
        if is_kept || !(is_database || everything) || kept::holds_backups(place, &entry.path())? {
            continue;
        }
        files::create_file(&stage.join(swap::REMOVALS).join(&name))?;
        gone.insert(name);
    }
    Ok(gone)
}
