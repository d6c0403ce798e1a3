//! The attribute's keys and values, as written.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{LitStr, Token};

use crate::near;

/// The keys, in the order of the documentation.
pub(crate) const KEYS: &[&str] = &[
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
    /// The keys that are given, also those whose value is wrong.
    pub(crate) keys: Vec<String>,
}

/// A path to a function.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) path: TokenStream,
    pub(crate) last: Ident,
    /// Whether the path is a bare name or `self::name`: then it is in this file or module.
    pub(crate) is_here: bool,
}

/// Reads all keys; every mistake is told, and the rest is read on.
pub(crate) fn parse(tokens: TokenStream) -> (Attribute, Vec<syn::Error>) {
    let mut errors = Vec::new();
    let parsed = syn::parse::Parser::parse2(
        |input: ParseStream<'_>| Ok(Attribute::read(input, &mut errors)),
        tokens,
    );
    match parsed {
        Ok(attribute) => (attribute, errors),
        Err(error) => {
            errors.push(error);
            (Attribute::default(), errors)
        }
    }
}

impl Attribute {
    fn read(input: ParseStream<'_>, errors: &mut Vec<syn::Error>) -> Self {
        let mut attribute = Self::default();
        while !input.is_empty() {
            if let Err(error) = attribute.read_key(input) {
                errors.push(error);
                skip_to_comma(input);
            }
            if input.is_empty() {
                break;
            }
            if let Err(error) = input.parse::<Token![,]>() {
                errors.push(error);
                skip_to_comma(input);
                drop(input.parse::<Token![,]>());
            }
        }
        attribute
    }

    fn read_key(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let key: Ident = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected a key, such as `version = \"0003\"`")
        })?;
        let word = key.to_string();
        if !KEYS.contains(&word.as_str()) {
            let keys: Vec<String> = KEYS.iter().map(|key| format!("`{key}`")).collect();
            let suggestion = near::suggestion(&word, KEYS.iter().copied());
            // The key that is meant is not missing as well.
            self.keys.extend(near::nearest(&word, KEYS.iter().copied()).map(str::to_owned));
            let text = format!(
                "unknown key `{word}`{suggestion}\n`#[migration]` takes {}",
                keys.join(", ")
            );
            return Err(syn::Error::new(key.span(), text));
        }
        if self.keys.contains(&word) {
            return Err(syn::Error::new(key.span(), format!("`{word}` is given twice; keep one")));
        }
        self.keys.push(word.clone());
        if input.parse::<Token![=]>().is_err() {
            return Err(syn::Error::new(
                key.span(),
                format!("`{word}` takes a value: {}", form_of(&word)),
            ));
        }
        match word.as_str() {
            "version" => self.version = Some(text(input, &word)?),
            "databases" => {
                let list = input.fork().parse::<proc_macro2::Group>();
                self.databases_span = list.ok().map(|list| list.span());
                self.databases = Some(texts(input, &word)?);
            }
            "depends_on" => self.depends_on = texts(input, &word)?,
            "name" => self.name = Some(text(input, &word)?),
            "description" => self.description = Some(text(input, &word)?),
            "schema_version" => self.schema_version = Some(text(input, &word)?),
            "downgrade" => self.downgrade = Some(function(input, &word)?),
            "irreversible" => self.irreversible = Some(text(input, &word)?),
            "validate" => self.validate = Some(function(input, &word)?),
            "transaction" => self.transaction = Some(text(input, &word)?),
            "legacy_checksums" => self.legacy_checksums = texts(input, &word)?,
            "deletes" => self.deletes = texts(input, &word)?,
            _ => self.allow = texts(input, &word)?,
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

fn text(input: ParseStream<'_>, key: &str) -> syn::Result<LitStr> {
    let span = input.span();
    input
        .parse()
        .map_err(|_| syn::Error::new(span, format!("`{key}` is a string: {}", form_of(key))))
}

fn texts(input: ParseStream<'_>, key: &str) -> syn::Result<Vec<LitStr>> {
    let span = input.span();
    let wrong = |span: Span| {
        syn::Error::new(span, format!("`{key}` is a list of strings: {}", form_of(key)))
    };
    if !input.peek(syn::token::Bracket) {
        return Err(wrong(span));
    }
    let content;
    syn::bracketed!(content in input);
    let mut list = Vec::new();
    while !content.is_empty() {
        let span = content.span();
        list.push(content.parse::<LitStr>().map_err(|_| wrong(span))?);
        if !content.is_empty() {
            let span = content.span();
            content.parse::<Token![,]>().map_err(|_| wrong(span))?;
        }
    }
    Ok(list)
}

fn function(input: ParseStream<'_>, key: &str) -> syn::Result<Function> {
    let span = input.span();
    let wrong =
        |span: Span| syn::Error::new(span, format!("`{key}` names a function: {}", form_of(key)));
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

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        drop(input.parse::<TokenTree>());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces of attributes, right and wrong.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::sample::select(KEYS).prop_map(str::to_owned),
            proptest::sample::select(
                &[
                    "=",
                    ",",
                    "::",
                    "[",
                    "]",
                    "(",
                    ")",
                    "{",
                    "}",
                    "#",
                    "\"0001\"",
                    "[\"a\", \"b\"]",
                    "0001",
                    "self",
                    "crate",
                    "r#type",
                    "'a'",
                    "b\"x\"",
                    "-",
                    "!",
                    "a::b",
                    "[\"a\" \"b\"]",
                ][..]
            )
            .prop_map(str::to_owned),
            "[a-z_]{1,9}",
            "\\PC{1,3}",
        ]
    }

    proptest! {
        #[test]
        fn any_tokens_are_read_or_refused_with_what_to_write(
            pieces in proptest::collection::vec(piece(), 0..24),
        ) {
            let Ok(tokens) = pieces.join(" ").parse::<TokenStream>() else { return Ok(()) };
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
