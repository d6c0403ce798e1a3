//! One table changed without losing anything: natively where SQLite can, by a new table where not.
//!
//! SQLite's procedure, corrected where it fails or loses something; the
//! numbers of its steps stand at the lines that take them:
//! <https://sqlite.org/lang_altertable.html#otheralter>. Steps 2, 3, 12 and 13
//! (the transaction, and foreign key violations before and after) are the
//! caller's: the connection is inside a transaction, foreign keys are off.
//! Invariant: an error leaves the database as it was.

mod changes;
mod clauses;
mod copy;
mod cursor;
mod definition;
mod edit;
mod fragment;
mod guard;
mod keep;
mod parser;
mod parts;
mod path;
mod prove;
mod report;
mod shape;
mod splice;
mod target;
#[cfg(test)]
mod tests;

use std::time::Instant;

use rusqlite::Connection;

use crate::error::Error;
use crate::schema::normalise::same_statement;
use crate::schema::tokens::quote_name;

use changes::Change;
pub use changes::{
    AddedColumn, AddedForeignKey, ForeignKeyAction, Place, RebuildApi, TableChanges,
};
use copy::Copying;
use definition::Definition;
use guard::{Pragma, savepoint};
use keep::Kept;
pub(crate) use parts::{ForeignKeyParts, TableParts};
use prove::Surroundings;
pub use report::{RebuildPath, RebuildReport};
use report::{failed_proof, refusal, sqlite_failure};
use shape::Shape;
use target::Target;

/// Changes a table of `main`.
///
/// The connection is inside a transaction with foreign keys off; its caller
/// compares foreign key violations before and after.
pub(crate) fn rebuild(
    connection: &Connection,
    table: &str,
    changes: &TableChanges,
) -> Result<RebuildReport, Error> {
    rebuild_as_of(connection, table, changes, rusqlite::version_number())
}

/// The same, with the native ways of an older SQLite.
fn rebuild_as_of(
    connection: &Connection,
    table: &str,
    changes: &TableChanges,
    sqlite_version: i32,
) -> Result<RebuildReport, Error> {
    let started = Instant::now();
    // Every meaning of the changes has its arm here, and keeps it.
    let RebuildApi::V1 = changes.api();
    if changes.changes().is_empty() {
        return Err(refusal(table, "no change was asked for"));
    }
    // Step 1.
    target::check_foreign_keys_off(connection, table)?;
    let _modern = Pragma::set(connection, "legacy_alter_table", false)?;
    let _checked = Pragma::set(connection, "ignore_check_constraints", false)?;
    let mut report = savepoint(connection, table, "agentos_rebuild", || {
        let target = Target::find(connection, table)?;
        let work = Work { connection, table: &target.name, changes: changes.changes() };
        work.run(sqlite_version)
    })?;
    report.elapsed = started.elapsed();
    Ok(report)
}

/// One table and what is to be done to it.
struct Work<'a> {
    connection: &'a Connection,
    table: &'a str,
    changes: &'a [Change],
}

impl Work<'_> {
    fn run(&self, sqlite_version: i32) -> Result<RebuildReport, Error> {
        let before = self.surroundings()?;
        let renames = self.rename_columns(sqlite_version)?;
        let target = Target::find(self.connection, self.table)?;
        let definition = Definition::parse(self.table, &target.sql)?;
        let shape = self.shape(self.table)?;
        target::check_understood(self.table, &definition, &shape)?;
        let wanted = edit::edited(self.table, &target.sql, self.changes)?;
        let kept =
            self.sqlite("reading what belongs to it", Kept::read(self.connection, self.table))?;
        target::check_indexes_keep_their_columns(self.table, &kept, self.changes)?;

        let mut report = match self.native(&definition, &wanted, sqlite_version)? {
            Some(report) => report,
            None => self.by_new_table(&wanted, &shape, &kept)?,
        };
        report.statements.splice(0..0, renames);
        self.prove(&before, &shape, &definition)?;
        Ok(report)
    }

    /// Lets SQLite rename: it knows every text that names a column.
    fn rename_columns(&self, sqlite_version: i32) -> Result<Vec<String>, Error> {
        let mut statements = Vec::new();
        for change in self.changes {
            let Change::RenameColumn { from, to } = change else { continue };
            if sqlite_version < path::RENAMES_COLUMNS {
                return Err(refusal(self.table, "this SQLite cannot rename columns")
                    .with_hint("use SQLite 3.26 or later"));
            }
            let sql = format!(
                "ALTER TABLE main.{} RENAME COLUMN {} TO {}",
                quote_name(self.table),
                quote_name(from),
                quote_name(to)
            );
            self.execute(&sql, &format!("renaming column `{from}`"))?;
            statements.push(sql);
        }
        Ok(statements)
    }

    /// Takes SQLite's own way, if there is one and it ends where it should.
    fn native(
        &self,
        definition: &Definition<'_>,
        wanted: &str,
        sqlite_version: i32,
    ) -> Result<Option<RebuildReport>, Error> {
        let statements =
            path::native_statements(self.table, definition, self.changes, sqlite_version)?;
        let Some(statements) = statements else { return Ok(None) };
        let outcome = savepoint(self.connection, self.table, "agentos_native", || {
            for sql in &statements {
                self.execute(sql, "`ALTER TABLE`")?;
            }
            let stored = Target::find(self.connection, self.table)?.sql;
            if same_statement(&stored, wanted) {
                Ok(())
            } else {
                Err(failed_proof(self.table, "its definition").detail(stored))
            }
        });
        let mut report = RebuildReport::new(RebuildPath::Native);
        report.statements = statements;
        // What SQLite did not do, or did in another way, a new table does, or says why not.
        Ok(outcome.ok().map(|()| report))
    }

    fn by_new_table(&self, wanted: &str, old: &Shape, kept: &Kept) -> Result<RebuildReport, Error> {
        let mut report = RebuildReport::new(RebuildPath::Rebuild);
        let (connection, table) = (self.connection, self.table);
        let new_name = self.unused_name()?;
        let quoted = format!("main.{}", quote_name(table));
        let quoted_new = format!("main.{}", quote_name(&new_name));

        // Step 5: the edited text under another name; what refers to the
        // table itself already says the final one.
        let wanted = edit::without_qualifiers(table, wanted)?;
        let create = edit::with_name(table, &wanted, &quoted_new)?;
        self.step(create, "creating its new form", &mut report)?;
        let new = self.shape(&new_name)?;
        let copying = copy::plan(table, old, &new, self.changes)?;
        report.notes = self.full_text_notes(&copying)?;

        // Steps 6 and 7: copy named columns, count, and only then drop.
        report.rows_copied = self.copy_rows(&copying, &new_name)?;
        report.statements.push(copying.sql(table, &new_name));
        self.step(format!("DROP TABLE {quoted}"), "dropping its old form", &mut report)?;

        // Step 8: without the legacy mode SQLite would refuse the name while
        // a view or another table's trigger mentions it.
        {
            let _legacy = Pragma::set(connection, "legacy_alter_table", true)?;
            let rename = format!("ALTER TABLE {quoted_new} RENAME TO {}", quote_name(table));
            self.step(rename, "naming its new form", &mut report)?;
        }

        // Steps 9 and 10.
        if Definition::parse(table, &wanted)?.is_autoincrement() {
            kept.restore_sequence(connection, table)?;
        }
        kept.recreate(connection, table, &mut report)?;
        let now = self.shape(table)?;
        kept.restore_statistics(connection, table, (&old.indexes, &now.indexes))?;

        // SQLite writes the name in its own quotes.
        let expected = edit::with_name(table, &wanted, &quote_name(table))?;
        let stored = Target::find(connection, table)?.sql;
        if same_statement(&stored, &expected) {
            Ok(report)
        } else {
            Err(failed_proof(table, "its definition").detail(stored))
        }
    }

    fn copy_rows(&self, copying: &Copying, new_name: &str) -> Result<u64, Error> {
        let count = format!("SELECT count(*) FROM main.{}", quote_name(self.table));
        let counted = self.connection.query_row(&count, [], |row| row.get(0));
        let expected: i64 = self.sqlite("counting its rows", counted)?;
        let copied = self.connection.execute(&copying.sql(self.table, new_name), []);
        let copied = self.sqlite("copying its rows", copied)?;
        if i64::try_from(copied) == Ok(expected) {
            Ok(copied as u64)
        } else {
            Err(failed_proof(self.table, "its rows")
                .detail(format!("{copied} of {expected} would be left")))
        }
    }

    /// Full-text tables find rows by rowid, and do not notice new values.
    fn full_text_notes(&self, copying: &Copying) -> Result<Vec<String>, Error> {
        let readers = prove::full_text_tables(self.connection, self.table);
        let readers = self.sqlite("reading the schema", readers)?;
        if let Some(reader) = readers.first().filter(|_| !copying.keeps_rowids) {
            return Err(refusal(
                self.table,
                &format!("full-text table `{reader}` finds its rows by rowid"),
            )
            .detail("the rowids would change")
            .with_hint("drop the full-text table before, and create it again after"));
        }
        let has_new_values = self.changes.iter().any(|change| {
            matches!(
                change,
                Change::CopyExpression { .. } | Change::SetType { .. } | Change::NewSql { .. }
            )
        });
        let mut notes = Vec::new();
        if !copying.keeps_rowids {
            notes.push(format!("the rowids of `{}` are not those of before", self.table));
        }
        for reader in readers.iter().filter(|_| has_new_values) {
            let name = quote_name(reader);
            notes.push(format!(
                "full-text table `{reader}` still holds the old values: \
                 `INSERT INTO {name}({name}) VALUES ('rebuild')` reads the new ones"
            ));
        }
        Ok(notes)
    }

    /// Step 11.
    fn prove(
        &self,
        before: &Surroundings,
        old: &Shape,
        definition: &Definition<'_>,
    ) -> Result<(), Error> {
        let now = self.shape(self.table)?;
        if let Some(difference) = shape::undeclared_difference(old, &now, self.changes, definition)
        {
            return Err(failed_proof(self.table, "what no change names").detail(difference));
        }
        for change in self.changes {
            let Change::DropColumn { column } = change else { continue };
            let child = prove::child_of_column(self.connection, self.table, column);
            if let Some(child) = self.sqlite("reading foreign keys", child)? {
                return Err(failed_proof(self.table, &format!("a foreign key of `{child}`"))
                    .detail(format!("it points at column `{column}`")));
            }
        }
        before.check_kept(&self.surroundings()?, self.table)
    }

    /// Finds a name that nothing has.
    fn unused_name(&self) -> Result<String, Error> {
        for number in 0_u32.. {
            let name = match number {
                0 => format!("agentos_new_{}", self.table),
                _ => format!("agentos_new_{number}_{}", self.table),
            };
            let is_taken = self.connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE) \
                     OR EXISTS (SELECT 1 FROM temp.sqlite_schema WHERE name = ?1 COLLATE NOCASE)",
                [&name],
                |row| row.get(0),
            );
            if !self.sqlite("looking for a free name", is_taken)? {
                return Ok(name);
            }
        }
        Err(refusal(self.table, "no name is free for its new form"))
    }

    fn surroundings(&self) -> Result<Surroundings, Error> {
        let shape = self.shape(self.table)?;
        self.sqlite(
            "reading what uses it",
            Surroundings::observe(self.connection, self.table, &shape),
        )
    }

    fn shape(&self, table: &str) -> Result<Shape, Error> {
        self.sqlite("reading its columns", Shape::read(self.connection, table))
    }

    fn step(&self, sql: String, doing: &str, report: &mut RebuildReport) -> Result<(), Error> {
        self.execute(&sql, doing)?;
        report.statements.push(sql);
        Ok(())
    }

    fn execute(&self, sql: &str, doing: &str) -> Result<(), Error> {
        self.sqlite(doing, self.connection.execute_batch(sql))
    }

    fn sqlite<T>(&self, doing: &str, outcome: rusqlite::Result<T>) -> Result<T, Error> {
        outcome.map_err(|e| sqlite_failure(self.table, doing, e))
    }
}
