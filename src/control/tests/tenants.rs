//! Tenants: from a configuration to members with numbers, and what becomes of them.

use super::*;
use crate::api::show_tenant::{PseudowireRow, TenantRow};
use crate::base::ids::{DomainId, MemberId};
use crate::control::{Legacy, Plane};
use crate::fib::bridge_table::{MemberKind, MemberState};

const PORTS: &str = "key = \"file:key\"\n[[port]]\ndevice = \"af_packet:p1\"\nrole = \"routed\"\n\
                     address = \"2001:db8::1/64\"\n\
                     [[port]]\ndevice = \"af_packet:p2\"\nrole = \"lan\"\n\
                     [[port]]\ndevice = \"af_packet:p3\"\nrole = \"tenant\"\n";
const BLUE: &str = "[[tenant]]\nname = \"blue\"\nid = 10\nports = [\"p2.10\", \"p3\"]\n";
const PEER: &str = "[[tenant.pseudowire]]\nname = \"peer\"\naddress = \"2001:db8::2\"\n\
                    session_id = 7\nremote_session_id = 8\ncookie = \"0102030405060708\"\n\
                    remote_cookie = \"0a0b0c0d\"\n";
const ELSEWHERE: &str = "[[port]]\ndevice = \"af_packet:p9\"\nrole = \"lan\"\n\
                         [[tenant]]\nname = \"red\"\nid = 11\nports = [\"p9.10\"]\n";

fn routed(number: u16, mtu: u16) -> AttachedPort {
    let mut port = port(number, PortRole::Routed);
    port.settings.address = Some(("2001:db8::1".parse().unwrap(), 64));
    port.settings.mtu = mtu;
    port
}

/// A router with a tenant on two ports, and a way to its peer.
fn router(tenants: &str) -> Bench {
    let mut bench = Bench::new(&format!("{PORTS}{tenants}"));
    bench.attach(routed(1, 1500));
    bench.attach(port(2, PortRole::Lan));
    bench.attach(port(3, PortRole::Tenant));
    bench.settle();
    bench
}

impl Bench {
    /// Lets the time pass that reviews and publications wait for.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.settled += 1;
            self.plane.handle_timeout(NOW + Duration::from_millis(200 * self.settled));
            self.drain();
        }
    }

    fn tenants(&mut self) -> Vec<TenantRow> {
        match self.input(Input::Query { id: 1, query: ShowQuery::Tenant, after: None }).pop() {
            Some(ShowReply::Tenant(rows)) => rows,
            other => unreachable!("an answer about tenants: {other:?}"),
        }
    }

    fn pseudowires(&mut self) -> Vec<PseudowireRow> {
        match self.input(Input::Query { id: 1, query: ShowQuery::L2tpv3, after: None }).pop() {
            Some(ShowReply::L2tpv3(rows)) => rows,
            other => unreachable!("an answer about pseudowires: {other:?}"),
        }
    }

    fn overlay(&self) -> &crate::fib::Overlay {
        &self.world.as_ref().unwrap().overlay
    }

    /// Numbers, what they are, and whether they forward.
    fn members(&self) -> Vec<(MemberId, MemberKind, bool)> {
        let open = |state| state == MemberState::Forwarding;
        let members = self.overlay().members();
        members.map(|(id, member)| (id, member.kind, open(member.state))).collect()
    }

    fn number_of(&mut self, name: &str) -> MemberId {
        let rows = self.tenants();
        let mut members = rows.iter().flat_map(|row| &row.members);
        members.find(|member| member.name == name).unwrap().member
    }
}

#[test]
fn a_tenant_has_its_ports_and_its_pseudowire_in_one_domain() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let members = bench.members();
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|(_, _, is_open)| *is_open), "{members:?}");
    let circuit = |port, vlan| MemberKind::Circuit { port: PortId(port), vlan };
    for kind in [circuit(2, 10), circuit(3, 0), MemberKind::Pseudowire(0)] {
        assert!(members.iter().any(|(_, found, _)| *found == kind), "{kind:?} in {members:?}");
    }
    let rows = bench.tenants();
    assert_eq!(rows.len(), 1);
    let domain = bench.overlay().domain(rows[0].domain.unwrap()).unwrap();
    assert_eq!((domain.members.len(), domain.circuit_count), (3, 2));
    assert_eq!(rows[0].state, "forwarding");
    // A trunk's frames may have a tag: 1500 - 40 - 4 - 4 (their cookie) - 4 (sublayer) - 14 - 4.
    assert_eq!(rows[0].mtu, Some(1430));
    assert!(bench.overlay().is_endpoint("fd4b:756d:696b::7".parse::<Ipv6Addr>().unwrap().into()));
}

#[test]
fn a_tenant_whose_ports_are_elsewhere_is_inactive_and_has_no_members() {
    let mut bench = router(&format!("{ELSEWHERE}{PEER}"));
    assert!(bench.members().is_empty());
    let rows = bench.tenants();
    assert_eq!((rows[0].state.as_str(), rows[0].domain), ("inactive", None));
    assert!(bench.pseudowires().is_empty());
    let query = Input::Query { id: 1, query: ShowQuery::Config, after: None };
    let Some(ShowReply::Config(row)) = bench.input(query).pop() else { unreachable!("a config") };
    assert!(row.inactive.iter().any(|line| line.starts_with("[[tenant]] 1:")), "{row:?}");
}

#[test]
fn the_mtu_follows_the_way_to_the_peer() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let row = bench.pseudowires().remove(0);
    assert_eq!((row.underlay_mtu, row.overhead_octets, row.mtu), (1500, 70, 1430));
    bench.attach(routed(1, 9000));
    bench.settle();
    assert_eq!(bench.pseudowires()[0].mtu, 8930);
    let capped = format!("{BLUE}{PEER}mtu = 1400\n");
    bench.input(Input::Configure(Box::new(config(&format!("{PORTS}{capped}")))));
    bench.settle();
    let row = bench.pseudowires().remove(0);
    assert_eq!((row.mtu, row.configured_mtu, row.underlay_mtu), (1400, Some(1400), 9000));
    let (_, member) = bench.overlay().members().find(|(_, m)| m.is_pseudowire()).unwrap();
    assert_eq!(member.mtu, 1400, "the data plane has the same");
}

#[test]
fn cookies_are_never_shown() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let row = bench.pseudowires().remove(0);
    assert_eq!((row.cookie_octets, row.remote_cookie_octets), (8, 4));
    let shown = serde_json::to_string(&(row, bench.tenants())).unwrap();
    assert!(!shown.contains("01020304") && !shown.contains("0a0b0c0d"), "{shown}");
}

#[test]
fn without_a_route_a_pseudowire_is_blocked_says_why_and_is_flushed() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let number = bench.number_of("peer");
    bench.events.clear();
    bench.input(Input::PortDetached(PortId(1)));
    bench.settle();
    let row = bench.pseudowires().remove(0);
    assert_eq!(row.reason.as_deref(), Some("no route to the peer"));
    assert!(bench.flushed.contains(&number) && bench.events.contains(&"tenant.member".to_owned()));
    let rows = bench.tenants();
    assert_eq!(rows[0].state, "degraded");
    bench.attach(routed(1, 1500));
    bench.settle();
    assert!(bench.pseudowires()[0].is_forwarding);
    assert_eq!(bench.number_of("peer"), number, "it is the same member");
}

#[test]
fn lost_carrier_blocks_a_port_and_flushes_it() {
    let mut bench = router(BLUE);
    let number = bench.number_of("p3");
    bench.input(Input::Carrier { port: PortId(3), is_up: false });
    bench.settle();
    assert_eq!(bench.flushed, [number]);
    assert!(bench.members().iter().any(|(id, _, is_open)| *id == number && !is_open));
    bench.input(Input::Carrier { port: PortId(3), is_up: true });
    bench.settle();
    assert!(bench.members().iter().all(|(_, _, is_open)| *is_open));
}

#[test]
fn nothing_is_published_when_nothing_changed() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let before = bench.publications;
    bench.input(Input::Configure(Box::new(config(&format!("{PORTS}{BLUE}{PEER}")))));
    bench.settle();
    assert_eq!(bench.publications, before);
}

#[test]
fn a_number_is_given_again_only_after_the_worlds_that_had_it() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let number = bench.number_of("peer");
    bench.flushed.clear();
    bench.input(Input::Configure(Box::new(config(&format!("{PORTS}{BLUE}")))));
    bench.settle();
    assert_eq!(bench.flushed, [number], "once when it goes");
    let epoch = bench.world.as_ref().unwrap().epoch;
    bench.input(Input::Reclaimed { epoch: epoch - 1 });
    assert_eq!(bench.flushed.len(), 1, "workers still read a world with it");
    bench.input(Input::Reclaimed { epoch });
    assert_eq!(bench.flushed, [number, number], "and once when nobody reads it");
}

#[test]
fn a_mac_that_moves_blocks_the_port_where_it_was_heard_for_a_time() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let [peer, trunk] = ["peer", "p3"].map(|name| bench.number_of(name));
    let mac = MacAddress([2, 0, 0, 0, 0, 9]);
    // The port is to blame, not the tunnel, wherever the MAC was heard last.
    bench.input(Input::MacMoves { mac, from: trunk, to: peer });
    bench.drain();
    let is_open = |bench: &Bench| {
        let members = bench.members();
        members.iter().find(|(id, ..)| *id == trunk).unwrap().2
    };
    assert!(!is_open(&bench));
    assert!(bench.events.contains(&"tenant.loop".to_owned()));
    let rows = bench.tenants();
    let member = rows[0].members.iter().find(|member| member.name == "p3").unwrap();
    assert_eq!(member.blocked_for_ms, Some(30_000));
    bench.plane.handle_timeout(NOW + Duration::from_secs(29));
    bench.drain();
    assert!(!is_open(&bench));
    let due = bench.plane.next_deadline().unwrap();
    assert!(due <= NOW + Duration::from_secs(30));
    bench.plane.handle_timeout(NOW + Duration::from_secs(30));
    bench.drain();
    assert!(is_open(&bench), "the block ends by itself");
}

#[test]
fn a_block_is_ended_by_hand_and_is_longer_when_the_loop_comes_back() {
    let mut bench = router(BLUE);
    let [access, trunk] = ["p2.10", "p3"].map(|name| bench.number_of(name));
    let mac = MacAddress([2, 0, 0, 0, 0, 9]);
    let blocked_for = |bench: &mut Bench| {
        let rows = bench.tenants();
        rows[0].members.iter().find_map(|member| member.blocked_for_ms)
    };
    bench.input(Input::MacMoves { mac, from: access, to: trunk });
    assert_eq!(blocked_for(&mut bench), Some(30_000));
    let later = NOW + Duration::from_secs(31);
    bench.plane.handle_timeout(later);
    bench.drain();
    bench.plane.handle(later, Input::MacMoves { mac, from: access, to: trunk });
    bench.drain();
    // Asked at the time of the test, which is 31 s earlier.
    assert_eq!(blocked_for(&mut bench), Some(91_000));
    let name = Some("blue".to_owned());
    let reply = bench.input(Input::ClearTenant { id: 2, name }).pop();
    let Some(ShowReply::TenantCleared(cleared)) = reply else { unreachable!("an answer") };
    assert!(cleared.is_known && cleared.count == 1);
    assert_eq!(blocked_for(&mut bench), None);
    let name = Some("green".to_owned());
    let reply = bench.input(Input::ClearTenant { id: 3, name }).pop();
    let Some(ShowReply::TenantCleared(cleared)) = reply else { unreachable!("an answer") };
    assert!(!cleared.is_known);
}

#[test]
fn a_tenants_port_hears_nothing_of_this_router() {
    let mut bench = router(BLUE);
    bench.plane.handle_timeout(NOW + DAD);
    bench.drain();
    assert!(bench.frames.iter().all(|(port, _)| *port != PortId(3)), "nothing was sent there");
    assert!(bench.frames.iter().any(|(port, _)| *port == PortId(2)), "the LAN hears of it");
}

#[test]
fn a_successor_keeps_the_numbers_and_the_first_world_has_the_members() {
    let mut bench = router(&format!("{BLUE}{PEER}"));
    let number = bench.number_of("peer");
    let before = bench.members();
    let mut testament = bench.plane.testament();
    let text = format!("{PORTS}{BLUE}{PEER}");
    testament.begin_grace(NOW, &config(&text));
    let ports = vec![routed(1, 1500), port(2, PortRole::Lan), port(3, PortRole::Tenant)];
    let world = bench.world.as_ref().unwrap();
    let legacy = Legacy::new(Box::new(config(&text)), ports, testament, world);
    let mut heir = Bench::blank();
    heir.plane.handle(NOW, Input::Inherit(Box::new(legacy)));
    heir.drain();
    assert_eq!(heir.members(), before, "from the first world on");
    heir.settle();
    assert_eq!(heir.members(), before);
    assert_eq!(heir.number_of("peer"), number);
    assert!(!heir.flushed.contains(&number), "nobody forgets its MACs");
}

#[test]
fn a_successor_without_the_tenant_takes_the_members_away() {
    let bench = router(&format!("{BLUE}{PEER}"));
    let testament = bench.plane.testament();
    let world = bench.world.as_ref().unwrap();
    let legacy = Legacy::new(Box::new(config("")), vec![routed(1, 1500)], testament, world);
    let mut heir = Bench::blank();
    heir.plane.handle(NOW, Input::Inherit(Box::new(legacy)));
    heir.settle();
    assert!(heir.members().is_empty());
    assert_eq!(heir.flushed.len(), 3);
    assert_eq!(heir.overlay().domain(DomainId(1)).map(|domain| domain.members.len()), None);
}
