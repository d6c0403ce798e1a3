//! Sets for the lint: tables, and one migration that is looked at.

use agentos_migrate::Migration;
use agentos_migrate::testing::{LintFinding, LintReport, lint_where};

use super::{registry, sql};

pub(crate) const NOTE: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT, size INTEGER)";
pub(crate) const FAMILY: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id) ON DELETE CASCADE);
    CREATE INDEX child_parent ON child (parent_id)";

/// The migration that makes the tables; what it finds is not looked at.
pub(crate) fn tables(setup: &'static str) -> Migration {
    sql("0001", "chat", setup, "").irreversible("it is only the ground")
}

/// A migration without a way back, as that is not what is looked at.
pub(crate) fn one_way(up: &'static str) -> Migration {
    sql("0002", "chat", up, "").irreversible("it is a test")
}

pub(crate) fn findings_of(setup: &'static str, migration: Migration) -> LintReport {
    let set = registry(vec![tables(setup), migration]);
    lint_where(&set, |info| info.version.to_string() == "0002").expect("runs")
}

pub(crate) fn codes(report: &LintReport) -> Vec<&str> {
    let mut codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

/// Returns the one finding, which is of this code.
#[track_caller]
pub(crate) fn only(code: &str, setup: &'static str, migration: Migration) -> LintFinding {
    let report = findings_of(setup, migration);
    assert_eq!(codes(&report), [code], "{:#?}", report.findings);
    report.findings[0].clone()
}

#[track_caller]
pub(crate) fn nothing(setup: &'static str, migration: Migration) {
    let report = findings_of(setup, migration);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
}
