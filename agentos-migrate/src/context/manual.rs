//! The handle of a migration that commits by itself.

use std::ops::{Deref, DerefMut};

use super::MigrationContext;
use crate::error::{Error, ErrorKind, Result};
use crate::sqlite::guard::Role;

/// The handle of a migration with `transaction = "manual"`: a
/// [`MigrationContext`] that may commit.
///
/// Each database has its own transaction, begun by the engine and again
/// after every commit or rollback. What was committed stays if the
/// migration fails afterwards: nothing is all-or-nothing here.
#[derive(Debug)]
pub struct ManualContext(MigrationContext);

impl ManualContext {
    pub(crate) fn new(context: MigrationContext) -> Self {
        Self(context)
    }

    pub(crate) fn into_inner(self) -> MigrationContext {
        self.0
    }

    /// Commits one database and begins its next transaction.
    ///
    /// # Errors
    ///
    /// What SQLite says of the commit; a database that the migration does not name.
    pub fn commit(&mut self, database: &str) -> Result<()> {
        self.end(database, "COMMIT")
    }

    /// Rolls one database back to its last commit and begins its next transaction.
    ///
    /// # Errors
    ///
    /// A database that the migration does not name.
    pub fn rollback(&mut self, database: &str) -> Result<()> {
        self.end(database, "ROLLBACK")
    }

    /// Commits every database, one after the other.
    ///
    /// # Errors
    ///
    /// What SQLite says of the first commit that fails; those before it stay committed.
    pub fn commit_all(&mut self) -> Result<()> {
        self.reachable().iter().try_for_each(|database| self.commit(database))
    }

    /// Rolls every database back to its last commit.
    ///
    /// # Errors
    ///
    /// What SQLite says of the first rollback that fails.
    pub fn rollback_all(&mut self) -> Result<()> {
        self.reachable().iter().try_for_each(|database| self.rollback(database))
    }

    /// Commits one database and rewrites its file without free pages
    /// (<https://sqlite.org/lang_vacuum.html>).
    ///
    /// # Errors
    ///
    /// What SQLite says, such as a full disk: it needs twice the file's size.
    pub fn vacuum(&mut self, database: &str) -> Result<()> {
        self.end_with(database, "COMMIT", Some("VACUUM"))
    }

    fn reachable(&self) -> Vec<String> {
        let reachable = self.0.members().iter().filter(|member| member.in_reach);
        reachable.map(|member| member.database.clone()).collect()
    }

    fn end(&mut self, database: &str, how: &str) -> Result<()> {
        self.end_with(database, how, None)
    }

    fn end_with(&mut self, database: &str, how: &str, between: Option<&str>) -> Result<()> {
        let member = self.0.member(database)?;
        let _engine = member.guard.enter(Role::Engine);
        let failed = |error: rusqlite::Error| {
            Error::new(
                ErrorKind::Sqlite,
                format!("cannot {} {database}: {error}", how.to_lowercase()),
            )
            .caused_by(error)
        };
        member.connection.execute_batch(how).map_err(failed)?;
        let extra = between.map_or(Ok(()), |sql| member.connection.execute_batch(sql));
        member.connection.execute_batch("BEGIN EXCLUSIVE").map_err(failed)?;
        Ok(extra.map_err(failed)?)
    }
}

impl Deref for ManualContext {
    type Target = MigrationContext;

    fn deref(&self) -> &MigrationContext {
        &self.0
    }
}

impl DerefMut for ManualContext {
    fn deref_mut(&mut self) -> &mut MigrationContext {
        &mut self.0
    }
}
