//! The canonical form of tokens, and its SHA-256.
//!
//! What cannot change what a migration does is left out: layout, comments,
//! doc comments and lint attributes, and what rustfmt adds and removes as it
//! moves line ends. Every other token counts, by its value. The rule is
//! written down in docs/format.md, and tests pin it.

use proc_macro2::{Delimiter, Group, Literal, Spacing, TokenStream, TokenTree};
use sha2::{Digest, Sha256};
use syn::Lit;

/// Attributes that can't change what a function does.
const NEUTRAL: &[&str] = &[
    "allow",
    "clippy",
    "cold",
    "deny",
    "deprecated",
    "diagnostic",
    "doc",
    "expect",
    "forbid",
    "inline",
    "must_use",
    "rustfmt",
    "track_caller",
    "warn",
];

/// Collects what is hashed.
#[derive(Default)]
pub(crate) struct Canonical {
    bytes: Vec<u8>,
}

impl Canonical {
    /// Begins with the rule's name, so that a later rule can't give the same sum by chance.
    pub(crate) fn new() -> Self {
        let mut canonical = Self::default();
        canonical.text(b'#', "agentos-migrate checksum 1");
        canonical
    }

    /// Adds a key with its values.
    pub(crate) fn value<'a>(&mut self, key: &str, values: impl IntoIterator<Item = &'a str>) {
        self.text(b'k', key);
        for value in values {
            self.text(b'v', value);
        }
    }

    /// Adds a file's text; line ends count as `\n`.
    pub(crate) fn file(&mut self, text: &str) {
        self.text(b'F', &text.replace("\r\n", "\n"));
    }

    /// Adds tokens.
    pub(crate) fn tokens(&mut self, tokens: TokenStream) {
        let tokens = as_rustfmt_leaves_them(without_invisible_groups(tokens));
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            index += match token {
                TokenTree::Punct(punct)
                    if punct.as_char() == '#' && neutral_attribute(&tokens[index..]) > 0 =>
                {
                    neutral_attribute(&tokens[index..])
                }
                TokenTree::Punct(punct) => {
                    let doubled = doubled(&tokens[index..]);
                    match doubled {
                        Some(operator) => self.text(b'p', operator),
                        None => self.text(b'p', punct.as_char().encode_utf8(&mut [0; 4])),
                    }
                    1 + usize::from(doubled.is_some())
                }
                TokenTree::Ident(name) => {
                    let name = name.to_string();
                    self.text(b'i', name.strip_prefix("r#").unwrap_or(&name));
                    1
                }
                TokenTree::Literal(literal) => {
                    self.literal(literal);
                    1
                }
                TokenTree::Group(group) => {
                    self.group(group, &tokens[..index]);
                    1
                }
            };
        }
    }

    /// Returns the SHA-256.
    pub(crate) fn finish(self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    fn text(&mut self, tag: u8, text: &str) {
        self.bytes.push(tag);
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn group(&mut self, group: &Group, before: &[TokenTree]) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        let mut inner = without_invisible_groups(group.stream());
        // A comma behind the last element is layout, but `(a,)` is a tuple and `(a)` is not.
        let is_tuple =
            group.delimiter() == Delimiter::Parenthesis && commas(&inner) == 1 && !is_call(before);
        if is_punct(inner.last(), ',') && !is_tuple {
            inner.pop();
        }
        self.text(b'g', open);
        self.tokens(inner.into_iter().collect());
        self.text(b'g', close);
    }

    fn literal(&mut self, literal: &Literal) {
        let text = literal.to_string();
        match Lit::new(literal.clone()) {
            Lit::Str(value) => self.text(b's', &value.value()),
            Lit::Int(value) => {
                self.text(b'n', &format!("{}{}", value.base10_digits(), value.suffix()));
            }
            Lit::Float(value) => {
                self.text(b'f', &format!("{}{}", value.base10_digits(), value.suffix()));
            }
            Lit::Char(value) => self.text(b'c', &value.value().to_string()),
            // Byte strings and the rest count as written.
            _ => self.text(b'l', &text),
        }
    }
}

/// Returns how many tokens a neutral attribute takes, or zero.
fn neutral_attribute(tokens: &[TokenTree]) -> usize {
    let bang = usize::from(is_punct(tokens.get(1), '!'));
    let Some(TokenTree::Group(group)) = tokens.get(1 + bang) else { return 0 };
    let first = group.stream().into_iter().next();
    let is_neutral =
        matches!(&first, Some(TokenTree::Ident(name)) if NEUTRAL.iter().any(|known| name == known));
    if is_neutral && group.delimiter() == Delimiter::Bracket { 2 + bang } else { 0 }
}

/// `a && b` and `a & &b` differ by spacing alone; so do `||` and `| |`.
fn doubled(tokens: &[TokenTree]) -> Option<&'static str> {
    let [TokenTree::Punct(first), TokenTree::Punct(second), ..] = tokens else { return None };
    match (first.as_char(), second.as_char(), first.spacing()) {
        ('&', '&', Spacing::Joint) => Some("&&"),
        ('|', '|', Spacing::Joint) => Some("||"),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn commas(tokens: &[TokenTree]) -> usize {
    tokens.iter().filter(|token| is_punct(Some(token), ',')).count()
}

fn without_invisible_groups(tokens: TokenStream) -> Vec<TokenTree> {
    let mut flat = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                flat.extend(without_invisible_groups(group.stream()));
            }
            token => flat.push(token),
        }
    }
    flat
}

/// Words before a parenthesis that are no function's name.
const NO_CALL: &[&str] = &[
    "as", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let", "match", "move",
    "mut", "ref", "return", "static", "type", "where", "while", "yield",
];

/// Returns whether a parenthesis behind these tokens holds arguments or parameters.
fn is_call(before: &[TokenTree]) -> bool {
    match before.last() {
        Some(TokenTree::Ident(name)) => !NO_CALL.iter().any(|word| name == word),
        Some(TokenTree::Group(_)) => true,
        Some(TokenTree::Punct(punct)) => match punct.as_char() {
            '?' | '!' => true,
            // The end of generics, and not of `->` or `=>`.
            '>' => !before.iter().rev().nth(1).is_some_and(|token| {
                matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), '-' | '=') && punct.spacing() == Spacing::Joint)
            }),
            _ => false,
        },
        _ => false,
    }
}

/// Undoes what rustfmt does when a line gets too long or short enough: braces
/// around the one expression of a match arm or a closure, the comma behind an
/// arm, the comma before `>`, the semicolon behind a last `return`.
fn as_rustfmt_leaves_them(tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        if let TokenTree::Group(group) = &token {
            let arm = is_punct(kept.last(), '>') && is_punct(kept.iter().rev().nth(1), '=');
            if group.delimiter() == Delimiter::Brace && (arm || is_punct(kept.last(), '|')) {
                let inner = as_rustfmt_leaves_them(without_invisible_groups(group.stream()));
                let comma = arm && is_punct(rest.peek(), ',');
                if comma {
                    rest.next();
                }
                if is_one_expression(&inner) {
                    kept.extend(inner);
                    if arm {
                        kept.push(comma_token());
                    }
                } else {
                    kept.push(token);
                }
                continue;
            }
        }
        if is_punct(Some(&token), '>') && is_punct(kept.last(), ',') {
            kept.pop();
        }
        kept.push(token);
    }
    drop_last_semicolon(&mut kept);
    kept
}

fn comma_token() -> TokenTree {
    TokenTree::Punct(proc_macro2::Punct::new(',', Spacing::Alone))
}

fn is_one_expression(tokens: &[TokenTree]) -> bool {
    !tokens.is_empty()
        && !is_punct(tokens.first(), '#')
        && !tokens.iter().any(|token| is_punct(Some(token), ';'))
}

fn drop_last_semicolon(tokens: &mut Vec<TokenTree>) {
    if !is_punct(tokens.last(), ';') {
        return;
    }
    let before = &tokens[..tokens.len() - 1];
    let start =
        before.iter().rposition(|token| is_punct(Some(token), ';')).map_or(0, |index| index + 1);
    let leaves = |token: &TokenTree| matches!(token, TokenTree::Ident(name) if name == "return" || name == "break" || name == "continue");
    if before[start..].first().is_some_and(leaves) {
        tokens.pop();
    }
}

#[cfg(test)]
mod tests;
