//! The set's folder: one file per migration, found by its name.
//!
//! `NNNN_name.rs` is a module, `NNNN_name.up.sql` a migration of SQL, `NNNN_name.down.sql` its way
//! back. What looks like one of them and is none is a mistake: it would be left out without a word.

use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span};
use syn::LitStr;

use crate::sql_file::{self, SqlMigration};

/// What a folder holds.
#[derive(Default)]
pub(crate) struct Folder {
    pub(crate) modules: Vec<Module>,
    pub(crate) sql_migrations: Vec<SqlMigration>,
    /// Versions that files are named after.
    pub(crate) expected: Vec<String>,
}

/// A file of the folder that is Rust.
pub(crate) struct Module {
    pub(crate) name: Ident,
    pub(crate) path: String,
}

/// Reads a folder; all mistakes are told at once.
pub(crate) fn read(
    root: &Path,
    dir: &LitStr,
    databases: &[String],
    errors: &mut Vec<syn::Error>,
) -> Folder {
    let mut folder = Folder::default();
    let path = root.join(dir.value());
    let mut wrong = |problem: String| errors.push(syn::Error::new(dir.span(), problem));
    let names = match names_in(&path) {
        Ok(names) => names,
        Err(error) => {
            wrong(format!("cannot read {}: {error}", dir.value()));
            return folder;
        }
    };
    let from = invoking_folder(root);
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        match Kind::of(name, path.join(name).is_dir(), &names) {
            Kind::Rust(stem) => {
                folder.expected.extend(version_of(stem));
                let path = relative(&from, &path.join(name));
                folder.modules.push(Module { name: module_name(stem), path });
            }
            Kind::Sql { stem, has_down } => match sql_file::found(dir, stem, has_down, databases) {
                Ok(migration) => {
                    folder.expected.push(migration.version.value());
                    folder.sql_migrations.push(migration);
                }
                Err(problems) => {
                    for problem in problems.iter().map(syn::Error::to_string) {
                        let is_told =
                            problem.starts_with(name) || problem.starts_with(&dir.value());
                        wrong(if is_told { problem } else { format!("{name}: {problem}") });
                    }
                }
            },
            Kind::Refused(problem) => wrong(problem),
            Kind::Skipped => {}
        }
    }
    folder.expected.sort();
    folder.expected.dedup();
    folder
}

/// What an entry of the folder is, by its name.
#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    Rust(&'a str),
    Sql {
        stem: &'a str,
        has_down: bool,
    },
    Refused(String),
    /// Nothing of a migration, or told with the file that it belongs to.
    Skipped,
}

impl<'a> Kind<'a> {
    fn of(name: &'a str, is_folder: bool, names: &[String]) -> Self {
        let is_there = |other: String| names.contains(&other);
        if is_folder {
            return Self::of_folder(name, is_there(format!("{name}.rs")));
        }
        if let Some(stem) = name.strip_suffix(".up.sql") {
            return Self::Sql { stem, has_down: is_there(format!("{stem}.down.sql")) };
        }
        if let Some(stem) = name.strip_suffix(".down.sql") {
            let up = format!("{stem}.up.sql");
            let problem = format!("{name} has no {up} beside it");
            return if is_there(up) { Self::Skipped } else { Self::Refused(problem) };
        }
        match name.rsplit_once('.') {
            Some(("mod", "rs")) => Self::Skipped,
            Some((stem, "rs")) => Self::Rust(stem),
            Some((stem, ending)) if ending.eq_ignore_ascii_case("rs") => {
                Self::Refused(format!("`{name}` is no migration: name it `{stem}.rs`"))
            }
            Some((stem, ending)) if ending.eq_ignore_ascii_case("sql") => {
                Self::Refused(format!("`{name}` is no migration: name it {}", sql_name(stem)))
            }
            _ => Self::Skipped,
        }
    }

    /// A folder that is named like a migration; a Rust file of that name may keep its texts there.
    fn of_folder(name: &str, has_file: bool) -> Self {
        if has_file || !name.starts_with(|first: char| first.is_ascii_digit()) {
            return Self::Skipped;
        }
        let stem = if version_of(name).is_some() { name } else { "NNNN_name" };
        Self::Refused(format!(
            "`{name}/` is no migration, as folders are not searched: move its files here, \
             as `{stem}.up.sql` and `{stem}.down.sql`"
        ))
    }
}

/// Returns how an SQL file has to be named, from its name without `.sql`.
fn sql_name(stem: &str) -> String {
    let lower = stem.to_ascii_lowercase();
    let way = ["up", "down"].into_iter().find_map(|way| {
        let stem = lower.strip_suffix(way)?.strip_suffix(['.', '_', '-'])?;
        Some((stem.len(), way))
    });
    let named = &stem[..way.map_or(stem.len(), |(length, _)| length)];
    if version_of(named).is_none() {
        return "`NNNN_name.up.sql`, with 4 to 20 digits".to_owned();
    }
    match way {
        Some((_, way)) => format!("`{named}.{way}.sql`"),
        None => format!("`{named}.up.sql`, or `{named}.down.sql` if it is the way back"),
    }
}

/// Returns the names in a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> =
        entries.map(|entry| entry.map(name)).collect::<std::io::Result<_>>()?;
    names.sort();
    Ok(names)
}

/// Returns the version that a file's name begins with.
fn version_of(stem: &str) -> Option<String> {
    let digits: String = stem.chars().take_while(char::is_ascii_digit).collect();
    (digits.len() >= 4).then_some(digits)
}

fn module_name(stem: &str) -> Ident {
    let name: String = stem.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let name =
        if name.starts_with(|c: char| c.is_ascii_digit()) { format!("v{name}") } else { name };
    Ident::new(&name, Span::call_site())
}

/// Returns the folder of the file that calls the macro: paths of modules start there.
fn invoking_folder(root: &Path) -> PathBuf {
    let file = Span::call_site().unwrap().local_file();
    let absolute = file.map(|file| std::env::current_dir().unwrap_or_default().join(file));
    absolute.and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_else(|| root.join("src"))
}

/// Returns a path from one folder to a file; relative, so that the compiler names it as short as others.
fn relative(from: &Path, to: &Path) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - common);
    let down = to[common..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<'a>(name: &'a str, others: &[&str]) -> Kind<'a> {
        let names: Vec<String> =
            others.iter().chain([&name]).map(|name| (*name).to_owned()).collect();
        Kind::of(name, false, &names)
    }

    #[track_caller]
    fn is_refused(name: &str, help: &str) {
        let wanted = format!("`{name}` is no migration: name it {help}");
        assert_eq!(kind(name, &[]), Kind::Refused(wanted));
    }

    #[test]
    fn files_of_migrations_are_known_by_their_names() {
        assert_eq!(kind("0001_a.rs", &[]), Kind::Rust("0001_a"));
        assert_eq!(kind("helpers.rs", &[]), Kind::Rust("helpers"));
        let up = |has_down| Kind::Sql { stem: "0001_a", has_down };
        assert_eq!(kind("0001_a.up.sql", &[]), up(false));
        assert_eq!(kind("0001_a.up.sql", &["0001_a.down.sql"]), up(true));
        assert_eq!(kind("0001_a.down.sql", &["0001_a.up.sql"]), Kind::Skipped);
        for other in ["mod.rs", "README.md", "0001_a.txt", "0001_a"] {
            assert_eq!(kind(other, &[]), Kind::Skipped, "{other}");
        }
    }

    #[test]
    fn an_sql_file_that_would_be_left_out_is_refused_with_its_right_name() {
        is_refused("0003_c.sql", "`0003_c.up.sql`, or `0003_c.down.sql` if it is the way back");
        is_refused("0002_a.up.SQL", "`0002_a.up.sql`");
        is_refused("0002_a.Down.sql", "`0002_a.down.sql`");
        is_refused("0001_a_down.sql", "`0001_a.down.sql`");
        is_refused("0001-up.sql", "`0001.up.sql`");
        is_refused("V3__c.sql", "`NNNN_name.up.sql`, with 4 to 20 digits");
        is_refused("0001_a.RS", "`0001_a.rs`");
    }

    #[test]
    fn a_folder_named_like_a_migration_is_refused_unless_a_rust_file_has_its_name() {
        let refused = Kind::of("0002_b", true, &[]);
        assert!(matches!(refused, Kind::Refused(text) if text.contains("as `0002_b.up.sql` and")));
        assert_eq!(Kind::of("0002_b", true, &["0002_b.rs".to_owned()]), Kind::Skipped);
        assert_eq!(Kind::of("texts", true, &[]), Kind::Skipped);
    }
}
