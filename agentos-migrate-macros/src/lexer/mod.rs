//! Cuts Rust text into tokens as the compiler's lexer does
//! (<https://doc.rust-lang.org/reference/tokens.html>).
//!
//! What depends on the edition, on Unicode's tables, or is no Rust is left to
//! the compiler: the answer is `None`, and the caller asks there. So a token
//! that this lexer returns is the compiler's, and tests compare the two.

mod tree;

use std::borrow::Cow;

use proc_macro2::Delimiter;

pub(crate) use self::tree::{Tree, string_value};

/// Cuts a text, whose lines end with `\n`, into tokens; nothing if that is the compiler's to do.
pub(crate) fn lex(text: &str) -> Option<Vec<Tree<'_>>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut outer: Vec<(Delimiter, Vec<Tree<'_>>)> = Vec::new();
    let mut current = Vec::new();
    loop {
        lexer.skip_blanks(&mut current)?;
        let Some(byte) = lexer.peek(0) else { break };
        match byte {
            b'(' | b'[' | b'{' => {
                lexer.at += 1;
                outer.push((delimiter(byte), std::mem::take(&mut current)));
            }
            b')' | b']' | b'}' => {
                lexer.at += 1;
                let (opened, before) = outer.pop()?;
                if opened != delimiter(byte) {
                    return None;
                }
                let inner = std::mem::replace(&mut current, before);
                current.push(Tree::Group(opened, inner));
            }
            _ => lexer.token(byte, &mut current)?,
        }
    }
    outer.is_empty().then_some(current)
}

fn delimiter(byte: u8) -> Delimiter {
    match byte {
        b'(' | b')' => Delimiter::Parenthesis,
        b'[' | b']' => Delimiter::Bracket,
        _ => Delimiter::Brace,
    }
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_sign(byte: u8) -> bool {
    b"~!@#$%^&*-=+|;:,<.>/?".contains(&byte)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn starts_with(&self, prefix: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(prefix.as_bytes())
    }

    fn skip_while(&mut self, fits: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&fits) {
            self.at += 1;
        }
    }

    /// Skips white space and comments; a doc comment is an attribute.
    fn skip_blanks(&mut self, trees: &mut Vec<Tree<'a>>) -> Option<()> {
        loop {
            self.skip_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | 0x0b | 0x0c));
            if self.starts_with("//") {
                let line = self.rest().lines().next().unwrap_or_default();
                self.at += line.len();
                let is_outer = line.starts_with("///") && !line.starts_with("////");
                if is_outer || line.starts_with("//!") {
                    documentation(&line[3..], is_outer, trees);
                }
            } else if self.starts_with("/*") {
                let comment = self.block_comment()?;
                let is_outer =
                    comment.starts_with("/**") && !comment.starts_with("/***") && comment.len() > 4;
                if is_outer || comment.starts_with("/*!") {
                    documentation(&comment[3..comment.len() - 2], is_outer, trees);
                }
            } else {
                return Some(());
            }
        }
    }

    /// Comments of blocks nest.
    fn block_comment(&mut self) -> Option<&'a str> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            if self.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Some(&self.text[start..self.at]);
                }
            } else {
                self.peek(0)?;
                self.at += 1;
            }
        }
    }

    fn token(&mut self, first: u8, trees: &mut Vec<Tree<'a>>) -> Option<()> {
        let start = self.at;
        match first {
            b'"' => self.quoted(b'"')?,
            b'\'' => return self.character_or_lifetime(trees),
            b'0'..=b'9' => self.number()?,
            _ if starts_word(first) => return self.word(trees),
            // `#"` and `##` begin what an edition may reserve.
            b'#' if matches!(self.peek(1), Some(b'"' | b'#')) => return None,
            _ if is_sign(first) => {
                self.at += 1;
                let is_joint = self.peek(0).is_some_and(is_sign)
                    && !self.starts_with("//")
                    && !self.starts_with("/*");
                trees.push(Tree::Sign(char::from(first), is_joint));
                return Some(());
            }
            _ => return None,
        }
        self.literal(start, trees)
    }

    /// Ends a literal with its suffix.
    fn literal(&mut self, start: usize, trees: &mut Vec<Tree<'a>>) -> Option<()> {
        if self.peek(0).is_some_and(starts_word) {
            self.skip_while(continues_word);
        }
        self.is_ascii_next()?;
        trees.push(Tree::Literal(Cow::Borrowed(&self.text[start..self.at])));
        Some(())
    }

    /// Words of other alphabets are the compiler's.
    fn is_ascii_next(&self) -> Option<()> {
        self.peek(0).is_none_or(|byte| byte.is_ascii()).then_some(())
    }

    fn word(&mut self, trees: &mut Vec<Tree<'a>>) -> Option<()> {
        let start = self.at;
        self.skip_while(continues_word);
        self.is_ascii_next()?;
        let word = &self.text[start..self.at];
        match (word, self.peek(0)) {
            ("b" | "c", Some(b'"')) => self.quoted(b'"')?,
            ("b", Some(b'\'')) => self.quoted(b'\'')?,
            ("r", Some(b'#')) if self.peek(1).is_some_and(starts_word) => {
                self.at += 1;
                self.skip_while(continues_word);
                self.is_ascii_next()?;
                trees.push(Tree::Name(Cow::Borrowed(&self.text[start..self.at])));
                return Some(());
            }
            ("r" | "br" | "cr", Some(b'"' | b'#')) => self.raw()?,
            // A prefix that an edition may reserve.
            (_, Some(b'"' | b'\'' | b'#')) => return None,
            _ => {
                trees.push(Tree::Name(Cow::Borrowed(word)));
                return Some(());
            }
        }
        self.literal(start, trees)
    }

    /// Goes behind a quoted text in which `\` escapes.
    fn quoted(&mut self, quote: u8) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek(0)? {
                b'\\' => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return Some(());
                    }
                }
            }
        }
    }

    /// Goes behind `"…"` or `#"…"#`.
    fn raw(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_while(|byte| byte == b'#');
        let hashes = &self.text[start..self.at];
        if self.peek(0) != Some(b'"') {
            return None;
        }
        self.at += 1;
        loop {
            self.at += self.rest().find('"')? + 1;
            if self.starts_with(hashes) {
                self.at += hashes.len();
                return Some(());
            }
        }
    }

    fn character_or_lifetime(&mut self, trees: &mut Vec<Tree<'a>>) -> Option<()> {
        let start = self.at;
        let mut characters = self.rest()[1..].chars();
        let (first, second) = (characters.next()?, characters.next());
        if first == '\\' || second == Some('\'') {
            self.quoted(b'\'')?;
            return self.literal(start, trees);
        }
        self.at += 1;
        if !self.peek(0).is_some_and(starts_word) {
            return None;
        }
        trees.push(Tree::Sign('\'', true));
        self.word(trees)?;
        // `'ab'` is no Rust, and a literal behind a lifetime is a reserved prefix.
        matches!(trees.last(), Some(Tree::Name(_))).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.peek(0) == Some(b'0') && matches!(self.peek(1), Some(b'x' | b'o' | b'b')) {
            self.skip_while(continues_word);
            return Some(());
        }
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        self.skip_while(is_digit);
        if self.peek(0) == Some(b'.') {
            match self.peek(1) {
                // A range, a field, a method: the point is no part of the number.
                Some(next) if next == b'.' || starts_word(next) => return Some(()),
                Some(next) if !next.is_ascii() => return None,
                _ => {
                    self.at += 1;
                    self.skip_while(is_digit);
                }
            }
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            self.at += 1 + usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            self.skip_while(|byte| byte == b'_');
            if !self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
                return None;
            }
            self.skip_while(is_digit);
        }
        Some(())
    }
}

/// Writes `#[doc = "…"]`, or `#![doc = "…"]`.
fn documentation(text: &str, is_outer: bool, trees: &mut Vec<Tree<'_>>) {
    trees.push(Tree::Sign('#', false));
    if !is_outer {
        trees.push(Tree::Sign('!', false));
    }
    let text: String = text.chars().flat_map(char::escape_debug).collect();
    let attribute = vec![
        Tree::Name(Cow::Borrowed("doc")),
        Tree::Sign('=', false),
        Tree::Literal(Cow::Owned(format!("\"{text}\""))),
    ];
    trees.push(Tree::Group(Delimiter::Bracket, attribute));
}

#[cfg(test)]
mod tests;
