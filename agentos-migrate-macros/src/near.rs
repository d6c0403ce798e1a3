//! "Did you mean …?"

/// Returns the candidate that is most like `word`, if one is like it at all.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LIKE: f64 = 0.6;
    let scored = candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate));
    let (_, best) = scored.min()?;
    (strsim::normalized_damerau_levenshtein(word, best) >= LIKE).then_some(best)
}

/// Returns `; did you mean …?`, or nothing.
pub(crate) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|best| format!("; did you mean `{best}`?")).unwrap_or_default()
}
