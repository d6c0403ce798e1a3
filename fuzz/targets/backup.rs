//! A backup made by anybody: refused, or restored inside of its directory.

use std::path::Path;

use agentos_migrate::{BackupManager, RestoreOptions, Verification};
use tempfile::TempDir;

/// The id of the backup that a target makes up.
pub const ID: &str = "backup_20260114_083012_5f3a0e1d";

/// A data directory in memory, beside a file that no restore may touch.
pub fn world() -> TempDir {
    let world =
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    std::fs::write(world.path().join("victim"), "untouched").expect("writes");
    std::fs::create_dir_all(world.path().join("data/backups")).expect("creates");
    std::fs::write(world.path().join("data/keys.json"), "old").expect("writes");
    world
}

/// Lists, verifies and restores the backup.
pub fn survives(world: &Path) {
    let data = world.join("data");
    let manager = BackupManager::new(&data);
    drop(manager.list_backups());
    let verified = manager.verify_backup(ID);
    for verify in [Verification::Full, Verification::Skip] {
        let options = RestoreOptions { verify, ..RestoreOptions::default() };
        let restored = manager.restore_backup(ID, &options);
        assert_eq!(std::fs::read(world.join("victim")).expect("stays"), b"untouched");
        assert_eq!(std::fs::read_dir(world).expect("reads").count(), 2, "a file is made outside");
        if restored.is_ok() {
            assert!(verified.is_ok() || verify == Verification::Skip, "what restores verifies");
            return;
        }
        assert_eq!(std::fs::read(data.join("keys.json")).expect("stays"), b"old");
    }
}
