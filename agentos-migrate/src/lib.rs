//! Schema migrations for programs whose data lives in several SQLite files.

extern crate self as agentos_migrate;

mod checksum;
mod context;
mod error;
mod hash;
mod info;
mod migration;
mod registry;
#[expect(dead_code, reason = "used by the migrator")]
mod schema;
mod version;

#[doc(hidden)]
pub mod private;

pub use checksum::Checksum;
pub use context::{ManualContext, MigrationContext};
pub use error::{Error, ErrorKind, MigrationError, Result};
pub use info::{Downgrade, Location, MigrationInfo, TransactionMode};
pub use migration::Migration;
pub use registry::Registry;
pub use rusqlite;
pub use schema::rebuild::{
    AddedColumn, AddedForeignKey, ForeignKeyAction, Place, RebuildApi, RebuildPath, RebuildReport,
    TableChanges,
};
pub use version::{InvalidVersion, Version};
