//! The fewest rows with which a migration fails: found by taking rows away and running it again.

use rusqlite::Connection;

use super::scratch::{Move, Scratch};
use crate::error::Error;
use crate::lint::facts::Failure;
use crate::schema::tokens::quote_name;

/// How often the migration may run for this.
const RUNS: usize = 150;
/// How many rows are shown.
const SHOWN: usize = 6;

/// Returns the failure on the rows that are left when no other can be taken away and it still
/// fails alike.
pub(super) fn failure(
    state: &Scratch,
    databases: &[&str],
    failure: Failure,
    to: &Move<'_>,
) -> Result<Failure, Error> {
    let mut search = Search { state: state.copy()?, failure, to, runs: 0 };
    let tables = search.tables(databases)?;
    for (database, table) in tables.iter().rev() {
        let sql = format!("DELETE FROM {}", quote_name(table));
        search.without(database, &sql)?;
    }
    for (database, table) in tables.iter().rev() {
        // From the last to the first, which is the plainest.
        for rowid in search.row_ids(database, table)? {
            let sql = format!("DELETE FROM {} WHERE rowid = {rowid}", quote_name(table));
            search.without(database, &sql)?;
        }
    }
    let rows = search.shown(&tables)?;
    Ok(Failure { rows, ..search.failure })
}

struct Search<'a> {
    state: Scratch,
    failure: Failure,
    to: &'a Move<'a>,
    runs: usize,
}

impl Search<'_> {
    /// Keeps a state without some rows, if the failure is still there.
    fn without(&mut self, database: &str, sql: &str) -> Result<(), Error> {
        if self.runs >= RUNS {
            return Ok(());
        }
        let candidate = self.state.copy()?;
        let Some(connection) = candidate.open(database)? else { return Ok(()) };
        // A trigger may forbid it, a child may need it.
        if !deletes_cleanly(&connection, sql) {
            return Ok(());
        }
        drop(connection);
        self.runs += 1;
        if let Err(failed) = candidate.copy()?.run(self.to)?
            && failed.is_like(&self.failure)
        {
            self.state = candidate;
            self.failure = failed;
        }
        Ok(())
    }

    fn tables(&self, databases: &[&str]) -> Result<Vec<(String, String)>, Error> {
        let snapshot = self.state.look()?;
        let named = snapshot.0.iter().filter(|(name, _)| databases.contains(&name.as_str()));
        let tables = named.flat_map(|(database, facts)| {
            let filled = facts.tables.iter().filter(|(_, table)| !table.rows.is_empty());
            filled.map(move |(table, _)| (database.clone(), table.clone()))
        });
        Ok(tables.collect())
    }

    fn row_ids(&self, database: &str, table: &str) -> Result<Vec<i64>, Error> {
        let Some(connection) = self.state.open(database)? else { return Ok(Vec::new()) };
        let sql = format!("SELECT rowid FROM {} ORDER BY rowid DESC", quote_name(table));
        // A table without rowids keeps its rows.
        let ids = connection.prepare(&sql).and_then(|mut statement| {
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()
        });
        Ok(ids.unwrap_or_default())
    }

    fn shown(&self, tables: &[(String, String)]) -> Result<Vec<String>, Error> {
        let snapshot = self.state.look()?;
        let rows = tables.iter().flat_map(|(database, name)| {
            let table = &snapshot.0[database].tables[name];
            table.rows.iter().map(move |row| table.shown(name, row))
        });
        Ok(rows.take(SHOWN).collect())
    }
}

fn deletes_cleanly(connection: &Connection, sql: &str) -> bool {
    let clean = || {
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        let deleted = connection.execute(sql, [])?;
        let is_whole = !connection.prepare("PRAGMA foreign_key_check")?.exists([])?;
        Ok::<_, rusqlite::Error>(deleted > 0 && is_whole)
    };
    clean().unwrap_or(false)
}
