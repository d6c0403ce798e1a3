//! `accept`: records that a changed checksum, or a schema that drifted, is meant.

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::{Settings, version};
use super::ui::Ui;
use super::usage;
use crate::error::Error;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Accept) -> Result<Exit, Error> {
    if arguments.drift {
        return drift(settings, ui);
    }
    let missing = || usage("accept what? Give the modified VERSION, or `--drift`");
    let wanted = arguments.version.as_deref().ok_or_else(missing)?;
    let accepted = settings.migrator().accept(&version(wanted)?)?;
    let text = format!(
        "accepted  {}  {}\n          {}\n",
        accepted.version, accepted.name, accepted.checksum
    );
    ui.answer(&text, &accepted);
    Ok(Exit::Done)
}

fn drift(settings: &Settings, ui: &Ui) -> Result<Exit, Error> {
    let accepted = settings.migrator().accept_drift()?;
    let lines = accepted.iter().map(|one| format!("accepted  {}\n", one.message));
    ui.answer(&lines.collect::<String>(), &json!({ "accepted": accepted }));
    Ok(Exit::Done)
}
