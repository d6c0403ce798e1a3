//! `verify`: compares what is there with the compiled set, or checks a backup.

use std::fmt::Write;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::{BAD, BOLD, DIM, GOOD, Ui, diff_text};
use crate::error::Error;
use crate::migrator::Inspection;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Verify) -> Result<Exit, Error> {
    if let Some(id) = &arguments.backup {
        let manager = ui.follow(settings.backups(arguments.directory.as_deref()))?;
        let manifest = manager.verify_backup(id)?;
        ui.answer(
            &format!("{GOOD}good{GOOD:#}      {id}, {} files\n", manifest.checksums.len()),
            &manifest,
        );
        return Ok(Exit::Done);
    }
    let inspection = settings.migrator().verify()?;
    ui.answer(&text(&inspection), &inspection);
    Ok(if inspection.findings.is_empty() { Exit::Done } else { Exit::Integrity })
}

fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    let mut findings = inspection.findings.iter().peekable();
    while let Some(finding) = findings.next() {
        let _ = writeln!(text, "{BAD}{:12}{BAD:#} {}", finding.code, finding.message);
        if let Some(diff) = &finding.diff {
            text.push_str(&diff_text(diff, "    "));
        }
        // Said once for findings that follow each other.
        if findings.peek().is_none_or(|next| next.hint != finding.hint) {
            let _ = writeln!(text, "    {BOLD}hint{BOLD:#}: {}", finding.hint);
        }
    }
    for note in &inspection.notes {
        let _ = writeln!(text, "{DIM}note{DIM:#}         {note}");
    }
    let count = inspection.findings.len();
    let _ = if count == 0 && !inspection.schema_compared {
        writeln!(text, "nothing wrong was found in what could be looked at")
    } else if count == 0 {
        writeln!(text, "{GOOD}all is as it should be{GOOD:#}")
    } else {
        writeln!(text, "\n{count} finding(s)")
    };
    text
}
