//! How much: every bound of control messages that their format does not give.
//!
//! *Standards*: RFC 3931 §5.1 gives the length of an AVP.

/// AVPs of a message that is read: those of RFC 3931 with many of other documents beside them.
/// More is a message made to be slow.
pub const AVPS_MAX: usize = 128;
/// Octets of a text of the other end that are kept: names and error messages, to be shown.
pub const TEXT_OCTETS_MAX: usize = 255;
/// Octets of a message of ours. It goes over the least MTU of IPv6 in one piece, with its UDP and
/// IPv6 headers.
pub const MESSAGE_OCTETS_MAX: usize = 1280 - 40 - 8;

const _: () = assert!(TEXT_OCTETS_MAX < super::avp::VALUE_OCTETS_MAX);
// Two texts, a nonce, digests and a dozen of numbers.
const _: () = assert!(2 * TEXT_OCTETS_MAX + 512 < MESSAGE_OCTETS_MAX);
