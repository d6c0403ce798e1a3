//! Bringing the files of a backup out of it, hashed and checked on the way.

use std::io::Read;
use std::path::Path;

use super::hashing::StreamHasher;
use super::manifest::Manifest;
use super::options::Meter;
use super::reading_back::Reader;
use super::{files, paths, soundness};
use crate::checksum::Checksum;
use crate::error::Error;

/// How it is done.
pub(super) struct Unpacking<'a> {
    /// Whether the hashes are compared.
    pub(super) verified: bool,
    /// Which files, by stored path.
    pub(super) wanted: &'a dyn Fn(&str) -> bool,
    /// Who checks the databases that are complete.
    pub(super) reader: &'a Reader,
}

impl Unpacking<'_> {
    /// Copies the wanted files of a folder; returns the files that the manifest does not name.
    pub(super) fn folder(
        &self,
        root: &Path,
        manifest: &Manifest,
        target: &Path,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<String>, Error> {
        let mut wrong = Vec::new();
        if self.verified {
            wrong.extend(soundness::fault_of_manifest(root, manifest)?);
        }
        for (stored, expected) in manifest.checksums.iter().filter(|(path, _)| (self.wanted)(path))
        {
            let path = root.join(stored);
            match files::open_plain(&path) {
                Err(error) if files::is_no_plain_file(&error) => {
                    wrong.push(format!("{stored}: {error}"));
                }
                Err(error) => return Err(files::failed("read", &path, error)),
                Ok(mut file) => {
                    let found = self.bring(stored, &mut file, &target.join(stored), meter)?;
                    wrong.extend(found.and_then(|f| soundness::difference(stored, expected, &f)));
                }
            }
        }
        soundness::refuse(&manifest.backup_id, wrong)?;
        soundness::unnamed(root, manifest)
    }

    /// Copies one file and lets it be checked if it is a database; returns its hash if that is to be compared.
    pub(super) fn bring(
        &self,
        stored: &str,
        from: &mut dyn Read,
        copy: &Path,
        meter: &mut Meter<'_>,
    ) -> Result<Option<Checksum>, Error> {
        if let Some(parent) = copy.parent() {
            files::create_dir_all(parent)?;
        }
        let mut file = files::create_file(copy)?;
        let mut hasher = self.verified.then(StreamHasher::new);
        files::copy(from, &mut file, copy, &mut |chunk| {
            if let Some(hasher) = &mut hasher {
                hasher.update(chunk);
            }
            meter.add(chunk.len() as u64)
        })?;
        if paths::database_name(stored).is_some() {
            self.reader.check(stored, copy);
        }
        Ok(hasher.map(StreamHasher::finish))
    }
}
