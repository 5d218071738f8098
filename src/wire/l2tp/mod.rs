//! L2TPv3: what stands before a tunnelled frame.
//!
//! Read [`data`]: the few octets before a frame, over IP and over UDP. [`ids`] has the numbers.

pub mod data;
pub mod ids;

pub use data::{
    Cookie, DataBody, DataError, DataHeader, Encapsulation, HeaderTemplate, Packet, Sublayer, split,
};
pub use ids::{ConnectionId, SessionId};

/// RFC 3931 §4.1.2.2: the UDP port of control messages, and of data where both ends say so.
pub const UDP_PORT: u16 = 1701;
