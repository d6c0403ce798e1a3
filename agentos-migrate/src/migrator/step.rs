//! One step: the migration's own work, and the engine's record of it.

use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::run::{Run, interrupted};
use super::time::now;
use crate::context::{ManualContext, MigrationContext};
use crate::error::{Error, ErrorKind, MigrationError};
use crate::event::{Event, EventKind, Progress};
use crate::info::{MigrationInfo, TransactionMode};
use crate::migration::{Migration, Step as Body};
use crate::plan::{Direction, Step};
use crate::report::{MigrationResult, Validation};
use crate::sqlite::failure::{kind_of, on_file};
use crate::sqlite::guard::{Role, Scope};
use crate::sqlite::history_table;
use crate::sqlite::schema_version::{self, Versions};
use crate::sqlite::vfs::CommitError;

impl Run<'_> {
    /// Runs one step in the open transaction and records it there.
    ///
    /// Its result joins the report, also when it fails.
    pub(super) fn perform(&mut self, step: &Step) -> Result<(), Error> {
        let registry = self.migrator.registry().clone();
        let migration =
            registry.migration(&step.version).expect("a plan names compiled migrations");
        let info = migration.info();
        self.migrator.tell(&Progress::MigrationStarted {
            version: &info.version,
            name: &info.name,
            direction: step.direction,
        });
        let before = self.look(&info.databases)?;
        let started = Instant::now();
        let outcome =
            self.mark_unfinished(step, migration).and_then(|()| self.work(step, migration));
        let execution_time_ms = started.elapsed().as_secs_f64() * 1_000.0;
        let mut result = MigrationResult {
            version: info.version.to_string(),
            name: info.name.to_string(),
            direction: step.direction,
            success: outcome.is_ok(),
            execution_time_ms,
            error_message: None,
            checksum: info.checksum.to_string(),
            applied_at: now(),
            rehearsal: self.compare(
                before,
                &info.databases,
                validation(step, migration, outcome.as_ref().err()),
            )?,
        };
        let outcome = outcome.and_then(|()| self.record(step, info, &result));
        if let Err(error) = &outcome {
            result.success = false;
            result.error_message = Some(with_details(error));
        }
        self.report.results.push(result);
        outcome
    }

    fn work(&mut self, step: &Step, migration: &Migration) -> Result<(), Error> {
        let info = migration.info();
        let body = match step.direction {
            Direction::Upgrade => &migration.upgrade,
            Direction::Downgrade => {
                migration.downgrade.as_ref().expect("a plan reverts what has a downgrade")
            }
        };
        let databases: Vec<&str> = info.databases.to_vec();
        self.context.begin_migration(&databases, &info.deletes);
        {
            let _scopes = enter(&self.context, Role::Migration);
            self.call(body).map_err(|error| describe(error, step, info))?;
        }
        self.refuse_lost_transaction(step, info)?;
        if info.transaction == TransactionMode::Atomic {
            let unseen = self.context.refuse_rows_lost_unseen();
            unseen.map_err(|error| describe(error.into(), step, info))?;
        }
        if step.direction == Direction::Upgrade {
            self.validate(migration, info)?;
        }
        self.tidy(info)
    }

    /// Calls a migration's function; a panic is an error.
    fn call(&mut self, body: &Body) -> Result<(), MigrationError> {
        let context = &mut self.context;
        let outcome = catch_unwind(AssertUnwindSafe(|| match body {
            Body::Atomic(function) => function(context),
            Body::AtomicDynamic(closure) => closure(context),
            Body::Manual(function) => {
                let empty = MigrationContext::new(std::sync::Arc::clone(context.settings()));
                let mut manual = ManualContext::new(std::mem::replace(context, empty));
                let outcome = catch_unwind(AssertUnwindSafe(|| function(&mut manual)));
                *context = manual.into_inner();
                outcome.unwrap_or_else(|panic| Err(panicked(&*panic)))
            }
        }));
        outcome.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    fn validate(&mut self, migration: &Migration, info: &MigrationInfo) -> Result<(), Error> {
        let Some(check) = &migration.validate else { return Ok(()) };
        let _scopes = enter(&self.context, Role::Validation);
        let context = &self.context;
        let outcome = catch_unwind(AssertUnwindSafe(|| check.run(context)));
        match outcome.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::new(
                ErrorKind::ValidationFailed,
                format!("the validation of {} `{}` says no", info.version, info.name),
            )
            .detail(format!("migration at {}", info.location))
            .with_hint("run `upgrade --dry-run -v` to see what the migration does")),
            Err(error) => {
                let cause = error.to_string();
                Err(Error::new(
                    ErrorKind::ValidationFailed,
                    format!("the validation of {} `{}` failed: {cause}", info.version, info.name),
                )
                .detail(format!("migration at {}", info.location))
                .caused_by(error.into_boxed()))
            }
        }
    }

    fn refuse_lost_transaction(&self, step: &Step, info: &MigrationInfo) -> Result<(), Error> {
        match self.context.members().iter().find(|member| !member.is_in_transaction()) {
            None => Ok(()),
            Some(member) => {
                let message = format!("the transaction on {} is gone", member.database);
                let error = Error::new(ErrorKind::ForbiddenSql, message).with_hint(
                    "write `OR ABORT` instead of `OR ROLLBACK`, and `RAISE(ABORT, …)` in triggers",
                );
                Err(describe(error.into(), step, info))
            }
        }
    }

    /// Takes away what a migration must not leave to the next one on its connections.
    fn tidy(&self, info: &MigrationInfo) -> Result<(), Error> {
        for member in self
            .context
            .members()
            .iter()
            .filter(|member| member.in_reach && member.guard.leaves_traces())
        {
            let failed =
                |error| on_file(error, &format!("tidy up after {} in", info.version), &member.path);
            member.connection.execute_batch("PRAGMA legacy_alter_table = OFF").map_err(failed)?;
            let sql = "SELECT type, name FROM sqlite_temp_schema WHERE type IN ('table', 'view')";
            let mut statement = member.connection.prepare(sql).map_err(failed)?;
            let left = statement
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
            let left: Vec<_> = left.and_then(Iterator::collect).map_err(failed)?;
            for (kind, name) in left {
                let name = crate::schema::tokens::quote_name(&name);
                member
                    .connection
                    .execute_batch(&format!("DROP {kind} temp.{name}"))
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Before an author commits by himself: a crash in the middle must not look like "never ran".
    fn mark_unfinished(&mut self, step: &Step, migration: &Migration) -> Result<(), Error> {
        let info = migration.info();
        if info.transaction != TransactionMode::Manual || step.direction != Direction::Upgrade {
            return Ok(());
        }
        let unfinished = crate::history::AppliedMigration {
            version: info.version.to_string(),
            name: info.name.to_string(),
            applied_at: now(),
            checksum: info.checksum.to_string(),
            success: false,
            execution_time_ms: 0.0,
            error_message: Some("did not finish".to_owned()),
        };
        self.session.write_row(&unfinished)?;
        match self.session.commit(self.context.members_mut(), None) {
            Ok(()) => {
                self.session.begin_again(self.context.members(), self.migrator.options().wait)
            }
            Err(CommitError::RolledBack(error) | CommitError::DurabilityUnknown(error)) => {
                Err(error)
            }
        }
    }

    /// Records a step in its databases and in the history, in the same transaction.
    fn record(
        &mut self,
        step: &Step,
        info: &MigrationInfo,
        result: &MigrationResult,
    ) -> Result<(), Error> {
        let table = self.migrator.registry().schema_version_table();
        for member in self.context.members().iter().filter(|member| member.in_reach) {
            let failed = |error| on_file(error, "record the version in", &member.path);
            if step.direction == Direction::Downgrade {
                schema_version::forget(&member.connection, table, info).map_err(failed)?;
                self.versions.remove(&member.database);
                continue;
            }
            let written = member.guard.wrote_version();
            if written {
                self.versions.remove(&member.database);
            }
            let versions = match self.versions.entry(member.database.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    unknown.insert(Versions::read(&member.connection, table).map_err(failed)?)
                }
            };
            versions
                .record(&member.connection, table, info, &result.applied_at, written)
                .map_err(failed)?;
        }
        let kind = match step.direction {
            Direction::Upgrade if step.is_forced() => EventKind::Forced,
            Direction::Upgrade => EventKind::Applied,
            Direction::Downgrade => EventKind::Reverted,
        };
        let notes = self.context.take_notes();
        let event = Event {
            note: (!notes.is_empty()).then(|| notes.join("\n")),
            ..self.migrator.event(kind, result, self.report.backup_id.as_deref())
        };
        let row = match step.direction {
            Direction::Upgrade => Some(result.row()),
            Direction::Downgrade => None,
        };
        match &row {
            Some(row) => self.history.set(row.clone()),
            None => self.history.remove(&info.version),
        }
        self.entries.push(history_table::Entry { version: result.version.clone(), row, event });
        Ok(())
    }
}

/// Says what came of a migration's validation.
fn validation(step: &Step, migration: &Migration, error: Option<&Error>) -> Validation {
    match error.map(Error::kind) {
        _ if migration.validate.is_none() || step.direction == Direction::Downgrade => {
            Validation::Absent
        }
        None => Validation::Passed,
        Some(ErrorKind::ValidationFailed) => Validation::Failed,
        Some(_) => Validation::NotReached,
    }
}

fn enter(context: &MigrationContext, role: Role) -> Vec<Scope> {
    context.members().iter().map(|member| member.guard.enter(role)).collect()
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> MigrationError {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    MigrationError::msg(format!(
        "it panicked: {}",
        text.unwrap_or("with something that is no text")
    ))
}

/// Says which migration failed, and keeps the kind, the details and the hint of the cause.
fn describe(error: MigrationError, step: &Step, info: &MigrationInfo) -> Error {
    let verb = match step.direction {
        Direction::Upgrade => "failed",
        Direction::Downgrade => "could not be reverted",
    };
    let cause = error.into_boxed();
    let ours = cause.downcast_ref::<Error>();
    let sqlite = cause.downcast_ref::<rusqlite::Error>().or_else(|| {
        ours.and_then(|error| std::error::Error::source(error))
            .and_then(|source| source.downcast_ref())
    });
    let kind = match (ours.map(Error::kind), sqlite.map(kind_of)) {
        (
            _,
            Some(
                kind @ (ErrorKind::DiskFull
                | ErrorKind::DamagedDatabase
                | ErrorKind::Busy
                | ErrorKind::PermissionDenied
                | ErrorKind::Io),
            ),
        ) => kind,
        (_, Some(ErrorKind::Interrupted)) => {
            return interrupted().detail(format!("during {} `{}`", info.version, info.name));
        }
        (Some(kind), _) if kind != ErrorKind::Sqlite => kind,
        _ => ErrorKind::MigrationFailed,
    };
    let mut described =
        Error::new(kind, format!("migration {} `{}` {verb}: {cause}", info.version, info.name));
    for detail in ours.map(Error::details).unwrap_or_default() {
        described = described.detail(detail);
    }
    described = described.detail(format!("migration at {}", info.location));
    if let Some(hint) =
        ours.and_then(Error::hint).or_else(|| crate::sqlite::failure::hint_for(kind))
    {
        described = described.with_hint(hint);
    }
    described.caused_by(cause)
}

fn with_details(error: &Error) -> String {
    let details = error.details().iter().map(|line| format!("\n  {line}"));
    std::iter::once(error.to_string()).chain(details).collect()
}
