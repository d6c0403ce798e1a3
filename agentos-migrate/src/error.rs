//! What goes wrong, and what the reader does next.
//!
//! [`Error`] is what the library returns; [`MigrationError`] is what a
//! migration function returns, so that `?` works there on any error.
//! Neither prints. Callers branch on [`Error::kind`], never on the text.

use std::error::Error as StdError;
use std::fmt;

/// What a migration function returns. `?` accepts any [`std::error::Error`].
pub type Result<T, E = MigrationError> = std::result::Result<T, E>;

/// The kind of an [`Error`]: stable, to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The compiled set is wrong: empty, partial, a duplicate, a missing dependency.
    InvalidSet,
    /// The data directory is missing, is no directory, or can't be read.
    DataDirectory,
    /// A file is not an SQLite database, or is a damaged one.
    DamagedDatabase,
    /// The operating system refuses access, or the file system is read-only.
    PermissionDenied,
    /// No space is left where the work needs it.
    DiskFull,
    /// Another process uses a file, or another run holds the lock, for longer than the wait.
    Busy,
    /// An applied migration differs from the compiled one.
    Modified,
    /// The data holds applied migrations that this program does not know: it is newer.
    Newer,
    /// A version that no compiled migration has.
    UnknownVersion,
    /// A step on the way down has no downgrade.
    Irreversible,
    /// A migration would run before, or be reverted before, one that it needs.
    Dependency,
    /// An applied migration failed half way under an older tool, or by hand-made commits.
    Incomplete,
    /// A migration returned an error, or panicked.
    MigrationFailed,
    /// A migration's validation said no.
    ValidationFailed,
    /// A migration ran SQL that the engine keeps to itself.
    ForbiddenSql,
    /// A migration left foreign key violations that were not there before.
    ForeignKey,
    /// Rows of a table disappeared that the migration did not ask to delete.
    RowsLost,
    /// The application owns a table of the name that the engine wants to use.
    NameCollision,
    /// The caller or a signal asked to stop.
    Interrupted,
    /// A backup could not be made.
    BackupFailed,
    /// A backup is damaged, incomplete or hostile.
    DamagedBackup,
    /// There is no backup with this id.
    UnknownBackup,
    /// The real schema differs from the compiled one.
    Drift,
    /// An interrupted operation needs `recover`, or a person.
    NeedsOperator,
    /// The call itself is wrong.
    Usage,
    /// Reading or writing a file failed for another reason.
    Io,
    /// SQLite refused for another reason.
    Sqlite,
}

impl ErrorKind {
    /// Returns the stable code used in `--json`, such as `"disk_full"`.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidSet => "invalid_set",
            Self::DataDirectory => "data_directory",
            Self::DamagedDatabase => "damaged_database",
            Self::PermissionDenied => "permission_denied",
            Self::DiskFull => "disk_full",
            Self::Busy => "busy",
            Self::Modified => "modified",
            Self::Newer => "newer",
            Self::UnknownVersion => "unknown_version",
            Self::Irreversible => "irreversible",
            Self::Dependency => "dependency",
            Self::Incomplete => "incomplete",
            Self::MigrationFailed => "migration_failed",
            Self::ValidationFailed => "validation_failed",
            Self::ForbiddenSql => "forbidden_sql",
            Self::ForeignKey => "foreign_key",
            Self::RowsLost => "rows_lost",
            Self::NameCollision => "name_collision",
            Self::Interrupted => "interrupted",
            Self::BackupFailed => "backup_failed",
            Self::DamagedBackup => "damaged_backup",
            Self::UnknownBackup => "unknown_backup",
            Self::Drift => "drift",
            Self::NeedsOperator => "needs_operator",
            Self::Usage => "usage",
            Self::Io => "io",
            Self::Sqlite => "sqlite",
        }
    }
}

/// An error of the library: what failed on what, the state of the files, and the next step.
///
/// `Display` is the first line alone; [`details`](Self::details),
/// [`state`](Self::state) and [`hint`](Self::hint) are for a report. `Debug`
/// is that report, which is what a `main` that returns the error prints.
pub struct Error(Box<Parts>);

struct Parts {
    kind: ErrorKind,
    message: String,
    details: Vec<String>,
    state: Option<String>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error; `message` is a lowercase fragment without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            message: message.into(),
            details: Vec::new(),
            state: None,
            hint: None,
            source: None,
        }))
    }

    /// Adds a line of detail: a name, a place, two values that differ.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.0.details.push(line.into());
        self
    }

    /// Sets what state the files are in now, such as "nothing was changed".
    #[must_use]
    pub fn in_state(mut self, state: impl Into<String>) -> Self {
        self.0.state = Some(state.into());
        self
    }

    /// Says that nothing was changed, unless the error knows better.
    pub(crate) fn or_unchanged(self) -> Self {
        self.or_in_state("nothing was changed")
    }

    /// Sets what state the files are in now, unless the error knows better.
    pub(crate) fn or_in_state(self, state: &str) -> Self {
        if self.0.state.is_some() { self } else { self.in_state(state) }
    }

    /// Sets the next step, with a command in backticks.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Tells of another place what was found at one: every text that names `from` names `to`.
    pub(crate) fn moved(mut self, from: &str, to: &str) -> Self {
        let parts = &mut self.0;
        let texts = parts.details.iter_mut().chain(&mut parts.state).chain(&mut parts.hint);
        for text in texts.chain([&mut parts.message]) {
            *text = text.replace(from, to);
        }
        self
    }

    /// Returns the kind, to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the lines of detail.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// Returns what state the files are in, where it is known.
    pub fn state(&self) -> Option<&str> {
        self.0.state.as_deref()
    }

    /// Returns the next step, where there is one.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for line in self.0.details.iter().chain(&self.0.state) {
            write!(f, "\n  {line}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "\n\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Any error of a migration function, kept with its whole chain.
///
/// Made by `?` from every [`std::error::Error`], or by [`MigrationError::msg`].
/// It does not implement `std::error::Error` itself, which is what makes that
/// conversion possible.
pub struct MigrationError(Box<dyn StdError + Send + Sync>);

impl MigrationError {
    /// Creates an error from a text.
    pub fn msg(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// Returns the error as a plain boxed one.
    pub fn into_boxed(self) -> Box<dyn StdError + Send + Sync> {
        self.0
    }

    /// Returns the error itself, to downcast or to print.
    pub fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.0.as_ref()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for MigrationError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails() -> Result<()> {
        "x".parse::<u8>()?;
        Ok(())
    }

    #[test]
    fn any_error_becomes_a_migration_error_by_question_mark() {
        assert_eq!(fails().expect_err("not a number").to_string(), "invalid digit found in string");
    }

    #[test]
    fn an_error_that_is_moved_names_the_other_place_everywhere() {
        let error = Error::new(ErrorKind::Io, "cannot read /copy/a.db")
            .detail("/copy/a.db")
            .in_state("/copy is as before")
            .with_hint("look at /copy");
        let report = format!("{:?}", error.moved("/copy", "/data"));
        assert_eq!(
            report,
            "cannot read /data/a.db\n  /data/a.db\n  /data is as before\n\nhint: look at /data"
        );
    }

    #[test]
    fn an_error_keeps_its_parts_apart() {
        let error = Error::new(ErrorKind::DiskFull, "cannot write audit.db")
            .detail("needs 12 bytes")
            .in_state("nothing was changed")
            .with_hint("free some space");
        assert_eq!(error.to_string(), "cannot write audit.db");
        assert_eq!(error.details(), ["needs 12 bytes"]);
        assert_eq!(error.state(), Some("nothing was changed"));
        assert_eq!(error.hint(), Some("free some space"));
        assert_eq!(error.kind().code(), "disk_full");
    }

    #[test]
    fn the_code_of_every_kind_is_its_name_in_small_letters() {
        for kind in [
            ErrorKind::InvalidSet,
            ErrorKind::DataDirectory,
            ErrorKind::DamagedDatabase,
            ErrorKind::PermissionDenied,
            ErrorKind::DiskFull,
            ErrorKind::Busy,
            ErrorKind::Modified,
            ErrorKind::Newer,
            ErrorKind::UnknownVersion,
            ErrorKind::Irreversible,
            ErrorKind::Dependency,
            ErrorKind::Incomplete,
            ErrorKind::MigrationFailed,
            ErrorKind::ValidationFailed,
            ErrorKind::ForbiddenSql,
            ErrorKind::ForeignKey,
            ErrorKind::RowsLost,
            ErrorKind::NameCollision,
            ErrorKind::Interrupted,
            ErrorKind::BackupFailed,
            ErrorKind::DamagedBackup,
            ErrorKind::UnknownBackup,
            ErrorKind::Drift,
            ErrorKind::NeedsOperator,
            ErrorKind::Usage,
            ErrorKind::Io,
            ErrorKind::Sqlite,
        ] {
            let name = format!("{kind:?}");
            let mut code = String::new();
            for letter in name.chars() {
                if letter.is_ascii_uppercase() && !code.is_empty() {
                    code.push('_');
                }
                code.push(letter.to_ascii_lowercase());
            }
            assert_eq!(kind.code(), code);
        }
    }
}
