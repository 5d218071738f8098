//! L2TPv3: data headers and control messages, bytes to values and back.
//!
//! Read [`data`] first: the few octets before a tunnelled frame, over IP and over UDP, which are
//! all that workers read. Control messages begin in [`header`]; then [`avp`] (how a value stands in
//! them), [`mod@digest`] and [`hidden`] (who may say it, and who may read it), [`result`] (why
//! something ends), [`message`] (what there is to say) and [`mod@decode`] (what was said).
//! [`limits`] has the bounds, [`ids`] the two kinds of numbers.
//!
//! Absent on purpose: state, and what belongs to L2TPv2 (RFC 2661) but the reading past it that
//! RFC 3931 §4.7.3 asks for.

pub mod avp;
pub mod data;
pub mod decode;
pub mod digest;
pub mod header;
pub mod hidden;
pub mod ids;
pub mod limits;
pub mod message;
pub mod result;

#[cfg(test)]
mod tests;

pub use data::{
    Cookie, DataBody, DataError, DataHeader, Encapsulation, HeaderTemplate, Packet, Sublayer, split,
};
pub use decode::{Fault, Received, Refused, decode};
pub use digest::{DigestError, DigestKind, Nonces, SharedSecret, Signer, check};
pub use header::{ControlFrame, ControlHeader, HeaderError};
pub use ids::{ConnectionId, SessionId};
pub use message::{
    CallConnected, CallIds, CallReply, CallRequest, CircuitStatus, Disconnect, Encoding, LinkInfo,
    Message, MessageType, PseudowireType, Sequencing, Start, Stop,
};
pub use result::{DisconnectCode, ErrorCode, Reason, StopCode};

/// RFC 3931 §4.1.2.2: the UDP port of control messages, and of data where both ends say so.
pub const UDP_PORT: u16 = 1701;

/// A control message as it stands behind the header of its encapsulation: over IP with the session
/// id of zero before it (§4.1.1.2).
pub fn packet_of(encapsulation: Encapsulation, message: &[u8]) -> Vec<u8> {
    match encapsulation {
        Encapsulation::Ip => [&[0; data::SESSION_ID_OCTETS], message].concat(),
        Encapsulation::Udp => message.to_vec(),
    }
}
