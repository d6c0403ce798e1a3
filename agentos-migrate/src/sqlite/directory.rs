//! The data directory itself: there, and one that can be read.

use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::sqlite::failure::{in_shell, io_on_file};

/// Refuses what is not a directory that can be read.
pub(crate) fn refuse_unusable(data_dir: &Path) -> Result<(), Error> {
    let unusable = |message: String| {
        Error::new(ErrorKind::DataDirectory, message).in_state("nothing was changed")
    };
    match std::fs::read_dir(data_dir) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(unusable(format!("the data directory {} does not exist", data_dir.display()))
                .with_hint(format!(
                    "check the path, or create it with `mkdir -p {}`",
                    in_shell(data_dir)
                )))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(unusable(format!("the data directory {} is a file", data_dir.display()))
                .with_hint("give the folder that holds the databases: `--data-dir PATH`"))
        }
        Err(error) => {
            Err(io_on_file(error, "read the data directory", data_dir)
                .in_state("nothing was changed"))
        }
    }
}
