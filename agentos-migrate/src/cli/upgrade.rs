//! `upgrade`: applies what is pending.

use super::args;
use super::exit::Exit;
use super::run;
use super::settings::{Settings, target};
use super::ui::Ui;
use crate::error::Error;
use crate::migrator::CommitMode;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Upgrade) -> Result<Exit, Error> {
    let target = target(arguments.target.as_deref())?;
    let commit =
        if arguments.all_or_nothing { CommitMode::WholeRun } else { CommitMode::EachMigration };
    let options = settings.running(&arguments.running).commit(commit);
    let migrator = run::migrator(settings, ui, options)?;
    let outcome = if arguments.running.dry_run {
        migrator.rehearse(&target)
    } else {
        settings.make_default_directory()?;
        migrator.upgrade(&target)
    };
    Ok(run::finish(settings, ui, outcome))
}
