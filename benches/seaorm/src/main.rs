//! sea-orm-migration. `migrations()` makes the list at every call. On SQLite
//! nothing is in a transaction by default: each statement commits by itself.
//!
//! Variant `one`: `use_transaction` says yes, one transaction per migration.

use std::path::Path;
use std::sync::OnceLock;

use common::{Durability, Entry, Tool, file};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{Database, DatabaseConnection};
use tokio::runtime::Runtime;

static SET: OnceLock<(&'static [Entry], bool)> = OnceLock::new();

struct SeaOrm(Runtime);
struct Set;
struct One {
    entry: &'static Entry,
    name: String,
    in_transaction: bool,
}

impl MigrationName for One {
    fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for One {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.entry.up).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.entry.down).await.map(drop)
    }

    fn use_transaction(&self) -> Option<bool> {
        self.in_transaction.then_some(true)
    }
}

impl MigratorTrait for Set {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let (set, in_transaction) = *SET.get().expect("a set");
        let one = |entry: &'static Entry| -> Box<dyn MigrationTrait> {
            let name = format!("m{:08}_{}", entry.version, entry.name);
            Box::new(One { entry, name, in_transaction })
        };
        set.iter().map(one).collect()
    }
}

impl Tool for SeaOrm {
    fn compile(set: &'static [Entry], variant: &str) -> Self {
        assert!(SET.set((set, variant == "one")).is_ok(), "one set for each process");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self(runtime)
    }

    fn upgrade(&self, directory: &Path, durability: Durability) {
        self.0.block_on(async {
            let connection = open(directory).await;
            if durability == Durability::Off {
                connection.execute_unprepared("PRAGMA synchronous = OFF").await.expect("sets");
            }
            Set::up(&connection, None).await.expect("runs");
            connection.close().await.expect("closes");
        });
    }

    fn revert(&self, directory: &Path, target: usize) -> bool {
        self.0.block_on(async {
            let connection = open(directory).await;
            let applied = Set::get_applied_migrations(&connection).await.expect("reads").len();
            let steps = TryInto::<u32>::try_into(applied - target).expect("a number");
            Set::down(&connection, Some(steps)).await.expect("reverts");
            connection.close().await.expect("closes");
        });
        true
    }
}

async fn open(directory: &Path) -> DatabaseConnection {
    let mut options = sea_orm_migration::sea_orm::ConnectOptions::new(format!(
        "sqlite://{}?mode=rwc",
        file(directory).display()
    ));
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("opens")
}

fn main() {
    common::main::<SeaOrm>();
}
