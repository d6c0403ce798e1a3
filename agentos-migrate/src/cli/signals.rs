//! Ctrl-C, and being asked to end: first politely, then at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind};

/// Calls `stop` at the first signal; the second ends the program where it stands, which loses nothing either.
pub(super) fn watch(stop: impl Fn() + Send + 'static) -> Result<(), Error> {
    let asked = AtomicBool::new(false);
    let handler = move || {
        if asked.swap(true, Ordering::Relaxed) {
            #[expect(
                clippy::exit,
                reason = "the user insists; a crash is what the engine is made for"
            )]
            std::process::exit(130);
        }
        stop();
    };
    match ctrlc::set_handler(handler) {
        // Another part of this process has its own handler.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(error) => Err(Error::new(ErrorKind::Io, "cannot watch for Ctrl-C").caused_by(error)),
    }
}
