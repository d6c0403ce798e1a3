//! Which backups there are, good ones and damaged ones.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::manifest::{MANIFEST_BYTES_MAX, Manifest};
use super::place::Place;
use super::{archive, files, paths};
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::of_kind;

/// A backup that is there, or what is left of one.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct BackupEntry {
    /// The id, by which the other calls know it: its file's or folder's name.
    pub id: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its form.
    pub form: Form,
    /// The bytes that it takes on the disk, as an archive.
    pub archive_bytes: Option<u64>,
    /// What it says of itself.
    pub manifest: Option<Manifest>,
    /// Why it can't be used.
    pub problem: Option<String>,
    /// Whether that is its own fault, or that of the system that can't read it.
    #[serde(skip)]
    pub(crate) kind: Option<ErrorKind>,
}

/// The form of a backup on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A folder.
    Directory,
    /// An archive, `.tar.zst` or `.tar.gz`.
    Archive,
}

/// Lists the backups, newest first.
pub(super) fn list(place: &Place) -> Result<Vec<BackupEntry>, Error> {
    let entries = match std::fs::read_dir(&place.directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(files::failed("read", &place.directory, error)),
    };
    let mut found: Vec<BackupEntry> =
        entries.flatten().filter_map(|entry| look(&entry.path())).collect();
    found.sort_by(|a, b| match (&a.manifest, &b.manifest) {
        (Some(a), Some(b)) => b.order(a),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => b.id.cmp(&a.id),
    });
    Ok(found)
}

fn look(path: &Path) -> Option<BackupEntry> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with('.') {
        return None;
    }
    let metadata = path.symlink_metadata().ok()?;
    let (id, form) = if metadata.is_dir() {
        (name, Form::Directory)
    } else {
        let ending = paths::ARCHIVE_ENDINGS.iter().find(|ending| name.ends_with(*ending))?;
        (name.strip_suffix(ending)?, Form::Archive)
    };
    paths::check_id(id).ok()?;
    let read = match form {
        Form::Directory => directory_manifest(path),
        Form::Archive => archive::manifest(path),
    };
    let read = read.and_then(|manifest| match manifest.fault_under(id) {
        None => Ok(manifest),
        Some(fault) => Err(archive::damaged(path, fault)),
    });
    let (manifest, kind, problem) = match read {
        Ok(manifest) => (Some(manifest), None, None),
        Err(error) => (None, Some(error.kind()), Some(problem_of(&error))),
    };
    let archive_bytes = (form == Form::Archive).then_some(metadata.len());
    Some(BackupEntry {
        id: id.to_owned(),
        path: path.to_owned(),
        form,
        archive_bytes,
        manifest,
        problem,
        kind,
    })
}

fn problem_of(error: &Error) -> String {
    let said = error.details().first().cloned().unwrap_or_else(|| error.to_string());
    if error.kind() == ErrorKind::DamagedBackup { said } else { format!("can't be read: {said}") }
}

fn directory_manifest(path: &Path) -> Result<Manifest, Error> {
    let file = path.join(paths::MANIFEST);
    let damaged = |problem: String| {
        Error::new(ErrorKind::DamagedBackup, format!("the backup {} is damaged", path.display()))
            .detail(problem)
    };
    let unreadable = |error: std::io::Error| {
        if files::is_no_plain_file(&error) {
            damaged(format!("manifest.json can't be read: {error}"))
        } else {
            files::failed("read", &file, error)
        }
    };
    let opened = files::open_plain(&file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = std::io::Read::read_to_end(
        &mut std::io::Read::take(opened, MANIFEST_BYTES_MAX),
        &mut bytes,
    );
    read.map_err(unreadable)?;
    Manifest::parse(&bytes).map_err(damaged)
}

/// Finds a backup that can be used, with its manifest.
pub(super) fn find(place: &Place, id: &str) -> Result<(BackupEntry, Manifest), Error> {
    paths::check_id(id)?;
    let entry = entry(place, id)?;
    match (&entry.manifest, &entry.problem) {
        (Some(manifest), _) => {
            let manifest = manifest.clone();
            Ok((entry, manifest))
        }
        (None, problem) => {
            let problem = problem.clone().unwrap_or_default();
            Err(match entry.kind.filter(|kind| *kind != ErrorKind::DamagedBackup) {
                Some(kind) => {
                    let text = format!("the backup {} can't be looked at", entry.path.display());
                    of_kind(kind, text, &entry.path).detail(problem)
                }
                None => archive::damaged(&entry.path, problem),
            })
        }
    }
}

/// Finds what has this id, good or not.
pub(super) fn entry(place: &Place, id: &str) -> Result<BackupEntry, Error> {
    paths::check_id(id)?;
    let candidates = std::iter::once(place.directory.join(id)).chain(
        paths::ARCHIVE_ENDINGS.iter().map(|ending| place.directory.join(format!("{id}{ending}"))),
    );
    let found =
        candidates.filter(|path| path.symlink_metadata().is_ok()).find_map(|path| look(&path));
    if let Some(found) = found {
        return Ok(found);
    }
    let all = list(place)?;
    let nearest =
        all.iter().map(|entry| (strsim::damerau_levenshtein(&entry.id, id), &entry.id)).min();
    let error = Error::new(
        ErrorKind::UnknownBackup,
        format!("there is no backup {id} in {}", place.directory.display()),
    );
    let error = error.in_state("nothing was changed");
    Err(match nearest {
        Some((_, nearest)) => {
            error.with_hint(format!("did you mean `{nearest}`? `list-backups` shows all"))
        }
        None => error.with_hint("make one with `backup`"),
    })
}
