//! The history after a restore: it agrees with the databases that came back.
//!
//! A backup that holds migrations.db brings its own history. Without it (the
//! Python tool's automatic backups, a restore of single databases) the
//! present history is kept, but for migrations that a restored database no
//! longer records: they are pending again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{SecondsFormat, Utc};
use rusqlite::Connection;

use super::manifest::Manifest;
use super::paths::TRACKING;
use super::place::Place;
use super::snapshot::refused;
use super::{files, paths, soundness};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind};
use crate::sqlite::{history_table, reading, schema_version};
use crate::version::Version;

/// Stages a migrations.db that agrees with the staged databases, and notes the restore in it.
///
/// Returns the migrations that are going to run again.
pub(super) fn agree(
    place: &Place,
    backup_id: &str,
    stage: &Path,
    entries: &mut BTreeSet<String>,
) -> Result<Vec<String>, Error> {
    let staged = stage.join(TRACKING);
    let mut to_run_again = Vec::new();
    if !staged.exists() {
        let live = place.data_dir.join(TRACKING);
        if !live.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            return Ok(to_run_again);
        }
        files::step_of_sqlite(&staged)?;
        reading::copy_into(&live, stage)?;
        files::like(&live, &staged)?;
        files::remove_file_if_there(&stage.join(super::swap::REMOVALS).join(TRACKING))?;
        let lost = lost_versions(place, stage, entries)?;
        to_run_again = lost.iter().map(ToString::to_string).collect();
        entries.insert(TRACKING.to_owned());
    }
    let connection = Connection::open(&staged).map_err(|error| refused("open", &staged, error))?;
    note(&connection, backup_id, &mut to_run_again)
        .map_err(|error| refused("write", &staged, error))?;
    connection.close().map_err(|(_, error)| refused("write", &staged, error))?;
    Ok(to_run_again)
}

/// Versions that a database had before and its restored form does not record.
fn lost_versions(
    place: &Place,
    stage: &Path,
    entries: &BTreeSet<String>,
) -> Result<BTreeSet<Version>, Error> {
    let history = applied(&stage.join(TRACKING))?;
    let mut lost = BTreeSet::new();
    for name in entries.iter().filter_map(|entry| database_of(entry)) {
        let staged = stage.join(format!("{name}{}", paths::DATABASE_ENDING));
        let mut restored = BTreeSet::new();
        if staged.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let connection = soundness::open_copy(&staged)?;
            restored.extend(versions(
                &schema_version::recorded(&connection, &place.schema_version_table)
                    .map_err(|error| refused("read", &staged, error))?,
            ));
        }
        let had = had_before(place, name, &history);
        lost.extend(had.into_iter().filter(|version| !restored.contains(version)));
    }
    Ok(lost)
}

/// Returns the name of a database among the entries, but for the tracking database.
fn database_of(entry: &str) -> Option<&str> {
    entry.strip_suffix(paths::DATABASE_ENDING).filter(|_| entry != TRACKING)
}

/// Returns the versions that a database had before the restore: its own records, or what the history has
/// of it where the file is gone, damaged, or was made anew by a program.
fn had_before(place: &Place, name: &str, history: &BTreeSet<Version>) -> BTreeSet<Version> {
    let live = place.data_dir.join(format!("{name}{}", paths::DATABASE_ENDING));
    let recorded = match reading::open(&live) {
        Ok(Some(connection)) => {
            let recorded = schema_version::recorded(&connection, &place.schema_version_table);
            versions(&recorded.unwrap_or_default()).collect()
        }
        // A live file that can't be read is what is being replaced.
        _ => BTreeSet::new(),
    };
    if !recorded.is_empty() {
        return recorded;
    }
    let touching = place.touching.get(name);
    history
        .iter()
        .filter(|version| touching.is_some_and(|touching| touching.contains(version)))
        .cloned()
        .collect()
}

/// Returns those of the recorded texts that are versions: `0003` and `00003` are one.
fn versions(recorded: &[String]) -> impl Iterator<Item = Version> {
    recorded.iter().filter_map(|text| text.parse().ok())
}

/// Refuses single databases whose migrations other databases share: history and schema would differ.
///
/// Only what this restore would bring about counts; what differs already is not its matter.
pub(super) fn refuse_torn(
    place: &Place,
    manifest: &Manifest,
    restored: &[String],
    stage: &Path,
    entries: &BTreeSet<String>,
) -> Result<(), Error> {
    let before = applied(&place.data_dir.join(TRACKING))?;
    let after = applied(&stage.join(TRACKING))?;
    let had = all_had_before(place, &before)?;
    let mut torn = Vec::new();
    for entry in entries {
        let Some(name) = database_of(entry) else { continue };
        let path = stage.join(entry);
        let Ok(Some(connection)) = reading::open(&path) else { continue };
        let recorded = schema_version::recorded(&connection, &place.schema_version_table)
            .map_err(|error| refused("read", &path, error))?;
        for version in versions(&recorded).filter(|version| !after.contains(version)) {
            torn.push(format!("the backup's {name}.db has {version}, which is not applied now"));
        }
    }
    let is_restored = |name: &str| entries.contains(&format!("{name}{}", paths::DATABASE_ENDING));
    for (name, had) in had.iter().filter(|(name, _)| !is_restored(name)) {
        for version in had.iter().filter(|v| !after.contains(v) && before.contains(v)) {
            torn.push(format!("{name}.db has {version}, which would have to run again"));
        }
    }
    if torn.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::Usage,
        "these databases alone would not agree with the others and the history",
    );
    let together = together(manifest, restored.iter().cloned().collect(), &had, &before);
    Err(torn
        .into_iter()
        .fold(error, Error::detail)
        .in_state("nothing was changed")
        .with_hint(way_out(manifest, together)))
}

/// Returns what every database had before, by name; those of the set too whose file is gone.
fn all_had_before(
    place: &Place,
    history: &BTreeSet<Version>,
) -> Result<BTreeMap<String, BTreeSet<Version>>, Error> {
    let listed = std::fs::read_dir(&place.data_dir)
        .map_err(|error| files::failed("read", &place.data_dir, error))?;
    let listed = listed.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let found = listed.filter_map(|entry| database_of(&entry).map(str::to_owned));
    let names: BTreeSet<String> = found.chain(place.touching.keys().cloned()).collect();
    Ok(names.into_iter().map(|name| (name.clone(), had_before(place, &name, history))).collect())
}

/// Returns the databases that agree when they are restored together; nothing if the backup lacks one.
fn together(
    manifest: &Manifest,
    mut names: BTreeSet<String>,
    had: &BTreeMap<String, BTreeSet<Version>>,
    history: &BTreeSet<Version>,
) -> Option<BTreeSet<String>> {
    const HISTORY: &str = "migrations";
    let held = |name: &String| -> BTreeSet<Version> {
        manifest.migration_versions.get(name).into_iter().flat_map(|list| versions(list)).collect()
    };
    loop {
        let lost: BTreeSet<Version> = names
            .iter()
            .flat_map(|name| {
                let held = held(name);
                let had = had.get(name).cloned().unwrap_or_default();
                had.into_iter().filter(move |version| !held.contains(version))
            })
            .collect();
        let needs_history = names.contains(HISTORY)
            || names.iter().any(|name| held(name).iter().any(|version| !history.contains(version)));
        let with = had.iter().filter(|(_, had)| {
            if needs_history { !had.is_empty() } else { had.iter().any(|v| lost.contains(v)) }
        });
        let with = with.map(|(name, _)| name.clone());
        let with = with.chain(needs_history.then(|| HISTORY.to_owned()));
        let more: Vec<String> = with.filter(|name| !names.contains(name)).collect();
        if more.is_empty() {
            return Some(names);
        }
        if more.iter().any(|name| !manifest.databases.contains(name)) {
            return None;
        }
        names.extend(more);
    }
}

/// Says which restore does agree.
fn way_out(manifest: &Manifest, together: Option<BTreeSet<String>>) -> String {
    let id = &manifest.backup_id;
    let whole = format!("everything: `restore {id}`");
    let others = "a backup that holds the other databases too: `list-backups`";
    match (together, manifest.scope.holds_all_databases()) {
        (Some(names), holds_all) => {
            let options: String = names.iter().map(|name| format!(" --database {name}")).collect();
            let rest = if holds_all { format!(", or {whole}") } else { String::new() };
            format!("restore them together: `restore {id}{options}`{rest}")
        }
        (None, true) => format!("restore {whole}"),
        (None, false) => format!("restore {others}"),
    }
}

/// Returns the versions that a history has as applied.
fn applied(path: &Path) -> Result<BTreeSet<Version>, Error> {
    let Some(connection) = reading::open(path)? else { return Ok(BTreeSet::new()) };
    let history = history_table::read(&connection).map_err(|error| refused("read", path, error))?;
    let applied = history.rows().filter(|(_, row)| row.success);
    Ok(applied.map(|(version, _)| version.clone()).collect())
}

fn note(
    connection: &Connection,
    backup_id: &str,
    to_run_again: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    history_table::create(&transaction)?;
    let mut forget = transaction.prepare(history_table::REMOVE)?;
    let mut forgotten = Vec::new();
    for version in to_run_again.drain(..) {
        if forget.execute([&version])? > 0 {
            forgotten.push(version);
        }
    }
    drop(forget);
    *to_run_again = forgotten;
    let event = Event {
        at: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
        kind: EventKind::Restored,
        version: None,
        name: None,
        checksum: None,
        program: concat!("agentos-migrate ", env!("CARGO_PKG_VERSION")).to_owned(),
        backup_id: Some(backup_id.to_owned()),
        note: None,
    };
    history_table::append(&transaction, &event)?;
    transaction.commit()
}
