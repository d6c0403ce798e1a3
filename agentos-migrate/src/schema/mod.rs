//! Schemas as SQLite stores them: read, compared, written, and tables changed.
//!
//! Works on a connection that its caller opened and whose transaction its
//! caller owns. Knows nothing of migrations.

pub(crate) mod compare;
mod keywords;
mod normalise;
pub(crate) mod read;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the migrator"))]
pub(crate) mod rebuild;
mod text;
#[cfg_attr(not(test), expect(dead_code, reason = "used by the migrator"))]
pub(crate) mod tokens;
