//! Signals as something to wait for.
//!
//! Owns the pipe that makes a signal readable. SIGHUP reads the configuration again; SIGTERM and
//! SIGINT end the router in order, a second one at once.

use crate::daemon::error::RunError;
use core::sync::atomic::{AtomicBool, Ordering};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The signals that came; one per process, owned by the host thread.
#[derive(Debug)]
pub struct Signals {
    pipe: UnixStream,
    reload: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

impl Signals {
    /// Catches the signals from now on.
    pub fn catch() -> Result<Self, RunError> {
        Self::register().map_err(RunError::system("catch signals"))
    }

    fn register() -> io::Result<Self> {
        let (pipe, writer) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let (reload, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGTERM, SIGINT] {
            // Before the flag is set for the first time it does nothing.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&reload))?;
        signal_hook::low_level::pipe::register(SIGHUP, writer)?;
        Ok(Self { pipe, reload, stop })
    }

    /// Readable when a signal came.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Empties the pipe; says whether to reload and whether to stop.
    pub fn take(&self) -> (bool, bool) {
        let mut buffer = [0; 64];
        while (&self.pipe).read(&mut buffer).is_ok_and(|count| count > 0) {}
        let stop = self.stop.load(Ordering::Relaxed);
        (self.reload.swap(false, Ordering::Relaxed), stop)
    }
}
