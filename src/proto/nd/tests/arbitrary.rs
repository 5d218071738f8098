//! Anything may come, in any order: nothing panics, limits hold, the machine falls silent.

use super::*;
use crate::base::ids::PORT_MAX;
use crate::proto::nd::limits::{QUEUE_PACKETS_MAX, QUEUED_PACKETS_MAX};
use crate::proto::nd::outbox::NdTimer;
use crate::wire::ipv6::{ALL_NODES, solicited_node};
use crate::wire::nd::{RouterAdvertisement, RouterSolicitation};
use proptest::prelude::*;

fn mac() -> impl Strategy<Value = MacAddress> {
    prop::sample::select(vec![MAC_A, MAC_B, MAC_C, MacAddress::BROADCAST, MacAddress::default()])
}

fn any_address() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        4 => prop::sample::select(vec![local(MAC_A), local(MAC_B), local(MAC_C)]),
        1 => prop::sample::select(vec![Ipv6Addr::UNSPECIFIED, ALL_NODES, Ipv6Addr::LOCALHOST]),
        1 => any::<u128>().prop_map(Ipv6Addr::from_bits),
    ]
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let options = || {
        let one = prop_oneof![
            mac().prop_map(NdOption::SourceLinkLayer),
            mac().prop_map(NdOption::TargetLinkLayer),
            any::<u32>().prop_map(NdOption::Mtu),
            any::<[u8; 6]>().prop_map(NdOption::Nonce),
        ];
        prop::collection::vec(one, 0..3)
    };
    let parts = (any_address(), any_address(), any_address(), any::<[bool; 5]>(), options());
    (0..4_u8, parts).prop_map(|(kind, (source, destination, target, flags, options))| {
        let [is_router, is_solicited, is_override, to_group, is_cut] = flags;
        let message = match kind {
            0 => NdMessage::RouterSolicitation(RouterSolicitation { options }),
            1 => NdMessage::RouterAdvertisement(RouterAdvertisement {
                is_managed: is_router,
                options,
                ..RouterAdvertisement::default()
            }),
            2 => NdMessage::NeighborSolicitation(NeighborSolicitation { target, options }),
            _ => NdMessage::NeighborAdvertisement(NeighborAdvertisement {
                is_router,
                is_solicited,
                is_override,
                target,
                options,
            }),
        };
        let destination = if to_group { solicited_node(target) } else { destination };
        let mut packet = NdPacket { source, destination, message }.encode();
        packet.truncate(if is_cut && is_router { 50 } else { packet.len() });
        packet
    })
}

fn any_interface() -> impl Strategy<Value = NdInterface> {
    (mac(), any::<[bool; 3]>(), any::<u16>(), 0..5_u64).prop_map(|(mac, flags, mtu, seconds)| {
        let settings = RaSettings {
            prefixes: vec!["fd00::/64".parse().unwrap()],
            interval_max: Duration::from_secs(seconds),
            ..RaSettings::default()
        };
        NdInterface {
            addresses: if flags[2] { vec![local(MAC_A)] } else { vec![local(mac), local(MAC_A)] },
            mtu,
            is_optimistic: flags[0],
            advertise: flags[1].then_some(settings),
            ..interface(mac)
        }
    })
}

fn any_input() -> impl Strategy<Value = Input> {
    let port = || prop_oneof![4 => Just(PORT), 1 => any::<u16>().prop_map(PortId)];
    prop_oneof![
        1 => (port(), any_interface()).prop_map(|(port, interface)| Input::InterfaceUp {
            port,
            interface: Box::new(interface)
        }),
        1 => port().prop_map(|port| Input::InterfaceDown { port }),
        4 => (port(), any_address()).prop_map(|(port, address)| Input::Resolve {
            port,
            address,
            packet: vec![1]
        }),
        2 => (port(), any_address()).prop_map(|(port, address)| Input::Used { port, address }),
        2 => (port(), any_address(), mac())
            .prop_map(|(port, address, mac)| Input::Confirmed { port, address, mac }),
        1 => (port(), any_address(), mac())
            .prop_map(|(port, address, mac)| Input::StaticEntry { port, address, mac }),
        1 => (port(), any_address())
            .prop_map(|(port, address)| Input::StaticRemoved { port, address }),
        6 => (port(), mac(), any_message()).prop_map(|(port, source_mac, packet)| {
            Input::Message { port, source_mac, packet }
        }),
        1 => (port(), mac(), prop::collection::vec(any::<u8>(), 0..90)).prop_map(
            |(port, source_mac, packet)| Input::Message { port, source_mac, packet }
        ),
        1 => Just(Input::Shutdown),
    ]
}

/// Every waiting packet comes out again or is counted.
fn packets_in(actions: &[Action]) -> usize {
    let count = |action: &Action| match action {
        Action::Release { packets, .. } | Action::Unreachable { packets, .. } => packets.len(),
        _ => 0,
    };
    actions.iter().map(count).sum()
}

proptest! {
    #[test]
    fn no_order_of_inputs_breaks_the_machine(
        steps in prop::collection::vec((0..4_000_u64, any_input()), 1..80),
    ) {
        let mut node = Node::new(1);
        let mut now = Instant::ZERO;
        let mut given = 0;
        for (wait, input) in steps {
            now += Duration::from_millis(wait);
            node.run(now);
            given += usize::from(matches!(input, Input::Resolve { .. }));
            node.input(now, input);
            let entries = node.nd.entries();
            let queued: usize = entries.iter().map(|entry| entry.queued_packets as usize).sum();
            let counters = node.nd.counters();
            let dropped = counters.queue_replaced + counters.queue_refused + counters.queue_evicted;
            let out = packets_in(&node.actions) + usize::try_from(dropped).unwrap();
            prop_assert_eq!(given, queued + out);
            prop_assert_eq!(queued, node.nd.out.queued_packets);
            prop_assert!(queued <= QUEUED_PACKETS_MAX);
            for entry in &entries {
                prop_assert!(entry.port.index() < PORT_MAX);
                prop_assert!(entry.queued_packets as usize <= QUEUE_PACKETS_MAX);
                prop_assert_eq!(entry.mac.is_none(), entry.state == NdState::Incomplete);
                let is_quiet = matches!(entry.state, NdState::Stale | NdState::Static);
                let timer = NdTimer::Entry(entry.port, entry.address);
                prop_assert_eq!(node.nd.out.timers.is_set(timer), !is_quiet);
            }
            prop_assert!(node.nd.next_deadline().is_none_or(|due| due >= now));
        }
        node.input(now, Input::Shutdown);
        node.run(now + Duration::from_secs(300));
        prop_assert_eq!(node.nd.next_deadline(), None);
        prop_assert_eq!(resolved(&node.actions), macs(&node.nd));
    }
}

/// What an owner of a table believes who only follows `Resolved` and `Unresolved`.
fn resolved(actions: &[Action]) -> Vec<(PortId, Ipv6Addr, MacAddress)> {
    let mut table = std::collections::BTreeMap::new();
    for action in actions {
        match action {
            Action::Resolved { port, address, mac } => {
                table.insert((*port, *address), *mac);
            }
            Action::Unresolved { port, address } => {
                assert!(table.remove(&(*port, *address)).is_some(), "{address} was not resolved");
            }
            _ => {}
        }
    }
    table.into_iter().map(|((port, address), mac)| (port, address, mac)).collect()
}

fn macs(nd: &Nd) -> Vec<(PortId, Ipv6Addr, MacAddress)> {
    let rows = nd.entries().into_iter().filter(|row| nd.is_told(row.port, row.address));
    rows.filter_map(|entry| Some((entry.port, entry.address, entry.mac?))).collect()
}
