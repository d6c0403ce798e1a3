//! The items of the file that a migration stands in, as far as it names them.
//!
//! The attribute sees its own function only. What that calls in the same
//! file belongs to the migration too: the downgrade, the validation, helper
//! functions, constants with SQL and the files that those include.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use proc_macro2::{Span, TokenStream};

use crate::items::{Item, Items};
use crate::lexer::Tree;
use crate::trees;
use crate::{ast, compiler, lexer};

/// A file of the crate, cut into items by name.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    text: &'static str,
    items: Items,
}

impl SourceFile {
    /// Reads the file of a span; nothing in an editor, or for code that a macro made.
    ///
    /// The last file is kept, as several migrations may stand in one.
    pub(crate) fn of(span: Span) -> Option<Arc<Self>> {
        static LAST: Mutex<Option<Arc<SourceFile>>> = Mutex::new(None);
        if compiler::in_editor() {
            return None;
        }
        let path = span.unwrap().local_file()?;
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = last.as_ref().filter(|file| file.path == path) {
            return Some(Arc::clone(file));
        }
        let file = Arc::new(Self::read(path)?);
        *last = Some(Arc::clone(&file));
        Some(file)
    }

    fn read(path: PathBuf) -> Option<Self> {
        let mut text = std::fs::read_to_string(&path).ok()?;
        if text.contains("\r\n") {
            text = text.replace("\r\n", "\n");
        }
        // A compiler's process ends with its crate, and the trees point into the text.
        let text: &'static str = text.leak().trim_start_matches('\u{feff}');
        let trees = match lexer::lex(text) {
            Some(trees) => trees,
            None => trees::walked(text.parse::<TokenStream>().ok()?),
        };
        let items = Items::of(trees.leak());
        Some(Self { path, text, items })
    }

    /// Returns the items that a migration names, and those that they name, by name.
    ///
    /// `line` is that of the migration's own name; `functions` are its downgrade and its validation.
    pub(crate) fn reached_from(
        &self,
        (name, line): (&str, usize),
        trees: &[Tree<'_>],
        functions: &[Vec<String>],
    ) -> Vec<&Item> {
        let is_it = |item: &Item| {
            let at = item.trees.windows(2).find(|pair| pair[0].is_name("fn"));
            at.is_some_and(|pair| self.line_of(&pair[1]).is_none_or(|at| at == line))
        };
        self.items.reached_from(self.items.position(name, is_it), trees, functions)
    }

    /// Returns a function that stands in the file by itself, in no module.
    pub(crate) fn function(&self, name: &str) -> Option<ast::Function<'_>> {
        let mut functions = self.items.at_top(name).filter_map(|item| ast::parse(item.trees).ok());
        functions.find(|function| function.name == name)
    }

    /// Returns whether a type's name is imported or declared here.
    pub(crate) fn uses_or_declares(&self, name: &str) -> bool {
        self.items.declares(name) || self.items.imports.iter().any(|import| import.contains(name))
    }

    /// Returns whether `Result` is this library's for a function of the file:
    /// imported by name, with nothing else of that name, and the function in no module.
    pub(crate) fn imports_result(&self, function: &str) -> bool {
        let items = &self.items;
        let mut with_result = items.imports.iter().filter(|import| import.contains("Result"));
        let (first, second) = (with_result.next(), with_result.next());
        !items.has_modules
            && second.is_none()
            && !items.declares("Result")
            && items.declares(function)
            && first.is_some_and(|import| names_result(import))
    }

    /// Returns the line of a literal or a name of this file, if it is known.
    pub(crate) fn line_of(&self, tree: &Tree<'_>) -> Option<usize> {
        let (Tree::Literal(text) | Tree::Name(text)) = tree else { return None };
        let offset = match text {
            Cow::Borrowed(part) => part.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?,
            // The compiler's token: known by its text, if that stands there once.
            Cow::Owned(text) => {
                let mut places = self.text.match_indices(text.as_str());
                let (offset, _) = places.next()?;
                places.next().is_none().then_some(offset)?
            }
        };
        Some(self.text.get(..offset)?.matches('\n').count() + 1)
    }
}

/// Returns whether `use agentos_migrate::…;` imports `Result` under its own name.
fn names_result(import: &str) -> bool {
    let Some(names) = import.strip_prefix("useagentos_migrate::") else { return false };
    let names = names.trim_end_matches(';');
    let list = names.strip_prefix('{').and_then(|names| names.strip_suffix('}')).unwrap_or(names);
    !list.contains('{') && list.split(',').any(|name| name == "Result")
}

/// Returns the files that tokens include with `include_str!` or `include_bytes!`, from the folder of `file`.
pub(crate) fn included_files(trees: &[Tree<'_>], file: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (index, tree) in trees.iter().enumerate() {
        let Tree::Group(_, inner) = tree else { continue };
        let called = index >= 2
            && trees[index - 1].is_sign('!')
            && (trees[index - 2].is_name("include_str")
                || trees[index - 2].is_name("include_bytes"));
        match text_of(inner).filter(|_| called) {
            Some(path) => found.push(file.parent().unwrap_or(Path::new("")).join(path)),
            None => found.extend(included_files(inner, file)),
        }
    }
    found
}

/// Returns the text that a literal, `concat!(…)` or `env!(…)` is while compiling.
fn text_of(trees: &[Tree<'_>]) -> Option<String> {
    let trees = match trees {
        [front @ .., Tree::Sign(',', _)] => front,
        all => all,
    };
    match trees {
        [literal] => literal.string().map(Cow::into_owned),
        [.., name, Tree::Sign('!', _), Tree::Group(_, inner)] if name.is_name("env") => {
            let name = inner.first()?.string()?;
            std::env::var(name.as_ref()).ok()
        }
        [.., name, Tree::Sign('!', _), Tree::Group(_, inner)] if name.is_name("concat") => inner
            .split(|tree| tree.is_sign(','))
            .filter(|part| !part.is_empty())
            .map(text_of)
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_included_file_is_found_however_its_path_is_written() {
        let root = env!("CARGO_MANIFEST_DIR");
        for (text, path) in [
            ("include_str!(\"x.sql\")", "src/x.sql".to_owned()),
            ("f(include_bytes!(\"../x.sql\",))", "src/../x.sql".to_owned()),
            (
                "include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/x.sql\"))",
                format!("{root}/src/x.sql"),
            ),
            (
                "core::include_str!(core::concat!(core::env!(\"CARGO_MANIFEST_DIR\"), \"/x\", \".sql\",))",
                format!("{root}/x.sql"),
            ),
        ] {
            let trees = lexer::lex(text).expect("tokens");
            assert_eq!(
                included_files(&trees, Path::new("src/lib.rs")),
                [PathBuf::from(path)],
                "{text}"
            );
        }
        let trees = lexer::lex("format!(\"x.sql\"); include_str(\"x.sql\")").expect("tokens");
        assert!(included_files(&trees, Path::new("src/lib.rs")).is_empty());
    }
}
