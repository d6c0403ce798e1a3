//! Schema migrations for programs whose data lives in several SQLite files.

// Generated code names this crate by its absolute path, also inside it.
extern crate self as agentos_migrate;

mod backup;
mod checksum;
#[cfg(feature = "cli")]
pub mod cli;
mod context;
mod error;
mod event;
mod hash;
mod history;
mod info;
#[cfg(feature = "cli")]
mod lock_file;
mod migration;
mod migrator;
mod plan;
mod registry;
mod report;
mod schema;
mod sqlite;
mod status;
mod version;

#[doc(hidden)]
pub mod private;

pub use agentos_migrate_macros::{migration, migrations, sql, sql_migration};
pub use backup::{
    BackupEntry, BackupManager, BackupOptions, BackupProgress, Blobs, Compression, FileRecord,
    Form, Manifest, Phase, RestoreOptions, RestoreReport, Scope, Verification,
};
pub use checksum::Checksum;
pub use context::{ManualContext, MigrationContext, TableColumn, Visibility};
pub use error::{Error, ErrorKind, MigrationError, Result};
pub use event::{Event, EventKind, Progress};
pub use history::{AppliedMigration, History};
pub use info::{Downgrade, Location, MigrationInfo, TransactionMode};
pub use migration::Migration;
pub use migrator::{
    BackupPolicy, Canceller, CommitMode, Finding, Inspection, Migrator, Options, RunFailure,
};
pub use plan::{Direction, Force, Plan, Reason, Step, Target};
pub use registry::Registry;
pub use report::{
    MigrationResult, Recovery, Rehearsal, Report, RowChange, SchemaChange, StatementRun,
};
pub use rusqlite;
pub use schema::rebuild::{
    AddedColumn, AddedForeignKey, ForeignKeyAction, Place, RebuildApi, RebuildPath, RebuildReport,
    TableChanges,
};
pub use status::{Entry, State, Status};
pub use version::{InvalidVersion, Version};
