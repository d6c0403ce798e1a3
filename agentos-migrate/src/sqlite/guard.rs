//! What the SQL of a migration may do on a connection.
//!
//! An authorizer (<https://sqlite.org/c3ref/set_authorizer.html>) that the
//! engine switches: everything for itself, no transaction control, no other
//! files and none of its own settings for a migration, nothing but reading
//! for a validation. It also notes which tables may lose rows through a
//! trigger, as only the statement compiler knows that before it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

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

/// What was refused, and what to write instead.
#[derive(Debug, Clone)]
struct Refusal {
    what: String,
    instead: &'static str,
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

const ONE_TRANSACTION: &str = "remove it: the engine commits all databases of the migration at once; \
    `ctx.savepoint` nests, and `transaction = \"manual\"` hands commits to the author";
const OTHER_FILE: &str = "name the database in `databases = […]` and pass its name to `ctx.execute`; \
    `ctx.copy_rows` moves rows from one to another";
const OWN_SETTING: &str = "remove it: the engine sets and restores this for every migration \
    (foreign keys are off while it runs and are checked before the commit)";

/// Returns a refusal for what the engine keeps to itself.
fn owned_by_the_engine(action: &AuthAction<'_>) -> Option<Refusal> {
    let refusal = |what: String, instead| Some(Refusal { what, instead });
    match action {
        AuthAction::Transaction { .. } => {
            refusal("BEGIN, COMMIT or ROLLBACK".to_owned(), ONE_TRANSACTION)
        }
        AuthAction::Attach { filename: "" } => refusal(
            "VACUUM".to_owned(),
            "`VACUUM` needs `transaction = \"manual\"`: `ctx.vacuum(database)`",
        ),
        AuthAction::Attach { .. } => refusal("ATTACH".to_owned(), OTHER_FILE),
        AuthAction::Detach { .. } => refusal("DETACH".to_owned(), OTHER_FILE),
        AuthAction::Function { function_name }
            if function_name.eq_ignore_ascii_case("load_extension") =>
        {
            refusal(
                "load_extension()".to_owned(),
                "load extensions in the program, not in a migration",
            )
        }
        AuthAction::Pragma { pragma_name, pragma_value }
            if !pragma_is_allowed(pragma_name, *pragma_value) =>
        {
            refusal(format!("PRAGMA {pragma_name}"), OWN_SETTING)
        }
        _ => None,
    }
}

/// PRAGMAs that read, and those whose writing is the migration's own business.
/// What is not listed is refused: <https://sqlite.org/pragma.html>.
fn pragma_is_allowed(name: &str, value: Option<&str>) -> bool {
    const ASKING: &[&str] = &[
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "freelist_count",
        "function_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "module_list",
        "page_count",
        "pragma_list",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    ];
    const SETTING: &[&str] = &[
        "analysis_limit",
        "application_id",
        "cache_size",
        "defer_foreign_keys",
        "legacy_alter_table",
        "optimize",
        "user_version",
    ];
    const ASKING_ALONE: &[&str] =
        &["encoding", "foreign_keys", "journal_mode", "page_size", "schema_version", "synchronous"];
    let listed = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    listed(ASKING) || listed(SETTING) || (value.is_none() && listed(ASKING_ALONE))
}

/// Returns a refusal for what writes: a validation only reads.
fn writes(request: &AuthContext<'_>) -> Option<Refusal> {
    let what = match request.action {
        AuthAction::Insert { table_name } => format!("INSERT into {table_name}"),
        AuthAction::Update { table_name, .. } => format!("UPDATE of {table_name}"),
        AuthAction::Delete { table_name } => format!("DELETE from {table_name}"),
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) } if sets(pragma_name) => {
            format!("PRAGMA {pragma_name}")
        }
        AuthAction::AlterTable { .. } | AuthAction::Reindex { .. } | AuthAction::Analyze { .. } => {
            "ALTER, REINDEX or ANALYZE".to_owned()
        }
        _ => return None,
    };
    Some(Refusal { what, instead: "a validation only reads; move the change into the migration" })
}

fn sets(pragma: &str) -> bool {
    ["application_id", "user_version", "optimize"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(pragma))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded() -> (Connection, Guard) {
        let mut connection = Connection::open_in_memory().expect("opens");
        let schema = "CREATE TABLE t(a); CREATE TABLE u(a);
            CREATE TRIGGER tr AFTER DELETE ON t BEGIN DELETE FROM u; END; BEGIN";
        connection.execute_batch(schema).expect("schema");
        let guard = Guard::install(&mut connection).expect("installs");
        (connection, guard)
    }

    #[track_caller]
    fn refused(role: Role, sql: &str) -> Error {
        let (connection, guard) = guarded();
        let _scope = guard.enter(role);
        let error = connection.execute_batch(sql).expect_err(sql);
        guard.explain("a", sql, error)
    }

    #[test]
    fn what_the_engine_owns_is_refused_with_what_to_write_instead() {
        let owned = [
            ("COMMIT", "BEGIN, COMMIT or ROLLBACK"),
            ("ROLLBACK", "BEGIN, COMMIT or ROLLBACK"),
            ("BEGIN", "BEGIN, COMMIT or ROLLBACK"),
            ("ATTACH 'x' AS y", "ATTACH"),
            ("DETACH y", "DETACH"),
            ("VACUUM", "VACUUM"),
            ("PRAGMA journal_mode = wal", "PRAGMA journal_mode"),
            ("PRAGMA foreign_keys = on", "PRAGMA foreign_keys"),
            ("PRAGMA synchronous = off", "PRAGMA synchronous"),
            ("PRAGMA locking_mode", "PRAGMA locking_mode"),
            ("PRAGMA writable_schema = on", "PRAGMA writable_schema"),
            ("PRAGMA schema_version = 7", "PRAGMA schema_version"),
            ("PRAGMA recursive_triggers = on", "PRAGMA recursive_triggers"),
            ("SELECT load_extension('x')", "load_extension()"),
        ];
        for (sql, what) in owned {
            let error = refused(Role::Migration, sql);
            assert_eq!(error.kind(), ErrorKind::ForbiddenSql, "{sql}: {error}");
            assert!(error.to_string().contains(what), "{sql}: {error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn ordinary_sql_and_asking_pragmas_are_allowed() {
        let (connection, guard) = guarded();
        let _scope = guard.enter(Role::Migration);
        let sql = "CREATE TABLE v(a); INSERT INTO v VALUES (1); CREATE INDEX i ON v(a); ALTER TABLE v ADD COLUMN b;
            PRAGMA user_version = 3; SAVEPOINT s; DELETE FROM v; ROLLBACK TO s; RELEASE s; DROP TABLE u; ANALYZE;
            CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('y')";
        connection.execute_batch(sql).expect("allowed");
        let columns: i64 = connection
            .query_row("SELECT count(*) FROM pragma_table_info('v')", [], |row| row.get(0))
            .expect("asks");
        assert_eq!(columns, 2);
    }

    #[test]
    fn a_validation_only_reads() {
        for sql in [
            "DELETE FROM t",
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "DROP TABLE t",
            "CREATE TABLE w(a)",
        ] {
            assert_eq!(refused(Role::Validation, sql).kind(), ErrorKind::ForbiddenSql, "{sql}");
        }
        let (connection, guard) = guarded();
        let _scope = guard.enter(Role::Validation);
        let count: i64 =
            connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("reads");
        assert_eq!(count, 0);
    }

    #[test]
    fn deletes_through_a_trigger_are_noted_and_named_ones_are_not() {
        let (connection, guard) = guarded();
        let _scope = guard.enter(Role::Migration);
        guard.begin_migration();
        connection.prepare("DELETE FROM t").expect("compiles");
        assert_eq!(guard.take_deletes_by_trigger(), [("u".to_owned(), "tr".to_owned())]);
        connection.prepare("DELETE FROM u").expect("compiles");
        connection.prepare("DELETE FROM t").expect("compiles");
        assert_eq!(guard.take_deletes_by_trigger(), []);
    }

    #[test]
    fn the_scope_gives_the_connection_back() {
        let (connection, guard) = guarded();
        drop(guard.enter(Role::Migration));
        connection.execute_batch("COMMIT").expect("the engine may");
    }
}
