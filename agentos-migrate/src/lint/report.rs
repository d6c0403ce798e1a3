//! What a lint found, and what it was told to leave.

use serde::Serialize;

use super::facts::{Facts, on_one_line};
use super::proof::DowngradeProof;
use super::rules::{self, LintRule, Severity};
use crate::error::{Error, ErrorKind};
use crate::info::MigrationInfo;
use crate::schema::compare::{Change, Difference};

/// What a lint found.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct LintReport {
    /// What is wrong, in the order of versions and codes.
    pub findings: Vec<LintFinding>,
    /// What would be wrong if a migration's `allow` did not say why it is not.
    pub allowed: Vec<AllowedFinding>,
    /// Downgrades that were shown to undo their migration.
    pub proofs: Vec<DowngradeProof>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
    /// How many migrations were run.
    pub examined: usize,
}

/// One thing that is wrong with a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LintFinding {
    /// The code of the rule, such as `AM102`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The rule in a few words.
    pub title: &'static str,
    /// The migration's version.
    pub version: String,
    /// The migration's name.
    pub name: String,
    /// What was seen.
    pub message: String,
    /// The database, if it is about one.
    pub database: Option<String>,
    /// The statement that did it, where it is known.
    pub statement: Option<String>,
    /// The rows that show it, the fewest that do.
    pub rows: Vec<String>,
    /// The difference of the schemas, for an object that is not as it was.
    pub diff: Option<String>,
    /// The source file, as the compiler names it; an SQL file is named from the crate's root.
    pub file: String,
    /// The line of the statement in that file, or of the migration where no statement is to blame, from 1.
    pub line: u32,
    /// What to do about it.
    pub fix: &'static str,
}

/// A finding that a migration's `allow` takes upon itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AllowedFinding {
    /// Why it is fine.
    pub reason: String,
    /// What was found.
    #[serde(flatten)]
    pub finding: LintFinding,
}

impl LintReport {
    /// Returns how many findings are errors.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// Fails if anything was found, with every finding.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`], whose details are the findings.
    pub fn check(&self) -> Result<(), Error> {
        self.check_rules(|_| true)
    }

    /// Fails if anything was found by the rules that are asked for.
    pub(crate) fn check_rules(&self, is_asked: impl Fn(&str) -> bool) -> Result<(), Error> {
        let found: Vec<&LintFinding> =
            self.findings.iter().filter(|finding| is_asked(finding.code)).collect();
        let Some(first) = found.first() else { return Ok(()) };
        let more = match found.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let message =
            format!("migration {} `{}`: {}{more}", first.version, first.name, first.title);
        let error = Error::new(ErrorKind::ValidationFailed, message);
        let error = found.into_iter().flat_map(LintFinding::lines).fold(error, Error::detail);
        Err(error.in_state("only temporary directories were changed").with_hint(
            "mend the migration, or say why it is fine: `allow = [\"AM102: why\"]`; docs/lint.md explains each code",
        ))
    }

    /// Adds what was found of one migration, its `allow` considered.
    pub(super) fn add(&mut self, info: &MigrationInfo, mut found: Vec<Found>, facts: &Facts) {
        self.examined += 1;
        let allows: Vec<(&'static LintRule, &str)> =
            info.allow.iter().filter_map(|text| super::parse_allow(text)).collect();
        let unused: Vec<_> =
            allows.iter().filter(|(rule, _)| !found.iter().any(|one| one.rule == *rule)).collect();
        // What was not reached may well have been found.
        if facts.fails_empty.is_none() {
            found.extend(unused.into_iter().map(|(rule, _)| {
                let message = format!("it allows {}, and nothing of that was found", rule.code);
                Found::new(&rules::ALLOW_UNUSED, message)
            }));
        }
        found.sort_by_key(|one| one.rule.code);
        let mut explained = Vec::new();
        let mut is_proved = true;
        for one in found {
            let is_about_way_back = one.rule.code.starts_with("AM30");
            let reason = allows.iter().find(|(rule, _)| *rule == one.rule);
            let finding = one.of(info, facts);
            let Some((_, reason)) = reason else {
                is_proved &= !is_about_way_back;
                self.findings.push(finding);
                continue;
            };
            if is_about_way_back {
                explained.push(format!("{} ({reason})", finding.code));
            }
            self.allowed.push(AllowedFinding { reason: (*reason).to_owned(), finding });
        }
        explained.dedup();
        self.proofs.extend(DowngradeProof::of(info, facts, explained).filter(|_| is_proved));
    }
}

impl LintFinding {
    /// Returns it as lines for people, the first one whole.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("{} {} `{}`: {}", self.code, self.version, self.name, self.message),
            format!("  at {}:{}", self.file, self.line),
        ];
        lines.extend(self.database.iter().map(|database| format!("  database   {database}")));
        lines.extend(self.statement.iter().map(|statement| format!("  statement  {statement}")));
        lines.extend(self.rows.iter().map(|row| format!("  row        {row}")));
        lines.extend(
            self.diff.iter().flat_map(|diff| diff.lines()).map(|line| format!("    {line}")),
        );
        lines.push(format!("  fix        {}", self.fix));
        lines
    }
}

/// A finding before it is known whose.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rule: &'static LintRule,
    message: String,
    database: Option<String>,
    statement: Option<String>,
    rows: Vec<String>,
    diff: Option<String>,
    fix: &'static str,
}

impl Found {
    pub(super) fn new(rule: &'static LintRule, message: impl Into<String>) -> Self {
        let message = message.into();
        let fix = rule.fix;
        Self { rule, message, database: None, statement: None, rows: Vec::new(), diff: None, fix }
    }

    /// Gives another way out than the rule does.
    pub(super) fn fixed_by(mut self, fix: &'static str) -> Self {
        self.fix = fix;
        self
    }

    pub(super) fn on(mut self, database: &str) -> Self {
        self.database = Some(database.to_owned());
        self
    }

    pub(super) fn by(mut self, statement: Option<&str>) -> Self {
        self.statement = statement.map(on_one_line);
        self
    }

    pub(super) fn rows(mut self, rows: impl IntoIterator<Item = String>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Shows how the first object differs that is there before and after.
    pub(super) fn diff(mut self, differences: &[Difference]) -> Self {
        let changed = |one: &&Difference| matches!(one.change, Change::Changed { .. });
        self.diff = differences.iter().find(changed).map(Difference::unified_diff);
        self
    }

    fn of(self, info: &MigrationInfo, facts: &Facts) -> LintFinding {
        let place = self.statement.as_deref().and_then(|statement| facts.place_of(statement));
        let place = place.unwrap_or_else(|| info.location.to_string());
        let (file, line) = place.rsplit_once(':').unwrap_or((&place, "1"));
        LintFinding {
            code: self.rule.code,
            severity: self.rule.severity,
            title: self.rule.title,
            version: info.version.to_string(),
            name: info.name.to_string(),
            message: self.message,
            database: self.database,
            statement: self.statement,
            rows: self.rows,
            diff: self.diff,
            file: file.to_owned(),
            line: line.parse().unwrap_or(info.location.line),
            fix: self.fix,
        }
    }
}
