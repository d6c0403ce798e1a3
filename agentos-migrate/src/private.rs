//! The names that generated code uses. Not a public interface.

use std::borrow::Cow;

pub use inventory;

use crate::checksum::Checksum;
use crate::context::{ManualContext, MigrationContext};
use crate::error::Result;
use crate::info::{self, Downgrade, Location, MigrationInfo, TransactionMode};
use crate::migration::{self, Migration};
use crate::version::Version;

/// What `migrations!` knows of its set while compiling. Its address is the set's identity.
#[derive(Debug)]
pub struct SetDeclaration {
    /// The crate that declares the set.
    pub crate_name: &'static str,
    /// The declared databases, in the order of the declaration.
    pub databases: &'static [&'static str],
    /// Files and folders of the data directory that a backup holds besides the databases.
    pub backup: &'static [&'static str],
    /// The name of the table that each database's version is recorded in.
    pub schema_version_table: &'static str,
    /// What the application itself made before the first migration: database, SQL.
    pub baseline: &'static [(&'static str, &'static str)],
    /// Versions that `dir` was found to hold.
    pub expected: &'static [&'static str],
    /// The text of the lock file; empty if none is declared.
    pub lock: &'static str,
    /// The path of the lock file from the crate's root, if one is declared.
    pub lock_path: Option<&'static str>,
    /// The folder of migration files from the crate's root, if one is declared.
    pub dir: Option<&'static str>,
    /// The crate's root when it was compiled.
    pub manifest_dir: &'static str,
    /// Stands for `expected` and `lock` in a stamp: other texts, another number.
    pub seal: u64,
}

impl SetDeclaration {
    /// No set.
    pub const NONE: Self = Self {
        crate_name: "",
        databases: &[],
        backup: &[],
        schema_version_table: "",
        baseline: &[],
        expected: &[],
        lock: "",
        lock_path: None,
        dir: None,
        manifest_dir: "",
        seal: 0,
    };
}

/// What `#[migration]` and `sql_migration!` register.
///
/// A start of a program that has nothing to do reads the first three fields of each: they share a
/// line of the cache.
#[repr(C, align(64))]
pub struct Registration {
    /// The version as a number.
    pub number: u128,
    /// The SHA-256 of the canonical source.
    pub checksum: [u8; 32],
    /// The set that it belongs to.
    pub set: &'static SetDeclaration,
    /// The version as written.
    pub version: &'static str,
    /// The short name.
    pub name: &'static str,
    /// The description.
    pub description: &'static str,
    /// The databases.
    pub databases: &'static [&'static str],
    /// The dependencies: number and text.
    pub depends_on: &'static [Version],
    /// The schema version to record.
    pub schema_version: Option<&'static str>,
    /// Why there is no downgrade, where that is said.
    pub irreversible: Option<&'static str>,
    /// Checksums of an older tool.
    pub legacy_checksums: &'static [&'static str],
    /// Tables of which rows are deleted on purpose.
    pub deletes: &'static [&'static str],
    /// Findings of the lint that are declared to be fine, each as `AM102: why`.
    pub allow: &'static [&'static str],
    /// The source file.
    pub file: &'static str,
    /// The source line.
    pub line: u32,
    /// The function that applies it.
    pub upgrade: Step,
    /// The function that reverts it.
    pub downgrade: Option<Step>,
    /// The function that validates it.
    pub validate: Option<fn(&MigrationContext) -> Result<bool>>,
}

/// A function that changes databases, by who commits.
#[derive(Clone, Copy)]
pub enum Step {
    /// The engine commits.
    Atomic(fn(&mut MigrationContext) -> Result<()>),
    /// The author commits.
    Manual(fn(&mut ManualContext) -> Result<()>),
}

/// Runs an SQL file of the crate, whose path is told where a statement of it fails.
///
/// # Errors
///
/// As [`MigrationContext::execute_batch`].
pub fn run_file(
    ctx: &mut MigrationContext,
    database: &str,
    file: &'static str,
    sql: &str,
) -> Result<()> {
    ctx.execute_file(database, file, sql)
}

impl From<Step> for migration::Step {
    fn from(step: Step) -> Self {
        match step {
            Step::Atomic(function) => Self::Atomic(function),
            Step::Manual(function) => Self::Manual(function),
        }
    }
}

inventory::collect!(Registration);

impl Registration {
    /// Returns its part of the digest of the set, as [`MigrationInfo::digest`] does.
    pub(crate) fn digest(&self) -> u64 {
        info::digest(self.number, &Checksum::from_bytes(self.checksum))
    }

    pub(crate) fn to_migration(&self) -> Migration {
        let downgrade = match (self.downgrade, self.irreversible) {
            (Some(_), _) => Downgrade::Available,
            (None, Some(reason)) => Downgrade::Irreversible(Cow::Borrowed(reason)),
            (None, None) => Downgrade::Absent,
        };
        let transaction = match self.upgrade {
            Step::Atomic(_) => TransactionMode::Atomic,
            Step::Manual(_) => TransactionMode::Manual,
        };
        Migration {
            info: MigrationInfo {
                version: Version::from_checked(self.number, self.version),
                name: Cow::Borrowed(self.name),
                description: Cow::Borrowed(self.description),
                databases: Cow::Borrowed(self.databases),
                depends_on: Cow::Borrowed(self.depends_on),
                schema_version: self.schema_version.map(Cow::Borrowed),
                downgrade,
                validated: self.validate.is_some(),
                transaction,
                checksum: Checksum::from_bytes(self.checksum),
                legacy_checksums: Cow::Borrowed(self.legacy_checksums),
                deletes: Cow::Borrowed(self.deletes),
                allow: Cow::Borrowed(self.allow),
                location: Location { file: self.file, line: self.line },
            },
            upgrade: self.upgrade.into(),
            downgrade: self.downgrade.map(Into::into),
            validate: self.validate.map(migration::Check::Function),
        }
    }
}

/// Stands in for the set of a crate that has no `migrations!`, so that the compiler can say what is missing.
pub mod no_set {
    /// The set's names, in the module that `migrations!` would have made.
    pub mod __agentos_migrate_needs_migrations_in_the_crate_root {
        use crate::private::SetDeclaration;

        /// No set: it is no [`DeclaredSet`](crate::private::DeclaredSet).
        pub struct Set;

        /// What migrations without a set belong to.
        pub static DECLARATION: SetDeclaration = SetDeclaration::NONE;
    }
}

/// Marks what `migrations!` made.
#[diagnostic::on_unimplemented(
    message = "this crate has migrations and declares no set of them",
    label = "this migration belongs to no set",
    note = "write `agentos_migrate::migrations! {{ databases: [conversations] }}` in the root of the crate, with its databases"
)]
pub trait DeclaredSet {
    /// Named to ask for the proof.
    const PROOF: () = ();
}

/// Proves that a set declares a version: `#[migration]` implements it for the
/// versions that others depend on and that come behind them.
#[diagnostic::on_unimplemented(
    message = "`depends_on` names a version that no `#[migration]` in this crate declares",
    label = "no migration has this version",
    note = "is the file of the one you mean declared with `mod`?"
)]
pub trait Declares<V> {
    /// Named to ask for the proof.
    const PROOF: () = ();
}

/// A version as a type, for [`Declares`].
pub struct VersionNumber<const N: u128>;

/// What a migration function may return: `Result<(), E>` with any error.
#[diagnostic::on_unimplemented(
    message = "a migration returns `Result<()>`, this function returns `{Self}`",
    label = "unexpected return type",
    note = "the error may be any type that converts into `agentos_migrate::MigrationError`"
)]
pub trait StepResult {
    /// Converts into the one result type.
    fn into_result(self) -> Result<()>;
}

impl<E: Into<crate::MigrationError>> StepResult for std::result::Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// What a validation may return: `Result<bool, E>` with any error.
#[diagnostic::on_unimplemented(
    message = "a validation returns `Result<bool>`, this function returns `{Self}`",
    label = "unexpected return type"
)]
pub trait CheckResult {
    /// Converts into the one result type.
    fn into_result(self) -> Result<bool>;
}

impl<E: Into<crate::MigrationError>> CheckResult for std::result::Result<bool, E> {
    fn into_result(self) -> Result<bool> {
        self.map_err(Into::into)
    }
}
