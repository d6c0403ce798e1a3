//! The codes of the lint, to refuse an `allow` that means nothing.
//!
//! The rules themselves are the library's; a test compares the two lists.

use syn::LitStr;

use crate::near;

/// Every code, in order.
const CODES: &[&str] = &[
    "AM101", "AM102", "AM103", "AM104", "AM105", "AM106", "AM107", "AM108", "AM109", "AM201",
    "AM202", "AM203", "AM204", "AM205", "AM206", "AM207", "AM208", "AM210", "AM211", "AM301",
    "AM302", "AM303", "AM304", "AM305", "AM401", "AM402", "AM403", "AM501", "AM502", "AM503",
    "AM901",
];

/// Judges `allow = ["AM102: why"]`.
pub(crate) fn allowed(texts: &[LitStr], errors: &mut Vec<syn::Error>) {
    let mut seen: Vec<String> = Vec::new();
    for text in texts {
        let value = text.value();
        let code = value.split(':').next().unwrap_or_default().trim().to_owned();
        if let Some(problem) = problem(&value, &code) {
            errors.push(syn::Error::new(text.span(), problem));
        } else if seen.contains(&code) {
            let problem = format!("{code} is allowed twice: keep one");
            errors.push(syn::Error::new(text.span(), problem));
        }
        seen.push(code);
    }
}

/// Says what is wrong with a text, if something is.
pub(crate) fn problem(text: &str, code: &str) -> Option<String> {
    if !CODES.contains(&code) {
        let suggestion = near::suggestion(code, CODES.iter().copied());
        return Some(format!(
            "`{code}` is no code of the lint{suggestion}\nwrite the code and the reason: `allow = [\"AM102: why\"]`"
        ));
    }
    let has_reason = text.split_once(':').is_some_and(|(_, reason)| !reason.trim().is_empty());
    (!has_reason).then(|| {
        format!("the reason is missing: write `allow = [\"{code}: why it is fine here\"]`")
    })
}
