//! What a control plane does with the legacy of one that failed. With neighbours that come back:
//! `tests/sim/faults.rs`.

use super::*;
use crate::base::ids::NextHopId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::route::{RouteBody, RouteNextHop, RouteSource, RouteTarget, RouteUpdate};
use crate::base::time::Duration;
use crate::control::inherit::GRACE_MARGIN;
use crate::control::{Legacy, Plane, Testament};
use crate::rib::Rib;

const FABRIC: &str = "[[port]]\ndevice = \"af_packet:p1\"\nrole = \"fabric\"\n";
const FAR: &str = "fd4b:756d:696b:9::/64";
const NEAR: &str = "2001:db8::/32";

fn way(port: u16) -> RouteNextHop {
    RouteNextHop { port: PortId(port), address: mac(port).link_local() }
}

/// The neighbour on a port.
fn mac(port: u16) -> MacAddress {
    MacAddress([2, 0, 0, 0, 9, u8::try_from(port).unwrap()])
}

/// A world in which `FAR` leads to both fabric ports and `NEAR` to the first.
fn old_world() -> Forwarding {
    old_rib().compile().expect("a world with routes")
}

fn interface(number: u16, role: PortRole) -> crate::fib::Interface {
    let own = port(number, role).mac;
    crate::fib::Interface {
        port: PortId(number),
        role,
        mac: own,
        vlan: None,
        mtu: 9000,
        repair_mtu: 9000,
        link_local: own.link_local(),
        icmp_source: own.link_local(),
        is_up: true,
        link_peers: Vec::new(),
    }
}

fn old_rib() -> Rib {
    let mut rib = Rib::default();
    for number in [1, 2] {
        let own = port(number, PortRole::Fabric).mac;
        rib.set_interface(interface(number, PortRole::Fabric));
        rib.set_neighbor(PortId(number), way(number).address, Some((mac(number), own)));
    }
    for (prefix, ways) in [(FAR, vec![way(1), way(2)]), (NEAR, vec![way(1)])] {
        let route = Some(RouteBody::new(20, RouteTarget::Via(ways)));
        let (prefix, source) = (prefix.parse().unwrap(), RouteSource::Ospf);
        rib.apply(RouteUpdate { prefix, source, route }).unwrap();
    }
    rib
}

fn testament(until: Option<Instant>) -> Testament {
    Testament { neighbors: [way(1), way(2)].into(), until, ..Testament::default() }
}

fn legacy(more: &str, testament: Testament, world: &Forwarding) -> Input {
    let ports = vec![port(1, PortRole::Fabric), port(2, PortRole::Fabric)];
    let config = Box::new(config(&format!("{FABRIC}{more}")));
    Input::Inherit(Box::new(Legacy::new(config, ports, testament, world)))
}

fn heir(input: Input) -> Bench {
    let mut bench = Bench::blank();
    bench.input(input);
    bench
}

impl Bench {
    /// Lets time pass up to `at`.
    fn wait_until(&mut self, at: Instant) {
        while let Some(deadline) = self.plane.next_deadline().filter(|due| *due <= at) {
            self.plane.handle_timeout(deadline.max(NOW));
            self.drain();
        }
    }

    fn living(&self, address: &str) -> Vec<PortId> {
        let world = self.world.as_ref().expect("a world was published");
        let NextHopGroup::Forward { members, .. } = self.group(address) else { return Vec::new() };
        let living = members.iter().filter(|member| world.liveness.is_alive(**member));
        living.filter_map(|member| world.next_hop(*member)).map(|hop| hop.port).collect()
    }

    fn sources(&mut self) -> Vec<(Ipv6Prefix, RouteSource)> {
        let rows = self.routes().into_iter().filter(|row| row.is_selected);
        rows.map(|row| (row.prefix, row.source)).collect()
    }
}

#[test]
fn the_first_world_of_an_heir_forwards_as_the_last_of_the_dead() {
    let bench = heir(legacy("", testament(Some(Instant::MAX)), &old_world()));
    assert_eq!(bench.publications, 1, "no world with connected routes only in between");
    let world = bench.world.clone().expect("a world was published");
    assert_eq!(bench.living("fd4b:756d:696b:9::1"), [PortId(1), PortId(2)]);
    assert_eq!(bench.living("2001:db8::1"), [PortId(1)]);
    assert_eq!(bench.group("fd4b:756d:696b::7"), NextHopGroup::Local);
    let old = old_world();
    let hop = |world: &Forwarding, port| {
        world.next_hops.iter().find(|hop| hop.port == PortId(port)).cloned().expect("a next hop")
    };
    assert_eq!([1, 2].map(|port| hop(&world, port)), [1, 2].map(|port| hop(&old, port)));
    // The flags of the old world are the old RIB's alone.
    world.liveness.set(NextHopId(0), false);
    assert!(old.liveness.is_alive(NextHopId(0)));
}

#[test]
fn what_the_configuration_says_need_not_be_inherited() {
    let route = format!("[[route]]\nprefix = \"{NEAR}\"\nvia = \"blackhole\"\n");
    let mut bench = heir(legacy(&route, testament(Some(Instant::MAX)), &old_world()));
    let sources = bench.sources();
    assert!(sources.contains(&(NEAR.parse().unwrap(), RouteSource::Static)), "{sources:?}");
    assert!(sources.contains(&(FAR.parse().unwrap(), RouteSource::Inherited)), "{sources:?}");
}

#[test]
fn the_dead_of_the_old_world_are_not_inherited() {
    let world = old_world();
    let is_on_1 = |hop: &crate::fib::NextHop| hop.port == PortId(1);
    let first = world.next_hops.iter().position(is_on_1).expect("a next hop");
    world.liveness.set(NextHopId(u16::try_from(first).unwrap()), false);
    let mut bench = heir(legacy("", testament(Some(Instant::MAX)), &world));
    assert_eq!(bench.living("fd4b:756d:696b:9::1"), [PortId(2)]);
    assert_eq!(bench.sources(), heir_sources(&[FAR]));
}

/// The loopback, the adjacencies, and these prefixes as inherited.
fn heir_sources(inherited: &[&str]) -> Vec<(Ipv6Prefix, RouteSource)> {
    let own = ["fd4b:756d:696b::7/128", "fd4b:756d:696b::7:0/112"];
    let own = own.iter().map(|p| (p.parse().unwrap(), RouteSource::Connected));
    let inherited = inherited.iter().map(|p| (p.parse().unwrap(), RouteSource::Inherited));
    let mut all: Vec<_> = own.chain(inherited).collect();
    all.sort();
    all
}

#[test]
fn carrier_loss_ends_inherited_next_hops_at_once() {
    let mut bench = heir(legacy("", testament(Some(Instant::MAX)), &old_world()));
    let first = bench.world.clone().expect("a world was published");
    let alive = |world: &Forwarding| {
        let ids = (0..u16::try_from(world.next_hops.len()).unwrap()).map(NextHopId);
        ids.filter(|id| world.liveness.is_alive(*id)).count()
    };
    assert_eq!(alive(&first), 2);
    bench.input(Input::Carrier { port: PortId(1), is_up: false });
    assert_eq!(alive(&first), 1, "also in the world that is still read");
    assert_eq!(bench.living("fd4b:756d:696b:9::1"), [PortId(2)]);
    assert_eq!(bench.plane.testament().neighbors, [way(2)].into(), "nobody waits for a cut cable");
    bench.input(Input::Carrier { port: PortId(1), is_up: true });
    assert_eq!(bench.living("fd4b:756d:696b:9::1"), [PortId(2)], "who is there is not known yet");
}

#[test]
fn neighbours_that_say_nothing_are_dead_and_what_they_offered_goes() {
    let mut bench = heir(legacy("", testament(Some(Instant::MAX)), &old_world()));
    bench.wait_until(NOW + Duration::from_millis(2999));
    assert_eq!(bench.living("fd4b:756d:696b:9::1"), [PortId(1), PortId(2)]);
    bench.wait_until(NOW + Duration::from_secs(3));
    assert_eq!(bench.sources(), heir_sources(&[]));
    assert!(bench.events.contains(&"control.inheritance".to_owned()));
    assert_eq!(bench.plane.testament(), Testament::default());
}

#[test]
fn what_led_out_by_an_uplink_stays_until_bgp_has_spoken() {
    let (own, mut rib) = (port(3, PortRole::Uplink).mac, old_rib());
    rib.set_interface(interface(3, PortRole::Uplink));
    rib.set_neighbor(PortId(3), way(3).address, Some((mac(3), own)));
    let update = |source, way| RouteUpdate {
        prefix: NEAR.parse().unwrap(),
        source,
        route: Some(RouteBody::new(0, RouteTarget::Via(vec![way]))),
    };
    rib.apply(update(RouteSource::Ebgp, way(3))).unwrap();
    let world = rib.compile().expect("a world with routes");
    let mut uplink = port(3, PortRole::Uplink);
    uplink.settings.address = Some(("2001:db8:f::2".parse().unwrap(), 64));
    let ports = vec![port(1, PortRole::Fabric), port(2, PortRole::Fabric), uplink];
    let bgp = "[bgp]\nasn = 64512\n\n[[bgp.neighbor]]\naddress = \"2001:db8:f::1\"\nasn = 64500\n";
    let config = Box::new(config(&format!("{FABRIC}{bgp}")));
    let until = NOW + Duration::from_secs(1);
    let legacy = Legacy::new(config, ports, testament(Some(until)), &world);
    let mut bench = heir(Input::Inherit(Box::new(legacy)));
    assert_eq!(bench.living("2001:db8::1"), [PortId(3)]);
    // Another edge announces the same, and OSPF has told so before BGP could.
    bench.plane.rib.apply(update(RouteSource::Ospf, way(1))).unwrap();
    bench.wait_until(until);
    bench.input(Input::Flush);
    assert!(bench.plane.inheritance.is_some(), "BGP has said nothing yet");
    assert_eq!(bench.living("2001:db8::1"), [PortId(3)]);
}

#[test]
fn the_grace_period_of_one_failure_is_not_begun_anew_by_the_next() {
    let config = config(FABRIC);
    let mut first = testament(None);
    first.begin_grace(NOW, &config);
    let until = NOW + config.ospf.dead_interval + GRACE_MARGIN;
    assert_eq!(first.until, Some(until));
    let bench = heir(legacy("", first, &old_world()));
    let mut second = bench.plane.testament();
    assert_eq!(second, testament(Some(until)));
    second.begin_grace(NOW + Duration::from_secs(5), &config);
    assert_eq!(second.until, Some(until));
    // It fails again and again, and at last inherits after the end.
    let world = bench.world.expect("a world was published");
    second.until = Some(NOW);
    assert_eq!(heir(legacy("", second, &world)).sources(), heir_sources(&[]));
}

impl Bench {
    /// Types of the OSPF packets it sent by a port, oldest first.
    fn ospf_types(&self, port: u16) -> Vec<u8> {
        let own = self.frames.iter().filter(|(by, _)| *by == PortId(port));
        let types = own.filter_map(|(_, bytes)| match frame::classify(bytes) {
            Punted::Ospf { bytes, .. } => Some(bytes[1]),
            _ => None,
        });
        types.collect()
    }
}

#[test]
fn an_heir_with_neighbours_says_that_it_restarts_before_it_says_hello() {
    const HELLO: u8 = 1;
    const UPDATE: u8 = 4;
    let mut bench = heir(legacy("", testament(Some(Instant::MAX)), &old_world()));
    assert_eq!([1, 2].map(|port| bench.ospf_types(port)), [[UPDATE], [UPDATE]]);
    bench.wait_until(NOW + Duration::from_millis(300));
    assert_eq!(bench.ospf_types(1), [UPDATE, UPDATE, UPDATE, UPDATE, HELLO]);
    // With nobody to wait for, or no time, it is a start as any other.
    let lonely = Testament { until: Some(Instant::MAX), ..Testament::default() };
    for testament in [lonely, testament(None)] {
        let bench = heir(legacy("", testament, &old_world()));
        assert_eq!(bench.ospf_types(1)[0], HELLO);
    }
}
