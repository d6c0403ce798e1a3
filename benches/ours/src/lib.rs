//! agentos-migrate. Beside app.db there is migrations.db: two files commit together.
//!
//! Variant `one`: the whole run in one transaction. Otherwise each migration
//! commits by itself, but for a fresh directory, which is always built in
//! one. No backup, as no other tool makes one.
//!
//! A set is compiled into its program, so there is a program for each, in
//! `bin`; `build.rs` writes the files.

use std::path::Path;

use agentos_migrate::{BackupPolicy, CommitMode, Migrator, Options, Registry, Target};
use common::{Durability, Entry, Tool};

/// Makes the program of one set.
#[macro_export]
macro_rules! program {
    ($file:literal) => {
        agentos_migrate::migrations! { databases: [app] }
        include!(concat!(env!("OUT_DIR"), "/", $file));

        struct Compiled;

        impl $crate::Compiled for Compiled {
            fn registry() -> agentos_migrate::Registry {
                registry()
            }
        }

        fn main() {
            common::main::<$crate::Ours<Compiled>>();
        }
    };
}

/// The set of a program.
pub trait Compiled {
    /// Returns what `migrations!` made.
    fn registry() -> Registry;
}

/// The tool with that set.
pub struct Ours<C>(Options, std::marker::PhantomData<C>);

impl<C: Compiled> Ours<C> {
    fn migrator(&self, directory: &Path) -> Migrator {
        Migrator::new(C::registry(), directory).with_options(self.0.clone())
    }
}

impl<C: Compiled> Tool for Ours<C> {
    fn compile(_set: &'static [Entry], variant: &str) -> Self {
        let options = Options::default().backup(BackupPolicy::Skip);
        let options = if variant == "one" { options.commit(CommitMode::WholeRun) } else { options };
        Self(options, std::marker::PhantomData)
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
