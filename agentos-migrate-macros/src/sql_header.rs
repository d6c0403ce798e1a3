//! What the first comment lines of an SQL file say of its migration.

use proc_macro2::Span;
use syn::LitStr;

use crate::{lint_codes, near};

/// What a line of the head may say.
const KEYS: &[&str] =
    &["databases", "depends_on", "description", "deletes", "irreversible", "allow"];

/// What the first lines of a found file may say besides.
pub(crate) struct Options {
    pub(crate) irreversible: Option<LitStr>,
    pub(crate) deletes: Vec<LitStr>,
    pub(crate) allow: Vec<LitStr>,
}

impl Options {
    pub(crate) fn of(text: &str, has_down: bool, errors: &mut Vec<syn::Error>) -> Self {
        let literal = |text: &str| LitStr::new(text, Span::call_site());
        errors.extend(misspelled(text).map(|problem| syn::Error::new(Span::call_site(), problem)));
        let irreversible = header_lines(text, "irreversible").next().map(literal);
        if irreversible.is_some() && has_down {
            let problem = "a down file and a line `-- irreversible:` exclude each other: keep one";
            errors.push(syn::Error::new(Span::call_site(), problem));
        }
        let allow: Vec<LitStr> = header_lines(text, "allow").map(literal).collect();
        lint_codes::allowed(&allow, errors);
        let deletes = header(text, "deletes").iter().map(|table| literal(table)).collect();
        Self { irreversible, deletes, allow }
    }
}

/// Returns the values of a line `-- key: a, b` among the first comment lines.
pub(crate) fn header(text: &str, key: &str) -> Vec<String> {
    header_lines(text, key)
        .flat_map(|values| values.split(','))
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty())
        .collect()
}

/// Returns what stands after `-- key:` in each of the first comment lines that has it.
fn header_lines<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let values = said(text).filter(move |(word, _)| *word == key).map(|(_, value)| value);
    values.filter(|value| !value.is_empty())
}

/// Tells of words that are almost a key: what they say would be taken for a comment.
fn misspelled(text: &str) -> impl Iterator<Item = String> {
    let unknown = said(text).map(|(word, _)| word).filter(|word| !KEYS.contains(word));
    unknown.filter_map(|word| {
        let key = near::nearest(&word.to_lowercase(), KEYS.iter().copied())?;
        Some(format!("`-- {word}:` says nothing; did you mean `-- {key}:`?"))
    })
}

/// Splits each of the first comment lines at its colon; empty lines may stand between them.
fn said(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let comments = lines.take_while(|line| line.starts_with("--"));
    comments.filter_map(|line| {
        let (word, value) = line.trim_start_matches('-').split_once(':')?;
        Some((word.trim(), value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why it is irreversible, what it deletes, what it allows.
    type Said = (Option<String>, Vec<String>, Vec<String>);

    fn options(text: &str, has_down: bool) -> Result<Said, String> {
        let texts = |list: Vec<LitStr>| list.iter().map(LitStr::value).collect();
        let mut errors = Vec::new();
        let options = Options::of(text, has_down, &mut errors);
        if let Some(error) = errors.first() {
            return Err(error.to_string());
        }
        let why = options.irreversible.map(|text| text.value());
        Ok((why, texts(options.deletes), texts(options.allow)))
    }

    #[test]
    fn the_first_lines_say_what_is_meant() {
        let text = "-- databases: chat\n-- deletes: note, part\n-- irreversible: gone, for good\n\
            -- allow: AM101: nobody, ever: why\n-- allow: AM303: it is so\nDROP TABLE note;\n-- deletes: late\n";
        let (why, deletes, allow) = options(text, false).expect("reads");
        assert_eq!(why.as_deref(), Some("gone, for good"));
        assert_eq!(deletes, ["note", "part"]);
        assert_eq!(allow, ["AM101: nobody, ever: why", "AM303: it is so"]);
        assert_eq!(header(text, "databases"), ["chat"]);
    }

    #[test]
    fn empty_lines_stand_before_and_between_the_first_lines() {
        let text = "\n  \r\n-- deletes: note\n\n-- plain words: and more\n--irreversible : gone\n\nDROP TABLE note;\n";
        let (why, deletes, _) = options(text, false).expect("reads");
        assert_eq!((why.as_deref(), deletes), (Some("gone"), vec!["note".to_owned()]));
    }

    #[test]
    fn a_word_that_is_almost_a_key_is_refused_and_any_other_is_a_comment() {
        for (word, key) in [
            ("depend_on", "depends_on"),
            ("depends on", "depends_on"),
            ("Depends_On", "depends_on"),
            ("database", "databases"),
            ("irreversable", "irreversible"),
            ("delete", "deletes"),
            ("allows", "allow"),
        ] {
            let refused = options(&format!("\n-- {word}: x\nSELECT 1;"), false).expect_err(word);
            let wanted = format!("`-- {word}:` says nothing; did you mean `-- {key}:`?");
            assert_eq!(refused, wanted);
        }
        let comments = "-- Copyright: us\n-- see https://sqlite.org: a page\n-- note: all is well\n\
            -- author: x\n-- version: 3\n-- This deletes the rows of: note\n-- reviewed: x\n-- name: x\n-- tables: x\n";
        assert_eq!(options(comments, false), Ok((None, vec![], vec![])));
        assert_eq!(options("SELECT 1;\n-- depend_on: 0001", false), Ok((None, vec![], vec![])));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let refused = |text: &str, has_down| options(text, has_down).expect_err("refused");
        assert!(refused("-- allow: AM999: why", false).contains("no code of the lint"));
        assert!(refused("-- allow: AM101", false).contains("the reason is missing"));
        assert!(refused("-- irreversible: why", true).contains("exclude each other"));
        assert!(refused("-- allow: AM101: a\n-- allow: AM101: b", false).contains("allowed twice"));
    }
}
