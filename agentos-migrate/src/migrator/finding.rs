//! What a look at a data directory found.

use serde::Serialize;

/// What is wrong, and what is only worth knowing.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// What is as it may be.
    pub notes: Vec<String>,
    /// Whether the real schema could be compared with the compiled set's.
    pub schema_compared: bool,
}

impl Default for Inspection {
    fn default() -> Self {
        Self { findings: Vec::new(), notes: Vec::new(), schema_compared: true }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The kind, stable: `modified`, `missing`, `failed`, `no_history`, `unrecorded`,
    /// `unknown_record`, `doubled`, `copied_in`, `version_differs`, `collision`, `no_file`,
    /// `damaged`, `drift`.
    pub code: &'static str,
    /// The database, if it is about one.
    pub database: Option<String>,
    /// What was found.
    pub message: String,
    /// The difference, for a schema that drifted.
    pub diff: Option<String>,
    /// The command that mends it.
    pub hint: String,
}

impl Finding {
    pub(super) fn on(database: &str, code: &'static str, message: String, hint: &str) -> Self {
        Self {
            code,
            database: Some(database.to_owned()),
            message,
            diff: None,
            hint: hint.to_owned(),
        }
    }
}
