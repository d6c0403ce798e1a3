//! A source file cut into its items, and those of them that a migration names.
//!
//! No names are resolved as the compiler does it. A name stands for every
//! item that it may mean, so that an item too many is covered rather than one
//! too few: first those of the own module, else those of the whole file.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Delimiter;

use crate::lexer::Tree;
use crate::trees;

type Trees = &'static [Tree<'static>];

/// The items of a file, those of its inline modules too; what is for tests only is left out.
#[derive(Debug)]
pub(crate) struct Items {
    all: Vec<Item>,
    by_name: BTreeMap<String, Vec<usize>>,
    /// What a call `.name()` may mean: methods of traits, and of types that the file does not declare.
    by_method: BTreeMap<String, Vec<usize>>,
    modules: Vec<Module>,
    /// The imports, without white space.
    pub(crate) imports: Vec<String>,
    /// Names that imports give to others: `use one as another`.
    renamed: Vec<(String, String)>,
    pub(crate) has_modules: bool,
}

#[derive(Debug)]
struct Module {
    name: String,
    parent: usize,
}

/// An item, with the module that it stands in.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) trees: Trees,
    module: usize,
    is_implementation: bool,
}

/// The file itself, among its modules.
const ROOT: usize = 0;

/// How a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written<'a> {
    /// By itself.
    Bare,
    /// Behind `prefix::`; nothing if that is no name.
    Behind(Option<&'a str>),
    /// Behind a dot.
    Method,
}

/// What an item is, as far as it matters who names it.
enum Kind<'a> {
    Named(&'a str),
    Trait(&'a str),
    Implementation,
    Module(&'a str),
    Import,
    /// A call of a macro that makes items.
    Call(&'a str),
    Other,
}

/// Calls of macros that are no part of any migration.
const SETS: &[&str] = &["migrations", "sql_migration", "migration_tests", "sql"];

impl Items {
    /// Cuts a file.
    pub(crate) fn of(trees: Trees) -> Self {
        let mut items = Self {
            all: Vec::new(),
            by_name: BTreeMap::new(),
            by_method: BTreeMap::new(),
            modules: vec![Module { name: String::new(), parent: ROOT }],
            imports: Vec::new(),
            renamed: Vec::new(),
            has_modules: false,
        };
        items.cut(trees, ROOT);
        items.find_methods();
        items
    }

    fn cut(&mut self, mut trees: Trees, module: usize) {
        while !trees.is_empty() {
            let (kind, end) = read(trees);
            let (item, rest) = trees.split_at(end);
            trees = rest;
            if !is_test(item) {
                self.add(&kind, item, module);
            }
        }
    }

    fn add(&mut self, kind: &Kind<'_>, item: Trees, module: usize) {
        let (name, is_implementation) = match kind {
            Kind::Other => return,
            Kind::Import => {
                self.imports.push(trees::compact(item));
                return find_renamed(item, &mut self.renamed);
            }
            Kind::Module(name) => {
                self.has_modules = true;
                if let Some(inner) = item.last().and_then(|tree| tree.group(Delimiter::Brace)) {
                    self.modules.push(Module { name: (*name).to_owned(), parent: module });
                    self.cut(inner, self.modules.len() - 1);
                }
                return;
            }
            Kind::Call(name) if SETS.contains(name) => return,
            Kind::Call(name) | Kind::Named(name) | Kind::Trait(name) => (*name, false),
            Kind::Implementation => match implemented_type(item) {
                Some(name) => (name, true),
                None => return,
            },
        };
        let index = self.all.len();
        self.all.push(Item { name: name.to_owned(), trees: item, module, is_implementation });
        let mut names = BTreeSet::from([name.to_owned()]);
        if let Kind::Call(_) = kind {
            // Whatever it makes has a name that is written in the call.
            each_name(item, &mut |name, _| {
                names.insert(name.to_owned());
            });
        }
        for name in names {
            self.by_name.entry(name).or_default().push(index);
        }
        if let Kind::Trait(_) = kind {
            self.add_methods(index);
        }
    }

    fn find_methods(&mut self) {
        let is_declared = |name: &str| {
            let of_it = self.by_name.get(name).into_iter().flatten();
            of_it.into_iter().any(|index| !self.all[*index].is_implementation)
        };
        let foreign: Vec<usize> = (0..self.all.len())
            .filter(|index| self.all[*index].is_implementation)
            .filter(|index| !is_declared(&self.all[*index].name))
            .collect();
        for index in foreign {
            self.add_methods(index);
        }
    }

    fn add_methods(&mut self, index: usize) {
        let body = self.all[index].trees.last().and_then(|tree| tree.group(Delimiter::Brace));
        let pairs = body.unwrap_or_default().windows(2);
        let names = pairs.filter(|pair| pair[0].is_name("fn")).filter_map(|pair| pair[1].name());
        for name in names {
            self.by_method.entry(name.to_owned()).or_default().push(index);
        }
    }

    /// Returns whether an item of this name is declared.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Returns the items of this name that stand in no module.
    pub(crate) fn at_top<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Item> {
        let found = self.by_name.get(name).into_iter().flatten().map(|index| &self.all[*index]);
        found.filter(|item| item.module == ROOT)
    }

    /// Returns the item that a test of its trees says is the one, among those of a name.
    pub(crate) fn position(&self, name: &str, is_it: impl Fn(&Item) -> bool) -> Option<usize> {
        let mut found = self.by_name.get(name)?.iter().copied();
        found.find(|index| is_it(&self.all[*index]))
    }

    /// Returns the items that `trees` and `functions` name, and those that they name, by name.
    ///
    /// `own` is the item of the migration itself.
    pub(crate) fn reached_from(
        &self,
        own: Option<usize>,
        trees: &[Tree<'_>],
        functions: &[Vec<String>],
    ) -> Vec<&Item> {
        let module = own.map_or(ROOT, |own| self.all[own].module);
        let mut waiting = Vec::new();
        each_name(trees, &mut |name, written| self.find(name, written, module, &mut waiting));
        for path in functions {
            let Some((name, before)) = path.split_last() else { continue };
            let written = match before.last() {
                Some(prefix) => Written::Behind(Some(prefix)),
                None => Written::Bare,
            };
            self.find(name, written, module, &mut waiting);
        }
        let mut reached = BTreeSet::new();
        while let Some(index) = waiting.pop() {
            if Some(index) != own && reached.insert(index) {
                let item = &self.all[index];
                each_name(item.trees, &mut |name, written| {
                    self.find(name, written, item.module, &mut waiting);
                });
            }
        }
        let mut reached: Vec<usize> = reached.into_iter().collect();
        reached.sort_by(|a, b| (&self.all[*a].name, a).cmp(&(&self.all[*b].name, b)));
        reached.into_iter().map(|index| &self.all[index]).collect()
    }

    /// Finds what a name may mean in a module.
    fn find(&self, name: &str, written: Written<'_>, module: usize, found: &mut Vec<usize>) {
        if written == Written::Method {
            found.extend(self.by_method.get(name).into_iter().flatten());
            return;
        }
        let originals = self.renamed.iter().filter(|(_, new)| new == name).map(|(old, _)| old);
        let names = originals.map(String::as_str).chain([name]);
        let all: Vec<usize> =
            names.filter_map(|name| self.by_name.get(name)).flatten().copied().collect();
        let is_near = |index: &&usize| {
            let of = self.all[**index].module;
            match written {
                Written::Bare | Written::Behind(Some("self")) => of == module,
                Written::Behind(Some("super")) => of == self.modules[module].parent,
                Written::Behind(Some(prefix)) => of != ROOT && self.modules[of].name == prefix,
                Written::Behind(None) | Written::Method => false,
            }
        };
        let near: Vec<usize> = all.iter().filter(is_near).copied().collect();
        found.extend(if near.is_empty() { all } else { near });
    }
}

/// Tells every name in the trees, and those in `{…}` of format strings.
fn each_name<'a>(trees: &'a [Tree<'_>], tell: &mut impl FnMut(&'a str, Written<'a>)) {
    for (index, tree) in trees.iter().enumerate() {
        match tree {
            Tree::Name(_) => {
                if let Some(name) = tree.name() {
                    tell(name, written(&trees[..index]));
                }
            }
            Tree::Group(Delimiter::Bracket, inner) if is_registration(&trees[..index], inner) => {}
            Tree::Group(_, inner) => each_name(inner, tell),
            Tree::Literal(literal) => {
                captures(literal).for_each(|name| tell(name, Written::Bare));
            }
            Tree::Sign(..) => {}
        }
    }
}

/// Whether brackets are `#[migration(…)]`: its keys are no names.
fn is_registration(before: &[Tree<'_>], inner: &[Tree<'_>]) -> bool {
    let arguments = inner.last().and_then(|tree| tree.group(Delimiter::Parenthesis));
    let path = &inner[..inner.len() - usize::from(arguments.is_some())];
    before.last().is_some_and(|tree| tree.is_sign('#'))
        && path.last().is_some_and(|tree| tree.is_name("migration"))
}

fn written<'a>(before: &'a [Tree<'_>]) -> Written<'a> {
    match before {
        [.., Tree::Sign('.', _), Tree::Sign('.', _)] => Written::Bare,
        [.., Tree::Sign('.', _)] => Written::Method,
        [front @ .., Tree::Sign(':', _), Tree::Sign(':', _)] => {
            Written::Behind(front.last().and_then(Tree::name))
        }
        _ => Written::Bare,
    }
}

/// Tells the names in `{name}`, `{name:…}` and `{…:name$}`.
fn captures(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('{').skip(1).filter_map(|part| part.split('}').next());
    let words = parts.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let words = words.map(|word| word.trim_start_matches(|c: char| c.is_ascii_digit()));
    words.filter(|word| !word.is_empty())
}

/// Finds `old as new` in an import, at any depth.
fn find_renamed(trees: &[Tree<'_>], renamed: &mut Vec<(String, String)>) {
    for (index, tree) in trees.iter().enumerate() {
        match (tree, index.checked_sub(1).and_then(|at| trees[at].name()), trees.get(index + 1)) {
            (Tree::Group(_, inner), ..) => find_renamed(inner, renamed),
            (tree, Some(old), Some(new)) if tree.is_name("as") => {
                renamed.extend(new.name().map(|new| (old.to_owned(), new.to_owned())));
            }
            _ => {}
        }
    }
}

/// Reads one item: what it is, and where it ends.
fn read<'a>(trees: &'a [Tree<'_>]) -> (Kind<'a>, usize) {
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        let next = trees.get(at + 1);
        let next_name = next.and_then(Tree::name);
        let begins = |words: &[&str]| next_name.is_some_and(|name| words.contains(&name));
        match tree {
            Tree::Sign(';', _) | Tree::Group(Delimiter::Brace, _) => return (Kind::Other, at + 1),
            Tree::Name(word) => match (word.as_ref(), next_name) {
                ("extern", Some("crate")) => return (Kind::Other, semicolon(trees, at)),
                ("pub" | "extern", _)
                | ("unsafe" | "async" | "default" | "safe" | "auto", Some(_)) => {}
                ("const", _) if begins(&["fn", "unsafe", "async", "extern"]) => {}
                ("const" | "static", Some("mut")) => {
                    let name = trees.get(at + 2).and_then(Tree::name).unwrap_or_default();
                    return (Kind::Named(name), semicolon(trees, at));
                }
                ("const" | "static" | "type", Some(name)) => {
                    return (Kind::Named(name), semicolon(trees, at));
                }
                ("use", _) => return (Kind::Import, semicolon(trees, at)),
                ("trait", Some(name)) => return (Kind::Trait(name), body(trees, at)),
                ("fn" | "struct" | "enum" | "union", Some(name)) => {
                    return (Kind::Named(name), body(trees, at));
                }
                ("mod", Some(name)) => return (Kind::Module(name), body(trees, at)),
                ("impl", _) => return (Kind::Implementation, body(trees, at)),
                ("macro_rules", None) => {
                    let name = trees.get(at + 2).and_then(Tree::name).unwrap_or_default();
                    return (Kind::Named(name), body(trees, at));
                }
                _ => return call(trees, at),
            },
            _ => {}
        }
        at += 1;
    }
    (Kind::Other, trees.len())
}

/// Reads a call of a macro that stands as an item.
fn call<'a>(trees: &'a [Tree<'_>], at: usize) -> (Kind<'a>, usize) {
    let end = body(trees, at);
    let sign = trees[at..end].iter().position(|tree| tree.is_sign('!'));
    let name = sign.and_then(|sign| (at + sign).checked_sub(1)).and_then(|at| trees[at].name());
    (name.map_or(Kind::Other, Kind::Call), end)
}

fn semicolon(trees: &[Tree<'_>], from: usize) -> usize {
    let ends = trees[from..].iter().position(|tree| tree.is_sign(';'));
    ends.map_or(trees.len(), |ends| from + ends + 1)
}

/// Returns the end of an item that has a body, or that ends with `;` without one.
fn body(trees: &[Tree<'_>], from: usize) -> usize {
    let is_end = |tree: &Tree<'_>| tree.is_sign(';') || tree.group(Delimiter::Brace).is_some();
    trees[from..].iter().position(is_end).map_or(trees.len(), |ends| from + ends + 1)
}

/// Returns whether `#[cfg(test)]` stands in front of an item.
fn is_test(item: &[Tree<'_>]) -> bool {
    let head = item.iter().take_while(|tree| !matches!(tree, Tree::Name(_)));
    let mut attributes = head.filter_map(|tree| tree.group(Delimiter::Bracket));
    attributes.any(|inner| trees::compact(inner) == "cfg(test)")
}

/// Returns the type that an `impl` is for: the last name before the body that is in no generics.
fn implemented_type<'a>(item: &'a [Tree<'_>]) -> Option<&'a str> {
    let start = item.iter().position(|tree| tree.is_name("impl"))?;
    let (mut depth, mut last, mut before) = (0_i32, None, ' ');
    for tree in &item[start + 1..] {
        match tree {
            Tree::Sign('<', _) => depth += 1,
            // The arrow of `Fn() -> T` closes nothing.
            Tree::Sign('>', _) if before != '-' => depth -= 1,
            Tree::Name(name) if name == "where" => break,
            Tree::Name(_) if depth == 0 => last = tree.name(),
            _ => {}
        }
        before = if let Tree::Sign(sign, _) = tree { *sign } else { ' ' };
    }
    last
}
