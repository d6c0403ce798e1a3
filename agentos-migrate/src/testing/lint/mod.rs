//! The lint: every migration run on empty and on populated tables, and judged by what it did.

mod fewest;
mod look;
mod scratch;

use self::scratch::{Move, Scratch};
use super::rows::Wildness;
use crate::error::Error;
use crate::info::{Downgrade, MigrationInfo};
use crate::lint::facts::{Facts, Failure, Passage, Ran, Restored, Snapshot, WayBack};
use crate::lint::{self, DowngradeProof, LintReport};
use crate::registry::Registry;

/// Runs every migration of a set on empty and on populated tables, and says what is wrong with it.
///
/// Each migration stands where all before it were applied. The rows are made
/// up from the schema that is there: NULL and duplicates wherever they are
/// allowed, empty texts, the largest and smallest numbers, blobs in text
/// columns, children for every foreign key. What a migration then does is
/// compared: it fails on rows only, rows or values are gone, its downgrade
/// leaves something. `docs/lint.md` has every code.
///
/// Nothing but temporary directories is touched.
///
/// # Errors
///
/// A set that can't be used ([`ErrorKind::InvalidSet`](crate::ErrorKind)); a
/// temporary directory that can't be used. What is wrong with a migration is
/// in the report.
///
/// # Examples
///
/// ```
/// use agentos_migrate::{Migration, Registry, testing};
///
/// let create = Migration::new("0001", &["notes"], |ctx| {
///     ctx.execute("notes", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)", [])?;
///     Ok(())
/// })
/// .downgrade(|ctx| {
///     ctx.execute("notes", "DROP TABLE note", [])?;
///     Ok(())
/// });
/// testing::lint(&Registry::new(&["notes"], vec![create.clone()]))?.check()?;
///
/// // On an empty table this works. On a real one it does not.
/// let index = Migration::new("0002", &["notes"], |ctx| {
///     ctx.execute("notes", "CREATE UNIQUE INDEX one_body ON note (body)", [])?;
///     Ok(())
/// })
/// .irreversible("it is an example");
/// let report = testing::lint(&Registry::new(&["notes"], vec![create, index]))?;
/// let finding = &report.findings[0];
/// assert_eq!(finding.code, "AM203");
/// assert!(finding.rows.iter().all(|row| row.starts_with("note: ")));
/// assert!(report.check().is_err());
/// # Ok::<(), agentos_migrate::Error>(())
/// ```
pub fn lint(registry: &Registry) -> Result<LintReport, Error> {
    lint_where(registry, |_| true)
}

/// Shows for every downgrade of a set that it undoes its migration, on populated tables.
///
/// The schema after up and down is the schema before; the rows of every
/// table that is there before and after are the rows before; rows that were
/// written after the upgrade are not lost from tables that stay. What the
/// migration made goes with it, and is listed, as is what the migration
/// itself declares: `deletes`, or `allow` of `AM301` or `AM302`.
///
/// # Errors
///
/// [`ErrorKind::ValidationFailed`](crate::ErrorKind) with every downgrade
/// that does not, and the rows that show it; as [`lint`].
///
/// # Examples
///
/// ```
/// use agentos_migrate::{Migration, Registry, testing};
///
/// let create = Migration::new("0001", &["notes"], |ctx| {
///     ctx.execute("notes", "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)", [])?;
///     Ok(())
/// })
/// .irreversible("the notes are the program's");
/// let pin = Migration::new("0002", &["notes"], |ctx| {
///     ctx.execute("notes", "ALTER TABLE note ADD COLUMN pinned INTEGER", [])?;
///     Ok(())
/// });
/// let unpin = pin.clone().downgrade(|ctx| {
///     ctx.execute("notes", "ALTER TABLE note DROP COLUMN pinned", [])?;
///     Ok(())
/// });
/// let proofs = testing::prove_downgrades(&Registry::new(&["notes"], vec![create.clone(), unpin]))?;
/// assert_eq!(proofs[0].gone, ["column `pinned` of notes.note"]);
///
/// let forgetful = pin.downgrade(|_| Ok(()));
/// let error = testing::prove_downgrades(&Registry::new(&["notes"], vec![create, forgetful])).unwrap_err();
/// assert_eq!(error.to_string(), "migration 0002 `migration_0002`: downgrade that does not restore the schema");
/// # Ok::<(), agentos_migrate::Error>(())
/// ```
pub fn prove_downgrades(registry: &Registry) -> Result<Vec<DowngradeProof>, Error> {
    let report = examine_set(registry, |info| info.downgrade == Downgrade::Available, TAME)?;
    report.check_rules(|code| code.starts_with("AM30"))?;
    Ok(report.proofs)
}

/// Rows of every kind; if a migration fails on them, tamer ones; at last none.
const WILD: &[Option<Wildness>] = &[Some(Wildness::Any), Some(Wildness::AsDeclared), None];
/// Without values of another type than declared.
const TAME: &[Option<Wildness>] = &[Some(Wildness::AsDeclared), None];

/// The same, for some of the migrations; those before them are applied without a look.
///
/// # Errors
///
/// As [`lint`].
pub fn lint_where(
    registry: &Registry,
    is_wanted: impl Fn(&MigrationInfo) -> bool,
) -> Result<LintReport, Error> {
    examine_set(registry, is_wanted, WILD)
}

/// As [`lint`], on rows of the declared types.
pub(super) fn lint_tamely(registry: &Registry) -> Result<LintReport, Error> {
    examine_set(registry, |_| true, TAME)
}

fn examine_set(
    registry: &Registry,
    is_wanted: impl Fn(&MigrationInfo) -> bool,
    kinds: &[Option<Wildness>],
) -> Result<LintReport, Error> {
    registry.check()?;
    let ladder = Scratch::empty(registry)?;
    let mut report = LintReport::default();
    let mut previous = "0000".to_owned();
    let mut migrations = registry.migrations().iter();
    for migration in migrations.by_ref() {
        let info = migration.info();
        let start = ladder.copy()?;
        let fails_empty = ladder.run(&Move::Up(info))?.err();
        let goes_on = fails_empty.is_none();
        if is_wanted(info) {
            let mut examination =
                Examination { start: &start, info, previous: &previous, kinds, notes: Vec::new() };
            let facts = examination.run(fails_empty)?;
            // Told once, for the first version at which it is so.
            examination.notes.retain(|note| !report.notes.contains(note));
            report.notes.append(&mut examination.notes);
            lint::judge(info, &facts, &mut report);
        } else if let Some(failure) = fails_empty {
            report.notes.push(format!("{} does not run: {}", info.version, failure.message));
        }
        if !goes_on {
            let left = migrations.map(|migration| migration.info().version.to_string());
            let left: Vec<String> = left.collect();
            if !left.is_empty() {
                let text =
                    format!("not examined, as {} does not run: {}", info.version, left.join(", "));
                report.notes.push(text);
            }
            break;
        }
        previous = info.version.to_string();
    }
    Ok(report)
}

/// One migration and the state before it.
struct Examination<'a> {
    start: &'a Scratch,
    info: &'a MigrationInfo,
    previous: &'a str,
    kinds: &'a [Option<Wildness>],
    notes: Vec<String>,
}

impl Examination<'_> {
    /// Runs the migration on rows of each kind until one succeeds.
    fn run(&mut self, fails_empty: Option<Failure>) -> Result<Facts, Error> {
        let mut facts = Facts { fails_empty, fails_populated: Vec::new(), up: None, down: None };
        let up = Move::Up(self.info);
        for rows in self.kinds {
            let state = self.start.copy()?;
            if let Some(wildness) = rows {
                let unfilled = state.fill(&self.info.databases, *wildness)?;
                self.notes.extend(unfilled);
            }
            let before = state.look()?;
            let kept = state.copy()?;
            match state.run(&up)? {
                Ok(statements) => {
                    facts.up = Some(Passage { before, statements, after: state.look()? });
                    facts.down = self.way_back(&state, *rows)?;
                    break;
                }
                // Without rows it is `fails_empty`.
                Err(_) if rows.is_none() => {}
                Err(failure)
                    if facts.fails_populated.iter().any(|known| known.is_like(&failure)) => {}
                Err(failure) => {
                    let fewest = fewest::failure(&kept, &self.info.databases, failure, &up)?;
                    facts.fails_populated.push(fewest);
                }
            }
        }
        self.notes.sort();
        self.notes.dedup();
        Ok(facts)
    }

    /// Goes back from an upgraded state, and up again; then once more with rows that a program added.
    fn way_back(&self, state: &Scratch, rows: Option<Wildness>) -> Result<Option<WayBack>, Error> {
        if self.info.downgrade != Downgrade::Available {
            return Ok(None);
        }
        let bare = state.copy()?;
        let before = bare.look()?;
        let statements = match self.revert(&bare)? {
            Ok(statements) => statements,
            Err(failure) => return Ok(Some(WayBack::Fails(failure))),
        };
        let passage = Passage { before, statements, after: bare.look()? };
        let again = match bare.run(&Move::Up(self.info))? {
            Ok(_) => Ok(bare.look()?),
            Err(failure) => Err(failure),
        };
        let later = rows.map(|wildness| self.later(state, wildness)).transpose()?;
        Ok(Some(WayBack::Done(Box::new(Restored { passage, again, later }))))
    }

    fn later(
        &self,
        state: &Scratch,
        wildness: Wildness,
    ) -> Result<Result<(Snapshot, Snapshot), Failure>, Error> {
        state.fill(&self.info.databases, wildness)?;
        let before = state.look()?;
        match self.revert(state)? {
            Ok(_) => Ok(Ok((before, state.look()?))),
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Runs the downgrade; a failure comes with the fewest rows that show it.
    fn revert(&self, state: &Scratch) -> Result<Result<Vec<Ran>, Failure>, Error> {
        let kept = state.copy()?;
        let down = Move::Down(self.previous);
        match state.run(&down)? {
            Ok(statements) => Ok(Ok(statements)),
            Err(failure) => Ok(Err(fewest::failure(&kept, &self.info.databases, failure, &down)?)),
        }
    }
}
