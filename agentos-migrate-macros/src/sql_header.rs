//! What the first comment lines of an SQL file say of its migration.

use proc_macro2::Span;
use syn::LitStr;

use crate::lint_codes;

/// What the first lines of a found file may say besides.
pub(crate) struct Options {
    pub(crate) irreversible: Option<LitStr>,
    pub(crate) deletes: Vec<LitStr>,
    pub(crate) allow: Vec<LitStr>,
}

impl Options {
    pub(crate) fn of(text: &str, has_down: bool, errors: &mut Vec<syn::Error>) -> Self {
        let literal = |text: &str| LitStr::new(text, Span::call_site());
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
    let comments = text.lines().take_while(|line| line.trim_start().starts_with("--"));
    comments.filter_map(move |line| {
        let line = line.trim_start().trim_start_matches('-').trim();
        let value = line.strip_prefix(key)?.trim_start().strip_prefix(':')?.trim();
        (!value.is_empty()).then_some(value)
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
    fn what_means_nothing_is_refused() {
        let refused = |text: &str, has_down| options(text, has_down).expect_err("refused");
        assert!(refused("-- allow: AM999: why", false).contains("no code of the lint"));
        assert!(refused("-- allow: AM101", false).contains("the reason is missing"));
        assert!(refused("-- irreversible: why", true).contains("exclude each other"));
        assert!(refused("-- allow: AM101: a\n-- allow: AM101: b", false).contains("allowed twice"));
    }
}
