//! Starting the command line.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Returns a command on a data directory, free of the environment's wishes.
pub(crate) fn command(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_command-line-under-test"));
    command.arg("--data-dir").arg(data_dir).args(arguments);
    command.env_remove("AGENT_OS_DATA_DIR").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

pub(crate) fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs a command to its end.
pub(crate) fn run(data_dir: &Path, arguments: &[&str]) -> Said {
    said(command(data_dir, arguments).output().expect("runs"))
}
