//! Schemas as SQLite stores them: read, compared, written, and tables changed.
//!
//! Works on a connection that its caller opened and whose transaction its
//! caller owns. Knows nothing of migrations.

pub(crate) mod compare;
mod keywords;
pub(crate) mod normalise;
pub(crate) mod read;
pub(crate) mod rebuild;
mod text;
pub(crate) mod tokens;
