//! Everything that is SQLite's: connections, locks, the commit over several
//! files, the tables that the engine owns. All SQL text of the engine is here.

pub(crate) mod accepted_drift;
pub(crate) mod contents;
pub(crate) mod directory;
pub(crate) mod failure;
pub(crate) mod fingerprint;
pub(crate) mod foreign_keys;
pub(crate) mod guard;
pub(crate) mod history_table;
pub(crate) mod holders;
pub(crate) mod journal_modes;
pub(crate) mod lock;
pub(crate) mod locking;
pub(crate) mod member;
pub(crate) mod orphans;
pub(crate) mod plain_files;
pub(crate) mod reading;
pub(crate) mod schema_version;
pub(crate) mod scratch;
pub(crate) mod session;
pub(crate) mod vfs;

/// The engine's own folder in a data directory: the run lock and what an interrupted run left.
pub(crate) const STATE_DIR: &str = ".agentos-migrate";
