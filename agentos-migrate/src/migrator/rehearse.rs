//! Running for real, on copies, and keeping nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::run::Run;
use super::{BackupPolicy, Migrator, Options, RehearsalPolicy, RunFailure, questions};
use crate::error::{Error, ErrorKind};
use crate::event::Progress;
use crate::plan::{Plan, Target};
use crate::report::{Rehearsal, Report, RowChange, SchemaChange, SpaceUse, Validation};
use crate::schema::read::Schema;
use crate::sqlite::failure::{io_on_file, on_file};
use crate::sqlite::guard::Role;
use crate::sqlite::member::Member;
use crate::sqlite::{contents, history_table, reading, scratch};
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

    /// Runs `act`, after a rehearsal of the same plan if the options ask for one.
    ///
    /// A rehearsal that fails, or that needs more space than is free, is the end.
    pub(super) fn act_as_rehearsed(
        &self,
        decide: impl Fn(&Status) -> Result<Plan, Error>,
    ) -> Result<Report, RunFailure> {
        if self.options.rehearsal == RehearsalPolicy::Skip {
            return self.act(decide);
        }
        let rehearsal = self.rehearse_plan(&decide)?;
        self.refuse_less_space(rehearsal.needed_bytes())?;
        let rehearsed = rehearsal.results;
        match self.act(decide) {
            Ok(report) => Ok(Report { rehearsed, ..report }),
            Err(RunFailure { error, report }) => {
                Err(RunFailure { error, report: Report { rehearsed, ..report } })
            }
        }
    }

    fn refuse_less_space(&self, needed: u64) -> Result<(), Error> {
        let free = fs4::available_space(&self.data_dir)
            .map_err(|error| io_on_file(error, "measure the free space of", &self.data_dir))?;
        if needed <= free {
            return Ok(());
        }
        let text = format!(
            "the rehearsal needed {needed} bytes, and {free} are free for {}",
            self.data_dir.display()
        );
        Err(Error::new(ErrorKind::DiskFull, text)
            .in_state("nothing was changed")
            .with_hint("free some space (`df -h` tells where) and run the command again"))
    }

    fn rehearse_plan(
        &self,
        decide: impl Fn(&Status) -> Result<Plan, Error>,
    ) -> Result<Report, RunFailure> {
        self.registry.check()?;
        questions::refuse_half_restored(&self.data_dir)?;
        let history = questions::history(&self.data_dir, self.options.wait)?;
        decide(&Status::of(&self.infos(), &history))?;
        self.refuse_lost_databases(&history)?;
        let scratch = scratch::directory()?;
        self.copy_to(scratch.path())?;
        let copied = Self {
            data_dir: scratch.path().to_owned(),
            options: Options { backup: BackupPolicy::Skip, ..self.options.clone() },
            is_rehearsal: true,
            ..self.clone()
        };
        self.tell(&Progress::RehearsalStarted);
        let outcome = copied.act(decide);
        self.tell(&Progress::RehearsalFinished);
        let finish = |mut report: Report| {
            report.dry_run = true;
            report
        };
        match outcome {
            Ok(report) => Ok(finish(report)),
            Err(RunFailure { error, report }) => {
                let error = self.told_of_originals(error, scratch.path());
                let error = error.in_state("this was a rehearsal on copies: nothing was changed");
                Err(RunFailure { error, report: finish(report) })
            }
        }
    }

    /// Names the files that were copied, as the copies are gone when anybody reads it.
    fn told_of_originals(&self, error: Error, copies: &Path) -> Error {
        if scratch::is_of_the_system(error.kind()) {
            return scratch::point_out(error);
        }
        error.moved(&copies.display().to_string(), &self.data_dir.display().to_string())
    }

    fn copy_to(&self, directory: &Path) -> Result<(), Error> {
        let databases = self.registry.databases().iter().map(|database| self.file_of(database));
        let mut files: Vec<_> =
            databases.chain([self.data_dir.join(history_table::FILE_NAME)]).collect();
        files.retain(|path| path.exists());
        refuse_full_disk(&files, directory)?;
        // A copy of a hot journal needs nothing of the originals, which others may recover from now on.
        reading::copy_all(&files, directory, self.options.wait).map(drop)
    }
}

/// What a database holds, for comparing before and after.
struct Holding {
    contents: contents::Contents,
    schema: String,
    journal_bytes: u64,
}

/// What the databases in reach hold.
pub(super) struct Snapshot(BTreeMap<String, Holding>);

impl Run<'_> {
    /// Looks at the databases in reach, when this is a rehearsal.
    pub(super) fn look(&self, databases: &[&str]) -> Result<Option<Snapshot>, Error> {
        if !self.migrator.is_rehearsal {
            return Ok(None);
        }
        let table = self.migrator.registry.schema_version_table();
        let members = self.context.members().iter();
        let in_reach = members.filter(|member| databases.contains(&member.database.as_str()));
        let found = in_reach.map(|member| Ok((member.database.clone(), holding(member, table)?)));
        Ok(Some(Snapshot(found.collect::<Result<_, Error>>()?)))
    }

    /// Compares with an earlier look.
    pub(super) fn compare(
        &self,
        before: Option<Snapshot>,
        databases: &[&str],
        validation: Validation,
    ) -> Result<Option<Rehearsal>, Error> {
        let (Some(Snapshot(before)), Some(Snapshot(after))) = (before, self.look(databases)?)
        else {
            return Ok(None);
        };
        let statements = self.context.take_statements();
        let mut rehearsal = Rehearsal { statements, validation, ..Rehearsal::default() };
        for (database, after) in &after {
            let before = &before[database];
            rehearsal.row_changes.extend(row_changes(database, before, after));
            rehearsal.schema_changes.extend(schema_change(database, before, after));
            rehearsal.space.extend(space_use(database, before, after));
        }
        Ok(Some(rehearsal))
    }
}

fn row_changes(database: &str, before: &Holding, after: &Holding) -> Vec<RowChange> {
    let (before, after) = (&before.contents.rows, &after.contents.rows);
    let tables: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |table: &String| {
        let (before, after) = (before.get(table).copied(), after.get(table).copied());
        let (database, table) = (database.to_owned(), table.clone());
        (before != after).then_some(RowChange { database, table, before, after })
    };
    tables.into_iter().filter_map(change).collect()
}

fn schema_change(database: &str, before: &Holding, after: &Holding) -> Option<SchemaChange> {
    if before.schema == after.schema {
        return None;
    }
    let diff = similar::TextDiff::from_lines(&before.schema, &after.schema);
    let diff = diff.unified_diff().context_radius(2).header("before", "after").to_string();
    Some(SchemaChange { database: database.to_owned(), diff })
}

fn space_use(database: &str, before: &Holding, after: &Holding) -> Option<SpaceUse> {
    let used = SpaceUse {
        database: database.to_owned(),
        before_bytes: before.contents.bytes,
        after_bytes: after.contents.bytes,
        journal_bytes: after.journal_bytes,
    };
    (used.needed_bytes() > 0).then_some(used)
}

fn holding(member: &Member, version_table: &str) -> Result<Holding, Error> {
    let _engine = member.guard.enter(Role::Engine);
    let contents =
        contents::of(&member.connection).map_err(|error| on_file(error, "read", &member.path))?;
    let mut journal = member.path.clone().into_os_string();
    journal.push("-journal");
    let journal_bytes = std::fs::metadata(journal).map_or(0, |metadata| metadata.len());
    let schema = Schema::read(&member.connection)?;
    let schema = schema.without(|object| object.table.eq_ignore_ascii_case(version_table));
    Ok(Holding { contents, schema: schema.to_sql(), journal_bytes })
}

/// Refuses copies for which there is no space, before the first byte of them.
fn refuse_full_disk(files: &[PathBuf], directory: &Path) -> Result<(), Error> {
    let sizes = files.iter().flat_map(|path| {
        let name = path.display();
        [name.to_string(), format!("{name}-wal"), format!("{name}-journal")]
    });
    let needed: u64 = sizes.filter_map(|name| Some(std::fs::metadata(name).ok()?.len())).sum();
    let free = fs4::available_space(directory)
        .map_err(|error| io_on_file(error, "measure the free space of", directory))?;
    if needed <= free {
        return Ok(());
    }
    let text = format!(
        "copies of the databases need {needed} bytes, and {free} are free in {}",
        directory.display()
    );
    Err(Error::new(ErrorKind::DiskFull, text)
        .in_state("nothing was changed")
        .with_hint("name a folder with more space in the variable TMPDIR"))
}
