//! What the chapters share: a data directory, small sets, questions to files.

pub(crate) mod agentos;
pub(crate) mod command;
pub(crate) mod lint;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agentos_migrate::rusqlite::Connection;
use agentos_migrate::rusqlite::types::Value;
use sha2::Digest;

use agentos_migrate::{
    BackupPolicy, Finding, Migration, MigrationContext, Migrator, Options, Registry, Result, Target,
};

/// A data directory that goes with the test.
pub(crate) struct Directory(tempfile::TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Makes a link to a folder; nothing on systems where one needs a right for that.
    pub(crate) fn linked(&self, name: &str, target: &Path) -> Option<PathBuf> {
        let link = self.file(name);
        #[cfg(unix)]
        std::os::unix::fs::symlink(target, &link).expect("links");
        let _ = target;
        cfg!(unix).then_some(link)
    }

    /// Runs SQL on a database of the directory, as an application would.
    pub(crate) fn sql(&self, database: &str, sql: &str) {
        let connection = Connection::open(self.file(&format!("{database}.db"))).expect("opens");
        connection.execute_batch(sql).expect("runs");
    }

    /// Returns the first value of a query as text.
    pub(crate) fn ask(&self, database: &str, sql: &str) -> String {
        let connection = Connection::open(self.file(&format!("{database}.db"))).expect("opens");
        let value = connection.query_row(sql, [], |row| row.get::<_, Value>(0));
        match value.expect("answers") {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            other => format!("{other:?}"),
        }
    }

    /// Returns the names of all files with a hash of each, below the engine's own folder excepted.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        collect(self.path(), &mut files);
        files
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).expect("reads") {
        let path = entry.expect("reads").path();
        if path.file_name().is_some_and(|name| name == ".agentos-migrate") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            let hash = hash_of(&path);
            files.insert(path, hash);
        }
    }
}

/// Returns a short hash of a file.
pub(crate) fn hash_of(path: &Path) -> String {
    let hash = sha2::Sha256::digest(std::fs::read(path).expect("reads"));
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A migration that runs SQL on one database.
pub(crate) fn sql(
    version: &str,
    database: &'static str,
    up: &'static str,
    down: &'static str,
) -> Migration {
    Migration::new(version, &[database], move |ctx| run(ctx, database, up))
        .downgrade(move |ctx| run(ctx, database, down))
        .name(format!("step_{version}"))
}

fn run(ctx: &mut MigrationContext, database: &str, sql: &str) -> Result<()> {
    ctx.execute_batch(database, sql)?;
    Ok(())
}

/// Three migrations over two databases; the third touches both.
pub(crate) fn three() -> Vec<Migration> {
    vec![
        sql(
            "0001",
            "chat",
            "CREATE TABLE chat (id INTEGER PRIMARY KEY, title TEXT)",
            "DROP TABLE chat",
        ),
        sql(
            "0002",
            "rules",
            "CREATE TABLE rule (id INTEGER PRIMARY KEY, body TEXT)",
            "DROP TABLE rule",
        )
        .depends_on(&["0001"]),
        Migration::new("0003", &["chat", "rules"], |ctx| {
            ctx.execute("chat", "ALTER TABLE chat ADD COLUMN rules INTEGER", [])?;
            ctx.execute("rules", "ALTER TABLE rule ADD COLUMN chat INTEGER", [])?;
            Ok(())
        })
        .downgrade(|ctx| {
            ctx.execute("chat", "ALTER TABLE chat DROP COLUMN rules", [])?;
            ctx.execute("rules", "ALTER TABLE rule DROP COLUMN chat", [])?;
            Ok(())
        })
        .depends_on(&["0002"]),
    ]
}

pub(crate) fn registry(migrations: Vec<Migration>) -> Registry {
    Registry::new(&["chat", "rules"], migrations)
}

/// A migrator without backups, as most chapters are about something else.
pub(crate) fn migrator(directory: &Directory, migrations: Vec<Migration>) -> Migrator {
    let options = Options::default().backup(BackupPolicy::Skip);
    Migrator::new(registry(migrations), directory.path()).with_options(options)
}

/// A directory that stands at the newest of [`three`].
pub(crate) fn upgraded() -> (Directory, Migrator) {
    let directory = Directory::new();
    let migrator = migrator(&directory, three());
    migrator.upgrade(&Target::Latest).expect("upgrades");
    (directory, migrator)
}

/// Verifies, and compares the findings with lines of code and message.
#[track_caller]
pub(crate) fn finds(migrator: &Migrator, expected: &[&str]) {
    let findings = migrator.verify().expect("verifies").findings;
    let found: Vec<String> = findings.iter().map(line_of).collect();
    assert_eq!(found, expected);
}

fn line_of(finding: &Finding) -> String {
    format!("{}: {}", finding.code, finding.message)
}
