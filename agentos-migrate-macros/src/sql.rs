//! SQL, checked against SQLite's grammar while compiling.
//!
//! A statement that SQLite's parser takes is never refused for its grammar.
//! What is refused besides: statements and settings that the engine keeps to
//! itself, several statements where one is run, and a number of parameters
//! that does not fit the ones beside it.

use std::collections::BTreeSet;
use std::panic::catch_unwind;

use sqlite3_parser::ast::{Cmd, Stmt};
use sqlite3_parser::lexer::sql::{Error, Parser};
use sqlite3_parser::{Bump, FallibleIterator};
use syn::LitStr;

/// How a text is going to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// As one statement.
    One,
    /// As any number of statements.
    Many,
}

/// Settings that the engine owns: <https://sqlite.org/pragma.html>.
const OWNED_PRAGMAS: &[&str] = &[
    "auto_vacuum",
    "busy_timeout",
    "case_sensitive_like",
    "foreign_keys",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "mmap_size",
    "page_size",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "synchronous",
    "temp_store",
    "trusted_schema",
    "wal_autocheckpoint",
    "wal_checkpoint",
    "writable_schema",
];

/// Checks a text that stands alone.
pub(crate) fn check_text(text: &LitStr) -> Result<(), syn::Error> {
    check(&text.value(), Use::Many).map_err(|problem| syn::Error::new(text.span(), problem))
}

/// Checks a text; the problem is told in words for the user.
pub(crate) fn check(text: &str, usage: Use) -> Result<(), String> {
    let text = without_mark(text);
    // A parser that fails on what SQLite takes must not stop anybody.
    catch_unwind(|| parse(text, usage)).unwrap_or(Ok(()))
}

/// Returns a file's text without the byte order mark, which SQLite skips as a space.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn parse(text: &str, usage: Use) -> Result<(), String> {
    let bump = Bump::new();
    let mut parser = Parser::new(&bump, text.as_bytes());
    let mut count = 0;
    loop {
        match parser.next() {
            Ok(None) => return Ok(()),
            Ok(Some(command)) => {
                count += 1;
                if let Some(problem) = owned(&command) {
                    return Err(problem);
                }
                if count == 2 && usage == Use::One {
                    return Err("this runs one statement, and the text has several\nhelp: use `execute_batch`".to_owned());
                }
            }
            Err(error) => return Err(explain(text, error)),
        }
    }
}

fn owned(command: &Cmd<'_>) -> Option<String> {
    let Cmd::Stmt(statement) = command else { return None };
    let (what, help) = match statement {
        Stmt::Begin(..) => ("BEGIN", IN_ONE_TRANSACTION),
        Stmt::Commit(..) => ("COMMIT", IN_ONE_TRANSACTION),
        Stmt::Rollback { savepoint_name: None, .. } => ("ROLLBACK", IN_ONE_TRANSACTION),
        Stmt::Vacuum(..) => ("VACUUM", "`transaction = \"manual\"` and `ctx.vacuum(database)`"),
        Stmt::Attach { .. } => ("ATTACH", OTHER_DATABASE),
        Stmt::Detach(..) => ("DETACH", OTHER_DATABASE),
        Stmt::Pragma(name, Some(_)) => {
            let name = name.name.0.to_ascii_lowercase();
            let owned = OWNED_PRAGMAS.contains(&name.as_str());
            return owned.then(|| {
                format!(
                    "a migration may not set PRAGMA {name}: the engine sets and restores it\n\
                     help: remove it; foreign keys are off while a migration runs and are checked before the commit"
                )
            });
        }
        _ => return None,
    };
    Some(format!("a migration may not run {what}\nhelp: {help}"))
}

const IN_ONE_TRANSACTION: &str = "remove it: the engine commits all databases at once; `ctx.savepoint` nests, and \
    `transaction = \"manual\"` hands commits to the author";
const OTHER_DATABASE: &str =
    "name the database in `databases = […]`; `ctx.copy_rows` moves rows from one to another";

/// Says what is wrong and where.
fn explain(text: &str, error: Error) -> String {
    let (what, place) = match error {
        // SQLite's own words; the parser calls the end a token without a text.
        Error::ParserError(what, place) => {
            (what.to_string().replace("near \"\": syntax error", "incomplete input"), place)
        }
        Error::UnrecognizedToken(place) => ("unrecognized token".to_owned(), place),
        Error::UnterminatedLiteral(place) => ("a string is not closed".to_owned(), place),
        Error::UnterminatedBracket(place) => ("a bracket is not closed".to_owned(), place),
        Error::UnterminatedBlockComment(place) => ("a comment is not closed".to_owned(), place),
        Error::BadVariableName(place) => ("a parameter has no name".to_owned(), place),
        Error::BadNumber(place) => ("a number is malformed".to_owned(), place),
        Error::ExpectedEqualsSign(place) => ("`!` stands without `=`".to_owned(), place),
        Error::MalformedBlobLiteral(place) => ("a blob is malformed".to_owned(), place),
        Error::MalformedHexInteger(place) => ("a hex number is malformed".to_owned(), place),
        other => (other.to_string(), None),
    };
    let message = format!("SQLite can't parse this: {what}");
    let Some(place) = place else { return message };
    let line_number = place.line;
    let column = place.column;
    let line = text.lines().nth(line_number.saturating_sub(1)).unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    let shown = line.trim_start();
    let caret = " ".repeat(column.saturating_sub(indent + 1).min(shown.chars().count()));
    format!("{message}\n  line {line_number}: {shown}\n          {caret}^")
}

/// Returns how many parameters a text takes, as SQLite numbers them
/// (<https://sqlite.org/lang_expr.html#parameters>).
pub(crate) fn parameters(text: &str) -> usize {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut highest = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '\'' | '"' | '`' => after_quote(rest, first),
            '[' => rest.find(']').map_or("", |end| &rest[end + 1..]),
            '-' if rest.starts_with("--") => rest.find('\n').map_or("", |end| &rest[end..]),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or("", |end| &rest[end + 2..]),
            '?' => {
                let digits = rest[1..].len()
                    - rest[1..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let number = rest[1..=digits].parse::<usize>().ok();
                highest = number.map_or(highest + 1, |number| highest.max(number));
                &rest[1 + digits..]
            }
            ':' | '@' | '$' => {
                let name_end = rest[1..]
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .map_or(rest.len(), |end| end + 1);
                if name_end > 1 && names.insert(&rest[..name_end]) {
                    highest += 1;
                }
                &rest[name_end.max(1)..]
            }
            c if c.is_alphanumeric() || c == '_' => {
                rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
            }
            c => &rest[c.len_utf8()..],
        };
        rest = skipped;
    }
    highest
}

/// Returns what stands behind a quoted text; a doubled quote is one inside it.
fn after_quote(text: &str, quote: char) -> &str {
    let mut rest = &text[1..];
    loop {
        let Some(end) = rest.find(quote) else { return "" };
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(inside) => rest = inside,
            None => return rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> impl Iterator<Item = &str> {
        text.split("\n--\n").map(str::trim).filter(|statement| !statement.is_empty())
    }

    #[test]
    fn every_valid_statement_of_the_torture_list_is_taken() {
        let list = include_str!("../tests/sql-valid.txt");
        let refused: Vec<_> = statements(list).filter_map(explain_refusal).collect();
        assert!(refused.is_empty(), "{}", refused.join("\n\n"));
    }

    /// Grammar alone counts: what the engine keeps to itself is grammar all the same.
    fn explain_refusal(sql: &str) -> Option<String> {
        check(sql, Use::Many)
            .err()
            .filter(|problem| problem.contains("can't parse"))
            .map(|problem| format!("{sql}\n{problem}"))
    }

    #[test]
    fn every_invalid_statement_of_the_list_is_refused() {
        let list = include_str!("../tests/sql-invalid.txt");
        let taken: Vec<_> = statements(list).filter(|sql| check(sql, Use::Many).is_ok()).collect();
        assert!(taken.is_empty(), "{}", taken.join("\n\n"));
    }

    #[test]
    fn the_place_inside_the_text_is_shown() {
        let problem = check("CREATE TABLE t(a);\n  ALTR TABLE t ADD COLUMN b", Use::Many)
            .expect_err("refused");
        assert_eq!(
            problem.lines().nth(1),
            Some("  line 2: ALTR TABLE t ADD COLUMN b"),
            "{problem}"
        );
        assert!(problem.ends_with("          ^"), "{problem}");
    }

    #[test]
    fn a_mistake_in_a_single_word_is_shown_at_its_place_too() {
        for (sql, what) in [
            ("SELECT ${placeholder}", "a parameter has no name"),
            ("SELECT 12abc", "a number is malformed"),
            ("SELECT a ! b", "`!` stands without `=`"),
            ("SELECT x'0'", "a blob is malformed"),
            ("SELECT 0x", "a hex number is malformed"),
        ] {
            let problem = check(sql, Use::Many).expect_err(sql);
            assert!(problem.contains(what) && problem.contains("line 1: SELECT"), "{problem}");
        }
    }

    #[test]
    fn what_the_engine_owns_is_refused_and_reading_is_not() {
        for sql in [
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "VACUUM",
            "ATTACH 'x' AS y",
            "DETACH y",
            "PRAGMA foreign_keys = OFF",
            "PRAGMA journal_mode=WAL",
        ] {
            let problem = check(sql, Use::Many).expect_err(sql);
            assert!(problem.contains("help: "), "{problem}");
        }
        for sql in [
            "SAVEPOINT s",
            "ROLLBACK TO s",
            "RELEASE s",
            "PRAGMA foreign_keys",
            "PRAGMA table_info(t)",
            "PRAGMA user_version = 3",
        ] {
            assert_eq!(check(sql, Use::Many), Ok(()), "{sql}");
        }
    }

    #[test]
    fn several_statements_are_one_too_many_where_one_is_run() {
        assert!(check("DELETE FROM a; DELETE FROM b", Use::One).is_err());
        assert_eq!(check("DELETE FROM a; -- the end", Use::One), Ok(()));
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_beginning() {
        assert_eq!(check("\u{feff}DELETE FROM a", Use::One), Ok(()));
        let problem = check("\u{feff}DELTE FROM a", Use::Many).expect_err("refused");
        assert!(problem.contains("line 1: DELTE FROM a\n          ^"), "{problem}");
    }

    #[test]
    fn parameters_are_counted_as_sqlite_numbers_them() {
        for (sql, count) in [
            ("SELECT 1", 0),
            ("VALUES (?, ?)", 2),
            ("VALUES (?2, ?1)", 2),
            ("VALUES (?5)", 5),
            ("VALUES (:a, :b, :a)", 2),
            ("VALUES (@a, $b, ?)", 3),
            ("SELECT '?', \"?\", [?], `?` -- ?\n /* ? */ FROM t WHERE a = ?", 1),
            ("SELECT 'it''s ?', a$b, x'00'", 0),
        ] {
            assert_eq!(parameters(sql), count, "{sql}");
        }
    }
}
