//! Faults: any operation of a run fails, once or from then on.
//!
//! `cargo test -p agentos-migrate faults` tries some of them;
//! `AGENTOS_MIGRATE_EXHAUSTIVE=1` every one.

use super::world::{LATEST, World};
use crate::error::ErrorKind;
use crate::migrator::Migrator;
use crate::plan::Target;
use crate::report::Report;
use crate::sqlite::vfs::disk::{Disk, Random};
use crate::sqlite::vfs::faults::{Faults, Lasting, Trouble};
use crate::sqlite::vfs::watch;

/// A run of the engine that meets trouble.
struct Case {
    world: World,
    before: Disk,
    act: fn(&Migrator) -> Result<Report, crate::RunFailure>,
    /// The versions at which the directory may stand, in the order of the run.
    versions: [usize; 3],
}

impl Case {
    fn new(
        version: usize,
        versions: [usize; 3],
        act: fn(&Migrator) -> Result<Report, crate::RunFailure>,
    ) -> Self {
        let world = World::at(version);
        let before = Disk::of(&world.path).expect("reads");
        Self { world, before, act, versions }
    }

    fn check(&self, trouble: Trouble, kinds: &[ErrorKind], step: usize) {
        fail_each(trouble, step, |faults, what| self.try_with(faults, kinds, what));
    }

    /// Runs with a fault; returns whether the run failed.
    fn try_with(&self, faults: &Faults, kinds: &[ErrorKind], what: &str) -> bool {
        let world = &self.world;
        self.before.write_to(&world.path).expect("writes");
        let watched = watch::trouble(&world.path, faults);
        let migrator = world.migrator();
        let outcome = (self.act)(&migrator);
        faults.stop();
        drop(watched);
        world.refuse_locks().unwrap_or_else(|locked| panic!("{what}: {locked}"));
        let version =
            world.version(&mut Random::new(3)).unwrap_or_else(|mix| panic!("{what}: {mix}"));
        let [before, between, after] = self.versions;
        let failed = outcome.is_err();
        match outcome {
            Ok(report) => {
                assert_eq!((version, report.results.len()), (after, 2), "{what}");
            }
            Err(failure) => {
                assert!(
                    kinds.contains(&failure.kind()),
                    "{what}: {:?} {failure:?}",
                    failure.kind()
                );
                let state = failure.state().unwrap_or_default();
                let told = match state.matches("000").count() {
                    0 if state.starts_with("nothing was changed") => before,
                    0 if state.starts_with("nothing is committed: ") => before,
                    1 => between,
                    2 => after,
                    _ => panic!("{what}: says no state: {failure:?}"),
                };
                assert_eq!(version, told, "{what}: {failure:?}");
            }
        }
        let next = world.migrator().upgrade(&Target::Latest);
        next.unwrap_or_else(|failure| panic!("{what}: the next run: {failure:?}"));
        assert_eq!(world.version(&mut Random::new(3)), Ok(LATEST), "{what}");
        world.refuse_leftovers(true).unwrap_or_else(|left| panic!("{what}: {left}"));
        failed
    }
}

/// Fails each operation of this kind in turn, once and from then on; `step` leaves some out in the short
/// form. `run` returns whether the run failed.
pub(super) fn fail_each(trouble: Trouble, step: usize, mut run: impl FnMut(&Faults, &str) -> bool) {
    let step = if std::env::var_os("AGENTOS_MIGRATE_EXHAUSTIVE").is_some() { 1 } else { step };
    for lasting in [Lasting::Once, Lasting::FromThenOn] {
        let (mut at, mut refused) = (0, 0);
        loop {
            let faults = Faults::new(trouble, lasting, at);
            let what = format!("{trouble:?} {lasting:?} at {at}");
            refused += usize::from(run(&faults, &what));
            if !faults.happened() {
                break;
            }
            at += step;
        }
        assert!(at >= 2 * step, "{trouble:?}: only {at} operations");
        // Trouble that passes may be got over: a lock is asked for again.
        assert!(refused > 0 || lasting == Lasting::Once, "{trouble:?}: no run failed");
    }
}

fn up() -> Case {
    Case::new(1, [1, 2, 3], |migrator| migrator.upgrade(&Target::Latest))
}

fn down() -> Case {
    Case::new(3, [3, 2, 1], |migrator| migrator.downgrade(&"0001".parse().expect("a version")))
}

// Proves G2.
#[test]
fn a_disk_that_is_full_at_any_write_leaves_every_file_at_one_version() {
    up().check(Trouble::Full, &[ErrorKind::DiskFull], 5);
    down().check(Trouble::Full, &[ErrorKind::DiskFull], 11);
}

// Proves G2.
#[test]
fn a_device_that_fails_at_any_operation_leaves_every_file_at_one_version() {
    up().check(Trouble::Device, &[ErrorKind::Io], 13);
    down().check(Trouble::Device, &[ErrorKind::Io], 29);
}

// Proves G2.
#[test]
fn a_lock_that_is_not_given_leaves_every_file_at_one_version() {
    up().check(Trouble::Busy, &[ErrorKind::Busy], 5);
}

// Proves G2.
#[test]
fn a_file_that_does_not_open_leaves_every_file_at_one_version() {
    up().check(Trouble::Open, &[ErrorKind::PermissionDenied], 2);
    down().check(Trouble::Open, &[ErrorKind::PermissionDenied], 2);
}

// Proves G2.
#[test]
fn memory_that_runs_out_leaves_every_file_at_one_version() {
    // SQLite says it in two ways, and to a migration it is an error like any other.
    let kinds = [ErrorKind::Io, ErrorKind::Sqlite, ErrorKind::MigrationFailed];
    up().check(Trouble::Memory, &kinds, 13);
}

// Proves G2.
#[test]
fn a_directory_that_is_not_synced_after_a_commit_is_told_and_what_is_committed_stays() {
    up().check(Trouble::DirectorySync, &[ErrorKind::Io], 1);
    down().check(Trouble::DirectorySync, &[ErrorKind::Io], 1);
    let case = up();
    let outcomes = (0..).map_while(|at| {
        let faults = Faults::new(Trouble::DirectorySync, Lasting::Once, at);
        case.before.write_to(&case.world.path).expect("writes");
        let watched = watch::trouble(&case.world.path, &faults);
        let outcome = (case.act)(&case.world.migrator());
        drop(watched);
        faults.happened().then_some(outcome)
    });
    let is_told = |failure: &crate::RunFailure| {
        failure.details().iter().any(|line| line.contains("a power loss in the next seconds"))
    };
    let told = outcomes.filter_map(Result::err).filter(is_told).count();
    assert_eq!(told, 2, "one of each commit");
}
