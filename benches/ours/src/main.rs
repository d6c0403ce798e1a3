//! agentos-migrate. Beside app.db there is migrations.db: two files commit together.
//!
//! Variant `one`: the whole run in one transaction. Otherwise each migration
//! commits by itself, but for a fresh directory, which is always built in
//! one. No backup, as no other tool makes one.

use std::path::Path;

use agentos_migrate::{
    BackupPolicy, CommitMode, Migration, MigrationContext, Migrator, Options, Registry, Target,
};
use common::{Durability, Entry, Tool};

struct Ours {
    set: &'static [Entry],
    options: Options,
}

impl Ours {
    /// `migrations!` makes a function that collects, sorts and checks the
    /// set when it is first called. Made by hand here, at about the same cost.
    fn migrator(&self, directory: &Path) -> Migrator {
        let migrations = self.set.iter().map(|entry| {
            let up = |ctx: &mut MigrationContext| {
                ctx.execute_batch("app", entry.up)?;
                Ok(())
            };
            let down = |ctx: &mut MigrationContext| {
                ctx.execute_batch("app", entry.down)?;
                Ok(())
            };
            Migration::new(&format!("{:04}", entry.version), &["app"], up)
                .name(entry.name)
                .downgrade(down)
        });
        let registry = Registry::new(&["app"], migrations.collect());
        Migrator::new(registry, directory).with_options(self.options.clone())
    }
}

impl Tool for Ours {
    fn compile(set: &'static [Entry], variant: &str) -> Self {
        let options = Options::default().backup(BackupPolicy::Skip);
        let options = if variant == "one" { options.commit(CommitMode::WholeRun) } else { options };
        Self { set, options }
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
