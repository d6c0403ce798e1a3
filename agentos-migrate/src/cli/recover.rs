//! `recover`: finishes what an interrupted run left.

use std::fmt::Write;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::Ui;
use crate::error::Error;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Recover) -> Result<Exit, Error> {
    let migrator = settings.patient_migrator(&arguments.waiting);
    let recovery = if arguments.recreate.is_empty() {
        migrator.recover()?
    } else {
        let names: Vec<&str> = arguments.recreate.iter().map(String::as_str).collect();
        migrator.recreate(&names)?
    };
    let mut text = String::new();
    if let Some(id) = &recovery.restored {
        let _ = writeln!(text, "finished the restore of {id}");
    }
    for database in &recovery.returned_to_wal {
        let _ = writeln!(text, "returned {database} to write-ahead logging");
    }
    for database in &recovery.deduplicated {
        let _ = writeln!(text, "removed doubled version rows from {database}");
    }
    for version in &recovery.taken_into_history {
        let _ = writeln!(text, "took {version} into the history, as its databases record it");
    }
    for version in &recovery.to_run_again {
        let _ = writeln!(
            text,
            "marked {version}, which no database records: `{} upgrade` runs it again",
            ui.name
        );
    }
    for database in &recovery.recreated {
        let _ = writeln!(text, "made {database} anew: its tables, without the rows that it had");
    }
    if recovery.is_empty() {
        text.push_str("nothing to recover\n");
    }
    ui.answer(&text, &recovery);
    Ok(Exit::Done)
}
