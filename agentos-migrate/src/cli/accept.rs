//! `accept`: records a changed checksum.

use super::args;
use super::exit::Exit;
use super::settings::{Settings, version};
use super::ui::Ui;
use crate::error::Error;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Accept) -> Result<Exit, Error> {
    let accepted = settings.migrator().accept(&version(&arguments.version)?)?;
    let text = format!(
        "accepted  {}  {}\n          {}\n",
        accepted.version, accepted.name, accepted.checksum
    );
    ui.answer(&text, &accepted);
    Ok(Exit::Done)
}
