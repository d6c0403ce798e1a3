//! The specification as tests. One file is one chapter; this is the table of contents.

mod support;

mod failures;
mod foreign_keys;
mod history;
mod running;
mod write_ahead_logs;
