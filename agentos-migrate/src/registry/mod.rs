//! The set of migrations of one crate: a plain value, sorted and checked.
//!
//! The only reader of the linker's list. Order comes from versions, never
//! from the linker. A set with a mistake is kept with its mistakes, so that
//! the first operation refuses it with all of them at once. A declared set is
//! sorted and checked when something asks for more than its digest, which
//! most starts of a program do not.

mod problems;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use crate::error::{Error, ErrorKind};
use crate::migration::Migration;
use crate::private::{Registration, SetDeclaration};
use crate::version::Version;

/// The name of the table in which each database's version is recorded, unless declared otherwise.
pub(crate) const SCHEMA_VERSION_TABLE: &str = "schema_version";

/// The migrations of one crate, sorted by version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Source>);

/// Where a set comes from.
#[derive(Debug)]
enum Source {
    /// A macro's declaration, and the set once it was needed.
    Declared(&'static SetDeclaration, OnceLock<Set>),
    /// A set made by hand.
    Made(Set),
}

#[derive(Debug, Clone)]
struct Set {
    databases: Vec<&'static str>,
    backup: Vec<&'static str>,
    schema_version_table: &'static str,
    baseline: Vec<(&'static str, &'static str)>,
    migrations: Vec<Migration>,
    problems: Vec<String>,
    digest: u64,
    declaration: Option<Declared>,
}

/// Where the set was declared, for the commands that write into the source tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared {
    pub(crate) manifest_dir: &'static str,
    pub(crate) lock_path: Option<&'static str>,
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the command line writes there"))]
    pub(crate) dir: Option<&'static str>,
}

impl Registry {
    /// Collects what `#[migration]` registered for this declaration.
    #[doc(hidden)]
    pub fn collect(declaration: &'static SetDeclaration) -> Self {
        Self(Arc::new(Source::Declared(declaration, OnceLock::new())))
    }

    /// Makes a set by hand.
    pub fn new(databases: &[&'static str], migrations: Vec<Migration>) -> Self {
        Self::made(Set::sorted(databases.to_vec(), migrations))
    }

    fn made(set: Set) -> Self {
        Self(Arc::new(Source::Made(set)))
    }

    fn set(&self) -> &Set {
        match &*self.0 {
            Source::Declared(declaration, set) => set.get_or_init(|| Set::collected(declaration)),
            Source::Made(set) => set,
        }
    }

    /// Joins sets of several crates into one; the databases are those of all.
    ///
    /// A version that two of them have is a mistake that [`check`](Self::check) names.
    pub fn merged(registries: &[Self]) -> Self {
        let mut databases: Vec<&'static str> = Vec::new();
        let mut backup: Vec<&'static str> = Vec::new();
        let mut baseline = Vec::new();
        let mut migrations = Vec::new();
        let mut problems = Vec::new();
        for set in registries.iter().map(Self::set) {
            let new = set.databases.iter().filter(|name| !databases.contains(name));
            let new: Vec<_> = new.copied().collect();
            databases.extend(new);
            backup.extend(&set.backup);
            baseline.extend(&set.baseline);
            migrations.extend(set.migrations.iter().cloned());
            problems.extend(set.problems.iter().cloned());
        }
        let mut set = Set::sorted(databases, migrations);
        set.backup = backup;
        set.baseline = baseline;
        set.problems.splice(0..0, problems);
        if let Some(first) = registries.first() {
            set.schema_version_table = first.schema_version_table();
        }
        Self::made(set)
    }

    /// Sets the files and folders of the data directory that a backup holds besides the databases.
    #[must_use]
    pub fn with_backup(self, paths: &[&'static str]) -> Self {
        self.changed(|set| set.backup = paths.to_vec())
    }

    /// Sets the name of the table in which each database's version is recorded.
    #[must_use]
    pub fn with_schema_version_table(self, name: &'static str) -> Self {
        self.changed(|set| set.schema_version_table = name)
    }

    /// Declares what the application itself made of its databases before the first migration.
    ///
    /// Each entry is a database and the SQL that makes its tables. A comparison of schemas
    /// ([`Migrator::verify`](crate::Migrator::verify)) begins there, and so do the directories of
    /// [`testing`](crate::testing). A run never executes it.
    ///
    /// `baseline: "folder"` in `migrations!` is the same, with a file per database.
    #[must_use]
    pub fn with_baseline(self, databases: &[(&'static str, &'static str)]) -> Self {
        self.changed(|set| {
            set.baseline = databases.to_vec();
            set.find_unknown_baselines();
        })
    }

    fn changed(self, change: impl FnOnce(&mut Set)) -> Self {
        let mut set = match Arc::try_unwrap(self.0) {
            Ok(Source::Made(set)) => set,
            Ok(Source::Declared(declaration, set)) => {
                set.into_inner().unwrap_or_else(|| Set::collected(declaration))
            }
            Err(shared) => Self(shared).set().clone(),
        };
        change(&mut set);
        Self::made(set)
    }

    /// Returns the migrations, sorted by version.
    pub fn migrations(&self) -> &[Migration] {
        &self.set().migrations
    }

    /// Returns the migration of this version.
    pub fn migration(&self, version: &Version) -> Option<&Migration> {
        let found =
            self.set().migrations.binary_search_by(|migration| migration.info.version.cmp(version));
        found.ok().map(|index| &self.set().migrations[index])
    }

    /// Returns the declared databases, in the order of the declaration.
    pub fn databases(&self) -> &[&'static str] {
        match &*self.0 {
            Source::Declared(declaration, _) => declaration.databases,
            Source::Made(set) => &set.databases,
        }
    }

    /// Returns the files and folders that a backup holds besides the databases.
    pub fn backup(&self) -> &[&'static str] {
        &self.set().backup
    }

    /// Returns the name of the table in which each database's version is recorded.
    pub fn schema_version_table(&self) -> &'static str {
        self.set().schema_version_table
    }

    /// Returns what the application itself made before the first migration: database, SQL.
    pub fn baseline(&self) -> &[(&'static str, &'static str)] {
        &self.set().baseline
    }

    /// Returns the digest of the whole set: what an up-to-date history amounts to.
    ///
    /// Of a declared set that nobody asked for yet it is read off the linker's list.
    pub(crate) fn digest(&self) -> u64 {
        match &*self.0 {
            Source::Declared(declaration, set) if set.get().is_none() => {
                registered(declaration).map(Registration::digest).fold(0, u64::wrapping_add)
            }
            _ => self.set().digest,
        }
    }

    /// Returns what a declaration demands beside its migrations, as a number for the stamp.
    pub(crate) fn seal(&self) -> u64 {
        match &*self.0 {
            Source::Declared(declaration, _) => declaration.seal,
            Source::Made(_) => 0,
        }
    }

    /// Refuses a set with a mistake, unless a stamp that fits it proves that it has none.
    ///
    /// Digest and seal of a declared set stand for all of it, and no run of a set with a mistake
    /// writes a stamp.
    pub(crate) fn check_before_stamp(&self) -> Result<(), Error> {
        match &*self.0 {
            Source::Declared(..) => Ok(()),
            Source::Made(_) => self.check(),
        }
    }

    /// Returns where the set was declared, if a macro did.
    pub(crate) fn declaration(&self) -> Option<Declared> {
        self.set().declaration
    }

    /// Refuses a set with a mistake that no compiler could see.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSet`] with every mistake: an empty or partial set,
    /// one version twice in a merged set, a dependency that nobody declares.
    pub fn check(&self) -> Result<(), Error> {
        let problems = &self.set().problems;
        if problems.is_empty() {
            return Ok(());
        }
        let error =
            Error::new(ErrorKind::InvalidSet, "the compiled set of migrations can't be used");
        let error = problems.iter().fold(error, Error::detail);
        Err(error.in_state("nothing was read or changed"))
    }
}

/// Returns what the linker collected for a declaration, in any order.
fn registered(declaration: &'static SetDeclaration) -> impl Iterator<Item = &'static Registration> {
    let is_ours = move |registration: &&Registration| std::ptr::eq(registration.set, declaration);
    inventory::iter::<Registration>.into_iter().filter(is_ours)
}

impl Set {
    fn collected(declaration: &'static SetDeclaration) -> Self {
        let migrations = registered(declaration).map(Registration::to_migration).collect();
        let mut set = Self::sorted(declaration.databases.to_vec(), migrations);
        set.backup = declaration.backup.to_vec();
        set.schema_version_table = declaration.schema_version_table;
        set.baseline = declaration.baseline.to_vec();
        set.declaration = Some(Declared {
            manifest_dir: declaration.manifest_dir,
            lock_path: declaration.lock_path,
            dir: declaration.dir,
        });
        set.find_missing(declaration);
        set
    }

    fn sorted(databases: Vec<&'static str>, mut migrations: Vec<Migration>) -> Self {
        migrations.sort_by(|a, b| a.info.version.cmp(&b.info.version));
        let digest = migrations
            .iter()
            .fold(0, |sum: u64, migration| sum.wrapping_add(migration.info.digest()));
        let mut set = Self {
            databases,
            backup: Vec::new(),
            schema_version_table: SCHEMA_VERSION_TABLE,
            baseline: Vec::new(),
            migrations,
            problems: Vec::new(),
            digest,
            declaration: None,
        };
        set.find_problems();
        set
    }
}
