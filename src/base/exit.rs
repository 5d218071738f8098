//! What the shell gets back.
//!
//! Owns [`Exit`]; the numbers above 64 are those of `sysexits.h`, so that service managers can tell
//! a wrong configuration (do not restart) from a crash. Which error is which is said once, where
//! the error is: `daemon::RunError::exit` for the router, `cli` for its commands.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// Not done, or unhealthy.
    Failed,
    /// The command was not understood.
    Usage,
    /// Not part of this version, or not known.
    Unknown,
    /// The router does not answer.
    Unreachable,
    /// Not allowed.
    Permission,
    /// The configuration is wrong.
    Configuration,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::Unreachable => 69,
            Self::Permission => 77,
            Self::Configuration => 78,
        }
    }
}
