//! What a run did.

use std::time::Duration;

use serde::Serialize;

use crate::history::AppliedMigration;
use crate::info::Location;
use crate::plan::{Direction, Plan};

/// What a run did, in order; the failed migration last.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// One entry per migration that ran.
    pub results: Vec<MigrationResult>,
    /// The backup made before the run.
    pub backup_id: Option<String>,
    /// Whether nothing was kept on purpose.
    pub dry_run: bool,
    /// What the rehearsal before the run saw, if one was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rehearsed: Vec<MigrationResult>,
    /// How many results are committed.
    #[serde(skip)]
    pub(crate) committed: usize,
}

/// What came of one migration.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct MigrationResult {
    /// Its version.
    pub version: String,
    /// Its name.
    pub name: String,
    /// Applied or reverted.
    pub direction: Direction,
    /// Whether it holds now.
    pub success: bool,
    /// How long it took, in milliseconds.
    pub execution_time_ms: f64,
    /// Why it failed.
    pub error_message: Option<String>,
    /// Its compiled checksum.
    pub checksum: String,
    /// When it ended, UTC in RFC 3339.
    pub applied_at: String,
    /// What a rehearsal saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
}

/// What a rehearsal saw of one migration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rehearsal {
    /// The statements that ran, in order.
    pub statements: Vec<StatementRun>,
    /// Tables whose number of rows changed.
    pub row_changes: Vec<RowChange>,
    /// The difference of each database's schema, as unified text.
    pub schema_changes: Vec<SchemaChange>,
    /// What its validation said.
    pub validation: Validation,
    /// The space that it takes, where it takes any.
    pub space: Vec<SpaceUse>,
}

/// What a migration's validation said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Validation {
    /// It has none, or was reverted, which is not validated.
    #[default]
    Absent,
    /// It said yes.
    Passed,
    /// It said no, or failed.
    Failed,
    /// The migration failed before it.
    NotReached,
}

/// The space that a migration takes for one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpaceUse {
    /// The database.
    pub database: String,
    /// The size of its file before, in bytes.
    pub before_bytes: u64,
    /// The size of its file after.
    pub after_bytes: u64,
    /// The size of its rollback journal at the end of the migration: what has to be free for the
    /// time of the transaction, together with what the file grows.
    pub journal_bytes: u64,
}

impl SpaceUse {
    /// Returns what has to be free, in bytes: the growth and the journal.
    pub fn needed_bytes(&self) -> u64 {
        self.after_bytes.saturating_sub(self.before_bytes) + self.journal_bytes
    }
}

/// One statement that ran.
#[derive(Debug, Clone, Serialize)]
pub struct StatementRun {
    /// The database.
    pub database: String,
    /// The text.
    pub sql: String,
    /// The number of rows that it changed.
    pub rows: usize,
    /// How long it took.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// Where it stands: the call in the source, or the line of an SQL file.
    #[serde(skip)]
    pub(crate) place: Location,
    /// Whether `rebuild_table` wrote it.
    #[serde(skip)]
    pub(crate) by_rebuild: bool,
}

/// A table whose number of rows changed; nothing stands for a table that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowChange {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The number of rows before.
    pub before: Option<i64>,
    /// The number of rows after.
    pub after: Option<i64>,
}

/// How one database's schema changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaChange {
    /// The database.
    pub database: String,
    /// The difference, line by line.
    pub diff: String,
}

/// What `recover` found and finished.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// A restore that was interrupted: the backup whose files are in place now.
    pub restored: Option<String>,
    /// Databases that went back to write-ahead logging.
    pub returned_to_wal: Vec<String>,
    /// Versions that the history had and none of their databases did: `upgrade` runs them again.
    pub to_run_again: Vec<String>,
    /// Versions that all their databases recorded and the history did not have as applied: they count as applied.
    pub taken_into_history: Vec<String>,
    /// Databases from which doubled version rows were removed.
    pub deduplicated: Vec<String>,
    /// Lost databases that were made anew, without their rows.
    pub recreated: Vec<String>,
}

impl Recovery {
    /// Returns whether there was nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl MigrationResult {
    /// Returns the row that the history gets.
    pub(crate) fn row(&self) -> AppliedMigration {
        AppliedMigration {
            version: self.version.clone(),
            name: self.name.clone(),
            applied_at: self.applied_at.clone(),
            checksum: self.checksum.clone(),
            success: self.success,
            execution_time_ms: self.execution_time_ms,
            error_message: self.error_message.clone(),
        }
    }

    /// Returns whether it was to be applied, not reverted.
    pub fn upgrades(&self) -> bool {
        self.direction == Direction::Upgrade
    }
}

impl Report {
    /// Returns what has to be free on the disk for a run like this rehearsal, in bytes: what all files
    /// grow, and the largest journals of one migration. A backup comes on top.
    pub fn needed_bytes(&self) -> u64 {
        let spaces = || {
            let rehearsals = self.results.iter().filter_map(|result| result.rehearsal.as_ref());
            rehearsals.map(|rehearsal| rehearsal.space.as_slice())
        };
        let grown = |space: &SpaceUse| space.after_bytes.saturating_sub(space.before_bytes);
        let journals =
            spaces().map(|space| space.iter().map(|one| one.journal_bytes).sum::<u64>()).max();
        spaces().flatten().map(grown).sum::<u64>() + journals.unwrap_or_default()
    }

    /// Notes that the next `count` results are committed, and returns them.
    pub(crate) fn committed(&mut self, count: usize) -> &[MigrationResult] {
        let before = self.committed;
        self.committed += count;
        &self.results[before..self.committed]
    }

    /// Notes that the last result failed after all.
    pub(crate) fn fail_last(&mut self, error: &str) {
        if let Some(last) = self.results.last_mut() {
            last.success = false;
            last.error_message = Some(error.to_owned());
        }
    }

    /// Returns the result that failed.
    pub(crate) fn failed_result(&self) -> Option<&MigrationResult> {
        self.results.last().filter(|result| !result.success)
    }

    /// Says what state the files are in after a run of this plan failed, and
    /// takes back what was reported of migrations that were rolled back with it.
    pub(crate) fn state_after_failure(&mut self, plan: &Plan) -> String {
        let rolled_back = match self.failed_result() {
            Some(_) => "rolled back, as a later migration of the same transaction failed",
            None => "rolled back, as its transaction was not committed",
        };
        let kept = self.committed;
        for result in self.results.iter_mut().skip(kept).filter(|result| result.success) {
            result.success = false;
            result.error_message = Some(rolled_back.to_owned());
        }
        let names: Vec<&str> =
            self.results.iter().take(kept).map(|result| result.version.as_str()).collect();
        let done = match plan.direction() {
            Direction::Upgrade => "applied",
            Direction::Downgrade => "reverted",
        };
        if names.is_empty() {
            "nothing was changed".to_owned()
        } else {
            format!("{} {done} and kept, nothing else was changed", spoken(&names))
        }
    }
}

fn spoken(versions: &[&str]) -> String {
    match versions {
        [one] => format!("{one} is"),
        [first, .., last] if versions.len() > 3 => {
            format!("{first} to {last} ({} migrations) are", versions.len())
        }
        _ => format!("{} are", versions.join(", ")),
    }
}

fn milliseconds<S: serde::Serializer>(
    elapsed: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::migration::Migration;
    use crate::plan::{Force, Target};
    use crate::status::Status;

    fn result(version: &str, success: bool) -> MigrationResult {
        MigrationResult {
            version: version.to_owned(),
            name: String::new(),
            direction: Direction::Upgrade,
            success,
            execution_time_ms: 0.0,
            error_message: None,
            checksum: String::new(),
            applied_at: String::new(),
            rehearsal: None,
        }
    }

    fn plan() -> Plan {
        let migration = Migration::new("0001", &["a"], |_| Ok(()));
        let infos = [migration.info()];
        let status = Status::of(&infos, &History::default());
        Plan::upgrade(&infos, &status, &Target::Latest, Force::No).expect("a plan")
    }

    /// Of these the first `committed` are committed, and the last failed.
    #[track_caller]
    fn state(versions: &[&str], committed: usize, expected: &str) -> Report {
        let results = versions.iter().map(|version| result(version, true)).collect();
        let mut report = Report { results, ..Report::default() };
        for _ in 0..committed {
            report.committed(1);
        }
        report.fail_last("it failed");
        assert_eq!(report.state_after_failure(&plan()), expected);
        report
    }

    #[test]
    fn what_is_committed_is_named_and_nothing_else_is_said_to_hold() {
        state(&["0001"], 0, "nothing was changed");
        state(&["0001", "0002"], 1, "0001 is applied and kept, nothing else was changed");
        state(
            &["0001", "0002", "0003", "0004"],
            3,
            "0001, 0002, 0003 are applied and kept, nothing else was changed",
        );
        state(
            &["0001", "0002", "0003", "0004", "0005"],
            4,
            "0001 to 0004 (4 migrations) are applied and kept, nothing else was changed",
        );
    }

    #[test]
    fn what_is_rolled_back_with_a_later_one_is_no_success() {
        let report = state(
            &["0001", "0002", "0003"],
            1,
            "0001 is applied and kept, nothing else was changed",
        );
        let success: Vec<bool> = report.results.iter().map(|result| result.success).collect();
        assert_eq!(success, [true, false, false]);
        let message = |index: usize| report.results[index].error_message.as_deref();
        assert_eq!(message(0), None);
        assert!(message(1).is_some_and(|text| text.starts_with("rolled back")));
        assert_eq!(message(2), Some("it failed"));
    }

    #[test]
    fn the_failed_result_is_the_last_one_if_it_failed() {
        let mut report = Report { results: vec![result("0001", true)], ..Report::default() };
        assert!(report.failed_result().is_none());
        report.results.push(result("0002", false));
        assert_eq!(report.failed_result().map(|result| result.version.as_str()), Some("0002"));
        assert!(report.results[0].upgrades());
        report.results[0].direction = Direction::Downgrade;
        assert!(!report.results[0].upgrades());
    }

    #[test]
    fn a_recovery_is_empty_until_it_found_something() {
        assert!(Recovery::default().is_empty());
        let found = Recovery { to_run_again: vec!["0002".to_owned()], ..Recovery::default() };
        assert!(!found.is_empty());
    }

    #[test]
    fn a_statements_time_is_told_in_milliseconds() {
        let run = StatementRun {
            database: "a".to_owned(),
            sql: String::new(),
            rows: 0,
            elapsed: Duration::from_micros(2_500),
            place: Location::caller(),
            by_rebuild: false,
        };
        assert_eq!(serde_json::to_value(run).expect("JSON")["elapsed_ms"], 2.5);
    }
}
