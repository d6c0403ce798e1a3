//! agentos-migrate. Beside app.db there is migrations.db: two files commit together.
//!
//! Variant `one`: the whole run in one transaction. Otherwise each migration
//! commits by itself, but for a fresh directory, which is always built in
//! one. No backup, as no other tool makes one.

use std::path::Path;

use agentos_migrate::{BackupPolicy, CommitMode, Migration, Migrator, Options, Registry, Target};
use common::{Durability, Entry, Tool};

struct Ours {
    migrations: Vec<Migration>,
    options: Options,
}

impl Ours {
    /// Collecting the set is part of every start.
    fn migrator(&self, directory: &Path) -> Migrator {
        let registry = Registry::new(&["app"], self.migrations.clone());
        Migrator::new(registry, directory).with_options(self.options.clone())
    }
}

impl Tool for Ours {
    fn compile(set: &'static [Entry], variant: &str) -> Self {
        let migrations = set.iter().map(|entry| {
            let up = |ctx: &mut agentos_migrate::MigrationContext| {
                ctx.execute_batch("app", entry.up)?;
                Ok(())
            };
            let down = |ctx: &mut agentos_migrate::MigrationContext| {
                ctx.execute_batch("app", entry.down)?;
                Ok(())
            };
            Migration::new(&format!("{:04}", entry.version), &["app"], up)
                .name(entry.name)
                .downgrade(down)
        });
        let options = Options::default().backup(BackupPolicy::Skip);
        let options = if variant == "one" { options.commit(CommitMode::WholeRun) } else { options };
        Self { migrations: migrations.collect(), options }
    }

    fn upgrade(&self, directory: &Path, _durability: Durability) {
        self.migrator(directory).upgrade(&Target::Latest).expect("upgrades");
    }

    fn revert(&self, directory: &Path, target: usize) -> bool {
        let target = format!("{target:04}").parse().expect("a version");
        self.migrator(directory).downgrade(&target).expect("reverts");
        true
    }
}

fn main() {
    common::main::<Ours>();
}
