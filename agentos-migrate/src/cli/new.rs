//! `new`: writes the file of a new migration.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::settings::Settings;
use super::ui::Ui;
use super::usage;
use crate::error::{Error, ErrorKind};
use crate::registry::Registry;
use crate::system;

pub(super) fn run(settings: &Settings, ui: &Ui, arguments: &args::New) -> Result<Exit, Error> {
    let name = snake_case(&arguments.name)?;
    let registry = settings.app.registry();
    let Some(declared) = registry.declaration() else {
        return Err(usage(
            "this set was not declared by `migrations!`, so there is no folder to write to",
        ));
    };
    let directory = Path::new(declared.manifest_dir).join(declared.dir.unwrap_or("src/versions"));
    let database = arguments
        .database
        .as_deref()
        .or_else(|| registry.databases().first().copied())
        .unwrap_or_default();
    if !registry.databases().contains(&database) {
        return Err(usage(format!("the set does not declare the database `{database}`"))
            .detail(format!("it declares {}", registry.databases().join(", "))));
    }
    let (version, path, mut file) = create(registry, &directory, &name)?;
    let before = versions(registry, &directory).into_iter().filter(|other| *other < version).max();
    file.write_all(template(version, &name, database, before).as_bytes()).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot write {}: {error}", path.display()))
            .caused_by(error)
    })?;
    let module = if declared.dir.is_some() {
        String::new()
    } else {
        let stem = format!("{version:04}_{name}");
        format!("          declare it: `#[path = \"versions/{stem}.rs\"] mod v{stem};`\n")
    };
    let text = format!("wrote     {}\n{module}", path.display());
    ui.answer(&text, &json!({ "path": path, "version": format!("{version:04}"), "name": name }));
    Ok(Exit::Done)
}

fn snake_case(name: &str) -> Result<String, Error> {
    let plain: String = name
        .trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    let words: Vec<&str> = plain.split('_').filter(|word| !word.is_empty()).collect();
    let name = words.join("_");
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(usage(format!("`{plain}` is no name for a migration"))
            .with_hint("write words, such as `new add tags`"));
    }
    Ok(name)
}

/// Takes the next free version by creating its file: two calls at once get two.
fn create(
    registry: &Registry,
    directory: &Path,
    name: &str,
) -> Result<(u128, PathBuf, std::fs::File), Error> {
    let failed = |path: &Path, error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot write {}: {error}", path.display()))
            .caused_by(error)
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    // One at a time: the name differs, so creating the file alone would not tell.
    let _turn = system::take_turn(directory).map_err(|error| failed(directory, error))?;
    let version = versions(registry, directory).into_iter().max().unwrap_or_default() + 1;
    let path = directory.join(format!("{version:04}_{name}.rs"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|error| failed(&path, error))?;
    Ok((version, path, file))
}

/// Returns the versions of the compiled set, and of files that were written since.
fn versions(registry: &Registry, directory: &Path) -> Vec<u128> {
    let compiled =
        registry.migrations().iter().map(|migration| migration.info().version.to_string());
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    compiled
        .chain(files)
        .filter_map(|name| {
            name.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
        })
        .collect()
}

fn template(version: u128, name: &str, database: &str, before: Option<u128>) -> String {
    let depends_on =
        before.map(|before| format!("    depends_on = [\"{before:04}\"],\n")).unwrap_or_default();
    let sentence = name.replace('_', " ");
    format!(
        "//! {version:04}: {sentence}.

use agentos_migrate::{{MigrationContext, Result, migration}};

/// {sentence}.
#[migration(
    version = \"{version:04}\",
    databases = [\"{database}\"],
{depends_on}    downgrade = revert_{name},
)]
pub fn {name}(ctx: &mut MigrationContext) -> Result<()> {{
    ctx.execute(\"{database}\", \"SELECT 1\", [])?;
    Ok(())
}}

fn revert_{name}(_ctx: &mut MigrationContext) -> Result<()> {{
    Ok(())
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::Migration;

    #[test]
    fn the_next_version_is_above_those_of_the_set_and_of_the_folder() {
        let directory = tempfile::tempdir().expect("a directory");
        let set = ["0001", "0002"].map(|version| Migration::new(version, &["a"], |_| Ok(())));
        let registry = Registry::new(&["a"], set.into());
        let (version, _, _) = create(&registry, directory.path(), "one").expect("writes");
        assert_eq!(version, 3);
        let (version, path, _) = create(&registry, directory.path(), "two").expect("writes");
        assert_eq!(version, 4);
        assert!(path.ends_with("0004_two.rs"), "{path:?}");
    }
}
