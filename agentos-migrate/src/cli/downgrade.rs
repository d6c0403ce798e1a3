//! `downgrade`: reverts everything above a version.

use super::args;
use super::exit::Exit;
use super::run;
use super::settings::{Settings, version};
use super::ui::Ui;
use crate::error::Error;

pub(super) fn run(
    settings: &Settings,
    ui: &Ui,
    arguments: &args::Downgrade,
) -> Result<Exit, Error> {
    let target = version(&arguments.target)?;
    let migrator = run::migrator(settings, ui, settings.running(&arguments.running))?;
    let outcome = if arguments.running.dry_run {
        migrator.rehearse_downgrade(&target)
    } else {
        migrator.downgrade(&target)
    };
    Ok(run::finish(settings, ui, outcome))
}
