//! Questions about the schema of a migration's databases.

use rusqlite::OptionalExtension;

use super::MigrationContext;
use crate::error::Result;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableColumn {
    /// The name.
    pub name: String,
    /// The declared type, as written; empty if none is.
    pub declared_type: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The default as SQL text.
    pub default: Option<String>,
    /// The place in the primary key from 1, or 0.
    pub primary_key: u32,
    /// Whether it is stored, generated or hidden.
    pub visibility: Visibility,
}

/// Whether a column is stored, generated or hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Visibility {
    /// An ordinary column.
    Ordinary,
    /// A hidden column of a virtual table.
    Hidden,
    /// Computed when it is read.
    GeneratedVirtual,
    /// Computed when the row is written.
    GeneratedStored,
}

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
        let sql = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid";
        self.query_map(database, sql, [table], |row| {
            Ok(TableColumn {
                name: row.get(0)?,
                declared_type: row.get(1)?,
                not_null: row.get(2)?,
                default: row.get(3)?,
                primary_key: row.get(4)?,
                visibility: match row.get(5)? {
                    1 => Visibility::Hidden,
                    2 => Visibility::GeneratedVirtual,
                    3 => Visibility::GeneratedStored,
                    0 | i32::MIN.. => Visibility::Ordinary,
                },
            })
        })
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
        Ok(super::finish_query(member, sql, found)?.is_some())
    }
}
