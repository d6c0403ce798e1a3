//! Migrations of SQL files: declared by `sql_migration!`, or found in the set's folder.

mod declared;

use proc_macro2::Span;
use syn::LitStr;

pub(crate) use self::declared::declared;
use crate::checksum::Canonical;
use crate::compiler;
use crate::sql::{self, Use};
use crate::sql_header::{Options, header};
use crate::state::Seen;
use crate::valid::Refused;
use crate::{near, valid};

/// A migration of SQL files.
pub(crate) struct SqlMigration {
    pub(crate) version: LitStr,
    pub(crate) number: u128,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) databases: Vec<LitStr>,
    pub(crate) depends_on: Vec<(LitStr, u128)>,
    pub(crate) schema_version: Option<LitStr>,
    pub(crate) irreversible: Option<LitStr>,
    pub(crate) legacy_checksums: Vec<LitStr>,
    pub(crate) deletes: Vec<LitStr>,
    pub(crate) allow: Vec<LitStr>,
    pub(crate) up: Vec<Part>,
    pub(crate) down: Vec<Part>,
    pub(crate) checksum: [u8; 32],
    /// Whether it was found in the set's folder, where no place in Rust tells which it is.
    pub(crate) is_found: bool,
}

/// One file for one database.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) database: String,
    /// From the crate's root.
    pub(crate) path: String,
    text: String,
}

/// Reads the files that the set's folder holds for one migration.
///
/// The database is the set's only one, or stands in the first line:
/// `-- databases: conversations`. Lines like `-- depends_on: 0001, 0002`,
/// `-- description: …`, `-- deletes: messages`, `-- irreversible: why` and
/// `-- allow: AM102: why` may follow. All mistakes are told at once.
pub(crate) fn found(
    dir: &LitStr,
    stem: &str,
    down: bool,
    databases: &[String],
) -> Result<SqlMigration, Vec<syn::Error>> {
    let (digits, name) = stem.split_once('_').unwrap_or((stem, ""));
    let version = LitStr::new(digits, Span::call_site());
    let number = valid::version(&version, &mut Vec::new())
        .ok_or_else(|| vec![wrong("name it NNNN_name.up.sql, with 4 to 20 digits")])?;
    let mut errors = Vec::new();
    let part = |kind: &str, errors: &mut Vec<syn::Error>| {
        Part::read(
            String::new(),
            format!("{}/{stem}.{kind}.sql", dir.value()),
            Span::call_site(),
            errors,
        )
    };
    let mut down = if down { part("down", &mut errors) } else { None };
    let Some(mut up) = part("up", &mut errors) else { return Err(errors) };
    let database = database_of(&up.text, databases).map_err(|problem| errors.push(wrong(problem)));
    let database = database.unwrap_or_default();
    for part in down.iter_mut().chain([&mut up]) {
        part.database.clone_from(&database);
    }
    let mut depends_on = Vec::new();
    for text in header(&up.text, "depends_on") {
        let dependency = dependency(&LitStr::new(&text, dir.span()), number);
        depends_on.extend(dependency.map_err(|error| errors.push(error)));
    }
    let name = if name.is_empty() { format!("migration_{digits}") } else { name.to_owned() };
    let seen = Seen { name: name.clone(), place: up.path.clone() };
    let options = Options::of(&up.text, down.is_some(), &mut errors);
    SqlMigration {
        number,
        name,
        description: header(&up.text, "description").join(", "),
        databases: vec![LitStr::new(&database, Span::call_site())],
        depends_on,
        schema_version: None,
        irreversible: options.irreversible,
        legacy_checksums: Vec::new(),
        deletes: options.deletes,
        allow: options.allow,
        up: vec![up],
        down: down.into_iter().collect(),
        checksum: [0; 32],
        is_found: true,
        version,
    }
    .finished(&seen, errors)
    .map_err(|refused| refused.errors)
}

/// A mistake in a file that the folder was searched for; its caller knows the place.
fn wrong(problem: impl std::fmt::Display) -> syn::Error {
    syn::Error::new(Span::call_site(), problem)
}

/// Returns the database that a file is for.
fn database_of(text: &str, databases: &[String]) -> Result<String, String> {
    let database = match (header(text, "databases").as_slice(), databases) {
        ([one], _) => one.clone(),
        ([], [only]) => only.clone(),
        ([], _) => {
            return Err(format!(
                "say which database it is for, in the first line: `-- databases: {}`",
                databases[0]
            ));
        }
        _ => {
            return Err(
                "one file is for one database; `sql_migration!` takes one file for each".to_owned()
            );
        }
    };
    if databases.contains(&database) {
        return Ok(database);
    }
    let suggestion = near::suggestion(&database, databases.iter().map(String::as_str));
    Err(format!("`migrations!` does not declare the database `{database}`{suggestion}"))
}

fn dependency(literal: &LitStr, number: u128) -> syn::Result<(LitStr, u128)> {
    let text = literal.value();
    let problem = match valid::version(literal, &mut Vec::new()) {
        Some(dependency) if dependency < number => return Ok((literal.clone(), dependency)),
        Some(_) => format!("it can't depend on {text}: a dependency has a smaller version"),
        None => format!("`{text}` is no version"),
    };
    Err(syn::Error::new(literal.span(), problem))
}

impl Part {
    /// Reads a file and checks its SQL.
    fn read(
        database: String,
        path: String,
        span: Span,
        errors: &mut Vec<syn::Error>,
    ) -> Option<Self> {
        let mut wrong = |problem: String| errors.push(syn::Error::new(span, problem));
        match std::fs::read_to_string(compiler::manifest_dir().join(&path)) {
            Ok(text) => {
                let text = sql::without_mark(&text).to_owned();
                if let Err(problem) = sql::check(&text, Use::Many) {
                    wrong(format!("{path}: {problem}"));
                }
                Some(Self { database, path, text })
            }
            Err(error) => {
                wrong(format!("cannot read {path}: {error}"));
                None
            }
        }
    }
}

impl SqlMigration {
    /// Sums the SQL up, and compares with the other migrations and with the lock file.
    fn finished(mut self, seen: &Seen, mut errors: Vec<syn::Error>) -> Result<Self, Refused> {
        let mut canonical = Canonical::new();
        canonical.value("version", [self.number.to_string().as_str()]);
        let depends_on: Vec<String> =
            self.depends_on.iter().map(|(_, number)| number.to_string()).collect();
        canonical.value("depends_on", depends_on.iter().map(String::as_str));
        for (key, parts) in [("up", &self.up), ("down", &self.down)] {
            for part in parts {
                canonical.value(key, [part.database.as_str()]);
                canonical.file(&part.text);
            }
        }
        self.checksum = canonical.finish();
        let Self { version, number, name, checksum, .. } = &self;
        let is_duplicate = valid::duplicate(version, *number, seen, &mut errors);
        if errors.is_empty() {
            valid::released((version, Some(*number)), name, checksum, "", &mut errors);
        }
        if errors.is_empty() {
            return Ok(self);
        }
        let declared = (!is_duplicate).then(|| (self.number, self.version.span()));
        Err(Refused { errors, version: declared })
    }
}
