//! Where data and backups are, and how patient and talkative to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::options::Listener;
use super::paths;
use crate::error::{Error, ErrorKind};
use crate::sqlite::STATE_DIR;
use crate::sqlite::directory::refuse_unusable;
use crate::system;
use crate::version::Version;

/// The settings of one [`BackupManager`](super::BackupManager).
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) data_dir: PathBuf,
    /// Where the backups are.
    pub(super) directory: PathBuf,
    /// Databases that must be good ones, by name; the others are found.
    pub(super) declared: Vec<String>,
    /// What to back up besides the declared databases; everything if nothing is said.
    pub(super) paths: Option<Vec<String>>,
    /// The migrations of the set that touch each database, by its name.
    pub(super) touching: BTreeMap<String, BTreeSet<Version>>,
    pub(super) wait: Duration,
    pub(super) schema_version_table: String,
    pub(super) application_version: String,
    pub(super) listener: Listener,
}

impl Place {
    /// Returns the path of a backup's directory form.
    pub(super) fn directory_of(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    /// Returns the path of a backup's archive.
    pub(super) fn archive_of(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.tar.zst"))
    }

    /// Returns when to give up, counted from now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.wait
    }

    /// Returns the live path of the backup directory, if it lies inside the data directory.
    pub(super) fn directory_inside(&self) -> Option<PathBuf> {
        let absolute = |path: &Path| system::real(path).or_else(|_| std::path::absolute(path));
        let (inner, outer) = (absolute(&self.directory).ok()?, absolute(&self.data_dir).ok()?);
        inner.strip_prefix(outer).ok().map(Path::to_owned)
    }

    /// Asks whether this is the folder of backups, however it is spelled.
    pub(super) fn is_folder_of_backups(&self, path: &Path) -> bool {
        !path.is_symlink()
            && system::real(&self.directory)
                .is_ok_and(|folder| system::real(path).is_ok_and(|path| folder == path))
    }

    /// Asks whether the folder of backups lies in this one, however it is spelled.
    pub(super) fn is_above_backups(&self, path: &Path) -> bool {
        system::real(&self.directory)
            .is_ok_and(|folder| system::real(path).is_ok_and(|path| folder.starts_with(path)))
    }

    /// Refuses a folder of backups whose backups would lack files, or in which data would pass for a backup.
    pub(super) fn check_apart(&self) -> Result<(), Error> {
        let (folder, data) = (resolved(&self.directory), resolved(&self.data_dir));
        let reserved = |name: &str| folder.starts_with(data.join(name));
        let fault = if data.starts_with(&folder) {
            "is the data directory, or above it"
        } else if reserved(STATE_DIR) {
            "is in the engine's own folder"
        } else if paths::NAMED_FOLDERS.into_iter().any(reserved) {
            "is in a folder that is to be saved itself"
        } else {
            return Ok(());
        };
        let text = format!("the folder of backups {} {fault}", self.directory.display());
        Err(Error::new(ErrorKind::Usage, text)
            .detail("what is in the folder of backups is no part of a backup")
            .in_state("nothing was changed")
            .with_hint("give a folder outside of the data directory: `--backup-dir PATH`"))
    }

    /// Refuses a question about a folder that is not there: `no backups` would be taken for an answer.
    ///
    /// The default folder may be missing, as no backup was made yet; its data directory may not.
    pub(super) fn check_exists(&self) -> Result<(), Error> {
        if self.directory == self.data_dir.join("backups") {
            return refuse_unusable(&self.data_dir);
        }
        let shown = self.directory.display();
        let text = match self.directory.metadata() {
            Ok(metadata) if !metadata.is_dir() => {
                format!("the folder of backups {shown} is a file")
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                format!("there is no folder of backups {shown}")
            }
            // What is there and can't be read is told by the one who reads it.
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::Usage, text)
            .in_state("nothing was changed")
            .with_hint("give the folder that holds the backups: `--backup-dir PATH`"))
    }

    /// Refuses if the file system of `path` has less than this many bytes left.
    pub(super) fn check_space(&self, path: &Path, needed: u64) -> Result<(), Error> {
        let Ok(free) = fs4::available_space(path) else {
            // A file system that can't tell still says so when it is full.
            return Ok(());
        };
        if free >= needed {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::DiskFull,
            format!("not enough free space for {} in {}", self.data_dir.display(), path.display()),
        )
        .detail(format!("needs {needed} bytes, {free} are free"))
        .in_state("nothing was changed")
        .with_hint("free some space, or remove old backups with `agentos-migrate prune --keep 3`"))
    }

    /// Refuses database names that nothing in `known` has.
    pub(super) fn check_names<'a>(
        wanted: &[String],
        known: impl Iterator<Item = &'a str> + Clone,
        place: &str,
    ) -> Result<(), Error> {
        for name in wanted {
            let name = plain_name(name);
            if known.clone().any(|known| known == name) {
                continue;
            }
            let nearest = known
                .clone()
                .map(|known| (strsim::damerau_levenshtein(known, name), known))
                .filter(|(distance, _)| *distance <= 3)
                .min();
            let all = known.collect::<Vec<_>>().join(", ");
            let error = Error::new(ErrorKind::Usage, format!("no database `{name}` in {place}"))
                .detail(format!("there are: {all}"))
                .in_state("nothing was changed");
            return Err(match nearest {
                Some((_, nearest)) => error.with_hint(format!("did you mean `{nearest}`?")),
                None => error,
            });
        }
        Ok(())
    }
}

/// Returns where a path leads, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = absolute.ancestors().find_map(|above| Some((above, system::real(above).ok()?)));
    let Some((above, real)) = there else { return absolute };
    match absolute.strip_prefix(above) {
        Ok(rest) if rest.as_os_str().is_empty() => real,
        Ok(rest) => real.join(rest),
        Err(_) => absolute,
    }
}

/// Returns a database's name without the ending that a caller may have added.
pub(super) fn plain_name(name: &str) -> &str {
    name.strip_suffix(paths::DATABASE_ENDING).unwrap_or(name)
}
