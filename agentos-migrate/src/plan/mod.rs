//! What would be done, before anything is done.
//!
//! A [`Plan`] is computed from the compiled migrations, a [`Status`] and a
//! [`Target`] and nothing else: no connection, no clock. Whatever makes a
//! plan unsafe is an error here, so the migrator never has to stop half-way
//! for a reason that it could have known. All reasons are told at once.

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::info::{Downgrade, MigrationInfo, TransactionMode};
use crate::status::{Entry, State, Status};
use crate::version::Version;

/// How far up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Everything compiled.
    Latest,
    /// This version and every pending one below it; nothing above it.
    Version(Version),
}

/// Applied or reverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Applied.
    Upgrade,
    /// Reverted.
    Downgrade,
}

/// Whether modified migrations run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// They stop the run.
    #[default]
    No,
    /// They run again, and their new checksum is recorded.
    Yes,
}

/// Why a step is in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It was never applied.
    Pending,
    /// It failed before.
    Failed,
    /// It is modified, and the caller insists.
    Forced,
    /// It is applied above the target of a downgrade.
    Above,
}

/// One migration to apply or to revert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Its version.
    #[serde(serialize_with = "as_text")]
    pub version: Version,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The databases it names.
    pub databases: Vec<String>,
    /// Applied or reverted.
    pub direction: Direction,
    /// Why.
    pub reason: Reason,
    /// Why it can't be reverted later.
    pub irreversible: Option<String>,
}

/// What would be done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    direction: Direction,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl Step {
    pub(crate) fn is_forced(&self) -> bool {
        self.reason == Reason::Forced
    }
}

impl Plan {
    /// Plans an upgrade.
    ///
    /// Dependencies have smaller versions, so the order is that of the
    /// numbers. A pending migration below an applied one runs too.
    ///
    /// # Errors
    ///
    /// `Newer`, `Modified`, `Dependency` or `UnknownVersion`, with every reason.
    pub fn upgrade(
        infos: &[&MigrationInfo],
        status: &Status,
        target: &Target,
        force: Force,
    ) -> Result<Self, Error> {
        let limit = match target {
            Target::Latest => None,
            Target::Version(version) => Some(known(infos, version)?),
        };
        refuse_odd_history(infos, status, force)?;
        let mut steps = Vec::new();
        for info in
            infos.iter().filter(|info| limit.is_none_or(|limit| info.version <= limit.version))
        {
            let reason = match status.state(&info.version) {
                Some(State::Pending) | None => Reason::Pending,
                Some(State::Failed) => Reason::Failed,
                Some(State::Modified) => Reason::Forced,
                Some(State::Applied | State::Missing) => continue,
            };
            steps.push(step(info, Direction::Upgrade, reason));
        }
        refuse_gaps(infos, status, &steps)?;
        Ok(Self { direction: Direction::Upgrade, steps })
    }

    /// Plans a downgrade: everything applied above `target`, newest first.
    ///
    /// The target is a compiled version, or one below all of them, such as
    /// `0000`, to revert everything.
    ///
    /// # Errors
    ///
    /// `Newer`, `Modified`, `Irreversible`, `Incomplete` or `UnknownVersion`, with every reason.
    pub fn downgrade(
        infos: &[&MigrationInfo],
        status: &Status,
        target: &Version,
        force: Force,
    ) -> Result<Self, Error> {
        if infos.first().is_some_and(|first| *target >= first.version) {
            known(infos, target)?;
        }
        refuse_odd_history(infos, status, force)?;
        let above: Vec<&MigrationInfo> =
            infos.iter().copied().filter(|info| info.version > *target).collect();
        refuse_failed(&above, status)?;
        let applied: Vec<&MigrationInfo> = above
            .into_iter()
            .rev()
            .filter(|info| {
                matches!(status.state(&info.version), Some(State::Applied | State::Modified))
            })
            .collect();
        refuse_irreversible(&applied)?;
        let steps = applied
            .into_iter()
            .map(|info| step(info, Direction::Downgrade, Reason::Above))
            .collect();
        Ok(Self { direction: Direction::Downgrade, steps })
    }

    /// Returns which way it goes.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns the plan in a few words, for the manifest of a backup.
    pub(crate) fn reason(&self) -> String {
        let verb = match self.direction {
            Direction::Upgrade => "before upgrade to",
            Direction::Downgrade => "before reverting",
        };
        let last = self.steps.last().map(|step| step.version.to_string()).unwrap_or_default();
        format!("{verb} {last}")
    }
}

fn step(info: &MigrationInfo, direction: Direction, reason: Reason) -> Step {
    Step {
        version: info.version.clone(),
        name: info.name.to_string(),
        description: info.description.to_string(),
        databases: info.databases.iter().map(|name| (*name).to_owned()).collect(),
        direction,
        reason,
        irreversible: match &info.downgrade {
            Downgrade::Available => None,
            Downgrade::Absent => Some("it declares no downgrade".to_owned()),
            Downgrade::Irreversible(why) => Some(why.to_string()),
        },
    }
}

/// How many versions an error lists.
const SHOWN: usize = 12;

/// Finds a compiled version, or says which ones there are.
pub(crate) fn known<'a>(
    infos: &[&'a MigrationInfo],
    version: &Version,
) -> Result<&'a MigrationInfo, Error> {
    if let Ok(found) = infos.binary_search_by(|info| info.version.cmp(version)) {
        return Ok(infos[found]);
    }
    let likeness = |info: &&&MigrationInfo| {
        let likeness =
            strsim::normalized_damerau_levenshtein(info.version.as_str(), version.as_str());
        // Scaled, as floating numbers have no order.
        #[expect(clippy::cast_possible_truncation, reason = "a likeness is between 0 and 1")]
        let scaled = (likeness * 1_000.0) as i64;
        scaled
    };
    let nearest =
        infos.iter().max_by_key(likeness).map(|info| info.version.to_string()).unwrap_or_default();
    let mut all: Vec<String> =
        infos.iter().rev().take(SHOWN).map(|info| info.version.to_string()).collect();
    all.reverse();
    let more = if infos.len() > SHOWN { "… " } else { "" };
    Err(Error::new(ErrorKind::UnknownVersion, format!("no migration has the version {version}"))
        .detail(format!("there are {more}{}", all.join(", ")))
        .in_state("nothing was changed")
        .with_hint(format!("did you mean `--target {nearest}`?")))
}

/// Refuses a history that this program can't go on from.
fn refuse_odd_history(
    infos: &[&MigrationInfo],
    status: &Status,
    force: Force,
) -> Result<(), Error> {
    let of = |state: State| status.applied.iter().filter(move |entry| entry.state == state);
    let missing: Vec<&Entry> = of(State::Missing).collect();
    let modified: Vec<&Entry> =
        if force == Force::Yes { Vec::new() } else { of(State::Modified).collect() };
    if missing.is_empty() && modified.is_empty() {
        return Ok(());
    }
    let latest = infos.last().map(|info| info.version.to_string()).unwrap_or_default();
    let mut error = match (missing.as_slice(), modified.as_slice()) {
        ([], [one]) => Error::new(
            ErrorKind::Modified,
            format!("migration {} `{}` was modified after it was applied", one.version, one.name),
        ),
        ([], many) => Error::new(
            ErrorKind::Modified,
            format!("{} migrations were modified after they were applied", many.len()),
        ),
        (many, _) => {
            let message = format!(
                "the data is newer than this program: {} applied migration(s) are not in it",
                many.len()
            );
            Error::new(ErrorKind::Newer, message).detail(format!("this program ends at {latest}"))
        }
    };
    for entry in &missing {
        let when = entry.applied_at.as_deref().unwrap_or("unknown");
        error =
            error.detail(format!("missing   {} `{}`, applied {when}", entry.version, entry.name));
    }
    for entry in &modified {
        let compiled = infos.iter().find(|info| info.version.as_str() == entry.version);
        error = error.detail(format!(
            "stored    {}  {} applied {}",
            entry.checksum,
            entry.version,
            entry.applied_at.as_deref().unwrap_or("")
        ));
        if let Some(info) = compiled {
            error = error.detail(format!("compiled  {}  {}", info.checksum, info.location));
        }
    }
    let hint = if missing.is_empty() {
        "restore the original body and put the change into a new migration (`new NAME`); \
         `accept VERSION` records the new checksum, `upgrade --force` runs the changed migration again"
    } else {
        "install the newer program, or restore the backup that was made before it ran (`list-backups`)"
    };
    Err(error.in_state("nothing was changed").with_hint(hint))
}

/// Refuses an applied migration whose dependency is not applied, unless that one runs again now, on
/// databases that the applied one does not name: a restore or the loss of those took it away.
fn refuse_gaps(infos: &[&MigrationInfo], status: &Status, steps: &[Step]) -> Result<(), Error> {
    let is_applied =
        |version: &Version| matches!(status.state(version), Some(State::Applied | State::Modified));
    let is_mended = |info: &MigrationInfo, version: &Version| {
        let is_apart = |step: &Step| {
            !step.databases.iter().any(|name| info.databases.contains(&name.as_str()))
        };
        steps.iter().any(|step| step.version == *version && is_apart(step))
    };
    let mut gaps = Vec::new();
    for info in infos.iter().filter(|info| is_applied(&info.version)) {
        let lacking =
            |dependency: &&Version| !is_applied(dependency) && !is_mended(info, dependency);
        for dependency in info.depends_on.iter().filter(lacking) {
            gaps.push(format!(
                "{} `{}` is applied and needs {dependency}, which is not",
                info.version, info.name
            ));
        }
    }
    if gaps.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::Dependency,
        "the history has applied migrations without what they depend on",
    );
    let error = gaps.into_iter().fold(error, Error::detail);
    Err(error
        .in_state("nothing was changed")
        .with_hint("revert the dependent ones first with `downgrade --target VERSION`, or restore a backup with `restore`"))
}

/// Returns whether this engine recorded a checksum: what it saw fail in a transaction was rolled back whole.
fn is_ours(checksum: &str) -> bool {
    checksum.len() == 64
}

fn refuse_failed(above: &[&MigrationInfo], status: &Status) -> Result<(), Error> {
    let is_half_done = |info: &&&MigrationInfo| {
        let mut entries = status.pending.iter().filter(|entry| entry.state == State::Failed);
        entries.any(|entry| {
            entry.version == info.version.as_str()
                && (info.transaction == TransactionMode::Manual || !is_ours(&entry.checksum))
        })
    };
    let failed: Vec<&&MigrationInfo> = above.iter().filter(is_half_done).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::Incomplete,
        "a migration above the target failed half way and can't be reverted",
    );
    let error = failed.into_iter().fold(error, |error, info| {
        error.detail(format!("failed    {} `{}`", info.version, info.name))
    });
    Err(error
        .in_state("nothing was changed")
        .with_hint("finish it with `upgrade`, then downgrade; or restore a backup with `restore`"))
}

fn refuse_irreversible(applied: &[&MigrationInfo]) -> Result<(), Error> {
    let reasons: Vec<String> = applied
        .iter()
        .filter_map(|info| match &info.downgrade {
            Downgrade::Available => None,
            Downgrade::Absent => Some(format!(
                "{} `{}` declares no downgrade ({})",
                info.version, info.name, info.location
            )),
            Downgrade::Irreversible(why) => {
                Some(format!("{} `{}` is irreversible: {why}", info.version, info.name))
            }
        })
        .collect();
    if reasons.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::Irreversible,
        "the downgrade would pass migrations that can't be reverted",
    );
    let error = reasons.into_iter().fold(error, Error::detail);
    Err(error.in_state("nothing was changed").with_hint(
        "restore the backup that was made before them: `list-backups`, then `restore ID`",
    ))
}

fn as_text<S: serde::Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(version.as_str())
}

#[cfg(test)]
mod tests;
