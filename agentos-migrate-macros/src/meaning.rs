//! What a migration's source amounts to: which tokens and files its checksum covers.
//!
//! `docs/format.md` states the rule; `checksum` turns what is named here into bytes.

use proc_macro2::Delimiter;
use syn::LitStr;

use crate::attr::{self, Attribute};
use crate::checksum::Canonical;
use crate::items::Item;
use crate::lexer::Tree;
use crate::source::{self, SourceFile};

/// A migration's function, and the items of its file that it names.
pub(crate) struct Source<'a> {
    item: &'a [Tree<'a>],
    pub(crate) file: Option<&'a SourceFile>,
    pub(crate) named: Vec<&'a Item>,
}

impl<'a> Source<'a> {
    /// Follows the names in the function, the downgrade and the validation.
    ///
    /// The function is known by its name and the line on which that stands.
    pub(crate) fn new(
        attribute: &Attribute,
        item: &'a [Tree<'a>],
        function: (&str, usize),
        file: Option<&'a SourceFile>,
    ) -> Self {
        let functions = [&attribute.downgrade, &attribute.validate].into_iter().flatten();
        let functions: Vec<Vec<String>> = functions.map(attr::Function::segments).collect();
        let named = file.map(|file| file.reached_from(function, item, &functions));
        Self { item, file, named: named.unwrap_or_default() }
    }

    /// Says which items the checksum covers besides the function, as a line of an error.
    pub(crate) fn covered(&self) -> String {
        let mut names: Vec<&str> = self.named.iter().map(|item| item.name.as_str()).collect();
        names.dedup();
        if names.is_empty() {
            return String::new();
        }
        format!("\n  which covers what it names in this file: `{}`", names.join("`, `"))
    }

    /// Sums up the function, what it names in this file, and the values that matter.
    pub(crate) fn checksum(&self, attribute: &Attribute, number: Option<u128>) -> [u8; 32] {
        let mut canonical = Canonical::new();
        values(attribute, number, &mut canonical);
        canonical.tokens(without_visibility(self.item));
        if let Some(file) = self.file {
            include(&mut canonical, self.item, file);
            for named in &self.named {
                canonical.tokens(without_visibility(named.trees));
                include(&mut canonical, named.trees, file);
            }
        }
        canonical.finish()
    }
}

fn values(attribute: &Attribute, number: Option<u128>, canonical: &mut Canonical) {
    canonical.value("version", [number.unwrap_or_default().to_string().as_str()]);
    let values = |texts: &[LitStr]| texts.iter().map(LitStr::value).collect::<Vec<_>>();
    let path = |function: &Option<attr::Function>| {
        function.iter().map(|function| function.path.to_string().replace(' ', "")).collect()
    };
    let depends_on = attribute.depends_on.iter();
    let depends_on = depends_on.filter_map(|text| text.value().parse::<u128>().ok());
    let transaction = attribute.transaction.iter().map(LitStr::value);
    for (key, values) in [
        ("databases", values(attribute.databases.as_deref().unwrap_or_default())),
        ("depends_on", depends_on.map(|number| number.to_string()).collect()),
        ("schema_version", attribute.schema_version.iter().map(LitStr::value).collect()),
        ("transaction", transaction.filter(|mode| mode != "atomic").collect()),
        ("deletes", values(&attribute.deletes)),
        ("downgrade", path(&attribute.downgrade)),
        ("validate", path(&attribute.validate)),
    ] {
        canonical.value(key, values.iter().map(String::as_str));
    }
}

/// Leaves out `pub` and `pub(…)` in front of an item: who may name it does not change what it does.
fn without_visibility<'a>(item: &'a [Tree<'a>]) -> impl Iterator<Item = &'a Tree<'a>> {
    // Only attributes stand before it.
    let is_attribute = |tree: &Tree<'_>| matches!(tree, Tree::Sign(..) | Tree::Group(..));
    let first = item.iter().position(|tree| !is_attribute(tree));
    let (before, after) = match first.filter(|at| item[*at].is_name("pub")) {
        Some(at) => {
            let restriction = item.get(at + 1).and_then(|tree| tree.group(Delimiter::Parenthesis));
            (&item[..at], &item[at + 1 + usize::from(restriction.is_some())..])
        }
        None => (item, &item[item.len()..]),
    };
    before.iter().chain(after)
}

fn include(canonical: &mut Canonical, trees: &[Tree<'_>], file: &SourceFile) {
    for path in source::included_files(trees, &file.path) {
        // A file that is missing is the compiler's to tell.
        if let Ok(text) = std::fs::read_to_string(path) {
            canonical.file(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visibility_of_an_item_is_left_out_and_nothing_else() {
        for (item, rest) in [
            ("pub fn a() {}", "fn a() {}"),
            ("#[cold] pub(in crate::x) fn a(b: pub_) {}", "#[cold] fn a(b: pub_) {}"),
            ("fn a() { pub }", "fn a() { pub }"),
            ("pub struct A(pub u8);", "struct A(pub u8);"),
        ] {
            let item = crate::lexer::lex(item).expect("tokens");
            let rest = crate::lexer::lex(rest).expect("tokens");
            assert!(without_visibility(&item).eq(&rest), "{item:?}");
        }
    }
}
