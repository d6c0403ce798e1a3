//! Six databases, two of them in WAL mode, and three migrations over them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::migration::Migration;
use crate::migrator::{BackupPolicy, Migrator, Options};
use crate::plan::Target;
use crate::registry::Registry;
use crate::sqlite::vfs::disk::{PLAIN_VFS, Random};
use crate::system::real;

/// The last version of the set.
pub(super) const LATEST: usize = 3;

const DATABASES: [&str; 5] = ["audit", "context", "conversations", "intent_log", "rules"];
const IN_WAL: [&str; 2] = ["context", "intent_log"];
/// The databases of the second migration; the others take all.
const SECOND: [&str; 3] = ["context", "conversations", "intent_log"];

/// A data directory and the set.
pub(super) struct World {
    _directory: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl World {
    /// An empty directory, in memory where the system has such a place: a crash is made, not waited for.
    pub(super) fn empty() -> Self {
        let shared_memory = Path::new("/dev/shm");
        let directory = tempfile::tempdir_in(shared_memory).or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory");
        let path = real(directory.path()).expect("a real path");
        Self { _directory: directory, path }
    }

    /// A directory at a version, with rows of the application.
    pub(super) fn at(version: usize) -> Self {
        Self::empty().filled_up_to(version)
    }

    /// The same, with a folder of this name for the directory.
    pub(super) fn named(name: &OsStr, version: usize) -> Self {
        let mut world = Self::empty();
        world.path.push(name);
        std::fs::create_dir(&world.path).expect("makes");
        world.filled_up_to(version)
    }

    fn filled_up_to(self, version: usize) -> Self {
        let world = self;
        world.fill();
        let target = Target::Version(format!("{version:04}").parse().expect("a version"));
        world.migrator().upgrade(&target).expect("upgrades");
        world
    }

    /// Makes the application's own tables, of several pages.
    pub(super) fn fill(&self) {
        for database in DATABASES {
            let connection = Connection::open(self.file(database)).expect("opens");
            let mode = if IN_WAL.contains(&database) { "WAL" } else { "DELETE" };
            connection
                .execute_batch(&format!(
                    "PRAGMA journal_mode = {mode}; PRAGMA synchronous = OFF;
                    CREATE TABLE mine(id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX ma ON mine(a);
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
                    INSERT INTO mine SELECT i, i || hex(zeroblob(50)) FROM n"
                ))
                .expect("fills");
        }
    }

    pub(super) fn migrator(&self) -> Migrator {
        let options = Options::default().backup(BackupPolicy::Skip).wait(Duration::from_millis(40));
        Migrator::new(registry(), &self.path).with_options(options)
    }

    pub(super) fn file(&self, database: &str) -> PathBuf {
        self.path.join(format!("{database}.db"))
    }

    /// Opens every file alone, in random order, with SQLite as it comes; returns the version at
    /// which all of them stand, with the history.
    ///
    /// Panics where two files do not agree, or one is not whole.
    pub(super) fn version(&self, random: &mut Random) -> Result<usize, String> {
        let mut order: Vec<&str> = DATABASES.into_iter().chain(["migrations"]).collect();
        for index in (1..order.len()).rev() {
            order.swap(index, random.below(index + 1));
        }
        let mut found: Vec<(&str, Vec<usize>)> = Vec::new();
        for database in order {
            let possible = if database == "migrations" {
                vec![self.history()?]
            } else {
                let mark = self.mark(database)?;
                (0..=LATEST).filter(|version| expected_mark(database, *version) == mark).collect()
            };
            found.push((database, possible));
        }
        let agreed = (0..=LATEST)
            .find(|version| found.iter().all(|(_, versions)| versions.contains(version)));
        agreed.ok_or_else(|| format!("a mixture: {found:?}"))
    }

    /// Returns the newest migration whose whole work a database holds; refuses half of one.
    fn mark(&self, database: &str) -> Result<usize, String> {
        let Some(connection) = open(&self.file(database))? else { return Ok(0) };
        let ask = |sql: &str| -> Result<Vec<String>, String> {
            let failed = |error| format!("{database}: {error}");
            let mut statement = connection.prepare(sql).map_err(failed)?;
            let rows = statement.query_map([], |row| row.get(0)).map_err(failed)?;
            rows.collect::<rusqlite::Result<_>>().map_err(failed)
        };
        let tables = ask("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
        let has = |name: &str| tables.iter().any(|table| table == name);
        let recorded = if has("schema_version") {
            ask("SELECT migration_version FROM schema_version ORDER BY 1")?
        } else {
            Vec::new()
        };
        let work = (1..=LATEST).filter(|step| touches(*step, database));
        let done: Vec<usize> = work.filter(|step| has(&format!("t{step}"))).collect();
        let names: Vec<String> = done.iter().map(|step| format!("{step:04}")).collect();
        if recorded != names {
            return Err(format!("{database} holds {names:?} and records {recorded:?}"));
        }
        for step in &done {
            let rows = ask(&format!("SELECT CAST(count(*) AS TEXT) FROM t{step}"))?;
            if rows != ["30"] {
                return Err(format!("{database} holds half of migration {step}: {rows:?} rows"));
            }
        }
        let mark = done.last().copied().unwrap_or(0);
        if has("mine") {
            let changed =
                ask("SELECT CAST(count(*) || ' ' || sum(a LIKE '%+3') AS TEXT) FROM mine")?;
            let expected = if mark == LATEST { "40 40" } else { "40 0" };
            if changed != [expected] {
                return Err(format!(
                    "{database}: the application's rows are {changed:?} at {mark}"
                ));
            }
        }
        Ok(mark)
    }

    fn history(&self) -> Result<usize, String> {
        let Some(connection) = open(&self.file("migrations"))? else { return Ok(0) };
        let failed = |error: rusqlite::Error| format!("migrations: {error}");
        let exists = connection
            .prepare("SELECT 1 FROM sqlite_schema WHERE name = 'migration_history'")
            .and_then(|mut statement| statement.exists([]))
            .map_err(failed)?;
        if !exists {
            return Ok(0);
        }
        let sql = "SELECT count(*), coalesce(max(CAST(version AS INTEGER)), 0)
            FROM migration_history WHERE success = 1";
        let (count, latest): (i64, i64) =
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        if count == latest {
            Ok(usize::try_from(count).unwrap_or(LATEST))
        } else {
            Err(format!("the history has a gap: {count} {latest}"))
        }
    }

    /// Fails where a run left something behind that it must not leave.
    pub(super) fn refuse_leftovers(&self, was_filled: bool) -> Result<(), String> {
        for entry in std::fs::read_dir(&self.path).expect("reads") {
            let path = entry.expect("reads").path();
            let name = path.to_string_lossy();
            // A journal that begins with a zero is one that SQLite only keeps.
            let is_hot =
                || std::fs::read(&path).is_ok_and(|bytes| !matches!(bytes[..], [] | [0, ..]));
            if name.contains("-mj") || (name.ends_with("-journal") && is_hot()) {
                return Err(format!("{name} is left"));
            }
        }
        if self.path.join(".agentos-migrate/journal-modes").exists() {
            return Err("files wait to return to write-ahead logging".to_owned());
        }
        for database in DATABASES.into_iter().filter(|_| was_filled) {
            let is_wal = crate::sqlite::vfs::is_wal(&self.file(database)).expect("reads");
            if is_wal != IN_WAL.contains(&database) {
                return Err(format!("{database} has another journal mode than before"));
            }
        }
        Ok(())
    }

    /// Fails where a file is still locked, by whomever.
    pub(super) fn refuse_locks(&self) -> Result<(), String> {
        for database in DATABASES.into_iter().chain(["migrations"]) {
            let Some(connection) = open(&self.file(database))? else { continue };
            connection
                .execute_batch("BEGIN IMMEDIATE; ROLLBACK")
                .map_err(|error| format!("{database} can't be written: {error}"))?;
        }
        Ok(())
    }
}

/// Opens a file with SQLite's own file layer, and checks that it is whole; nothing if there is none.
fn open(path: &Path) -> Result<Option<Connection>, String> {
    if std::fs::metadata(path).map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let failed = |error: rusqlite::Error| format!("{}: {error}", path.display());
    let connection = Connection::open_with_flags_and_vfs(path, flags, PLAIN_VFS).map_err(failed)?;
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    let check: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(failed)?;
    if check == "ok" { Ok(Some(connection)) } else { Err(format!("{}: {check}", path.display())) }
}

fn touches(step: usize, database: &str) -> bool {
    step != 2 || SECOND.contains(&database)
}

fn expected_mark(database: &str, version: usize) -> usize {
    (0..=version).rev().find(|step| *step == 0 || touches(*step, database)).unwrap_or(0)
}

/// Three migrations; each makes a table with rows, the third changes the application's rows too.
fn registry() -> Registry {
    Registry::new(&DATABASES, (1..=LATEST).map(migration).collect())
}

fn migration(step: usize) -> Migration {
    let databases: Vec<&'static str> =
        DATABASES.into_iter().filter(|database| touches(step, database)).collect();
    let (up, down) = (databases.clone(), databases.clone());
    Migration::new(&format!("{step:04}"), &databases, move |ctx| {
        for database in &up {
            ctx.execute_batch(
                database,
                &format!(
                    "CREATE TABLE t{step}(id INTEGER PRIMARY KEY, a TEXT);
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
                    INSERT INTO t{step} SELECT i, hex(zeroblob(40)) FROM n"
                ),
            )?;
            if step == LATEST && ctx.table_exists(database, "mine")? {
                ctx.execute(database, "UPDATE mine SET a = a || '+3'", [])?;
            }
        }
        Ok(())
    })
    .downgrade(move |ctx| {
        for database in &down {
            ctx.execute_batch(database, &format!("DROP TABLE t{step}"))?;
            if step == LATEST && ctx.table_exists(database, "mine")? {
                ctx.execute(database, "UPDATE mine SET a = replace(a, '+3', '')", [])?;
            }
        }
        Ok(())
    })
}
