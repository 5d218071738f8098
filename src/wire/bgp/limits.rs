//! How much: every bound of BGP messages that their format does not give.
//!
//! *Standards*: RFC 4271 §4.3 and RFC 8654 §4 give the sizes that messages have.

use super::message::MESSAGE_OCTETS_MAX;

/// ASes of an AS_PATH that is taken from a peer: as many as a message of RFC 4271 has room for with
/// numbers of two octets, and many times the longest path of the Internet. Longer ones can only
/// come in messages of RFC 8654, and with numbers of four octets they need not fit into an
/// attribute.
pub const AS_PATH_ASES_MAX: usize = 2048;

const _: () = assert!(AS_PATH_ASES_MAX * 2 >= MESSAGE_OCTETS_MAX);
// Each AS in a segment of its own, what was widened by as long an AS4_PATH.
const _: () = assert!(2 * AS_PATH_ASES_MAX * (2 + 4) < u16::MAX as usize / 2);
