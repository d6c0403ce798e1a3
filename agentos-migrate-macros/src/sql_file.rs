//! Migrations of SQL files: declared by `sql_migration!`, or found in the set's folder.

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Token};

use crate::checksum::Canonical;
use crate::set::{colon, list};
use crate::sql::{self, Use};
use crate::sql_header::{Options, header};
use crate::{lint_codes, near, state, valid};

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
    pub(crate) is_duplicate: bool,
}

/// One file for one database.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) database: String,
    /// From the crate's root.
    pub(crate) path: String,
    text: String,
    /// Where the file is named.
    span: Span,
}

/// Reads the files that the set's folder holds for one migration.
///
/// The database is the set's only one, or stands in the first line:
/// `-- databases: conversations`. Lines like `-- depends_on: 0001, 0002`,
/// `-- description: …`, `-- deletes: messages`, `-- irreversible: why` and
/// `-- allow: AM102: why` may follow.
pub(crate) fn found(
    dir: &str,
    stem: &str,
    down: bool,
    databases: &[String],
) -> Result<SqlMigration, String> {
    let (digits, name) = stem.split_once('_').unwrap_or((stem, ""));
    let mut errors = Vec::new();
    let version = LitStr::new(digits, Span::call_site());
    let number = valid::version(&version, &mut errors)
        .ok_or("name it NNNN_name.up.sql, with 4 to 20 digits")?;
    let path = format!("{dir}/{stem}.up.sql");
    let text = read(&path)?;
    let database = match (header(&text, "databases").as_slice(), databases) {
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
    if !databases.contains(&database) {
        let suggestion = near::suggestion(&database, databases.iter().map(String::as_str));
        return Err(format!(
            "`migrations!` does not declare the database `{database}`{suggestion}"
        ));
    }
    let depends_on = header(&text, "depends_on")
        .into_iter()
        .map(|text| dependency(&text, number))
        .collect::<Result<_, _>>()?;
    let description = header(&text, "description").join(", ");
    let options = Options::of(&text, down)?;
    let mut migration = SqlMigration {
        number,
        name: if name.is_empty() { format!("migration_{digits}") } else { name.to_owned() },
        description,
        databases: vec![LitStr::new(&database, Span::call_site())],
        depends_on,
        schema_version: None,
        irreversible: options.irreversible,
        legacy_checksums: Vec::new(),
        deletes: options.deletes,
        allow: options.allow,
        up: vec![Part { database: database.clone(), path, text, span: Span::call_site() }],
        down: Vec::new(),
        checksum: [0; 32],
        is_duplicate: false,
        version,
    };
    if down {
        let path = format!("{dir}/{stem}.down.sql");
        let text = read(&path)?;
        migration.down.push(Part { database, text, path, span: Span::call_site() });
    }
    migration.finish().map_err(|error| error.to_string())?;
    Ok(migration)
}

fn dependency(text: &str, number: u128) -> Result<(LitStr, u128), String> {
    let literal = LitStr::new(text, Span::call_site());
    match valid::version(&literal, &mut Vec::new()) {
        Some(dependency) if dependency < number => Ok((literal, dependency)),
        Some(_) => Err(format!("it can't depend on {text}: a dependency has a smaller version")),
        None => Err(format!("`{text}` is no version")),
    }
}

fn read(path: &str) -> Result<String, String> {
    let file = state::manifest_dir().join(path);
    std::fs::read_to_string(&file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))
}

impl SqlMigration {
    /// Checks the SQL, sums it up, and compares with the lock file.
    fn finish(&mut self) -> syn::Result<()> {
        for part in self.up.iter().chain(&self.down) {
            if let Err(problem) = sql::check(&part.text, Use::Many) {
                return Err(syn::Error::new(part.span, format!("{}: {problem}", part.path)));
            }
        }
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
        let mut errors = Vec::new();
        self.is_duplicate = valid::duplicate(&self.version, self.number, &self.name, &mut errors);
        valid::released(&self.version, Some(self.number), &self.name, &self.checksum, &mut errors);
        match errors.into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        }) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

const KEYS: &[&str] = &[
    "version",
    "name",
    "description",
    "databases",
    "depends_on",
    "schema_version",
    "irreversible",
    "legacy_checksums",
    "deletes",
    "allow",
    "up",
    "down",
];
const FORM: &str = "`sql_migration! { version: \"0004\", databases: [\"conversations\"], up: \"sql/0004.up.sql\", down: \"sql/0004.down.sql\" }`";

/// Reads a declaration and its files.
pub(crate) fn declared(input: TokenStream) -> syn::Result<SqlMigration> {
    let declared: Declared = syn::parse2(input)?;
    let missing =
        |key: &str| syn::Error::new(Span::call_site(), format!("`{key}` is missing: {FORM}"));
    let version = declared.version.ok_or_else(|| missing("version"))?;
    let mut errors = Vec::new();
    let number = valid::version(&version, &mut errors);
    valid::databases(&declared.databases, &mut errors);
    lint_codes::allowed(&declared.allow, &mut errors);
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let number = number.ok_or_else(|| missing("version"))?;
    if declared.databases.is_empty() {
        return Err(missing("databases"));
    }
    if declared.irreversible.is_some() && declared.down.is_some() {
        return Err(syn::Error::new(
            version.span(),
            "`down` and `irreversible` exclude each other: keep one",
        ));
    }
    let depends_on = declared.depends_on.iter().map(|text| {
        dependency(&text.value(), number)
            .map(|(_, number)| (text.clone(), number))
            .map_err(|problem| syn::Error::new(text.span(), problem))
    });
    let depends_on = depends_on.collect::<syn::Result<_>>()?;
    let up = declared.up.ok_or_else(|| missing("up"))?.parts(&declared.databases)?;
    let down = declared
        .down
        .map(|files| files.parts(&declared.databases))
        .transpose()?
        .unwrap_or_default();
    let mut migration = SqlMigration {
        number,
        name: declared
            .name
            .map_or_else(|| format!("migration_{}", version.value()), |text| text.value()),
        description: declared.description.map(|text| text.value()).unwrap_or_default(),
        databases: declared.databases,
        depends_on,
        schema_version: declared.schema_version,
        irreversible: declared.irreversible,
        legacy_checksums: declared.legacy_checksums,
        deletes: declared.deletes,
        allow: declared.allow,
        up,
        down,
        checksum: [0; 32],
        is_duplicate: false,
        version,
    };
    migration.finish()?;
    Ok(migration)
}

#[derive(Default)]
struct Declared {
    version: Option<LitStr>,
    name: Option<LitStr>,
    description: Option<LitStr>,
    databases: Vec<LitStr>,
    depends_on: Vec<LitStr>,
    schema_version: Option<LitStr>,
    irreversible: Option<LitStr>,
    legacy_checksums: Vec<LitStr>,
    deletes: Vec<LitStr>,
    allow: Vec<LitStr>,
    up: Option<Files>,
    down: Option<Files>,
}

/// `"file.sql"`, or `{ conversations: "a.sql", context: "b.sql" }`.
enum Files {
    One(LitStr),
    PerDatabase(Vec<(Ident, LitStr)>),
}

impl Files {
    fn parts(self, databases: &[LitStr]) -> syn::Result<Vec<Part>> {
        let part = |database: String, path: &LitStr| {
            let text =
                read(&path.value()).map_err(|problem| syn::Error::new(path.span(), problem))?;
            Ok(Part { database, path: path.value(), text, span: path.span() })
        };
        match (self, databases) {
            (Self::One(path), [only]) => Ok(vec![part(only.value(), &path)?]),
            (Self::One(path), _) => {
                let names: Vec<String> =
                    databases.iter().map(|name| format!("{}: \"…\"", name.value())).collect();
                Err(syn::Error::new(
                    path.span(),
                    format!("give one file for each database: `{{ {} }}`", names.join(", ")),
                ))
            }
            (Self::PerDatabase(files), _) => {
                let known =
                    |name: &Ident| databases.iter().any(|database| name == &database.value());
                if let Some((name, _)) = files.iter().find(|(name, _)| !known(name)) {
                    return Err(syn::Error::new(
                        name.span(),
                        format!("`databases` does not name `{name}`"),
                    ));
                }
                files.iter().map(|(name, path)| part(name.to_string(), path)).collect()
            }
        }
    }
}

impl Parse for Files {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self::One);
        }
        let content;
        syn::braced!(content in input);
        let mut files = Vec::new();
        while !content.is_empty() {
            let name: Ident = content.parse()?;
            if files.iter().any(|(other, _)| *other == name) {
                let problem = format!("`{name}` is given twice: one file for each database");
                return Err(syn::Error::new(name.span(), problem));
            }
            colon(&content, &name.to_string())?;
            files.push((name, content.parse()?));
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(Self::PerDatabase(files))
    }
}

impl Parse for Declared {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut declared = Self::default();
        let mut words = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse().map_err(|error| {
                syn::Error::new(error.span(), format!("expected a key: {FORM}"))
            })?;
            let word = key.to_string();
            if words.contains(&word) {
                let problem = format!("`{word}` is given twice: keep one");
                return Err(syn::Error::new(key.span(), problem));
            }
            words.push(word.clone());
            colon(input, &word)?;
            match word.as_str() {
                "version" => declared.version = Some(input.parse()?),
                "name" => declared.name = Some(input.parse()?),
                "description" => declared.description = Some(input.parse()?),
                "databases" => declared.databases = list(input)?,
                "depends_on" => declared.depends_on = list(input)?,
                "schema_version" => declared.schema_version = Some(input.parse()?),
                "irreversible" => declared.irreversible = Some(input.parse()?),
                "legacy_checksums" => declared.legacy_checksums = list(input)?,
                "deletes" => declared.deletes = list(input)?,
                "allow" => declared.allow = list(input)?,
                "up" => declared.up = Some(input.parse()?),
                "down" => declared.down = Some(input.parse()?),
                _ => {
                    let suggestion = near::suggestion(&word, KEYS.iter().copied());
                    let problem = format!(
                        "unknown key `{word}`{suggestion}\n`sql_migration!` takes `{}`",
                        KEYS.join("`, `")
                    );
                    return Err(syn::Error::new(key.span(), problem));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(declared)
    }
}
