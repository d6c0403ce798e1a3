//! A lost database is made anew, and that is stopped, or fails, at any operation.

use super::crashes::record;
use super::faults::fail_each;
use super::world::{LATEST, World};
use crate::error::ErrorKind;
use crate::plan::Target;
use crate::sqlite::vfs::disk::{Disk, Random, disk_after};
use crate::sqlite::vfs::faults::Trouble;
use crate::sqlite::vfs::watch;

const LOST: &str = "audit";

fn world_with_a_loss() -> World {
    let world = World::at(LATEST);
    std::fs::remove_file(world.file(LOST)).expect("removes");
    world
}

/// Looks at what is left, makes the database if it is still lost, and looks again; returns whether it was there.
fn finish(world: &World, random: &mut Random) -> Result<bool, String> {
    let was_made = world.file(LOST).exists();
    let whole = |world: &World, random: &mut Random| match world.version(random)? {
        LATEST => Ok(()),
        other => Err(format!("the files are at {other}")),
    };
    if was_made {
        whole(world, random)?;
    }
    match (was_made, world.migrator().recreate(&[LOST])) {
        (true, Err(error)) if error.kind() == ErrorKind::Usage => {}
        (false, Ok(recovery)) if recovery.recreated == [LOST] => {}
        (_, other) => return Err(format!("made: {was_made}, then {other:?}")),
    }
    whole(world, random)?;
    let next = world.migrator().upgrade(&Target::Latest);
    if !next.as_ref().is_ok_and(|report| report.results.is_empty()) {
        return Err(format!("the next run: {next:?}"));
    }
    world.refuse_leftovers(true)?;
    let left = world.file(LOST).with_extension("new");
    if !was_made && left.exists() {
        return Err(format!("{} is left", left.display()));
    }
    Ok(was_made)
}

// Proves G1.
#[test]
fn a_crash_while_a_lost_database_is_made_anew_leaves_it_lost_or_whole() {
    let world = world_with_a_loss();
    let run = record(&world, |migrator| {
        migrator.recreate(&[LOST]).expect("makes it");
    });
    let mut random = Random::new(17);
    let (mut lost, mut made) = (0, 0);
    for (at, model) in run.crashes(&mut random) {
        let disk = disk_after(&run.recording, at, model, &mut random);
        disk.write_to(&world.path).expect("writes");
        let was_made = finish(&world, &mut random)
            .unwrap_or_else(|what| panic!("{model:?} behind operation {at}: {what}"));
        *(if was_made { &mut made } else { &mut lost }) += 1;
    }
    assert!(lost > 0 && made > 0, "{lost} lost, {made} made");
}

// Proves G2.
#[test]
fn a_fault_while_a_lost_database_is_made_anew_leaves_it_lost_or_whole() {
    let world = world_with_a_loss();
    let before = Disk::of(&world.path).expect("reads");
    for (trouble, kind, step) in
        [(Trouble::Full, ErrorKind::DiskFull, 1), (Trouble::Device, ErrorKind::Io, 1)]
    {
        fail_each(trouble, step, |faults, what| {
            before.write_to(&world.path).expect("writes");
            let watched = watch::trouble(&world.path, faults);
            let outcome = world.migrator().recreate(&[LOST]);
            faults.stop();
            drop(watched);
            world.refuse_locks().unwrap_or_else(|locked| panic!("{what}: {locked}"));
            let was_made = finish(&world, &mut Random::new(3))
                .unwrap_or_else(|what_is_left| panic!("{what}: {what_is_left}"));
            match &outcome {
                Ok(recovery) => assert!(was_made && recovery.recreated == [LOST], "{what}"),
                Err(error) => {
                    assert_eq!(error.kind(), kind, "{what}: {error:?}");
                    let state = error.state().unwrap_or_default();
                    assert_eq!(state.contains("audit.db is made"), was_made, "{what}: {error:?}");
                }
            }
            outcome.is_err()
        });
    }
}
