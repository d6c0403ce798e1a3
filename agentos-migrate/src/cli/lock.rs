//! `lock`: records new migrations in the lock file.

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::Ui;
use crate::error::{Error, ErrorKind};
use crate::lock_file;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::Lock) -> Result<Exit, Error> {
    let registry = settings.app.registry();
    let missing = || {
        Error::new(ErrorKind::Usage, "this set declares no lock file")
            .with_hint("add `lock: \"migrations.lock\"` to `migrations!`")
    };
    let declared = registry.declaration().ok_or_else(missing)?;
    let path =
        std::path::Path::new(declared.manifest_dir).join(declared.lock_path.ok_or_else(missing)?);
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot read or write {}: {error}", path.display()))
            .caused_by(error)
    };
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let updated = lock_file::with_all(&text, registry.migrations());
    let changes = lock_file::new_versions(&text, registry.migrations());
    if updated != text && !arguments.check {
        std::fs::write(&path, &updated).map_err(failed)?;
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
