//! `history`: everything that ever happened.

use std::fmt::Write;

use serde_json::json;

use super::exit::Exit;
use super::settings::Settings;
use super::ui::{DIM, Ui, columns, short_time};
use crate::error::Error;

pub(super) fn run(settings: &Settings, ui: &Ui) -> Result<Exit, Error> {
    let events = settings.migrator().history()?;
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|event| {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            vec![
                short_time(&event.at),
                event.kind.as_str().to_owned(),
                text(&event.version),
                text(&event.name),
                event.program.clone(),
                text(&event.backup_id),
            ]
        })
        .collect();
    let mut text = String::new();
    for (line, event) in columns(&rows).iter().zip(&events) {
        let _ = writeln!(text, "{line}");
        for note in event.note.iter().flat_map(|note| note.lines()) {
            let _ = writeln!(text, "    {DIM}{note}{DIM:#}");
        }
    }
    if events.is_empty() {
        text.push_str("nothing happened yet\n");
    }
    ui.answer(&text, &json!({ "events": events }));
    Ok(Exit::Done)
}
