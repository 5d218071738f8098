//! The world of the tests of bridging: two tenants, circuits on ports 2 and 3, pseudowires by port
//! 1.

use crate::packets::{address, frame, header, packet};
use crate::router::{Router, neighbor_mac, own_mac};
use kumiki::base::ids::{DomainId, MacAddress, MemberId, PortId};
use kumiki::fib::bridge_table::{CircuitVlan, VlanSet};
use kumiki::fib::overlay::Sequences;
use kumiki::fib::session_table::SessionEnds;
use kumiki::fib::tunnel_header::{Carrier, Cookie, OuterClass, Sublayer, UdpSum};
use kumiki::fib::{Circuit, Forwarding, MemberOptions, OverlayBuilder, Pseudowire, TunnelEnds};
use std::sync::Arc;

pub const BLUE: DomainId = DomainId(1);
pub const RED: DomainId = DomainId(2);
/// The end of the router's tunnels, an own address.
pub const LOCAL: &str = "fd00:1::1";
/// Largest packet in a pseudowire.
pub const TUNNEL_MTU: u16 = 1300;

/// Blue: port 2 without tag.
pub const BLUE_PORT: MemberId = MemberId(1);
/// Blue: VLAN 20 of port 3.
pub const BLUE_VLAN: MemberId = MemberId(2);
/// Red: VLAN 30 of port 3.
pub const RED_VLAN: MemberId = MemberId(3);
/// Red: VLANs 40 and 41 of port 3, as they are, and what has no tag.
pub const RED_TRUNK: MemberId = MemberId(4);

/// A pseudowire of the tests.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    pub member: MemberId,
    pub domain: DomainId,
    pub remote: &'static str,
    /// Session ids: ours, theirs.
    pub sessions: [u32; 2],
    pub cookie: &'static [u8],
    pub old_cookie: Option<&'static [u8]>,
    pub sublayer: Sublayer,
    pub carrier: Carrier,
    pub class: OuterClass,
}

/// Blue, over IP, with a cookie of eight octets and another one that is going.
pub const BLUE_WIRE: Wire = Wire {
    member: MemberId(10),
    domain: BLUE,
    remote: "2001:db8:1::a",
    sessions: [0x1010, 0x2010],
    cookie: &[1, 2, 3, 4, 5, 6, 7, 8],
    old_cookie: Some(&[8, 7, 6, 5, 4, 3, 2, 1]),
    sublayer: Sublayer::None,
    carrier: Carrier::Ip,
    class: OuterClass::Copy,
};
/// Blue, to another router, with numbers and a cookie of four octets.
pub const OTHER_WIRE: Wire = Wire {
    member: MemberId(11),
    remote: "2001:db8:1::b",
    sessions: [0x1011, 0x2011],
    cookie: &[1, 2, 3, 4],
    old_cookie: None,
    sublayer: Sublayer::Sequenced,
    class: OuterClass::CopyDscp,
    ..BLUE_WIRE
};
/// Red, over UDP without checksums.
pub const RED_WIRE: Wire = Wire {
    member: MemberId(12),
    domain: RED,
    remote: "2001:db8:1::c",
    sessions: [0x1012, 0x2012],
    cookie: &[],
    old_cookie: None,
    sublayer: Sublayer::Default,
    carrier: Carrier::Udp { local_port: 1701, remote_port: 1702, sum: UdpSum::Zero },
    class: OuterClass::Fixed(0x28),
};
/// Red, over UDP with checksums.
pub const SUM_WIRE: Wire = Wire {
    member: MemberId(13),
    remote: "2001:db8:1::d",
    sessions: [0x1013, 0x2013],
    sublayer: Sublayer::None,
    carrier: Carrier::Udp { local_port: 1701, remote_port: 0, sum: UdpSum::Full },
    class: OuterClass::Copy,
    ..RED_WIRE
};
pub const WIRES: [Wire; 4] = [BLUE_WIRE, OTHER_WIRE, RED_WIRE, SUM_WIRE];

fn cookie(octets: &[u8]) -> Cookie {
    match octets.len() {
        4 => Cookie::Four(octets.try_into().unwrap()),
        8 => Cookie::Eight(octets.try_into().unwrap()),
        _ => Cookie::None,
    }
}

impl Wire {
    pub fn add(&self, builder: &mut OverlayBuilder) {
        self.add_with(builder, MemberOptions::of_mtu(TUNNEL_MTU));
    }

    pub fn add_with(&self, builder: &mut OverlayBuilder, options: MemberOptions) {
        let (local, remote) = (address(LOCAL), address(self.remote));
        let Self { carrier, sublayer, class, .. } = *self;
        let [session, theirs] = self.sessions;
        let other_cookie = self.old_cookie.map(cookie);
        let cookie = cookie(self.cookie);
        let pseudowire = Pseudowire {
            session,
            incoming: SessionEnds { remote, local, carrier, cookie, other_cookie, sublayer },
            outgoing: TunnelEnds {
                local,
                remote,
                carrier,
                session: theirs,
                cookie,
                sublayer,
                class,
            },
        };
        builder.pseudowire(self.member, self.domain, &pseudowire, options).unwrap();
    }

    /// What stands between the IPv6 header and the frame, towards the router; number 0.
    pub fn shim(&self) -> Vec<u8> {
        let sublayer: &[u8] = match self.sublayer {
            Sublayer::None => &[],
            Sublayer::Default => &[0; 4],
            Sublayer::Sequenced => &[0x40, 0, 0, 0],
        };
        [&self.sessions[0].to_be_bytes()[..], self.cookie, sublayer].concat()
    }

    /// A frame of this pseudowire as it reaches the router.
    pub fn around(&self, inner: &[u8]) -> Vec<u8> {
        self.wrap(&[&self.shim()[..], inner].concat())
    }

    /// An outer packet around these octets.
    pub fn wrap(&self, body: &[u8]) -> Vec<u8> {
        let (protocol, payload) = match self.carrier {
            Carrier::Ip => (115, body.to_vec()),
            Carrier::Udp { sum, remote_port, .. } => {
                let datagram = [&[0, 3, 0, 0], body].concat();
                let header = kumiki::wire::udp::UdpHeader {
                    source_port: if remote_port == 0 { 4000 } else { remote_port },
                    destination_port: 1701,
                };
                let mut all = header.encode(address(self.remote), address(LOCAL), &datagram);
                if sum == UdpSum::Zero {
                    all[6..8].fill(0);
                }
                (17, all)
            }
        };
        let mut outer = header(LOCAL, protocol);
        outer.source = address(self.remote);
        frame(own_mac(1), neighbor_mac(1), &packet(outer, &payload))
    }
}

/// The builder with everything in it.
pub fn builder() -> OverlayBuilder {
    let mut builder = OverlayBuilder::default();
    let circuits = [
        (BLUE_PORT, BLUE, 2, CircuitVlan::Untagged),
        (BLUE_VLAN, BLUE, 3, CircuitVlan::Tagged(20)),
        (RED_VLAN, RED, 3, CircuitVlan::Tagged(30)),
        (RED_TRUNK, RED, 3, CircuitVlan::Trunk(VlanSet::of(&[40, 41]))),
    ];
    for (member, domain, port, vlan) in circuits {
        let circuit = Circuit { port: PortId(port), vlan };
        builder.circuit(member, domain, &circuit, MemberOptions::of_mtu(9000)).unwrap();
    }
    WIRES.iter().for_each(|wire| wire.add(&mut builder));
    builder
}

/// Puts an overlay into a world whose port 3 has no VLAN of its own.
pub fn put_into(world: &mut Forwarding, builder: OverlayBuilder) {
    let interfaces = Arc::make_mut(&mut world.interfaces);
    let mut third = interfaces.get(PortId(3)).unwrap().clone();
    third.vlan = None;
    assert!(interfaces.set(third));
    world.overlay = Arc::new(builder.build(Arc::new(Sequences::new())).unwrap());
}

/// A router with both tenants.
pub fn router() -> Router {
    Router::with(|world| put_into(world, builder()))
}

/// MAC of a host of a tenant.
pub fn host(number: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 7, number])
}

/// A frame between hosts, with an IPv6 packet of `octets` inside.
pub fn between(destination: MacAddress, source: MacAddress, octets: usize) -> Vec<u8> {
    let mut inner = header("2001:db8:77::2", 17);
    inner.source = address("2001:db8:77::1");
    frame(destination, source, &packet(inner, &vec![0x5a; octets - 40]))
}

/// A frame with a tag.
pub fn tagged(vlan: u16, frame: &[u8]) -> Vec<u8> {
    let [high, low] = vlan.to_be_bytes();
    [&frame[..12], &[0x81, 0, high, low], &frame[12..]].concat()
}

/// Lets frames in, runs, and says what left by any port.
pub fn pass(router: &mut Router, port: u16, frame: &[u8]) -> Vec<(u16, Vec<u8>)> {
    router.receive(port, frame);
    router.run();
    let sent = |port: u16| router.sent(port).into_iter().map(move |frame| (port, frame));
    [1, 2, 3].into_iter().flat_map(sent).collect()
}

/// Lets the router hear a host behind a port or a pseudowire, and forgets what was flooded for it.
pub fn hear(router: &mut Router, port: u16, frame: &[u8]) {
    pass(router, port, frame);
}
