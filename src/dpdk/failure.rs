//! What DPDK says when it refuses: an error number and what EAL or the driver logged.
//!
//! Owns [`Failure`] and the way to the kept messages. Messages of EAL and of drivers do not go to
//! the terminal; the last of them are kept by the shim and travel with the error that they explain.

use core::fmt;
use std::ffi::CStr;

/// Why a call into DPDK failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A positive error number.
    pub errno: i32,
    /// What EAL and the drivers logged since the last failure, trimmed; often empty.
    pub log: String,
}

impl Failure {
    /// Of a return value: DPDK's functions return a negative error number.
    pub(crate) fn from_result(result: i32) -> Self {
        Self { errno: result.saturating_neg(), log: take_log() }
    }

    /// Of `rte_errno` of this thread.
    pub(crate) fn from_errno() -> Self {
        // SAFETY: reads a thread-local variable.
        let errno = unsafe { dpdk_sys::kumiki_errno() };
        Self { errno, log: take_log() }
    }

    /// Turns the return value of a DPDK function into a result.
    pub(crate) fn check(result: i32) -> Result<(), Self> {
        if result < 0 { Err(Self::from_result(result)) } else { Ok(()) }
    }

    /// Of an argument that makes no sense.
    pub(crate) const fn invalid() -> Self {
        Self { errno: libc::EINVAL, log: String::new() }
    }

    /// Whether the driver does not know how.
    pub const fn is_unsupported(&self) -> bool {
        self.errno == libc::ENOTSUP || self.errno == libc::ENOSYS
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: rte_strerror takes any number and gives a string that lives until this thread
        // asks again; it is copied here.
        let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(self.errno)) };
        write!(f, "{}", text.to_string_lossy())?;
        if self.log.is_empty() { Ok(()) } else { write!(f, "\n{}", self.log) }
    }
}

impl std::error::Error for Failure {}

/// Takes the messages that EAL and the drivers logged since the last call, at most 16 KiB.
pub fn take_log() -> String {
    let mut text = vec![0_u8; dpdk_sys::KUMIKI_LOG_OCTETS_MAX as usize];
    // SAFETY: the shim writes at most `text.len()` octets behind the pointer and says how many.
    let length = unsafe { dpdk_sys::kumiki_log_take(text.as_mut_ptr().cast(), text.len()) };
    text.truncate(length);
    String::from_utf8_lossy(&text).trim_end().to_owned()
}
