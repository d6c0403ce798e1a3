//! `sql_migration!`: the keys of a migration of SQL files, and the files that they name.

use proc_macro2::{Ident, TokenStream};
use syn::parse::ParseStream;
use syn::{LitStr, Token};

use super::{Part, SqlMigration, dependency, wrong};
use crate::keys::{self, Given, Keys};
use crate::state::Seen;
use crate::valid::{self, Refused};
use crate::{lint_codes, recorded};

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
const MACRO: Keys = Keys { of: "`sql_migration!`", known: KEYS, takes_colon: true, form_of };

const FORM: &str = "`sql_migration! { version: \"0004\", databases: [\"conversations\"], up: \"sql/0004.up.sql\", down: \"sql/0004.down.sql\" }`";

/// Returns the accepted form of a key.
fn form_of(key: &str) -> &'static str {
    match key {
        "version" => "write `version: \"0004\"`",
        "name" => "write `name: \"add_tags\"`",
        "description" => "write `description: \"Adds tags.\"`",
        "databases" => "write `databases: [\"conversations\"]`",
        "depends_on" => "write `depends_on: [\"0003\"]`",
        "schema_version" => "write `schema_version: \"1.2.0\"`",
        "irreversible" => "write `irreversible: \"why it can't be reverted\"`",
        "legacy_checksums" => "write `legacy_checksums: [\"b6d9a02a4d9668fd\"]`",
        "deletes" => "write `deletes: [\"messages\"]`",
        "allow" => "write `allow: [\"AM102: why\"]`",
        "up" => {
            "write `up: \"sql/0004.up.sql\"`, or `up: { conversations: \"…\", context: \"…\" }`"
        }
        _ => {
            "write `down: \"sql/0004.down.sql\"`, or `down: { conversations: \"…\", context: \"…\" }`"
        }
    }
}

/// Reads a declaration and its files; all mistakes are told at once.
pub(crate) fn declared(input: TokenStream) -> Result<SqlMigration, Refused> {
    let (declared, mut errors) = Declared::read(input);
    let missing = |key: &str, is_empty: bool, errors: &mut Vec<syn::Error>| {
        if is_empty || declared.keys.lacks(key) {
            errors.push(wrong(format!("`{key}` is missing: {FORM}")));
        }
    };
    missing("version", false, &mut errors);
    missing("databases", declared.databases.as_ref().is_some_and(Vec::is_empty), &mut errors);
    missing("up", false, &mut errors);
    let databases = declared.databases.unwrap_or_default();
    let number = declared.version.as_ref().and_then(|text| valid::version(text, &mut errors));
    let written = declared.version.as_ref().map(LitStr::value).unwrap_or_default();
    let name = declared.name.map_or_else(|| format!("migration_{written}"), |text| text.value());
    valid::databases(&databases, &name, &mut errors);
    lint_codes::allowed(&declared.allow, &mut errors);
    recorded::legacy_checksums(&declared.legacy_checksums, &mut errors);
    recorded::schema_version(declared.schema_version.as_ref(), &mut errors);
    if let (Some(reason), Some(_)) = (&declared.irreversible, &declared.down) {
        let problem = "`down` and `irreversible` exclude each other: keep one";
        errors.push(syn::Error::new(reason.span(), problem));
    }
    let mut depends_on = Vec::new();
    for text in &declared.depends_on {
        let dependency = dependency(text, number.unwrap_or(u128::MAX));
        depends_on.extend(dependency.map_err(|error| errors.push(error)));
    }
    let mut parts = |files: Option<Files>| {
        files.map(|files| files.parts(&databases, &mut errors)).unwrap_or_default()
    };
    let (up, down) = (parts(declared.up), parts(declared.down));
    let (Some(version), Some(number)) = (declared.version, number) else {
        return Err(Refused { errors, version: None });
    };
    let seen = Seen::new(&name, &version);
    SqlMigration {
        number,
        name,
        description: declared.description.map(|text| text.value()).unwrap_or_default(),
        databases,
        depends_on,
        schema_version: declared.schema_version,
        irreversible: declared.irreversible,
        legacy_checksums: declared.legacy_checksums,
        deletes: declared.deletes,
        allow: declared.allow,
        up,
        down,
        checksum: [0; 32],
        is_found: false,
        version,
    }
    .finished(&seen, errors)
}

#[derive(Default)]
struct Declared {
    version: Option<LitStr>,
    name: Option<LitStr>,
    description: Option<LitStr>,
    databases: Option<Vec<LitStr>>,
    depends_on: Vec<LitStr>,
    schema_version: Option<LitStr>,
    irreversible: Option<LitStr>,
    legacy_checksums: Vec<LitStr>,
    deletes: Vec<LitStr>,
    allow: Vec<LitStr>,
    up: Option<Files>,
    down: Option<Files>,
    keys: Given,
}

impl Declared {
    fn read(input: TokenStream) -> (Self, Vec<syn::Error>) {
        let mut declared = Self::default();
        let mut errors = Vec::new();
        declared.keys = MACRO.read_all(input, &mut errors, |key, input, errors| {
            declared.read_value(key, input, errors)
        });
        (declared, errors)
    }

    fn read_value(
        &mut self,
        key: &str,
        input: ParseStream<'_>,
        errors: &mut Vec<syn::Error>,
    ) -> syn::Result<()> {
        let text = || MACRO.text(input, key).map(Some);
        let texts = || MACRO.texts(input, key);
        match key {
            "version" => self.version = text()?,
            "name" => self.name = text()?,
            "description" => self.description = text()?,
            "databases" => self.databases = Some(texts()?),
            "depends_on" => self.depends_on = texts()?,
            "schema_version" => self.schema_version = text()?,
            "irreversible" => self.irreversible = text()?,
            "legacy_checksums" => self.legacy_checksums = texts()?,
            "deletes" => self.deletes = texts()?,
            "allow" => self.allow = texts()?,
            "up" => self.up = Some(Files::read(key, input, errors)?),
            _ => self.down = Some(Files::read(key, input, errors)?),
        }
        Ok(())
    }
}

/// `"file.sql"`, or `{ conversations: "a.sql", context: "b.sql" }`.
enum Files {
    One(LitStr),
    PerDatabase(Vec<(Ident, LitStr)>),
}

impl Files {
    fn read(key: &str, input: ParseStream<'_>, errors: &mut Vec<syn::Error>) -> syn::Result<Self> {
        if !input.peek(syn::token::Brace) {
            let span = input.span();
            let path = input.parse().map(Self::One);
            return path.map_err(|_| MACRO.wrong(span, key, "names SQL files"));
        }
        let content;
        syn::braced!(content in input);
        let wrong = |span| MACRO.wrong(span, key, "names a file for each database");
        let written = keys::separated(&content, wrong, |content| {
            let name = keys::name(content)?;
            content.parse::<Token![:]>()?;
            Ok((name, content.parse()?))
        })?;
        let mut files: Vec<(Ident, LitStr)> = Vec::new();
        for (name, path) in written {
            if files.iter().any(|(other, _)| *other == name) {
                let problem = format!("`{name}` is given twice: one file for each database");
                errors.push(syn::Error::new(name.span(), problem));
            }
            files.push((name, path));
        }
        Ok(Self::PerDatabase(files))
    }

    /// Reads the files, each for its database.
    fn parts(self, databases: &[LitStr], errors: &mut Vec<syn::Error>) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut part = |database: String, path: &LitStr, errors: &mut Vec<syn::Error>| {
            parts.extend(Part::read(database, path.value(), path.span(), errors));
        };
        match (self, databases) {
            (Self::One(path), [only]) => part(only.value(), &path, errors),
            // That they are missing is told.
            (Self::One(_), []) => {}
            (Self::One(path), _) => {
                let names: Vec<String> =
                    databases.iter().map(|name| format!("{}: \"…\"", name.value())).collect();
                let problem =
                    format!("give one file for each database: `{{ {} }}`", names.join(", "));
                errors.push(syn::Error::new(path.span(), problem));
            }
            (Self::PerDatabase(files), _) => {
                for (name, path) in &files {
                    if databases.is_empty()
                        || databases.iter().any(|database| name == &database.value())
                    {
                        part(name.to_string(), path, errors);
                    } else {
                        let problem = format!("`databases` does not name `{name}`");
                        errors.push(syn::Error::new(name.span(), problem));
                    }
                }
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_of_rust_names_a_database() {
        let text = "up: { box: \"a.sql\", type: \"b.sql\", r#match: \"c.sql\" }";
        let (declared, errors) = Declared::read(text.parse().expect("tokens"));
        assert!(errors.is_empty(), "{errors:?}");
        let Some(Files::PerDatabase(files)) = declared.up else { panic!("one for each") };
        let names: Vec<String> = files.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["box", "type", "match"]);
    }

    proptest! {
        #[test]
        fn any_tokens_are_read_or_refused_with_what_to_write(tokens in keys::tests::tokens(KEYS)) {
            let is_empty = tokens.is_empty();
            let (declared, errors) = Declared::read(tokens);
            for error in &errors {
                prop_assert!(!error.to_string().is_empty());
            }
            prop_assert_eq!(!KEYS.iter().any(|key| !declared.keys.lacks(key)) && errors.is_empty(), is_empty);
        }

        #[test]
        fn files_are_read_with_their_databases(names in proptest::collection::btree_set("[a-z]{2,6}x", 0..4)) {
            let pairs: Vec<String> = names.iter().map(|name| format!("{name}: \"{name}.sql\"")).collect();
            let text = format!("up: {{ {} }}, down: \"all.sql\"", pairs.join(", "));
            let (declared, errors) = Declared::read(text.parse().expect("tokens"));
            prop_assert!(errors.is_empty(), "{:?}", errors);
            let Some(Files::PerDatabase(files)) = declared.up else { panic!("one for each") };
            let read: Vec<_> = files.iter().map(|(name, path)| (name.to_string(), path.value())).collect();
            let wanted: Vec<_> = names.iter().map(|name| (name.clone(), format!("{name}.sql"))).collect();
            prop_assert_eq!(read, wanted);
            prop_assert!(matches!(declared.down, Some(Files::One(path)) if path.value() == "all.sql"));
        }
    }
}
