//! One migration: what is known of it, and the functions that do it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::checksum::Checksum;
use crate::context::{ManualContext, MigrationContext};
use crate::error::Result;
use crate::info::{Downgrade, Location, MigrationInfo, TransactionMode};
use crate::version::Version;

/// One migration: its [`MigrationInfo`] and its functions.
///
/// `#[migration]` makes them; [`Migration::new`] makes one by hand, for a
/// program that builds its set at run time, or a test.
#[derive(Clone)]
pub struct Migration {
    pub(crate) info: MigrationInfo,
    pub(crate) upgrade: Step,
    pub(crate) downgrade: Option<Step>,
    pub(crate) validate: Option<Check>,
}

type DynamicCheck = Arc<dyn Fn(&MigrationContext) -> Result<bool> + Send + Sync>;
type Dynamic<C> = Arc<dyn Fn(&mut C) -> Result<()> + Send + Sync>;

/// A function that changes databases.
#[derive(Clone)]
pub(crate) enum Step {
    /// The engine commits.
    Atomic(fn(&mut MigrationContext) -> Result<()>),
    /// The author commits.
    Manual(fn(&mut ManualContext) -> Result<()>),
    /// As `Atomic`, for a closure.
    AtomicDynamic(Dynamic<MigrationContext>),
}

/// A function that says whether a migration holds.
#[derive(Clone)]
pub(crate) enum Check {
    /// A plain function.
    Function(fn(&MigrationContext) -> Result<bool>),
    /// A closure.
    Dynamic(DynamicCheck),
}

impl Check {
    pub(crate) fn run(&self, context: &MigrationContext) -> Result<bool> {
        match self {
            Self::Function(function) => function(context),
            Self::Dynamic(closure) => closure(context),
        }
    }
}

impl Migration {
    /// Makes a migration of a closure, without the compiler's checks.
    ///
    /// The checksum covers the version and the name alone, as a closure's
    /// source is not known; give one with [`checksum`](Self::checksum).
    ///
    /// Where it is called is where findings and errors say that it stands.
    ///
    /// # Panics
    ///
    /// Panics if `version` is not 4 to 20 digits.
    #[track_caller]
    pub fn new(
        version: &str,
        databases: &[&'static str],
        upgrade: impl Fn(&mut MigrationContext) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let version: Version = version.parse().expect("a version of 4 to 20 digits");
        let checksum = crate::hash::of_bytes(format!("{}", version.number()).as_bytes());
        Self {
            info: MigrationInfo {
                name: Cow::Owned(format!("migration_{version}")),
                version,
                description: Cow::Borrowed(""),
                databases: Cow::Owned(databases.to_vec()),
                depends_on: Cow::Borrowed(&[]),
                schema_version: None,
                downgrade: Downgrade::Absent,
                validated: false,
                transaction: TransactionMode::Atomic,
                checksum,
                legacy_checksums: Cow::Borrowed(&[]),
                deletes: Cow::Borrowed(&[]),
                allow: Cow::Borrowed(&[]),
                location: Location::caller(),
            },
            upgrade: Step::AtomicDynamic(Arc::new(upgrade)),
            downgrade: None,
            validate: None,
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.info.name = name.into();
        self
    }

    /// Sets the description.
    #[must_use]
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.info.description = description.into();
        self
    }

    /// Sets the versions that must be applied before.
    ///
    /// # Panics
    ///
    /// Panics if one is not 4 to 20 digits.
    #[must_use]
    pub fn depends_on(mut self, versions: &[&str]) -> Self {
        let parse = |text: &&str| text.parse().expect("a version of 4 to 20 digits");
        self.info.depends_on = versions.iter().map(parse).collect();
        self
    }

    /// Sets the checksum that stands for the source.
    #[must_use]
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.info.checksum = checksum;
        self
    }

    /// Sets the checksums that an older tool may have recorded.
    #[must_use]
    pub fn legacy_checksums(mut self, checksums: &[&'static str]) -> Self {
        self.info.legacy_checksums = Cow::Owned(checksums.to_vec());
        self
    }

    /// Declares tables of which rows are deleted on purpose.
    #[must_use]
    pub fn deletes(mut self, tables: &[&'static str]) -> Self {
        self.info.deletes = Cow::Owned(tables.to_vec());
        self
    }

    /// Declares findings of the lint that are fine here, each as `AM102: why`.
    ///
    /// A code that no rule has, or no reason, makes the set unusable.
    #[must_use]
    pub fn allow(mut self, allow: &[&'static str]) -> Self {
        self.info.allow = Cow::Owned(allow.to_vec());
        self
    }

    /// Sets the function that reverts it.
    #[must_use]
    pub fn downgrade(
        mut self,
        downgrade: impl Fn(&mut MigrationContext) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.info.downgrade = Downgrade::Available;
        self.downgrade = Some(Step::AtomicDynamic(Arc::new(downgrade)));
        self
    }

    /// Says why it can't be reverted.
    #[must_use]
    pub fn irreversible(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.info.downgrade = Downgrade::Irreversible(reason.into());
        self.downgrade = None;
        self
    }

    /// Sets the function that is asked before the commit whether the migration holds.
    #[must_use]
    pub fn validate(
        mut self,
        validate: impl Fn(&MigrationContext) -> Result<bool> + Send + Sync + 'static,
    ) -> Self {
        self.info.validated = true;
        self.validate = Some(Check::Dynamic(Arc::new(validate)));
        self
    }

    /// Returns what is known of it.
    pub fn info(&self) -> &MigrationInfo {
        &self.info
    }
}

impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migration").field("info", &self.info).finish_non_exhaustive()
    }
}
