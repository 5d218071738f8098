//! What the control plane wants done.

use crate::api::Event;
use crate::api::show::ShowReply;
use crate::base::ids::{MemberId, PortId};
use crate::base::prefix::Ipv6Prefix;
use crate::control::bgp_link::HostLink;
use crate::fib::Forwarding;
use crate::proto::bfd::Order;
use core::net::Ipv6Addr;

/// One wish; the driver carries it out in order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send this untagged Ethernet frame out of the port; the worker adds the tag of the port.
    SendFrame {
        /// The port.
        port: PortId,
        /// From the destination MAC on.
        bytes: Vec<u8>,
    },
    /// Look this IPv6 packet of the router up and send it.
    Forward {
        /// From the IPv6 header on.
        packet: Vec<u8>,
    },
    /// Let every worker read this from now on.
    Publish(Box<Forwarding>),
    /// Forget all MACs behind this member of a segment: it does not forward any more, or its number
    /// is another one's from now on.
    FlushMacs(MemberId),
    /// The host's TUN device carries these addresses, and routes these prefixes into it.
    HostAddresses {
        /// /128 each.
        addresses: Vec<Ipv6Addr>,
        /// Routes of the host's kernel through the TUN.
        prefixes: Vec<Ipv6Prefix>,
    },
    /// The host speaks over the link-local addresses of these ports, and of no others. The scope of
    /// such an address in orders and reports of TCP is [`crate::control::scope_of`] its port.
    HostLinks(Vec<HostLink>),
    /// The port joins this multicast group (devices that filter).
    JoinMulticast {
        /// The port.
        port: PortId,
        /// The group.
        group: Ipv6Addr,
    },
    /// Something is wanted of BFD sessions: for the worker that owns those of the port, or for all
    /// workers where the order names none.
    Bfd(Order),
    /// Something is wanted of the TCP under BGP.
    Bgp(crate::proto::bgp::transport::Order),
    /// The answer to a query.
    Reply {
        /// Number of the question.
        id: u64,
        /// The answer, or a page of it.
        reply: Box<ShowReply>,
        /// The next page is behind this prefix; `None` where there is none.
        rest: Option<Ipv6Prefix>,
    },
    /// Something worth a line in the log.
    Event(Event),
}
