//! What is known of a migration without running it.
//!
//! Plain values: status and plan are computed from these alone.

use std::borrow::Cow;

use crate::checksum::Checksum;
use crate::version::Version;

/// What is known of a migration without running it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MigrationInfo {
    /// The version: unique in its set.
    pub version: Version,
    /// The short name, by default the function's.
    pub name: Cow<'static, str>,
    /// One sentence for people, by default the doc comment.
    pub description: Cow<'static, str>,
    /// The databases it may touch, each declared by the set.
    pub databases: Cow<'static, [&'static str]>,
    /// The versions that must be applied before it, each smaller than its own.
    pub depends_on: Cow<'static, [Version]>,
    /// The `version` column of each database's `schema_version` row.
    pub schema_version: Option<Cow<'static, str>>,
    /// Whether it can be reverted.
    pub downgrade: Downgrade,
    /// Whether it has a validation.
    pub validated: bool,
    /// Who commits.
    pub transaction: TransactionMode,
    /// The SHA-256 of its canonical source.
    pub checksum: Checksum,
    /// Checksums that an older tool may have recorded for this version.
    pub legacy_checksums: Cow<'static, [&'static str]>,
    /// Tables of which it deletes rows on purpose.
    pub deletes: Cow<'static, [&'static str]>,
    /// Findings of the lint that it declares to be fine, each as `AM102: why`.
    pub allow: Cow<'static, [&'static str]>,
    /// Where it stands in the source.
    pub location: Location,
}

/// Whether a migration can be reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Downgrade {
    /// It has a downgrade.
    Available,
    /// It has none, and says nothing.
    Absent,
    /// It has none, and says why.
    Irreversible(Cow<'static, str>),
}

/// Who commits a migration's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionMode {
    /// The engine: all databases at once, together with the history.
    Atomic,
    /// The author, database by database.
    Manual,
}

/// A place in the source of the user's crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

impl Location {
    /// Returns where the function that asks is called, as the compiler tracks it.
    #[track_caller]
    pub(crate) fn caller() -> Self {
        let place = std::panic::Location::caller();
        Self { file: place.file(), line: place.line() }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl MigrationInfo {
    /// Returns this migration's part of the digest of a set: 64 bits of its
    /// checksum and version. A set's digest is the sum, so order is no matter.
    pub(crate) fn digest(&self) -> u64 {
        digest(self.version.number(), &self.checksum)
    }
}

/// Returns the digest of one migration.
pub(crate) fn digest(number: u128, checksum: &Checksum) -> u64 {
    // The splitmix64 finaliser keeps equal bodies under two versions apart.
    let folded = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    let mut mixed = checksum.prefix() ^ folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
