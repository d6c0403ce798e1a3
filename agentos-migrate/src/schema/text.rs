//! A schema written as one SQL text that a person can read and SQLite can run.
//!
//! The same schema gives the same text on every machine: objects in a fixed
//! order, statements in normal form, one column a line.

use super::keywords::{WordKind, word_kind};
use super::normalise::normal_tokens;
use super::read::{Object, ObjectKind, Schema, folded};

impl Schema {
    /// Writes the schema: each table with its indexes, then the views, then the triggers.
    pub(crate) fn to_sql(&self) -> String {
        let mut statements = Vec::new();
        let of_kind =
            |kind| self.objects().iter().filter(move |object: &&Object| object.kind == kind);
        for table in of_kind(ObjectKind::Table) {
            let indexes = of_kind(ObjectKind::Index)
                .filter(|index| folded(&index.table) == folded(&table.name));
            let group: Vec<String> =
                std::iter::once(table).chain(indexes).map(statement_text).collect();
            statements.push(group.concat());
        }
        statements.extend(
            of_kind(ObjectKind::View).chain(of_kind(ObjectKind::Trigger)).map(statement_text),
        );
        statements.join("\n")
    }
}

/// Writes one object's statement, with a semicolon and a line end.
pub(super) fn statement_text(object: &Object) -> String {
    let tokens = normal_tokens(&object.sql);
    let mut text = match object.kind {
        ObjectKind::Table => table_text(&tokens),
        ObjectKind::Index => joined(&tokens),
        ObjectKind::View => broken_before(
            &tokens,
            &["SELECT", "FROM", "WHERE", "GROUP", "ORDER", "UNION", "EXCEPT", "INTERSECT"],
        ),
        ObjectKind::Trigger => trigger_text(&tokens),
    };
    text.push_str(";\n");
    text
}

/// One column or constraint a line; what has no list stays on one line.
fn table_text(tokens: &[String]) -> String {
    let is_virtual = tokens.get(1).is_some_and(|token| token == "VIRTUAL");
    let Some(open) = tokens.iter().position(|token| token == "(").filter(|_| !is_virtual) else {
        return joined(tokens);
    };
    let mut text = joined(&tokens[..open]) + " (\n";
    let mut depth = 1_usize;
    let mut item_start = open + 1;
    for (at, token) in tokens.iter().enumerate().skip(open + 1) {
        match token.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        let ends_item = depth == 0 || (depth == 1 && token == ",");
        if ends_item {
            text.push_str("    ");
            text.push_str(&joined(&tokens[item_start..at]));
            text.push_str(if depth == 0 { "\n)" } else { ",\n" });
            item_start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    let options = joined(tokens.get(item_start..).unwrap_or_default());
    if !options.is_empty() {
        text.push(' ');
        text.push_str(&options);
    }
    text
}

/// Breaks the line before these keywords, outside of brackets.
fn broken_before(tokens: &[String], keywords: &[&str]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0 && at > start && keywords.contains(&word) => {
                lines.push(joined(&tokens[start..at]));
                start = at;
            }
            _ => {}
        }
    }
    lines.push(joined(&tokens[start..]));
    lines.join("\n")
}

/// One statement of the body a line.
fn trigger_text(tokens: &[String]) -> String {
    let Some(begin) = tokens.iter().position(|token| token == "BEGIN") else {
        return joined(tokens);
    };
    let mut text = joined(&tokens[..=begin]);
    for statement in tokens[begin + 1..].split_inclusive(|token| token == ";") {
        let is_end = statement.len() == 1 && statement[0] == "END";
        text.push_str(if is_end { "\n" } else { "\n    " });
        text.push_str(&joined(statement));
    }
    text
}

/// Joins tokens with the spaces that a person would write.
fn joined(tokens: &[String]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && has_space(tokens, at) {
            text.push(' ');
        }
        text.push_str(token);
    }
    text
}

/// Asks whether a space stands before the token at `at`.
///
/// Wrong only in looks: every two tokens that would grow together get one.
fn has_space(tokens: &[String], at: usize) -> bool {
    let (before, token) = (tokens[at - 1].as_str(), tokens[at].as_str());
    let is_sign = matches!(before, "-" | "+" | "~")
        && (at < 2 || !ends_operand(&tokens[at - 2]))
        && !matches!(token, "-" | "+");
    match (before, token) {
        (_, "," | ")" | ";" | ".") | ("(" | ".", _) => false,
        (_, "(") => before == "KEY" || !ends_operand(before) || before == ")",
        _ => !is_sign,
    }
}

/// Asks whether a token can be the end of an operand: a name, a value, a closing bracket.
fn ends_operand(token: &str) -> bool {
    match token.as_bytes().first() {
        Some(b'"' | b'\'' | b'`' | b'[' | b')' | b'?' | b':' | b'@' | b'$') => true,
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80 => {
            token == "NULL" || word_kind(token) != WordKind::Reserved
        }
        Some(b'.') => token.len() > 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::normalise::same_statement;
    use rusqlite::Connection;

    const SCHEMA: &str = "
        create table Agents ( -- who works
            id integer primary key, name text not null default 'it''s' collate nocase,
            price decimal(10,2) check (price>=-1 and price <> - -2), at text default (strftime('%s','now')),
            owner int references Agents(id) on delete set null, constraint u unique(name, owner)) strict;
        CREATE TABLE [order](\"key\" PRIMARY KEY, x AS (\"key\" || '.') STORED) WITHOUT ROWID;
        create unique index by_name on Agents(lower(name) desc) where name is not null;
        create virtual table docs using fts5(body, content='Agents', content_rowid='id');
        create view names as select a.name, count(*) filter (where a.id>1) as n from Agents as a
            where a.id in (select -1 union all select 2) group by 1 order by n;
        create trigger note after update of name on Agents when new.name is not old.name begin
            update \"order\" set key = new.name where key=old.name; select case when 1 then raise(abort,'no') end;
        end;";

    fn schema(sql: &str) -> Schema {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(&sql.replace(") strict", ")").replace("decimal(10,2)", "decimal(10, 2)"))
            .unwrap();
        Schema::read(&connection).unwrap()
    }

    #[test]
    fn the_text_is_what_a_person_would_write() {
        let expected = "\
CREATE TABLE Agents (
    id integer PRIMARY KEY,
    name text NOT NULL DEFAULT 'it''s' COLLATE nocase,
    price decimal(10, 2) CHECK (price >= -1 AND price <> - -2),
    at text DEFAULT (strftime('%s', 'now')),
    owner int REFERENCES Agents(id) ON DELETE SET NULL,
    CONSTRAINT u UNIQUE (name, owner)
);
CREATE UNIQUE INDEX by_name ON Agents(lower(name) DESC) WHERE name IS NOT NULL;

CREATE VIRTUAL TABLE docs USING fts5(body, content = 'Agents', content_rowid = 'id');

CREATE TABLE \"order\" (
    KEY PRIMARY KEY,
    x AS (KEY || '.') STORED
) WITHOUT ROWID;

CREATE VIEW names AS
SELECT a.name, count(*) FILTER(WHERE a.id > 1) AS n
FROM Agents AS a
WHERE a.id IN (SELECT -1 UNION ALL SELECT 2)
GROUP BY 1
ORDER BY n;

CREATE TRIGGER note AFTER UPDATE OF name ON Agents WHEN new.name IS NOT old.name BEGIN
    UPDATE \"order\" SET KEY = new.name WHERE KEY = old.name;
    SELECT CASE WHEN 1 THEN RAISE(ABORT, 'no') END;
END;
";
        assert_eq!(schema(SCHEMA).to_sql(), expected);
    }

    #[test]
    fn the_text_makes_the_same_schema_and_the_same_text_again() {
        let first = schema(SCHEMA);
        let second = schema(&first.to_sql());
        assert_eq!(first.to_sql(), second.to_sql());
        for (one, other) in first.objects().iter().zip(second.objects()) {
            assert!(same_statement(&one.sql, &other.sql), "{}\n{}", one.sql, other.sql);
        }
    }
}
