//! What a BFD session wants done.

use super::view::View;
use crate::wire::bfd::Octets;

/// One wish; the owner carries it out in order.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Send a control packet (RFC 5881 §4: to port 3784, hop limit 255, from the session's own
    /// source port).
    Send(Octets),
    /// The session shows something else than before.
    Changed(View),
}
