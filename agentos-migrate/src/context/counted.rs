//! Rows that disappear while a migration holds the connection itself.
//!
//! A statement that goes through the context is watched by itself. What runs on the connection is
//! not seen; so the tables are counted when it is handed out, and once more at the end.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::MigrationContext;
use super::statement::{count, lost_rows};
use crate::error::{Error, Result};
use crate::sqlite::contents;
use crate::sqlite::guard::Role;
use crate::sqlite::member::Member;

/// Rows by database and table.
pub(super) type Counted = BTreeMap<String, BTreeMap<String, i64>>;

impl MigrationContext {
    /// Returns the connection itself, for code that wants one. The same guard holds.
    ///
    /// Rows that a trigger deletes are found at the end of the migration. A rehearsal does not
    /// show what runs here.
    ///
    /// # Errors
    ///
    /// A database that the migration does not name; what SQLite says while rows are counted.
    pub fn connection(&self, database: &str) -> Result<&Connection> {
        let member = self.member(database)?;
        self.count_before(member)?;
        Ok(&member.connection)
    }

    /// Counts the rows of a database, once in a migration, if it has triggers that could delete any.
    pub(super) fn count_before(&self, member: &Member) -> Result<(), Error> {
        let mut counted = self.counted.borrow_mut();
        if counted.contains_key(&member.database) {
            return Ok(());
        }
        let _engine = member.guard.enter(Role::Engine);
        let rows = contents::rows_at_risk(&member.connection)
            .map_err(|error| member.guard.explain(&member.database, "counting rows", error))?;
        counted.insert(member.database.clone(), rows);
        Ok(())
    }

    /// Refuses a migration by whose work on the connection a trigger deleted rows that nobody named.
    pub(crate) fn refuse_rows_lost_unseen(&self) -> Result<(), Error> {
        for member in self.members.iter().filter(|member| member.in_reach) {
            let counted = self.counted.borrow();
            let Some(rows) = counted.get(&member.database) else { continue };
            for (table, trigger) in member.guard.deleted_by_trigger() {
                let is_declared =
                    self.deletes.iter().any(|declared| declared.eq_ignore_ascii_case(&table));
                let before = rows.get(&table.to_ascii_lowercase()).filter(|_| !is_declared);
                if let (Some(before), Some(after)) = (before, count(member, &table)?)
                    && after < *before
                {
                    return Err(lost_rows(member, &table, &trigger, before - after)
                        .detail("statement: one that ran on the connection itself"));
                }
            }
        }
        Ok(())
    }
}
