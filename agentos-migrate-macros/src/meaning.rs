//! What a migration's source amounts to: which tokens and files its checksum covers.
//!
//! `docs/format.md` states the rule; `checksum` turns what is named here into bytes.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::LitStr;

use crate::ast;
use crate::attr::{self, Attribute};
use crate::checksum::Canonical;
use crate::source::{self, NamedItem, SourceFile};

/// A migration's function, and the items of its file that it names.
pub(crate) struct Source<'a> {
    item: &'a TokenStream,
    pub(crate) file: Option<&'a SourceFile>,
    pub(crate) named: Vec<NamedItem<'a>>,
}

impl<'a> Source<'a> {
    /// Follows the names in the function, the downgrade and the validation.
    pub(crate) fn new(
        attribute: &Attribute,
        item: &'a TokenStream,
        function: &ast::Function,
        file: Option<&'a SourceFile>,
    ) -> Self {
        let mut named = Vec::new();
        if let Some(file) = file {
            let functions = [&attribute.downgrade, &attribute.validate].into_iter().flatten();
            let mut words = source::names_in(item.clone());
            words.extend(functions.filter(|path| path.is_here).map(|path| path.last.to_string()));
            named = file.reached_from(words);
            named.retain(|item| function.name != item.name);
        }
        Self { item, file, named }
    }

    /// Sums up the function, what it names in this file, and the values that matter.
    pub(crate) fn checksum(&self, attribute: &Attribute, number: Option<u128>) -> [u8; 32] {
        let mut canonical = Canonical::new();
        values(attribute, number, &mut canonical);
        canonical.tokens(without_visibility(self.item.clone()));
        if let Some(file) = self.file {
            include(&mut canonical, self.item.clone(), file);
            for named in &self.named {
                canonical.tokens(without_visibility(named.tokens.clone()));
                include(&mut canonical, named.tokens.clone(), file);
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
fn without_visibility(item: TokenStream) -> TokenStream {
    let is_word = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "pub");
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    // Only attributes stand before it.
    let is_attribute =
        |token: &TokenTree| matches!(token, TokenTree::Punct(_) | TokenTree::Group(_));
    let first = tokens.iter().position(|token| !is_attribute(token));
    if let Some(at) = first.filter(|at| is_word(&tokens[*at])) {
        let is_restricted = matches!(
            tokens.get(at + 1),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis
        );
        tokens.drain(at..=at + usize::from(is_restricted));
    }
    tokens.into_iter().collect()
}

fn include(canonical: &mut Canonical, tokens: TokenStream, file: &SourceFile) {
    for path in source::included_files(tokens, &file.path) {
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
            let tokens: TokenStream = item.parse().expect("tokens");
            let rest: TokenStream = rest.parse().expect("tokens");
            assert_eq!(without_visibility(tokens).to_string(), rest.to_string());
        }
    }
}
