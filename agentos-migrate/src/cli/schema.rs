//! `schema`: prints the databases' schemas as normalised SQL, and keeps the schema files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::args;
use super::exit::Exit;
use super::settings::{Settings, target};
use super::ui::{DIM, GOOD, Ui, diff_text};
use crate::error::Error;
use crate::schema_files;

type Schemas = Vec<(String, String)>;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Schema) -> Result<Exit, Error> {
    let migrator = settings.migrator();
    let compiled = || migrator.compiled_schema(&target(arguments.at.as_deref())?);
    match (&arguments.check, &arguments.write, &arguments.at) {
        (Some(named), ..) => check(ui, &folder(settings, named.as_ref()), &compiled()?),
        (None, Some(named), _) => write(ui, &folder(settings, named.as_ref()), &compiled()?),
        (None, None, Some(_)) => Ok(print(ui, compiled()?)),
        (None, None, None) => Ok(print(ui, migrator.schema()?)),
    }
}

/// Returns the folder of the schema files: the one that is named, else that of the crate with
/// the migrations, which is where its tests look, wherever the command is started.
fn folder(settings: &Settings, named: Option<&PathBuf>) -> PathBuf {
    let declared = settings.app.registry().declaration();
    let root = declared.map(|declared| Path::new(declared.manifest_dir));
    // The sources may be elsewhere than where the program was built.
    let root = root.filter(|root| root.is_dir()).unwrap_or(Path::new(""));
    named.cloned().unwrap_or_else(|| root.join("schema"))
}

fn print(ui: &Ui, schemas: Schemas) -> Exit {
    let mut text = String::new();
    for (database, sql) in &schemas {
        let _ = writeln!(text, "{DIM}-- {database}{DIM:#}\n{sql}");
    }
    let document: Map<String, Value> =
        schemas.into_iter().map(|(database, sql)| (database, sql.into())).collect();
    ui.answer(&text, &json!({ "schemas": document }));
    Exit::Done
}

fn write(ui: &Ui, folder: &Path, schemas: &Schemas) -> Result<Exit, Error> {
    let written = schema_files::write(folder, schemas)?;
    let lines = written.iter().map(|file| format!("written   {}\n", folder.join(file).display()));
    let text = if written.is_empty() {
        "the schema files are current\n".to_owned()
    } else {
        lines.collect()
    };
    ui.answer(&text, &json!({ "folder": folder, "written": written }));
    Ok(Exit::Done)
}

fn check(ui: &Ui, folder: &Path, schemas: &Schemas) -> Result<Exit, Error> {
    let stale = schema_files::stale(folder, schemas)?;
    let mut text = String::new();
    for one in &stale {
        let _ = writeln!(text, "not current  {}", folder.join(&one.file).display());
        text.push_str(&diff_text(&one.diff, "    "));
    }
    if stale.is_empty() {
        let _ = writeln!(text, "{GOOD}the schema files are current{GOOD:#}");
    } else {
        let command = format!("{} schema --write {}", ui.name, folder.display());
        let _ = writeln!(text, "\nhint: if the change is meant, write them: `{command}`");
    }
    let files: Vec<Value> =
        stale.iter().map(|one| json!({ "file": one.file, "diff": one.diff })).collect();
    ui.answer(&text, &json!({ "folder": folder, "not_current": files }));
    Ok(if stale.is_empty() { Exit::Done } else { Exit::Pending })
}
