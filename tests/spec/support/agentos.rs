//! Real Agent OS data directories: never migrated, migrated by the Python tool, crashed, damaged.

use std::io::Cursor;

use super::Directory;

const ARCHIVE: &[u8] = include_bytes!("../../fixtures/agentos.tar.zst");

/// Unpacks one of the data directories into a new one.
pub(crate) fn directory(name: &str) -> Directory {
    let directory = Directory::new();
    let stream = zstd::stream::read::Decoder::new(Cursor::new(ARCHIVE)).expect("zstd");
    let mut archive = tar::Archive::new(stream);
    let prefix = format!("{name}/");
    for entry in archive.entries().expect("tar") {
        let mut entry = entry.expect("tar");
        let path = entry.path().expect("a path").into_owned();
        if let Ok(inner) = path.strip_prefix(&prefix) {
            let target = directory.path().join(inner);
            std::fs::create_dir_all(target.parent().expect("a parent")).expect("creates");
            entry.unpack(&target).expect("unpacks");
        }
    }
    directory
}
