//! Which other processes use a file, where the system tells (Linux).
//!
//! Best effort, for error texts and for refusing a restore: never an error.

use std::path::{Path, PathBuf};

/// A process that uses a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) process: u32,
    pub(crate) command: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} ({})", self.process, self.command)
    }
}

/// Returns the other processes that have the file open.
pub(crate) fn of(path: &Path) -> Vec<Holder> {
    let mut holders = all_of(path);
    holders.retain(|holder| holder.process != std::process::id());
    holders
}

/// Returns the processes that have the file open, this one too.
pub(crate) fn all_of(path: &Path) -> Vec<Holder> {
    held_among(&[path.to_owned()]).into_iter().map(|(_, holder)| holder).collect()
}

/// Returns which of the files a process has open, this one too, and which process; asks each process once.
#[cfg(target_os = "linux")]
pub(crate) fn held_among(paths: &[PathBuf]) -> Vec<(&Path, Holder)> {
    use std::collections::{BTreeMap, BTreeSet};
    use std::os::unix::fs::MetadataExt;

    let number = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let wanted = paths.iter().filter_map(|path| Some((number(path)?, path.as_path())));
    let wanted: BTreeMap<(u64, u64), &Path> = wanted.collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut held = Vec::new();
    for entry in processes.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = std::fs::read_dir(entry.path().join("fd")) else { continue };
        let open = descriptors.flatten().filter_map(|descriptor| number(&descriptor.path()));
        let open: BTreeSet<&Path> = open.filter_map(|found| wanted.get(&found).copied()).collect();
        if !open.is_empty() {
            let command = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let holder = Holder { process, command: command.trim().to_owned() };
            held.extend(open.into_iter().map(|path| (path, holder.clone())));
        }
    }
    held
}

/// Returns which of the files a process has open: not known on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn held_among(_paths: &[PathBuf]) -> Vec<(&Path, Holder)> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_the_file_open_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("held");
        std::fs::write(&path, "").expect("writes");
        assert_eq!(of(&path), []);
        let file = std::fs::File::open(&path).expect("opens");
        let mut child =
            std::process::Command::new("sleep").arg("60").stdin(file).spawn().expect("starts");
        let holders = of(&path);
        child.kill().expect("kills");
        child.wait().expect("ends");
        assert_eq!(holders, [Holder { process: child.id(), command: "sleep".to_owned() }]);
    }
}
