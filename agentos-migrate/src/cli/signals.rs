//! Ctrl-C, and being asked to end: first politely, then at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind};
use crate::sqlite::scratch;

/// Calls `stop` at the first signal; the second ends the program where it stands, which loses nothing either.
pub(super) fn watch(stop: impl Fn() + Send + 'static) -> Result<(), Error> {
    let asked = AtomicBool::new(false);
    let handler = move || {
        if asked.swap(true, Ordering::Relaxed) {
            end();
        }
        stop();
    };
    set(handler)
}

/// Ends the program at the first signal: it only asks.
pub(super) fn end_at_once() -> Result<(), Error> {
    set(end)
}

/// Ends the program where it stands, without the copies that it made to ask them.
fn end() {
    let _all_removed = scratch::remove_all();
    #[expect(clippy::exit, reason = "the user insists; a crash is what the engine is made for")]
    std::process::exit(130);
}

fn set(handler: impl FnMut() + Send + 'static) -> Result<(), Error> {
    match ctrlc::set_handler(handler) {
        // Another part of this process has its own handler.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(Error::new(ErrorKind::Io, "cannot watch for Ctrl-C").caused_by(error)),
    }
}
