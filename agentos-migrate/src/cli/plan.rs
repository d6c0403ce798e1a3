//! `plan`: what an upgrade would do.

use std::fmt::Write;

use super::args;
use super::exit::Exit;
use super::settings::{Settings, target};
use super::ui::{BAD, DIM, Ui};
use crate::error::Error;
use crate::plan::{Plan, Reason};

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Plan) -> Result<Exit, Error> {
    let plan = settings.migrator().plan(&target(arguments.target.as_deref())?)?;
    ui.answer(&text(&plan), &plan);
    Ok(Exit::Done)
}

fn text(plan: &Plan) -> String {
    if plan.steps.is_empty() {
        return "nothing to do\n".to_owned();
    }
    let mut text = String::new();
    for step in &plan.steps {
        let why = match step.reason {
            Reason::Failed => "  (failed before, runs again)",
            Reason::Forced => "  (modified, runs again)",
            Reason::Pending | Reason::Above => "",
        };
        let _ = writeln!(
            text,
            "{}  {}  on {}{why}",
            step.version,
            step.name,
            step.databases.join(", ")
        );
        if !step.description.is_empty() {
            let _ = writeln!(text, "      {DIM}{}{DIM:#}", step.description);
        }
        if let Some(reason) = &step.irreversible {
            let _ = writeln!(text, "      {BAD}irreversible{BAD:#}: {reason}");
        }
    }
    text
}
