//! The folder of what the application itself made before the first migration.
//!
//! One file per database, `<database>.sql`. A file that belongs to no database is a mistake: it
//! would be left out without a word.

use std::path::Path;

use syn::LitStr;

use crate::near;
use crate::sql::{self, Use};

/// Reads the folder: each database with its file, from the crate's root.
pub(crate) fn read(
    root: &Path,
    dir: &LitStr,
    databases: &[String],
) -> syn::Result<Vec<(String, String)>> {
    let folder = root.join(dir.value());
    let failed = |problem: String| syn::Error::new(dir.span(), problem);
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| failed(format!("cannot read {}: {error}", folder.display())))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut files = Vec::new();
    for name in &names {
        let Some(database) = name.strip_suffix(".sql") else { continue };
        if !databases.iter().any(|declared| declared == database) {
            let suggestion = near::suggestion(database, databases.iter().map(String::as_str));
            return Err(failed(format!("{name} is of no declared database{suggestion}")));
        }
        let text = std::fs::read_to_string(folder.join(name))
            .map_err(|error| failed(format!("cannot read {name}: {error}")))?;
        sql::check(&text, Use::Many).map_err(|problem| failed(format!("{name}: {problem}")))?;
        files.push((database.to_owned(), format!("{}/{name}", dir.value())));
    }
    if files.is_empty() {
        let example = databases.first().map_or("name", String::as_str);
        return Err(failed(format!(
            "{} holds no baseline: write `{example}.sql` with the tables that the application makes",
            dir.value()
        )));
    }
    Ok(files)
}
