//! What the SQL of a migration may do on a connection.
//!
//! An authorizer (<https://sqlite.org/c3ref/set_authorizer.html>) that the
//! engine switches: everything for itself, no transaction control, no other
//! files and none of its own settings for a migration, nothing but reading
//! for a validation. It also notes which tables may lose rows through a
//! trigger, as only the statement compiler knows that before it happens.

mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use self::rules::{Refusal, owned_by_the_engine, writes};
use crate::error::{Error, ErrorKind};

/// Who is running SQL on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The engine itself.
    Engine,
    /// A migration's upgrade or downgrade.
    Migration,
    /// A migration's validation.
    Validation,
}

/// The switch of one connection's authorizer, shared with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard(Arc<Mutex<Notes>>);

#[derive(Debug)]
struct Notes {
    role: Role,
    refusal: Option<Refusal>,
    deletes: BTreeSet<String>,
    deletes_by_trigger: BTreeMap<String, String>,
    /// The same, of the whole migration.
    all_by_trigger: BTreeMap<String, String>,
    changes_rows: bool,
    leaves_traces: bool,
    version_table: String,
    wrote_version: bool,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            role: Role::Engine,
            refusal: None,
            deletes: BTreeSet::new(),
            deletes_by_trigger: BTreeMap::new(),
            all_by_trigger: BTreeMap::new(),
            changes_rows: false,
            leaves_traces: false,
            version_table: String::new(),
            wrote_version: false,
        }
    }
}

impl Guard {
    /// Installs the authorizer on a connection.
    pub(crate) fn install(connection: &mut Connection) -> rusqlite::Result<Self> {
        let guard = Self::default();
        let shared = guard.clone();
        let hook = move |request: AuthContext<'_>| shared.lock().decide(&request);
        connection.authorizer(Some(hook)).outcome()?;
        Ok(guard)
    }

    /// Sets who runs SQL from now on, until the scope ends.
    pub(crate) fn enter(&self, role: Role) -> Scope {
        let before = std::mem::replace(&mut self.lock().role, role);
        Scope { guard: self.clone(), before }
    }

    /// Forgets what the last migration did: a new one begins.
    pub(crate) fn begin_migration(&self) {
        let mut notes = self.lock();
        notes.deletes.clear();
        notes.deletes_by_trigger.clear();
        notes.all_by_trigger.clear();
        notes.refusal = None;
        notes.leaves_traces = false;
        notes.wrote_version = false;
    }

    /// Sets which table is watched by [`wrote_version`](Self::wrote_version).
    pub(crate) fn watch_version_table(&self, table: &str) {
        table.clone_into(&mut self.lock().version_table);
    }

    /// Returns whether this migration wrote the version table by itself.
    pub(crate) fn wrote_version(&self) -> bool {
        self.lock().wrote_version
    }

    /// Returns whether this migration made temporary objects or changed a setting of its connection.
    pub(crate) fn leaves_traces(&self) -> bool {
        self.lock().leaves_traces
    }

    /// Returns whether the statement compiled since the last call is one that changes rows.
    pub(crate) fn take_changes_rows(&self) -> bool {
        std::mem::take(&mut self.lock().changes_rows)
    }

    /// Returns the tables, with the trigger, from which a statement compiled
    /// since the last call may delete rows that no statement named; forgets them.
    pub(crate) fn take_deletes_by_trigger(&self) -> Vec<(String, String)> {
        let mut notes = self.lock();
        let by_trigger = std::mem::take(&mut notes.deletes_by_trigger);
        by_trigger.into_iter().filter(|(table, _)| !notes.deletes.contains(table)).collect()
    }

    /// Returns the tables, with the trigger, from which this migration may have deleted rows
    /// that none of its statements named.
    pub(crate) fn deleted_by_trigger(&self) -> Vec<(String, String)> {
        let notes = self.lock();
        let by_trigger = notes.all_by_trigger.iter();
        let unnamed = by_trigger.filter(|(table, _)| !notes.deletes.contains(*table));
        unnamed.map(|(table, trigger)| (table.clone(), trigger.clone())).collect()
    }

    /// Turns "not authorized" into what was refused and what to write instead.
    pub(crate) fn explain(&self, database: &str, sql: &str, error: rusqlite::Error) -> Error {
        let refusal = self.lock().refusal.take();
        let vacuum = error.to_string().contains("cannot VACUUM from within a transaction");
        let refusal = match refusal {
            None if vacuum => {
                let instead = "`VACUUM` needs a migration with `transaction = \"manual\"`: `ctx.vacuum(database)`";
                Some(Refusal { what: "VACUUM".to_owned(), instead })
            }
            refusal => refusal,
        };
        match refusal {
            Some(Refusal { what, instead }) => Error::new(
                ErrorKind::ForbiddenSql,
                format!("a migration may not run {what} on {database}"),
            )
            .detail(format!("statement: {}", one_line(sql)))
            .with_hint(instead),
            None => Error::new(ErrorKind::Sqlite, format!("{error} (on {database})"))
                .detail(format!("statement: {}", one_line(sql)))
                .caused_by(error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Restores who ran SQL before, when it is dropped.
#[derive(Debug)]
pub(crate) struct Scope {
    guard: Guard,
    before: Role,
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.guard.lock().role = self.before;
    }
}

/// Returns a statement on one line, shortened, for a message.
pub(crate) fn one_line(sql: &str) -> String {
    const LONGEST: usize = 160;
    let words: Vec<&str> = sql.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

impl Notes {
    fn decide(&mut self, request: &AuthContext<'_>) -> Authorization {
        if self.role == Role::Engine {
            return Authorization::Allow;
        }
        self.note_changes(request);
        self.note_traces(&request.action);
        let refusal = owned_by_the_engine(&request.action)
            .or_else(|| (self.role == Role::Validation).then(|| writes(request)).flatten());
        match refusal {
            None => Authorization::Allow,
            Some(refusal) => {
                self.refusal = Some(refusal);
                Authorization::Deny
            }
        }
    }

    fn note_changes(&mut self, request: &AuthContext<'_>) {
        let (table, deletes) = match request.action {
            AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. } => {
                (table_name, false)
            }
            AuthAction::Delete { table_name } => (table_name, true),
            _ => return,
        };
        // The schema itself is written by every CREATE and DROP.
        if table.starts_with("sqlite_") {
            return;
        }
        self.changes_rows |= request.accessor.is_none();
        self.wrote_version |= table.eq_ignore_ascii_case(&self.version_table);
        if !deletes || request.database_name != Some("main") {
            return;
        }
        match request.accessor {
            None => drop(self.deletes.insert(table.to_owned())),
            Some(trigger) => {
                self.deletes_by_trigger.insert(table.to_owned(), trigger.to_owned());
                self.all_by_trigger.insert(table.to_owned(), trigger.to_owned());
            }
        }
    }

    fn note_traces(&mut self, action: &AuthAction<'_>) {
        self.leaves_traces |= match action {
            AuthAction::CreateTempTable { .. }
            | AuthAction::CreateTempView { .. }
            | AuthAction::CreateTempTrigger { .. } => true,
            AuthAction::Pragma { pragma_name, pragma_value } => {
                pragma_value.is_some() && pragma_name.eq_ignore_ascii_case("legacy_alter_table")
            }
            _ => false,
        };
    }
}

/// Installing a hook returns nothing in older versions of the SQLite binding, and a result in newer ones.
pub(crate) trait Outcome {
    fn outcome(self) -> rusqlite::Result<()>;
}

impl Outcome for () {
    fn outcome(self) -> rusqlite::Result<()> {
        Ok(())
    }
}

impl Outcome for rusqlite::Result<()> {
    fn outcome(self) -> rusqlite::Result<()> {
        self
    }
}
