//! The canonical form of tokens, and its SHA-256.
//!
//! What cannot change what a migration does is left out: layout, comments,
//! doc comments and lint attributes, and what rustfmt adds and removes as it
//! moves line ends. Every other token counts, by its value. The rule is
//! written down in docs/format.md, and tests pin it.

use proc_macro2::Delimiter;
use sha2::{Digest, Sha256};
use syn::Lit;

use crate::lexer::{self, Tree};
use crate::trees;

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
    pub(crate) fn tokens<'a>(&mut self, trees: impl IntoIterator<Item = &'a Tree<'a>>) {
        let trees = as_rustfmt_leaves_them(trees);
        let mut index = 0;
        while let Some(tree) = trees.get(index) {
            index += match tree {
                Tree::Sign('#', _) if neutral_attribute(&trees[index..]) > 0 => {
                    neutral_attribute(&trees[index..])
                }
                Tree::Sign(sign, _) => {
                    let doubled = doubled(&trees[index..]);
                    match doubled {
                        Some(operator) => self.text(b'p', operator),
                        None => self.text(b'p', sign.encode_utf8(&mut [0; 4])),
                    }
                    1 + usize::from(doubled.is_some())
                }
                Tree::Name(name) => {
                    self.text(b'i', name.strip_prefix("r#").unwrap_or(name));
                    1
                }
                Tree::Literal(literal) => {
                    self.literal(literal);
                    1
                }
                Tree::Group(delimiter, inner) => {
                    self.group(*delimiter, inner, &trees[..index]);
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

    fn group(&mut self, delimiter: Delimiter, inner: &[Tree<'_>], before: &[&Tree<'_>]) {
        let (open, close) = trees::delimiters(delimiter);
        // A comma behind the last element is layout, but `(a,)` is a tuple and `(a)` is not.
        let is_tuple =
            delimiter == Delimiter::Parenthesis && commas(inner) == 1 && !is_call(before);
        let counted = match inner {
            [counted @ .., last] if last.is_sign(',') && !is_tuple => counted,
            all => all,
        };
        self.text(b'g', open);
        self.tokens(counted);
        self.text(b'g', close);
    }

    fn literal(&mut self, text: &str) {
        if let Some(value) = lexer::string_value(text) {
            return self.text(b's', &value);
        }
        if is_plain_number(text) {
            return self.text(b'n', text);
        }
        match syn::parse_str(text) {
            Ok(Lit::Int(value)) => {
                self.text(b'n', &format!("{}{}", value.base10_digits(), value.suffix()));
            }
            Ok(Lit::Float(value)) => {
                self.text(b'f', &format!("{}{}", value.base10_digits(), value.suffix()));
            }
            Ok(Lit::Char(value)) => self.text(b'c', &value.value().to_string()),
            // Byte strings and the rest count as written.
            _ => self.text(b'l', text),
        }
    }
}

/// Returns whether an integer is written as its value is.
fn is_plain_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

/// Returns how many tokens a neutral attribute takes, or zero.
fn neutral_attribute(trees: &[&Tree<'_>]) -> usize {
    let bang = usize::from(trees.get(1).is_some_and(|tree| tree.is_sign('!')));
    let Some(inner) = trees.get(1 + bang).and_then(|tree| tree.group(Delimiter::Bracket)) else {
        return 0;
    };
    let is_neutral =
        inner.first().is_some_and(|first| NEUTRAL.iter().any(|known| first.is_name(known)));
    if is_neutral { 2 + bang } else { 0 }
}

/// `a && b` and `a & &b` differ by spacing alone; so do `||` and `| |`.
fn doubled(trees: &[&Tree<'_>]) -> Option<&'static str> {
    match trees {
        [Tree::Sign('&', true), Tree::Sign('&', _), ..] => Some("&&"),
        [Tree::Sign('|', true), Tree::Sign('|', _), ..] => Some("||"),
        _ => None,
    }
}

fn commas(trees: &[Tree<'_>]) -> usize {
    trees.iter().filter(|tree| tree.is_sign(',')).count()
}

/// Words before a parenthesis that are no function's name.
const NO_CALL: &[&str] = &[
    "as", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let", "match", "move",
    "mut", "ref", "return", "static", "type", "where", "while", "yield",
];

/// Returns whether a parenthesis behind these tokens holds arguments or parameters.
fn is_call(before: &[&Tree<'_>]) -> bool {
    match before {
        [.., Tree::Name(name)] => !NO_CALL.iter().any(|word| name == word),
        // The end of generics, and not of `->` or `=>`.
        [.., Tree::Sign('-' | '=', true), Tree::Sign('>', _)] => false,
        [.., Tree::Group(..) | Tree::Sign('?' | '!' | '>', _)] => true,
        _ => false,
    }
}

/// Undoes what rustfmt does when a line gets too long or short enough: braces
/// around the one expression of a match arm or a closure, the comma behind an
/// arm, the comma before `>`, the semicolon behind a last `return`.
fn as_rustfmt_leaves_them<'a>(trees: impl IntoIterator<Item = &'a Tree<'a>>) -> Vec<&'a Tree<'a>> {
    let mut rest = trees.into_iter().peekable();
    let mut kept: Vec<&Tree<'_>> = Vec::with_capacity(rest.size_hint().0);
    while let Some(tree) = rest.next() {
        if let Some(inner) = tree.group(Delimiter::Brace) {
            let arm = matches!(kept.as_slice(), [.., Tree::Sign('=', _), Tree::Sign('>', _)]);
            if arm || matches!(kept.last(), Some(Tree::Sign('|', _))) {
                let inner = as_rustfmt_leaves_them(inner);
                if arm {
                    rest.next_if(|tree| tree.is_sign(','));
                }
                if is_one_expression(&inner) {
                    kept.extend(inner);
                    if arm {
                        kept.push(&COMMA);
                    }
                } else {
                    kept.push(tree);
                }
                continue;
            }
        }
        if tree.is_sign('>') {
            kept.pop_if(|before| before.is_sign(','));
        }
        kept.push(tree);
    }
    drop_last_semicolon(&mut kept);
    kept
}

static COMMA: Tree<'static> = Tree::Sign(',', false);

fn is_one_expression(trees: &[&Tree<'_>]) -> bool {
    trees.first().is_some_and(|first| !first.is_sign('#'))
        && !trees.iter().any(|tree| tree.is_sign(';'))
}

fn drop_last_semicolon(trees: &mut Vec<&Tree<'_>>) {
    let [before @ .., last] = trees.as_slice() else { return };
    if !last.is_sign(';') {
        return;
    }
    let start = before.iter().rposition(|tree| tree.is_sign(';')).map_or(0, |index| index + 1);
    let leaves =
        |tree: &&Tree<'_>| ["return", "break", "continue"].iter().any(|word| tree.is_name(word));
    if before[start..].first().is_some_and(leaves) {
        trees.pop();
    }
}

#[cfg(test)]
mod tests;
