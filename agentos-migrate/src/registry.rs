//! The set of migrations of one crate: a plain value, sorted and checked.
//!
//! The only reader of the linker's list. Order comes from versions, never
//! from the linker. A set with a mistake is kept with its mistakes, so that
//! the first operation refuses it with all of them at once.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::migration::Migration;
use crate::private::{Registration, SetDeclaration};
use crate::version::Version;
use crate::{lint, lock_file};

/// The name of the table in which each database's version is recorded, unless declared otherwise.
pub(crate) const SCHEMA_VERSION_TABLE: &str = "schema_version";

/// The migrations of one crate, sorted by version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Set>);

#[derive(Debug)]
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
        let migrations = inventory::iter::<Registration>
            .into_iter()
            .filter(|registration| std::ptr::eq(registration.set, declaration))
            .map(Registration::to_migration)
            .collect();
        let mut set = Set::sorted(declaration.databases.to_vec(), migrations);
        set.backup = declaration.backup.to_vec();
        set.schema_version_table = declaration.schema_version_table;
        set.baseline = declaration.baseline.to_vec();
        set.declaration = Some(Declared {
            manifest_dir: declaration.manifest_dir,
            lock_path: declaration.lock_path,
            dir: declaration.dir,
        });
        set.find_missing(declaration);
        Self(Arc::new(set))
    }

    /// Makes a set by hand.
    pub fn new(databases: &[&'static str], migrations: Vec<Migration>) -> Self {
        Self(Arc::new(Set::sorted(databases.to_vec(), migrations)))
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
        for Self(set) in registries {
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
        if let Some(Self(first)) = registries.first() {
            set.schema_version_table = first.schema_version_table;
        }
        Self(Arc::new(set))
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
        let Self(set) = self;
        let mut set = Arc::try_unwrap(set).unwrap_or_else(|shared| Set {
            databases: shared.databases.clone(),
            backup: shared.backup.clone(),
            schema_version_table: shared.schema_version_table,
            baseline: shared.baseline.clone(),
            migrations: shared.migrations.clone(),
            problems: shared.problems.clone(),
            digest: shared.digest,
            declaration: shared.declaration,
        });
        change(&mut set);
        Self(Arc::new(set))
    }

    /// Returns the migrations, sorted by version.
    pub fn migrations(&self) -> &[Migration] {
        &self.0.migrations
    }

    /// Returns the migration of this version.
    pub fn migration(&self, version: &Version) -> Option<&Migration> {
        let found =
            self.0.migrations.binary_search_by(|migration| migration.info.version.cmp(version));
        found.ok().map(|index| &self.0.migrations[index])
    }

    /// Returns the declared databases, in the order of the declaration.
    pub fn databases(&self) -> &[&'static str] {
        &self.0.databases
    }

    /// Returns the files and folders that a backup holds besides the databases.
    pub fn backup(&self) -> &[&'static str] {
        &self.0.backup
    }

    /// Returns the name of the table in which each database's version is recorded.
    pub fn schema_version_table(&self) -> &'static str {
        self.0.schema_version_table
    }

    /// Returns what the application itself made before the first migration: database, SQL.
    pub fn baseline(&self) -> &[(&'static str, &'static str)] {
        &self.0.baseline
    }

    /// Returns the digest of the whole set: what an up-to-date history amounts to.
    pub(crate) fn digest(&self) -> u64 {
        self.0.digest
    }

    /// Returns where the set was declared, if a macro did.
    pub(crate) fn declaration(&self) -> Option<Declared> {
        self.0.declaration
    }

    /// Refuses a set with a mistake that no compiler could see.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSet`] with every mistake: an empty or partial set,
    /// one version twice in a merged set, a dependency that nobody declares.
    pub fn check(&self) -> Result<(), Error> {
        let problems = &self.0.problems;
        if problems.is_empty() {
            return Ok(());
        }
        let error =
            Error::new(ErrorKind::InvalidSet, "the compiled set of migrations can't be used");
        let error = problems.iter().fold(error, Error::detail);
        Err(error.in_state("nothing was read or changed"))
    }
}

impl Set {
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

    fn find_problems(&mut self) {
        let mut problems = Vec::new();
        if self.migrations.is_empty() {
            problems.push(
                "no migration is registered: are the modules declared with `mod`?".to_owned(),
            );
        }
        for pair in self.migrations.windows(2) {
            let (first, second) = (&pair[0].info, &pair[1].info);
            if first.version == second.version {
                problems.push(format!(
                    "version {} is declared twice: `{}` at {} and `{}` at {}",
                    first.version, first.name, first.location, second.name, second.location
                ));
            }
        }
        for migration in &self.migrations {
            self.find_problems_of(migration, &mut problems);
        }
        self.problems = problems;
    }

    fn find_problems_of(&self, migration: &Migration, problems: &mut Vec<String>) {
        let info = &migration.info;
        for dependency in info.depends_on.iter() {
            let known =
                self.migrations.binary_search_by(|other| other.info.version.cmp(dependency));
            if known.is_err() {
                problems.push(format!(
                    "{} `{}` depends on {dependency}, which no migration declares ({})",
                    info.version, info.name, info.location
                ));
            } else if *dependency >= info.version {
                problems.push(format!(
                    "{} `{}` depends on {dependency}: a dependency has a smaller version ({})",
                    info.version, info.name, info.location
                ));
            }
        }
        for problem in info.allow.iter().filter_map(|text| lint::allow_problem(text)) {
            problems
                .push(format!("{} `{}`: {problem} ({})", info.version, info.name, info.location));
        }
        for database in info.databases.iter().filter(|name| !self.databases.contains(name)) {
            problems.push(format!(
                "{} `{}` names the database {database}, which the set does not declare ({})",
                info.version, info.name, info.location
            ));
        }
    }

    fn find_unknown_baselines(&mut self) {
        let unknown = self.baseline.iter().filter(|(name, _)| !self.databases.contains(name));
        let problem = |(name, _): &(&str, &str)| {
            format!("the baseline names the database {name}, which the set does not declare")
        };
        self.problems.extend(unknown.map(problem));
    }

    fn find_missing(&mut self, declaration: &SetDeclaration) {
        for text in declaration.expected {
            let Ok(version) = text.parse::<Version>() else { continue };
            let found =
                self.migrations.binary_search_by(|migration| migration.info.version.cmp(&version));
            if found.is_err() {
                self.problems.push(format!(
                    "version {text} of crate `{}` is not in this program: its file has no `mod` line, \
                     or the linker dropped it (a static library without --whole-archive?)",
                    declaration.crate_name
                ));
            }
        }
        for released in lock_file::lines(declaration.lock) {
            let problem = self.problem_of_released(&released, declaration);
            self.problems.extend(problem);
        }
    }

    /// What is released stays in the set, as it was.
    fn problem_of_released(
        &self,
        released: &lock_file::Line<'_>,
        declaration: &SetDeclaration,
    ) -> Option<String> {
        let lock_file::Line { version: text, name, checksum } = released;
        let version: Version = text.parse().ok()?;
        let file = declaration.lock_path.unwrap_or("the lock file");
        let found =
            self.migrations.binary_search_by(|migration| migration.info.version.cmp(&version));
        let Ok(found) = found else {
            return Some(format!(
                "version {text} `{name}` is released, as {file} says, and not in this program: its file is gone or \
                 has no `mod` line, or the linker dropped it (a static library without --whole-archive?)"
            ));
        };
        let compiled = self.migrations[found].info.checksum.to_string();
        (!compiled.eq_ignore_ascii_case(checksum)).then(|| {
            format!(
                "version {text} `{name}` is released and was changed: {file} has {checksum}, the source now {compiled}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: &str) -> Migration {
        Migration::new(version, &["a"], |_| Ok(()))
    }

    fn problems(registry: &Registry) -> Vec<String> {
        registry.check().expect_err("refused").details().to_vec()
    }

    #[test]
    fn a_set_is_sorted_by_version_whatever_the_order_of_registration() {
        let registry = Registry::new(
            &["a"],
            vec![migration("0010"), migration("0009"), migration("20260101000000")],
        );
        let versions: Vec<_> =
            registry.migrations().iter().map(|m| m.info.version.to_string()).collect();
        assert_eq!(versions, ["0009", "0010", "20260101000000"]);
        registry.check().expect("a good set");
    }

    #[test]
    fn an_empty_set_is_refused() {
        assert!(problems(&Registry::new(&["a"], vec![]))[0].contains("no migration is registered"));
    }

    #[test]
    fn every_mistake_of_a_set_is_named_at_once() {
        let registry = Registry::new(
            &["b"],
            vec![
                migration("0002"),
                migration("00002"),
                migration("0003").depends_on(&["0001", "0003"]),
            ],
        );
        let problems = problems(&registry);
        assert!(problems[0].contains("declared twice"), "{problems:?}");
        assert!(
            problems
                .iter()
                .any(|text| text.contains("depends on 0001, which no migration declares"))
        );
        assert!(problems.iter().any(|text| text.contains("a dependency has a smaller version")));
        assert!(
            problems.iter().any(|text| text.contains("database a, which the set does not declare"))
        );
    }

    #[test]
    fn merged_sets_refuse_a_version_that_two_crates_have() {
        let one = Registry::new(&["a"], vec![migration("0001")]);
        let two = Registry::new(&["a"], vec![migration("0001")]);
        assert!(problems(&Registry::merged(&[one, two]))[0].contains("0001 is declared twice"));
    }

    #[test]
    fn what_was_found_or_released_while_compiling_and_is_not_in_the_program_is_named() {
        static DECLARATION: SetDeclaration = SetDeclaration {
            crate_name: "notes",
            databases: &["a"],
            backup: &[],
            schema_version_table: SCHEMA_VERSION_TABLE,
            baseline: &[],
            expected: &["0001", "0007"],
            lock: "# head\n0001 step 00ff\n0008 gone abcd\n",
            lock_path: Some("migrations.lock"),
            dir: Some("src/versions"),
            manifest_dir: "",
        };
        let mut set = Set::sorted(vec!["a"], vec![migration("0001")]);
        set.find_missing(&DECLARATION);
        let problems = set.problems;
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("version 0007 of crate `notes` is not in this program"));
        assert!(problems[1].starts_with("version 0001 `step` is released and was changed"));
        assert!(
            problems[2].starts_with("version 0008 `gone` is released, as migrations.lock says")
        );
    }

    #[test]
    fn a_set_that_somebody_else_holds_is_not_changed_with_a_copy_of_it() {
        let one = Registry::new(&["a"], vec![migration("0001")]);
        let other = one.clone().with_schema_version_table("versions").with_backup(&["keys"]);
        assert_eq!((one.schema_version_table(), one.backup()), (SCHEMA_VERSION_TABLE, &[][..]));
        assert_eq!((other.schema_version_table(), other.backup()), ("versions", &["keys"][..]));
        assert_eq!(other.migrations().len(), 1);
    }

    #[test]
    fn the_digest_changes_with_every_version_and_checksum() {
        let digest = |migrations| Registry::new(&["a"], migrations).digest();
        let base = digest(vec![migration("0001"), migration("0002")]);
        assert_eq!(base, digest(vec![migration("0002"), migration("0001")]));
        assert_ne!(base, digest(vec![migration("0001")]));
        assert_ne!(base, digest(vec![migration("0001"), migration("0003")]));
        let changed = migration("0002").checksum(crate::hash::of_bytes(b"changed"));
        assert_ne!(base, digest(vec![migration("0001"), changed]));
    }
}
