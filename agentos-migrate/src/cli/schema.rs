//! `schema`: prints or writes the databases' schemas as normalised SQL.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::{Settings, version};
use super::ui::Ui;
use crate::error::{Error, ErrorKind};

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Schema) -> Result<Exit, Error> {
    let at = arguments.at.as_deref().map(version).transpose()?;
    let schemas = settings.migrator().schema(at.as_ref())?;
    if let Some(directory) = &arguments.check {
        let differing: Vec<&str> = schemas
            .iter()
            .filter(|(name, sql)| stored(directory, name) != Some(sql.clone()))
            .map(|(name, _)| name.as_str())
            .collect();
        let text = if differing.is_empty() {
            "the schema files are current\n".to_owned()
        } else {
            format!("not current: {}\n", differing.join(", "))
        };
        ui.answer(&text, &json!({ "differing": differing }));
        return Ok(if differing.is_empty() { Exit::Done } else { Exit::Pending });
    }
    if let Some(directory) = &arguments.write {
        write(directory, &schemas)?;
    }
    let mut text = String::new();
    for (database, sql) in &schemas {
        let _ = writeln!(text, "-- {database}\n{sql}");
    }
    let document: serde_json::Map<String, serde_json::Value> =
        schemas.into_iter().map(|(name, sql)| (name, sql.into())).collect();
    ui.answer(&text, &json!({ "schemas": document }));
    Ok(Exit::Done)
}

fn stored(directory: &Path, database: &str) -> Option<String> {
    std::fs::read_to_string(directory.join(format!("{database}.sql"))).ok()
}

fn write(directory: &Path, schemas: &[(String, String)]) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot write into {}: {error}", directory.display()))
            .caused_by(error)
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    schemas
        .iter()
        .try_for_each(|(name, sql)| std::fs::write(directory.join(format!("{name}.sql")), sql))
        .map_err(failed)
}
