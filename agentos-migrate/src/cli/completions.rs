//! `completions`: a script for a shell.

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::ui::Ui;

pub(super) fn run(ui: &Ui, mut command: clap::Command, arguments: &args::Completions) -> Exit {
    let mut script = Vec::new();
    let name = ui.name;
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    ui.answer(&script, &json!({ "shell": arguments.shell.to_string(), "script": script }));
    Exit::Done
}
