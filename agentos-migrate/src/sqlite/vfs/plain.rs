//! What is done to files without SQLite, as the tests' layers are told of it.

use std::path::Path;

/// One operation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plain<'a> {
    Create(&'a Path),
    CreateDirectory(&'a Path),
    /// A second name of a file.
    Link(&'a Path, &'a Path),
    /// All of a file.
    Write(&'a Path, &'a [u8]),
    Append(&'a Path, &'a [u8]),
    Sync(&'a Path),
    /// To a size in bytes.
    Cut(&'a Path, u64),
    Rename(&'a Path, &'a Path),
    /// A file, or a directory with all that is in it.
    Remove(&'a Path),
    SyncDirectory(&'a Path),
    /// The file system on which this is.
    SyncAll(&'a Path),
}

impl<'a> Plain<'a> {
    /// Returns the path that is changed, or the first of two.
    pub(super) fn path(&self) -> &'a Path {
        let (Plain::Create(path)
        | Plain::CreateDirectory(path)
        | Plain::Link(path, _)
        | Plain::Write(path, _)
        | Plain::Append(path, _)
        | Plain::Sync(path)
        | Plain::Cut(path, _)
        | Plain::Rename(path, _)
        | Plain::Remove(path)
        | Plain::SyncDirectory(path)
        | Plain::SyncAll(path)) = *self;
        path
    }
}
