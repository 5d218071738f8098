//! The clock: the one place where time comes from.
//!
//! Owns [`Clock`]: monotonic, with its origin at the start of the router. Machines and workers get
//! instants, never the clock.

use crate::base::time::Instant;

/// Reads the time since the start; one per process, copied to every thread.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// The time.
    #[inline]
    pub fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A number nobody can guess, for the generators of jitter; the time where the system has none.
pub fn entropy() -> u64 {
    let mut octets = [0; 8];
    let file = std::fs::File::open("/dev/urandom");
    match file.and_then(|mut file| std::io::Read::read_exact(&mut file, &mut octets)) {
        Ok(()) => u64::from_ne_bytes(octets),
        Err(_) => {
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let nanos = time.map_or(0, |since| since.as_nanos() & u128::from(u64::MAX));
            u64::try_from(nanos).unwrap_or(0) ^ u64::from(std::process::id()).rotate_left(32)
        }
    }
}
