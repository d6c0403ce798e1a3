//! What this compiler process has seen of the set that is being compiled.
//!
//! Only for better words: every rule has a second, structural check, as a
//! macro can't rely on the order of expansion. In an editor, where one
//! process lives long and sees every edit, nothing is remembered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A migration that was expanded.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) place: String,
}

/// What `migrations!` declared and `#[migration]` added.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) databases: Option<Vec<String>>,
    pub(crate) lock: Option<PathBuf>,
    pub(crate) versions: BTreeMap<u128, Seen>,
}

static KNOWN: Mutex<BTreeMap<String, Known>> = Mutex::new(BTreeMap::new());

/// The state of the crate that is being compiled.
pub(crate) fn with<T>(work: impl FnOnce(&mut Known) -> T) -> T {
    let mut all: MutexGuard<'_, _> = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let variable = |name| std::env::var(name).unwrap_or_default();
    let crate_name = format!("{} {}", variable("CARGO_MANIFEST_DIR"), variable("CARGO_CRATE_NAME"));
    if in_editor() {
        all.remove(&crate_name);
    }
    work(all.entry(crate_name).or_default())
}

/// Returns whether an editor's macro server runs us.
pub(crate) fn in_editor() -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    program.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("rust-analyzer"))
}

/// Returns the crate's root folder.
pub(crate) fn manifest_dir() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default())
}
