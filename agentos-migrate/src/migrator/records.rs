//! What each database records of its migrations, against the history.
//!
//! A file that belongs to another directory, an older copy or a lost history show here: the
//! version rows and the history were written by one commit, and should agree in every word.

use std::collections::{BTreeMap, BTreeSet};

use super::Migrator;
use super::finding::Finding;
use super::standing::Evidence;
use super::time::is_ours;
use crate::event::{Event, EventKind};
use crate::history::History;
use crate::sqlite::accepted_drift::{Accepted, RECORD};
use crate::sqlite::schema_version::Record;
use crate::version::Version;

/// What the history says: applied migrations, and every time at which one was applied.
pub(super) struct Told<'a> {
    history: &'a History,
    times: BTreeMap<Version, BTreeSet<&'a str>>,
    accepted: &'a [Accepted],
    pub(super) evidence: &'a Evidence<'a>,
}

impl<'a> Told<'a> {
    pub(super) fn new(
        history: &'a History,
        events: &'a [Event],
        accepted: &'a [Accepted],
        evidence: &'a Evidence<'a>,
    ) -> Self {
        let mut times: BTreeMap<Version, BTreeSet<&str>> = BTreeMap::new();
        for event in events {
            let version: Option<Version> =
                event.version.as_deref().and_then(|text| text.parse().ok());
            let Some(version) = version else { continue };
            let time = match event.kind {
                EventKind::Applied | EventKind::Forced => Some(event.at.as_str()),
                // `recover` took the row's time from the databases; the event's is its own.
                EventKind::Recovered => {
                    let row = history.row(&version).filter(|row| row.success);
                    row.map(|row| row.applied_at.as_str())
                }
                _ => None,
            };
            if let Some(time) = time {
                times.entry(version).or_default().insert(time);
            }
        }
        Self { history, times, accepted, evidence }
    }

    fn is_applied(&self, record: &Record) -> bool {
        record
            .migration
            .parse()
            .is_ok_and(|version| self.history.row(&version).is_some_and(|row| row.success))
    }

    fn is_failed(&self, record: &Record) -> bool {
        record
            .migration
            .parse()
            .is_ok_and(|version| self.history.row(&version).is_some_and(|row| !row.success))
    }

    /// Returns the migrations of these rows that the history does not have.
    pub(super) fn unknown_of(&self, records: &[Record]) -> BTreeSet<Version> {
        let unknown = records.iter().filter(|record| !self.is_applied(record));
        unknown.filter_map(|record| record.migration.parse().ok()).collect()
    }

    /// Asks whether a row was written by a run that this directory's log does not know.
    ///
    /// Only where the log tells of the migration, and the row's time is of this engine's form:
    /// an older tool's rows, and those that a migration wrote itself, say nothing.
    fn is_from_elsewhere(&self, database: &str, record: &Record) -> bool {
        let Ok(version) = record.migration.parse::<Version>() else { return false };
        let Some(times) = self.times.get(&version) else { return false };
        let is_accepted = self.accepted.iter().any(|row| {
            row.is_about(database, RECORD, version.as_str())
                && row.sql.as_deref() == Some(record.applied_at.as_str())
        });
        is_ours(&record.applied_at) && !times.contains(record.applied_at.as_str()) && !is_accepted
    }

    /// Returns the rows that only a copied file can have, as a person may accept them: version and time.
    pub(super) fn rows_from_elsewhere(
        &self,
        database: &str,
        records: &[Record],
    ) -> Vec<(String, String)> {
        let records = records.iter();
        records
            .filter(|record| self.is_applied(record) && self.is_from_elsewhere(database, record))
            .map(|record| (record.migration.clone(), record.applied_at.clone()))
            .collect()
    }
}

impl Migrator {
    /// Compares what a database records with what the history has on it.
    pub(super) fn compare_records(
        &self,
        database: &str,
        records: &[Record],
        told: &Told<'_>,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let recorded: BTreeSet<Version> =
            records.iter().filter_map(|record| record.migration.parse().ok()).collect();
        for version in self.applied_to(database, told.history).difference(&recorded) {
            let message = format!("the history has {version}, and {database} does not record it");
            let hint = self.way_out(version, told.evidence);
            findings.push(Finding::on(database, "unrecorded", message, &hint));
        }
        let distinct: BTreeSet<&str> =
            records.iter().map(|record| record.migration.trim_start_matches('0')).collect();
        if distinct.len() < records.len() {
            let message = format!("{database} records a migration more than once");
            let hint = "`recover` removes the doubled rows";
            findings.push(Finding::on(database, "doubled", message, hint));
        }
        for record in records {
            findings.extend(self.judge(database, record, told));
        }
        findings
    }

    fn judge(&self, database: &str, record: &Record, told: &Told<'_>) -> Option<Finding> {
        let Record { migration, version, applied_at } = record;
        if told.is_failed(record) {
            // Said once, of the migration, with the way out.
            return None;
        }
        if !told.is_applied(record) {
            let message =
                format!("{database} records {migration}, and the history does not have it");
            let version = migration.parse().ok()?;
            let hint = self.way_out(&version, told.evidence);
            return Some(Finding::on(database, "unknown_record", message, &hint));
        }
        if told.is_from_elsewhere(database, record) {
            let message = format!(
                "{database} records {migration} as applied at {applied_at}, and no run of this directory did that: \
                 the file, or migrations.db, was copied in from elsewhere"
            );
            let restore = self.ways_to_restore(told.evidence, &BTreeSet::from([database]));
            let hint = format!(
                "{restore}, to have this directory's own file back; `accept --drift` records that the copy is meant"
            );
            return Some(Finding::on(database, "copied_in", message, &hint));
        }
        let compiled = self.registry.migration(&migration.parse().ok()?)?;
        let declared = compiled.info().schema_version.as_deref()?;
        (declared != version).then(|| {
            let message = format!(
                "{database} records {migration} as schema version {version}, and it declares {declared}"
            );
            let hint = "put the row right by hand, in the database's version table";
            Finding::on(database, "version_differs", message, hint)
        })
    }
}
