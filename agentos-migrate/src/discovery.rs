//! Migration files that are not part of the set: a forgotten `mod` line.
//!
//! Reads the source tree, so it is for tests and for the commands of a
//! developer, never for a program in the field.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::migration::Migration;

/// A migration file whose version no migration of the set has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnregisteredFile {
    /// The path from the crate's root.
    pub(crate) path: PathBuf,
    /// The version in the file's name.
    pub(crate) version: String,
}

/// Returns the files named like migrations (`0003_add_tags.rs`,
/// `0003_add_tags.up.sql`) below a folder of the crate, whose version is not
/// among the migrations. A folder that can't be read holds none: the source
/// tree may be elsewhere than where the program was compiled.
pub(crate) fn unregistered_files(
    manifest_dir: &Path,
    folder: &Path,
    migrations: &[Migration],
) -> Vec<UnregisteredFile> {
    let registered: BTreeSet<u128> =
        migrations.iter().map(|migration| migration.info().version.number()).collect();
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(manifest_dir.join(folder)).sort_by_file_name() {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name().to_string_lossy();
        let Some((version, number)) = version_of(&name) else { continue };
        if entry.file_type().is_file() && !registered.contains(&number) {
            let path = entry.path().strip_prefix(manifest_dir).unwrap_or(entry.path());
            files.push(UnregisteredFile { path: path.to_owned(), version: version.to_owned() });
        }
    }
    files
}

/// Returns the version of a name like `0003_add_tags.rs`.
fn version_of(name: &str) -> Option<(&str, u128)> {
    let is_migration = [".rs", ".up.sql"].iter().any(|ending| name.ends_with(ending));
    let (digits, _) = name.split_once('_').filter(|_| is_migration)?;
    let version: crate::version::Version = digits.parse().ok()?;
    Some((digits, version.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_mod_line_is_found_wherever_it_lies() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("src/versions/old");
        std::fs::create_dir_all(&folder).unwrap();
        for name in [
            "src/versions/0001_create.rs",
            "src/versions/0002_forgotten.rs",
            "src/versions/old/00003_more.up.sql",
            "src/versions/old/00003_more.down.sql",
            "src/versions/helpers.rs",
            "src/versions/12_short.rs",
            "src/versions/0004_notes.md",
        ] {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        let migrations = [Migration::new("0001", &["a"], |_| Ok(()))];
        let found = unregistered_files(root.path(), Path::new("src"), &migrations);
        let expected = [
            ("src/versions/0002_forgotten.rs", "0002"),
            ("src/versions/old/00003_more.up.sql", "00003"),
        ]
        .map(|(path, version)| UnregisteredFile { path: path.into(), version: version.into() });
        assert_eq!(found, expected);
        assert_eq!(unregistered_files(root.path(), Path::new("none"), &migrations), []);
    }
}
