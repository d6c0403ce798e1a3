//! The crash matrix: the engine's runs are recorded, and stopped behind every operation.
//!
//! `cargo test -p agentos-migrate crashes` looks at a seeded sample;
//! `AGENTOS_MIGRATE_EXHAUSTIVE=1` at every operation under every model.

use std::sync::{Arc, Mutex};

use super::world::{LATEST, World};
use crate::event::Progress;
use crate::migrator::Migrator;
use crate::plan::Target;
use crate::sqlite::vfs::disk::{Model, Operation, Random, Recording, disk_after};
use crate::sqlite::vfs::watch;

/// How many states of each scenario the short form looks at: five scenarios, 2,100 states.
const KILLS: usize = 110;
const LOSSES: usize = 110;
const ANYTHING: usize = 200;

/// A run that was recorded.
pub(super) struct Run {
    pub(super) recording: Recording,
    /// The version that was promised, from an operation on.
    promised: Vec<(usize, usize)>,
}

/// Records what the engine does in a directory.
pub(super) fn record(world: &World, act: impl FnOnce(&Migrator)) -> Run {
    let (watched, recorder) = watch::record(&world.path);
    let promised = Arc::new(Mutex::new(Vec::new()));
    let (told, counter) = (Arc::clone(&promised), recorder.clone());
    let migrator = world.migrator();
    let options = migrator.options().clone().observer(move |event| {
        if let Progress::MigrationFinished { result } = event {
            let step: usize = result.version.parse().expect("a number");
            let version = if result.upgrades() { step } else { step - 1 };
            told.lock().expect("no panic").push((counter.len(), version));
        }
    });
    act(&migrator.with_options(options));
    drop(watched);
    let promised = promised.lock().expect("no panic").clone();
    Run { recording: recorder.recording(), promised }
}

impl Run {
    /// Which crashes are looked at: how many operations were done, and what the disk does then.
    pub(super) fn crashes(&self, random: &mut Random) -> Vec<(usize, Model)> {
        let count = self.recording.operations.len();
        let models = [
            (Model::Kill, KILLS),
            (Model::PowerLossNothing, LOSSES),
            (Model::PowerLossAnything, ANYTHING),
        ];
        let mut crashes = Vec::new();
        for (model, wanted) in models {
            if std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some() {
                // Chance is asked more than once.
                let times = if model == Model::PowerLossAnything { 4 } else { 1 };
                crashes.extend((0..times).flat_map(|_| (0..=count).map(|at| (at, model))));
                continue;
            }
            crashes.push((count, model));
            crashes.extend((1..wanted).map(|_| (random.below(count + 1), model)));
        }
        crashes
    }

    /// Stops the run everywhere and looks at what is left.
    fn check(&self, world: &World, allowed: &[usize], was_filled: bool) {
        let mut random = Random::new(11);
        let mut seen = vec![0; LATEST + 1];
        let crashes = self.crashes(&mut random);
        for (at, model) in crashes {
            let disk = disk_after(&self.recording, at, model, &mut random);
            disk.write_to(&world.path).expect("writes");
            let fail = |what: String| -> ! {
                let last = format!("{:?}", self.recording.operations[..at].last());
                let last: String = last.chars().take(120).collect();
                panic!("{model:?} behind operation {at} ({last}): {what}")
            };
            // Half of the states are met by the engine as they are, half by SQLite first.
            if random.chance(50) {
                let version = world.version(&mut random).unwrap_or_else(|what| fail(what));
                seen[version] += 1;
                if !allowed.contains(&version) {
                    fail(format!("version {version} is none of {allowed:?}"));
                }
                let promised = self.promised.iter().rev().find(|(from, _)| *from <= at);
                let position = |version| allowed.iter().position(|one| *one == version);
                if promised.is_some_and(|(_, promised)| position(version) < position(*promised)) {
                    fail(format!("{promised:?} was promised and {version} is there"));
                }
            }
            if let Err(error) = world.migrator().upgrade(&Target::Latest) {
                fail(format!("the next run fails: {error:?}"));
            }
            match world.version(&mut random) {
                Ok(LATEST) => {}
                other => fail(format!("the next run ends at {other:?}")),
            }
            if let Err(what) = world.refuse_leftovers(was_filled) {
                fail(what);
            }
        }
        for version in allowed {
            assert!(seen[*version] > 0, "no crash left version {version}: {seen:?}");
        }
    }
}

pub(super) fn upgrade(migrator: &Migrator) {
    migrator.upgrade(&Target::Latest).expect("upgrades");
}

// Proves G1.
#[test]
fn a_crash_of_an_upgrade_leaves_every_file_and_the_history_at_one_version() {
    let world = World::at(1);
    let run = record(&world, upgrade);
    run.check(&world, &[1, 2, 3], true);
}

// Proves G1.
#[test]
fn a_crash_of_a_downgrade_leaves_every_file_and_the_history_at_one_version() {
    let world = World::at(3);
    let run = record(&world, |migrator| {
        migrator.downgrade(&"0001".parse().expect("a version")).expect("downgrades");
    });
    run.check(&world, &[3, 2, 1], true);
}

// Proves G1.
#[test]
fn a_crash_while_a_new_directory_is_built_leaves_nothing_or_all_of_it() {
    let world = World::empty();
    let run = record(&world, upgrade);
    run.check(&world, &[0, 3], false);
}

// Proves G1.
#[test]
fn a_crash_of_a_first_upgrade_of_files_with_rows_leaves_every_file_at_one_version() {
    let world = World::empty();
    world.fill();
    let run = record(&world, upgrade);
    run.check(&world, &[0, 1, 2, 3], true);
}

// Proves G1.
#[test]
fn a_crash_of_the_recovery_after_a_crash_leaves_every_file_at_one_version() {
    let world = World::at(1);
    let run = record(&world, upgrade);
    let is_commit = |operation: &Operation| matches!(operation, Operation::Delete { at, .. } if at.path.to_string_lossy().contains("-mj"));
    let last = run.recording.operations.iter().rposition(is_commit).expect("a commit");
    // Everything is written but the commit itself: each file has a hot journal.
    let disk = disk_after(&run.recording, last, Model::Kill, &mut Random::new(1));
    disk.write_to(&world.path).expect("writes");
    let recovery = record(&world, |migrator| {
        migrator.recover().expect("recovers");
        upgrade(migrator);
    });
    recovery.check(&world, &[2, 3], true);
}
