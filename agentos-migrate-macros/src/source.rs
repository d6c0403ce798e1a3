//! The items of the file that a migration stands in, as far as it names them.
//!
//! The attribute sees its own function only. What that calls in the same
//! file belongs to the migration too: the downgrade, the validation, helper
//! functions, constants with SQL and the files that those include.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use proc_macro2::{Delimiter, Span, TokenStream};

use crate::trees::{self, Tree};
use crate::{ast, lexer, state};

/// A file of the crate, cut into items by name.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    text: &'static str,
    trees: Vec<Tree<'static>>,
    items: Items,
}

/// The items of a file by name, and what it says of names besides.
#[derive(Debug, Default)]
struct Items {
    by_name: BTreeMap<String, Vec<Range<usize>>>,
    /// The imports at the top of the file, without white space.
    imports: Vec<String>,
    has_modules: bool,
}

/// An item that a migration names, directly or through others.
pub(crate) struct NamedItem<'a> {
    pub(crate) name: &'a str,
    pub(crate) trees: &'a [Tree<'a>],
}

impl SourceFile {
    /// Reads the file of a span; nothing in an editor, or for code that a macro made.
    ///
    /// The last file is kept, as several migrations may stand in one.
    pub(crate) fn of(span: Span) -> Option<Arc<Self>> {
        static LAST: Mutex<Option<Arc<SourceFile>>> = Mutex::new(None);
        if state::in_editor() {
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
        let items = items(&trees);
        Some(Self { path, text, trees, items })
    }

    /// Returns the items that `trees` and `functions` name, and those that they name, by name.
    pub(crate) fn reached_from<'a>(
        &'a self,
        trees: &[Tree<'_>],
        functions: impl Iterator<Item = String>,
    ) -> Vec<NamedItem<'a>> {
        let mut waiting: Vec<&str> = Vec::new();
        let mut add = |name: &str| waiting.extend(self.known(name));
        each_name(trees, &mut add);
        functions.for_each(|name| add(&name));
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if reached.insert(name) {
                for trees in self.named(name) {
                    each_name(trees, &mut |name| waiting.extend(self.known(name)));
                }
            }
        }
        let items = reached
            .into_iter()
            .flat_map(|name| self.named(name).map(move |trees| NamedItem { name, trees }));
        items.collect()
    }

    fn known(&self, name: &str) -> Option<&str> {
        self.items.by_name.get_key_value(name).map(|(name, _)| name.as_str())
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &[Tree<'static>]> {
        let places = self.items.by_name.get(name).into_iter().flatten();
        places.map(|place| &self.trees[place.clone()])
    }

    /// Returns a function that stands in the file by itself, in no module.
    pub(crate) fn function(&self, name: &str) -> Option<ast::Function<'_>> {
        let mut functions = self.named(name).filter_map(|trees| ast::parse(trees).ok());
        functions.find(|function| function.name == name)
    }

    /// Returns whether a type's name is imported or declared here.
    pub(crate) fn uses_or_declares(&self, name: &str) -> bool {
        self.items.by_name.contains_key(name)
            || self.items.imports.iter().any(|import| import.contains(name))
    }

    /// Returns whether `Result` is this library's for a function of the file:
    /// imported by name, with nothing else of that name, and the function in no module.
    pub(crate) fn imports_result(&self, function: &str) -> bool {
        let Items { by_name, imports, has_modules } = &self.items;
        let mut with_result = imports.iter().filter(|import| import.contains("Result"));
        let (first, second) = (with_result.next(), with_result.next());
        !has_modules
            && second.is_none()
            && !by_name.contains_key("Result")
            && by_name.contains_key(function)
            && first.is_some_and(|import| names_result(import))
    }

    /// Returns the line of a literal of this file, if it is known.
    pub(crate) fn line_of(&self, literal: &Tree<'_>) -> Option<usize> {
        let Tree::Literal(literal) = literal else { return None };
        let offset = match literal {
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

/// Tells every name in the trees, and those in `{…}` of format strings.
fn each_name(trees: &[Tree<'_>], tell: &mut impl FnMut(&str)) {
    for tree in trees {
        match tree {
            Tree::Name(_) => tree.name().into_iter().for_each(&mut *tell),
            Tree::Group(_, inner) => each_name(inner, tell),
            Tree::Literal(literal) => captures(literal).for_each(&mut *tell),
            Tree::Sign(..) => {}
        }
    }
}

fn captures(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('{').skip(1).filter_map(|part| part.split(['}', ':']).next());
    let is_name =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    parts.filter(is_name)
}

/// Returns whether `use agentos_migrate::…;` imports `Result` under its own name.
fn names_result(import: &str) -> bool {
    let Some(names) = import.strip_prefix("useagentos_migrate::") else { return false };
    let names = names.trim_end_matches(';');
    let list = names.strip_prefix('{').and_then(|names| names.strip_suffix('}')).unwrap_or(names);
    !list.contains('{') && list.split(',').any(|name| name == "Result")
}

/// Cuts a file into items by name; tests are left out.
fn items(trees: &[Tree<'_>]) -> Items {
    let mut found = Items::default();
    let mut start = 0;
    for (index, tree) in trees.iter().enumerate() {
        let ends = match tree {
            Tree::Sign(sign, _) => *sign == ';',
            // Of a function, a type, an implementation, a module, a macro; but a constant goes on to `;`.
            Tree::Group(Delimiter::Brace, _) => !is_value(&trees[start..index]),
            _ => false,
        };
        if ends {
            found.add(start..index + 1, trees);
            start = index + 1;
        }
    }
    found
}

impl Items {
    fn add(&mut self, place: Range<usize>, trees: &[Tree<'_>]) {
        let item = &trees[place.clone()];
        let has = |word: &str| item.iter().any(|tree| tree.is_name(word));
        if has("use") {
            self.imports.push(trees::compact(item));
            return;
        }
        if let Some(name) = name_of(item) {
            self.has_modules |= has("mod");
            self.by_name.entry(name.to_owned()).or_default().push(place);
        }
    }
}

fn is_value(trees: &[Tree<'_>]) -> bool {
    let has = |word: &str| trees.iter().any(|tree| tree.is_name(word));
    (has("const") || has("use") || has("static")) && !has("fn")
}

/// Returns the name by which other code reaches an item.
fn name_of<'a>(item: &'a [Tree<'_>]) -> Option<&'a str> {
    let mut index = 0;
    let mut is_test = false;
    while let Some(tree) = item.get(index) {
        match tree {
            Tree::Sign('#', _) => {
                is_test |= item.get(index + 1).is_some_and(is_cfg_test);
                index += 1;
            }
            Tree::Name(word) => match word.as_ref() {
                "use" => return None,
                "fn" | "const" | "static" | "struct" | "enum" | "union" | "trait" | "type"
                | "mod" => {
                    if let Some(name) = item[index + 1..].iter().find_map(item_name) {
                        return (!is_test).then_some(name);
                    }
                }
                "impl" => return implemented_type(&item[index + 1..]).filter(|_| !is_test),
                "macro_rules" => return item[index + 1..].iter().find_map(item_name),
                _ => {}
            },
            _ => {}
        }
        index += 1;
    }
    None
}

fn is_cfg_test(attribute: &Tree<'_>) -> bool {
    attribute.group(Delimiter::Bracket).is_some_and(|inner| trees::compact(inner) == "cfg(test)")
}

fn item_name<'a>(tree: &'a Tree<'_>) -> Option<&'a str> {
    let is_keyword = ["fn", "mut", "unsafe", "async"].iter().any(|word| tree.is_name(word));
    tree.name().filter(|_| !is_keyword)
}

/// Returns the type that an `impl` is for: the last name before the body that is in no generics.
fn implemented_type<'a>(trees: &'a [Tree<'_>]) -> Option<&'a str> {
    let mut depth = 0_i32;
    let mut last = None;
    for tree in trees {
        match tree {
            Tree::Sign('<', _) => depth += 1,
            Tree::Sign('>', _) => depth -= 1,
            Tree::Name(name) if name == "where" => break,
            Tree::Name(_) if depth == 0 => last = tree.name(),
            _ => {}
        }
    }
    last
}

/// Returns the files that tokens include with `include_str!` or `include_bytes!`, from the folder of `file`.
pub(crate) fn included_files(trees: &[Tree<'_>], file: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (index, tree) in trees.iter().enumerate() {
        let Tree::Group(_, inner) = tree else { continue };
        let called = index >= 2
            && (trees[index - 2].is_name("include_str")
                || trees[index - 2].is_name("include_bytes"));
        match inner.as_slice() {
            [path] if called && path.string().is_some() => {
                let path = path.string().unwrap_or_default();
                found.push(file.parent().unwrap_or(Path::new("")).join(path.as_ref()));
            }
            _ => found.extend(included_files(inner, file)),
        }
    }
    found
}
