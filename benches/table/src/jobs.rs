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

pub(crate) enum Step {
    /// A program starts, some times in one process; the median counts.
    Start { repeat: usize },
    /// The way back.
    Revert,
}

pub(crate) fn all() -> Vec<Job> {
    vec![
        start("nothing to do, 10 applied", (10, 10), 200, 15),
        start("nothing to do, 100 applied", (100, 100), 200, 15),
        start("nothing to do, 1,000 applied", (1_000, 1_000), 50, 15),
        start("nothing to do, 5,000 applied", (5_000, 5_000), 10, 15),
        start("1 tiny, no file yet", (0, 1), 1, 25),
        start("1 tiny, on a file", (10, 11), 1, 25),
        start("100 tiny, on a file", (10, 110), 1, 11),
        start("1,000 tiny, no file yet", (0, 1_000), 1, 5),
        Job { step: Step::Revert, ..start("100 tiny reverted", (110, 10), 1, 11) },
        Job { set: "heavy", ..start("1,000,000 rows rebuilt", (1, 2), 1, 5) },
    ]
}

fn start(
    title: &'static str,
    (before, after): (usize, usize),
    repeat: usize,
    rounds: usize,
) -> Job {
    Job { title, set: "tiny", before, after, step: Step::Start { repeat }, rounds }
}
