//! `lint`: runs each migration on empty and on populated tables, and says what is wrong with it.

use std::fmt::Write;
use std::path::Path;

use super::args::{self, LintFormat};
use super::exit::Exit;
use super::settings::{Settings, version};
use super::ui::{BAD, BOLD, DIM, GOOD, Ui, WAITING};
use crate::error::{Error, ErrorKind};
use crate::info::MigrationInfo;
use crate::registry::Registry;
use crate::testing::{LintFinding, LintReport, Severity, lint_where};
use crate::version::Version;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Lint) -> Result<Exit, Error> {
    let registry = settings.app.registry();
    let wanted = Wanted::of(registry, arguments)?;
    let report = lint_where(registry, |info| wanted.holds(info))?;
    let text = match arguments.format {
        LintFormat::Github => github(&report, registry),
        LintFormat::Text | LintFormat::Json => text(&report, settings.verbose > 0),
    };
    ui.answer(&text, &report);
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Integrity })
}

/// Which migrations are looked at.
struct Wanted {
    versions: Vec<Version>,
    above: Option<Version>,
    unreleased: Option<Vec<String>>,
}

impl Wanted {
    fn of(registry: &Registry, arguments: &args::Lint) -> Result<Self, Error> {
        let known = |text: &String| {
            let version = version(text)?;
            match registry.migration(&version) {
                Some(_) => Ok(version),
                None => Err(Error::new(
                    ErrorKind::UnknownVersion,
                    format!("no migration has version {version}"),
                )
                .in_state("nothing was changed")
                .with_hint("`graph` shows the versions there are")),
            }
        };
        Ok(Self {
            versions: arguments.versions.iter().map(known).collect::<Result<_, _>>()?,
            above: arguments.since.as_ref().map(known).transpose()?,
            unreleased: arguments
                .unreleased
                .then(|| super::lock::unreleased(registry))
                .transpose()?,
        })
    }

    fn holds(&self, info: &MigrationInfo) -> bool {
        let text = info.version.to_string();
        (self.versions.is_empty() || self.versions.contains(&info.version))
            && self.above.as_ref().is_none_or(|above| info.version > *above)
            && self.unreleased.as_ref().is_none_or(|unreleased| unreleased.contains(&text))
    }
}

/// Writes for people; in detail also what is fine, and why.
fn text(report: &LintReport, in_detail: bool) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let (style, word) = match finding.severity {
            Severity::Error => (BAD, "error"),
            Severity::Warning => (WAITING, "warning"),
        };
        let _ = writeln!(
            text,
            "{style}{word}[{}]{style:#}: {} `{}`: {}",
            finding.code, finding.version, finding.name, finding.title
        );
        let _ = writeln!(text, "  {}", finding.message);
        for (name, value) in places(finding) {
            let _ = writeln!(text, "  {DIM}{name:10}{DIM:#} {value}");
        }
        for line in finding.diff.iter().flat_map(|diff| diff.lines()) {
            let _ = writeln!(text, "    {line}");
        }
        let _ = writeln!(text, "  {BOLD}{:10}{BOLD:#} {}\n", "fix", finding.fix);
    }
    for one in report.allowed.iter().filter(|_| in_detail) {
        let finding = &one.finding;
        let _ = writeln!(
            text,
            "{GOOD}allowed[{}]{GOOD:#}: {} `{}`: {}\n  {DIM}because{DIM:#}    {}\n",
            finding.code, finding.version, finding.name, finding.message, one.reason
        );
    }
    for proof in report.proofs.iter().filter(|_| in_detail) {
        let _ = writeln!(text, "{GOOD}proved{GOOD:#}: {proof}");
    }
    for note in &report.notes {
        let _ = writeln!(text, "{DIM}note{DIM:#}: {note}");
    }
    text.push_str(&summary(report));
    text
}

/// What a finding is about, line by line.
fn places(finding: &LintFinding) -> Vec<(&str, String)> {
    let mut places = vec![("at", format!("{}:{}", finding.file, finding.line))];
    places.extend(finding.database.iter().map(|database| ("database", database.clone())));
    places.extend(finding.statement.iter().map(|statement| ("statement", statement.clone())));
    places.extend(finding.rows.iter().map(|row| ("row", row.clone())));
    places
}

fn summary(report: &LintReport) -> String {
    let errors = report.errors();
    let warnings = report.findings.len() - errors;
    let allowed = match report.allowed.len() {
        0 => String::new(),
        count => format!(", {count} allowed"),
    };
    let examined = report.examined;
    if report.findings.is_empty() {
        return format!("{GOOD}nothing found{GOOD:#} in {examined} migration(s){allowed}\n");
    }
    format!(
        "{errors} error(s), {warnings} warning(s){allowed} in {examined} migration(s); each code is explained in docs/lint.md\n"
    )
}

/// Writes GitHub's workflow commands, which annotate the lines of a pull request.
///
/// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>
fn github(report: &LintReport, registry: &Registry) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let lines = places(finding).into_iter().skip(1).chain([("fix", finding.fix.to_owned())]);
        let lines: String = lines.map(|(name, value)| format!("\n{name}: {value}")).collect();
        let _ = writeln!(
            text,
            "::{command} file={},line={},title={}::{}",
            property(&file_of(finding, registry)),
            finding.line,
            property(&format!("{} {}", finding.code, finding.title)),
            data(&format!("{} `{}`: {}{lines}", finding.version, finding.name, finding.message)),
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "::notice::{}", data(note));
    }
    text.push_str(&summary(report));
    text
}

/// Returns the path from where the command runs: an SQL file is named from its crate's root.
fn file_of(finding: &LintFinding, registry: &Registry) -> String {
    let named = Path::new(&finding.file);
    let in_crate =
        registry.declaration().map(|declared| Path::new(declared.manifest_dir).join(named));
    let here = std::env::current_dir().ok();
    match (in_crate, here) {
        (Some(path), Some(here)) if !named.exists() && path.exists() => {
            path.strip_prefix(&here).unwrap_or(&path).display().to_string()
        }
        _ => finding.file.clone(),
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Migration;

    fn report() -> (LintReport, Registry) {
        let create = Migration::new("0001", &["a"], |ctx| {
            ctx.execute("a", "CREATE TABLE t (x TEXT)", [])?;
            Ok(())
        });
        let drop = Migration::new("0002", &["a"], |ctx| {
            ctx.execute("a", "DROP TABLE t -- 100%", [])?;
            Ok(())
        });
        let set = vec![create.irreversible("first"), drop.irreversible("100%: yes").name("a, b")];
        let registry = Registry::new(&["a"], set);
        (lint_where(&registry, |_| true).expect("runs"), registry)
    }

    #[test]
    fn an_annotation_is_one_line_whatever_the_finding_holds() {
        let (report, registry) = report();
        let text = github(&report, &registry);
        let (annotation, summary) = text.split_once('\n').expect("two lines");
        assert!(annotation.starts_with("::error file="), "{annotation}");
        assert!(
            annotation.contains(",title=AM101 table dropped with its rows::0002 `a, b`: "),
            "{annotation}"
        );
        assert!(
            annotation.contains("%0Astatement: DROP TABLE t -- 100%25%0Arow: t: x='a'%0Afix: "),
            "{annotation}"
        );
        assert!(summary.starts_with("1 error(s), 0 warning(s) in 2 migration(s)"), "{summary}");
    }

    #[test]
    fn a_property_keeps_what_would_end_it() {
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
    }

    #[test]
    fn the_text_says_what_where_and_what_to_do() {
        let (report, _) = report();
        let text = anstream::adapter::strip_str(&text(&report, false)).to_string();
        assert!(text.starts_with("error[AM101]: 0002 `a, b`: table dropped with its rows\n  table `t` is dropped with 8 row(s)\n  at         "), "{text}");
        assert!(text.contains("\n  database   a\n  statement  DROP TABLE t -- 100%\n  row        t: x='a'\n  fix        "), "{text}");
    }
}
