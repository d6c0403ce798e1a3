//! A place in the tokens of a statement, and the small steps a parser takes from there.

use crate::error::Error;
use crate::schema::keywords::{WordKind, word_kind};
use crate::schema::tokens::{Token, TokenKind};

use super::report::refusal;

/// What the parser expected instead of what it found.
pub(super) type Expected = String;

/// A place in the tokens of a statement.
pub(super) struct Cursor<'tokens, 'sql> {
    pub(super) tokens: &'tokens [Token<'sql>],
    pub(super) at: usize,
}

impl<'tokens, 'sql> Cursor<'tokens, 'sql> {
    pub(super) fn new(tokens: &'tokens [Token<'sql>]) -> Self {
        Self { tokens, at: 0 }
    }
}

impl Cursor<'_, '_> {
    /// Says what stands where something else was expected.
    pub(super) fn refuse(&self, table: &str, expected: &str) -> Error {
        let found = self.tokens.get(self.at).map_or("the end", |token| token.text);
        refusal(table, "its definition is not understood")
            .detail(format!("expected {expected}, found {found}"))
    }

    /// Takes a bracket and all up to the one that closes it.
    pub(super) fn balanced(&mut self) -> Result<(), Expected> {
        self.expect_operator("(")?;
        let mut depth = 1_usize;
        while let Some(token) = self.peek() {
            if token.kind == TokenKind::Illegal || token.is_operator(";") {
                break;
            }
            depth += usize::from(token.is_operator("("));
            depth -= usize::from(token.is_operator(")"));
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err("a closing bracket".to_owned())
    }

    pub(super) fn peek(&self) -> Option<&Token<'_>> {
        self.tokens.get(self.at)
    }

    pub(super) fn peek_is_word(&self, ahead: usize, word: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is_word(word))
    }

    pub(super) fn peek_operator(&self, operator: &str) -> bool {
        self.peek().is_some_and(|token| token.is_operator(operator))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is_here = self.peek_is_word(0, word);
        self.at += usize::from(is_here);
        is_here
    }

    pub(super) fn take_operator(&mut self, operator: &str) -> bool {
        let is_here = self.peek_operator(operator);
        self.at += usize::from(is_here);
        is_here
    }

    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<(), Expected> {
        words.iter().try_for_each(|word| {
            if self.take_word(word) { Ok(()) } else { Err(format!("`{word}`")) }
        })
    }

    pub(super) fn expect_operator(&mut self, operator: &str) -> Result<(), Expected> {
        if self.take_operator(operator) { Ok(()) } else { Err(format!("`{operator}`")) }
    }

    pub(super) fn expect_name(&mut self) -> Result<String, Expected> {
        let name = match self.peek() {
            Some(token)
                if token.kind == TokenKind::Word && word_kind(token.text) == WordKind::Reserved =>
            {
                None
            }
            Some(token) => token.name(),
            None => None,
        };
        self.at += usize::from(name.is_some());
        name.ok_or_else(|| "a name".to_owned())
    }

    pub(super) fn expect_end(&self) -> Result<(), Expected> {
        if self.at == self.tokens.len() {
            Ok(())
        } else {
            Err("the end of the statement".to_owned())
        }
    }
}
