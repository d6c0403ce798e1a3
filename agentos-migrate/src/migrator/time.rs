//! The time, as this engine writes it.

use chrono::{SecondsFormat, Utc};

/// Returns the time as stored: UTC, RFC 3339, microseconds.
pub(super) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Asks for the form in which this engine writes a time: `2026-01-14T08:30:12.000000Z`.
pub(super) fn is_ours(time: &str) -> bool {
    time.len() == 27 && time.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(time).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_in_the_form_of_this_engine_say_where_a_row_is_from() {
        assert!(is_ours("2026-01-14T08:30:12.000000Z"));
        for other in [
            "2026-01-14T08:30:12.123456",
            "2026-01-14 08:30:12",
            "2026-01-14T08:30:12.123Z",
            "again",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
