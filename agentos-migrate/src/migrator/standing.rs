//! What the databases of one migration record of it, taken together.
//!
//! The version rows of a migration and its history are written by one commit. Where only some of
//! its databases record it, a file is lost or of another moment, and to run it again would be to
//! run it twice on the others. Only an older tool commits file by file; its times tell it apart.

use std::collections::{BTreeMap, BTreeSet};

use super::Migrator;
use super::losses::{is_dangling, journal_left, log_left};
use super::questions;
use super::time::is_ours;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::history::{AppliedMigration, History};
use crate::info::MigrationInfo;
use crate::migration::Migration;
use crate::schema::tokens::quote_name;
use crate::sqlite::failure::says_damaged;
use crate::sqlite::history_table;
use crate::sqlite::schema_version::Record;
use crate::version::Version;

/// Why a row is marked to run again.
pub(super) const UNRECORDED: &str = "a database does not record it";

/// How the databases of a migration stand to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// None of them records it.
    Unrecorded,
    /// Every one of them records it.
    Recorded,
    /// Some record it, and these do not.
    Torn(Vec<&'static str>),
    /// An older tool left it half way: it may run again.
    Unfinished,
}

/// The version rows of all databases, beside the history and the log.
pub(super) struct Evidence<'a> {
    pub(super) history: &'a History,
    records: BTreeMap<&'static str, Vec<Record>>,
    /// What this engine applied or `recover` judged here, with the checksum that the log has last.
    logged: BTreeMap<Version, Option<String>>,
    has_lost_history: bool,
    /// Databases that record migrations in a table of another name than the set declares now.
    pub(super) renamed: BTreeMap<&'static str, String>,
}

impl Evidence<'_> {
    /// Returns how the databases of a migration stand to it.
    pub(super) fn standing(&self, info: &MigrationInfo) -> Standing {
        let lacking: Vec<&'static str> = info
            .databases
            .iter()
            .copied()
            .filter(|database| self.record(database, &info.version).is_none())
            .collect();
        let row = self.history.row(&info.version);
        if lacking.len() == info.databases.len() {
            Standing::Unrecorded
        } else if row.is_none() && lacking.is_empty() {
            Standing::Recorded
        } else if row.is_none_or(|row| !row.success) && self.is_of_an_older_tool(info) {
            Standing::Unfinished
        } else if lacking.is_empty() {
            Standing::Recorded
        } else {
            Standing::Torn(lacking)
        }
    }

    /// Returns the row in which a database records a migration.
    pub(super) fn record(&self, database: &str, version: &Version) -> Option<&Record> {
        let mut records = self.records.get(database)?.iter();
        records.find(|record| record.migration.parse::<Version>().as_ref() == Ok(version))
    }

    /// Returns the checksum that the log has last of a migration.
    pub(super) fn logged_checksum(&self, version: &Version) -> Option<&str> {
        self.logged.get(version)?.as_deref()
    }

    /// Asks whether an attempt of an older tool is all that there ever was of a migration here: it
    /// makes its migrations.db first, has no log, and writes times in another form.
    fn is_of_an_older_tool(&self, info: &MigrationInfo) -> bool {
        let is_marked = self.history.row(&info.version).is_some_and(is_marked);
        let mut records =
            info.databases.iter().filter_map(|database| self.record(database, &info.version));
        !self.has_lost_history
            && !is_marked
            && !self.logged.contains_key(&info.version)
            && records.all(|record| !is_ours(&record.applied_at))
    }
}

impl Migrator {
    /// Reads what every database records. What is damaged records nothing here, and is told elsewhere.
    pub(super) fn evidence<'a>(&self, history: &'a History) -> Result<Evidence<'a>, Error> {
        let (mut records, mut renamed) = (BTreeMap::new(), BTreeMap::new());
        for database in self.registry.databases() {
            let found = match self.records_of(database) {
                Err(error) if says_damaged(&error) => Vec::new(),
                found => found?,
            };
            if found.is_empty() && !self.applied_to(database, history).is_empty() {
                renamed.extend(self.earlier_name(database)?.map(|name| (*database, name)));
            }
            records.insert(*database, found);
        }
        let events = questions::events(&self.data_dir, self.patience())?;
        let logged = events.into_iter().filter_map(judged).collect();
        let has_lost_history = self.holds_no_history()?;
        Ok(Evidence { history, records, logged, has_lost_history, renamed })
    }

    /// Refuses where a migration is in some of its databases only: nothing may run it again.
    pub(super) fn refuse_torn(&self, evidence: &Evidence<'_>) -> Result<(), Error> {
        let of_infos = self.infos();
        let torn: Vec<(&MigrationInfo, Vec<&str>)> = of_infos
            .iter()
            .filter_map(|info| match evidence.standing(info) {
                Standing::Torn(lacking) => Some((*info, lacking)),
                _ => None,
            })
            .collect();
        if torn.is_empty() {
            return Ok(());
        }
        let versions: Vec<&str> = torn.iter().map(|(info, _)| info.version.as_str()).collect();
        let text = format!("only some databases of {} record it", versions.join(", "));
        let error = Error::new(ErrorKind::NeedsOperator, text).in_state("nothing was changed");
        let lines = torn.iter().map(|(info, lacking)| {
            let records = |name: &&&str| evidence.record(name, &info.version).is_some();
            let recorded: Vec<&str> = info.databases.iter().filter(records).copied().collect();
            format!(
                "{}: recorded by {}; not by {}",
                info.version,
                recorded.join(", "),
                lacking.join(", ")
            )
        });
        let error = lines.fold(error, Error::detail);
        let lacking: BTreeSet<&str> =
            torn.iter().flat_map(|(_, lacking)| lacking.clone()).collect();
        Err(error.with_hint(self.ways_to_mend(evidence, &lacking)))
    }

    /// Refuses a history that another program wrote: its migrations have other names, and no database
    /// of this set records them. To mark them, or to run these in their place, would spoil both.
    pub(super) fn refuse_strangers(&self, evidence: &Evidence<'_>) -> Result<(), Error> {
        let stranger = |info: &&MigrationInfo| {
            let row = evidence.history.row(&info.version).filter(|row| row.success)?;
            let is_older_tools =
                info.legacy_checksums.iter().any(|it| it.eq_ignore_ascii_case(&row.checksum));
            let is_one = row.name != info.name
                && !is_older_tools
                && evidence.standing(info) == Standing::Unrecorded;
            is_one.then(|| {
                format!(
                    "{} is `{}` there, and `{}` in this program",
                    info.version, row.name, info.name
                )
            })
        };
        let lines: Vec<String> = self.infos().iter().filter_map(stranger).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let text = format!(
            "the history in {} is that of another program",
            self.data_dir.join(history_table::FILE_NAME).display()
        );
        let error = Error::new(ErrorKind::NeedsOperator, text).in_state("nothing was changed");
        Err(lines.into_iter().fold(error, Error::detail).with_hint(
            "two programs can't share a data directory: give this one its own, with `--data-dir`",
        ))
    }

    /// Returns how many migrations ran on a database as far as only other databases tell.
    pub(super) fn recorded_elsewhere(&self, database: &str, evidence: &Evidence<'_>) -> usize {
        let infos = self.infos().into_iter();
        let lacks = |info: &&MigrationInfo| matches!(evidence.standing(info), Standing::Torn(lacking) if lacking.contains(&database));
        infos.filter(lacks).count()
    }

    /// Returns the ways out where databases lack what others record.
    pub(super) fn ways_to_mend(&self, evidence: &Evidence<'_>, lacking: &BTreeSet<&str>) -> String {
        let files: Vec<String> = lacking.iter().map(|name| format!("{name}.db")).collect();
        if evidence.has_lost_history {
            return format!(
                "put migrations.db and {} back as they were, or `list-backups`, then `restore ID` brings all files back to one moment",
                files.join(", ")
            );
        }
        let shared = self.sharing(evidence, lacking);
        let options: Vec<String> = shared.iter().map(|name| format!("--database {name}")).collect();
        let databases = if shared.len() == self.registry.databases().len() {
            String::new()
        } else {
            format!("`restore ID {}`, the databases that share migrations, or ", options.join(" "))
        };
        format!(
            "put {} back as it was; or `list-backups`, then {databases}`restore ID` for all of them{}",
            files.join(", "),
            self.way_without_backup(lacking)
        )
    }

    /// Returns the last way out, if the files are lost for good, as far as that shows.
    fn way_without_backup(&self, lacking: &BTreeSet<&str>) -> String {
        let is_lost = |name: &&str| {
            let path = self.file_of(name);
            !self.has_file(name)
                && !path.is_dir()
                && !is_dangling(&path)
                && log_left(&path).or_else(|| journal_left(&path)).is_none()
        };
        if !lacking.iter().all(is_lost) {
            return String::new();
        }
        let options: Vec<String> =
            lacking.iter().map(|name| format!(" --recreate {name}")).collect();
        format!("; without a backup, `recover{}` makes it new and empty", options.concat())
    }

    /// Returns the way out for a migration that the history has as failed.
    pub(super) fn way_out_of_failure(&self, version: &str, evidence: &Evidence<'_>) -> String {
        let version = version.parse::<Version>().ok();
        let info =
            version.and_then(|version| self.registry.migration(&version)).map(Migration::info);
        match info.map(|info| (info, evidence.standing(info))) {
            Some((info, Standing::Recorded | Standing::Torn(_))) => {
                self.way_out(&info.version, evidence)
            }
            _ => "`upgrade` runs it again".to_owned(),
        }
    }

    /// Returns the way out where a migration's rows and the history differ.
    pub(super) fn way_out(&self, version: &Version, evidence: &Evidence<'_>) -> String {
        let Some(migration) = self.registry.migration(version) else {
            return "install the newer program that applied it, or `restore` a backup of one moment"
                .to_owned();
        };
        match evidence.standing(migration.info()) {
            Standing::Torn(lacking) => self.ways_to_mend(evidence, &lacking.into_iter().collect()),
            Standing::Recorded => {
                "`recover` takes it into the history: every database of it records it".to_owned()
            }
            Standing::Unrecorded => match evidence.renamed.values().next() {
                Some(earlier) => way_to_rename(earlier, self.registry.schema_version_table()),
                None => "`recover` marks it, then `upgrade` runs it again".to_owned(),
            },
            Standing::Unfinished => "`upgrade` runs it again".to_owned(),
        }
    }

    /// Returns the ways out where databases are lost: to make them anew is one only where no
    /// other file records what ran on them.
    pub(super) fn ways_back(&self, evidence: &Evidence<'_>, lost: &BTreeSet<&str>) -> String {
        let dangling = lost.iter().filter(|name| is_dangling(&self.file_of(name)));
        let dangling: Vec<String> = dangling.map(|name| format!("{name}.db")).collect();
        if !dangling.is_empty() {
            return format!(
                "mount the disk that {} is on, or mend the link, before anything else; `verify` then says what is missing",
                dangling.join(", ")
            );
        }
        // SQLite removes a log that it finds beside a new, empty file.
        let has_log = lost.iter().any(|name| log_left(&self.file_of(name)).is_some());
        if has_log || self.refuse_torn(evidence).is_err() {
            let moved = self.ways_to_move_back(evidence, lost);
            return format!("{moved}{}", self.ways_to_mend(evidence, lost));
        }
        let options: Vec<String> = lost.iter().map(|name| format!("--database {name}")).collect();
        let moved = self.ways_to_move_back(evidence, lost);
        format!(
            "{moved}`list-backups`, then `restore ID {}` brings it back; `recover`, then `upgrade` makes it anew, without its rows",
            options.join(" ")
        )
    }

    /// Returns the restore that brings back databases that are there and no good: of one that shares
    /// migrations with others, the others are restored too.
    pub(super) fn ways_to_restore(
        &self,
        evidence: &Evidence<'_>,
        databases: &BTreeSet<&str>,
    ) -> String {
        let shared = self.sharing(evidence, databases);
        let options: Vec<String> = shared.iter().map(|name| format!("--database {name}")).collect();
        let options = options.join(" ");
        if shared.len() == databases.len() {
            return format!("`list-backups`, then `restore ID {options}` from a good one");
        }
        if shared.len() == self.registry.databases().len() {
            return "`list-backups`, then `restore ID` from a good one: all databases share migrations, and go back to one moment".to_owned();
        }
        format!(
            "`list-backups`, then `restore ID {options}` from a good one, the databases that share migrations, or `restore ID` for all"
        )
    }

    /// Returns these databases, and those that share a migration with one of them, however far away.
    fn sharing<'a>(
        &self,
        evidence: &Evidence<'_>,
        databases: &BTreeSet<&'a str>,
    ) -> BTreeSet<&'a str> {
        let is_there = |info: &&MigrationInfo| {
            evidence.history.row(&info.version).is_some()
                || evidence.standing(info) != Standing::Unrecorded
        };
        let there: Vec<&MigrationInfo> = self.infos().into_iter().filter(is_there).collect();
        let mut shared = databases.clone();
        loop {
            let before = shared.len();
            for info in &there {
                if info.databases.iter().any(|name| shared.contains(name)) {
                    shared.extend(info.databases.iter().copied());
                }
            }
            if shared.len() == before {
                return shared;
            }
        }
    }
}

/// Asks whether `recover` marked a row: nothing else of it was changed.
pub(super) fn is_marked(row: &AppliedMigration) -> bool {
    !row.success && row.error_message.as_deref() == Some(UNRECORDED)
}

/// Says how records that stand in a table of another name are found again.
pub(super) fn way_to_rename(earlier: &str, table: &str) -> String {
    format!(
        "declare the name that it had, `schema_version_table: \"{earlier}\"` in `migrations!`, or rename it in each database: `ALTER TABLE {} RENAME TO {}`",
        quote_name(earlier),
        quote_name(table)
    )
}

fn judged(event: Event) -> Option<(Version, Option<String>)> {
    let is_judged =
        matches!(event.kind, EventKind::Applied | EventKind::Forced | EventKind::Recovered);
    Some((event.version.filter(|_| is_judged)?.parse().ok()?, event.checksum))
}
