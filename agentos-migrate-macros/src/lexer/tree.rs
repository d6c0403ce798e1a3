//! A token or a group of tokens, in a form that costs nothing to look at.

use std::borrow::Cow;

use proc_macro2::Delimiter;

/// A token, or a group of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree<'a> {
    /// A name or keyword as written, with `r#` if that is written.
    Name(Cow<'a, str>),
    /// One character of punctuation, and whether punctuation follows at once.
    Sign(char, bool),
    /// A literal as written.
    Literal(Cow<'a, str>),
    /// What stands between two delimiters.
    Group(Delimiter, Vec<Tree<'a>>),
}

impl Tree<'_> {
    /// Returns whether it is this name, which is not raw.
    pub(crate) fn is_name(&self, word: &str) -> bool {
        matches!(self, Self::Name(name) if name == word)
    }

    pub(crate) fn is_sign(&self, sign: char) -> bool {
        matches!(self, Self::Sign(own, _) if *own == sign)
    }

    /// Returns the name without `r#`.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name.strip_prefix("r#").unwrap_or(name)),
            _ => None,
        }
    }

    /// Returns what stands in the group.
    pub(crate) fn group(&self, wanted: Delimiter) -> Option<&[Self]> {
        match self {
            Self::Group(delimiter, inner) if *delimiter == wanted => Some(inner),
            _ => None,
        }
    }

    /// Returns the value of a string literal.
    pub(crate) fn string(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Literal(text) => string_value(text),
            _ => None,
        }
    }
}

/// Returns the value of a string literal, as the compiler reads it.
pub(crate) fn string_value(literal: &str) -> Option<Cow<'_, str>> {
    if let Some(inner) = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !inner.contains(['\\', '"', '\r'])
    {
        return Some(Cow::Borrowed(inner));
    }
    let may_be_string = literal.starts_with(['"', 'r']);
    let parsed = may_be_string.then(|| syn::parse_str::<syn::LitStr>(literal).ok()).flatten();
    parsed.map(|text| Cow::Owned(text.value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_has_its_value_and_nothing_else_has() {
        for (literal, value) in [
            ("\"a\"", Some("a")),
            ("r#\"a\"b\"#", Some("a\"b")),
            ("\"a\\nb\"", Some("a\nb")),
            ("\"a \\\n  b\"", Some("a b")),
            ("\"\"", Some("")),
            ("b\"a\"", None),
            ("'a'", None),
            ("1", None),
        ] {
            assert_eq!(string_value(literal).as_deref(), value, "{literal}");
        }
    }
}
