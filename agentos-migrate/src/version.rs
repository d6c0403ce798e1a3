//! A migration's version: digits, ordered as a number.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A migration's version, such as `0003` or `20260714120000`.
///
/// Four to twenty ASCII digits, kept as written and compared as a number:
/// `0003` and `00003` are the same version.
#[derive(Debug, Clone)]
pub struct Version {
    number: u128,
    text: Cow<'static, str>,
}

impl Version {
    /// Makes a version that the macros have checked already.
    #[doc(hidden)]
    pub const fn from_checked(number: u128, text: &'static str) -> Self {
        Self { number, text: Cow::Borrowed(text) }
    }

    /// Returns the version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the number that orders it.
    pub fn number(&self) -> u128 {
        self.number
    }
}

/// A text that is not a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidVersion(String);

impl fmt::Display for InvalidVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a version: a version is 4 to 20 digits, such as 0003", self.0)
    }
}

impl std::error::Error for InvalidVersion {}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let digits =
            (4..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Self { number, text: Cow::Owned(text.to_owned()) }),
            _ => Err(InvalidVersion(text.to_owned())),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Version {}

impl std::hash::Hash for Version {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_numbers_and_shown_as_written() {
        let nine: Version = "0009".parse().expect("valid");
        let ten: Version = "00010".parse().expect("valid");
        let stamp: Version = "20260714120000".parse().expect("valid");
        assert!(nine < ten && ten < stamp);
        assert_eq!(ten, "0010".parse().expect("valid"));
        assert_eq!(ten.to_string(), "00010");
    }

    #[test]
    fn what_is_not_4_to_20_digits_is_no_version() {
        for text in ["", "1", "003", "v0001", " 0001", "00 1", "-0001", "+0001", "latest", "٠٠٠١"]
        {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert!("123456789012345678901".parse::<Version>().is_err());
        let error = "v1".parse::<Version>().expect_err("refused").to_string();
        assert!(error.starts_with("`v1` is not a version") && error.contains("4 to 20 digits"));
    }

    #[test]
    fn one_number_written_in_two_ways_is_one_key() {
        let versions =
            ["0010", "00010", "0011"].map(|text| text.parse::<Version>().expect("valid"));
        assert_eq!(std::collections::HashSet::from(versions).len(), 2);
        let hash = |text: &str| {
            let version: Version = text.parse().expect("valid");
            std::hash::BuildHasher::hash_one(
                &std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default(),
                version,
            )
        };
        assert_ne!(hash("0010"), hash("0011"));
    }
}
