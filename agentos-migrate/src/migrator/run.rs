//! Carrying out a plan: lock, decide, back up, steps, report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::failure::RunFailure;
use super::preflight::Ground;
use super::questions;
use super::{CommitMode, Migrator};
use crate::context::MigrationContext;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind, Progress};
use crate::history::History;
use crate::info::TransactionMode;
use crate::plan::{Plan, Step};
use crate::report::{MigrationResult, Report};
use crate::sqlite::directory::refuse_unusable;
use crate::sqlite::failure::on_file;
use crate::sqlite::foreign_keys::{self, Violations};
use crate::sqlite::guard::Role;
use crate::sqlite::history_table;
use crate::sqlite::orphans;
use crate::sqlite::schema_version::Versions;
use crate::sqlite::session::{self, Opening, Session};
use crate::sqlite::vfs::CommitError;
use crate::status::Status;

/// What a run is decided on.
struct Prepared {
    plan: Plan,
    history: History,
    ground: Ground,
    backup_id: Option<String>,
}

impl Migrator {
    /// Locks, decides, backs up and runs.
    pub(super) fn act(
        &self,
        decide: impl Fn(&Status) -> Result<Plan, Error>,
    ) -> Result<Report, RunFailure> {
        self.registry.check()?;
        refuse_unusable(&self.data_dir)?;
        if self.has_nothing_to_do(&decide).map_err(Error::or_unchanged)? {
            return Ok(Report::default());
        }
        let lock = self.lock()?;
        self.tell(&Progress::Locked { data_dir: &self.data_dir });
        let Prepared { plan, history, ground, backup_id } = match self.prepare(&decide) {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return Ok(Report::default()),
            Err(error) => return Err(error.or_unchanged().into()),
        };
        let outcome = self.run(&plan, &ground, history, backup_id.as_deref());
        let outcome = match outcome {
            Ok(report) => match self.clean_backups() {
                Ok(()) => Ok(report),
                Err(error) => {
                    let error =
                        error.in_state("the run is committed; old backups are not all removed");
                    Err(RunFailure { error, report })
                }
            },
            // Whoever is dead cleans nothing up.
            Err(failure) if self.dying.is_some() => Err(failure),
            Err(failure) => Err(self.clean_after(failure)),
        };
        drop(lock);
        outcome
    }

    /// Everything under the run lock that comes before the first write; nothing if there is nothing to do.
    fn prepare(
        &self,
        decide: &impl Fn(&Status) -> Result<Plan, Error>,
    ) -> Result<Option<Prepared>, Error> {
        self.recover_locked()?;
        let history = questions::history(&self.data_dir, self.options.wait)?;
        let plan = decide(&Status::of(&self.infos(), &history))?;
        self.refuse_lost_databases(&history)?;
        if plan.steps.is_empty() {
            self.refuse_lost_history(&history)?;
            return Ok(None);
        }
        let ground = self.inspect(&plan, &history)?;
        let backup_id = self.back_up(&plan, &ground)?;
        Ok(Some(Prepared { plan, history, ground, backup_id }))
    }

    /// Rolls back what a failed commit left, as far as that is possible now.
    fn clean_after(&self, mut failure: RunFailure) -> RunFailure {
        if let Err(error) = orphans::clean(&self.data_dir, self.options.wait) {
            let kept = match failure.error.state() {
                Some(state) if failure.report.committed > 0 => state.to_owned(),
                _ => "nothing is committed".to_owned(),
            };
            failure.error = failure
                .error
                .detail(format!("the rest can't be rolled back yet: {error}"))
                .in_state(format!("{kept}: SQLite rolls the files back when they are opened, as long as no `-journal` and no `-mj` file is deleted"));
        }
        failure
    }

    /// Decides without a lock. A file that is busy means that somebody is at work: then wait for the lock.
    fn has_nothing_to_do(
        &self,
        decide: &impl Fn(&Status) -> Result<Plan, Error>,
    ) -> Result<bool, Error> {
        if crate::sqlite::journal_modes::pending(&self.data_dir)
            || crate::backup::pending(&self.data_dir)
        {
            return Ok(false);
        }
        let history = match questions::history(&self.data_dir, Duration::ZERO) {
            Ok(history) => history,
            Err(error) if error.kind() == ErrorKind::Busy => return Ok(false),
            Err(error) => return Err(error),
        };
        if !decide(&Status::of(&self.infos(), &history))?.steps.is_empty() {
            return Ok(false);
        }
        self.refuse_lost_databases(&history)?;
        match self.refuse_lost_history(&history) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(false),
            looked => looked.map(|()| true),
        }
    }

    fn run(
        &self,
        plan: &Plan,
        ground: &Ground,
        history: History,
        backup_id: Option<&str>,
    ) -> Result<Report, RunFailure> {
        let opening = Opening {
            data_dir: &self.data_dir,
            databases: &ground.databases,
            wait: self.options.wait,
            cancelled: Arc::clone(&self.cancelled),
            base_vfs: self.dying.as_deref(),
        };
        let mut session = Session::open(&opening).map_err(Error::or_unchanged)?;
        let mut context = MigrationContext::new(self.settings());
        context.members_mut().append(&mut session.members);
        for member in context.members() {
            member.guard.watch_version_table(self.registry.schema_version_table());
        }
        if self.is_rehearsal {
            context.keep_statements();
        }
        let mut run = Run {
            migrator: self,
            session,
            context,
            history,
            violations: BTreeMap::new(),
            versions: BTreeMap::new(),
            entries: Vec::new(),
            report: Report { backup_id: backup_id.map(str::to_owned), ..Report::default() },
        };
        let outcome = run.carry_out(plan, ground);
        let (report, closed) = run.finish();
        match outcome.and(closed) {
            Ok(()) => Ok(report),
            // SQLite was stopped in a statement of the engine's own.
            Err(error) if error.kind() == ErrorKind::Interrupted && error.hint().is_none() => {
                let stopped = interrupted().detail(error.to_string()).caused_by(error);
                Err(self.failed(stopped, report, ground, plan))
            }
            Err(error) => Err(self.failed(error, report, ground, plan)),
        }
    }

    pub(super) fn event(
        &self,
        kind: EventKind,
        result: &MigrationResult,
        backup_id: Option<&str>,
    ) -> Event {
        Event {
            at: result.applied_at.clone(),
            kind,
            version: Some(result.version.clone()),
            name: Some(result.name.clone()),
            checksum: Some(result.checksum.clone()),
            program: self.options.program.clone(),
            backup_id: backup_id.map(str::to_owned),
            note: None,
        }
    }
}

/// A plan being carried out.
pub(super) struct Run<'a> {
    pub(super) migrator: &'a Migrator,
    pub(super) session: Session,
    pub(super) context: MigrationContext,
    pub(super) history: History,
    pub(super) violations: BTreeMap<String, Violations>,
    pub(super) versions: BTreeMap<String, Versions>,
    pub(super) entries: Vec<history_table::Entry>,
    pub(super) report: Report,
}

impl Run<'_> {
    fn carry_out(&mut self, plan: &Plan, ground: &Ground) -> Result<(), Error> {
        let whole = ground.is_fresh || self.migrator.options.commit == CommitMode::WholeRun;
        self.session.create_history()?;
        self.note_violations()?;
        for (index, transaction) in self.transactions(plan, whole).into_iter().enumerate() {
            if index > 0 {
                self.session.begin_again(self.context.members(), self.migrator.options.wait)?;
            }
            self.run_transaction(transaction)?;
        }
        Ok(())
    }

    /// Cuts a plan into transactions: a migration that commits by itself is always alone.
    fn transactions<'p>(&self, plan: &'p Plan, whole: bool) -> Vec<&'p [Step]> {
        let is_manual = |step: &Step| {
            self.migrator
                .registry
                .migration(&step.version)
                .is_some_and(|migration| migration.info().transaction == TransactionMode::Manual)
        };
        plan.steps.chunk_by(|a, b| whole && !is_manual(a) && !is_manual(b)).collect()
    }

    fn run_transaction(&mut self, steps: &[Step]) -> Result<(), Error> {
        let accepted = self.accepted_objects()?;
        for step in steps {
            if self.migrator.cancelled.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            self.perform(step)?;
        }
        self.check_foreign_keys(steps)?;
        self.follow_accepted(&accepted)?;
        self.session.write_history(&std::mem::take(&mut self.entries))?;
        let digest = self.migrator.digest_of(&self.history);
        match self.session.commit(self.context.members_mut(), digest) {
            Ok(()) => {
                self.tell_committed(steps.len());
                Ok(())
            }
            Err(CommitError::RolledBack(error)) => {
                self.report.fail_last(&error.to_string());
                Err(error)
            }
            Err(CommitError::DurabilityUnknown(error)) => {
                self.tell_committed(steps.len());
                self.session.leave_journal_modes();
                // The state of the run as a whole will stand there.
                let warning = error.state().map(str::to_owned);
                Err(warning.into_iter().fold(error, Error::detail))
            }
        }
    }

    /// Notes and tells what the commit that just returned made true, and not earlier.
    fn tell_committed(&mut self, count: usize) {
        for result in self.report.committed(count) {
            self.migrator.tell(&Progress::MigrationFinished { result });
        }
    }

    /// Notes the foreign key violations that are there before the first migration.
    fn note_violations(&mut self) -> Result<(), Error> {
        for member in self.context.members() {
            let found = foreign_keys::violations(&member.connection);
            let found =
                found.map_err(|error| on_file(error, "check the foreign keys of", &member.path))?;
            self.violations.insert(member.database.clone(), found);
        }
        Ok(())
    }

    /// Refuses violations that were not there before; what is left is the ground for the next transaction.
    fn check_foreign_keys(&mut self, steps: &[Step]) -> Result<(), Error> {
        for member in self.context.members() {
            let written =
                steps.iter().filter_map(|step| self.migrator.registry.migration(&step.version));
            if !written
                .into_iter()
                .any(|migration| migration.info().databases.contains(&member.database.as_str()))
            {
                continue;
            }
            let _engine = member.guard.enter(Role::Engine);
            let after = foreign_keys::violations(&member.connection);
            let after =
                after.map_err(|error| on_file(error, "check the foreign keys of", &member.path))?;
            let before = self.violations.entry(member.database.clone()).or_default();
            if let Err(error) = after.refuse_new(before, &member.database) {
                self.report.fail_last(&error.to_string());
                return Err(error);
            }
            *before = after;
        }
        Ok(())
    }

    /// Closes the files; what was not committed is rolled back.
    fn finish(mut self) -> (Report, Result<(), Error>) {
        session::roll_back_all(self.context.members());
        self.session.members.append(self.context.members_mut());
        drop(self.context);
        (self.report, self.session.close())
    }
}

pub(super) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "the run was asked to stop")
        .with_hint("run the command again to go on")
}
