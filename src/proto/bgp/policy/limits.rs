//! How much: every bound of policies in one place.
//!
//! *Standards*: none; they are the house's. How many policies and clauses there may be is said
//! where they are configured.

/// Validated ROA payloads: those of the whole Internet in 2026 twice, for both families.
pub const VRPS_MAX: usize = 1 << 21;
/// Communities that a route has after an edit: as many as fit a message of the usual size twice,
/// so that what is too long for a peer shows there and not here.
pub const COMMUNITIES_MAX: usize = 2048;
