//! What a migration's source amounts to: which tokens and files its checksum covers.
//!
//! `docs/format.md` states the rule; `checksum` turns what is named here into bytes.

use proc_macro2::TokenStream;
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
            let mut names = source::names_in(item.clone());
            names.extend(
                functions.filter(|named| named.is_here).map(|named| named.last.to_string()),
            );
            named = file.reached_from(names);
            named.retain(|named| function.name != named.name);
        }
        Self { item, file, named }
    }

    /// Sums up the function, what it names in this file, and the values that matter.
    pub(crate) fn checksum(&self, attribute: &Attribute, number: Option<u128>) -> [u8; 32] {
        let mut canonical = Canonical::new();
        values(attribute, number, &mut canonical);
        canonical.tokens(self.item.clone());
        if let Some(file) = self.file {
            include(&mut canonical, self.item.clone(), file);
            for named in &self.named {
                canonical.tokens(named.tokens.clone());
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

fn include(canonical: &mut Canonical, tokens: TokenStream, file: &SourceFile) {
    for path in source::included_files(tokens, &file.path) {
        // A file that is missing is the compiler's to tell.
        if let Ok(text) = std::fs::read_to_string(path) {
            canonical.file(&text);
        }
    }
}
