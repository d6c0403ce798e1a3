//! Reading: the queries of a migration, whose errors say where they stand.

use rusqlite::{Params, Row};

use super::MigrationContext;
use super::statement::statement_at;
use crate::error::{Error, ErrorKind, Result};
use crate::info::Location;
use crate::sqlite::guard::one_line;
use crate::sqlite::member::Member;

impl MigrationContext {
    /// Returns what `read` makes of the first row.
    ///
    /// # Errors
    ///
    /// What SQLite says; no row is an error.
    #[track_caller]
    pub fn query_row<T>(
        &self,
        database: &str,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let member = self.member(database)?;
        let outcome = member.connection.query_row(sql, params, read);
        finish_query(member, sql, outcome)
    }

    /// Returns what `read` makes of the only row.
    ///
    /// # Errors
    ///
    /// What SQLite says; no row, and more than one, is an error.
    #[track_caller]
    pub fn query_one<T>(
        &self,
        database: &str,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let member = self.member(database)?;
        let outcome = member.connection.prepare(sql).and_then(|mut statement| {
            let mut rows = statement.query(params)?;
            let value = match rows.next()? {
                Some(row) => read(row)?,
                None => return Err(rusqlite::Error::QueryReturnedNoRows),
            };
            Ok((value, rows.next()?.is_some()))
        });
        let (value, more) = finish_query(member, sql, outcome)?;
        if more {
            let message = format!("a query on {database} returned more than one row");
            let error = Error::new(ErrorKind::Sqlite, message);
            return Err(error
                .detail(format!("statement: {}", one_line(sql)))
                .detail(statement_at(Location::caller()))
                .into());
        }
        Ok(value)
    }

    /// Returns what `read` makes of each row.
    ///
    /// # Errors
    ///
    /// What SQLite says, or the first error of `read`.
    #[track_caller]
    pub fn query_map<T>(
        &self,
        database: &str,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let member = self.member(database)?;
        let outcome = member.connection.prepare(sql).and_then(|mut statement| {
            let rows = statement.query_map(params, read)?;
            rows.collect()
        });
        finish_query(member, sql, outcome)
    }
}

/// Explains what SQLite said of a query, and where it stands.
#[track_caller]
pub(super) fn finish_query<T>(
    member: &Member,
    sql: &str,
    outcome: rusqlite::Result<T>,
) -> Result<T> {
    let place = Location::caller();
    Ok(outcome.map_err(|error| {
        member.guard.explain(&member.database, sql, error).detail(statement_at(place))
    })?)
}
