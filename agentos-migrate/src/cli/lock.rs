//! `lock`: records new migrations in the lock file.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::Ui;
use crate::error::{Error, ErrorKind};
use crate::lock_file;
use crate::registry::Registry;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Lock) -> Result<Exit, Error> {
    let registry = settings.app.registry();
    let path = path_of(registry)?;
    let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
    let updated = lock_file::with_all(&text, registry.migrations());
    let changes = lock_file::new_versions(&text, registry.migrations());
    if updated != text && !arguments.check {
        std::fs::write(&path, &updated).map_err(|error| failed(&path, error))?;
    }
    let verb = if arguments.check { "not in the lock file" } else { "recorded" };
    let text = if changes.is_empty() {
        "the lock file is current\n".to_owned()
    } else {
        format!("{verb}: {}\n", changes.join(", "))
    };
    ui.answer(&text, &json!({ "path": path, "new": changes, "checked_only": arguments.check }));
    Ok(if arguments.check && !changes.is_empty() { Exit::Pending } else { Exit::Done })
}

/// Returns the versions that the lock file does not hold.
pub(super) fn unreleased(registry: &Registry) -> Result<Vec<String>, Error> {
    let path = path_of(registry)?;
    let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
    Ok(lock_file::new_versions(&text, registry.migrations()))
}

fn path_of(registry: &Registry) -> Result<PathBuf, Error> {
    let missing = || {
        Error::new(ErrorKind::Usage, "this set declares no lock file")
            .with_hint("add `lock: \"migrations.lock\"` to `migrations!`")
    };
    let declared = registry.declaration().ok_or_else(missing)?;
    Ok(Path::new(declared.manifest_dir).join(declared.lock_path.ok_or_else(missing)?))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot read or write {}: {error}", path.display()))
        .caused_by(error)
}
