//! Pieces of SQL that an author wrote, checked before they go into a statement.
//!
//! A piece that could end the statement, open a bracket or a comment, or
//! swallow what follows it is refused here, so that an edit stays an edit.

use crate::error::Error;
use crate::schema::keywords::{WordKind, word_kind};
use crate::schema::tokens::{Token, TokenKind, quote_name, significant_tokens};

use super::changes::ForeignKey;
use super::definition::Definition;
use super::report::refusal;

/// Returns an expression without the comments around it.
pub(super) fn expression<'sql>(table: &str, sql: &'sql str) -> Result<&'sql str, Error> {
    let tokens = significant_tokens(sql);
    let mut depth = 0_usize;
    for token in &tokens {
        let is_wrong = matches!(token.kind, TokenKind::Illegal | TokenKind::Variable)
            || token.is_operator(";")
            || (token.is_operator(")") && depth == 0);
        if is_wrong {
            return Err(not_an_expression(table, sql, token.text));
        }
        depth += usize::from(token.is_operator("("));
        depth -= usize::from(token.is_operator(")"));
    }
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) if depth == 0 => Ok(&sql[first.start..last.end()]),
        _ => Err(not_an_expression(table, sql, "the end")),
    }
}

fn not_an_expression(table: &str, sql: &str, found: &str) -> Error {
    refusal(table, "an expression is not one")
        .detail(format!("in `{sql}`, {found} is not expected"))
}

/// Writes `DEFAULT …`; an expression that is no plain value gets the brackets that SQLite wants.
pub(super) fn default_clause(table: &str, sql: &str) -> Result<String, Error> {
    let value = expression(table, sql)?;
    let tokens = significant_tokens(value);
    if is_plain_value(&tokens) || is_bracketed(&tokens) {
        Ok(format!("DEFAULT {value}"))
    } else {
        Ok(format!("DEFAULT ({value})"))
    }
}

/// Asks whether a value stands without brackets after `DEFAULT`.
pub(super) fn is_plain_value(tokens: &[Token<'_>]) -> bool {
    let unsigned = match tokens {
        [sign, value] if sign.is_operator("-") || sign.is_operator("+") => {
            return value.kind == TokenKind::Number;
        }
        [value] => value,
        _ => return false,
    };
    match unsigned.kind {
        TokenKind::Text | TokenKind::Blob | TokenKind::Number => true,
        TokenKind::Word => unsigned.is_word("NULL") || word_kind(unsigned.text) == WordKind::Value,
        _ => false,
    }
}

/// Asks whether the first bracket closes with the last token.
fn is_bracketed(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        depth += usize::from(token.is_operator("("));
        depth -= usize::from(token.is_operator(")"));
        if depth == 0 {
            return at > 0 && at + 1 == tokens.len();
        }
    }
    false
}

/// Returns a declared type; an empty one means none.
pub(super) fn declared_type<'sql>(table: &str, sql: &'sql str) -> Result<&'sql str, Error> {
    let column = format!("x {sql}");
    let definition = Definition::parse_column(table, &column)?;
    let parsed = &definition.columns[0];
    if !parsed.constraints.is_empty() {
        return Err(
            refusal(table, "a type is not one").detail(format!("`{sql}` holds a constraint"))
        );
    }
    let tokens = significant_tokens(sql);
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => Ok(&sql[first.start..last.end()]),
        _ => Ok(""),
    }
}

/// Writes a list of names, as in `("a", "b")`.
pub(super) fn name_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| quote_name(name)).collect();
    format!("({})", quoted.join(", "))
}

/// Writes a `CHECK`.
pub(super) fn check_clause(table: &str, name: Option<&str>, sql: &str) -> Result<String, Error> {
    Ok(format!("{}CHECK ({})", constraint_name(name), expression(table, sql)?))
}

/// Writes a foreign key as a constraint of the table.
pub(super) fn foreign_key_clause(key: &ForeignKey) -> String {
    let mut parts = vec![
        format!("{}FOREIGN KEY", constraint_name(key.name.as_deref())),
        name_list(&key.columns),
        format!("REFERENCES {}", quote_name(&key.parent)),
    ];
    if !key.parent_columns.is_empty() {
        parts.push(name_list(&key.parent_columns));
    }
    for (event, action) in [("DELETE", key.on_delete), ("UPDATE", key.on_update)] {
        parts.extend(action.map(|action| format!("ON {event} {}", action.sql())));
    }
    if key.is_deferred {
        parts.push("DEFERRABLE INITIALLY DEFERRED".to_owned());
    }
    parts.join(" ")
}

fn constraint_name(name: Option<&str>) -> String {
    name.map(|name| format!("CONSTRAINT {} ", quote_name(name))).unwrap_or_default()
}
