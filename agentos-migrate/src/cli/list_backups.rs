//! `list-backups`: shows the backups, newest first.

use std::path::Path;

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::{Ui, columns, short_time};
use crate::backup::BackupEntry;
use crate::error::{Error, ErrorKind};

pub(super) fn run(
    settings: &Settings,
    ui: &Ui,
    arguments: &args::ListBackups,
) -> Result<Exit, Error> {
    show(settings, ui, arguments.directory.as_deref())
}

/// Shows the backups; also what `restore` without an id does.
pub(super) fn show(settings: &Settings, ui: &Ui, directory: Option<&Path>) -> Result<Exit, Error> {
    let entries = settings.backups(directory).list_backups()?;
    ui.answer(&text(&entries), &json!({ "backups": entries }));
    Ok(Exit::Done)
}

fn text(entries: &[BackupEntry]) -> String {
    if entries.is_empty() {
        return "no backups\n".to_owned();
    }
    let mut rows = vec![["ID", "MADE", "SIZE", "DATABASES", "WHY"].map(str::to_owned).to_vec()];
    rows.extend(entries.iter().map(row));
    columns(&rows).into_iter().map(|line| line + "\n").collect()
}

fn row(entry: &BackupEntry) -> Vec<String> {
    if let Some(manifest) = &entry.manifest {
        vec![
            entry.id.clone(),
            short_time(&manifest.created_at),
            indicatif::HumanBytes(manifest.total_size_bytes).to_string(),
            manifest.databases.join(" "),
            manifest.metadata.get("reason").cloned().unwrap_or_default(),
        ]
    } else {
        let problem = entry.problem.clone().unwrap_or_default();
        let problem = match entry.kind {
            Some(ErrorKind::DamagedBackup) => format!("damaged: {problem}"),
            _ => problem,
        };
        vec![entry.id.clone(), String::new(), String::new(), String::new(), problem]
    }
}
