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
        return drift(settings, ui, arguments);
    }
    let missing = || {
        usage("accept what? Give the VERSION of a modified migration, or `--drift`")
            .in_state("nothing was changed")
            .with_hint(format!("`{} verify` names what is modified, and what drifted", ui.name))
    };
    let wanted = arguments.version.as_deref().ok_or_else(missing)?;
    let accepted = settings.patient_migrator(&arguments.waiting).accept(&version(wanted)?)?;
    let text = format!(
        "accepted  {}  {}\n          {}\n",
        accepted.version, accepted.name, accepted.checksum
    );
    ui.answer(&text, &accepted);
    Ok(Exit::Done)
}

fn drift(settings: &Settings, ui: &Ui, arguments: &args::Accept) -> Result<Exit, Error> {
    let accepted = settings.patient_migrator(&arguments.waiting).accept_drift()?;
    let lines = accepted.iter().map(|one| format!("accepted  {}\n", one.message));
    let text = if accepted.is_empty() {
        "nothing to accept: `verify` finds no difference\n".to_owned()
    } else {
        lines.collect()
    };
    ui.answer(&text, &json!({ "accepted": accepted }));
    Ok(Exit::Done)
}
