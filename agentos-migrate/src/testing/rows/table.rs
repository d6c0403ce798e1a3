//! The rows of one table: tried, and amended by what SQLite refuses.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params_from_iter};

use super::values::{self, Affinity, Theme};
use crate::schema::read::{Object, Visibility};
use crate::schema::rebuild::TableParts;
use crate::schema::tokens::{quote_name, significant_tokens};

/// How often a row is amended before it is given up.
const ATTEMPTS: usize = 600;

/// What is known of a table while it is filled.
pub(super) struct Filling<'a> {
    connection: &'a Connection,
    insert: Statement<'a>,
    columns: Vec<Column>,
    keys: Vec<Key>,
    candidates: Vec<Value>,
    is_strict: bool,
    fresh: i64,
    /// The row that is made, from 0.
    number: usize,
    /// A plain sequence of numbers, the same in every run.
    dice: u64,
}

struct Column {
    name: String,
    affinity: Affinity,
    is_required: bool,
    is_rowid: bool,
}

/// A foreign key: the places of its columns, and the rows that they may point at.
struct Key {
    places: Vec<usize>,
    parents: Vec<Vec<Value>>,
    is_own: bool,
    parent_places: Vec<usize>,
}

impl<'a> Filling<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        table: &Object,
        parts: &TableParts,
    ) -> rusqlite::Result<Self> {
        let columns: Vec<Column> = parts
            .columns
            .iter()
            .filter(|column| column.visibility == Visibility::Ordinary)
            .map(|column| Column {
                name: column.name.clone(),
                affinity: Affinity::of(&column.declared_type),
                is_required: column.not_null || column.primary_key > 0,
                is_rowid: parts.rowid_alias.as_ref() == Some(&column.name),
            })
            .collect();
        let names: Vec<String> = columns.iter().map(|column| quote_name(&column.name)).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let insert = format!(
            // Whatever a constraint says of conflicts, here it refuses.
            "INSERT OR ABORT INTO {} ({}) VALUES ({marks})",
            quote_name(&table.name),
            names.join(", ")
        );
        let keys = parts
            .foreign_keys
            .iter()
            .filter_map(|key| Key::read(connection, table, key, &columns).transpose())
            .collect::<rusqlite::Result<_>>()?;
        let rows: i64 = connection.query_row(
            &format!("SELECT count(*) FROM {}", quote_name(&table.name)),
            [],
            |row| row.get(0),
        )?;
        Ok(Self {
            connection,
            insert: connection.prepare(&insert)?,
            columns,
            keys,
            candidates: values::candidates(&rules_of(connection, table)?),
            is_strict: parts.is_strict,
            fresh: 1000 + rows,
            number: 0,
            dice: 0x9e37_79b9_7f4a_7c15,
        })
    }

    /// Adds a row of a theme; or says what SQLite had against every attempt.
    pub(super) fn add(
        &mut self,
        theme: Theme,
        number: usize,
    ) -> rusqlite::Result<Result<(), String>> {
        self.number = number;
        let mut row = self.first_try(theme, number);
        let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let Err(refusal) = self.insert(&row)? else { return Ok(Ok(())) };
            let times = refusals.entry(refusal.clone()).or_default();
            *times += 1;
            if !self.amend(&mut row, &refusal, *times - 1) {
                return Ok(Err(refusal));
            }
            last = refusal;
        }
        Ok(Err(last))
    }

    fn first_try(&self, theme: Theme, number: usize) -> Vec<Value> {
        let mut row: Vec<Value> = self
            .columns
            .iter()
            .map(|column| {
                let is_tame = column.is_rowid || (column.is_required && theme == Theme::Null);
                let theme = if is_tame { Theme::Plain } else { theme };
                values::value(theme, column.affinity, self.is_strict)
            })
            .collect();
        for key in &self.keys {
            let may_be_null = key.places.iter().any(|place| !self.columns[*place].is_required);
            if theme == Theme::Null && may_be_null {
                continue;
            }
            key.point(&mut row, number);
        }
        row
    }

    /// Tries a row. A refused one leaves nothing: a statement is undone whole.
    fn insert(&mut self, row: &[Value]) -> rusqlite::Result<Result<(), String>> {
        let outcome = self.insert.execute(params_from_iter(row));
        if self.connection.is_autocommit() {
            // A trigger that says ROLLBACK took the rows before along.
            self.connection.execute_batch("BEGIN")?;
        }
        Ok(outcome.map(drop).map_err(|error| error.to_string()))
    }

    /// Changes a row by what was said against it; false if that says nothing.
    fn amend(&mut self, row: &mut [Value], refusal: &str, times: usize) -> bool {
        if let Some(names) = refusal.strip_prefix("UNIQUE constraint failed: ") {
            self.make_unique(row, names, times);
        } else if let Some(name) = refusal.strip_prefix("NOT NULL constraint failed: ") {
            for place in self.places_named(name) {
                row[place] = self.plain(place);
            }
        } else if let Some((_, name)) = refusal.split_once(" column ")
            && refusal.starts_with("cannot store")
        {
            for place in self.places_named(name) {
                row[place] = self.plain(place);
            }
        } else if refusal == "datatype mismatch" {
            self.fresh += 1;
            for (place, column) in
                self.columns.iter().enumerate().filter(|(_, column)| column.is_rowid)
            {
                row[place] = values::fresh(&Value::Null, column.affinity, self.fresh);
            }
        } else if let Some(rule) = refusal.strip_prefix("CHECK constraint failed: ") {
            let places = self.places_in(rule);
            self.search(row, &places, times);
        } else if refusal.starts_with("no such") || refusal.contains("unknown function") {
            return false;
        } else {
            // A trigger that says no in its own words.
            let places: Vec<usize> = (0..row.len()).collect();
            self.search(row, &places, times);
        }
        true
    }

    fn plain(&self, place: usize) -> Value {
        values::value(Theme::Plain, self.columns[place].affinity, self.is_strict)
    }

    /// Gives new values to the columns of a key; children take other parents.
    fn make_unique(&mut self, row: &mut [Value], names: &str, times: usize) {
        let keyed: Vec<usize> =
            names.split(", ").flat_map(|name| self.places_named(name)).collect();
        // The index of an expression is named by its own name.
        let places = if keyed.is_empty() { (0..row.len()).collect() } else { keyed };
        let is_child = |place: &usize| self.keys.iter().any(|key| key.places.contains(place));
        let free: Vec<usize> = places.iter().copied().filter(|place| !is_child(place)).collect();
        if free.is_empty() {
            for key in
                self.keys.iter().filter(|key| key.places.iter().any(|place| places.contains(place)))
            {
                key.point(row, times);
            }
            return;
        }
        for place in free {
            self.fresh += 1;
            // Numbers that SQLite compares as equal differ when they are small.
            row[place] = values::fresh(&row[place], self.columns[place].affinity, self.fresh);
        }
    }

    /// Tries every candidate in each column, then in several at once.
    fn search(&mut self, row: &mut [Value], places: &[usize], times: usize) {
        let is_child = |place: &usize| self.keys.iter().any(|key| key.places.contains(place));
        let free: Vec<usize> = places.iter().copied().filter(|place| !is_child(place)).collect();
        let count = self.candidates.len();
        if free.is_empty() {
            for key in &self.keys {
                key.point(row, times);
            }
        } else if times < count * free.len() && free.len() < 4 {
            let place = free[times / count];
            // Every other row tries them from the end, so that not all hold the first that fits.
            let pick = if self.number.is_multiple_of(2) {
                times % count
            } else {
                count - 1 - times % count
            };
            row[place] = self.candidates[pick].clone();
        } else {
            for place in free {
                if self.roll(2) == 0 {
                    let pick = self.roll(count);
                    row[place] = self.candidates[pick].clone();
                }
            }
        }
    }

    fn roll(&mut self, sides: usize) -> usize {
        // https://en.wikipedia.org/wiki/Xorshift
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        usize::try_from(self.dice % sides as u64).unwrap_or_default()
    }

    /// Finds the column that SQLite names as `table.column`.
    fn places_named(&self, name: &str) -> Vec<usize> {
        let is_it = |column: &Column| {
            name.eq_ignore_ascii_case(&column.name)
                || name
                    .to_ascii_lowercase()
                    .ends_with(&format!(".{}", column.name.to_ascii_lowercase()))
        };
        (0..self.columns.len()).filter(|place| is_it(&self.columns[*place])).collect()
    }

    /// Finds the columns that a rule speaks of; all if it has a name of its own.
    fn places_in(&self, rule: &str) -> Vec<usize> {
        let tokens = significant_tokens(rule);
        let is_named = |column: &Column| tokens.iter().any(|token| token.is_name(&column.name));
        let named: Vec<usize> =
            (0..self.columns.len()).filter(|place| is_named(&self.columns[*place])).collect();
        if named.is_empty() { (0..self.columns.len()).collect() } else { named }
    }
}

impl Key {
    fn read(
        connection: &Connection,
        table: &Object,
        key: &crate::schema::rebuild::ForeignKeyParts,
        columns: &[Column],
    ) -> rusqlite::Result<Option<Self>> {
        let place = |name: &String| {
            columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
        };
        let places: Option<Vec<usize>> = key.columns.iter().map(place).collect();
        // A generated column can't be given a parent.
        let Some(places) = places else { return Ok(None) };
        let names = match key.parent_columns.iter().cloned().collect::<Option<Vec<String>>>() {
            Some(names) => names,
            None => primary_key(connection, &key.parent)?,
        };
        let quoted: Vec<String> = names.iter().map(|name| quote_name(name)).collect();
        let sql = format!("SELECT {} FROM {} LIMIT 50", quoted.join(", "), quote_name(&key.parent));
        let parents = connection.prepare(&sql).and_then(|mut statement| {
            let rows =
                statement.query_map([], |row| (0..names.len()).map(|at| row.get(at)).collect())?;
            rows.collect::<rusqlite::Result<Vec<Vec<Value>>>>()
        });
        let is_own = key.parent.eq_ignore_ascii_case(&table.name);
        let parent_places = names.iter().filter_map(place).collect();
        // A parent that is not there has no rows: the child stays alone, or is taken out.
        Ok(Some(Self { places, parents: parents.unwrap_or_default(), is_own, parent_places }))
    }

    /// Points a row at one of the parents, or at itself.
    fn point(&self, row: &mut [Value], number: usize) {
        if self.is_own && self.parent_places.len() == self.places.len() {
            for (place, parent) in self.places.iter().zip(&self.parent_places) {
                row[*place] = row[*parent].clone();
            }
        } else if !self.parents.is_empty() {
            let parent = &self.parents[number % self.parents.len()];
            for (place, value) in self.places.iter().zip(parent) {
                row[*place] = value.clone();
            }
        }
    }
}

fn primary_key(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_info(?1, 'main') WHERE pk > 0 ORDER BY pk";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// Returns the text of everything that may refuse a row: the table, its indexes and triggers.
fn rules_of(connection: &Connection, table: &Object) -> rusqlite::Result<String> {
    let sql = "SELECT coalesce(group_concat(sql, ';'), '') FROM main.sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE";
    connection.query_row(sql, [&table.name], |row| row.get(0))
}
