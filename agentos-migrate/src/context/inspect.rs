//! Questions about the schema of a migration's databases.

use rusqlite::OptionalExtension;

use super::MigrationContext;
use crate::error::Result;
use crate::schema::read::{TableColumn, columns};

impl MigrationContext {
    /// Returns whether the table exists.
    ///
    /// # Errors
    ///
    /// A database that the migration does not name; what SQLite says.
    pub fn table_exists(&self, database: &str, table: &str) -> Result<bool> {
        self.object_exists(database, "table", table)
    }

    /// Returns whether the index exists.
    ///
    /// # Errors
    ///
    /// As [`table_exists`](Self::table_exists).
    pub fn index_exists(&self, database: &str, index: &str) -> Result<bool> {
        self.object_exists(database, "index", index)
    }

    /// Returns whether the view exists.
    ///
    /// # Errors
    ///
    /// As [`table_exists`](Self::table_exists).
    pub fn view_exists(&self, database: &str, view: &str) -> Result<bool> {
        self.object_exists(database, "view", view)
    }

    /// Returns whether the trigger exists.
    ///
    /// # Errors
    ///
    /// As [`table_exists`](Self::table_exists).
    pub fn trigger_exists(&self, database: &str, trigger: &str) -> Result<bool> {
        self.object_exists(database, "trigger", trigger)
    }

    /// Returns whether the table exists and has the column, generated ones too.
    ///
    /// # Errors
    ///
    /// As [`table_exists`](Self::table_exists).
    pub fn column_exists(&self, database: &str, table: &str, column: &str) -> Result<bool> {
        let columns = self.table_columns(database, table)?;
        Ok(columns.iter().any(|found| found.name.eq_ignore_ascii_case(column)))
    }

    /// Returns the columns of a table or view, in order; none if there is no such table.
    ///
    /// # Errors
    ///
    /// As [`table_exists`](Self::table_exists).
    pub fn table_columns(&self, database: &str, table: &str) -> Result<Vec<TableColumn>> {
        let member = self.member(database)?;
        super::query::finish_query(member, "PRAGMA table_xinfo", columns(&member.connection, table))
    }

    /// Returns whether the database's file was there before this run.
    ///
    /// # Errors
    ///
    /// A database that the migration does not name.
    pub fn database_existed(&self, database: &str) -> Result<bool> {
        Ok(self.member(database)?.existed)
    }

    fn object_exists(&self, database: &str, kind: &str, name: &str) -> Result<bool> {
        let member = self.member(database)?;
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE";
        let found = member.connection.query_row(sql, [kind, name], |_| Ok(())).optional();
        Ok(super::query::finish_query(member, sql, found)?.is_some())
    }
}
