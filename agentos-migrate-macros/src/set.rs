//! `migrations!`: the declaration of a crate's set.

use std::path::Path;
use std::sync::Arc;

use proc_macro2::{Ident, Span, TokenStream};
use syn::LitStr;
use syn::parse::ParseStream;

use crate::checksum::Canonical;
use crate::folder::{self, Folder, Module};
use crate::keys::{self, Keys};
use crate::lock::{self, LockFile};
use crate::sql_file::SqlMigration;
use crate::{baseline, compiler, near, state};

/// A set that keeps the rules.
pub(crate) struct Set {
    pub(crate) databases: Vec<Ident>,
    pub(crate) lock: Option<Lock>,
    pub(crate) dir: Option<LitStr>,
    pub(crate) backup: Vec<LitStr>,
    pub(crate) schema_version_table: Option<LitStr>,
    /// Database and file from the crate's root.
    pub(crate) baseline: Vec<(String, String)>,
    pub(crate) modules: Vec<Module>,
    pub(crate) sql_migrations: Vec<SqlMigration>,
    /// Versions that the folder holds.
    pub(crate) expected: Vec<String>,
}

/// The lock file.
pub(crate) struct Lock {
    pub(crate) path: LitStr,
    pub(crate) file: Arc<LockFile>,
}

const KEYS: &[&str] = &["databases", "lock", "dir", "backup", "schema_version_table", "baseline"];
const MACRO: Keys = Keys { of: "`migrations!`", known: KEYS, takes_colon: true, form_of };

const FORM: &str = "`migrations! { databases: [conversations, rules], lock: \"migrations.lock\", dir: \"src/versions\" }`";

/// Returns the accepted form of a key.
fn form_of(key: &str) -> &'static str {
    match key {
        "databases" => "write `databases: [conversations, rules]`",
        "lock" => "write `lock: \"migrations.lock\"`",
        "dir" => "write `dir: \"src/versions\"`",
        "backup" => "write `backup: [\"blobs\"]`",
        "schema_version_table" => "write `schema_version_table: \"schema_version\"`",
        _ => "write `baseline: \"src/baseline\"`",
    }
}

/// Reads the declaration, the lock file and the folder; all mistakes are told at once.
pub(crate) fn parse(input: TokenStream) -> Result<Set, Vec<syn::Error>> {
    let (declared, mut errors) = Declared::read(input);
    let names: Vec<String> = declared.databases.iter().map(Ident::to_string).collect();
    let root = compiler::manifest_dir();
    undeclared_before(&names, &declared.databases, &mut errors);
    let lock = declared
        .lock
        .and_then(|path| read_lock(&root, path).map_err(|error| errors.push(error)).ok());
    state::with(|known| {
        known.databases = Some(names.clone().into());
        known.lock = lock.as_ref().map(|lock| Arc::clone(&lock.file));
    });
    let baseline = declared.baseline.map(|dir| baseline::read(&root, &dir, &names, &mut errors));
    let mut set = Set {
        baseline: baseline.unwrap_or_default(),
        databases: declared.databases,
        dir: declared.dir,
        backup: declared.backup,
        schema_version_table: declared.schema_version_table,
        modules: Vec::new(),
        sql_migrations: Vec::new(),
        expected: Vec::new(),
        lock,
    };
    if let Some(dir) = set.dir.clone().filter(|_| !names.is_empty()) {
        let folder = folder::read(&root, &dir, &names, &mut errors);
        Folder {
            modules: set.modules,
            sql_migrations: set.sql_migrations,
            expected: set.expected,
        } = folder;
        let versions = set.expected.iter().filter_map(|text| text.parse::<u128>().ok());
        state::with(|known| known.folder.extend(versions));
    }
    if errors.is_empty() { Ok(set) } else { Err(errors) }
}

/// Tells of databases that migrations named which stand before this declaration.
fn undeclared_before(names: &[String], written: &[Ident], errors: &mut Vec<syn::Error>) {
    let place = written.first().map_or_else(Span::call_site, Ident::span);
    let before = state::with(|known| std::mem::take(&mut known.named));
    for (database, seen) in before.into_iter().filter(|(name, _)| !names.contains(name)) {
        if names.is_empty() {
            return;
        }
        let suggestion = near::suggestion(&database, names.iter().map(String::as_str));
        let problem = format!(
            "`{}` names the database `{database}`, which is not declared here{suggestion}\n  at {}",
            seen.name, seen.place
        );
        errors.push(syn::Error::new(place, problem));
    }
}

fn read_lock(root: &Path, path: LitStr) -> syn::Result<Lock> {
    match LockFile::read(root.join(path.value())) {
        Ok(file) => Ok(Lock { path, file: Arc::new(file) }),
        Err(problem) => Err(syn::Error::new(path.span(), problem)),
    }
}

impl Set {
    /// Returns a number that stands for what the finished set must hold.
    pub(crate) fn seal(&self) -> u64 {
        let mut canonical = Canonical::new();
        canonical.value("expected", self.expected.iter().map(String::as_str));
        // During an update the lines that were read are the old ones.
        let lock = self.lock.iter().filter(|_| !lock::updates());
        let lines = lock.flat_map(|lock| lock.file.lines.values());
        let words = lines.flat_map(|line| [&line.version, &line.checksum]);
        canonical.value("lock", words.map(String::as_str));
        let mut first = [0; 8];
        first.copy_from_slice(&canonical.finish()[..8]);
        u64::from_be_bytes(first)
    }
}

#[derive(Default)]
struct Declared {
    databases: Vec<Ident>,
    lock: Option<LitStr>,
    dir: Option<LitStr>,
    backup: Vec<LitStr>,
    schema_version_table: Option<LitStr>,
    baseline: Option<LitStr>,
}

impl Declared {
    fn read(input: TokenStream) -> (Self, Vec<syn::Error>) {
        let mut declared = Self::default();
        let mut errors = Vec::new();
        let given = MACRO.read_all(input, &mut errors, |key, input, errors| {
            declared.read_value(key, input, errors)
        });
        if given.lacks("databases") {
            let problem = format!("`databases` is missing: {FORM}");
            errors.push(syn::Error::new(Span::call_site(), problem));
        }
        (declared, errors)
    }

    fn read_value(
        &mut self,
        key: &str,
        input: ParseStream<'_>,
        errors: &mut Vec<syn::Error>,
    ) -> syn::Result<()> {
        let text = || MACRO.text(input, key).map(Some);
        match key {
            "databases" => self.databases = databases(input, errors)?,
            "lock" => self.lock = text()?,
            "dir" => self.dir = text()?,
            "backup" => self.backup = MACRO.texts(input, key)?,
            "baseline" => self.baseline = text()?,
            _ => self.schema_version_table = text()?,
        }
        Ok(())
    }
}

/// Reads the names of the databases, with or without quotes.
fn databases(input: ParseStream<'_>, errors: &mut Vec<syn::Error>) -> syn::Result<Vec<Ident>> {
    let span = input.span();
    let written = MACRO.list(input, "databases", "is a list of names", |content| {
        if content.peek(LitStr) {
            content.parse::<LitStr>()?.parse_with(keys::name)
        } else {
            keys::name(content)
        }
    })?;
    if written.is_empty() {
        errors.push(MACRO.wrong(span, "databases", "names at least one"));
    }
    let mut names: Vec<Ident> = Vec::new();
    for name in written {
        let problem = if name == "migrations" {
            "`migrations` is the history's own file: give the database another name".to_owned()
        } else if names.contains(&name) {
            format!("the database `{name}` is declared twice; keep one")
        } else {
            names.push(name);
            continue;
        };
        errors.push(syn::Error::new(name.span(), problem));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::lock::Line;

    #[test]
    fn a_word_of_rust_names_a_database() {
        let tokens = "databases: [box, \"type\", r#match]".parse().expect("tokens");
        let (declared, errors) = Declared::read(tokens);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(declared.databases, ["box", "type", "match"]);
    }

    proptest! {
        #[test]
        fn any_tokens_are_read_or_refused_with_what_to_write(tokens in keys::tests::tokens(KEYS)) {
            let (declared, errors) = Declared::read(tokens);
            for error in &errors {
                prop_assert!(!error.to_string().is_empty());
            }
            let mut names: Vec<String> = declared.databases.iter().map(Ident::to_string).collect();
            prop_assert!(!names.is_empty() || !errors.is_empty());
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), declared.databases.len());
        }

        #[test]
        fn a_key_with_its_value_is_read_wherever_it_stands(
            keys in proptest::sample::subsequence(vec!["lock", "dir", "baseline", "schema_version_table"], 0..5).prop_shuffle(),
            at in any::<prop::sample::Index>(),
            colon in prop::sample::select(&[":", "="][..]),
        ) {
            let mut pairs: Vec<String> = keys.iter().map(|key| format!("{key} {colon} \"{key}s\"")).collect();
            pairs.insert(at.index(pairs.len() + 1), "databases: [a, \"b\"]".to_owned());
            let (read, errors) = Declared::read(pairs.join(", ").parse().expect("tokens"));
            prop_assert!(errors.is_empty(), "{:?}", errors);
            let found = [
                ("lock", read.lock), ("dir", read.dir), ("baseline", read.baseline),
                ("schema_version_table", read.schema_version_table),
            ];
            for (key, literal) in found {
                let expected = keys.contains(&key).then(|| format!("{key}s"));
                prop_assert_eq!(literal.map(|text| text.value()), expected);
            }
            prop_assert_eq!(read.databases, ["a", "b"]);
        }
    }

    fn seal(expected: &[&str], lock: &[(&str, &str)]) -> u64 {
        let line = |(version, checksum): &(&str, &str)| {
            let line = Line {
                version: (*version).to_owned(),
                name: "step".to_owned(),
                checksum: (*checksum).to_owned(),
            };
            (version.parse().expect("a number"), line)
        };
        let lines: BTreeMap<_, _> = lock.iter().map(line).collect();
        let file = Arc::new(LockFile { path: PathBuf::new(), lines });
        let set = Set {
            databases: Vec::new(),
            lock: Some(Lock { path: LitStr::new("", Span::call_site()), file }),
            dir: None,
            backup: Vec::new(),
            schema_version_table: None,
            baseline: Vec::new(),
            modules: Vec::new(),
            sql_migrations: Vec::new(),
            expected: expected.iter().map(|version| (*version).to_owned()).collect(),
        };
        set.seal()
    }

    #[test]
    fn the_seal_changes_with_every_version_of_the_folder_and_every_line_of_the_lock() {
        let base = seal(&["0001"], &[("0001", "aa")]);
        assert_eq!(base, seal(&["0001"], &[("0001", "aa")]));
        assert_ne!(base, seal(&[], &[("0001", "aa")]));
        assert_ne!(base, seal(&["0001", "0002"], &[("0001", "aa")]));
        assert_ne!(base, seal(&["0001"], &[]));
        assert_ne!(base, seal(&["0001"], &[("0001", "ab")]));
        assert_ne!(base, seal(&["0001"], &[("0001", "aa"), ("0002", "aa")]));
    }
}
