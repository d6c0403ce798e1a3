//! `migrations!`: the declaration of a crate's set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Token};

use crate::checksum::Canonical;
use crate::lock::LockFile;
use crate::sql_file::{self, SqlMigration};
use crate::{baseline, near, state};

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

/// A file of the folder that is Rust.
pub(crate) struct Module {
    pub(crate) name: Ident,
    pub(crate) path: String,
}

const KEYS: &[&str] = &["databases", "lock", "dir", "backup", "schema_version_table", "baseline"];
const FORM: &str = "`migrations! { databases: [conversations, rules], lock: \"migrations.lock\", dir: \"src/versions\" }`";

/// Reads the declaration, the lock file and the folder.
pub(crate) fn parse(input: TokenStream) -> syn::Result<Set> {
    let declared: Declared = syn::parse2(input)?;
    let names: Vec<String> = declared.databases.iter().map(Ident::to_string).collect();
    let root = state::manifest_dir();
    state::with(|known| known.databases = Some(names.clone().into()));
    let lock = declared.lock.as_ref().map(|path| read_lock(&root, path)).transpose()?;
    state::with(|known| known.lock = lock.as_ref().map(|lock| Arc::clone(&lock.file)));
    let baseline = declared.baseline.as_ref().map(|dir| baseline::read(&root, dir, &names));
    let mut set = Set {
        baseline: baseline.transpose()?.unwrap_or_default(),
        databases: declared.databases,
        dir: declared.dir,
        backup: declared.backup,
        schema_version_table: declared.schema_version_table,
        modules: Vec::new(),
        sql_migrations: Vec::new(),
        expected: Vec::new(),
        lock,
    };
    if let Some(dir) = set.dir.clone() {
        set.read_folder(&root, &dir, &names)?;
        let versions = set.expected.iter().filter_map(|text| text.parse::<u128>().ok());
        state::with(|known| known.folder.extend(versions));
    }
    Ok(set)
}

fn read_lock(root: &Path, path: &LitStr) -> syn::Result<Lock> {
    let file = LockFile::read(root.join(path.value()))
        .map_err(|problem| syn::Error::new(path.span(), problem))?;
    Ok(Lock { path: path.clone(), file: Arc::new(file) })
}

impl Set {
    /// Returns a number that stands for what the finished set must hold.
    pub(crate) fn seal(&self) -> u64 {
        let mut canonical = Canonical::new();
        canonical.value("expected", self.expected.iter().map(String::as_str));
        let lines = self.lock.iter().flat_map(|lock| lock.file.lines.values());
        let words = lines.flat_map(|line| [&line.version, &line.checksum]);
        canonical.value("lock", words.map(String::as_str));
        let mut first = [0; 8];
        first.copy_from_slice(&canonical.finish()[..8]);
        u64::from_be_bytes(first)
    }

    fn read_folder(&mut self, root: &Path, dir: &LitStr, databases: &[String]) -> syn::Result<()> {
        let folder = root.join(dir.value());
        let failed = |problem: String| syn::Error::new(dir.span(), problem);
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| failed(format!("cannot read {}: {error}", folder.display())))?;
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let from = invoking_folder(root);
        let mut problems: Option<syn::Error> = None;
        let mut wrong = |problem: String| match &mut problems {
            Some(all) => all.combine(failed(problem)),
            None => problems = Some(failed(problem)),
        };
        for name in &names {
            if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "mod") {
                self.expected.extend(version_of(stem));
                let path = relative(&from, &folder.join(name));
                self.modules.push(Module { name: module_name(stem), path });
            } else if let Some(stem) = name.strip_suffix(".up.sql") {
                let down = names.contains(&format!("{stem}.down.sql"));
                match sql_file::found(&dir.value(), stem, down, databases) {
                    Ok(migration) => {
                        self.expected.push(migration.version.value());
                        self.sql_migrations.push(migration);
                    }
                    Err(problem) => {
                        let is_told = problem.contains(name) || problem.starts_with(&dir.value());
                        wrong(if is_told { problem } else { format!("{name}: {problem}") });
                    }
                }
            } else if let Some(stem) = name.strip_suffix(".down.sql")
                && !names.contains(&format!("{stem}.up.sql"))
            {
                wrong(format!("{name} has no {stem}.up.sql beside it"));
            }
        }
        self.expected.sort();
        self.expected.dedup();
        problems.map_or(Ok(()), Err)
    }
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

#[derive(Default)]
struct Declared {
    databases: Vec<Ident>,
    lock: Option<LitStr>,
    dir: Option<LitStr>,
    backup: Vec<LitStr>,
    schema_version_table: Option<LitStr>,
    baseline: Option<LitStr>,
}

impl Parse for Declared {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut declared = Self::default();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse().map_err(|error| {
                syn::Error::new(error.span(), format!("expected a key: {FORM}"))
            })?;
            let word = key.to_string();
            if !KEYS.contains(&word.as_str()) {
                let suggestion = near::suggestion(&word, KEYS.iter().copied());
                let problem = format!(
                    "unknown key `{word}`{suggestion}\n`migrations!` takes `{}`",
                    KEYS.join("`, `")
                );
                return Err(syn::Error::new(key.span(), problem));
            }
            if seen.contains(&word) {
                return Err(syn::Error::new(
                    key.span(),
                    format!("`{word}` is given twice; keep one"),
                ));
            }
            colon(input, &word)?;
            match word.as_str() {
                "databases" => declared.databases = databases(input)?,
                "lock" => declared.lock = Some(input.parse()?),
                "dir" => declared.dir = Some(input.parse()?),
                "backup" => declared.backup = list(input)?,
                "baseline" => declared.baseline = Some(input.parse()?),
                _ => declared.schema_version_table = Some(input.parse()?),
            }
            seen.push(word);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if declared.databases.is_empty() {
            return Err(syn::Error::new(
                Span::call_site(),
                format!("`databases` is missing: {FORM}"),
            ));
        }
        Ok(declared)
    }
}

/// Reads `:`, or `=` from people who think of the attribute.
pub(crate) fn colon(input: ParseStream<'_>, key: &str) -> syn::Result<()> {
    if input.peek(Token![:]) {
        input.parse::<Token![:]>().map(drop)
    } else {
        let span = input.span();
        input
            .parse::<Token![=]>()
            .map(drop)
            .map_err(|_| syn::Error::new(span, format!("expected `{key}: …`")))
    }
}

fn databases(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let content;
    syn::bracketed!(content in input);
    let mut names: Vec<Ident> = Vec::new();
    while !content.is_empty() {
        let name: Ident = if content.peek(LitStr) {
            content.parse::<LitStr>()?.parse()?
        } else {
            content.parse()?
        };
        if name == "migrations" {
            return Err(syn::Error::new(
                name.span(),
                "`migrations` is the history's own file: give the database another name",
            ));
        }
        if names.contains(&name) {
            return Err(syn::Error::new(
                name.span(),
                format!("the database `{name}` is declared twice; keep one"),
            ));
        }
        names.push(name);
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    Ok(names)
}

/// Reads a list of strings.
pub(crate) fn list(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    let content;
    syn::bracketed!(content in input);
    let list = content.parse_terminated(<LitStr as Parse>::parse, Token![,])?;
    Ok(list.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lock::Line;

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
