//! Files with more than one name: no run writes them.
//!
//! SQLite looks for the journal of a crash under the name by which a file is opened. By another name it finds
//! none, and takes half of a transaction for all of it
//! (<https://sqlite.org/howtocorrupt.html#_multiple_links_to_the_same_file>). And a copy of hard links, as
//! `cp -al` makes one, changes with the original.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Migrator;
use super::preflight::joined;
use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::in_shell;
use crate::sqlite::{history_table, vfs};
use crate::system;

impl Migrator {
    /// Refuses databases that are one file, or have another name somewhere.
    pub(super) fn refuse_shared_files(&self, databases: &[&str]) -> Result<(), Error> {
        let mut names: BTreeMap<PathBuf, &str> = BTreeMap::new();
        let mut problems = Vec::new();
        let files = databases.iter().map(|name| (*name, self.file_of(name)));
        let history = ("migrations", self.data_dir.join(history_table::FILE_NAME));
        for (name, path) in files.chain([history]).filter(|(_, path)| path.is_file()) {
            if let Some(other) = names.insert(vfs::real(&path), name) {
                problems.push(
                    Error::new(
                        ErrorKind::NeedsOperator,
                        format!("the databases {other} and {name} are one file"),
                    )
                    .with_hint(format!("give each its own: see `ls -l {}`", in_shell(&path))),
                );
            } else if let Some(count) = system::names_of(&path).filter(|count| *count > 1) {
                let text = format!("{} has {count} names: hard links", path.display());
                problems.push(
                    Error::new(ErrorKind::NeedsOperator, text)
                        .detail("a run would change the file under each, and SQLite recover a crash under one only")
                        .with_hint(format!(
                            "stop the programs that use it, and make it a file of its own: `cp -p {0} {0}.own && mv {0}.own {0}`",
                            in_shell(&path)
                        )),
                );
            }
        }
        joined(problems).map_or(Ok(()), Err)
    }
}
