//! What is measured.

/// One row of the table.
pub(crate) struct Job {
    pub(crate) title: &'static str,
    pub(crate) set: &'static str,
    /// How many migrations are applied before.
    pub(crate) before: usize,
    /// How many are applied afterwards.
    pub(crate) after: usize,
    pub(crate) step: Step,
    pub(crate) rounds: usize,
}

#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// A program starts, in a process of its own.
    Start,
    /// The way back.
    Revert,
}

pub(crate) fn all() -> Vec<Job> {
    vec![
        start("nothing to do, 10 applied", (10, 10), 51),
        start("nothing to do, 100 applied", (100, 100), 51),
        start("nothing to do, 1,000 applied", (1_000, 1_000), 51),
        start("nothing to do, 5,000 applied", (5_000, 5_000), 25),
        start("1 tiny, no file yet", (0, 1), 25),
        start("1 tiny, on a file", (10, 11), 25),
        start("100 tiny, on a file", (10, 110), 11),
        start("1,000 tiny, no file yet", (0, 1_000), 5),
        Job { step: Step::Revert, ..start("100 tiny reverted", (110, 10), 11) },
        Job { set: "heavy", ..start("1,000,000 rows rebuilt", (1, 2), 7) },
    ]
}

fn start(title: &'static str, (before, after): (usize, usize), rounds: usize) -> Job {
    Job { title, set: "tiny", before, after, step: Step::Start, rounds }
}
