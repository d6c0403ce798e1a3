//! What is on the disk after a crash: backups, restores and removals are recorded, and stopped behind
//! every operation. Processes that die are in the chapter above; here the power fails too.
//!
//! `cargo test -p agentos-migrate backup::tests::crashes` looks at a seeded sample;
//! `AGENTOS_MIGRATE_EXHAUSTIVE=1` at every operation under every model.

use std::path::PathBuf;

use super::{fill, is_wal, options, value};
use crate::backup::faults::{Fault, under};
use crate::backup::{BackupManager, Compression, RestoreOptions};
use crate::sqlite::vfs::disk::{Disk, Model, Operation, Random, Recording, disk_after};
use crate::sqlite::vfs::watch;

/// How many states of each scenario and model the short form looks at.
const STATES: usize = 40;

/// A data directory with backups in it, in memory where the system has such a place.
struct World {
    _directory: tempfile::TempDir,
    path: PathBuf,
    manager: BackupManager,
}

impl World {
    fn new(files: usize) -> Self {
        let shared_memory = std::path::Path::new("/dev/shm");
        let directory = tempfile::tempdir_in(shared_memory).or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory");
        let path = directory.path().canonicalize().expect("a real path");
        fill(&path, "one");
        for number in 0..files {
            let name = path.join(format!("blobs/a/{number}.blob"));
            std::fs::write(name, number.to_string()).expect("writes");
        }
        let manager = BackupManager::new(&path);
        Self { _directory: directory, path, manager }
    }

    fn back_up(&self, compression: Compression) -> String {
        self.manager.create_backup(&options(compression)).expect("makes").backup_id
    }

    /// Records what is done here.
    fn record(&self, act: impl FnOnce(&BackupManager)) -> Recording {
        let (watched, recorder) = watch::record(&self.path);
        act(&self.manager);
        drop(watched);
        recorder.recording()
    }

    /// Stops a recorded run everywhere; `look` is told what is promised: all that was done, or nothing.
    fn crash(&self, recording: &Recording, mut look: impl FnMut(bool) -> Result<(), String>) {
        let mut random = Random::new(23);
        let count = recording.operations.len();
        let exhaustive = std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some();
        for model in [Model::Kill, Model::PowerLossNothing, Model::PowerLossAnything] {
            let mut points: Vec<usize> = if exhaustive {
                // Chance is asked more than once.
                let times = if model == Model::PowerLossAnything { 4 } else { 1 };
                (0..times).flat_map(|_| 0..=count).collect()
            } else {
                (0..STATES).map(|_| random.below(count + 1)).collect()
            };
            points.push(count);
            for at in points {
                let disk = disk_after(recording, at, model, &mut random);
                disk.write_to(&self.path).expect("writes");
                look(at == count).unwrap_or_else(|what| {
                    let last = last_of(&recording.operations[..at]);
                    panic!("{model:?} behind operation {at} of {count} ({last}): {what}")
                });
            }
        }
    }

    /// Verifies every backup that is listed; returns their ids, newest first.
    fn good_backups(&self) -> Result<Vec<String>, String> {
        let listed = self.manager.list_backups().map_err(|error| format!("{error:?}"))?;
        let look = |id: String| match self.manager.verify_backup(&id) {
            Ok(_) => Ok(id),
            Err(error) => Err(format!("{id} is listed: {error:?}")),
        };
        listed.into_iter().map(|entry| look(entry.id)).collect()
    }

    /// Returns the names in the folder of backups that no backup has.
    fn leftovers(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.manager.directory()) else { return Vec::new() };
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with('.')).collect()
    }
}

fn last_of(done: &[Operation]) -> String {
    format!("{:?}", done.last()).chars().take(160).collect()
}

/// Looks at backups that were being made.
fn check_making(world: &World, compression: Compression, earlier: &[String]) {
    let mut made = String::new();
    let recording = world.record(|_| made = world.back_up(compression));
    world.crash(&recording, |promised| {
        if value(&world.path) != "two" {
            return Err("the data is another".to_owned());
        }
        let good = world.good_backups()?;
        if promised && good.first() != Some(&made) {
            return Err(format!("{made} is not there, only {good:?}"));
        }
        if !earlier.iter().all(|id| good.contains(id)) {
            return Err(format!("an earlier one is gone: {good:?}"));
        }
        let next = world.back_up(compression);
        world.manager.verify_backup(&next).map_err(|error| format!("the next: {error:?}"))?;
        match world.leftovers().as_slice() {
            [] => Ok(()),
            left => Err(format!("left: {left:?}")),
        }
    });
}

// Proves G5.
#[test]
fn a_crash_while_a_backup_is_made_leaves_it_whole_or_unlisted() {
    for compression in [Compression::None, Compression::Zstd] {
        let world = World::new(0);
        let first = world.back_up(Compression::None);
        fill(&world.path, "two");
        check_making(&world, compression, &[first]);
    }
}

// Proves G5.
#[test]
fn a_first_backup_and_one_of_many_files_are_there_once_they_are_promised() {
    for files in [0, 40] {
        let world = World::new(files);
        fill(&world.path, "two");
        check_making(&world, Compression::None, &[]);
    }
}

// Proves G5.
#[test]
fn a_crash_of_a_restore_leaves_all_files_old_or_all_new() {
    // The folder of the engine's own files is there, or the restore makes it.
    for (files, is_new) in [(0, false), (0, true), (40, false)] {
        let world = World::new(files);
        let id = world.back_up(Compression::None);
        fill(&world.path, "two");
        if is_new {
            std::fs::remove_dir_all(world.path.join(crate::sqlite::STATE_DIR)).expect("removes");
        }
        let restore = |manager: &BackupManager| {
            manager.restore_backup(&id, &RestoreOptions::default()).expect("restores");
        };
        let recording = world.record(restore);
        let (mut old, mut new) = (0, 0);
        world.crash(&recording, |promised| {
            let recovered = world.manager.recover_alone();
            recovered.map_err(|error| format!("{error:?}"))?;
            if !is_wal(&world.path) {
                return Err("chat.db has lost its journal mode".to_owned());
            }
            let found = value(&world.path);
            *(if found == "one" { &mut new } else { &mut old }) += 1;
            if promised && found != "one" {
                return Err(format!("the restore is done, and the files hold {found}"));
            }
            match world.good_backups()? {
                good if good == [id.as_str()] => Ok(()),
                other => Err(format!("the backups are {other:?}")),
            }
        });
        assert!(old > 0 && new > 0, "{old} old, {new} new");
    }
}

// Proves G5.
#[test]
fn a_crash_of_a_removal_leaves_whole_backups_only() {
    let world = World::new(0);
    let ids: Vec<String> =
        [Compression::None, Compression::Zstd, Compression::None].map(|c| world.back_up(c)).into();
    let recording = world.record(|manager| {
        manager.cleanup_old_backups(1, 0).expect("removes");
    });
    world.crash(&recording, |promised| {
        let good = world.good_backups()?;
        if good.first() != ids.last() {
            return Err(format!("the newest is gone: {good:?}"));
        }
        if promised && good.len() > 1 {
            return Err(format!("they were removed: {good:?}"));
        }
        Ok(())
    });
}

// Proves G5.
#[test]
fn a_crash_while_a_failed_restore_is_put_back_leaves_all_files_old_or_all_new() {
    let world = World::new(0);
    let id = world.back_up(Compression::None);
    fill(&world.path, "two");
    let before = Disk::of(&world.path).expect("reads");
    let restore = || world.manager.restore_backup(&id, &RestoreOptions::default());
    let (done, count) = under(Fault::None, restore);
    done.expect("restores");
    let mut put_back = 0;
    for fails_at in 1..=count {
        before.write_to(&world.path).expect("writes");
        let mut state = String::new();
        let recording = world.record(|_| {
            let failed = under(Fault::DeviceOnce(fails_at), restore).0.err();
            let said = failed.as_ref().and_then(|error| error.state());
            state = said.unwrap_or_default().to_owned();
        });
        if !state.contains("back in its place") {
            continue;
        }
        put_back += 1;
        world.crash(&recording, |promised| {
            let recovered = world.manager.recover_alone();
            recovered.map_err(|error| format!("{error:?}"))?;
            match value(&world.path).as_str() {
                "two" => Ok(()),
                "one" if !promised => Ok(()),
                other => Err(format!("operation {fails_at} failed, and the files hold {other}")),
            }
        });
    }
    assert!(put_back > 3, "{put_back} restores were put back");
}
