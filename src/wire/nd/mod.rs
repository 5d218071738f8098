//! Neighbour Discovery messages, from whole IPv6 packets to values and back.
//!
//! Read [`packet`] (what may be received: the checks of RFC 4861), then [`message`] (the five
//! messages), then [`option`]. What a message means belongs to `proto::nd`.
//!
//! *Invariants*: an [`NdPacket`] that was decoded passed every check of RFC 4861 §6.1, §7.1 and
//! §8.1; a packet that was encoded passes them when its addresses do.
//! *Standards*: RFC 4861 §4 (formats), RFC 4191 §2 (route information, router preference), RFC
//! 2464 §6 (link-layer addresses of Ethernet), RFC 3971 §5.3.2 and RFC 7527 §4 (nonce), RFC 6980
//! (no fragments).

pub mod message;
pub mod option;
pub mod packet;
#[cfg(test)]
mod tests;

pub use message::{
    NdMessage, NeighborAdvertisement, NeighborSolicitation, Redirect, RouterAdvertisement,
    RouterSolicitation,
};
pub use option::{NdOption, PrefixInformation, RouteInformation, RouterPreference};
pub use packet::{NdError, NdPacket};
