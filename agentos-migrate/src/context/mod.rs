//! What a migration may do: SQL on its databases, questions, and talk.
//!
//! SQL given for a database runs with that file as `main` of its own
//! connection, so plain SQL means what it says. A database that the
//! migration does not name can't be reached. Nothing here commits; that is
//! the engine's, or [`ManualContext`]'s.

mod counted;
mod inspect;
mod manual;
mod query;
mod statement;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Params;
use rusqlite::types::ToSqlOutput;

use self::counted::Counted;
pub use self::manual::ManualContext;
use self::query::finish_query;
use self::statement::{Place, statement_at};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Progress;
use crate::info::Location;
use crate::report::StatementRun;
use crate::schema::rebuild::{RebuildApi, RebuildReport, TableChanges, rebuild};
use crate::sqlite::guard::Role;
use crate::sqlite::member::Member;

/// The handle that a migration works with.
///
/// # Examples
///
/// ```
/// use agentos_migrate::{MigrationContext, Result};
///
/// fn add_new_field(ctx: &mut MigrationContext) -> Result<()> {
///     if !ctx.column_exists("conversations", "conversations", "new_field")? {
///         ctx.execute("conversations", "ALTER TABLE conversations ADD COLUMN new_field TEXT", [])?;
///     }
///     Ok(())
/// }
/// ```
pub struct MigrationContext {
    members: Vec<Member>,
    settings: Arc<Settings>,
    deletes: Vec<String>,
    records: Cell<bool>,
    statements: RefCell<Vec<StatementRun>>,
    notes: RefCell<Vec<String>>,
    counted: RefCell<Counted>,
}

/// What holds for a whole run.
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) dry_run: bool,
    pub(crate) verbose: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) observer: Observer,
}

/// Who is told what happens while a run goes on.
pub(crate) type Observer = Arc<dyn Fn(&Progress<'_>) + Send + Sync>;

impl MigrationContext {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            members: Vec::new(),
            settings,
            deletes: Vec::new(),
            records: Cell::new(false),
            statements: RefCell::default(),
            notes: RefCell::default(),
            counted: RefCell::default(),
        }
    }

    /// Runs one statement and returns the number of rows that it changed.
    ///
    /// Zero for a statement that is not INSERT, UPDATE, DELETE or REPLACE.
    ///
    /// # Errors
    ///
    /// What SQLite says, with the statement; SQL that the engine keeps to
    /// itself ([`ErrorKind::ForbiddenSql`]); rows that a trigger deleted from
    /// a table that the statement did not name ([`ErrorKind::RowsLost`]); a
    /// database that the migration does not name.
    #[track_caller]
    pub fn execute(&mut self, database: &str, sql: &str, params: impl Params) -> Result<usize> {
        let member = self.member(database)?;
        Ok(self.run(member, sql, Location::caller(), |statement| statement.execute(params))?)
    }

    /// Runs one statement for each row of parameters; returns the number of rows changed in all.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); the rows before the failing one are rolled back with the migration.
    #[track_caller]
    pub fn execute_many<P: Params>(
        &mut self,
        database: &str,
        sql: &str,
        rows: impl IntoIterator<Item = P>,
    ) -> Result<usize> {
        let member = self.member(database)?;
        Ok(self.run(member, sql, Location::caller(), |statement| {
            let mut total = 0;
            for row in rows {
                total += statement.execute(row)?;
            }
            Ok(total)
        })?)
    }

    /// Runs several statements, separated by semicolons; returns the number of rows changed in all.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute), with the statement that failed.
    #[track_caller]
    pub fn execute_batch(&mut self, database: &str, sql: &str) -> Result<usize> {
        let member = self.member(database)?;
        Ok(self.run_batch(member, sql, &Place::Call(Location::caller()))?)
    }

    /// Runs every statement of a file of the crate, which is told where one fails.
    pub(crate) fn execute_file(
        &mut self,
        database: &str,
        file: &'static str,
        sql: &str,
    ) -> Result<()> {
        let member = self.member(database)?;
        self.run_batch(member, sql, &Place::File(file))?;
        Ok(())
    }

    /// Moves what `select` gives on one database into another, row by row, and returns the count.
    ///
    /// `insert` takes as many parameters as `select` gives columns. Both
    /// databases are in the one transaction; memory does not grow with the rows.
    ///
    /// # Errors
    ///
    /// What SQLite says of either statement; another number of parameters than of columns; one
    /// database for both, where the reading would meet what is written.
    #[track_caller]
    pub fn copy_rows(&mut self, from: &str, select: &str, to: &str, insert: &str) -> Result<usize> {
        let (source, target) = (self.member(from)?, self.member(to)?);
        if from == to {
            return Err(copies_into_itself(from).into());
        }
        let mut reading = finish_query(source, select, source.connection.prepare(select))?;
        let columns = reading.column_count();
        let mut rows = finish_query(source, select, reading.query([]))?;
        let mut count = 0;
        self.run(target, insert, Location::caller(), |inserting| {
            let parameters = inserting.parameter_count();
            // What is not bound is NULL, without a word.
            if parameters != columns {
                return Err(rusqlite::Error::InvalidParameterCount(columns, parameters));
            }
            while let Some(row) = rows.next()? {
                for column in 0..columns {
                    inserting.raw_bind_parameter(
                        column + 1,
                        ToSqlOutput::Borrowed(row.get_ref(column)?),
                    )?;
                }
                inserting.raw_execute()?;
                count += 1;
            }
            Ok(count)
        })?;
        Ok(count)
    }

    /// Changes what `ALTER TABLE` cannot, and loses nothing; says how it was done.
    ///
    /// Every index, trigger, view and foreign key that concerns the table
    /// stays; what would be lost is refused, and the table left as it was.
    ///
    /// The changes mean what they mean in [`RebuildApi::V1`], for ever: another meaning is another
    /// method, so that a migration that was released does what it did.
    ///
    /// # Errors
    ///
    /// A change that has no meaning for this table, rows that the new
    /// definition does not allow, a proof that fails; a database that the
    /// migration does not name.
    ///
    /// # Examples
    ///
    /// ```
    /// use agentos_migrate::{MigrationContext, Result};
    ///
    /// fn require_titles(ctx: &mut MigrationContext) -> Result<()> {
    ///     ctx.rebuild_table("conversations", "conversations", |table| {
    ///         table.set_not_null("title").copy_expr("title", "coalesce(title, '')");
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn rebuild_table(
        &mut self,
        database: &str,
        table: &str,
        describe: impl FnOnce(&mut TableChanges),
    ) -> Result<RebuildReport> {
        let member = self.member(database)?;
        let mut changes = TableChanges::new(RebuildApi::V1);
        describe(&mut changes);
        let outcome = {
            let _engine = member.guard.enter(Role::Engine);
            rebuild(&member.connection, table, &changes)
        };
        let place = Location::caller();
        let report = outcome.map_err(|error| {
            error.detail(format!("database  {database}")).detail(statement_at(place))
        })?;
        self.keep_rebuild(member, &report, place);
        for text in &report.notes {
            self.note(text);
        }
        Ok(report)
    }

    /// Runs `work` in a savepoint of one database: if it fails, that database is as before it.
    ///
    /// # Errors
    ///
    /// The error of `work`, after the rollback; what SQLite says of the savepoint.
    pub fn savepoint<T>(
        &mut self,
        database: &str,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.control(database, "SAVEPOINT agentos_migrate_nested")?;
        let outcome = work(self);
        if outcome.is_err() {
            self.control(database, "ROLLBACK TO agentos_migrate_nested")?;
        }
        self.control(database, "RELEASE agentos_migrate_nested")?;
        outcome
    }

    fn control(&self, database: &str, sql: &str) -> Result<()> {
        let member = self.member(database)?;
        member
            .connection
            .execute_batch(sql)
            .map_err(|error| member.guard.explain(database, sql, error))?;
        Ok(())
    }

    /// Returns the data directory.
    pub fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// Returns the path of a database's file.
    ///
    /// It is for showing, and for files beside it. To open the database by it, even to read it as bytes, takes
    /// the run's locks away as soon as it is closed, and other programs write into the transaction
    /// (<https://sqlite.org/howtocorrupt.html>, 2.2).
    ///
    /// # Errors
    ///
    /// A database that the migration does not name.
    pub fn db_path(&self, database: &str) -> Result<&Path> {
        Ok(&self.member(database)?.path)
    }

    /// Returns whether this run keeps nothing.
    pub fn dry_run(&self) -> bool {
        self.settings.dry_run
    }

    /// Returns whether the caller asked for detail.
    pub fn verbose(&self) -> bool {
        self.settings.verbose
    }

    /// Returns what the caller said of this run.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.settings.metadata
    }

    /// Tells how far the work is, in any unit.
    pub fn progress(&self, done: u64, total: u64) {
        (self.settings.observer)(&Progress::Step { done, total });
    }

    /// Says something to the person who watches; kept in the event log.
    pub fn note(&self, text: &str) {
        (self.settings.observer)(&Progress::Note { text });
        self.notes.borrow_mut().push(text.to_owned());
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn members_mut(&mut self) -> &mut Vec<Member> {
        &mut self.members
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Makes the declared databases reachable, and nothing else; forgets what the migration before did.
    pub(crate) fn begin_migration(&mut self, databases: &[&str], deletes: &[&str]) {
        for member in &mut self.members {
            member.in_reach = databases.contains(&member.database.as_str());
            member.guard.begin_migration();
        }
        self.deletes = deletes.iter().map(|table| (*table).to_owned()).collect();
        self.statements.borrow_mut().clear();
        self.notes.borrow_mut().clear();
        self.counted.borrow_mut().clear();
    }

    /// Starts to keep the statements that run, for a rehearsal.
    pub(crate) fn keep_statements(&self) {
        self.records.set(true);
    }

    pub(crate) fn take_statements(&self) -> Vec<StatementRun> {
        std::mem::take(&mut self.statements.borrow_mut())
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.borrow_mut())
    }

    fn member(&self, database: &str) -> Result<&Member, Error> {
        let found =
            self.members.iter().find(|member| member.in_reach && member.database == database);
        found.ok_or_else(|| {
            let reachable: Vec<&str> = self
                .members
                .iter()
                .filter(|member| member.in_reach)
                .map(|member| member.database.as_str())
                .collect();
            Error::new(
                ErrorKind::ForbiddenSql,
                format!("this migration does not name the database `{database}`"),
            )
            .detail(format!("it names {}", reachable.join(", ")))
            .with_hint(format!(
                "add it: `databases = [\"{}\", \"{database}\"]`",
                reachable.join("\", \"")
            ))
        })
    }
}

fn copies_into_itself(database: &str) -> Error {
    let text = format!("`copy_rows` is for two databases, and both are `{database}`");
    Error::new(ErrorKind::ForbiddenSql, text)
        .detail("rows that are written would be read again, without an end")
        .with_hint("write it as one statement: `INSERT INTO … SELECT …`")
}

impl std::fmt::Debug for MigrationContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let databases: Vec<&str> =
            self.members.iter().map(|member| member.database.as_str()).collect();
        f.debug_struct("MigrationContext").field("databases", &databases).finish_non_exhaustive()
    }
}
