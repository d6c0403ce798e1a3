//! The items of the file that a migration stands in, as far as it names them.
//!
//! The attribute sees its own function only. What that calls in the same
//! file belongs to the migration too: the downgrade, the validation, helper
//! functions, constants with SQL and the files that those include.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};

use crate::ast;

/// A file of the crate, cut into items by name.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    items: Items,
}

/// The items of a file by name, and what it says of names besides.
#[derive(Default)]
struct Items {
    by_name: BTreeMap<String, Vec<TokenStream>>,
    /// The imports at the top of the file, without white space.
    imports: Vec<String>,
    has_modules: bool,
}

/// An item that a migration names, directly or through others.
pub(crate) struct NamedItem<'a> {
    pub(crate) name: &'a str,
    pub(crate) tokens: &'a TokenStream,
}

impl SourceFile {
    /// Reads the file of a span; nothing in an editor, or for code that a macro made.
    pub(crate) fn of(span: Span) -> Option<Self> {
        let path = span.unwrap().local_file()?;
        let text = std::fs::read_to_string(&path).ok()?;
        let tokens: TokenStream = text.parse().ok()?;
        Some(Self { path, text, items: items(tokens) })
    }

    /// Returns the items that `names` name, and those that they name, by name.
    pub(crate) fn reached_from(&self, names: BTreeSet<String>) -> Vec<NamedItem<'_>> {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut waiting: Vec<String> = names.into_iter().collect();
        while let Some(name) = waiting.pop() {
            let Some((known, tokens)) = self.items.by_name.get_key_value(&name) else { continue };
            if reached.insert(known) {
                waiting.extend(tokens.iter().flat_map(|tokens| names_in(tokens.clone())));
            }
        }
        let items = reached.into_iter().flat_map(|name| {
            self.items.by_name[name].iter().map(move |tokens| NamedItem { name, tokens })
        });
        items.collect()
    }

    /// Returns a function that stands in the file by itself, in no module.
    pub(crate) fn function(&self, name: &str) -> Option<ast::Function> {
        let named = self.items.by_name.get(name)?;
        let functions = named.iter().filter_map(|tokens| ast::parse(tokens).ok());
        functions.into_iter().find(|function| function.name == name)
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

    /// Returns the line on which a literal stands, if it stands in one place only.
    pub(crate) fn line_of(&self, literal: &str) -> Option<usize> {
        let mut places = self.text.match_indices(literal);
        let (offset, _) = places.next()?;
        places.next().is_none().then(|| self.text[..offset].matches('\n').count() + 1)
    }
}

/// Returns every name in a stream, and those in `{…}` of format strings.
pub(crate) fn names_in(tokens: TokenStream) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => drop(names.insert(plain(&name))),
            TokenTree::Group(group) => names.extend(names_in(group.stream())),
            TokenTree::Literal(literal) => names.extend(captures(&literal.to_string())),
            TokenTree::Punct(_) => {}
        }
    }
    names
}

fn captures(text: &str) -> Vec<String> {
    let parts = text.split('{').skip(1).filter_map(|part| part.split(['}', ':']).next());
    let is_name =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    parts.filter(is_name).map(str::to_owned).collect()
}

fn plain(name: &Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// Returns whether `use agentos_migrate::…;` imports `Result` under its own name.
fn names_result(import: &str) -> bool {
    let Some(names) = import.strip_prefix("useagentos_migrate::") else { return false };
    let names = names.trim_end_matches(';');
    let list = names.strip_prefix('{').and_then(|names| names.strip_suffix('}')).unwrap_or(names);
    !list.contains('{') && list.split(',').any(|name| name == "Result")
}

/// Cuts a file into items by name; tests are left out.
fn items(tokens: TokenStream) -> Items {
    let mut found = Items::default();
    let mut current: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let ends = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            // Of a function, a type, an implementation, a module, a macro; but a constant goes on to `;`.
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !is_value(&current),
            _ => false,
        };
        current.push(token);
        if ends {
            found.add(std::mem::take(&mut current));
        }
    }
    found
}

impl Items {
    fn add(&mut self, item: Vec<TokenTree>) {
        let has = |word: &str| item.iter().any(|token| is_word(token, word));
        if has("use") {
            let import: TokenStream = item.into_iter().collect();
            self.imports.push(import.to_string().split_whitespace().collect());
            return;
        }
        let is_module = has("mod");
        if let Some(name) = name_of(&item) {
            self.has_modules |= is_module;
            self.by_name.entry(name).or_default().push(item.into_iter().collect());
        }
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(name) if name == word)
}

fn is_value(tokens: &[TokenTree]) -> bool {
    let has = |word: &str| tokens.iter().any(|token| is_word(token, word));
    (has("const") || has("use") || has("static")) && !has("fn")
}

/// Returns the name by which other code reaches an item.
fn name_of(item: &[TokenTree]) -> Option<String> {
    let mut index = 0;
    let mut is_test = false;
    while let Some(token) = item.get(index) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let attribute = item.get(index + 1).map(ToString::to_string).unwrap_or_default();
                is_test |= attribute.replace(' ', "") == "[cfg(test)]";
                index += 1;
            }
            TokenTree::Ident(word) => match word.to_string().as_str() {
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

fn item_name(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(name)
            if name != "fn" && name != "mut" && name != "unsafe" && name != "async" =>
        {
            Some(plain(name))
        }
        _ => None,
    }
}

/// Returns the type that an `impl` is for: the last name before the body that is in no generics.
fn implemented_type(tokens: &[TokenTree]) -> Option<String> {
    let mut depth = 0_i32;
    let mut last = None;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth -= 1,
            TokenTree::Ident(name) if name == "where" => break,
            TokenTree::Ident(name) if depth == 0 => last = Some(plain(name)),
            _ => {}
        }
    }
    last
}

/// Returns the files that tokens include with `include_str!` or `include_bytes!`, from the folder of `file`.
pub(crate) fn included_files(tokens: TokenStream, file: &Path) -> Vec<PathBuf> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            let called = index >= 2
                && matches!(&tokens[index - 2], TokenTree::Ident(name) if name == "include_str" || name == "include_bytes");
            match syn::parse2::<syn::LitStr>(group.stream()) {
                Ok(path) if called => {
                    found.push(file.parent().unwrap_or(Path::new("")).join(path.value()));
                }
                _ => found.extend(included_files(group.stream(), file)),
            }
        }
    }
    found
}
