//! `prune`: removes old backups.

use std::fmt::Write;

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::Ui;
use crate::error::Error;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Prune) -> Result<Exit, Error> {
    let manager = settings.backups(arguments.directory.as_deref());
    let (keep, days) = (arguments.keep, arguments.keep_days);
    let ids = if arguments.dry_run {
        manager.preview_cleanup(keep, days)?
    } else {
        manager.cleanup_old_backups(keep, days)?
    };
    let verb = if arguments.dry_run { "would remove" } else { "removed" };
    let mut text = String::new();
    for id in &ids {
        let _ = writeln!(text, "{verb}  {id}");
    }
    let _ = writeln!(text, "{verb} {} backup(s)", ids.len());
    ui.answer(&text, &json!({ "removed": ids, "dry_run": arguments.dry_run }));
    Ok(Exit::Done)
}
