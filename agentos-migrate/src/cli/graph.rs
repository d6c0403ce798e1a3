//! `graph`: which migration needs which.

use std::fmt::Write;

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::Ui;
use crate::error::Error;
use crate::info::MigrationInfo;
use crate::migration::Migration;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Graph) -> Result<Exit, Error> {
    let registry = settings.app.registry();
    registry.check()?;
    let infos: Vec<&MigrationInfo> = registry.migrations().iter().map(Migration::info).collect();
    let nodes: Vec<_> = infos
        .iter()
        .map(|info| {
            let depends_on: Vec<&str> = info.depends_on.iter().map(crate::version::Version::as_str).collect();
            json!({"version": info.version.as_str(), "name": info.name, "databases": info.databases, "depends_on": depends_on})
        })
        .collect();
    let text = if arguments.dot { dot(&infos) } else { text(&infos) };
    ui.answer(&text, &json!({ "migrations": nodes }));
    Ok(Exit::Done)
}

fn text(infos: &[&MigrationInfo]) -> String {
    let mut text = String::new();
    for info in infos {
        let needs: Vec<&str> =
            info.depends_on.iter().map(crate::version::Version::as_str).collect();
        let needs =
            if needs.is_empty() { String::new() } else { format!("  needs {}", needs.join(", ")) };
        let _ = writeln!(
            text,
            "{}  {}  on {}{needs}",
            info.version,
            info.name,
            info.databases.join(", ")
        );
    }
    text
}

fn dot(infos: &[&MigrationInfo]) -> String {
    let mut text = String::from("digraph migrations {\n    rankdir = BT;\n");
    for info in infos {
        let _ = writeln!(text, "    \"{0}\" [label = \"{0}\\n{1}\"];", info.version, info.name);
        for dependency in info.depends_on.iter() {
            let _ = writeln!(text, "    \"{}\" -> \"{dependency}\";", info.version);
        }
    }
    text.push_str("}\n");
    text
}
