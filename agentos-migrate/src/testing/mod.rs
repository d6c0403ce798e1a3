//! For the tests of a migrations crate: a test of everything that a set has to
//! do, by one line, and a directory that stands at any version.
//!
//! Works on real files in a temporary directory, through the same engine as
//! the program. Never touches a directory of the caller's.
//!
//! ```
//! # use agentos_migrate::{Migration, Registry};
//! # fn registry() -> Registry {
//! #     let first = Migration::new("0001", &["notes"], |ctx| {
//! #         ctx.execute("notes", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)", [])?;
//! #         Ok(())
//! #     });
//! #     let second = Migration::new("0002", &["notes"], |ctx| {
//! #         ctx.execute("notes", "UPDATE note SET body = trim(body)", [])?;
//! #         Ok(())
//! #     });
//! #     Registry::new(&["notes"], vec![first, second])
//! # }
//! use agentos_migrate::testing::{self, Harness};
//!
//! // The whole set, in one call; `migration_tests!` makes a test of each check.
//! testing::check(&registry())?;
//!
//! // One migration, with rows that stood before it.
//! let notes = Harness::at(registry(), "0001")?;
//! notes.connection("notes")?.execute("INSERT INTO note (body) VALUES (' a ')", [])?;
//! notes.migrate_to("0002")?;
//! let body: String =
//!     notes.connection("notes")?.query_row("SELECT body FROM note", [], |row| row.get(0))?;
//! assert_eq!(body, "a");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod crashes;
mod lint;
mod macros;
mod races;
mod rows;
mod schema_files;
mod steps;

use std::path::Path;

use rusqlite::Connection;

pub use self::check::{Checks, check};
pub use self::lint::{lint, lint_where, prove_downgrades};
pub use self::schema_files::schema_files;
use crate::error::{Error, ErrorKind};
pub use crate::lint::{
    AllowedFinding, DowngradeProof, LintFinding, LintReport, LintRule, Severity,
};
use crate::migrator::{BackupPolicy, Migrator, Options, RunFailure};
use crate::plan::Target;
use crate::registry::Registry;
use crate::report::Report;
use crate::sqlite::failure::on_file;
use crate::sqlite::scratch;
use crate::version::{InvalidVersion, Version};

/// A data directory at some version, gone when dropped.
pub struct Harness {
    migrator: Migrator,
    directory: scratch::Folder,
}

impl Harness {
    /// Builds an empty directory up to a version.
    ///
    /// # Errors
    ///
    /// A version that the set does not hold; what a migration meets.
    pub fn at(registry: Registry, version: &str) -> Result<Self, Error> {
        let harness = Self::empty(registry)?;
        harness.migrate_to(version)?;
        Ok(harness)
    }

    /// Makes a directory without any file but what the application itself makes, if the set
    /// declares that as its baseline.
    ///
    /// # Errors
    ///
    /// A temporary directory that cannot be made; a baseline that SQLite refuses.
    pub fn empty(registry: Registry) -> Result<Self, Error> {
        let directory = scratch::directory()?;
        let options = Options::default().backup(BackupPolicy::Skip);
        let migrator = Migrator::new(registry, directory.path()).with_options(options);
        migrator.lay_baseline(directory.path())?;
        Ok(Self { migrator, directory })
    }

    /// Upgrades to a version, or downgrades if it is below what is applied.
    ///
    /// # Errors
    ///
    /// As [`Migrator::upgrade`] and [`Migrator::downgrade`].
    pub fn migrate_to(&self, version: &str) -> Result<Report, RunFailure> {
        let version: Version = version.parse().map_err(|error: InvalidVersion| {
            Error::new(ErrorKind::Usage, error.to_string()).in_state("nothing was changed")
        })?;
        let current = self.migrator.status()?.current_version;
        let current = current.and_then(|text| text.parse::<Version>().ok());
        if current.is_some_and(|current| current > version) {
            self.migrator.downgrade(&version)
        } else {
            self.migrator.upgrade(&Target::Version(version))
        }
    }

    /// Gives every empty table a row, where one can be made up without breaking a rule of the
    /// schema: rows between two versions, for a migration that must get on with them.
    ///
    /// Every column gets the value 1. A table that does not take that stays empty:
    /// [`connection`](Self::connection) fills it with rows of your own.
    ///
    /// # Errors
    ///
    /// A file that can't be read or written.
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Harness};
    /// # let first = Migration::new("0001", &["notes"], |ctx| {
    /// #     ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    /// #     Ok(())
    /// # });
    /// # let second = Migration::new("0002", &["notes"], |ctx| {
    /// #     ctx.execute("notes", "ALTER TABLE note ADD COLUMN at INTEGER NOT NULL DEFAULT (unixepoch())", [])?;
    /// #     Ok(())
    /// # });
    /// # let registry = Registry::new(&["notes"], vec![first, second]);
    /// let empty = Harness::at(registry.clone(), "0001")?;
    /// assert!(empty.migrate_to("0002").is_ok());
    /// let seeded = Harness::at(registry, "0001")?;
    /// seeded.seed()?;
    /// assert!(seeded.migrate_to("0002").is_err(), "a row needs a constant default");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seed(&self) -> Result<(), Error> {
        steps::seed(self, self.migrator.registry())
    }

    /// Returns the migrator of the directory, for everything else.
    pub fn migrator(&self) -> &Migrator {
        &self.migrator
    }

    /// Returns the data directory.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Opens one database, with foreign keys on, as a program would.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened; a database that the set does not declare.
    pub fn connection(&self, database: &str) -> Result<Connection, Error> {
        if !self.migrator.registry().databases().contains(&database) {
            let text = format!("`{database}` is not a database of this set");
            return Err(Error::new(ErrorKind::Usage, text).in_state("nothing was changed"));
        }
        let path = self.directory.path().join(format!("{database}.db"));
        let open = || {
            let connection = Connection::open(&path)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        };
        open().map_err(|error| on_file(error, "open", &path))
    }
}
