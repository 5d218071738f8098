//! Every table and its JSON, as golden files under `snapshots`. `INSTA_UPDATE=always` rewrites
//! them.

use super::*;
use crate::api::show::*;
use crate::base::ids::{MacAddress, PortId, RouterId};
use crate::base::route::{PortRole, RouteSource};

fn mac(last: u8) -> MacAddress {
    MacAddress([0x52, 0x54, 0, 0, 0, last])
}

fn hop(port: &str, last: u8, is_alive: bool) -> NextHopRow {
    NextHopRow {
        port: port.to_owned(),
        address: Some(mac(last).link_local()),
        mac: is_alive.then_some(mac(last)),
        is_alive,
    }
}

/// Table and JSON of a reply, one under the other.
fn both(reply: &ShowReply) -> String {
    format!("{}\n{}", table(reply, Look::PLAIN), json::text(reply, true))
}

fn port(name: &str, is_up: bool, role: PortRole) -> PortRow {
    PortRow {
        port: PortId(0),
        name: name.to_owned(),
        device: format!("af_packet:{name}"),
        role,
        is_up,
        mac: mac(1),
        mtu: 9000,
        addresses: vec![mac(1).link_local(), "fd4b:756d:696b:7::1".parse().unwrap()],
        refused_addresses: vec!["fd4b:756d:696b:7::2".parse().unwrap()],
        rx_packets: 120,
        rx_bytes: 18_000,
        tx_packets: 7,
        tx_bytes: 560,
        rx_missed_packets: 0,
        tx_dropped_packets: 3,
        abilities: vec![
            "net_virtio".to_owned(),
            "2 queues, descriptors rx 512 tx 512".to_owned(),
            "spreads flows, both directions alike".to_owned(),
        ],
    }
}

fn ospf_neighbor(last: u8, state: &str, problem: Option<&str>) -> OspfNeighborRow {
    OspfNeighborRow {
        router_id: Some(RouterId(0x0a00_0000 | u32::from(last))),
        name: (last == 2).then(|| "s02".to_owned()),
        port: format!("p{last}"),
        address: Some(mac(last).link_local()),
        state: state.to_owned(),
        state_age_ms: 302_000,
        dead_in_ms: 2_600,
        retransmit_count: 0,
        request_count: 0,
        helped_for_ms: None,
        problem: problem.map(str::to_owned),
        last: None,
    }
}

/// A port on which nobody is heard.
fn lonely_port(port: &str, problem: &str, last: Option<LastNeighborRow>) -> OspfNeighborRow {
    OspfNeighborRow {
        router_id: None,
        address: None,
        port: port.to_owned(),
        dead_in_ms: 0,
        last,
        ..ospf_neighbor(1, "Down", Some(problem))
    }
}

#[test]
fn version_is_one_row() {
    let reply = ShowReply::Version(VersionRow {
        name: "s07".to_owned(),
        version: "0.1.0".to_owned(),
        dpdk: "22.11.11".to_owned(),
        uptime_ms: 11_040_000,
        pid: 4711,
        router_id: Some(RouterId(0x0a00_0007)),
        loopback: Some("fd4b:756d:696b::7".parse().unwrap()),
    });
    insta::assert_snapshot!(both(&reply));
}

#[test]
fn ports_show_state_and_counters() {
    let rows = vec![port("p1", true, PortRole::Fabric), port("lan", false, PortRole::Lan)];
    insta::assert_snapshot!(both(&ShowReply::Port(rows)));
}

#[test]
fn ports_in_detail_show_octets_and_device() {
    let look = Look { has_detail: true, ..Look::PLAIN };
    let rows = vec![port("p1", true, PortRole::Fabric)];
    insta::assert_snapshot!(table(&ShowReply::Port(rows), look));
}

#[test]
fn neighbors_show_their_state() {
    let row = |last, state: &str| NeighborRow {
        address: mac(last).link_local(),
        port: "p1".to_owned(),
        mac: (state != "incomplete").then(|| mac(last)),
        state: state.to_owned(),
        is_router: last == 2,
        queued_packets: u32::from(last != 2),
    };
    let rows = vec![row(2, "reachable"), row(3, "incomplete")];
    insta::assert_snapshot!(both(&ShowReply::Neighbor(rows)));
}

fn bfd(port: &str, state: &str) -> BfdRow {
    let is_up = state == "Up";
    BfdRow {
        port: port.to_owned(),
        address: Some(mac(2).link_local()),
        state: state.to_owned(),
        reason: None,
        state_age_ms: 302_000,
        remote_state: if is_up { "Up" } else { "Down" }.to_owned(),
        diagnostic: "control detection time expired".to_owned(),
        remote_diagnostic: "no diagnostic".to_owned(),
        is_failed: !is_up,
        is_silent: false,
        transmit_interval_us: Some(if is_up { 50_000 } else { 1_000_000 }),
        receive_interval_us: 37_500,
        detection_time_us: if is_up { 112_500 } else { 0 },
        multiplier: 3,
        remote_multiplier: 3,
        discriminator: 0x0b51_7001,
        remote_discriminator: if is_up { 17 } else { 0 },
        is_polling: false,
        is_authenticated: false,
        down_count: u64::from(!is_up),
        last_down: (!is_up).then(|| BfdDownRow {
            age_ms: 302_000,
            reason: "control detection time expired".to_owned(),
        }),
        sent_packets: 6043,
        received_packets: 6040,
        refused_packets: 0,
        unsent_packets: 0,
        late_extension_count: 2,
    }
}

#[test]
fn bfd_sessions_show_intervals_and_why_they_went_down() {
    let none = BfdRow {
        port: "p3".to_owned(),
        state: "none".to_owned(),
        reason: Some("no carrier".to_owned()),
        ..BfdRow::default()
    };
    let rows = vec![bfd("p1", "Up"), bfd("p2", "Down"), none];
    insta::assert_snapshot!(both(&ShowReply::Bfd(rows)));
}

#[test]
fn bfd_sessions_in_detail_show_the_other_end_and_counters() {
    let look = Look { has_detail: true, ..Look::PLAIN };
    insta::assert_snapshot!(table(&ShowReply::Bfd(vec![bfd("p1", "Up")]), look));
}

#[test]
fn ospf_neighbors_show_what_hinders_them() {
    let problem = "MTU mismatch: 1500 there, 9000 here";
    let last = LastNeighborRow { router_id: RouterId(0x0a00_0004), heard_ago_ms: 305_000 };
    let rows = vec![
        ospf_neighbor(2, "Full", None),
        ospf_neighbor(3, "ExStart", Some(problem)),
        lonely_port("p4", "no carrier", Some(last)),
        lonely_port("p5", "no hello was heard yet", None),
    ];
    insta::assert_snapshot!(both(&ShowReply::OspfNeighbor(rows)));
}

#[test]
fn ospf_interfaces_show_cost_and_timers() {
    let row = OspfInterfaceRow {
        port: "p1".to_owned(),
        interface_id: 1,
        kind: "point-to-point".to_owned(),
        state: "Point-to-point".to_owned(),
        area: RouterId(0),
        cost: 10,
        hello_interval_ms: 1000,
        dead_interval_ms: 3000,
        full_count: 1,
        neighbor_count: 1,
    };
    insta::assert_snapshot!(both(&ShowReply::OspfInterface(vec![row])));
}

fn lsa() -> LsaRow {
    LsaRow {
        scope: "area 0.0.0.0".to_owned(),
        kind: "router".to_owned(),
        id: 0,
        router: RouterId(0x0a00_0007),
        age_s: 12,
        sequence: "80000003".to_owned(),
        checksum: "1f2e".to_owned(),
        length: 40,
        body: vec!["link to 10.0.0.2, cost 10".to_owned(), "link to 10.0.0.8, cost 10".to_owned()],
    }
}

#[test]
fn the_database_shows_one_line_an_lsa() {
    insta::assert_snapshot!(both(&ShowReply::OspfDatabase(vec![lsa()])));
}

#[test]
fn the_database_in_detail_shows_bodies() {
    let look = Look { has_detail: true, ..Look::PLAIN };
    insta::assert_snapshot!(table(&ShowReply::OspfDatabase(vec![lsa()]), look));
}

#[test]
fn ospf_routes_show_every_way() {
    let row = OspfRouteRow {
        prefix: "fd4b:756d:696b::3/128".parse().unwrap(),
        cost: 20,
        kind: "intra-area".to_owned(),
        next_hops: vec![hop("p1", 2, true), hop("p2", 8, true)],
    };
    insta::assert_snapshot!(both(&ShowReply::OspfRoute(vec![row])));
}

#[test]
fn repairs_show_who_takes_packets_and_why_nobody_does() {
    let row = |last: u16, kind: &str, protects: Option<&str>| OspfRepairRow {
        prefix: format!("fd4b:756d:696b::{last}/128").parse().unwrap(),
        next_hops: vec![hop("p1", 2, true)],
        kind: kind.to_owned(),
        via: None,
        segments: Vec::new(),
        protects: protects.map(str::to_owned),
        reason: None,
    };
    let (via, segment) = (Some(hop("p2", 8, true)), "fd4b:756d:696b::7:2".parse().unwrap());
    let equal_cost = OspfRepairRow {
        next_hops: vec![hop("p1", 2, true), hop("p2", 8, true)],
        ..row(3, "equal-cost", Some("link"))
    };
    let alternate = OspfRepairRow { via: via.clone(), ..row(4, "alternate", Some("node")) };
    let segments = vec![segment];
    let tunnel = OspfRepairRow { via, segments, ..row(5, "tunnel", Some("link")) };
    let bare = OspfRepairRow { reason: Some("no other way".into()), ..row(6, "none", None) };
    let repairs = OspfRepairs {
        route_count: 4,
        link_protectable_count: 3,
        link_count: 3,
        link_coverage_percent: Some(100),
        node_protectable_count: 2,
        node_count: 1,
        node_coverage_percent: Some(50),
        own_prefixes: Vec::new(),
        rows: vec![equal_cost, alternate, tunnel, bare],
    };
    insta::assert_snapshot!(both(&ShowReply::OspfRepair(repairs)));
    let bare = OspfRepairs { route_count: 2, ..OspfRepairs::default() };
    let text = table(&ShowReply::OspfRepair(bare), Look::PLAIN);
    let end = "Around a dead neighbour: no route has another way, nothing to protect.\n";
    assert!(text.ends_with(end) && !text.contains('%'), "{text}");
}

#[test]
fn spf_shows_back_off_and_trigger() {
    let row = SpfRow {
        run_count: 12,
        last_run_ago_ms: Some(4_500),
        last_duration_us: 310,
        router_count: 4,
        prefix_count: 12,
        backoff: "quiet".to_owned(),
        last_trigger: "router-LSA of 10.0.0.2".to_owned(),
    };
    insta::assert_snapshot!(both(&ShowReply::OspfSpf(row)));
}

#[test]
fn routes_mark_the_selected_one() {
    let row = |source, is_selected, target: &str, next_hops| RouteRow {
        prefix: "2001:db8::/32".parse().unwrap(),
        source,
        distance: 1,
        metric: 0,
        is_selected,
        target: target.to_owned(),
        next_hops,
        repair: None,
    };
    let rows = vec![
        row(RouteSource::Static, true, "via", vec![hop("p1", 2, true)]),
        row(RouteSource::Ospf, false, "via", vec![hop("p2", 8, false)]),
        row(RouteSource::Connected, false, "blackhole", Vec::new()),
    ];
    insta::assert_snapshot!(both(&ShowReply::Route(rows)));
}

#[test]
fn the_fib_shows_group_and_mac() {
    let row = FibRow {
        prefix: "2001:db8::/32".parse().unwrap(),
        group: 3,
        target: "forward".to_owned(),
        next_hops: vec![hop("p1", 2, true), hop("p2", 8, false)],
        repair: None,
    };
    insta::assert_snapshot!(both(&ShowReply::Fib(vec![row])));
}

#[test]
fn routes_and_fib_in_detail_show_the_repair() {
    let look = Look { has_detail: true, ..Look::PLAIN };
    let segments = ["fd4b:756d:696b::5", "fd4b:756d:696b::6:2"];
    let repair = |count| {
        let segments = segments.iter().take(count).map(|text| text.parse().unwrap());
        Some(RepairRow { via: hop("p2", 8, true), segments: segments.collect() })
    };
    let route = |repair| RouteRow {
        prefix: "fd4b:756d:696b:2::/64".parse().unwrap(),
        source: RouteSource::Ospf,
        distance: 110,
        metric: 20,
        is_selected: true,
        target: "via".to_owned(),
        next_hops: vec![hop("p1", 2, false)],
        repair,
    };
    let rows = vec![route(repair(0)), route(repair(1)), route(repair(2)), route(None)];
    insta::assert_snapshot!(table(&ShowReply::Route(rows), look));
}

#[test]
fn runtime_shows_cycles_a_packet() {
    let stage = |node: &str, call_count| StageRow {
        node: node.to_owned(),
        call_count,
        packet_count: call_count * 16,
        cycle_count: call_count * 16 * 53,
    };
    let row = LcoreRow {
        lcore: 0,
        cpu: Some(3),
        loop_count: 1000,
        idle_loop_count: 875,
        sleep_count: 12,
        handed_over_count: 640,
        taken_over_count: 128,
        repaired_count: 9,
        decapsulated_count: 4,
        stages: vec![stage("rx", 125), stage("lookup", 120), stage("punt", 0)],
    };
    insta::assert_snapshot!(both(&ShowReply::Runtime(vec![row])));
}

#[test]
fn pools_show_who_has_their_buffers_and_why_there_are_so_many() {
    let need = |what: &str, arithmetic: &str, buffer_count| PoolNeedRow {
        what: what.to_owned(),
        arithmetic: arithmetic.to_owned(),
        buffer_count,
    };
    let row = MempoolRow {
        name: "packets".to_owned(),
        element_bytes: 10_752,
        headroom_bytes: 128,
        data_room_bytes: 10_496,
        mtu_bytes: 9000,
        element_count: 8191,
        in_use_count: 1100,
        available_count: 7091,
        shortage_count: 3,
        memory_bytes: 8191 * 10_752,
        hugepage_count: Some(42),
        caches: vec![PoolCacheRow { thread: "worker-0".to_owned(), cached_count: 64, size: 256 }],
        needs: vec![
            need("port p1", "1 queue × (rx 512 + tx 512)", 1024),
            need("rings", "1 worker × 4096", 4096),
            need("pool", "5120 rounded up to 2^13 - 1", 8191),
        ],
    };
    insta::assert_snapshot!(both(&ShowReply::Mempool(vec![row])));
}

#[test]
fn errors_say_what_they_mean() {
    let row = ErrorRow {
        place: "dataplane".to_owned(),
        name: "no_buffer".to_owned(),
        count: 17,
        help: "The pool is empty: raise dpdk.buffers.".to_owned(),
    };
    insta::assert_snapshot!(both(&ShowReply::Errors(vec![row])));
}

#[test]
fn the_configuration_is_a_file() {
    let row = ConfigRow {
        text: "[router]\nname = \"s07\"\n".to_owned(),
        inactive: vec!["[[port]] 1: no device has pci=0000:81:00.0".to_owned()],
    };
    insta::assert_snapshot!(both(&ShowReply::Config(row)));
}

#[test]
fn narrow_terminals_wrap_and_empty_tables_say_so() {
    let look = Look { width: Some(60), ..Look::PLAIN };
    let long = ErrorRow {
        place: "port p1".to_owned(),
        name: "rx_truncated".to_owned(),
        count: 1,
        help: "A frame was longer than its buffer; turn off offloads on the peer.".to_owned(),
    };
    let text = table(&ShowReply::Errors(vec![long]), look);
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    assert_eq!(table(&ShowReply::Port(Vec::new()), Look::PLAIN), "No ports.\n");
}

fn attributes(as_path: &str) -> crate::api::show_bgp::BgpAttributesRow {
    crate::api::show_bgp::BgpAttributesRow {
        next_hop: Some("2001:db8:f::1".parse().unwrap()),
        as_path: as_path.to_owned(),
        origin: "igp".to_owned(),
        local_pref: None,
        med: Some(10),
        communities: vec!["64512:100".to_owned()],
        ..Default::default()
    }
}

#[test]
fn what_a_neighbor_is_told_shows_what_it_has_not_read() {
    use crate::api::show_bgp::BgpAdvertisedRow;
    let row = |prefix: &str, is_told| BgpAdvertisedRow {
        prefix: prefix.parse().unwrap(),
        path_id: None,
        from: "local".to_owned(),
        is_told,
        attributes: attributes("64512"),
    };
    let rows = vec![row("2001:db8::/32", true), row("2001:db9::/32", false)];
    insta::assert_snapshot!(both(&ShowReply::BgpAdvertised(rows)));
}

#[test]
fn what_a_neighbor_has_sent_shows_the_clause_that_decided() {
    use crate::api::show_bgp::{BgpChangeRow, BgpReceivedRow};
    let row = |prefix: &str| BgpReceivedRow {
        prefix: prefix.parse().unwrap(),
        age_ms: 61_000,
        policy: Some("exits".to_owned()),
        attributes: attributes("64500 64501"),
        ..BgpReceivedRow::default()
    };
    let change = BgpChangeRow {
        attribute: "local_pref".to_owned(),
        before: "none".to_owned(),
        after: "200".to_owned(),
    };
    let accepted = BgpReceivedRow {
        is_accepted: true,
        clause: Some(2),
        changes: vec![change],
        ..row("2001:db8::/32")
    };
    let refused = BgpReceivedRow {
        reason: Some("the policy says no".to_owned()),
        clause: Some(1),
        clause_name: Some("martians".to_owned()),
        ..row("fc00::/7")
    };
    let looped = BgpReceivedRow {
        reason: Some("this AS is in its AS path".to_owned()),
        policy: None,
        ..row("2001:db9::/32")
    };
    let reply = ShowReply::BgpReceived(vec![accepted, refused, looped]);
    let look = Look { has_detail: true, ..Look::PLAIN };
    insta::assert_snapshot!(format!("{}\n{}", table(&reply, look), both(&reply)));
}

#[test]
fn policies_show_clauses_and_how_often_they_matched() {
    use crate::api::show_bgp::{BgpClauseRow, BgpPolicyRow, BgpPrefixListRow};
    let martians = BgpClauseRow {
        number: 1,
        name: Some("martians".to_owned()),
        conditions: vec!["prefix_list = \"martians\"".to_owned()],
        changes: Vec::new(),
        action: "reject".to_owned(),
        match_count: 3,
    };
    let rest = BgpClauseRow {
        number: 2,
        changes: vec!["local_pref = 200".to_owned()],
        action: "accept".to_owned(),
        match_count: 250_000,
        ..BgpClauseRow::default()
    };
    let exits = BgpPolicyRow {
        name: "exits".to_owned(),
        default: "reject".to_owned(),
        looks_at_prefix: true,
        used_by: vec!["import of isp-a".to_owned(), "import of isp-b".to_owned()],
        default_count: 0,
        clause_count: 2,
        clauses: vec![martians, rest],
        prefix_lists: vec![BgpPrefixListRow {
            name: "martians".to_owned(),
            file: None,
            entry_count: 3,
            entries: vec!["fc00::/7 le 128".to_owned(), "fe80::/10 le 128".to_owned()],
        }],
    };
    let long = BgpPolicyRow {
        name: "long".to_owned(),
        default: "accept".to_owned(),
        clause_count: 900,
        ..BgpPolicyRow::default()
    };
    insta::assert_snapshot!(both(&ShowReply::BgpPolicy(vec![exits, long])));
}

#[test]
fn a_neighbor_with_which_nothing_is_exchanged_is_explained() {
    use crate::api::show_bgp::BgpNeighborRow;
    let row = |name: &str, state: &str| BgpNeighborRow {
        name: name.to_owned(),
        address: Some("2001:db8:f::1".parse().unwrap()),
        state: state.to_owned(),
        last_down: Some("the connection was lost".to_owned()),
        ..BgpNeighborRow::default()
    };
    let why =
        |name: &str| bgp::why_silent(name, &[row("isp-a", "Established"), row("isp-b", "Active")]);
    assert_eq!(why("isp-a"), None);
    let silent = "nothing is exchanged with isp-b, which is Active: the connection was lost";
    assert_eq!(why("isp-b").as_deref(), Some(silent));
    let stranger = "there is no BGP neighbour `isp-aa` (did you mean `isp-a`?)";
    assert_eq!(why("isp-aa").as_deref(), Some(stranger));
}

#[test]
fn a_neighbor_on_a_link_is_shown_by_its_port() {
    use crate::api::show_bgp::BgpNeighborRow;
    let shown = |port: Option<&str>, address: Option<&str>| {
        let row = BgpNeighborRow {
            name: "isp".to_owned(),
            port: port.map(str::to_owned),
            address: address.map(|text| text.parse().unwrap()),
            ..BgpNeighborRow::default()
        };
        let text = bgp::neighbor_table(&[row], Look::PLAIN);
        text.lines().nth(1).unwrap().trim_end().to_owned()
    };
    assert!(shown(Some("wan0"), Some("fe80::1")).ends_with("  wan0 (fe80::1)"));
    assert!(shown(Some("wan0"), None).ends_with("  wan0"), "nobody was heard there yet");
    assert!(shown(Some("wan0"), Some("2001:db8::1")).ends_with("  2001:db8::1"));
    assert!(shown(None, Some("2001:db8::1")).ends_with("  2001:db8::1"));
}
