//! What a restore leaves where it is, though the backup does not hold it: backups, and, if the backup
//! is not one of everything, all files that it lacks.
//!
//! A folder is replaced whole, by one rename. So what is to stay in it is linked into the new folder
//! before the restore is decided: then it is there with the new files, or nothing has changed.

use std::collections::BTreeSet;
use std::path::Path;

use super::manifest::{MANIFEST_BYTES_MAX, Manifest, Scope};
use super::place::Place;
use super::{files, paths};
use crate::error::{Error, ErrorKind};

/// Whether an entry of the data directory is a backup, or holds one, or is above the folder of them.
pub(super) fn holds_backups(place: &Place, entry: &Path) -> Result<bool, Error> {
    if place.is_folder_of_backups(entry) || place.is_above_backups(entry) {
        return Ok(true);
    }
    for found in walkdir::WalkDir::new(entry) {
        if is_backup(found.map_err(|error| unreadable(entry, error))?.path()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Links what has to stay into the staged entries.
pub(super) fn keep(
    place: &Place,
    manifest: &Manifest,
    stage: &Path,
    entries: &BTreeSet<String>,
) -> Result<(), Error> {
    let held: BTreeSet<&str> =
        manifest.checksums.keys().filter_map(|p| paths::live_of(p)).collect();
    for entry in entries {
        let live = place.data_dir.join(entry);
        if live.is_symlink() || !live.is_dir() {
            continue;
        }
        let mut walk = walkdir::WalkDir::new(&live).sort_by_file_name().into_iter();
        while let Some(found) = walk.next() {
            let found = found.map_err(|error| unreadable(&live, error))?;
            let inner = found.path().strip_prefix(&place.data_dir).unwrap_or(found.path());
            if is_backup(found.path()) || place.is_folder_of_backups(found.path()) {
                refuse_no_folder(stage, inner)?;
                link_tree(found.path(), &stage.join(inner))?;
                if found.file_type().is_dir() {
                    walk.skip_current_dir();
                }
            } else if lacks(place, manifest, inner) && !is_side_file_of(&held, inner) {
                refuse_no_folder(stage, inner)?;
                link(&found, &stage.join(inner))?;
            }
        }
    }
    Ok(())
}

/// Whether the backup says nothing of what it does not hold here: the Python tool's, and a place
/// outside of the paths to which a set limits its backups.
fn lacks(place: &Place, manifest: &Manifest, live: &Path) -> bool {
    let is_limited = |paths: &Vec<String>| !paths.iter().any(|path| live.starts_with(path));
    manifest.scope != Scope::Everything || place.paths.as_ref().is_some_and(is_limited)
}

/// A write-ahead log or journal would be taken for one of the restored file.
fn is_side_file_of(held: &BTreeSet<&str>, live: &Path) -> bool {
    let owner = live.to_str().and_then(paths::owner_of_side_file);
    owner.is_some_and(|owner| held.contains(owner))
}

/// A file of the backup that would take the place of a folder in which something stays.
fn refuse_no_folder(stage: &Path, inner: &Path) -> Result<(), Error> {
    let is_file = |path: &&Path| stage.join(path).symlink_metadata().is_ok_and(|it| !it.is_dir());
    let Some(file) = inner.ancestors().skip(1).find(is_file) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::Usage,
        format!(
            "a restore would put a file in the place of {}, which holds backups",
            file.display()
        ),
    )
    .detail("it holds backups, or other files that the backup lacks")
    .in_state("nothing was changed")
    .with_hint("move the folder out of the data directory, and restore again"))
}

/// Links a file, or the files of a folder, but for those that are there already.
fn link_tree(live: &Path, staged: &Path) -> Result<(), Error> {
    for found in walkdir::WalkDir::new(live) {
        let found = found.map_err(|error| unreadable(live, error))?;
        let inner = found.path().strip_prefix(live).unwrap_or(found.path());
        // `join` of nothing would end in a separator, which a file's path can't.
        let target =
            if inner.as_os_str().is_empty() { staged.to_owned() } else { staged.join(inner) };
        link(&found, &target)?;
    }
    Ok(())
}

fn link(live: &walkdir::DirEntry, staged: &Path) -> Result<(), Error> {
    if staged.symlink_metadata().is_ok() {
        return Ok(());
    }
    let metadata = live.metadata().map_err(|error| unreadable(live.path(), error))?;
    if metadata.is_dir() {
        files::create_dir_all(staged)?;
        // A folder that its owner can't write to could not be filled.
        return files::set_mode(staged, files::mode_of(&metadata) | 0o700);
    }
    if let Some(parent) = staged.parent() {
        files::create_dir_all(parent)?;
    }
    // A link is linked itself, and not what it leads to.
    files::hard_link(live.path(), staged).map_err(|error| files::failed("keep", live.path(), error))
}

/// Whether this looks like a backup, good or not, of ours or of the Python tool.
pub(super) fn is_backup(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let is_archive = paths::ARCHIVE_ENDINGS.iter().any(|ending| name.ends_with(ending));
    if path.is_symlink() {
        return false;
    }
    if !path.is_dir() {
        return is_archive && name.starts_with("backup_");
    }
    let manifest = path.join(paths::MANIFEST);
    let Ok(opened) = files::open_plain(&manifest) else { return false };
    let mut bytes = Vec::new();
    let mut limited = std::io::Read::take(opened, MANIFEST_BYTES_MAX);
    // One that can't be read may be one.
    std::io::Read::read_to_end(&mut limited, &mut bytes).is_err()
        || name.starts_with("backup_")
        || String::from_utf8_lossy(&bytes).contains("\"backup_id\"")
}

fn unreadable(path: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(path).to_owned();
    files::failed("read", &path, error.into())
}
