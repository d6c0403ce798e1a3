//! refinery. `embed_migrations!` makes the runner anew at every start, so that is measured.
//!
//! Variant `one`: `set_grouped(true)`, the whole run in one transaction.
//! Otherwise SQL and history row commit one after the other.

use std::path::Path;

use common::{Durability, Entry, Tool, file};
use refinery::{Migration, Runner};
use rusqlite::Connection;

struct Refinery {
    set: Vec<(String, &'static str)>,
    is_grouped: bool,
}

impl Tool for Refinery {
    fn compile(set: &'static [Entry], variant: &str) -> Self {
        let set = set.iter().map(|entry| (format!("V{}__{}", entry.version, entry.name), entry.up));
        Self { set: set.collect(), is_grouped: variant == "one" }
    }

    fn upgrade(&self, directory: &Path, durability: Durability) {
        let migrations = self.set.iter().map(|(name, sql)| Migration::unapplied(name, sql));
        let migrations: Result<Vec<_>, _> = migrations.collect();
        let runner = Runner::new(&migrations.expect("a set")).set_grouped(self.is_grouped);
        let mut connection = Connection::open(file(directory)).expect("opens");
        if durability == Durability::Off {
            connection.pragma_update(None, "synchronous", "OFF").expect("sets");
        }
        runner.run(&mut connection).expect("runs");
    }

    fn revert(&self, _directory: &Path, _target: usize) -> bool {
        false
    }
}

fn main() {
    common::main::<Refinery>();
}
