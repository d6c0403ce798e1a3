//! Keys with values, as the attribute and the macros take them; every mistake is told, and the rest is read on.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{LitStr, Token};

use crate::near;

/// The keys that one macro takes.
pub(crate) struct Keys {
    /// The macro, as its user writes it.
    pub(crate) of: &'static str,
    pub(crate) known: &'static [&'static str],
    /// Whether `:` stands between a key and its value; then `=` is understood too.
    pub(crate) takes_colon: bool,
    /// How a key with its value is written.
    pub(crate) form_of: fn(&str) -> &'static str,
}

/// The keys that are given, also those whose value is wrong.
#[derive(Debug, Default)]
pub(crate) struct Given {
    keys: Vec<String>,
    /// Whether there was a key that no macro has: it may stand for any that is missing.
    has_unknown: bool,
}

impl Given {
    /// Returns whether a key was certainly forgotten.
    pub(crate) fn lacks(&self, key: &str) -> bool {
        !self.has_unknown && !self.has(key)
    }

    fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|given| given == key)
    }
}

impl Keys {
    /// Reads all of an input; `value` reads what stands behind a key and its sign.
    pub(crate) fn read(
        &self,
        input: ParseStream<'_>,
        errors: &mut Vec<syn::Error>,
        mut value: impl FnMut(&str, ParseStream<'_>, &mut Vec<syn::Error>) -> syn::Result<()>,
    ) -> Given {
        let mut given = Given::default();
        while !input.is_empty() {
            let read = self.key(input, &mut given).and_then(|key| value(&key, input, errors));
            if let Err(error) = read {
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
        given
    }

    /// Reads all of a stream, as [`read`](Self::read) does.
    pub(crate) fn read_all(
        &self,
        tokens: TokenStream,
        errors: &mut Vec<syn::Error>,
        value: impl FnMut(&str, ParseStream<'_>, &mut Vec<syn::Error>) -> syn::Result<()>,
    ) -> Given {
        let read = |input: ParseStream<'_>| Ok(self.read(input, errors, value));
        let read = syn::parse::Parser::parse2(read, tokens);
        read.expect("all is read, whatever it is")
    }

    /// Reads a key and the sign behind it.
    fn key(&self, input: ParseStream<'_>, given: &mut Given) -> syn::Result<String> {
        let Self { of, known, takes_colon, form_of } = self;
        let key: Ident = input.parse().map_err(|error| {
            let text = format!("expected a key: {}", form_of(known[0]));
            syn::Error::new(error.span(), text)
        })?;
        let word = key.to_string();
        let wrong = |text: String| Err(syn::Error::new(key.span(), text));
        if !known.contains(&word.as_str()) {
            let suggestion = near::suggestion(&word, known.iter().copied());
            given.has_unknown = true;
            let keys = known.join("`, `");
            return wrong(format!("unknown key `{word}`{suggestion}\n{of} takes `{keys}`"));
        }
        if given.has(&word) {
            return wrong(format!("`{word}` is given twice; keep one"));
        }
        given.keys.push(word.clone());
        let is_colon = *takes_colon && input.parse::<Option<Token![:]>>()?.is_some();
        if !is_colon && input.parse::<Token![=]>().is_err() {
            return wrong(format!("`{word}` takes a value: {}", form_of(&word)));
        }
        Ok(word)
    }

    /// Reads a string.
    pub(crate) fn text(&self, input: ParseStream<'_>, key: &str) -> syn::Result<LitStr> {
        let span = input.span();
        input.parse().map_err(|_| self.wrong(span, key, "is a string"))
    }

    /// Reads a list of strings.
    pub(crate) fn texts(&self, input: ParseStream<'_>, key: &str) -> syn::Result<Vec<LitStr>> {
        self.list(input, key, "is a list of strings", <LitStr as syn::parse::Parse>::parse)
    }

    /// Reads a list in brackets.
    pub(crate) fn list<T>(
        &self,
        input: ParseStream<'_>,
        key: &str,
        kind: &str,
        one: impl FnMut(ParseStream<'_>) -> syn::Result<T>,
    ) -> syn::Result<Vec<T>> {
        let wrong = |span: Span| self.wrong(span, key, kind);
        if !input.peek(syn::token::Bracket) {
            return Err(wrong(input.span()));
        }
        let content;
        syn::bracketed!(content in input);
        separated(&content, wrong, one)
    }

    /// Says of what kind a value is, and how it is written.
    pub(crate) fn wrong(&self, span: Span, key: &str, kind: &str) -> syn::Error {
        syn::Error::new(span, format!("`{key}` {kind}: {}", (self.form_of)(key)))
    }
}

/// Reads all of a group, whose values are separated by commas.
pub(crate) fn separated<T>(
    content: ParseStream<'_>,
    wrong: impl Fn(Span) -> syn::Error,
    mut one: impl FnMut(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    let mut values = Vec::new();
    while !content.is_empty() {
        let span = content.span();
        let mut read = one(content).map(|value| values.push(value)).map_err(|_| wrong(span));
        if read.is_ok() && !content.is_empty() {
            let span = content.span();
            read = content.parse::<Token![,]>().map(drop).map_err(|_| wrong(span));
        }
        if let Err(error) = read {
            // What is left unread in a group fails the whole input.
            drop(content.parse::<TokenStream>());
            return Err(error);
        }
    }
    Ok(values)
}

/// Reads a name, which may be one of Rust's words: no item is named so.
pub(crate) fn name(input: ParseStream<'_>) -> syn::Result<Ident> {
    Ok(Ident::parse_any(input)?.unraw())
}

/// Passes over the rest of a value that can't be read.
pub(crate) fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        drop(input.parse::<TokenTree>());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use proptest::strategy::Union;

    use super::*;

    /// Inputs of a macro, right and wrong: keys, values and rubbish in any order.
    pub(crate) fn tokens(keys: &'static [&'static str]) -> impl Strategy<Value = TokenStream> {
        let signs = &["=", ":", ",", "::", "[", "]", "(", ")", "{", "}", "#", "-", "!", "'a'"][..];
        let values = &[
            "\"0001\"",
            "\"a\"",
            "[\"a\", \"b\"]",
            "[\"a\" \"b\"]",
            "[a, b, a]",
            "[a, \"b\", migrations]",
            "[]",
            "{ a: \"x\", b: \"y\" }",
            "{ a: \"x\" a = 1 }",
            "0001",
            "self",
            "crate",
            "r#type",
            "b\"x\"",
            "a::b",
        ][..];
        let piece = || {
            Union::new_weighted(vec![
                (3, proptest::sample::select(keys).prop_map(str::to_owned).boxed()),
                (3, proptest::sample::select(signs).prop_map(str::to_owned).boxed()),
                (3, proptest::sample::select(values).prop_map(str::to_owned).boxed()),
                (1, "[a-z_]{1,9}".boxed()),
                (1, "\\PC{1,3}".boxed()),
            ])
        };
        proptest::collection::vec(piece(), 0..24)
            .prop_filter_map("tokens", |pieces| pieces.join(" ").parse().ok())
    }

    const SOME: Keys = Keys {
        of: "`macro!`",
        known: &["one", "two"],
        takes_colon: true,
        form_of: |_| "write `one: \"1\"`",
    };

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let mut errors = Vec::new();
        let mut read = Vec::new();
        SOME.read_all(text.parse().expect("tokens"), &mut errors, |key, input, _| {
            let value = SOME.text(input, key)?.value();
            read.push(format!("{key} {value}"));
            Ok(())
        });
        (read, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_mistake_does_not_hide_those_behind_it() {
        let (read, errors) = read("one: 1, tow: \"2\", one: \"3\", two \"4\", 5, two = \"6\"");
        assert_eq!(read, Vec::<String>::new());
        assert_eq!(errors.len(), 6, "{errors:?}");
        assert!(errors[1].starts_with("unknown key `tow`; did you mean `two`?"), "{errors:?}");
    }

    #[test]
    fn a_mistake_in_a_group_leaves_the_rest_to_be_read() {
        for list in ["[\"a\" \"b\"]", "[1, 2]", "[\"a\", [\"b\"], \"c\"]", "[,]"] {
            let mut errors = Vec::new();
            let mut is_behind_read = false;
            let tokens = format!("one: {list}, two: \"2\"").parse().expect("tokens");
            SOME.read_all(tokens, &mut errors, |key, input, _| {
                if key == "one" {
                    return SOME.texts(input, key).map(drop);
                }
                is_behind_read = SOME.text(input, key)?.value() == "2";
                Ok(())
            });
            assert!(is_behind_read, "{list}");
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(errors, ["`one` is a list of strings: write `one: \"1\"`"], "{list}");
        }
    }

    #[test]
    fn a_comma_that_is_missing_is_the_only_mistake() {
        let (read, errors) = read("one: \"1\" two: \"2\"");
        assert_eq!(read, ["one 1"]);
        assert_eq!(errors, ["expected `,`"]);
    }

    proptest! {
        #[test]
        fn any_tokens_are_read_to_their_end(tokens in tokens(SOME.known)) {
            let mut errors = Vec::new();
            let given = SOME.read_all(tokens.clone(), &mut errors, |key, input, _| match key {
                "one" => SOME.text(input, key).map(drop),
                _ => SOME.texts(input, key).map(drop),
            });
            prop_assert!(!errors.is_empty() || given.keys.len() <= SOME.known.len());
            prop_assert_eq!(errors.is_empty() && given.keys.is_empty(), tokens.is_empty());
        }
    }
}
