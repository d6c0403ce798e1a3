//! The tokens that a macro is given, in a form that costs nothing to look at.
//!
//! Every look at a token of the compiler is a call into the compiler. So a
//! macro takes the text of its tokens once ([`Item`]), cuts it itself
//! (`lexer`), and goes back to the compiler's own tokens for the place of a
//! mistake only. Groups without delimiters are dissolved: they mean nothing.

use proc_macro2::{Delimiter, Ident, Spacing, Span, TokenStream, TokenTree};

use crate::compiler;
use crate::lexer::{self, Tree};

/// An item that a macro is given: as trees, and as the compiler's tokens, which know their places.
pub(crate) struct Item<'a> {
    pub(crate) trees: Vec<Tree<'a>>,
    stream: &'a TokenStream,
}

impl<'a> Item<'a> {
    /// Cuts a stream, whose text the caller keeps: `stream.to_string()`.
    ///
    /// Text that our lexer leaves to the compiler's is walked token by token; so is
    /// all in an editor, as only the compiler promises that the text is the tokens.
    pub(crate) fn new(stream: &'a TokenStream, text: &'a str) -> Self {
        let cut = if compiler::in_editor() { None } else { lexer::lex(text) };
        let trees = cut.unwrap_or_else(|| walked(stream.clone()));
        Self { trees, stream }
    }

    fn token(&self, at: usize) -> Option<TokenTree> {
        nth_token(self.stream.clone(), &mut { at })
    }

    /// Returns the place of a token that stands in no group.
    pub(crate) fn span(&self, at: usize) -> Span {
        self.token(at).map_or_else(Span::call_site, |token| token.span())
    }

    /// Returns a name as the compiler has it: its span tells what it means.
    pub(crate) fn ident(&self, at: usize, name: &str) -> Ident {
        match self.token(at) {
            Some(TokenTree::Ident(ident)) => ident,
            // Trees and tokens are of one stream.
            _ => Ident::new(name, Span::call_site()),
        }
    }

    /// Returns the place of a literal of these trees.
    pub(crate) fn span_of(&self, literal: &Tree<'_>) -> Option<Span> {
        let mut before = 0;
        count_to(literal, &self.trees, &mut before)
            .then(|| nth_literal(self.stream.clone(), &mut before))
            .flatten()
    }
}

/// Asks the compiler for every token.
pub(crate) fn walked<'a>(stream: TokenStream) -> Vec<Tree<'a>> {
    let mut trees = Vec::new();
    for token in stream {
        match token {
            TokenTree::Ident(name) => trees.push(Tree::Name(name.to_string().into())),
            TokenTree::Punct(sign) => {
                trees.push(Tree::Sign(sign.as_char(), sign.spacing() == Spacing::Joint));
            }
            TokenTree::Literal(literal) => trees.push(Tree::Literal(literal.to_string().into())),
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                trees.extend(walked(group.stream()));
            }
            TokenTree::Group(group) => {
                trees.push(Tree::Group(group.delimiter(), walked(group.stream())));
            }
        }
    }
    trees
}

/// Returns a token by its number; groups without delimiters are dissolved, as in trees.
fn nth_token(stream: TokenStream, left: &mut usize) -> Option<TokenTree> {
    stream.into_iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            nth_token(group.stream(), left)
        }
        token if *left == 0 => Some(token),
        _ => {
            *left -= 1;
            None
        }
    })
}

/// Counts the literals in front of one; returns whether it was found.
fn count_to(literal: &Tree<'_>, trees: &[Tree<'_>], before: &mut usize) -> bool {
    trees.iter().any(|tree| match tree {
        tree if std::ptr::eq(tree, literal) => true,
        Tree::Group(_, inner) => count_to(literal, inner, before),
        Tree::Literal(_) => {
            *before += 1;
            false
        }
        _ => false,
    })
}

fn nth_literal(stream: TokenStream, left: &mut usize) -> Option<Span> {
    stream.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => nth_literal(group.stream(), left),
        TokenTree::Literal(literal) if *left == 0 => Some(literal.span()),
        TokenTree::Literal(_) => {
            *left -= 1;
            None
        }
        _ => None,
    })
}

/// Returns the tokens without white space, but for what keeps two words apart.
pub(crate) fn compact(trees: &[Tree<'_>]) -> String {
    let mut text = String::new();
    write(trees, &mut text, false);
    text
}

/// Returns the tokens as one writes them, for a message.
pub(crate) fn readable(trees: &[Tree<'_>]) -> String {
    let mut text = String::new();
    write(trees, &mut text, true);
    text
}

fn write(trees: &[Tree<'_>], text: &mut String, is_readable: bool) {
    for (index, tree) in trees.iter().enumerate() {
        let is_word =
            |tree: Option<&Tree<'_>>| matches!(tree, Some(Tree::Name(_) | Tree::Literal(_)));
        let before = index.checked_sub(1).and_then(|before| trees.get(before));
        let is_apart = is_readable
            && (is_word(before) && is_word(Some(tree))
                || before.is_some_and(|tree| tree.is_sign(',') || tree.is_sign('+')));
        if is_apart || is_readable && tree.is_sign('+') {
            text.push(' ');
        }
        match tree {
            Tree::Name(word) | Tree::Literal(word) => text.push_str(word),
            Tree::Sign(sign, _) => text.push(*sign),
            Tree::Group(delimiter, inner) => {
                let (open, close) = delimiters(*delimiter);
                text.push_str(open);
                write(inner, text, is_readable);
                text.push_str(close);
            }
        }
    }
}

/// Returns how a delimiter is written.
pub(crate) fn delimiters(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Group;

    use super::*;

    #[test]
    fn a_token_is_found_behind_groups_that_mean_nothing() {
        let visibility =
            TokenTree::from(Group::new(Delimiter::None, "pub(crate)".parse().expect("tokens")));
        let nothing = TokenTree::from(Group::new(Delimiter::None, TokenStream::new()));
        let rest: TokenStream = "fn name() { a(\"one\", [\"two\"]) }".parse().expect("tokens");
        let stream: TokenStream = [nothing, visibility].into_iter().chain(rest).collect();
        let text = stream.to_string();
        let item = Item::new(&stream, &text);
        assert_eq!(item.trees, walked(stream.clone()));
        for (at, tree) in item.trees.iter().enumerate() {
            let written = item.token(at).map(|token| walked(token.into()));
            assert_eq!(written.as_deref(), Some(std::slice::from_ref(tree)), "{at}");
        }
        assert_eq!(item.ident(3, "name"), "name");
        let [.., Tree::Group(_, body)] = item.trees.as_slice() else { panic!("a body") };
        let [_, Tree::Group(_, arguments)] = body.as_slice() else { panic!("a call") };
        let [first, _, Tree::Group(_, second)] = arguments.as_slice() else { panic!("two") };
        for (literal, number) in [(first, 0), (&second[0], 1)] {
            let mut before = 0;
            assert!(count_to(literal, &item.trees, &mut before));
            assert_eq!(before, number);
            assert!(item.span_of(literal).is_some());
        }
    }

    #[test]
    fn tokens_are_shown_as_one_writes_them() {
        for text in ["&mut a::Context", "Result<(), Error>", "&'a dyn A + B", "Option<Vec<u8>>"] {
            assert_eq!(readable(&lexer::lex(text).expect("tokens")), text);
        }
    }
}
