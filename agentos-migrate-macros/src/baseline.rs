//! The folder of what the application itself made before the first migration.
//!
//! One file per database, `<database>.sql`. A file that belongs to no database is a mistake: it
//! would be left out without a word.

use std::path::Path;

use syn::LitStr;

use crate::sql::{self, Use};
use crate::{folder, near};

/// Reads the folder: each database with its file, from the crate's root.
pub(crate) fn read(
    root: &Path,
    dir: &LitStr,
    databases: &[String],
    errors: &mut Vec<syn::Error>,
) -> Vec<(String, String)> {
    let path = root.join(dir.value());
    let mut wrong = |problem: String| errors.push(syn::Error::new(dir.span(), problem));
    let names = match folder::names_in(&path) {
        Ok(names) => names,
        Err(error) => {
            wrong(format!("cannot read {}: {error}", dir.value()));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for name in &names {
        let Some(database) = name.strip_suffix(".sql") else { continue };
        if !databases.iter().any(|declared| declared == database) {
            let suggestion = near::suggestion(database, databases.iter().map(String::as_str));
            wrong(format!("{name} is of no declared database{suggestion}"));
        }
        match std::fs::read_to_string(path.join(name)) {
            Ok(text) => drop(
                sql::check(&text, Use::Many).map_err(|problem| wrong(format!("{name}: {problem}"))),
            ),
            Err(error) => wrong(format!("cannot read {name}: {error}")),
        }
        files.push((database.to_owned(), format!("{}/{name}", dir.value())));
    }
    if files.is_empty() {
        let example = databases.first().map_or("name", String::as_str);
        wrong(format!(
            "{} holds no baseline: write `{example}.sql` with the tables that the application makes",
            dir.value()
        ));
    }
    files
}
