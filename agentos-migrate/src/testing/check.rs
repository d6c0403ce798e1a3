//! The check of a whole set: what every set has to do, whatever it is about.

use super::Harness;
use super::seed::{RowCounts, count_rows, each_table, seed};
use crate::error::{Error, ErrorKind};
use crate::info::Downgrade;
use crate::lock_file;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema::compare::differences;
use crate::schema::read::Schema;
use crate::schema::tokens::quote_name;

/// How many of the newest prefixes are built; each costs a run of the rest of the set.
const PREFIXES_MAX: usize = 50;

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
/// assert!(error.to_string().contains("the downgrade of 0001"));
/// ```
pub fn check(registry: &Registry) -> Result<(), Error> {
    Checks::of(registry).all()
}

/// The same, for a set in which some downgrades leave the schema on purpose, as a baseline's does.
///
/// # Errors
///
/// As [`check`].
pub fn check_keeping(registry: &Registry, versions: &[&str]) -> Result<(), Error> {
    Checks::of(registry).keeping(versions).all()
}

/// Every check of a set by itself; [`migration_tests!`](crate::migration_tests) makes a test of each.
///
/// All work on real files in temporary directories, with the engine of the program.
#[derive(Debug, Clone)]
pub struct Checks<'a> {
    registry: &'a Registry,
    keeping: Vec<String>,
}

impl<'a> Checks<'a> {
    /// Makes the checks of a set.
    pub fn of(registry: &'a Registry) -> Self {
        Self { registry, keeping: Vec::new() }
    }

    /// Names migrations whose downgrade leaves the schema on purpose, as a baseline's does.
    #[must_use]
    pub fn keeping(mut self, versions: &[&str]) -> Self {
        self.keeping = versions.iter().map(|version| (*version).to_owned()).collect();
        self
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
        self.steps_with_rows()?;
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

    /// Every migration goes up, down and up again, on tables without rows.
    ///
    /// A downgrade brings back the schema from before, and the migration then makes the same as before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`] with the difference; what a migration meets.
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// # fn set(down: &'static str) -> Registry {
    /// #     let up = |ctx: &mut agentos_migrate::MigrationContext| {
    /// #         ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    /// #         ctx.execute("notes", "CREATE INDEX by_body ON note (body)", [])?;
    /// #         Ok(())
    /// #     };
    /// #     Registry::new(&["notes"], vec![Migration::new("0001", &["notes"], up).downgrade(move |ctx| {
    /// #         ctx.execute_batch("notes", down)?;
    /// #         Ok(())
    /// #     })])
    /// # }
    /// let good = set("DROP TABLE note");
    /// assert!(Checks::of(&good).steps().is_ok());
    /// let bad = set("DROP INDEX by_body"); // The table stays.
    /// assert!(Checks::of(&bad).steps().is_err());
    /// ```
    pub fn steps(&self) -> Result<(), Error> {
        self.climb(Rows::None)
    }

    /// The same on tables that hold a row each, where one can be made up; a downgrade keeps the rows
    /// of the tables that stay.
    ///
    /// # Errors
    ///
    /// As [`steps`](Self::steps).
    ///
    /// # Examples
    ///
    /// ```
    /// # use agentos_migrate::{Migration, Registry, testing::Checks};
    /// # fn set(sql: &'static str) -> Registry {
    /// #     let first = Migration::new("0001", &["notes"], |ctx| {
    /// #         ctx.execute("notes", "CREATE TABLE note (body TEXT)", [])?;
    /// #         Ok(())
    /// #     });
    /// #     let second = Migration::new("0002", &["notes"], move |ctx| {
    /// #         ctx.execute("notes", sql, [])?;
    /// #         Ok(())
    /// #     });
    /// #     Registry::new(&["notes"], vec![first, second])
    /// # }
    /// let good = set("ALTER TABLE note ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0");
    /// assert!(Checks::of(&good).steps_with_rows().is_ok());
    /// let bad = set("ALTER TABLE note ADD COLUMN at INTEGER NOT NULL DEFAULT (unixepoch())");
    /// assert!(Checks::of(&bad).steps().is_ok(), "an empty table takes it");
    /// assert!(Checks::of(&bad).steps_with_rows().is_err());
    /// ```
    pub fn steps_with_rows(&self) -> Result<(), Error> {
        self.climb(Rows::Seeded)
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

    /// The lock file, if the set has one, holds every migration.
    ///
    /// That a line agrees with its migration is checked by the compiler.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ValidationFailed`] that names the migrations that are not in it.
    pub fn lock_file(&self) -> Result<(), Error> {
        self.registry.check()?;
        check_lock_file(self.registry)
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

/// What the tables hold while a set climbs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    None,
    Seeded,
}

pub(super) fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ValidationFailed, message)
        .in_state("only a temporary directory was changed")
}

fn check_lock_file(registry: &Registry) -> Result<(), Error> {
    let Some((declared, lock_path)) =
        registry.declaration().and_then(|declared| Some((declared, declared.lock_path?)))
    else {
        return Ok(());
    };
    let path = std::path::Path::new(declared.manifest_dir).join(lock_path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| crate::sqlite::failure::io_on_file(error, "read", &path))?;
    let new = lock_file::new_versions(&text, registry.migrations());
    if new.is_empty() {
        return Ok(());
    }
    Err(failed(format!("{} does not hold {}", path.display(), new.join(", ")))
        .with_hint("record them when they are released: `lock`"))
}

impl Checks<'_> {
    /// Takes every migration up, down and up again.
    fn climb(&self, fill: Rows) -> Result<(), Error> {
        let registry = self.registry;
        registry.check()?;
        let ladder = &Harness::empty(registry.clone())?;
        let mut previous = "0000".to_owned();
        for migration in registry.migrations() {
            let info = migration.info();
            let version = info.version.to_string();
            let before = schemas(ladder, registry)?;
            ladder.migrate_to(&version)?;
            let after = schemas(ladder, registry)?;
            if info.downgrade == Downgrade::Available {
                let rows = count_rows(ladder, registry)?;
                ladder.migrate_to(&previous)?;
                let kept = if self.keeping.contains(&version) { &after } else { &before };
                compare(kept, &schemas(ladder, registry)?, || {
                    format!("the downgrade of {version} does not leave the schema that it should")
                })?;
                refuse_lost_rows(&version, &rows, &count_rows(ladder, registry)?)?;
                ladder.migrate_to(&version)?;
                compare(&after, &schemas(ladder, registry)?, || {
                    format!("{version} makes another schema after its downgrade than before")
                })?;
            }
            if fill == Rows::Seeded {
                seed(ladder, registry)?;
            }
            previous = version;
        }
        Ok(())
    }
}

fn refuse_lost_rows(version: &str, before: &RowCounts, after: &RowCounts) -> Result<(), Error> {
    for (table, rows) in before {
        if after.get(table).is_some_and(|left| left < rows) {
            let (database, table) = table;
            return Err(failed(format!("the downgrade of {version} loses rows"))
                .detail(format!("{database}.{table}")));
        }
    }
    Ok(())
}

/// Builds up to each version in one run, the rest in another.
fn check_prefixes(registry: &Registry) -> Result<(), Error> {
    let whole = Harness::empty(registry.clone())?;
    whole.migrator().upgrade(&Target::Latest)?;
    let expected = schemas(&whole, registry)?;
    for migration in registry.migrations().iter().rev().skip(1).take(PREFIXES_MAX) {
        let version = migration.info().version.to_string();
        let prefix = Harness::at(registry.clone(), &version)?;
        prefix.migrator().upgrade(&Target::Latest)?;
        compare(&expected, &schemas(&prefix, registry)?, || {
            format!("a directory that stood at {version} ends with another schema than a new one")
        })?;
    }
    Ok(())
}

/// Lets SQLite prepare what uses each foreign key, and check all rows.
fn check_foreign_keys(registry: &Registry) -> Result<(), Error> {
    let built = Harness::empty(registry.clone())?;
    built.migrator().upgrade(&Target::Latest)?;
    seed(&built, registry)?;
    each_table(&built, registry, |database, connection, table| {
        let name = quote_name(table);
        let wrong = |what: String| {
            failed(format!("a foreign key of or to {database}.{table} can't hold")).detail(what)
        };
        for sql in [format!("INSERT INTO {name} DEFAULT VALUES"), format!("DELETE FROM {name}")] {
            // A missing table or a key that is not unique is an error of any statement that
            // would have to look there (<https://sqlite.org/foreignkeys.html#fk_indexes>).
            if let Err(error) = connection.prepare(&sql) {
                return Err(wrong(error.to_string()));
            }
        }
        let check = format!("PRAGMA foreign_key_check({name})");
        match connection.prepare(&check).and_then(|mut statement| statement.exists([])) {
            Ok(false) => Ok(()),
            Ok(true) => Err(wrong("a row points to no parent".to_owned())),
            Err(error) => Err(wrong(error.to_string())),
        }
    })
}

pub(super) fn schemas(
    harness: &Harness,
    registry: &Registry,
) -> Result<Vec<(&'static str, Schema)>, Error> {
    let read = |database: &&'static str| {
        let path = harness.data_dir().join(format!("{database}.db"));
        Ok((*database, harness.migrator().schema_at(&path)?))
    };
    registry.databases().iter().map(read).collect()
}

pub(super) fn compare(
    expected: &[(&str, Schema)],
    found: &[(&str, Schema)],
    what: impl FnOnce() -> String,
) -> Result<(), Error> {
    let pairs = expected.iter().zip(found);
    let lines: Vec<String> = pairs
        .flat_map(|((database, expected), (_, found))| {
            let changes = differences(expected, found);
            changes.into_iter().map(move |one| format!("{database}: {one}\n{}", one.unified_diff()))
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(lines.into_iter().fold(failed(what()), Error::detail))
}
