//! What a migration says of histories and version tables: it has to be what can stand there.

use syn::LitStr;

/// How many hex digits a recorded checksum has: the Python tool's, and those of this one's length.
const LENGTHS: [usize; 2] = [16, 64];

/// Judges `legacy_checksums = ["b6d9a02a4d9668fd"]`.
pub(crate) fn legacy_checksums(texts: &[LitStr], errors: &mut Vec<syn::Error>) {
    for text in texts {
        let value = text.value();
        let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !LENGTHS.contains(&value.len()) {
            let problem = format!(
                "`{value}` is no checksum that a history holds: it has 16 or 64 hex digits, \
                 such as \"b6d9a02a4d9668fd\"\nhelp: copy it from the `checksum` of `migration_history`"
            );
            errors.push(syn::Error::new(text.span(), problem));
        }
    }
}

/// Judges `schema_version = "1.2.0"`.
pub(crate) fn schema_version(text: Option<&LitStr>, errors: &mut Vec<syn::Error>) {
    if let Some(text) = text.filter(|text| text.value().trim().is_empty()) {
        let problem = "`schema_version` is empty: write the version that the rows get, such as \"1.2.0\", or leave it out";
        errors.push(syn::Error::new(text.span(), problem));
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn literal(text: &str) -> LitStr {
        LitStr::new(text, Span::call_site())
    }

    #[test]
    fn a_checksum_has_16_or_64_hex_digits() {
        let is_refused = |text: &str| {
            let mut errors = Vec::new();
            legacy_checksums(&[literal(text)], &mut errors);
            errors.len() == 1
        };
        for taken in ["b6d9a02a4d9668fd", "B6D9A02A4D9668FD", &"0a".repeat(32)] {
            assert!(!is_refused(taken), "{taken}");
        }
        let near = [
            "",
            "oops",
            "b6d9a02a4d9668f",
            "b6d9a02a4d9668fg",
            " b6d9a02a4d9668fd",
            &"0".repeat(63),
        ];
        for refused in near {
            assert!(is_refused(refused), "{refused}");
        }
    }

    #[test]
    fn a_schema_version_is_not_empty() {
        for (text, count) in [(Some("1.2.0"), 0), (None, 0), (Some(""), 1), (Some(" "), 1)] {
            let mut errors = Vec::new();
            schema_version(text.map(literal).as_ref(), &mut errors);
            assert_eq!(errors.len(), count, "{text:?}");
        }
    }
}
