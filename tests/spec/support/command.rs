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

/// The command line as another user runs it: modes mean nothing to root.
#[cfg(target_os = "linux")]
pub(crate) struct Nobody {
    // Holds the program where everybody may start it.
    _elsewhere: super::Directory,
    program: std::path::PathBuf,
}

#[cfg(target_os = "linux")]
impl Nobody {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let elsewhere = super::Directory::new();
        let program = elsewhere.file("program");
        std::fs::copy(env!("CARGO_BIN_EXE_command-line-under-test"), &program).expect("copies");
        for path in [elsewhere.path(), &program] {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(path, mode).expect("sets");
        }
        Self { _elsewhere: elsewhere, program }
    }

    fn is_another_user() -> bool {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").expect("is there").uid() == 0
    }

    /// Gives a folder, and what is in it, to that user.
    pub(crate) fn give(path: &Path) {
        if Self::is_another_user() {
            std::os::unix::fs::lchown(path, Some(65534), Some(65534)).expect("gives");
        }
        if path.is_dir() && !path.is_symlink() {
            for entry in std::fs::read_dir(path).expect("reads") {
                Self::give(&entry.expect("reads").path());
            }
        }
    }

    pub(crate) fn run(&self, data_dir: &Path, arguments: &[&str]) -> Said {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&self.program);
        command.arg("--data-dir").arg(data_dir).args(arguments);
        if Self::is_another_user() {
            command.uid(65534).gid(65534);
        }
        // Another test that starts a program just now may hold the copy open for a moment.
        let mut output = command.output();
        while output
            .as_ref()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy)
        {
            output = command.output();
        }
        said(output.expect("runs"))
    }
}

/// Runs a command that can write no file beyond so many blocks of 512 bytes: that stands for a full disk.
#[cfg(unix)]
pub(crate) fn run_with_files_up_to(blocks: u32, data_dir: &Path, arguments: &[&str]) -> Said {
    let program = command(data_dir, arguments);
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let limited = Command::new("sh")
        .args(["-c", &limit])
        .arg(program.get_program())
        .args(program.get_args())
        .output();
    said(limited.expect("runs"))
}
