//! A glance at every database, for a question that opens none: is it an SQLite file, and all of it there?
//!
//! Damage that only SQLite sees is what `verify` looks for.

use std::collections::BTreeSet;

use super::Migrator;
use super::preflight::joined;
use crate::error::{Error, ErrorKind};
use crate::history::History;
use crate::sqlite::vfs::{self, Look};

impl Migrator {
    /// Refuses to call migrations applied, or planned, on a file that no run could open.
    pub(super) fn refuse_damaged_heads(&self, history: &History) -> Result<(), Error> {
        let (mut problems, mut damaged) = (Vec::new(), BTreeSet::new());
        for database in self.registry.databases().iter().filter(|name| self.has_file(name)) {
            let path = self.file_of(database);
            let fault = match vfs::look_at(&path)? {
                Look::Other => Some("is no SQLite database".to_owned()),
                _ => vfs::fault_of_head(&path)?,
            };
            let Some(fault) = fault else { continue };
            let text = format!("{} {fault}", path.display());
            problems.push(Error::new(ErrorKind::DamagedDatabase, text));
            damaged.insert(*database);
        }
        let Some(error) = joined(problems) else { return Ok(()) };
        let hint = self.ways_to_restore(&self.evidence(history)?, &damaged);
        Err(error.in_state("nothing was changed").with_hint(hint))
    }
}
