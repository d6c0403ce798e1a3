//! A run that failed, as the caller gets it.

use std::fmt;
use std::ops::Deref;

use crate::error::Error;
use crate::report::Report;

/// A run that failed: the error, and what was done before it.
///
/// Reads like its error, in `Debug` too.
pub struct RunFailure {
    /// Why it failed.
    pub error: Error,
    /// What was done, the failed migration last.
    pub report: Report,
}

impl From<Error> for RunFailure {
    fn from(error: Error) -> Self {
        Self { error, report: Report::default() }
    }
}

impl From<RunFailure> for Error {
    fn from(failure: RunFailure) -> Self {
        failure.error
    }
}

impl fmt::Debug for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl Deref for RunFailure {
    type Target = Error;

    fn deref(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for RunFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}
