//! What was seen of a migration: states before and after, statements, failures. Plain values.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ErrorKind;
use crate::info::Location;
use crate::schema::read::Schema;

/// What was seen of one migration.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Why it failed on empty tables.
    pub(crate) fails_empty: Option<Failure>,
    /// Why it failed on tables full of rows, each kind of failure once.
    pub(crate) fails_populated: Vec<Failure>,
    /// The run that succeeded, on as many rows as it could stand.
    pub(crate) up: Option<Passage>,
    /// The way back from there, where there is one.
    pub(crate) down: Option<WayBack>,
}

impl Facts {
    /// Returns where a statement stands that ran or failed, as `file:line`.
    pub(super) fn place_of(&self, statement: &str) -> Option<String> {
        let is_it = |sql: &str| on_one_line(sql) == statement;
        let down = self.down.as_ref();
        let passages = self.up.iter().chain(down.and_then(WayBack::passage));
        let mut ran = passages.flat_map(|passage| &passage.statements);
        if let Some(ran) = ran.find(|ran| is_it(&ran.sql)) {
            return Some(ran.place.to_string());
        }
        let failures = self.fails_empty.iter().chain(&self.fails_populated);
        let mut failures = failures.chain(down.into_iter().flat_map(WayBack::failures));
        let failed = failures.find(|failure| failure.statement.as_deref().is_some_and(is_it));
        failed.and_then(|failure| failure.place.as_deref()).map(str::to_owned)
    }
}

impl WayBack {
    fn passage(&self) -> Option<&Passage> {
        match self {
            Self::Fails(_) => None,
            Self::Done(restored) => Some(&restored.passage),
        }
    }

    fn failures(&self) -> impl Iterator<Item = &Failure> {
        let (fails, restored) = match self {
            Self::Fails(failure) => (Some(failure), None),
            Self::Done(restored) => (None, Some(restored)),
        };
        let again = restored.and_then(|restored| restored.again.as_ref().err());
        let later = restored.and_then(|restored| restored.later.as_ref()?.as_ref().err());
        fails.into_iter().chain(again).chain(later)
    }
}

/// From one state to another.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) before: Snapshot,
    pub(crate) statements: Vec<Ran>,
    pub(crate) after: Snapshot,
}

/// What a downgrade did.
#[derive(Debug)]
pub(crate) enum WayBack {
    /// It failed on these rows.
    Fails(Failure),
    /// It went through.
    Done(Box<Restored>),
}

/// A downgrade that went through.
#[derive(Debug)]
pub(crate) struct Restored {
    /// On the rows that the upgrade left.
    pub(crate) passage: Passage,
    /// Applying again: why it failed, or what it made.
    pub(crate) again: Result<Snapshot, Failure>,
    /// The same with rows that were written after the upgrade: before and after.
    pub(crate) later: Option<Result<(Snapshot, Snapshot), Failure>>,
}

/// A statement that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) database: String,
    pub(crate) sql: String,
    pub(crate) place: Location,
    /// Whether `rebuild_table` wrote it, which proves its result by itself.
    pub(crate) by_rebuild: bool,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    /// What the migration's own part of the message says, details included.
    pub(crate) message: String,
    pub(crate) database: Option<String>,
    pub(crate) statement: Option<String>,
    /// Where that statement stands: `file:line`.
    pub(crate) place: Option<Box<str>>,
    /// The fewest rows with which it fails.
    pub(crate) rows: Vec<String>,
}

impl Failure {
    /// Asks whether two failures are of one cause: texts differ with the data.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.statement == other.statement
            && self.is_of_null() == other.is_of_null()
    }

    /// Asks whether a NULL was read as something else.
    pub(super) fn is_of_null(&self) -> bool {
        self.message.contains("Invalid column type Null")
    }
}

/// What all databases hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot(pub(crate) BTreeMap<String, DatabaseFacts>);

/// What one database holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct DatabaseFacts {
    pub(crate) schema: Schema,
    /// Tables that are neither virtual nor the engine's.
    pub(crate) tables: BTreeMap<String, TableFacts>,
    /// Views, triggers and foreign keys that do not work, with why.
    pub(crate) broken: BTreeMap<String, String>,
}

/// What one table holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableFacts {
    pub(crate) columns: Vec<ColumnFacts>,
    /// Values as SQL literals, in the order of the table.
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) constraints: BTreeSet<String>,
    /// Foreign keys whose columns no index begins with, as ``(a, b) to `parent` ``.
    pub(crate) unindexed: BTreeSet<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnFacts {
    pub(crate) name: String,
    pub(crate) declared_type: String,
    /// Whether every INSERT has to name it.
    pub(crate) is_required: bool,
}

impl DatabaseFacts {
    /// Finds a table, in any ASCII case.
    pub(crate) fn table(&self, name: &str) -> Option<&TableFacts> {
        self.tables
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, table)| table)
    }
}

impl TableFacts {
    /// Returns the place of a column, in any ASCII case.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Returns the values of a column.
    pub(crate) fn values(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row[column].as_str())
    }

    /// Returns the rows with these columns alone.
    fn projected(&self, columns: &[&str]) -> Vec<Vec<&str>> {
        let places: Vec<usize> = columns.iter().filter_map(|name| self.column(name)).collect();
        self.rows
            .iter()
            .map(|row| places.iter().map(|place| row[*place].as_str()).collect())
            .collect()
    }

    /// Returns the first of this table's rows that `other` does not hold, compared by the
    /// columns that both have.
    pub(crate) fn first_missing_in(&self, other: &Self) -> Option<&Vec<String>> {
        let shared: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .filter(|name| other.column(name).is_some())
            .collect();
        let mut held: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
        for row in other.projected(&shared) {
            *held.entry(row).or_default() += 1;
        }
        let missing =
            self.projected(&shared).into_iter().position(|row| match held.get_mut(&row) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    false
                }
                _ => true,
            });
        missing.map(|at| &self.rows[at])
    }

    /// Shows a row to people.
    pub(crate) fn shown(&self, table: &str, row: &[String]) -> String {
        let values = self.columns.iter().zip(row);
        let values: Vec<String> =
            values.map(|(column, value)| format!("{}={}", column.name, shortened(value))).collect();
        format!("{table}: {}", values.join(", "))
    }
}

/// Returns a value that fits on a line.
pub(crate) fn shortened(value: &str) -> String {
    const LONGEST: usize = 40;
    let value = value.replace('\n', "\\n");
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} characters)", &value[..end], value.chars().count()),
        None => value,
    }
}

/// A statement without its line breaks and its end.
pub(super) fn on_one_line(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches(';').to_owned()
}
