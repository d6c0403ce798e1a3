//! Schema migrations for programs whose data lives in several SQLite files.
//!
//! Migrations are functions. [`migrations!`] declares the databases, and
//! makes `registry()`, which collects every [`migration`] of the crate;
//! [`Migrator`] brings a data directory to the newest version, all files
//! together or none.
//!
//! - What a migration may do: [`MigrationContext`].
//! - What would happen, before it does: [`Migrator::status`],
//!   [`Migrator::plan`], [`Migrator::rehearse`].
//! - Backups and the way back: [`BackupManager`].
//! - Tables changed beyond `ALTER TABLE`: [`MigrationContext::rebuild_table`].
//! - Tests of a set: [`testing`].
//! - The command line, with the feature `cli`: `cli::main`.
//!
//! # Transactions
//!
//! Each database has its own connection, on which its file is `main`. A
//! migration's changes of all databases, its row in the history and each
//! database's own record commit as one, by one of SQLite's super-journals
//! (<https://sqlite.org/atomiccommit.html#_multi_file_commit>). WAL files are
//! taken into rollback-journal mode for the run and back.
//!
//! # Foreign keys
//!
//! They are off while a migration runs, so that a table can be made anew, and
//! checked before the commit: a violation that was not there before stops it.
//!
//! # Features
//!
//! - `bundled`: compiles SQLite in.
//! - `cli`: the command line.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

// Generated code names this crate by its absolute path, also inside it.
extern crate self as agentos_migrate;

mod backup;
mod checksum;
#[cfg(feature = "cli")]
pub mod cli;
mod context;
mod discovery;
mod error;
mod event;
mod hash;
mod history;
mod info;
mod lint;
mod lock_file;
mod migration;
mod migrator;
mod plan;
mod registry;
mod report;
mod schema;
mod schema_files;
mod sqlite;
mod status;
mod system;
pub mod testing;
mod version;

#[doc(hidden)]
pub mod private;

pub use agentos_migrate_macros::{migration, migrations, sql, sql_migration};
pub use backup::{
    BackupEntry, BackupManager, BackupOptions, BackupProgress, Blobs, Cleanup, Compression,
    FileRecord, Form, Manifest, Phase, RestoreOptions, RestoreReport, Scope, Verification,
};
pub use checksum::Checksum;
pub use context::{ManualContext, MigrationContext};
pub use error::{Error, ErrorKind, MigrationError, Result};
pub use event::{Event, EventKind, Progress};
pub use history::{AppliedMigration, History};
pub use info::{Downgrade, Location, MigrationInfo, TransactionMode};
pub use migration::Migration;
pub use migrator::{
    AcceptedDrift, BackupPolicy, Canceller, CommitMode, Finding, Inspection, Migrator, Options,
    RehearsalPolicy, RunFailure,
};
pub use plan::{Direction, Force, Plan, Reason, Step, Target};
pub use registry::Registry;
pub use report::{
    MigrationResult, Recovery, Rehearsal, Report, RowChange, SchemaChange, SpaceUse, StatementRun,
    Validation,
};
pub use rusqlite;
pub use schema::read::{TableColumn, Visibility};
pub use schema::rebuild::{
    AddedColumn, AddedForeignKey, ForeignKeyAction, Place, RebuildApi, RebuildPath, RebuildReport,
    TableChanges,
};
pub use status::{Entry, State, Status};
pub use version::{InvalidVersion, Version};
