//! Running a statement of a migration, watched.
//!
//! Around every statement: the rows of tables that a trigger may empty are
//! counted, the transaction is seen to be still open, and a rehearsal keeps
//! the text.

use std::time::{Duration, Instant};

use fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Statement};

use super::MigrationContext;
use crate::error::{Error, ErrorKind};
use crate::info::Location;
use crate::report::StatementRun;
use crate::schema::rebuild::RebuildReport;
use crate::schema::tokens::quote_name;
use crate::sqlite::guard::{Role, one_line};
use crate::sqlite::member::Member;

/// Where the text of several statements stands.
pub(super) enum Place {
    /// In a call: its statements are there, wherever the text is from.
    Call(Location),
    /// In an SQL file, from its first line.
    File(&'static str),
}

impl Place {
    /// Returns where the statement behind `before` is; white space and comments in front are no part of it.
    fn of(&self, before: &str, statement: &str) -> Location {
        match self {
            Self::Call(location) => *location,
            Self::File(file) => {
                let blank = blank_in_front(statement);
                let lines = before.matches('\n').count() + statement[..blank].matches('\n').count();
                Location { file, line: u32::try_from(lines + 1).unwrap_or(u32::MAX) }
            }
        }
    }
}

/// Returns how many bytes of white space and comments a statement begins with.
fn blank_in_front(statement: &str) -> usize {
    let mut rest = statement;
    loop {
        rest = rest.trim_start();
        let end = if rest.starts_with("--") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2)
        } else {
            return statement.len() - rest.len();
        };
        rest = &rest[end.unwrap_or(rest.len())..];
    }
}

/// Says where the statement of an error stands.
pub(super) fn statement_at(place: Location) -> String {
    format!("statement at {place}")
}

impl MigrationContext {
    /// Runs one statement by `work`, which counts the rows that it changes.
    pub(super) fn run(
        &self,
        member: &Member,
        sql: &str,
        place: Location,
        work: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<usize>,
    ) -> Result<usize, Error> {
        member.guard.take_changes_rows();
        let mut statement = member.connection.prepare(sql).map_err(|error| {
            member.guard.explain(&member.database, sql, error).detail(statement_at(place))
        })?;
        self.run_prepared(member, &mut statement, place, work, |_| sql.to_owned())
    }

    /// Runs every statement of a text.
    pub(super) fn run_batch(
        &self,
        member: &Member,
        sql: &str,
        place: &Place,
    ) -> Result<usize, Error> {
        let mut batch = Batch::new(&member.connection, sql);
        let mut changed = 0;
        let mut done = 0;
        loop {
            member.guard.take_changes_rows();
            let next = batch.next().map_err(|error| {
                let place = place.of(&sql[..done], &sql[done..]);
                member.guard.explain(&member.database, sql, error).detail(statement_at(place))
            })?;
            let Some(mut statement) = next else { return Ok(changed) };
            let step_through = |statement: &mut Statement<'_>| {
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
                Ok(usize::try_from(member.connection.changes()).unwrap_or(usize::MAX))
            };
            // Nothing is bound in a batch, so this is the statement as written.
            let own = statement.expanded_sql().unwrap_or_else(|| sql.to_owned());
            let start = done + sql[done..].find(&own).unwrap_or_default();
            done = (start + own.len()).min(sql.len());
            let place = place.of(&sql[..start], &own);
            changed +=
                self.run_prepared(member, &mut statement, place, step_through, |_| own.clone())?;
        }
    }

    /// `text` gives the statement's text, where one is needed.
    fn run_prepared(
        &self,
        member: &Member,
        statement: &mut Statement<'_>,
        place: Location,
        work: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<usize>,
        text: impl Fn(&Statement<'_>) -> String,
    ) -> Result<usize, Error> {
        let at_place = |error: Error| error.detail(statement_at(place));
        let changes_rows = member.guard.take_changes_rows();
        let at_risk = self.count_rows_at_risk(member)?;
        let started = Instant::now();
        let outcome = work(statement);
        let elapsed = started.elapsed();
        let changed = outcome.map_err(|error| {
            at_place(member.guard.explain(&member.database, &text(statement), error))
        })?;
        if !member.is_in_transaction() {
            return Err(at_place(lost_transaction(member, &text(statement))));
        }
        // What does not change rows repeats the count of an earlier statement.
        let changed = if changes_rows { changed } else { 0 };
        if !at_risk.is_empty() {
            refuse_lost_rows(member, &text(statement), &at_risk).map_err(at_place)?;
        }
        if self.records.get() {
            let database = member.database.clone();
            self.statements.borrow_mut().push(StatementRun {
                database,
                sql: text(statement),
                rows: changed,
                elapsed,
                place,
                by_rebuild: false,
            });
        }
        Ok(changed)
    }

    /// Keeps the statements by which a table was changed, for a rehearsal.
    pub(super) fn keep_rebuild(&self, member: &Member, report: &RebuildReport, place: Location) {
        if !self.records.get() {
            return;
        }
        let mut statements = self.statements.borrow_mut();
        for sql in &report.statements {
            // Rows and time are known of the whole only; the copy is what takes it.
            let (rows, elapsed) = if sql.starts_with("INSERT") {
                (usize::try_from(report.rows_copied).unwrap_or(usize::MAX), report.elapsed)
            } else {
                (0, Duration::ZERO)
            };
            let database = member.database.clone();
            let sql = sql.clone();
            statements.push(StatementRun { database, sql, rows, elapsed, place, by_rebuild: true });
        }
    }

    /// Counts the tables from which the statement just compiled may delete through a trigger.
    fn count_rows_at_risk(&self, member: &Member) -> Result<Vec<AtRisk>, Error> {
        let mut counted = Vec::new();
        for (table, trigger) in member.guard.take_deletes_by_trigger() {
            if self.deletes.iter().any(|declared| declared.eq_ignore_ascii_case(&table)) {
                continue;
            }
            let rows = count(member, &table)?;
            counted.push(AtRisk { table, trigger, rows });
        }
        Ok(counted)
    }
}

/// A table that may lose rows which no statement names.
struct AtRisk {
    table: String,
    trigger: String,
    rows: Option<i64>,
}

/// Returns the number of rows, or nothing if the table is gone.
pub(super) fn count(member: &Member, table: &str) -> Result<Option<i64>, Error> {
    let _engine = member.guard.enter(Role::Engine);
    let sql = format!("SELECT count(*) FROM {}", quote_name(table));
    match member.connection.query_row(&sql, [], |row| row.get(0)) {
        Ok(rows) => Ok(Some(rows)),
        Err(rusqlite::Error::SqliteFailure(_, Some(text))) if text.starts_with("no such table") => {
            Ok(None)
        }
        Err(rusqlite::Error::SqlInputError { msg, .. }) if msg.starts_with("no such table") => {
            Ok(None)
        }
        Err(error) => Err(member.guard.explain(&member.database, &sql, error)),
    }
}

fn refuse_lost_rows(member: &Member, sql: &str, at_risk: &[AtRisk]) -> Result<(), Error> {
    for AtRisk { table, trigger, rows } in at_risk {
        let (Some(before), Some(after)) = (rows, count(member, table)?) else { continue };
        if after < *before {
            let error = lost_rows(member, table, trigger, before - after);
            return Err(error.detail(format!("statement: {}", one_line(sql))));
        }
    }
    Ok(())
}

/// Says which rows are gone, and how they may be.
pub(super) fn lost_rows(member: &Member, table: &str, trigger: &str, lost: i64) -> Error {
    let text = format!(
        "{lost} row(s) of table {table} in {} disappeared through trigger {trigger}",
        member.database
    );
    Error::new(ErrorKind::RowsLost, text)
        .with_hint(format!("if that is meant, declare it: `deletes = [\"{table}\"]`"))
}

/// Says that SQLite rolled the member back by itself.
fn lost_transaction(member: &Member, sql: &str) -> Error {
    Error::new(
        ErrorKind::ForbiddenSql,
        format!("a statement rolled back the whole transaction on {}", member.database),
    )
    .detail(format!("statement: {}", one_line(sql)))
    .with_hint("write `OR ABORT` instead of `OR ROLLBACK`, and `RAISE(ABORT, …)` in triggers")
}
