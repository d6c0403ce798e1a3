//! Keeping committed schema files current.
//!
//! The one place of the library outside of the command line that reads the environment: a test
//! has no other way to be told by whoever runs it.

use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::migrator::Migrator;
use crate::plan::Target;
use crate::registry::Registry;
use crate::schema_files::{stale, write};

/// The variable that makes [`schema_files`] write the files instead of comparing them.
const BLESS: &str = "AGENTOS_MIGRATE_BLESS";

/// Checks that a folder holds the schema that the set makes, in one `<database>.sql` for each database.
///
/// Committed with the migrations, the files show in a review what a migration changes, and a
/// change that nobody meant. With the variable `AGENTOS_MIGRATE_BLESS` set, to anything but
/// nothing or `0`, they are written instead; `schema --write` of the command line does the same.
///
/// A relative folder starts at the root of the crate with `migrations!`, or else at the working
/// directory. The folder is for these files alone: an `.sql` file of no database is an error.
///
/// # Errors
///
/// [`ErrorKind::ValidationFailed`] with the difference of every file that is not current; what a
/// replay of the set meets; `Io`.
///
/// # Examples
///
/// ```no_run
/// # fn registry() -> agentos_migrate::Registry { agentos_migrate::Registry::new(&[], vec![]) }
/// #[test]
/// fn the_schema_files_are_current() -> Result<(), agentos_migrate::Error> {
///     agentos_migrate::testing::schema_files(&registry(), "schema")
/// }
/// ```
pub fn schema_files(registry: &Registry, folder: impl AsRef<Path>) -> Result<(), Error> {
    let root = registry.declaration().map(|declared| Path::new(declared.manifest_dir));
    let folder = root.unwrap_or(Path::new("")).join(folder);
    // The data directory is not looked at.
    let schemas = Migrator::new(registry.clone(), "").compiled_schema(&Target::Latest)?;
    if std::env::var_os(BLESS).is_some_and(|value| !value.is_empty() && value != "0") {
        return write(&folder, &schemas).map(drop);
    }
    let stale = stale(&folder, &schemas)?;
    if stale.is_empty() {
        return Ok(());
    }
    let text = format!("the schema files in {} are not what the migrations make", folder.display());
    let error = Error::new(ErrorKind::ValidationFailed, text).in_state("nothing was written");
    let error = stale.iter().flat_map(|one| one.diff.lines()).fold(error, Error::detail);
    Err(error.with_hint(format!("if the change is meant, write them: `{BLESS}=1 cargo test`")))
}
