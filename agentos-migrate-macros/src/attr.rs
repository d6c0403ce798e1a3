//! The attribute's keys and values, as written.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{LitStr, Token};

use crate::keys::{Given, Keys};

/// The keys, in the order of the documentation.
const KEYS: &[&str] = &[
    "version",
    "databases",
    "depends_on",
    "name",
    "description",
    "schema_version",
    "downgrade",
    "irreversible",
    "validate",
    "transaction",
    "legacy_checksums",
    "deletes",
    "allow",
];

const ATTRIBUTE: Keys = Keys { of: "`#[migration]`", known: KEYS, takes_colon: false, form_of };

/// What the attribute says.
#[derive(Default)]
pub(crate) struct Attribute {
    pub(crate) version: Option<LitStr>,
    pub(crate) databases: Option<Vec<LitStr>>,
    pub(crate) databases_span: Option<Span>,
    pub(crate) depends_on: Vec<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) schema_version: Option<LitStr>,
    pub(crate) downgrade: Option<Function>,
    pub(crate) irreversible: Option<LitStr>,
    pub(crate) validate: Option<Function>,
    pub(crate) transaction: Option<LitStr>,
    pub(crate) legacy_checksums: Vec<LitStr>,
    pub(crate) deletes: Vec<LitStr>,
    pub(crate) allow: Vec<LitStr>,
    pub(crate) keys: Given,
}

/// A path to a function.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) path: TokenStream,
    pub(crate) last: Ident,
    /// Whether the path is a bare name or `self::name`: then it is in this file or module.
    pub(crate) is_here: bool,
}

impl Function {
    /// Returns the names of the path, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        let is_name = |tree: &TokenTree| matches!(tree, TokenTree::Ident(_));
        let names = self.path.clone().into_iter().filter(is_name);
        names.map(|name| name.to_string().trim_start_matches("r#").to_owned()).collect()
    }
}

/// Reads all keys; every mistake is told, and the rest is read on.
pub(crate) fn parse(tokens: TokenStream) -> (Attribute, Vec<syn::Error>) {
    let mut attribute = Attribute::default();
    let mut errors = Vec::new();
    attribute.keys =
        ATTRIBUTE.read_all(tokens, &mut errors, |key, input, _| attribute.read_value(key, input));
    (attribute, errors)
}

impl Attribute {
    fn read_value(&mut self, key: &str, input: ParseStream<'_>) -> syn::Result<()> {
        let text = || ATTRIBUTE.text(input, key).map(Some);
        let texts = || ATTRIBUTE.texts(input, key);
        match key {
            "version" => self.version = text()?,
            "databases" => {
                let list = input.fork().parse::<proc_macro2::Group>();
                self.databases_span = list.ok().map(|list| list.span());
                self.databases = Some(texts()?);
            }
            "depends_on" => self.depends_on = texts()?,
            "name" => self.name = text()?,
            "description" => self.description = text()?,
            "schema_version" => self.schema_version = text()?,
            "downgrade" => self.downgrade = Some(function(input, key)?),
            "irreversible" => self.irreversible = text()?,
            "validate" => self.validate = Some(function(input, key)?),
            "transaction" => self.transaction = text()?,
            "legacy_checksums" => self.legacy_checksums = texts()?,
            "deletes" => self.deletes = texts()?,
            _ => self.allow = texts()?,
        }
        Ok(())
    }
}

/// Returns the accepted form of a key.
fn form_of(key: &str) -> &'static str {
    match key {
        "version" => "write `version = \"0003\"`",
        "databases" => "write `databases = [\"conversations\"]`",
        "depends_on" => "write `depends_on = [\"0002\"]`",
        "name" => "write `name = \"add_new_field\"`",
        "description" => "write `description = \"Adds a field.\"`",
        "schema_version" => "write `schema_version = \"1.2.0\"`",
        "downgrade" => "write `downgrade = remove_new_field`, the name of a function",
        "irreversible" => "write `irreversible = \"why it can't be reverted\"`",
        "validate" => "write `validate = has_new_field`, the name of a function",
        "transaction" => "write `transaction = \"atomic\"` or `transaction = \"manual\"`",
        "legacy_checksums" => "write `legacy_checksums = [\"b6d9a02a4d9668fd\"]`",
        "deletes" => "write `deletes = [\"messages\"]`",
        _ => "write `allow = [\"AM102: why\"]`",
    }
}

fn function(input: ParseStream<'_>, key: &str) -> syn::Result<Function> {
    let span = input.span();
    let wrong = |span: Span| ATTRIBUTE.wrong(span, key, "names a function");
    let mut path = TokenStream::new();
    let mut names: Vec<Ident> = Vec::new();
    loop {
        if input.peek(Token![::]) {
            let colons: Token![::] = input.parse()?;
            path.extend(quote::ToTokens::into_token_stream(colons));
        } else if !names.is_empty() {
            break;
        }
        let name = input.call(<Ident as syn::ext::IdentExt>::parse_any).map_err(|_| wrong(span))?;
        path.extend([TokenTree::Ident(name.clone())]);
        names.push(name);
    }
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(wrong(input.span()));
    }
    let is_here = names.len() == 1 || (names.len() == 2 && names[0] == "self");
    let last = names.pop().ok_or_else(|| wrong(span))?;
    Ok(Function { path, last, is_here })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys;

    proptest! {
        #[test]
        fn any_tokens_are_read_or_refused_with_what_to_write(
            tokens in keys::tests::tokens(KEYS),
        ) {
            let (_, errors) = parse(tokens);
            for error in errors {
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn a_key_with_its_value_is_read_wherever_it_stands(
            keys in proptest::sample::subsequence(vec!["version", "name", "description", "irreversible"], 1..5).prop_shuffle(),
            value in "[a-z0-9 ]{0,8}",
            comma in any::<bool>(),
        ) {
            let pairs: Vec<String> = keys.iter().map(|key| format!("{key} = \"{value}\"")).collect();
            let text = format!("{}{}", pairs.join(", "), if comma { "," } else { "" });
            let (read, errors) = parse(text.parse().expect("tokens"));
            prop_assert!(errors.is_empty(), "{:?}", errors);
            let found = [
                ("version", &read.version), ("name", &read.name),
                ("description", &read.description), ("irreversible", &read.irreversible),
            ];
            for (key, literal) in found {
                let expected = keys.contains(&key).then(|| value.clone());
                prop_assert_eq!(literal.as_ref().map(LitStr::value), expected);
            }
        }
    }
}
