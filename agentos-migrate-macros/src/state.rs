//! What this compiler process has seen of the set that is being compiled.
//!
//! A compiler compiles one crate and expands every macro of it, so what two
//! migrations must not share is seen here, and told in better words than the
//! compiler has. A dependency that is expanded later is proved by the
//! compiler: `expand` asks for it, and writes the answer only where it was
//! asked, as an `impl` for every version costs the compiler much. This holds
//! as long as a compiler expands all macros of a crate at every build. In an
//! editor, where one process lives long and sees every edit, nothing is
//! remembered and nothing is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use syn::LitStr;

use crate::compiler::in_editor;
use crate::lock::LockFile;

/// A migration that was expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) place: String,
}

impl Seen {
    /// Takes the place at which a text stands.
    pub(crate) fn new(name: &str, text: &LitStr) -> Self {
        let place = text.span().unwrap();
        let place = format!("{}:{}:{}", place.file(), place.line(), place.column());
        Self { name: name.to_owned(), place }
    }
}

/// What `migrations!` declared and `#[migration]` added.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) databases: Option<Arc<[String]>>,
    pub(crate) lock: Option<Arc<LockFile>>,
    /// The versions that files of the set's folder are named after.
    pub(crate) folder: BTreeSet<u128>,
    pub(crate) versions: BTreeMap<u128, Seen>,
    /// Versions that the compiler was asked to find, as they were not seen yet.
    pub(crate) asked: BTreeSet<u128>,
    /// Databases that migrations named before `migrations!` was expanded.
    pub(crate) named: Vec<(String, Seen)>,
    is_set_asked_for: bool,
}

impl Known {
    /// Returns whether the compiler has to prove that a version exists, and notes that it was asked.
    pub(crate) fn asks_for(&mut self, version: u128) -> bool {
        let asks = !in_editor() && !self.holds(version);
        if asks {
            self.asked.insert(version);
        }
        asks
    }

    /// Returns whether the compiler has to prove that there is a set: once, and not where it was seen.
    pub(crate) fn asks_for_the_set(&mut self) -> bool {
        self.databases.is_none() && !std::mem::replace(&mut self.is_set_asked_for, true)
    }

    /// Returns whether a version is declared, or the finished set refuses to be without it.
    fn holds(&self, version: u128) -> bool {
        let is_released =
            || self.lock.as_ref().is_some_and(|lock| lock.lines.contains_key(&version));
        self.versions.contains_key(&version) || self.folder.contains(&version) || is_released()
    }
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// The state of the crate that is being compiled.
pub(crate) fn with<T>(work: impl FnOnce(&mut Known) -> T) -> T {
    if in_editor() {
        return work(&mut Known::default());
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    work(known.get_or_insert_default())
}
