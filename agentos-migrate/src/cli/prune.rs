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
    let manager = ui.follow(manager.with_wait(arguments.waiting.time))?;
    let (keep, days) = (arguments.keep, arguments.keep_days);
    let cleanup = if arguments.dry_run {
        manager.preview_cleanup(keep, days)?
    } else {
        manager.cleanup_old_backups(keep, days)?
    };
    let verb = if arguments.dry_run { "would remove" } else { "removed" };
    let mut text = String::new();
    for id in &cleanup.removed {
        let _ = writeln!(text, "{verb}  {id}");
    }
    for id in &cleanup.kept_damaged {
        let _ = writeln!(text, "kept  {id}, which is no good one: `verify --backup {id}` says why");
    }
    for (id, things) in &cleanup.kept_for {
        let _ = writeln!(text, "kept  {id}: no newer good backup holds {}", things.join(", "));
    }
    for tree in &cleanup.removed_replaced {
        let _ = writeln!(text, "{verb}  {}, which a restore replaced", tree.display());
    }
    let _ = writeln!(text, "{verb} {} backup(s)", cleanup.removed.len());
    let mut document = json!(cleanup);
    document["dry_run"] = arguments.dry_run.into();
    ui.answer(&text, &document);
    Ok(Exit::Done)
}
