//! Running for real, on copies, and keeping nothing.

use std::collections::BTreeMap;

use super::run::Run;
use super::{BackupPolicy, Migrator, Options, RunFailure, questions};
use crate::error::Error;
use crate::plan::{Plan, Target};
use crate::report::{Rehearsal, Report, RowChange, SchemaChange};
use crate::sqlite::failure::{io_on_file, on_file};
use crate::sqlite::guard::Role;
use crate::sqlite::member::Member;
use crate::sqlite::{contents, history_table, reading};
use crate::status::Status;
use crate::version::Version;

impl Migrator {
    /// Runs an upgrade on copies and reports what it did; the data directory is only read.
    ///
    /// The copies are made while all files are locked against writers, so
    /// they are of one moment. They need as much space as the databases, in
    /// the directory for temporary files.
    ///
    /// # Errors
    ///
    /// As [`upgrade`](Self::upgrade); a failure is what the real run would meet.
    pub fn rehearse(&self, target: &Target) -> Result<Report, RunFailure> {
        self.rehearse_plan(|status| {
            Plan::upgrade(&self.infos(), status, target, self.options.force)
        })
    }

    /// As [`rehearse`](Self::rehearse), for a downgrade.
    ///
    /// # Errors
    ///
    /// As [`downgrade`](Self::downgrade).
    pub fn rehearse_downgrade(&self, target: &Version) -> Result<Report, RunFailure> {
        self.rehearse_plan(|status| {
            Plan::downgrade(&self.infos(), status, target, self.options.force)
        })
    }

    fn rehearse_plan(
        &self,
        decide: impl Fn(&Status) -> Result<Plan, Error>,
    ) -> Result<Report, RunFailure> {
        self.registry.check()?;
        let history = questions::history(&self.data_dir, self.options.wait)?;
        decide(&Status::of(&self.infos(), &history))?;
        let scratch = tempfile::tempdir()
            .map_err(|error| io_on_file(error, "create", &std::env::temp_dir()))?;
        self.copy_to(scratch.path())?;
        let copied = Self {
            data_dir: scratch.path().to_owned(),
            options: Options { backup: BackupPolicy::Skip, ..self.options.clone() },
            is_rehearsal: true,
            ..self.clone()
        };
        let finish = |mut report: Report| {
            report.dry_run = true;
            report
        };
        match copied.act(decide) {
            Ok(report) => Ok(finish(report)),
            Err(RunFailure { error, report }) => {
                let error = error.in_state("this was a rehearsal on copies: nothing was changed");
                Err(RunFailure { error, report: finish(report) })
            }
        }
    }

    fn copy_to(&self, directory: &std::path::Path) -> Result<(), Error> {
        let databases = self.registry.databases().iter().map(|database| self.file_of(database));
        let mut files: Vec<_> =
            databases.chain([self.data_dir.join(history_table::FILE_NAME)]).collect();
        files.retain(|path| path.exists());
        reading::copy_all(&files, directory, self.options.wait)
    }
}

/// What a database holds, for comparing before and after.
pub(super) struct Snapshot(BTreeMap<String, contents::Contents>);

impl Run<'_> {
    /// Looks at the databases in reach, when this is a rehearsal.
    pub(super) fn look(&self, databases: &[&str]) -> Result<Option<Snapshot>, Error> {
        if !self.migrator.is_rehearsal {
            return Ok(None);
        }
        let mut found = BTreeMap::new();
        for member in self
            .context
            .members()
            .iter()
            .filter(|member| databases.contains(&member.database.as_str()))
        {
            found.insert(member.database.clone(), contents_of(member)?);
        }
        Ok(Some(Snapshot(found)))
    }

    /// Compares with an earlier look.
    pub(super) fn compare(
        &self,
        before: Option<Snapshot>,
        databases: &[&str],
    ) -> Result<Option<Rehearsal>, Error> {
        let (Some(Snapshot(before)), Some(Snapshot(after))) = (before, self.look(databases)?)
        else {
            return Ok(None);
        };
        let mut rehearsal =
            Rehearsal { statements: self.context.take_statements(), ..Rehearsal::default() };
        for (database, after) in &after {
            let before = &before[database];
            let tables: std::collections::BTreeSet<&String> =
                before.rows.keys().chain(after.rows.keys()).collect();
            for table in tables {
                let (old, new) = (before.rows.get(table).copied(), after.rows.get(table).copied());
                if old != new {
                    rehearsal.row_changes.push(RowChange {
                        database: database.clone(),
                        table: table.clone(),
                        before: old,
                        after: new,
                    });
                }
            }
            if before.schema != after.schema {
                let diff = similar::TextDiff::from_lines(&before.schema, &after.schema);
                let diff = diff.unified_diff().context_radius(2).to_string();
                rehearsal.schema_changes.push(SchemaChange { database: database.clone(), diff });
            }
        }
        Ok(Some(rehearsal))
    }
}

fn contents_of(member: &Member) -> Result<contents::Contents, Error> {
    let _engine = member.guard.enter(Role::Engine);
    contents::of(&member.connection).map_err(|error| on_file(error, "read", &member.path))
}
