//! The history after a restore: it agrees with the databases that came back.
//!
//! A backup that holds migrations.db brings its own history. Without it (the
//! Python tool's automatic backups, a restore of single databases) the
//! present history is kept, but for migrations that a restored database no
//! longer records: they are pending again.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{SecondsFormat, Utc};
use rusqlite::Connection;

use super::place::Place;
use super::restore::TRACKING;
use super::snapshot::refused;
use super::{files, paths, verify};
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

/// Versions that a live database records and its restored form does not.
fn lost_versions(
    place: &Place,
    stage: &Path,
    entries: &BTreeSet<String>,
) -> Result<BTreeSet<Version>, Error> {
    let mut lost = BTreeSet::new();
    for entry in
        entries.iter().filter(|entry| entry.ends_with(paths::DATABASE_ENDING) && *entry != TRACKING)
    {
        let table = &place.schema_version_table;
        let staged = stage.join(entry);
        let mut restored = BTreeSet::new();
        if staged.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let connection = verify::open_copy(&staged)?;
            restored.extend(versions(
                &schema_version::recorded(&connection, table)
                    .map_err(|error| refused("read", &staged, error))?,
            ));
        }
        let live = place.data_dir.join(entry);
        // A live file that can't be read is what is being replaced.
        if let Ok(Some(connection)) = reading::open(&live) {
            let recorded = schema_version::recorded(&connection, table).unwrap_or_default();
            lost.extend(versions(&recorded).filter(|version| !restored.contains(version)));
        }
    }
    Ok(lost)
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
    backup_id: &str,
    stage: &Path,
    entries: &BTreeSet<String>,
) -> Result<(), Error> {
    let before = applied(&place.data_dir.join(TRACKING))?;
    let after = applied(&stage.join(TRACKING))?;
    let mut torn = Vec::new();
    let listed = std::fs::read_dir(&place.data_dir)
        .map_err(|error| files::failed("read", &place.data_dir, error))?;
    for name in listed.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if !name.ends_with(paths::DATABASE_ENDING) || name == TRACKING {
            continue;
        }
        let is_restored = entries.contains(&name);
        let path = if is_restored { stage.join(&name) } else { place.data_dir.join(&name) };
        let Ok(Some(connection)) = reading::open(&path) else { continue };
        let recorded = schema_version::recorded(&connection, &place.schema_version_table)
            .map_err(|error| refused("read", &path, error))?;
        for version in versions(&recorded).filter(|version| !after.contains(version)) {
            if is_restored {
                torn.push(format!("the backup's {name} has {version}, which is not applied now"));
            } else if before.contains(&version) {
                torn.push(format!("{name} has {version}, which would have to run again"));
            }
        }
    }
    if torn.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::Usage,
        "these databases alone would not agree with the others and the history",
    );
    Err(torn.into_iter().fold(error, Error::detail)
        .in_state("nothing was changed")
        .with_hint(format!(
            "restore them together, with one `--database NAME` each, or everything: `restore {backup_id}`"
        )))
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
