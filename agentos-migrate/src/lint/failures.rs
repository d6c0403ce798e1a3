//! AM103, AM104, AM201 to AM211, AM501: what does not run, and on which rows.

use super::facts::{Facts, Failure};
use super::report::Found;
use super::rules::{self, LintRule};
use crate::error::ErrorKind;

/// Names the rule of each failure.
pub(super) fn judge(facts: &Facts, found: &mut Vec<Found>) {
    if let Some(failure) = &facts.fails_empty {
        let is_owned = failure.kind == ErrorKind::ForbiddenSql;
        let rule = if is_owned { &rules::ENGINE_OWNED_SQL } else { &rules::FAILS_ON_EMPTY };
        found.push(of(failure, rule));
    }
    // What fails without rows and with them is told once.
    let told = |failure: &&Failure| {
        facts.fails_empty.as_ref().is_none_or(|empty| empty.message != failure.message)
    };
    for failure in facts.fails_populated.iter().filter(told) {
        found.push(of(failure, rule_of(failure)));
    }
}

/// Makes a finding of a failure.
pub(super) fn of(failure: &Failure, rule: &'static LintRule) -> Found {
    let found = Found::new(rule, failure.message.as_str()).by(failure.statement.as_deref());
    let found = found.rows(failure.rows.iter().cloned());
    match &failure.database {
        Some(database) => found.on(database),
        None => found,
    }
}

/// Texts of SQLite that do not change: <https://sqlite.org/src/file/src/alter.c> and `vdbeaux.c`.
fn rule_of(failure: &Failure) -> &'static LintRule {
    let says = |text: &str| failure.message.contains(text);
    match failure.kind {
        ErrorKind::RowsLost => &rules::LOST_THROUGH_TRIGGER,
        ErrorKind::ForeignKey => &rules::CHILDREN_ORPHANED,
        ErrorKind::ForbiddenSql => &rules::ENGINE_OWNED_SQL,
        _ if says("Cannot add a NOT NULL column") => &rules::NOT_NULL_WITHOUT_DEFAULT,
        _ if says("Cannot add a column with non-constant default") => &rules::DEFAULT_NOT_CONSTANT,
        _ if says("UNIQUE constraint failed") => &rules::DUPLICATES,
        _ if says("NOT NULL constraint failed") => &rules::NULLS,
        _ if says("CHECK constraint failed") => &rules::CHECK_FAILS,
        _ if says("cannot store") || says("datatype mismatch") => &rules::WRONG_TYPE_STORED,
        _ if failure.is_of_null() => &rules::NULL_READ,
        _ if says("Invalid column type") || says("out of range") => &rules::WRONG_TYPE_READ,
        _ => &rules::FAILS_ON_ROWS,
    }
}
