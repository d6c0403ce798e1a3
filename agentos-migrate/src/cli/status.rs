//! `status`: what is applied and what is pending.

use std::fmt::Write;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::{BOLD, DIM, Ui, columns, short_time, style_of};
use crate::error::Error;
use crate::status::{State, Status};

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Status) -> Result<Exit, Error> {
    let status = settings.migrator().status()?;
    ui.answer(&text(settings, ui, &status), &status);
    let holds = |state| status.entries().iter().any(|entry| entry.state == state);
    Ok(match arguments.check {
        true if holds(State::Missing) => Exit::Newer,
        true if holds(State::Modified) => Exit::Integrity,
        true if status.pending_count > 0 => Exit::Pending,
        _ => Exit::Done,
    })
}

fn text(settings: &Settings, ui: &Ui, status: &Status) -> String {
    let entries = status.entries();
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let when = entry.applied_at.as_deref().map(short_time).unwrap_or_default();
            vec![
                entry.version.clone(),
                entry.name.clone(),
                entry.state.to_string(),
                when,
                entry.databases.join(", "),
            ]
        })
        .collect();
    let none = || "none".to_owned();
    let mut text = format!("{BOLD}{}{BOLD:#}\n", settings.data_dir.display());
    let current = status.current_version.clone().unwrap_or_else(none);
    let latest = status.latest_available.clone().unwrap_or_else(none);
    let _ = writeln!(text, "current {current}, latest {latest}\n");
    for (line, entry) in columns(&rows).iter().zip(&entries) {
        let style = style_of(entry.state);
        let word = entry.state.as_str();
        let _ = writeln!(text, "  {}", line.replacen(word, &format!("{style}{word}{style:#}"), 1));
        if settings.verbose > 0 && !entry.description.is_empty() {
            let _ = writeln!(text, "        {DIM}{}{DIM:#}", entry.description);
        }
        if let Some(error) = entry.error_message.as_deref().filter(|_| entry.state == State::Failed)
        {
            let _ = writeln!(text, "        {}", error.lines().next().unwrap_or_default());
        }
    }
    let _ = writeln!(text, "\n{}", summary(status));
    if let Some(hint) = hint(ui, status) {
        let _ = writeln!(text, "{BOLD}hint{BOLD:#}: {hint}");
    }
    text
}

fn summary(status: &Status) -> String {
    let mut words = vec![
        format!("{} applied", status.applied_count),
        format!("{} pending", status.pending_count),
    ];
    for state in [State::Modified, State::Missing, State::Failed] {
        let count = status.entries().iter().filter(|entry| entry.state == state).count();
        if count > 0 {
            words.push(format!("{count} {state}"));
        }
    }
    words.join(", ")
}

fn hint(ui: &Ui, status: &Status) -> Option<String> {
    let any = |state: State| status.entries().iter().any(|entry| entry.state == state);
    let name = ui.name;
    if any(State::Missing) {
        Some("the data is newer than this program: install the newer one".to_owned())
    } else if any(State::Modified) {
        Some(format!(
            "`{name} accept VERSION` records a changed checksum; `{name} upgrade --force` runs the migration again"
        ))
    } else if status.pending_count > 0 {
        Some(format!(
            "`{name} upgrade --dry-run` shows what would change, `{name} upgrade` does it"
        ))
    } else {
        None
    }
}
