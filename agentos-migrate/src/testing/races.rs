//! Runs of a set that meet each other: many on one directory, and many directories at once.

use std::sync::Barrier;
use std::time::Duration;

use super::Harness;
use super::steps::{compare, failed, schemas};
use crate::error::Error;
use crate::event::EventKind;
use crate::migrator::Migrator;
use crate::plan::Target;
use crate::registry::Registry;
use crate::report::Report;

/// How many runs begin at the same moment.
const RUNS: usize = 8;
/// How long one waits for the others: a set may take its time.
const WAIT: Duration = Duration::from_secs(120);

/// Lets runs meet and compares what they lead to.
pub(super) fn check(registry: &Registry) -> Result<(), Error> {
    let alone = Harness::empty(registry.clone())?;
    alone.migrator().upgrade(&Target::Latest)?;
    let expected = schemas(&alone, registry)?;

    let shared = Harness::empty(registry.clone())?;
    let reports = at_once(&[&shared; RUNS])?;
    let ran: usize = reports.iter().map(|report| report.results.len()).sum();
    let applied = shared
        .migrator()
        .history()?
        .iter()
        .filter(|event| event.kind == EventKind::Applied)
        .count();
    let wanted = registry.migrations().len();
    if ran != wanted || applied != wanted {
        return Err(failed(format!(
            "{RUNS} runs on one directory applied {applied} migrations, and there are {wanted}"
        )));
    }
    compare(&expected, &schemas(&shared, registry)?, || {
        format!("{RUNS} runs at once on one directory lead to another schema than one")
    })?;

    let apart: Vec<Harness> =
        (0..RUNS).map(|_| Harness::empty(registry.clone())).collect::<Result<_, _>>()?;
    at_once(&apart.iter().collect::<Vec<_>>())?;
    for harness in &apart {
        compare(&expected, &schemas(harness, registry)?, || {
            "directories that are built at the same time differ: does a migration use \
             something outside of its databases?"
                .to_owned()
        })?;
    }
    Ok(())
}

/// Upgrades each directory in a thread of its own, all from the same moment on.
fn at_once(harnesses: &[&Harness]) -> Result<Vec<Report>, Error> {
    let start = Barrier::new(harnesses.len());
    let run = |harness: &Harness| {
        let options = harness.migrator().options().clone().wait(WAIT);
        let migrator = Migrator::new(harness.migrator().registry().clone(), harness.data_dir())
            .with_options(options);
        start.wait();
        migrator.upgrade(&Target::Latest)
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> =
            harnesses.iter().map(|harness| scope.spawn(move || run(harness))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(failure)) => Err(failed(format!("a run fails that succeeds alone: {failure}"))
                .caused_by(Error::from(failure))),
            Err(_) => Err(failed("a run panicked that succeeds alone")),
        })
        .collect()
}
