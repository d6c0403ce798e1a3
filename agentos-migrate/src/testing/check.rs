//! The check of a whole set: what every set has to do, whatever it is about.

use super::Harness;
use super::steps::{check_files, check_foreign_keys, check_lock_file, check_prefixes, failed};
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::plan::Target;
use crate::registry::Registry;

/// Checks a set on real files: everything of [`Checks`] but the crashes and the races.
///
/// # Errors
///
/// [`ErrorKind::ValidationFailed`] that names the migration and shows the
/// difference; what a migration meets; an incomplete set.
///
/// # Examples
///
/// ```
/// use agentos_migrate::{Migration, Registry, testing};
///
/// let notes = Migration::new("0001", &["notes"], |ctx| {
///     ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
///     Ok(())
/// });
/// let forgetful = notes.clone().downgrade(|_| Ok(()));
///
/// assert!(testing::check(&Registry::new(&["notes"], vec![notes])).is_ok());
/// let error = testing::check(&Registry::new(&["notes"], vec![forgetful])).unwrap_err();
/// assert!(error.to_string().contains("downgrade that does not restore the schema"));
/// ```
pub fn check(registry: &Registry) -> Result<(), Error> {
    Checks::of(registry).all()
}

/// Every check of a set by itself; [`migration_tests!`](crate::migration_tests) makes a test of each.
///
/// All work on real files in temporary directories, with the engine of the program.
#[derive(Debug, Clone)]
pub struct Checks<'a> {
    registry: &'a Registry,
}

impl<'a> Checks<'a> {
    /// Makes the checks of a set.
    pub fn of(registry: &'a Registry) -> Self {
        Self { registry }
    }

    /// Runs all but [`crashes`](Self::crashes) and [`races`](Self::races), which take longer.
    ///
    /// # Errors
    ///
    /// That of the first check that fails.
    pub fn all(&self) -> Result<(), Error> {
        self.lock_file()?;
        self.new_directory()?;
        self.steps()?;
        self.prefixes()?;
        self.foreign_keys()
    }

    /// A new directory is built, and a second run has nothing to do.
    ///
    /// # Errors
    ///
    /// What a migration meets; [`ErrorKind::InvalidSet`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// # fn set(sql: &'static str) -> Registry {
    /// #     Registry::new(&["notes"], vec![Migration::new("0001", &["notes"], move |ctx| {
    /// #         ctx.execute_batch("notes", sql)?;
    /// #         Ok(())
    /// #     })])
    /// # }
    /// let good = set("CREATE TABLE note (body TEXT)");
    /// assert!(Checks::of(&good).new_directory().is_ok());
    /// let bad = set("ALTER TABLE note ADD COLUMN pinned INTEGER"); // Only where it was made by hand.
    /// assert!(Checks::of(&bad).new_directory().is_err());
    /// ```
    pub fn new_directory(&self) -> Result<(), Error> {
        self.registry.check()?;
        let built = Harness::empty(self.registry.clone())?;
        built.migrator().upgrade(&Target::Latest)?;
        let again = built.migrator().upgrade(&Target::Latest)?;
        if again.results.is_empty() {
            return Ok(());
        }
        Err(failed("a second run of the set did something"))
    }

    /// Every migration goes up, down and up again, on tables without rows and on tables full of
    /// made-up ones, where some can be made up.
    ///
    /// A downgrade brings back the schema and every row of the tables that stay
    /// ([`prove_downgrades`](super::prove_downgrades)); the migration then runs again. What its `allow`
    /// explains passes. [`lint`](super::lint) asks for more: whether anything is lost on the way up,
    /// and how it is written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`] that names the migration and shows the difference or the rows.
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// # fn set(sql: &'static str, down: &'static str) -> Registry {
    /// #     let first = Migration::new("0001", &["notes"], |ctx| {
    /// #         ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    /// #         Ok(())
    /// #     });
    /// #     let second = Migration::new("0002", &["notes"], move |ctx| {
    /// #         ctx.execute("notes", sql, [])?;
    /// #         Ok(())
    /// #     }).downgrade(move |ctx| {
    /// #         ctx.execute_batch("notes", down)?;
    /// #         Ok(())
    /// #     });
    /// #     Registry::new(&["notes"], vec![first, second])
    /// # }
    /// let add = "ALTER TABLE note ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0";
    /// let good = set(add, "ALTER TABLE note DROP COLUMN pinned");
    /// assert!(Checks::of(&good).steps().is_ok());
    /// let bad = set(add, ""); // The column stays.
    /// assert!(Checks::of(&bad).steps().is_err());
    /// let now = "ALTER TABLE note ADD COLUMN at INTEGER NOT NULL DEFAULT (unixepoch())";
    /// let bad = set(now, "ALTER TABLE note DROP COLUMN at"); // Only an empty table takes it.
    /// assert!(Checks::of(&bad).steps().is_err());
    /// ```
    pub fn steps(&self) -> Result<(), Error> {
        self.registry.check()?;
        super::lint::lint_tamely(self.registry)?.check_rules(is_asked)
    }

    /// A directory that stood at any of the newest 50 versions ends with the schema of a new one.
    ///
    /// # Errors
    ///
    /// As [`steps`](Self::steps).
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// let first = Migration::new("0001", &["notes"], |ctx| {
    ///     ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    ///     Ok(())
    /// });
    /// let good = Registry::new(&["notes"], vec![first.clone()]);
    /// assert!(Checks::of(&good).prefixes().is_ok());
    /// // Does one thing in a new directory and another in one that is there.
    /// let second = Migration::new("0002", &["notes"], |ctx| {
    ///     if ctx.database_existed("notes")? {
    ///         ctx.execute("notes", "CREATE INDEX by_body ON note (body)", [])?;
    ///     }
    ///     Ok(())
    /// });
    /// let bad = Registry::new(&["notes"], vec![first, second]);
    /// assert!(Checks::of(&bad).prefixes().is_err());
    /// ```
    pub fn prefixes(&self) -> Result<(), Error> {
        check_prefixes(self.registry)
    }

    /// Every foreign key points to a table and to columns that it can point to, and holds for the
    /// rows of the built directory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`] that names the table.
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// # fn set(sql: &'static str) -> Registry {
    /// #     Registry::new(&["notes"], vec![Migration::new("0001", &["notes"], move |ctx| {
    /// #         ctx.execute_batch("notes", sql)?;
    /// #         Ok(())
    /// #     })])
    /// # }
    /// let good = set(
    ///     "CREATE TABLE note (id INTEGER PRIMARY KEY); CREATE TABLE tag (note REFERENCES note(id))",
    /// );
    /// assert!(Checks::of(&good).foreign_keys().is_ok());
    /// let bad = set("CREATE TABLE tag (note REFERENCES notes(id))"); // There is no such table.
    /// let error = Checks::of(&bad).foreign_keys().unwrap_err();
    /// assert!(error.to_string().contains("tag"));
    /// ```
    pub fn foreign_keys(&self) -> Result<(), Error> {
        check_foreign_keys(self.registry)
    }

    /// The lock file, if the set has one, holds every migration, and no file below `src` is named like
    /// a migration that the set does not have.
    ///
    /// That a line agrees with its migration is checked by the compiler.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`] that names the migrations that are not in it, or the files.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// use agentos_migrate::{MigrationContext, Result, migration, testing::Checks};
    ///
    /// // Its lock file holds no line yet.
    /// agentos_migrate::migrations! { databases: [notes], lock: "src/testing/example.lock" }
    ///
    /// #[migration(version = "0001", databases = ["notes"])]
    /// fn create_notes(ctx: &mut MigrationContext) -> Result<()> {
    ///     ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    ///     Ok(())
    /// }
    ///
    /// fn main() {
    ///     let set = registry();
    ///     let error = Checks::of(&set).lock_file().unwrap_err();
    ///     assert!(error.to_string().ends_with("example.lock does not hold 0001"));
    ///     assert_eq!(error.hint(), Some("record them when they are released: `lock`"));
    /// }
    /// ```
    pub fn lock_file(&self) -> Result<(), Error> {
        self.registry.check()?;
        check_lock_file(self.registry)?;
        check_files(self.registry)
    }

    /// A run may end at any moment: the next one goes on, to the same schema and the same number of rows.
    ///
    /// The engine sees to that for what is in a transaction. A set fails by what is not: a migration
    /// that commits by itself and can't begin again, or that changes something outside of its databases.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`] that names the migration and the moment.
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// # fn set(leftover: fn(&std::path::Path) -> std::io::Result<()>) -> Registry {
    /// #     Registry::new(&["notes"], vec![Migration::new("0001", &["notes"], move |ctx| {
    /// #         leftover(&ctx.data_dir().join("attachments"))?;
    /// #         ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    /// #         Ok(())
    /// #     })])
    /// # }
    /// let good = set(|folder| std::fs::create_dir_all(folder));
    /// assert!(Checks::of(&good).crashes().is_ok());
    /// let bad = set(|folder| std::fs::create_dir(folder)); // Is there when it runs again.
    /// assert!(Checks::of(&bad).crashes().is_err());
    /// ```
    pub fn crashes(&self) -> Result<(), Error> {
        self.registry.check()?;
        super::crashes::check(self.registry)
    }

    /// Eight runs at once on one directory apply each migration once; eight directories can be built
    /// at the same time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`] with the difference, or with what a run met.
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// # use std::sync::atomic::{AtomicUsize, Ordering};
    /// static COUNT: AtomicUsize = AtomicUsize::new(0);
    ///
    /// let good = Migration::new("0001", &["notes"], |ctx| {
    ///     ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    ///     Ok(())
    /// });
    /// assert!(Checks::of(&Registry::new(&["notes"], vec![good])).races().is_ok());
    /// let bad = Migration::new("0001", &["notes"], |ctx| {
    ///     let number = COUNT.fetch_add(1, Ordering::Relaxed); // Shared by all directories.
    ///     ctx.execute("notes", &format!("CREATE TABLE note_{number} (body TEXT)"), [])?;
    ///     Ok(())
    /// });
    /// assert!(Checks::of(&Registry::new(&["notes"], vec![bad])).races().is_err());
    /// ```
    pub fn races(&self) -> Result<(), Error> {
        self.registry.check()?;
        super::races::check(self.registry)
    }
}

/// Whether a rule of the lint is one that no set may break: it runs, on rows and without, and goes back.
fn is_asked(code: &str) -> bool {
    let runs = ["AM103", "AM104", "AM501"].contains(&code) || code.starts_with("AM2");
    // That there is no downgrade, and no reason, is the lint's to say.
    runs || (code.starts_with("AM30") && code != "AM303")
}
