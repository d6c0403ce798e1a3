//! Files that are lost: what stands in their place, and what they left beside it.

use std::path::Path;

/// Says what is in the place of a file that is lost.
pub(super) fn how_lost(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => "is a directory".to_owned(),
        Ok(_) => "is empty".to_owned(),
        Err(_) => std::fs::read_link(path).map_or_else(
            |_| "is missing".to_owned(),
            |target| format!("is a link to {}, which is not there", target.display()),
        ),
    }
}

/// Whether the file is a link to one that is not there: on a disk that is not mounted, most likely.
pub(super) fn is_dangling(path: &Path) -> bool {
    path.is_symlink() && !path.exists()
}

/// Says what is left of a lost file: a log may hold rows that the file never got
/// (<https://sqlite.org/wal.html#the_wal_file>).
pub(super) fn log_left(path: &Path) -> Option<String> {
    let log = path.with_extension("db-wal");
    let holds = std::fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0);
    holds.then(|| {
        format!(
            "{} is there and may hold rows: keep it, and put the file back beside it",
            log.display()
        )
    })
}

/// Says that a rollback journal of a lost file is left: SQLite would play it into whatever comes in its place
/// (<https://sqlite.org/lockingv3.html#hot_journals>).
pub(super) fn journal_left(path: &Path) -> Option<String> {
    let journal = path.with_extension("db-journal");
    let holds = std::fs::metadata(&journal).is_ok_and(|metadata| metadata.len() > 0);
    holds.then(|| format!("{} is there, and belongs to the lost file", journal.display()))
}
