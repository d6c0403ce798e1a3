//! The limit: bare rusqlite, one transaction, the version in `user_version`.

use std::path::Path;

use common::{Durability, Entry, Tool, file};
use rusqlite::Connection;

struct Raw(&'static [Entry]);

impl Tool for Raw {
    fn compile(set: &'static [Entry], _variant: &str) -> Self {
        Self(set)
    }

    fn upgrade(&self, directory: &Path, durability: Durability) {
        let mut connection = open(directory, durability);
        let current = version(&connection);
        if current == self.0.len() {
            return;
        }
        let transaction = connection.transaction().expect("begins");
        for entry in &self.0[current..] {
            transaction.execute_batch(entry.up).expect("runs");
        }
        transaction.pragma_update(None, "user_version", user_version(self.0.len())).expect("sets");
        transaction.commit().expect("commits");
    }

    fn revert(&self, directory: &Path, target: usize) -> bool {
        let mut connection = open(directory, Durability::Default);
        let current = version(&connection);
        let transaction = connection.transaction().expect("begins");
        for entry in self.0[target..current].iter().rev() {
            transaction.execute_batch(entry.down).expect("runs");
        }
        transaction.pragma_update(None, "user_version", user_version(target)).expect("sets");
        transaction.commit().expect("commits");
        true
    }
}

fn open(directory: &Path, durability: Durability) -> Connection {
    let connection = Connection::open(file(directory)).expect("opens");
    if durability == Durability::Off {
        connection.pragma_update(None, "synchronous", "OFF").expect("sets");
    }
    connection
}

fn version(connection: &Connection) -> usize {
    let version: u32 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("reads");
    version as usize
}

fn user_version(version: usize) -> i64 {
    i64::try_from(version).expect("a small number")
}

fn main() {
    common::main::<Raw>();
}
