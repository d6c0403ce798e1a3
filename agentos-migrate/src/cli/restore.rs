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
use crate::sqlite::failure::in_shell;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Restore) -> Result<Exit, Error> {
    let directory = arguments.directory.as_deref();
    let Some(id) = &arguments.id else {
        refuse_without_id(ui, arguments)?;
        return list_backups::show(settings, ui, directory);
    };
    confirm(settings, ui, id, arguments)?;
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
        let known =
            version.parse().is_ok_and(|it| settings.app.registry().migration(&it).is_some());
        let again = if known {
            format!("`{} upgrade` runs it again", ui.name)
        } else {
            "the newer program that has it runs it again".to_owned()
        };
        let _ = writeln!(text, "          {version} is not in the restored databases: {again}");
    }
    ui.answer(&text, &report);
    Ok(Exit::Done)
}

/// Refuses what is said of a restore without saying of which backup: a list is no restore.
fn refuse_without_id(ui: &Ui, arguments: &args::Restore) -> Result<(), Error> {
    let is_bare = arguments.database.is_empty()
        && !(arguments.yes || arguments.skip_verify || arguments.no_blobs);
    if is_bare {
        return Ok(());
    }
    let error = usage("it is not said which backup to restore").in_state("nothing was changed");
    Err(error.with_hint(format!(
        "write the ID first: `{} restore ID{}`; `restore` alone lists the backups",
        ui.name,
        options_of(arguments)
    )))
}

/// Returns the options that decide what a restore does, as they are written.
fn options_of(arguments: &args::Restore) -> String {
    let mut text = String::new();
    for database in &arguments.database {
        let _ = write!(text, " --database {database}");
    }
    for (given, option) in
        [(arguments.no_blobs, " --no-blobs"), (arguments.skip_verify, " --skip-verify")]
    {
        text.push_str(if given { option } else { "" });
    }
    if let Some(directory) = &arguments.directory {
        let _ = write!(text, " --backup-dir {}", in_shell(directory));
    }
    text
}

/// Asks on a terminal; without one, a restore needs `--yes`.
fn confirm(settings: &Settings, ui: &Ui, id: &str, arguments: &args::Restore) -> Result<(), Error> {
    if arguments.yes {
        return Ok(());
    }
    let question = format!("restoring {id} replaces the files in {}", settings.data_dir.display());
    let refused = |text: String| {
        usage(text).in_state("nothing was changed").with_hint(format!(
            "`{} --data-dir {} restore {id}{} --yes`",
            ui.name,
            in_shell(&settings.data_dir),
            options_of(arguments)
        ))
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
