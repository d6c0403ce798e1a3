//! The SHA-256 of a migration's canonical source, or of a file.

use std::fmt;

/// A SHA-256, shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// Makes a checksum of its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first 8 bytes as a number, for the digest of a whole set.
    pub(crate) fn prefix(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(bytes)
    }

    /// Returns whether a text is this checksum in hex digits, of either case.
    ///
    /// A start may ask this of every applied migration, so nothing is allocated.
    pub(crate) fn is_written(&self, text: &str) -> bool {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        text.len() == 2 * self.0.len()
            && text.as_bytes().chunks_exact(2).map(pair).eq(self.0.map(|byte| Some(byte.into())))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_shown_as_64_hex_digits() {
        let text = Checksum::from_bytes([0xa5; 32]).to_string();
        assert_eq!(text, "a5".repeat(32));
        assert_eq!(
            format!("{:?}", Checksum::from_bytes([0; 32])),
            format!("Checksum({})", "0".repeat(64))
        );
    }

    #[test]
    fn a_text_is_a_checksum_only_whole_and_in_hex() {
        let checksum = Checksum::from_bytes([0xa5; 32]);
        assert!(checksum.is_written(&"a5".repeat(32)));
        assert!(checksum.is_written(&"A5".repeat(32)));
        for other in [
            "",
            &"a5".repeat(31),
            &"a5".repeat(33),
            &"a6".repeat(32),
            &"+5".repeat(32),
            &"é".repeat(32),
        ] {
            assert!(!checksum.is_written(other), "{other}");
        }
    }
}
