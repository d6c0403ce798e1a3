//! `completions`: a script for a shell.

use super::args;
use super::exit::Exit;
use super::ui::{Ui, text_alone};

pub(super) fn run(ui: &Ui, mut command: clap::Command, arguments: &args::Completions) -> Exit {
    let mut script = Vec::new();
    let name = ui.name;
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    text_alone(&String::from_utf8_lossy(&script));
    Exit::Done
}
