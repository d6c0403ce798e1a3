//! What is wrong with a migration, judged by what it did.
//!
//! Facts go in, findings come out: no connection, no file. The facts are
//! made by `testing/lint/`, which runs each migration on empty and on
//! populated tables.

pub(crate) mod facts;
mod failures;
mod losses;
mod proof;
mod report;
pub(crate) mod rules;
mod statement;
mod way_back;
mod writing;

use self::facts::Facts;
pub use self::proof::DowngradeProof;
use self::report::Found;
pub use self::report::{AllowedFinding, LintFinding, LintReport};
pub use self::rules::{LintRule, Severity};
use crate::info::MigrationInfo;

/// Judges one migration and adds what was found to the report.
pub(crate) fn judge(info: &MigrationInfo, facts: &Facts, report: &mut LintReport) {
    let mut found: Vec<Found> = Vec::new();
    failures::judge(facts, &mut found);
    losses::judge(info, facts, &mut found);
    writing::judge(facts, &mut found);
    way_back::judge(info, facts, &mut found);
    report.add(info, found, facts);
}

/// Reads `AM102: why`; nothing if the code is unknown or there is no reason.
pub(crate) fn parse_allow(text: &str) -> Option<(&'static LintRule, &str)> {
    let (code, reason) = text.split_once(':')?;
    let reason = reason.trim();
    let rule = rules::find(code.trim())?;
    (!reason.is_empty()).then_some((rule, reason))
}

/// Says what is wrong with a text that [`parse_allow`] does not read.
pub(crate) fn allow_problem(text: &str) -> Option<String> {
    if parse_allow(text).is_some() {
        return None;
    }
    let code = text.split(':').next().unwrap_or_default().trim();
    Some(if rules::find(code).is_some() {
        format!("`allow` gives no reason for {code}: write `allow = [\"{code}: why\"]`")
    } else {
        format!("`allow` names `{code}`, which is no lint rule")
    })
}
