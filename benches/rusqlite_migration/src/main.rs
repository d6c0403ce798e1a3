//! `rusqlite_migration`. The set is a constant, the version `user_version`; all
//! pending migrations are one transaction.

use std::path::Path;

use common::{Durability, Entry, Tool, file};
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

struct RusqliteMigration(Migrations<'static>);

impl Tool for RusqliteMigration {
    fn compile(set: &'static [Entry], _variant: &str) -> Self {
        Self(Migrations::new(set.iter().map(|entry| M::up(entry.up).down(entry.down)).collect()))
    }

    fn upgrade(&self, directory: &Path, durability: Durability) {
        let mut connection = open(directory);
        if durability == Durability::Off {
            connection.pragma_update(None, "synchronous", "OFF").expect("sets");
        }
        self.0.to_latest(&mut connection).expect("runs");
    }

    fn revert(&self, directory: &Path, target: usize) -> bool {
        self.0.to_version(&mut open(directory), target).expect("reverts");
        true
    }
}

fn open(directory: &Path) -> Connection {
    Connection::open(file(directory)).expect("opens")
}

fn main() {
    common::main::<RusqliteMigration>();
}
