//! `restore`: brings a backup back, all files or none.

use std::fmt::Write;
use std::io::{BufRead, IsTerminal};

use super::args;
use super::exit::Exit;
use super::list_backups;
use super::settings::Settings;
use super::ui::Ui;
use super::usage;
use crate::backup::{Blobs, RestoreOptions, Verification};
use crate::error::Error;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Restore) -> Result<Exit, Error> {
    let directory = arguments.directory.as_deref();
    let Some(id) = &arguments.id else {
        return list_backups::show(settings, ui, directory);
    };
    confirm(settings, ui, id, arguments.yes)?;
    let manager = settings.backups(directory).with_wait(arguments.waiting.time);
    let manager = ui.follow(manager)?;
    let options = RestoreOptions {
        verify: if arguments.skip_verify { Verification::Skip } else { Verification::Full },
        databases: arguments.database.clone(),
        blobs: if arguments.no_blobs { Blobs::Exclude } else { Blobs::Include },
    };
    let report = manager.restore_backup(id, &options)?;
    let mut text = format!(
        "restored  {}\n          databases: {}\n",
        report.backup_id,
        report.databases.join(", ")
    );
    let _ = writeln!(
        text,
        "          what was replaced is in {}; only `{} prune` removes it, when it is old",
        report.replaced.display(),
        ui.name
    );
    for stored in &report.not_used {
        let _ = writeln!(text, "          not used: {stored}, as the manifest does not name it");
    }
    for version in &report.to_run_again {
        let _ = writeln!(
            text,
            "          {version} is not in the restored databases: `{} upgrade` runs it again",
            ui.name
        );
    }
    ui.answer(&text, &report);
    Ok(Exit::Done)
}

/// Asks on a terminal; without one, a restore needs `--yes`.
fn confirm(settings: &Settings, ui: &Ui, id: &str, yes: bool) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    let question = format!("restoring {id} replaces the files in {}", settings.data_dir.display());
    let refused = |text: String| {
        usage(text)
            .in_state("nothing was changed")
            .with_hint(format!("`{} restore {id} --yes`", ui.name))
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused(format!("{question}, and there is no terminal to ask")));
    }
    super::ui::talk_line(&format!("{question}; go on? [y/N]"));
    let mut answer = String::new();
    // No answer is a no.
    drop(std::io::stdin().lock().read_line(&mut answer));
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(refused("not restored".to_owned()))
    }
}
