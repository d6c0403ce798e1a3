//! Values that a column may meet in the wild, by what its declared type says.

use rusqlite::types::Value;

use crate::schema::tokens::{TokenKind, significant_tokens};

/// What a column takes: <https://sqlite.org/datatype3.html#determination_of_column_affinity>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Real,
    Text,
    Blob,
    Numeric,
}

impl Affinity {
    pub(super) fn of(declared_type: &str) -> Self {
        let name = declared_type.to_ascii_uppercase();
        let has = |part: &str| name.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || name.is_empty() || name == "ANY" {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}

/// What a row is about: each is a way in which real rows surprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// What everybody thinks of.
    Plain,
    /// NULL wherever it is allowed.
    Null,
    /// Empty texts and zeros.
    Empty,
    /// The largest values.
    Highest,
    /// The smallest values, and texts that look like numbers.
    Lowest,
    /// Long texts, odd characters.
    Long,
    /// Another type than declared, where SQLite lets it.
    Odd,
    /// The plain row once more, but for what has to be unique.
    Twin,
}

/// The themes, in the order of the rows.
pub(super) const THEMES: [Theme; 8] = [
    Theme::Plain,
    Theme::Null,
    Theme::Empty,
    Theme::Highest,
    Theme::Lowest,
    Theme::Long,
    Theme::Odd,
    Theme::Twin,
];

/// Returns a column's value in a row of a theme.
pub(super) fn value(theme: Theme, affinity: Affinity, is_strict: bool) -> Value {
    match (theme, affinity) {
        (Theme::Null, _) => Value::Null,
        // Only a table that is not STRICT takes a value of another type.
        (Theme::Odd, Affinity::Text) if !is_strict => Value::Blob(vec![0x00, 0xff]),
        (Theme::Odd, Affinity::Integer | Affinity::Real | Affinity::Numeric) if !is_strict => {
            Value::Text("not a number".to_owned())
        }
        (Theme::Lowest, Affinity::Numeric) => Value::Real(-0.1),
        (_, Affinity::Integer | Affinity::Numeric) => Value::Integer(integer(theme)),
        (_, Affinity::Real) => Value::Real(real(theme)),
        (_, Affinity::Text) => Value::Text(text(theme)),
        (Theme::Odd, Affinity::Blob) if !is_strict => Value::Text("a text".to_owned()),
        (_, Affinity::Blob) => Value::Blob(blob(theme)),
    }
}

fn integer(theme: Theme) -> i64 {
    match theme {
        Theme::Empty => 0,
        Theme::Highest => i64::MAX,
        Theme::Lowest => i64::MIN,
        Theme::Long => -1,
        Theme::Plain | Theme::Null | Theme::Odd | Theme::Twin => 1,
    }
}

fn real(theme: Theme) -> f64 {
    match theme {
        Theme::Empty => 0.0,
        Theme::Highest => f64::MAX,
        Theme::Lowest => f64::MIN,
        Theme::Long => -1e-300,
        Theme::Plain | Theme::Null | Theme::Odd | Theme::Twin => 1.5,
    }
}

fn text(theme: Theme) -> String {
    match theme {
        Theme::Empty => String::new(),
        Theme::Highest => "it's \"quoted\", Größe 🦀\nand a second line".to_owned(),
        Theme::Lowest => "007".to_owned(),
        Theme::Long => "long ".repeat(1000),
        Theme::Odd => " in blanks ".to_owned(),
        Theme::Plain | Theme::Null | Theme::Twin => "a".to_owned(),
    }
}

fn blob(theme: Theme) -> Vec<u8> {
    match theme {
        Theme::Empty => Vec::new(),
        Theme::Highest => vec![0xff; 64],
        Theme::Lowest => vec![0x00],
        Theme::Long => vec![0x20; 5000],
        Theme::Plain | Theme::Null | Theme::Odd | Theme::Twin => b"a".to_vec(),
    }
}

/// Returns a value like `old` that differs with every number.
pub(super) fn fresh(old: &Value, affinity: Affinity, number: i64) -> Value {
    match (old, affinity) {
        (Value::Text(text), _) if text.chars().count() >= 4 => {
            // Of the same length, as a CHECK may want a certain one.
            let digits = number.to_string();
            let kept = text.chars().count().saturating_sub(digits.len());
            Value::Text(text.chars().take(kept).chain(digits.chars()).collect())
        }
        (Value::Text(_), _) | (Value::Null, Affinity::Text) => Value::Text(format!("a{number}")),
        (Value::Blob(_), _) | (Value::Null, Affinity::Blob) => {
            Value::Blob(format!("a{number}").into_bytes())
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        (Value::Real(_), _) | (Value::Null, Affinity::Real) => Value::Real(number as f64 + 0.5),
        _ => Value::Integer(number),
    }
}

/// Values that the rules of a table speak of, and those that rules often ask for.
pub(super) fn candidates(sql: &str) -> Vec<Value> {
    let mut values = Vec::new();
    for token in significant_tokens(sql) {
        match token.kind {
            TokenKind::Text => values.extend(token.name().map(Value::Text)),
            TokenKind::Number => {
                if let Ok(number) = token.text.parse::<i64>() {
                    let near =
                        [number, number.saturating_add(1), number.saturating_sub(1), -number];
                    values.extend(near.map(Value::Integer));
                    if let Ok(length @ 0..=200) = usize::try_from(number) {
                        values.push(Value::Text("x".repeat(length)));
                        values.push(Value::Text("x".repeat(length + 1)));
                        values.push(Value::Text("0".repeat(length)));
                    }
                } else if let Ok(number) = token.text.parse::<f64>() {
                    values.extend([number, number + 1.0, number - 1.0].map(Value::Real));
                }
            }
            _ => {}
        }
    }
    let texts = [
        "a",
        "A",
        "1",
        "2026-11-25",
        "2026-11-25T12:00:00Z",
        "12:00",
        "{}",
        "[]",
        "a@example.org",
        "https://example.org/",
        "0b5a4b1e-5a5c-4e0e-9c5f-0123456789ab",
    ];
    values.extend(texts.map(|text| Value::Text(text.to_owned())));
    values.extend([1, 0, 2, 10, 100, 1000].map(Value::Integer));
    values.extend([Value::Real(0.5), Value::Null]);
    values.dedup();
    values
}
