//! sqlx. `migrate!` makes the set at compile time. Each migration has a
//! transaction with its row, and a second one for its execution time.

use std::path::Path;

use common::{Durability, Entry, Tool, file};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};
use tokio::runtime::Runtime;

struct Sqlx {
    runtime: Runtime,
    migrator: Migrator,
}

impl Tool for Sqlx {
    fn compile(set: &'static [Entry], _variant: &str) -> Self {
        let migration = |entry: &Entry, kind, sql: &'static str| {
            let version = i64::try_from(entry.version).expect("a version");
            Migration::new(version, entry.name.into(), kind, sql.into_sql_str(), false)
        };
        let migrations = set.iter().flat_map(|entry| {
            [
                migration(entry, MigrationType::ReversibleUp, entry.up),
                migration(entry, MigrationType::ReversibleDown, entry.down),
            ]
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { runtime, migrator: Migrator::with_migrations(migrations.collect()) }
    }

    fn upgrade(&self, directory: &Path, durability: Durability) {
        self.runtime.block_on(async {
            let mut connection = open(directory, durability).await;
            self.migrator.run(&mut connection).await.expect("runs");
            connection.close().await.expect("closes");
        });
    }

    fn revert(&self, directory: &Path, target: usize) -> bool {
        self.runtime.block_on(async {
            let mut connection = open(directory, Durability::Default).await;
            let target = i64::try_from(target).expect("a version");
            self.migrator.undo(&mut connection, target).await.expect("reverts");
            connection.close().await.expect("closes");
        });
        true
    }
}

async fn open(directory: &Path, durability: Durability) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file(directory)).create_if_missing(true);
    let options = match durability {
        Durability::Default => options,
        Durability::Off => options.synchronous(SqliteSynchronous::Off),
    };
    options.connect().await.expect("opens")
}

fn main() {
    common::main::<Sqlx>();
}
