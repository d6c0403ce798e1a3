//! SQL cut into tokens, as SQLite's own tokenizer cuts it, losing nothing.
//!
//! Joined again, the tokens are the text they came from, comments included:
//! what edits a stored statement edits tokens and keeps the rest. It knows no
//! grammar. <https://sqlite.org/lang_expr.html>, `tokenize.c`.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// White space.
    Space,
    /// `-- to the end of the line` or `/* … */`.
    Comment,
    /// A keyword or a plain name.
    Word,
    /// A name in `"…"`, `` `…` `` or `[…]`.
    Quoted,
    /// A text in `'…'`; SQLite takes it as a name where only a name can stand.
    Text,
    /// `x'…'`.
    Blob,
    /// A number.
    Number,
    /// `?`, `?1`, `:name`, `@name`, `$name`.
    Variable,
    /// An operator or a bracket.
    Operator,
    /// What SQLite would refuse: an open quote, a stray character.
    Illegal,
}

/// One token and where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'sql> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'sql str,
    /// Bytes from the start of the statement.
    pub(crate) start: usize,
}

impl Token<'_> {
    /// Returns the byte after the token.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Asks whether the grammar sees it.
    pub(crate) fn is_significant(&self) -> bool {
        !matches!(self.kind, TokenKind::Space | TokenKind::Comment)
    }

    /// Asks whether it is this keyword, in any case, unquoted.
    pub(crate) fn is_word(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Asks whether it is this operator.
    pub(crate) fn is_operator(&self, operator: &str) -> bool {
        self.kind == TokenKind::Operator && self.text == operator
    }

    /// Returns the name that it stands for where a name is expected.
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Word => Some(self.text.to_owned()),
            TokenKind::Quoted | TokenKind::Text => Some(unquote(self.text)),
            _ => None,
        }
    }

    /// Asks whether it stands for this name, in any ASCII case.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        self.name().is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Cuts SQL into tokens; joined, they are `sql`.
pub(crate) fn tokenize(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while start < sql.len() {
        let (kind, length) = next_token(&sql[start..]);
        tokens.push(Token { kind, text: &sql[start..start + length], start });
        start += length;
    }
    tokens
}

/// Cuts SQL into the tokens that the grammar sees.
pub(crate) fn significant_tokens(sql: &str) -> Vec<Token<'_>> {
    tokenize(sql).into_iter().filter(Token::is_significant).collect()
}

/// Writes a name so that SQLite reads it as that name whatever it is.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Removes the quotes of a name or a text.
fn unquote(quoted: &str) -> String {
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    match quoted.as_bytes().first() {
        Some(b'[') | None => inner.to_owned(),
        Some(quote) => {
            let quote = char::from(*quote);
            inner.replace(&format!("{quote}{quote}"), &quote.to_string())
        }
    }
}

/// Returns the kind and the length in bytes of the first token; `sql` is not empty.
fn next_token(sql: &str) -> (TokenKind, usize) {
    let bytes = sql.as_bytes();
    let second = bytes.get(1).copied().unwrap_or(0);
    match bytes[0] {
        b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' => (TokenKind::Space, run(bytes, 0, is_space)),
        b'-' if second == b'-' => (TokenKind::Comment, run(bytes, 0, |byte| byte != b'\n')),
        b'/' if second == b'*' && bytes.len() > 2 => (TokenKind::Comment, block_comment(sql)),
        b'\'' => delimited(bytes, b'\'', TokenKind::Text),
        quote @ (b'"' | b'`') => delimited(bytes, quote, TokenKind::Quoted),
        b'[' => match sql.find(']') {
            Some(end) => (TokenKind::Quoted, end + 1),
            None => (TokenKind::Illegal, sql.len()),
        },
        b'x' | b'X' if second == b'\'' => blob(bytes),
        b'0'..=b'9' => number(bytes),
        b'.' if second.is_ascii_digit() => number(bytes),
        b'?' => (TokenKind::Variable, 1 + run(&bytes[1..], 0, |byte| byte.is_ascii_digit())),
        b':' | b'@' | b'$' | b'#' => match run(&bytes[1..], 0, is_name_byte) {
            0 => (TokenKind::Illegal, 1),
            length => (TokenKind::Variable, 1 + length),
        },
        _ if sql.starts_with('\u{feff}') => (TokenKind::Space, '\u{feff}'.len_utf8()),
        byte if is_name_byte(byte) => (TokenKind::Word, run(bytes, 0, is_name_byte)),
        _ => operator(sql),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r')
}

/// Asks what SQLite's `IdChar` asks; every byte outside ASCII is one.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Returns the position after the bytes from `start` that satisfy `wanted`.
fn run(bytes: &[u8], start: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes[start..]
        .iter()
        .position(|&byte| !wanted(byte))
        .map_or(bytes.len(), |length| start + length)
}

/// A comment that is not closed reaches to the end, as in SQLite.
fn block_comment(sql: &str) -> usize {
    sql[2..].find("*/").map_or(sql.len(), |end| 2 + end + 2)
}

fn delimited(bytes: &[u8], quote: u8, kind: TokenKind) -> (TokenKind, usize) {
    let mut at = 1;
    while at < bytes.len() {
        if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return (kind, at + 1);
        }
    }
    (TokenKind::Illegal, bytes.len())
}

fn blob(bytes: &[u8]) -> (TokenKind, usize) {
    let end = run(bytes, 2, |byte| byte.is_ascii_hexdigit());
    match bytes.get(end) {
        Some(b'\'') if end.is_multiple_of(2) => (TokenKind::Blob, end + 1),
        // The rest up to the quote belongs to the mistake; stay on a character's edge.
        _ => (
            TokenKind::Illegal,
            run(bytes, 2, |byte| byte != b'\'').saturating_add(1).min(bytes.len()),
        ),
    }
}

fn number(bytes: &[u8]) -> (TokenKind, usize) {
    let digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let hexadecimal = bytes[0] == b'0' && matches!(bytes.get(1), Some(b'x' | b'X'));
    let mut end = if hexadecimal {
        run(bytes, 2, |byte| byte.is_ascii_hexdigit() || byte == b'_')
    } else {
        let mut end = run(bytes, 0, digit);
        if bytes.get(end) == Some(&b'.') {
            end = run(bytes, end + 1, digit);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                end = run(bytes, end + 1 + sign, digit);
            }
        }
        end
    };
    let mut kind = TokenKind::Number;
    if bytes.get(end).copied().is_some_and(is_name_byte) {
        kind = TokenKind::Illegal;
        end = run(bytes, end, is_name_byte);
    }
    (kind, end)
}

fn operator(sql: &str) -> (TokenKind, usize) {
    const LONG: [&str; 10] = ["->>", "->", "||", "<=", "<>", "<<", ">=", ">>", "==", "!="];
    if let Some(found) = LONG.iter().find(|operator| sql.starts_with(**operator)) {
        return (TokenKind::Operator, found.len());
    }
    match sql.as_bytes()[0] {
        b'-' | b'+' | b'*' | b'/' | b'%' | b'(' | b')' | b',' | b';' | b'.' | b'=' | b'<'
        | b'>' | b'&' | b'|' | b'~' => (TokenKind::Operator, 1),
        _ => (TokenKind::Illegal, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TokenKind::{
        Blob, Comment, Illegal, Number, Operator, Quoted, Space, Text, Variable, Word,
    };

    #[track_caller]
    fn check(sql: &str, expected: &[(TokenKind, &str)]) {
        let tokens = tokenize(sql);
        let found: Vec<_> = tokens
            .iter()
            .filter(|token| token.kind != Space)
            .map(|token| (token.kind, token.text))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(tokens.iter().map(|token| token.text).collect::<String>(), sql);
    }

    #[test]
    fn every_style_of_quotes_is_one_token() {
        check(
            r#"a "b""c" [d e] `f``g` 'it''s' x'AB' é$1"#,
            &[
                (Word, "a"),
                (Quoted, r#""b""c""#),
                (Quoted, "[d e]"),
                (Quoted, "`f``g`"),
                (Text, "'it''s'"),
                (Blob, "x'AB'"),
                (Word, "é$1"),
            ],
        );
    }

    #[test]
    fn comments_end_where_sqlite_ends_them() {
        check(
            "1--x)\n/*,*/2",
            &[(Number, "1"), (Comment, "--x)"), (Comment, "/*,*/"), (Number, "2")],
        );
        check("a/* open", &[(Word, "a"), (Comment, "/* open")]);
        check("a/*", &[(Word, "a"), (Operator, "/"), (Operator, "*")]);
    }

    #[test]
    fn numbers_in_every_notation_are_one_token() {
        for number in ["1", "1.5", ".5", "5.", "1e3", "1.5E-10", "0xFF", "1_000"] {
            check(number, &[(Number, number)]);
        }
        check("1e", &[(Illegal, "1e")]);
        check("12abc", &[(Illegal, "12abc")]);
    }

    #[test]
    fn operators_are_as_long_as_they_can_be() {
        check(
            "a->>'$.b'||c<>d",
            &[
                (Word, "a"),
                (Operator, "->>"),
                (Text, "'$.b'"),
                (Operator, "||"),
                (Word, "c"),
                (Operator, "<>"),
                (Word, "d"),
            ],
        );
    }

    #[test]
    fn what_sqlite_refuses_is_illegal() {
        check("'open", &[(Illegal, "'open")]);
        check("[open", &[(Illegal, "[open")]);
        check("x'a'", &[(Illegal, "x'a'")]);
        check("x'é'", &[(Illegal, "x'é'")]);
        check("!", &[(Illegal, "!")]);
        check("?1 :a", &[(Variable, "?1"), (Variable, ":a")]);
    }

    #[test]
    fn a_name_is_the_same_in_every_style_of_quotes() {
        for text in ["\"a b\"", "[a b]", "`a b`", "'a b'"] {
            assert!(tokenize(text)[0].is_name("A B"), "{text}");
        }
        assert_eq!(tokenize(r#""say ""hi""""#)[0].name().as_deref(), Some(r#"say "hi""#));
        assert!(tokenize(&quote_name(r#"a"b"#))[0].is_name(r#"a"b"#));
    }

    proptest::proptest! {
        #[test]
        fn no_text_loses_a_byte(sql in "[ -~\n\té\u{feff}]{0,60}") {
            let joined: String = tokenize(&sql).iter().map(|token| token.text).collect();
            proptest::prop_assert_eq!(joined, sql);
        }
    }
}
