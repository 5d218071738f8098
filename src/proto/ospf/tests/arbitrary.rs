//! Right packets in any order, at any time: nothing panics, limits hold, and once they end the
//! network is whole and silent. Checksums, lengths and the sender are right, so that what comes
//! reaches the machine.

use super::harness::{Network, address, id};
use crate::base::ids::{PortId, RouterId};
use crate::base::machine::Machine;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Duration;
use crate::proto::ospf::limits::{ACKS_LATER_MAX, REQUESTS_MAX};
use crate::proto::ospf::{ExternalChanges, ExternalRoute, Input, OpaqueKind};
use crate::wire::ospf::packet::ALL_SPF_ROUTERS;
use crate::wire::ospf::{
    AsExternalLsa, DatabaseDescription, ExternalMetric, GraceLsa, GraceReason, Hello,
    LinkStateAcknowledgment, LinkStateRequest, LinkStateUpdate, LsType, Lsa, LsaBody, LsaHeader,
    LsaKey, Options, Packet, PacketBody, PrefixOptions, RouterFlags, RouterLink, RouterLinkType,
    RouterLsa, SequenceNumber,
};
use core::net::Ipv6Addr;
use proptest::prelude::*;
use std::collections::BTreeMap;

const STRANGER: RouterId = RouterId(0x0b00_0001);

fn any_router() -> impl Strategy<Value = RouterId> {
    prop::sample::select(vec![id(0), id(1), STRANGER])
}

fn any_key() -> impl Strategy<Value = LsaKey> {
    let kinds = vec![
        LsType::ROUTER,
        LsType::NETWORK,
        LsType::LINK,
        LsType::GRACE,
        LsType::GRACE,
        LsType::INTRA_AREA_PREFIX,
        LsType::AS_EXTERNAL,
        LsType::MEMBERSHIP,
        LsType(0xbff1),
        LsType(0x9ff1),
        LsType(0xfff1),
    ];
    (prop::sample::select(kinds), any_router(), 0..3_u32).prop_map(
        |(ls_type, advertising_router, link_state_id)| LsaKey {
            ls_type,
            advertising_router,
            link_state_id,
        },
    )
}

fn any_body() -> impl Strategy<Value = LsaBody> {
    let link = (any_router(), any::<u16>()).prop_map(|(neighbor_router_id, metric)| RouterLink {
        link_type: RouterLinkType::PointToPoint,
        metric,
        interface_id: 1,
        neighbor_interface_id: 1,
        neighbor_router_id,
    });
    prop_oneof![
        2 => prop::collection::vec(link, 0..4).prop_map(|links| LsaBody::Router(RouterLsa {
            flags: RouterFlags::EXTERNAL,
            options: Options::V6.with(Options::R),
            links,
        })),
        2 => any_external().prop_map(LsaBody::AsExternal),
        1 => (0..40_u32).prop_map(|period_s| {
            LsaBody::Grace(GraceLsa { period_s, reason: GraceReason::UNKNOWN })
        }),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(LsaBody::Unknown),
    ]
}

/// An LSA with a right checksum, whose body need not be one of its type.
fn any_lsa() -> impl Strategy<Value = Lsa> {
    let sequence = prop_oneof![
        8 => (1..6_i32).prop_map(|ahead| SequenceNumber(i32::MIN + ahead)),
        1 => Just(SequenceNumber::MAX),
        1 => any::<i32>().prop_map(SequenceNumber),
    ];
    // What comes of age while the network is watched for silence would be flooded then: those ages
    // are left out.
    let any_age = prop_oneof![3 => 0..3400_u16, 1 => 3525..u16::MAX];
    let age = prop_oneof![4 => 0..10_u16, 1 => Just(3600_u16), 1 => any_age];
    (any_key(), sequence, age, any_body()).prop_map(|(key, sequence, age, body)| {
        Lsa::build(key, sequence, age, &body).expect("a small body")
    })
}

fn any_headers() -> impl Strategy<Value = Vec<LsaHeader>> {
    prop::collection::vec(any_lsa().prop_map(|lsa| lsa.header), 0..6)
}

/// What the sender makes of a packet when it is sent.
#[derive(Clone, Debug)]
enum Draft {
    /// As it is.
    Whole(PacketBody),
    /// A description; its number is this far from what the receiver knows.
    Description { ahead: i8, flags: [bool; 3], mtu: u16, headers: Vec<LsaHeader> },
    /// Acknowledgments of what the receiver has.
    AcknowledgeAll,
    /// Everything the receiver has, back to it.
    Echo,
    /// None: the receiver fails instead, and restarts gracefully.
    Crash,
    /// None: the receiver announces something else from outside the AS.
    Outside(ExternalChanges),
    /// None: the receiver announced everything.
    Complete,
    /// None: the receiver says something else in LSAs that are only carried.
    Opaque(BTreeMap<u32, [u8; 4]>),
}

fn any_prefix() -> impl Strategy<Value = Ipv6Prefix> {
    (0..6_u8).prop_map(|n| format!("2001:db8:{n}::/48").parse().expect("a prefix"))
}

fn any_gateway() -> impl Strategy<Value = Option<Ipv6Addr>> {
    let texts = ["fd00::1", "fd00::2", "fe80::1", "::", "2001:db8:1::1"];
    let address = prop::sample::select(texts.to_vec());
    prop::option::weighted(0.3, address.prop_map(|text| text.parse().expect("an address")))
}

fn any_metric() -> impl Strategy<Value = ExternalMetric> {
    let value = prop_oneof![4 => 0..3_u32, 1 => 0x00ff_fff0..0x0100_0000_u32];
    (any::<bool>(), value).prop_map(|(is_first, metric)| match is_first {
        true => ExternalMetric::Type1(metric),
        false => ExternalMetric::Type2(metric),
    })
}

fn any_external() -> impl Strategy<Value = AsExternalLsa> {
    (any_prefix(), any_metric(), any_gateway(), any::<bool>()).prop_map(
        |(prefix, metric, forwarding_address, is_unused)| AsExternalLsa {
            metric,
            prefix,
            options: if is_unused { PrefixOptions::NU } else { PrefixOptions::default() },
            forwarding_address,
            tag: None,
            referenced: None,
        },
    )
}

fn any_changes() -> impl Strategy<Value = ExternalChanges> {
    let route = any_external().prop_map(|body| ExternalRoute {
        prefix: body.prefix,
        metric: body.metric,
        forwarding_address: body.forwarding_address,
        tag: body.tag,
    });
    let withdrawn = prop::collection::vec(any_prefix(), 0..3);
    (withdrawn, prop::collection::vec(route, 0..4))
        .prop_map(|(withdrawn, announced)| ExternalChanges { withdrawn, announced })
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let hello = (any::<[bool; 2]>(), 0..3_u32).prop_map(|([hears, is_slow], interface_id)| {
        PacketBody::Hello(Hello {
            interface_id,
            priority: 1,
            options: Options::V6.with(Options::E).with(Options::R),
            hello_interval_s: if is_slow { 2 } else { 1 },
            dead_interval_s: 3,
            designated_router: RouterId(0),
            backup_designated_router: RouterId(0),
            neighbors: if hears { vec![id(0)] } else { Vec::new() },
        })
    });
    let request = prop::collection::vec(any_key(), 0..6)
        .prop_map(|keys| PacketBody::LinkStateRequest(LinkStateRequest { keys }));
    let update = prop::collection::vec(any_lsa(), 0..6)
        .prop_map(|lsas| PacketBody::LinkStateUpdate(LinkStateUpdate { lsas }));
    let acks = any_headers().prop_map(|headers| {
        PacketBody::LinkStateAcknowledgment(LinkStateAcknowledgment { headers })
    });
    let mtu = prop::sample::select(vec![1500_u16, 9000, 0]);
    let description = (-1..3_i8, any::<[bool; 3]>(), mtu, any_headers())
        .prop_map(|(ahead, flags, mtu, headers)| Draft::Description { ahead, flags, mtu, headers });
    prop_oneof![
        3 => hello.prop_map(Draft::Whole),
        3 => description,
        2 => request.prop_map(Draft::Whole),
        5 => update.prop_map(Draft::Whole),
        1 => acks.prop_map(Draft::Whole),
        1 => Just(Draft::AcknowledgeAll),
        1 => Just(Draft::Echo),
        1 => Just(Draft::Crash),
        2 => any_changes().prop_map(Draft::Outside),
        1 => Just(Draft::Complete),
        1 => prop::collection::btree_map(0..3_u32, any::<[u8; 4]>(), 0..3).prop_map(Draft::Opaque),
    ]
}

/// Router 0's instances of the area.
fn database(network: &Network) -> Vec<Lsa> {
    let entries = network.routers[0].lsdb.iter();
    entries.map(|(_, entry)| entry.lsa(network.now)).collect()
}

fn finish(network: &mut Network, draft: Draft) -> Option<PacketBody> {
    Some(match draft {
        Draft::Crash => {
            network.crash(0, Duration::from_secs(13));
            return None;
        }
        Draft::Outside(changes) => {
            network.input(0, Input::Externals(changes));
            return None;
        }
        Draft::Complete => {
            network.input(0, Input::ExternalsComplete);
            return None;
        }
        Draft::Opaque(bodies) => {
            let bodies = bodies.into_iter().map(|(id, body)| (id, body.to_vec())).collect();
            network.input(0, Input::Opaque { kind: OpaqueKind::Membership, bodies });
            return None;
        }
        Draft::Whole(body) => body,
        Draft::Description { ahead, flags: [is_init, has_more, is_master], mtu, headers } => {
            let neighbor = network.routers[0].interfaces[&PortId(0)].neighbor.as_ref();
            let known = neighbor.map_or(0, |neighbor| neighbor.dd_sequence);
            let headers = if is_init { Vec::new() } else { headers };
            PacketBody::DatabaseDescription(DatabaseDescription {
                options: Options::V6.with(Options::E).with(Options::R),
                mtu,
                is_init,
                has_more,
                is_master,
                sequence: known.wrapping_add_signed(i32::from(ahead)),
                headers,
            })
        }
        Draft::AcknowledgeAll => {
            let headers = database(network).into_iter().map(|lsa| lsa.header).collect();
            PacketBody::LinkStateAcknowledgment(LinkStateAcknowledgment { headers })
        }
        Draft::Echo => PacketBody::LinkStateUpdate(LinkStateUpdate { lsas: database(network) }),
    })
}

fn any_sender() -> impl Strategy<Value = (RouterId, Ipv6Addr)> {
    let elsewhere = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, 9);
    prop_oneof![
        8 => Just((id(1), address((1, 0)))),
        1 => Just((id(1), elsewhere)),
        1 => Just((id(8), elsewhere)),
        1 => Just((id(8), address((1, 0)))),
        1 => Just((id(0), elsewhere)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_order_of_right_packets_breaks_the_machine(
        steps in prop::collection::vec((0..1500_u64, any_sender(), any_draft()), 1..50),
    ) {
        let mut network = Network::new(3, 31);
        network.cable((0, 0), (1, 0));
        network.cable((0, 1), (2, 0));
        network.seconds(5);
        for (wait, (router_id, source), draft) in steps {
            network.run(Duration::from_millis(wait));
            let Some(body) = finish(&mut network, draft) else { continue };
            let packet = Packet { router_id, area: RouterId(0), instance_id: 0, body };
            let bytes = packet.encode(source, ALL_SPF_ROUTERS);
            let (port, destination) = (PortId(0), ALL_SPF_ROUTERS);
            network.input(0, Input::Packet { port, source, destination, bytes });
            for interface in network.routers[0].interfaces.values() {
                prop_assert!(interface.flood.is_empty() && interface.acks_now.is_empty());
                prop_assert!(interface.acks_later.len() <= ACKS_LATER_MAX);
                let requests = interface.neighbor.as_ref().map_or(0, |n| n.requests.len());
                prop_assert!(requests <= REQUESTS_MAX);
            }
        }
        network.input(0, Input::ExternalsComplete);
        // The longest wait between two instances of an own LSA is 5 s, between rounds 16 s.
        network.seconds(90);
        prop_assert!(network.are_all_full(), "{:?}", network.routers[0].neighbors());
        // Router 1 knows nothing of what was sent in its name.
        let [near, _, far] = &network.routers[..] else { unreachable!("three routers") };
        prop_assert_eq!(near.area_digest(), far.area_digest());
        super::opaque::held(&network, 2);
        let before = network.packets;
        network.seconds(20);
        prop_assert_eq!(network.packets, before, "nothing but hellos");
        prop_assert!(network.routers.iter().all(|router| router.next_deadline().is_some()));
    }
}
