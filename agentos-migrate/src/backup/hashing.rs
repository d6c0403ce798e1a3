//! SHA-256 of what is copied, and of what is read back.
//!
//! Hashing takes about as long as copying or decompressing. A long stream is
//! hashed on a thread of its own, so that both take the time of one.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::files;
use crate::checksum::Checksum;
use crate::error::Error;
use crate::hash::Hasher;

/// A stream is long from here on: hashing less costs no more than a thread.
const LONG_BYTES: u64 = 4 * 1024 * 1024;

/// Chunks under way; with their size they bound the memory.
const CHUNKS_QUEUED: usize = 8;

/// Hashes as bytes come in.
pub(super) enum StreamHasher {
    Here { hasher: Hasher, n_bytes: u64 },
    Beside { chunks: SyncSender<Vec<u8>>, thread: JoinHandle<Checksum> },
}

impl StreamHasher {
    pub(super) fn new() -> Self {
        Self::Here { hasher: Hasher::default(), n_bytes: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Here { hasher, n_bytes } => {
                hasher.update(bytes);
                *n_bytes += bytes.len() as u64;
                if *n_bytes >= LONG_BYTES {
                    *self = Self::beside(std::mem::take(hasher));
                }
            }
            Self::Beside { chunks, .. } => {
                chunks.send(bytes.to_vec()).expect("the thread takes every chunk");
            }
        }
    }

    pub(super) fn finish(self) -> Checksum {
        match self {
            Self::Here { hasher, .. } => hasher.finish(),
            Self::Beside { chunks, thread } => {
                drop(chunks);
                thread.join().expect("hashing does not panic")
            }
        }
    }

    fn beside(mut hasher: Hasher) -> Self {
        let (chunks, received) = sync_channel::<Vec<u8>>(CHUNKS_QUEUED);
        let thread = std::thread::spawn(move || {
            for chunk in received {
                hasher.update(&chunk);
            }
            hasher.finish()
        });
        Self::Beside { chunks, thread }
    }
}

/// Returns the SHA-256 and the size of a file that no SQLite has open; a link is refused.
///
/// `look` hears of the bytes as they are read, and may stop it.
pub(super) fn hash_file(
    path: &Path,
    look: &mut dyn FnMut(u64) -> Result<(), Error>,
) -> Result<(Checksum, u64), Error> {
    let mut file = files::open_plain(path).map_err(|error| files::failed("read", path, error))?;
    let mut hasher = Hasher::default();
    let mut n_bytes = 0;
    each_chunk(&mut file, path, &mut |chunk| {
        hasher.update(chunk);
        n_bytes += chunk.len() as u64;
        look(chunk.len() as u64)
    })?;
    Ok((hasher.finish(), n_bytes))
}

/// Calls `look` with each piece of a stream, up to its end.
pub(super) fn each_chunk(
    from: &mut dyn Read,
    path: &Path,
    look: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut buffer = vec![0; files::CHUNK_BYTES];
    loop {
        let count = files::read_some(from, &mut buffer)
            .map_err(|error| files::failed("read", path, error))?;
        if count == 0 {
            return Ok(());
        }
        look(&buffer[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stream_has_the_hash_of_its_bytes() {
        let bytes: Vec<u8> = (0..9_000_003_u32).map(|number| number.to_le_bytes()[1]).collect();
        let mut hasher = StreamHasher::new();
        bytes.chunks(100_003).for_each(|chunk| hasher.update(chunk));
        assert_eq!(hasher.finish(), crate::hash::of_bytes(&bytes));
    }
}
