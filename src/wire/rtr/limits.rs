//! How much: every bound of PDUs between a router and its RPKI cache.
//!
//! *Standards*: none; they are the house's.

/// The longest PDU that is read: a router key or an error report with a PDU in it has some hundred
/// octets, and whoever sends more does not speak this protocol.
pub const PDU_OCTETS_MAX: usize = 16 * 1024;
/// Octets of an erroneous PDU that are sent back with an error: whoever reads it wants its
/// beginning.
pub const ECHO_OCTETS_MAX: usize = 256;

const _: () = assert!(ECHO_OCTETS_MAX < PDU_OCTETS_MAX / 2);
