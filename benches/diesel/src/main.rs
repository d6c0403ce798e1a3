//! `diesel_migrations`. `embed_migrations!` makes the set at compile time. Each
//! migration has one transaction with its row.

use std::path::Path;

use common::{Durability, Entry, Tool, file};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use diesel_migrations::{
    EmbeddedMigration, EmbeddedMigrations, EmbeddedName, MigrationHarness, TomlMetadataWrapper,
};

struct Diesel(EmbeddedMigrations);

impl Tool for Diesel {
    fn compile(set: &'static [Entry], _variant: &str) -> Self {
        let migrations = set.iter().map(|entry| {
            // Compared as text: all of one width.
            let name = format!("{:08}_{}", entry.version, entry.name).leak();
            EmbeddedMigration::new(
                entry.up,
                Some(entry.down),
                EmbeddedName::new(name),
                TomlMetadataWrapper::new(true),
            )
        });
        Self(EmbeddedMigrations::new(migrations.collect::<Vec<_>>().leak()))
    }

    fn upgrade(&self, directory: &Path, durability: Durability) {
        let mut connection = open(directory);
        if durability == Durability::Off {
            connection.batch_execute("PRAGMA synchronous = OFF").expect("sets");
        }
        connection.run_pending_migrations(Embedded(&self.0)).expect("runs");
    }

    fn revert(&self, directory: &Path, target: usize) -> bool {
        let mut connection = open(directory);
        let applied = connection.applied_migrations().expect("reads").len();
        for _ in target..applied {
            connection.revert_last_migration(Embedded(&self.0)).expect("reverts");
        }
        true
    }
}

/// The harness wants to own its source; a program has it as a constant.
struct Embedded<'a>(&'a EmbeddedMigrations);

impl diesel::migration::MigrationSource<diesel::sqlite::Sqlite> for Embedded<'_> {
    fn migrations(
        &self,
    ) -> diesel::migration::Result<Vec<Box<dyn diesel::migration::Migration<diesel::sqlite::Sqlite>>>>
    {
        self.0.migrations()
    }
}

fn open(directory: &Path) -> SqliteConnection {
    let file = file(directory);
    SqliteConnection::establish(file.to_str().expect("a text")).expect("opens")
}

fn main() {
    common::main::<Diesel>();
}
