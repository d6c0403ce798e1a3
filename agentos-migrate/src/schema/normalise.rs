//! The normal form of SQL: equal for texts that differ in spelling only.
//!
//! Folds white space, comments, the quotes of names and the case of keywords,
//! and nothing that could carry meaning: names keep their case, texts and
//! numbers their spelling, and `<>` is not `!=`.

use super::keywords::{WordKind, word_kind};
use super::tokens::{Token, TokenKind, quote_name, significant_tokens};

/// Returns the tokens of the normal form, without a closing semicolon.
pub(crate) fn normal_tokens(sql: &str) -> Vec<String> {
    let mut tokens: Vec<String> = significant_tokens(sql).iter().map(normal_token).collect();
    while tokens.last().is_some_and(|token| token == ";") {
        tokens.pop();
    }
    tokens
}

/// Asks whether two statements differ in spelling at most.
pub(crate) fn same_statement(one: &str, other: &str) -> bool {
    normal_tokens(one) == normal_tokens(other)
}

fn normal_token(token: &Token<'_>) -> String {
    match token.kind {
        TokenKind::Word => match word_kind(token.text) {
            WordKind::Plain => token.text.to_owned(),
            _ => token.text.to_ascii_uppercase(),
        },
        TokenKind::Quoted => normal_name(&token.name().unwrap_or_default()),
        TokenKind::Blob => token.text.to_ascii_lowercase(),
        _ => token.text.to_owned(),
    }
}

/// Leaves the quotes out where the word alone is the same name.
pub(crate) fn normal_name(name: &str) -> String {
    let plain = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit() || first == '$')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$');
    match word_kind(name) {
        WordKind::Plain if plain => name.to_owned(),
        WordKind::Fallback => name.to_ascii_uppercase(),
        _ => quote_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        let written = "create table [users] (\n  `Key` text default 'a', -- the key\n  id integer primary key\n);";
        let stored = "CREATE TABLE \"users\"(key text DEFAULT 'a',id integer PRIMARY KEY)";
        assert_eq!(normal_tokens(written), normal_tokens(stored));
    }

    #[test]
    fn what_can_carry_meaning_matters() {
        for (one, other) in [
            ("DEFAULT 'a'", "DEFAULT 'A'"),
            ("DEFAULT CURRENT_TIMESTAMP", "DEFAULT \"CURRENT_TIMESTAMP\""),
            ("DEFAULT true", "DEFAULT \"true\""),
            ("CHECK (a <> NULL)", "CHECK (a <> \"null\")"),
            ("DEFAULT (1+1)", "DEFAULT 1+1"),
            ("a 'b'", "a \"b\""),
            ("x'ab'", "'ab'"),
        ] {
            assert!(!same_statement(one, other), "{one} and {other}");
        }
    }
}
