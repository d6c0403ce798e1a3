//! Verifying a backup: every file is what it was, and SQLite finds every database whole.

use std::path::Path;

use super::catalog::{self, Form};
use super::manifest::Manifest;
use super::options::{Meter, Phase};
use super::place::Place;
use super::soundness::{
    difference, fault_of_manifest, faults, other_versions, reason_of, refuse, unnamed,
};
use super::unpacking::Unpacking;
use super::{archive, files, paths, reading_back};
use crate::error::Error;
use crate::sqlite::scratch;

/// Checks a backup in place, or an archive by unpacking it into a temporary folder.
pub(super) fn verify(place: &Place, id: &str) -> Result<Manifest, Error> {
    let (entry, manifest) = catalog::find(place, id)?;
    let mut meter = Meter::new(&place.listener, Phase::Verify, manifest.total_size_bytes);
    if entry.form == Form::Directory {
        check_folder(place, &entry.path, &manifest, &mut meter)?;
        return Ok(manifest);
    }
    let scratch = scratch::directory()?;
    place.check_space(scratch.path(), manifest.total_size_bytes).map_err(scratch::point_out)?;
    let mut unnamed = Vec::new();
    let mut waiting = Meter::at_end(&place.listener, Phase::Verify, manifest.total_size_bytes);
    let found = reading_back::beside(&mut waiting, |reader| {
        let unpacking = Unpacking { verified: true, wanted: &|_| true, reader };
        unnamed = archive::unpack(&entry.path, &manifest, scratch.path(), &unpacking, &mut meter)?;
        Ok(())
    });
    let found = found.map_err(|error| of_copies(error, scratch.path()))?;
    let mut wrong = faults(found.faults)?;
    wrong.extend(not_named(unnamed));
    if wrong.is_empty() {
        wrong = other_versions(place, scratch.path(), &manifest)?;
    }
    refuse(&manifest.backup_id, wrong)?;
    Ok(manifest)
}

/// Tells trouble with the copies from trouble with the backup.
fn of_copies(error: Error, copies: &Path) -> Error {
    let is_of_copies = error.to_string().contains(&*copies.to_string_lossy());
    if is_of_copies { scratch::point_out(error) } else { error }
}

fn not_named(unnamed: Vec<String>) -> impl Iterator<Item = String> {
    unnamed.into_iter().map(|stored| format!("{stored}: the manifest does not name it"))
}

/// Compares every file of a folder with the manifest, and asks SQLite about every database.
fn check_folder(
    place: &Place,
    root: &Path,
    manifest: &Manifest,
    meter: &mut Meter<'_>,
) -> Result<(), Error> {
    let found = reading_back::beside(meter, |reader| {
        for stored in manifest.checksums.keys() {
            let path = root.join(stored);
            reader.hash(stored, &path);
            if paths::database_name(stored).is_some() && path.is_file() {
                reader.check(stored, &path);
            }
        }
        Ok(())
    })?;
    let mut wrong: Vec<String> = fault_of_manifest(root, manifest)?.into_iter().collect();
    for (stored, hash) in found.hashes {
        let expected = manifest.checksums.get(&stored).map(String::as_str).unwrap_or_default();
        match hash {
            Ok((found, _)) => wrong.extend(difference(&stored, expected, &found)),
            Err(error) if files::is_of_the_backup(&error) => {
                wrong.push(format!("{stored}: {}", reason_of(&error)));
            }
            Err(error) => return Err(error),
        }
    }
    wrong.extend(faults(found.faults)?);
    wrong.extend(not_named(unnamed(root, manifest)?));
    // Only sound files are asked further.
    if wrong.is_empty() {
        wrong = other_versions(place, root, manifest)?;
    }
    refuse(&manifest.backup_id, wrong)
}
