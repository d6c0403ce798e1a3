//! What a caller may ask of a backup or a restore, and how it hears of progress.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// Whether the files beside the databases are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Blobs {
    /// Everything: `blobs/`, `metadata/` and the other files of the data directory.
    #[default]
    Include,
    /// The databases alone.
    Exclude,
}

/// The form of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// One `.tar.zst` archive.
    #[default]
    Zstd,
    /// A directory; files unchanged since the last such backup share its space.
    None,
}

/// Whether the bytes are compared with the checksums of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// Every file is.
    #[default]
    Full,
    /// No file is. Paths, sizes and the databases' own integrity are checked all the same.
    Skip,
}

/// What goes into a backup.
#[derive(Debug, Clone, Default)]
pub struct BackupOptions {
    /// Whether the files beside the databases go in.
    pub blobs: Blobs,
    /// The form.
    pub compression: Compression,
    /// The databases, by name; empty means all. Naming some leaves out all other files.
    pub databases: Vec<String>,
    /// Free text for the manifest.
    pub metadata: BTreeMap<String, String>,
}

impl BackupOptions {
    /// Sets `reason` in the metadata.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.metadata.insert("reason".to_owned(), reason.into());
        self
    }
}

/// What a restore brings back, and how much it trusts.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Whether checksums are compared.
    pub verify: Verification,
    /// The databases, by name; empty means all. Naming some leaves all other files as they are.
    pub databases: Vec<String>,
    /// Whether the files beside the databases come back.
    pub blobs: Blobs,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The databases and files are copied.
    Copy,
    /// The copies are read back and checked.
    Verify,
    /// The archive is written.
    Compress,
    /// The backup is unpacked beside the data.
    Unpack,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupProgress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes done in this phase.
    pub done_bytes: u64,
    /// Bytes of this phase, as far as they are known.
    pub total_bytes: u64,
}

type Callback = dyn Fn(&BackupProgress) -> ControlFlow<()> + Send + Sync;

/// Who wants to hear of progress, and may stop the work.
#[derive(Clone, Default)]
pub(super) struct Listener(Option<Arc<Callback>>);

impl Listener {
    pub(super) fn new(
        callback: impl Fn(&BackupProgress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(callback)))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "no listener" })
    }
}

/// Counts the bytes of one phase.
pub(super) struct Meter<'a> {
    listener: &'a Listener,
    progress: BackupProgress,
}

impl<'a> Meter<'a> {
    pub(super) fn new(listener: &'a Listener, phase: Phase, total_bytes: u64) -> Self {
        Self { listener, progress: BackupProgress { phase, done_bytes: 0, total_bytes } }
    }

    /// Has all its bytes behind it, and only asks whether to go on.
    pub(super) fn at_end(listener: &'a Listener, phase: Phase, total_bytes: u64) -> Self {
        let progress = BackupProgress { phase, done_bytes: total_bytes, total_bytes };
        Self { listener, progress }
    }

    /// Counts bytes; an error means that the listener wants to stop.
    pub(super) fn add(&mut self, n_bytes: u64) -> Result<(), Error> {
        self.reach(self.progress.done_bytes + n_bytes)
    }

    /// As [`add`](Self::add), with all the bytes that are done.
    pub(super) fn reach(&mut self, done_bytes: u64) -> Result<(), Error> {
        self.progress.done_bytes = self.progress.done_bytes.max(done_bytes);
        let Some(callback) = &self.listener.0 else { return Ok(()) };
        match callback(&self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                Err(Error::new(ErrorKind::Interrupted, "the work was asked to stop")
                    .with_hint("run the command again"))
            }
        }
    }
}
