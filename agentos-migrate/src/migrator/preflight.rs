//! Everything that can be known to go wrong, before the first write.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::Migrator;
use super::losses::{how_lost, log_left};
use super::standing::Standing;
use crate::error::{Error, ErrorKind};
use crate::history::History;
use crate::info::{MigrationInfo, TransactionMode};
use crate::plan::Plan;
use crate::sqlite::failure::{io_on_file, is_a_directory, on_file};
use crate::sqlite::{history_table, reading, schema_version, session, vfs};
use crate::version::Version;

/// Below this much free space no transaction is begun: a journal needs some.
const FREE_BYTES_MIN: u64 = 1 << 20;

/// What a run is going to touch.
pub(super) struct Ground {
    /// The databases of the plan, each once, in the order of the declaration.
    pub(super) databases: Vec<&'static str>,
    /// Whether no database of the set and no history is there yet.
    pub(super) is_fresh: bool,
    /// Whether migrations.db is there: a failure is only recorded where a history is.
    pub(super) has_history: bool,
}

impl Migrator {
    /// Refuses a plan that can't succeed here, with every reason at once.
    pub(super) fn inspect(&self, plan: &Plan, applied: &History) -> Result<Ground, Error> {
        let databases = self.databases_of(plan);
        let mut problems = Vec::new();
        problems.extend(self.refuse_manual_in_one(plan).err());
        problems.extend(refuse_full_disk(&self.data_dir).err());
        problems.extend(self.refuse_shared_files(&databases).err());
        let history = self.data_dir.join(history_table::FILE_NAME);
        problems.extend(self.open_to_look(&history).err());
        for database in &databases {
            problems.extend(self.look_at_database(database, applied).err());
        }
        if problems.is_empty() {
            problems.extend(self.refuse_damaged_heads(applied).err());
            problems.extend(self.refuse_untold(plan, applied).err());
        }
        if let Some(error) = joined(problems) {
            return Err(error.in_state("nothing was changed"));
        }
        let exists = |path: &Path| std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
        let any = self.registry.databases().iter().any(|database| self.has_file(database));
        let has_history = exists(&history);
        Ok(Ground { databases, is_fresh: !any && !has_history, has_history })
    }

    pub(super) fn file_of(&self, database: &str) -> PathBuf {
        self.data_dir.join(format!("{database}.db"))
    }

    fn databases_of(&self, plan: &Plan) -> Vec<&'static str> {
        let touched = |database: &&&'static str| {
            plan.steps.iter().any(|step| {
                self.registry
                    .migration(&step.version)
                    .is_some_and(|migration| migration.info().databases.contains(*database))
            })
        };
        self.registry.databases().iter().filter(touched).copied().collect()
    }

    /// Refuses a file that can't be written, or is not the one on which the history's migrations ran.
    fn look_at_database(&self, database: &str, history: &History) -> Result<(), Error> {
        let path = self.file_of(database);
        let table = self.registry.schema_version_table();
        let recorded = match self.open_to_look(&path)? {
            None => Vec::new(),
            Some(connection) => {
                schema_version::refuse_foreign(&connection, table, database)?;
                schema_version::recorded(&connection, table)
                    .map_err(|error| on_file(error, "read", &path))?
            }
        };
        let mut missing = self.applied_to(database, history);
        // As versions: the same one may be written with more zeros.
        let recorded: Vec<Version> = recorded.iter().filter_map(|text| text.parse().ok()).collect();
        missing.retain(|version| !recorded.contains(version));
        if missing.is_empty() {
            return Ok(());
        }
        self.refuse_renamed(&self.evidence(history)?)?;
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let text = format!(
            "the history has {} on {database}, and {} does not record it",
            missing.join(", "),
            path.display()
        );
        Err(Error::new(ErrorKind::NeedsOperator, text).with_hint(
            "`verify` shows what is there; `restore` a backup, or let `recover` mark what no database records",
        ))
    }

    /// Refuses to run what a database of it says has run.
    fn refuse_untold(&self, plan: &Plan, history: &History) -> Result<(), Error> {
        let evidence = self.evidence(history)?;
        let steps = plan.steps.iter().map(|step| &step.version);
        let infos: Vec<&MigrationInfo> = steps
            .filter(|version| history.row(version).is_none_or(|row| !row.success))
            .filter_map(|version| Some(self.registry.migration(version)?.info()))
            .collect();
        if infos.iter().any(|info| matches!(evidence.standing(info), Standing::Torn(_))) {
            self.refuse_torn(&evidence)?;
        }
        let untold: Vec<&str> = infos
            .iter()
            .filter(|info| evidence.standing(info) == Standing::Recorded)
            .map(|info| info.version.as_str())
            .collect();
        if untold.is_empty() {
            return Ok(());
        }
        let text = format!(
            "the databases record {} as applied, and the history does not have that",
            untold.join(", ")
        );
        Err(Error::new(ErrorKind::NeedsOperator, text)
            .detail("to go on would be to run it twice")
            .with_hint(
                "put the lost migrations.db back, or let `recover` take it into the history",
            ))
    }

    /// Refuses to answer from nothing: databases that record migrations had a migrations.db.
    ///
    /// Looks into every database, but only where that file is missing, or holds no history.
    pub(super) fn refuse_lost_history(&self, history: &History) -> Result<(), Error> {
        let is_file = !self.has_lost_history();
        if !history.is_empty() || (is_file && !self.holds_no_history()?) {
            return Ok(());
        }
        let mut lines = Vec::new();
        let none = History::default();
        for database in self.registry.databases() {
            let recorded = self.recorded(database)?;
            if !recorded.is_empty() {
                let versions: Vec<&str> = recorded.iter().map(Version::as_str).collect();
                lines.push(format!("{database} records {}", versions.join(", ")));
            }
        }
        // A first run that committed meanwhile wrote the file before it let go of the databases.
        if lines.is_empty() || !self.holds_no_history()? {
            return Ok(());
        }
        let how = if is_file { "holds no history" } else { "is missing or empty" };
        let text = format!(
            "{} {how}, and the databases record migrations as applied",
            self.data_dir.join(history_table::FILE_NAME).display()
        );
        let error = Error::new(ErrorKind::NeedsOperator, text).in_state("nothing was changed");
        let error = lines.into_iter().fold(error, Error::detail);
        Err(match self.refuse_torn(&self.evidence(&none)?) {
            // A history can't be made of databases that do not agree.
            Err(torn) => {
                let torn_lines = torn.details().iter().cloned();
                torn_lines.fold(error, Error::detail).with_hint(torn.hint().unwrap_or_default())
            }
            Ok(()) => error.with_hint(
                "put the lost migrations.db back, or let `recover` make it anew from what the databases record",
            ),
        })
    }

    /// Refuses to go on beside a hole: a program would open a lost database as a new, empty one.
    pub(super) fn refuse_lost_databases(&self, history: &History) -> Result<(), Error> {
        let (mut problems, mut lost) = (Vec::new(), BTreeSet::new());
        for database in self.registry.databases().iter().filter(|name| !self.has_file(name)) {
            let applied = self.applied_to(database, history);
            if applied.is_empty() {
                continue;
            }
            let path = self.file_of(database);
            let how = how_lost(&path);
            let versions: Vec<&str> = applied.iter().map(Version::as_str).collect();
            let text = format!(
                "the history has {} on {database}, and {} {how}",
                versions.join(", "),
                path.display()
            );
            let error = Error::new(ErrorKind::NeedsOperator, text);
            problems.push(log_left(&path).into_iter().fold(error, Error::detail));
            lost.insert(*database);
        }
        let Some(error) = joined(problems) else { return Ok(()) };
        let evidence = self.evidence(history)?;
        self.refuse_strangers(&evidence)?;
        let hint = self.ways_back(&evidence, &lost);
        Err(error.in_state("nothing was changed").with_hint(hint))
    }

    /// Whether there is a file of this database, with something in it.
    pub(super) fn has_file(&self, database: &str) -> bool {
        std::fs::metadata(self.file_of(database))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
    }

    /// Whether there is no migrations.db. No tool writes a version row before it has made that file.
    pub(super) fn has_lost_history(&self) -> bool {
        let path = self.data_dir.join(history_table::FILE_NAME);
        !std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Whether migrations.db is lost, or has no table of the history: another program's, or a new one.
    pub(super) fn holds_no_history(&self) -> Result<bool, Error> {
        let path = self.data_dir.join(history_table::FILE_NAME);
        let shape = reading::ask(&path, self.patience(), history_table::shape)?;
        Ok(shape.is_none_or(|shape| shape == history_table::Shape::Absent))
    }

    /// Opens a file that a run would write; none if there is nothing in it yet.
    fn open_to_look(&self, path: &Path) -> Result<Option<Connection>, Error> {
        session::refuse_long(path)?;
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_on_file(error, "read", path)),
            Ok(metadata) if metadata.is_dir() => return Err(is_a_directory(path)),
            Ok(metadata) if metadata.permissions().readonly() => {
                return Err(Error::new(
                    ErrorKind::PermissionDenied,
                    format!("{} is write-protected", path.display()),
                )
                .with_hint("make it writable with `chmod u+w`"));
            }
            Ok(metadata) if metadata.len() == 0 => return Ok(None),
            Ok(_) => {}
        }
        vfs::refuse_other(path, "read")?;
        // Opened to write: a journal that a crash left is rolled back here.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error| on_file(error, "read", path);
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(self.options.wait).map_err(failed)?;
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(failed)?;
        Ok(Some(connection))
    }

    fn refuse_manual_in_one(&self, plan: &Plan) -> Result<(), Error> {
        if self.options.commit != super::CommitMode::WholeRun {
            return Ok(());
        }
        let manual = plan
            .steps
            .iter()
            .filter_map(|step| self.registry.migration(&step.version))
            .find(|migration| migration.info().transaction == TransactionMode::Manual);
        match manual {
            None => Ok(()),
            Some(migration) => {
                let info = migration.info();
                let message = format!(
                    "{} `{}` commits by itself: the run can't be all or nothing",
                    info.version, info.name
                );
                Err(Error::new(ErrorKind::Usage, message)
                    .with_hint("run it without `--all-or-nothing`"))
            }
        }
    }
}

fn refuse_full_disk(data_dir: &Path) -> Result<(), Error> {
    let free = fs4::available_space(data_dir)
        .map_err(|error| io_on_file(error, "measure the free space of", data_dir))?;
    if free >= FREE_BYTES_MIN {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::DiskFull,
        format!("only {free} bytes are free for {}", data_dir.display()),
    )
    .with_hint("free some space (`df -h` tells where) and run the command again"))
}

/// Joins errors into one: the first names the kind, all are told.
pub(super) fn joined(mut errors: Vec<Error>) -> Option<Error> {
    if errors.len() <= 1 {
        return errors.pop();
    }
    let message = format!("{} problems stand in the way", errors.len());
    let mut all = Error::new(errors[0].kind(), message);
    for error in &errors {
        all = all.detail(error.to_string());
        for detail in error.details() {
            all = all.detail(format!("  {detail}"));
        }
    }
    Some(match errors.iter().find_map(Error::hint) {
        Some(hint) => all.with_hint(hint),
        None => all,
    })
}
