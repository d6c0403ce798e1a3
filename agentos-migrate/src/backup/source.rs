//! What of the data directory goes into a backup.
//!
//! Reads names and sizes only. Content of databases is never read through the
//! file system: closing any descriptor of a file drops the locks that SQLite
//! holds on it in this process (<https://www.sqlite.org/howtocorrupt.html>,
//! 2.2). Links are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::options::{BackupOptions, Blobs};
use super::place::{Place, plain_name};
use super::{files, kept, paths};
use crate::error::{Error, ErrorKind};
use crate::sqlite::STATE_DIR;
use crate::system;

/// The name of the tracking database, which belongs to every set.
const TRACKING: &str = "migrations";

/// A file to copy through SQLite.
#[derive(Debug, Clone)]
pub(super) struct DatabaseSource {
    pub(super) stored: String,
    pub(super) path: PathBuf,
    /// Decides the order of locking, the same for every process.
    pub(super) real_path: PathBuf,
    pub(super) mode: u32,
    /// Whether it must be a database: the set declares it.
    pub(super) certain: bool,
}

/// A file to copy as it is.
#[derive(Debug, Clone)]
pub(super) struct FileSource {
    pub(super) stored: String,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) mode: u32,
}

/// The files beside the databases.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<FileSource>,
    pub(super) directories: BTreeMap<String, u32>,
    pub(super) notes: Vec<String>,
}

impl Listing {
    pub(super) fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// Something in the data directory that may go into a backup.
struct Found {
    live: String,
    path: PathBuf,
    metadata: Metadata,
}

impl Found {
    fn is_top(&self) -> bool {
        !self.live.contains('/')
    }

    fn top_database(&self) -> Option<&str> {
        let name = self.live.strip_suffix(paths::DATABASE_ENDING)?;
        (self.is_top() && !name.is_empty() && !self.metadata.is_dir()).then_some(name)
    }
}

/// Finds the databases to copy, sorted by real path.
pub(super) fn find_databases(
    place: &Place,
    options: &BackupOptions,
) -> Result<Vec<DatabaseSource>, Error> {
    let found = walk(place)?;
    let known = found.iter().filter_map(Found::top_database);
    Place::check_names(
        &options.databases,
        known,
        &format!("the data directory {}", place.data_dir.display()),
    )?;
    let names: BTreeSet<&str> = found.iter().map(|found| found.live.as_str()).collect();
    let mut databases = Vec::new();
    for found in &found {
        let has_side_file =
            ["-wal", "-journal"].iter().any(|end| names.contains(&*format!("{}{end}", found.live)));
        let wanted = match found.top_database() {
            Some(name) => {
                options.databases.is_empty()
                    || options.databases.iter().any(|wanted| plain_name(wanted) == name)
            }
            None => {
                found.metadata.is_file()
                    && options.blobs == Blobs::Include
                    && options.databases.is_empty()
                    && (paths::is_database_name(&found.path) || has_side_file)
            }
        };
        if wanted {
            databases.push(database(place, found)?);
        }
    }
    databases.sort_by(|one, other| one.real_path.cmp(&other.real_path));
    Ok(databases)
}

/// Returns the databases of the set that have no file.
pub(super) fn missing_databases(place: &Place) -> Vec<String> {
    let file = |name: &String| place.data_dir.join(format!("{name}{}", paths::DATABASE_ENDING));
    let missing = place.declared.iter().filter(|name| file(name).symlink_metadata().is_err());
    missing.cloned().collect()
}

fn database(place: &Place, found: &Found) -> Result<DatabaseSource, Error> {
    if found.metadata.is_symlink() {
        return Err(Error::new(
            ErrorKind::BackupFailed,
            format!("{} is a link, and a backup follows no links", found.path.display()),
        )
        .in_state("no backup was made, nothing was changed")
        .with_hint("put the database itself there, or make its folder the data directory with `--data-dir`"));
    }
    let declared = found.top_database().is_some_and(|name| {
        name == TRACKING || place.declared.iter().any(|declared| declared == name)
    });
    let real_path = system::real(&found.path);
    Ok(DatabaseSource {
        stored: found
            .top_database()
            .map_or_else(|| paths::stored_file(&found.live), paths::stored_database),
        real_path: real_path.map_err(|e| files::failed("find", &found.path, e))?,
        path: found.path.clone(),
        mode: files::mode_of(&found.metadata),
        certain: declared,
    })
}

/// Lists all else, at the moment of the call.
pub(super) fn find_files(place: &Place, databases: &[DatabaseSource]) -> Result<Listing, Error> {
    let taken: BTreeSet<&Path> = databases.iter().map(|d| d.path.as_path()).collect();
    let mut listing = Listing::default();
    for found in walk(place)? {
        if taken.contains(found.path.as_path()) || is_side_file(&found.path, &taken) {
            continue;
        }
        let kind = found.metadata.file_type();
        if kind.is_dir() {
            let stored = if paths::NAMED_FOLDERS.contains(&found.live.as_str()) {
                found.live
            } else {
                paths::stored_file(&found.live)
            };
            listing.directories.insert(stored, files::mode_of(&found.metadata));
        } else if kind.is_file() {
            listing.files.push(FileSource {
                stored: paths::stored_file(&found.live),
                size: found.metadata.len(),
                mode: files::mode_of(&found.metadata),
                path: found.path,
            });
        } else {
            let what = if kind.is_symlink() { "a link" } else { "no regular file" };
            listing.notes.push(format!("left out {}: it is {what}", found.live));
        }
    }
    Ok(listing)
}

/// Whether SQLite keeps this file beside a database, among them super-journals.
fn is_side_file(path: &Path, databases: &BTreeSet<&Path>) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    if let Some(owner) = paths::owner_of_side_file(name) {
        let owner = path.with_file_name(owner);
        // Without its database it is a file as any other, and may hold what nothing else does.
        return databases.contains(owner.as_path())
            || (paths::is_database_name(&owner) && owner.exists());
    }
    name.split_once("-mj").is_some_and(|(owner, rest)| {
        rest.len() == 9 && databases.contains(path.with_file_name(owner).as_path())
    })
}

/// Returns the time of last change in nanoseconds since 1970.
pub(super) fn modified_ns(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default()
}

/// The folder of backups, where that is in the data directory.
struct Backups {
    /// From the data directory on.
    folder: PathBuf,
    /// What else is in it: it is a folder of the application, too.
    data: BTreeSet<OsString>,
}

impl Backups {
    fn inside(place: &Place) -> Result<Option<Self>, Error> {
        let Some(folder) = place.directory_inside() else { return Ok(None) };
        let mut data = BTreeSet::new();
        let path = place.data_dir.join(&folder);
        let entries = std::fs::read_dir(&path).map_err(|e| files::failed("read", &path, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| files::failed("read", &path, e))?;
            if !kept::is_backup(&entry.path()) && !paths::is_of_a_backup(&entry.file_name()) {
                data.insert(entry.file_name());
            }
        }
        Ok(Some(Self { folder, data }))
    }

    /// Whether a path of the data directory is a backup, or in one, or the folder that has nothing else.
    fn holds(&self, live: &Path) -> bool {
        let Ok(rest) = live.strip_prefix(&self.folder) else { return false };
        match rest.components().next() {
            Some(first) => !self.data.contains(first.as_os_str()),
            None => self.data.is_empty(),
        }
    }
}

fn walk(place: &Place) -> Result<Vec<Found>, Error> {
    let backups = Backups::inside(place)?;
    let declared_paths = place.paths.as_ref().map(|paths| {
        let databases = place.declared.iter().map(String::as_str).chain([TRACKING]);
        let databases = databases.map(|name| format!("{name}{}", paths::DATABASE_ENDING));
        paths.iter().cloned().chain(databases).collect::<Vec<_>>()
    });
    let wanted = |live: &Path| {
        let inside = |folder: &str| live.starts_with(folder);
        let leads_to = |path: &String| live.starts_with(path) || Path::new(path).starts_with(live);
        !inside(STATE_DIR)
            && !inside("backups")
            && backups.as_ref().is_none_or(|folder| !folder.holds(live))
            && declared_paths.as_ref().is_none_or(|paths| paths.iter().any(leads_to))
    };
    let entries = walkdir::WalkDir::new(&place.data_dir)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.path().strip_prefix(&place.data_dir).is_ok_and(&wanted));
    let mut all = Vec::new();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            // Gone between the listing of its folder and now.
            Err(e) if e.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => {
                continue;
            }
            Err(e) => return Err(unreadable(place, e)),
        };
        let Ok(metadata) = entry.metadata() else { continue };
        let live = entry.path().strip_prefix(&place.data_dir).unwrap_or(entry.path());
        let Some(live) = live.to_str() else {
            return Err(Error::new(
                ErrorKind::BackupFailed,
                format!("the name of {} is not UTF-8, and a manifest is", entry.path().display()),
            )
            .in_state("no backup was made, nothing was changed")
            .with_hint("rename the file"));
        };
        let live = live.replace(std::path::MAIN_SEPARATOR, "/");
        all.push(Found { live, path: entry.into_path(), metadata });
    }
    Ok(all)
}

fn unreadable(place: &Place, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(&place.data_dir).to_owned();
    files::failed("read", &path, error.into()).in_state("no backup was made, nothing was changed")
}
