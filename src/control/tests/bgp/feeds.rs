//! An edge with an RPKI cache and with a monitoring station, both of which are played here.

use super::*;
use crate::api::request::{BgpTable, BgpTableQuery};
use crate::api::show_bgp::BgpTablePage;
use crate::api::show_bmp::BmpStationRow;
use crate::api::show_rpki::{RpkiPrefixRow, RpkiRow};
use crate::base::cursor::Writer;
use crate::proto::bgp::policy::Vrps;
use crate::proto::bmp;
use crate::proto::bmp::limits::{IN_FLIGHT_OCTETS_MAX, NAMES_MAX};
use crate::proto::rtr::limits::{PAYLOADS_SHOWN_MAX, REVALIDATED_PER_SLICE_MAX};
use crate::wire::rtr::{Change, Payload, Pdu, Version};
use bgpkit_parser::models::BgpMessage;
use bgpkit_parser::parser::bmp::messages::{BmpMessage, BmpMessageBody, PerPeerFlags};
use bgpkit_parser::parser::bmp::parse_bmp_msg;
use std::collections::{BTreeMap, BTreeSet};

const CACHE: &str = "[[rpki.cache]]\naddress = \"2001:db8:f::99\"\nname = \"val\"\n\n\
                     [[policy]]\nname = \"strict\"\ndefault = \"accept\"\n\n\
                     [[policy.clause]]\nmatch.rpki = \"invalid\"\naction = \"reject\"\n\n\
                     [[policy]]\nname = \"sure\"\n\n\
                     [[policy.clause]]\nmatch.rpki = \"valid\"\naction = \"accept\"\n\n\
                     [ospf.redistribute]\npolicy = \"sure\"\n";
const STATION: &str = "[[bmp.station]]\naddress = \"2001:db8:f::98\"\nport = 5000\nname = \"noc\"\n\
                       monitor = [\"pre_policy\", \"post_policy\", \"loc_rib\"]\n";
const AGGREGATE: &str = "fd00:0:1::/48";

impl Edges {
    /// The connection of an edge to somebody outside; it stands from now on.
    fn connected(&mut self, place: usize) -> SocketId {
        let mine = |(near, _): &&(usize, SocketId)| *near == place;
        let (_, socket) = *self.outside.keys().find(mine).expect("it connects");
        let local = "[2001:db8:f::2]:40000".parse().unwrap();
        self.tell(place, Input::Bgp(Box::new(Report::Connected { socket, local })));
        socket
    }

    fn hear(&mut self, place: usize, socket: SocketId, pdus: &[Pdu]) {
        let mut writer = Writer::default();
        pdus.iter().for_each(|pdu| pdu.encode(Version::One, &mut writer));
        let octets = writer.into_vec();
        self.tell(place, Input::Bgp(Box::new(Report::Received { socket, octets })));
    }

    fn rpki(&mut self, place: usize) -> RpkiRow {
        match self.ask(place, ShowQuery::Rpki) {
            ShowReply::Rpki(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn rpki_of(&mut self, place: usize, prefix: &str) -> RpkiPrefixRow {
        match self.ask(place, ShowQuery::RpkiPrefix(prefix.parse().unwrap())) {
            ShowReply::RpkiPrefix(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn stations(&mut self, place: usize) -> Vec<BmpStationRow> {
        match self.ask(place, ShowQuery::Bmp) {
            ShowReply::Bmp(rows) => rows,
            other => panic!("{other:?}"),
        }
    }

    fn table(&mut self, place: usize, table: BgpTable) -> BgpTablePage {
        match self.ask(place, ShowQuery::BgpTable(BgpTableQuery { table, from: 0 })) {
            ShowReply::BgpTable(page) => page,
            other => panic!("{other:?}"),
        }
    }
}

fn payload(asn: u32) -> Payload {
    Payload { prefix: AGGREGATE.parse().unwrap(), length_max: 48, asn }
}

fn answer(serial: u32, changes: &[(Change, Payload)]) -> Vec<Pdu> {
    let prefix =
        |(change, payload): &(Change, Payload)| Pdu::Prefix { change: *change, payload: *payload };
    let intervals = crate::wire::rtr::Intervals { refresh_s: 3600, retry_s: 600, expire_s: 7200 };
    let end = Pdu::EndOfData { session: 1, serial, intervals: Some(intervals) };
    let begin = Pdu::CacheResponse { session: 1 };
    core::iter::once(begin).chain(changes.iter().map(prefix)).chain([end]).collect()
}

#[test]
fn what_a_cache_says_refuses_and_takes_routes_without_asking_the_neighbour() {
    let mut edges = Edges::new(CACHE);
    let mut config = config_of(1, CACHE);
    config.bgp.as_mut().unwrap().neighbors[0].keys.import = Some("strict".to_owned());
    edges.tell(1, Input::Configure(Box::new(config)));
    edges.reach(0, true);
    edges.run(SOON);
    assert_eq!((edges.paths(1)[0].standing.as_str(), edges.rpki(1).vrp_count), ("best", 0));
    assert_eq!(edges.rpki_of(1, AGGREGATE).paths[0].state, "not_found");
    assert!(edges.externals(1).is_empty(), "only what is valid goes there");
    let socket = edges.connected(1);
    edges.hear(1, socket, &answer(1, &[(Change::Announce, payload(64599))]));
    edges.run(Duration::from_secs(1));
    assert_eq!(edges.rpki(1).caches[0].state, "synchronised");
    let row = edges.rpki_of(1, AGGREGATE);
    assert_eq!((row.vrps[0].asn, row.paths[0].state.as_str()), (64599, "invalid"));
    assert_eq!(edges.paths(1)[0].standing, "refused");
    assert!(matches!(edges.group(1, "fd00:0:1::5"), NextHopGroup::Unreachable));
    edges.hear(1, socket, &[Pdu::SerialNotify { session: 1, serial: 2 }]);
    edges.hear(1, socket, &answer(2, &[(Change::Announce, payload(64512))]));
    edges.run(Duration::from_secs(1));
    assert_eq!(edges.paths(1)[0].standing, "best");
    assert_eq!(edges.rpki_of(1, AGGREGATE).paths[0].state, "valid");
    assert!(matches!(edges.group(1, "fd00:0:1::5"), NextHopGroup::Forward { .. }));
    assert_eq!(edges.externals(1).len(), 1);
    let config = config_of(1, "");
    edges.tell(1, Input::Configure(Box::new(config)));
    edges.run(Duration::from_secs(1));
    assert_eq!(edges.rpki(1), RpkiRow { policy_count: 0, ..RpkiRow::default() });
    assert!(edges.outside.keys().all(|(place, _)| *place != 1), "the connection is closed");
}

#[test]
fn a_cache_of_higher_number_is_used_while_the_better_one_has_no_data() {
    let more = "[[rpki.cache]]\naddress = \"2001:db8:f::99\"\nname = \"first\"\n\n\
                [[rpki.cache]]\naddress = \"2001:db8:f::97\"\nname = \"second\"\npreference = 2\n";
    let mut edges = Edges::new(more);
    let states = |edges: &mut Edges| -> Vec<String> {
        let mut caches = edges.rpki(1).caches;
        caches.sort_by_key(|cache| cache.preference);
        caches.into_iter().map(|cache| cache.state).collect()
    };
    assert_eq!(states(&mut edges), ["connecting", "unused"]);
    let (_, first) = *edges.outside.keys().find(|(place, _)| *place == 1).unwrap();
    let failure = crate::proto::bgp::transport::Failure::Refused;
    let report = Report::Failed { socket: first, failure };
    edges.outside.remove(&(1, first));
    edges.tell(1, Input::Bgp(Box::new(report)));
    assert_eq!(states(&mut edges), ["idle", "connecting"]);
    let second = edges.connected(1);
    edges.hear(1, second, &answer(1, &[(Change::Announce, payload(1))]));
    edges.run(Duration::from_secs(1));
    assert_eq!((states(&mut edges)[1].as_str(), edges.rpki(1).vrp_count), ("synchronised", 1));
    edges.run(Duration::from_secs(6));
    let is_first = |(key, (remote, _)): (&(usize, SocketId), &(SocketAddrV6, Vec<u8>))| {
        (key.0 == 1 && remote.ip().segments()[7] == 0x99).then_some(key.1)
    };
    let first = edges.outside.iter().find_map(is_first).expect("it is tried again");
    let local = "[2001:db8:f::2]:40001".parse().unwrap();
    edges.tell(1, Input::Bgp(Box::new(Report::Connected { socket: first, local })));
    edges.hear(1, first, &answer(1, &[(Change::Announce, payload(2))]));
    edges.run(Duration::from_secs(1));
    assert_eq!(states(&mut edges), ["synchronised", "unused"]);
    assert_eq!(edges.rpki_of(1, AGGREGATE).vrps[0].asn, 2);
    assert_eq!(edges.rpki(1).vrp_count, 1);
}

#[test]
fn other_times_leave_the_data_of_a_silent_cache_where_they_are() {
    let mut edges = Edges::new(CACHE);
    let socket = edges.connected(1);
    edges.hear(1, socket, &answer(1, &[(Change::Announce, payload(64512))]));
    edges.run(Duration::from_secs(1));
    assert_eq!(edges.rpki(1).vrp_count, 1);
    let times = format!("[rpki]\nrefresh_time = 1800\nexpire_time = 3600\n\n{CACHE}");
    edges.configure(1, config_of(1, &times));
    for _ in 0..100 {
        edges.run(STEP);
        let row = edges.rpki(1);
        assert_eq!((row.vrp_count, row.caches[0].state.as_str()), (1, "synchronised"));
    }
    assert!(edges.outside.contains_key(&(1, socket)), "the connection stays");
    edges.hear(1, socket, &[Pdu::SerialNotify { session: 1, serial: 2 }]);
    edges.hear(1, socket, &answer(2, &[(Change::Announce, payload(64513))]));
    let next_in_ms = edges.rpki(1).caches[0].next_in_ms;
    assert_eq!(next_in_ms, Some(1_800_000), "from the next answer on");
}

#[test]
fn a_cache_that_is_back_with_its_data_leaves_the_others_alone() {
    let more = "[[rpki.cache]]\naddress = \"2001:db8:f::99\"\nname = \"first\"\n\n\
                [[rpki.cache]]\naddress = \"2001:db8:f::97\"\nname = \"second\"\npreference = 2\n";
    let mut edges = Edges::new(more);
    let second = |edges: &mut Edges| {
        let caches = edges.rpki(1).caches;
        let row = caches.into_iter().find(|cache| cache.preference == 2).unwrap();
        let is_connects = |(name, _): &&(String, u64)| name == "connects";
        (row.state, row.counters.iter().find(is_connects).unwrap().1)
    };
    let socket = edges.connected(1);
    edges.hear(1, socket, &answer(1, &[(Change::Announce, payload(1))]));
    edges.run(Duration::from_secs(1));
    edges.outside.remove(&(1, socket));
    edges.tell(1, Input::Bgp(Box::new(Report::Closed { socket, failure: None })));
    edges.run(Duration::from_secs(6));
    let socket = edges.connected(1);
    edges.hear(1, socket, &answer(2, &[(Change::Announce, payload(2))]));
    assert_eq!(second(&mut edges), ("unused".to_owned(), 0), "not even for a moment");
    edges.run(Duration::from_secs(1));
    assert_eq!((edges.rpki(1).vrp_count, second(&mut edges).1), (2, 0));
}

const TWO_CACHES: &str = "[[rpki.cache]]\naddress = \"2001:db8:f::99\"\nname = \"a\"\n\n\
                          [[rpki.cache]]\naddress = \"2001:db8:f::97\"\nname = \"b\"\n";

#[test]
fn what_found_no_room_takes_nobody_elses_away_and_goes_in_when_there_is_some() {
    let mut edges = Edges::new(TWO_CACHES);
    *edges.planes[1].bgp.vrps_mut() = Vrps::with_limit(1);
    let mine = |(place, _): &&(usize, SocketId)| *place == 1;
    let sockets: Vec<_> = edges.outside.keys().filter(mine).map(|(_, socket)| *socket).collect();
    let local = "[2001:db8:f::2]:40000".parse().unwrap();
    for socket in sockets.iter().copied() {
        edges.tell(1, Input::Bgp(Box::new(Report::Connected { socket, local })));
    }
    let says = |edges: &mut Edges, at: usize, serial, changes: &[(Change, Payload)]| {
        if serial > 1 {
            edges.hear(1, sockets[at], &[Pdu::SerialNotify { session: 1, serial }]);
        }
        edges.hear(1, sockets[at], &answer(serial, changes));
        edges.run(Duration::from_millis(100));
        let row = edges.rpki(1);
        let asns: Vec<u32> = edges.rpki_of(1, AGGREGATE).vrps.iter().map(|row| row.asn).collect();
        (asns, row.refused_count)
    };
    let (announce, withdraw) = (Change::Announce, Change::Withdraw);
    assert_eq!(says(&mut edges, 0, 1, &[(announce, payload(1))]), (vec![1], 0));
    assert!(edges.said(1, "rpki.full").is_empty());
    assert_eq!(says(&mut edges, 1, 1, &[(announce, payload(2))]), (vec![1], 1));
    assert_eq!(edges.said(1, "rpki.full").len(), 1);
    // The second has the first payload as well, which is no other one.
    assert_eq!(says(&mut edges, 1, 2, &[(announce, payload(1))]), (vec![1], 1));
    assert_eq!(says(&mut edges, 0, 2, &[(announce, payload(2))]), (vec![1], 2));
    assert_eq!(says(&mut edges, 0, 3, &[(withdraw, payload(2))]), (vec![1], 1));
    assert_eq!(says(&mut edges, 0, 4, &[(withdraw, payload(1))]), (vec![1], 1));
    assert_eq!(says(&mut edges, 1, 3, &[(withdraw, payload(1))]), (vec![2], 0));
    assert_eq!(says(&mut edges, 1, 4, &[(withdraw, payload(2))]), (vec![], 0));
}

#[test]
fn of_a_prefix_that_all_the_world_may_announce_a_part_is_listed_and_the_rest_counted() {
    const COUNT: u32 = 1000;
    let mut edges = Edges::new(CACHE);
    let socket = edges.connected(1);
    let all: Vec<_> = (1..=COUNT).map(|asn| (Change::Announce, payload(asn))).collect();
    edges.hear(1, socket, &answer(1, &all));
    edges.run(Duration::from_secs(1));
    let listed = match edges.ask(1, ShowQuery::RpkiVrp) {
        ShowReply::RpkiVrp(rows) => rows,
        other => panic!("{other:?}"),
    };
    for rows in [listed, edges.rpki_of(1, AGGREGATE).vrps] {
        let more_count: u32 = rows.iter().map(|row| row.more_count).sum();
        assert_eq!(rows.len() + more_count as usize, COUNT as usize);
        assert!(rows.len() <= PAYLOADS_SHOWN_MAX as usize);
    }
}

#[test]
fn a_whole_table_of_payloads_names_no_more_prefixes_a_turn_than_a_slice_has() {
    let mut edges = Edges::new(CACHE);
    let socket = edges.connected(1);
    edges.hear(1, socket, &[Pdu::CacheResponse { session: 1 }]);
    let count = u32::try_from(3 * REVALIDATED_PER_SLICE_MAX).unwrap();
    let prefix = |number: u32| {
        let bits = 0x2001_0db9 << 96 | u128::from(number) << 64;
        Ipv6Prefix::containing(core::net::Ipv6Addr::from_bits(bits), 64)
    };
    for number in 0..count {
        let payload = Payload { prefix: prefix(number), length_max: 64, asn: 1 };
        edges.hear(1, socket, &[Pdu::Prefix { change: Change::Announce, payload }]);
    }
    edges.hear(1, socket, &answer(1, &[])[1..]);
    let mut judging_turns = 0;
    // So many that every payload is told, and looked at once more, in slices of the session.
    for _ in 0..100 {
        judging_turns += usize::from(edges.planes[1].rpki.is_judging());
        edges.planes[1].handle_timeout(edges.now);
        edges.carry(1);
    }
    // The first slice is named in the turn in which the cache has said all.
    assert_eq!((judging_turns, edges.rpki(1).vrp_count), (2, count.into()));
    assert!(!edges.planes[1].rpki.is_judging());
}

/// What a station knows: prefixes by table and AS of the peer.
#[derive(Debug, Default)]
struct Station {
    names: Vec<String>,
    known: BTreeSet<(&'static str, u32, String)>,
    ups: usize,
    downs: usize,
    ends_of_rib: usize,
    reports: usize,
    /// Routes that it was told of, by table; withdrawals too.
    news: BTreeMap<&'static str, usize>,
}

impl Station {
    fn read(&mut self, octets: Vec<u8>) {
        let mut stream = bytes::Bytes::from(octets);
        while !stream.is_empty() {
            self.take(parse_bmp_msg(&mut stream).unwrap());
        }
    }

    fn take(&mut self, message: BmpMessage) {
        let header = message.per_peer_header.as_ref();
        let table = header.map_or("", |header| match header.peer_flags {
            PerPeerFlags::PeerFlags(flags) if flags.is_post_policy() => "post",
            PerPeerFlags::PeerFlags(_) => "pre",
            PerPeerFlags::LocalRibPeerFlags(_) => "loc",
        });
        let asn = header.map_or(0, |header| header.peer_asn.to_u32());
        match message.message_body {
            BmpMessageBody::InitiationMessage(body) => {
                self.names.extend(body.tlvs.into_iter().map(|tlv| tlv.info));
            }
            BmpMessageBody::PeerUpNotification(_) => self.ups += 1,
            BmpMessageBody::PeerDownNotification(_) => {
                self.downs += 1;
                self.known.retain(|(table, peer, _)| *table == "loc" || *peer != asn);
            }
            BmpMessageBody::StatsReport(_) => self.reports += 1,
            BmpMessageBody::RouteMonitoring(body) => {
                let BgpMessage::Update(update) = body.bgp_message else { panic!("an UPDATE") };
                let gone = update.attributes.get_unreachable_nlri();
                let reached = update.attributes.get_reachable_nlri();
                let gone = gone.map_or(&[][..], |nlri| nlri.prefixes.as_slice());
                let reached = reached.map_or(&[][..], |nlri| nlri.prefixes.as_slice());
                self.ends_of_rib += usize::from(gone.is_empty() && reached.is_empty());
                *self.news.entry(table).or_default() += gone.len() + reached.len();
                for prefix in gone {
                    self.known.remove(&(table, asn, prefix.prefix.to_string()));
                }
                for prefix in reached {
                    self.known.insert((table, asn, prefix.prefix.to_string()));
                }
            }
            _ => {}
        }
    }
}

impl Edges {
    /// What was sent since the last time.
    fn sent(&mut self, place: usize, socket: SocketId) -> Vec<u8> {
        let (_, sent) = self.outside.get_mut(&(place, socket)).unwrap();
        let sent = core::mem::take(sent);
        let count = u32::try_from(sent.len()).unwrap();
        if count > 0 {
            self.tell(place, Input::Bgp(Box::new(Report::Sent { socket, count })));
        }
        sent
    }
}

impl Edges {
    /// A station has not read what it was sent: there is no room for more.
    fn fill(&mut self, place: usize, socket: SocketId, id: (core::net::Ipv6Addr, u16)) {
        let octets = vec![0; IN_FLIGHT_OCTETS_MAX];
        let station = self.planes[place].bmp.station_mut(id).unwrap();
        station.send(self.now, octets);
        assert!(!station.has_room());
        self.run(STEP);
        self.outside.get_mut(&(place, socket)).unwrap().1.clear();
    }
}

fn known(entries: &[(&'static str, u32, &str)]) -> BTreeSet<(&'static str, u32, String)> {
    entries.iter().map(|(table, asn, prefix)| (*table, *asn, (*prefix).to_owned())).collect()
}

#[test]
fn a_station_hears_who_is_there_then_the_tables_then_every_change() {
    let mut edges = Edges::new(STATION);
    edges.reach(0, true);
    edges.run(SOON);
    let socket = edges.connected(1);
    edges.run(Duration::from_secs(1));
    let mut station = Station::default();
    station.read(edges.sent(1, socket));
    let all = [("pre", 64512, AGGREGATE), ("post", 64512, AGGREGATE), ("loc", 64513, AGGREGATE)];
    assert_eq!(station.known, known(&all));
    assert_eq!((station.ups, station.ends_of_rib), (2, 3), "a neighbour and the Loc-RIB");
    assert!(station.names.contains(&"e2".to_owned()));
    edges.reach(0, false);
    edges.run(Duration::from_secs(1));
    station.read(edges.sent(1, socket));
    assert_eq!(station.known, known(&[]));
    edges.reach(0, true);
    edges.run(Duration::from_secs(1));
    station.read(edges.sent(1, socket));
    assert_eq!(station.known, known(&all));
    edges.run(Duration::from_secs(60));
    station.read(edges.sent(1, socket));
    assert!(station.reports >= 2, "{station:?}");
    edges.tell(0, Input::Shutdown);
    edges.run(Duration::from_secs(1));
    station.read(edges.sent(1, socket));
    assert_eq!((station.downs, station.known.len()), (1, 0));
    let row = &edges.stations(1)[0];
    assert_eq!((row.state.as_str(), row.is_filling, row.waiting_count), ("up", false, 0));
}

#[test]
fn another_policy_shows_behind_it_and_not_before() {
    let mut edges = Edges::new(STATION);
    edges.reach(0, true);
    edges.run(SOON);
    let socket = edges.connected(1);
    edges.run(Duration::from_secs(1));
    let mut station = Station::default();
    station.read(edges.sent(1, socket));
    let mut config = config_of(1, STATION);
    let policy = config.policies.iter_mut().find(|policy| policy.name == "all").unwrap();
    policy.default = crate::config::schema::PolicyDefault::Reject;
    edges.tell(1, Input::Configure(Box::new(config)));
    edges.run(Duration::from_secs(1));
    station.read(edges.sent(1, socket));
    assert_eq!(station.known, known(&[("pre", 64512, AGGREGATE)]));
}

#[test]
fn what_is_as_it_was_is_not_told_again() {
    let more = format!("{STATION}\n{CACHE}");
    let mut edges = Edges::new(&more);
    edges.reach(0, true);
    edges.run(SOON);
    let mine = |edges: &Edges, port| {
        let found = edges
            .outside
            .iter()
            .find(|((place, _), (remote, _))| *place == 1 && remote.port() == port);
        *found.map(|((_, socket), _)| socket).unwrap()
    };
    let (socket, cache) = (mine(&edges, 5000), mine(&edges, 323));
    let local = "[2001:db8:f::2]:40000".parse().unwrap();
    for socket in [socket, cache] {
        edges.tell(1, Input::Bgp(Box::new(Report::Connected { socket, local })));
    }
    edges.run(Duration::from_secs(1));
    let mut station = Station::default();
    station.read(edges.sent(1, socket));
    assert_eq!(station.news, [("pre", 1), ("post", 1), ("loc", 1)].into());
    // A policy asks, so that the route goes through its policy and is decided once more.
    let decided =
        |edges: &mut Edges| edges.planes[1].bgp.speaker().unwrap().ribs().counters().decided;
    let before = decided(&mut edges);
    edges.hear(1, cache, &answer(1, &[(Change::Announce, payload(64512))]));
    edges.run(Duration::from_secs(1));
    assert!(decided(&mut edges) > before);
    station.read(edges.sent(1, socket));
    assert_eq!(station.news, [("pre", 1), ("post", 1), ("loc", 1)].into());
    // Another policy changes what is behind it, and nothing before.
    let mut config = config_of(1, &more);
    config.bgp.as_mut().unwrap().neighbors[0].keys.import = Some("cheap".to_owned());
    edges.configure(1, config);
    edges.run(Duration::from_secs(1));
    station.read(edges.sent(1, socket));
    assert_eq!(station.news, [("pre", 1), ("post", 2), ("loc", 2)].into());
}

#[test]
fn a_station_without_room_hears_once_of_what_flapped_and_of_what_holds_last() {
    let mut edges = Edges::new(STATION);
    edges.reach(0, true);
    edges.run(SOON);
    let socket = edges.connected(1);
    edges.run(Duration::from_secs(1));
    let mut station = Station::default();
    station.read(edges.sent(1, socket));
    // It reads nothing: what is on its way fills up.
    let id = ("2001:db8:f::98".parse().unwrap(), 5000);
    edges.fill(1, socket, id);
    for turn in 0..5 {
        edges.reach(0, turn % 2 == 1);
        edges.run(Duration::from_secs(1));
        let row = &edges.stations(1)[0];
        assert_eq!((row.state.as_str(), row.waiting_count), ("up", 3), "{row:?}");
    }
    let count = u32::try_from(IN_FLIGHT_OCTETS_MAX).unwrap();
    edges.tell(1, Input::Bgp(Box::new(Report::Sent { socket, count })));
    edges.run(Duration::from_millis(100));
    station.read(edges.sent(1, socket));
    assert_eq!(station.news, [("pre", 2), ("post", 2), ("loc", 2)].into(), "each withdrawn once");
    assert_eq!(station.known, known(&[]));
}

#[test]
fn a_station_that_falls_behind_forgets_all_and_is_told_all_on_the_same_connection() {
    let mut edges = Edges::new(STATION);
    edges.reach(0, true);
    edges.run(SOON);
    let socket = edges.connected(1);
    edges.run(Duration::from_secs(1));
    let mut station = Station::default();
    station.read(edges.sent(1, socket));
    let id = ("2001:db8:f::98".parse().unwrap(), 5000);
    edges.fill(1, socket, id);
    // What is told again must not be only what is there: this one has gone meanwhile.
    let gone = ("pre", 64512, "2001:db8:77::/48");
    station.known.extend(known(&[gone]));
    for number in 0..=NAMES_MAX as u128 {
        let address = core::net::Ipv6Addr::from_bits(0x2001_0db9 << 96 | number);
        let name = bmp::Name::Best(Ipv6Prefix::containing(address, 128));
        edges.planes[1].bmp.station_mut(id).unwrap().push_name(name);
    }
    edges.run(Duration::from_secs(1));
    assert_eq!(edges.said(1, "bmp.station").len(), 2, "it is up, and has fallen behind");
    let count = u32::try_from(IN_FLIGHT_OCTETS_MAX).unwrap();
    edges.tell(1, Input::Bgp(Box::new(Report::Sent { socket, count })));
    edges.run(Duration::from_secs(1));
    station.read(edges.sent(1, socket));
    let all = [("pre", 64512, AGGREGATE), ("post", 64512, AGGREGATE), ("loc", 64513, AGGREGATE)];
    assert_eq!(station.known, known(&all));
    let row = &edges.stations(1)[0];
    let renewed = row.counters.iter().find(|(name, _)| name == "renewed").unwrap().1;
    assert_eq!((row.state.as_str(), renewed, station.ups), ("up", 1, 4));
}

#[test]
fn a_station_that_comes_back_is_told_everything_again() {
    let mut edges = Edges::new(STATION);
    edges.reach(0, true);
    edges.run(SOON);
    let socket = edges.connected(1);
    edges.run(Duration::from_secs(1));
    edges.outside.remove(&(1, socket));
    edges.tell(1, Input::Bgp(Box::new(Report::Closed { socket, failure: None })));
    assert_eq!(edges.stations(1)[0].state, "idle");
    edges.run(Duration::from_secs(31));
    let socket = edges.connected(1);
    edges.run(Duration::from_secs(1));
    let mut station = Station::default();
    station.read(edges.sent(1, socket));
    assert_eq!((station.known.len(), station.ups, station.ends_of_rib), (3, 2, 3));
}

#[test]
fn a_whole_table_is_taken_with_the_octets_of_its_attributes() {
    let mut edges = Edges::new("");
    edges.reach(0, true);
    edges.run(SOON);
    let page = edges.table(1, BgpTable::AdjRibIn);
    assert_eq!((page.paths.len(), page.next), (1, None));
    let path = &page.paths[0];
    assert_eq!(path.prefix.to_string(), AGGREGATE);
    assert_eq!(path.from.as_deref(), Some("peer"));
    assert_eq!(path.next_hop, Some("2001:db8:f::1".parse().unwrap()));
    // AS_PATH: one sequence with AS 64512, in four octets.
    let sequence = [0x02, 0x01, 0x00, 0x00, 0xfc, 0x00];
    assert!(path.attributes.windows(6).any(|window| window == sequence), "{path:?}");
    assert_eq!(edges.table(0, BgpTable::AdjRibIn).paths.len(), 0);
    let best = edges.table(0, BgpTable::LocRib).paths;
    assert_eq!((best.len(), best[0].from.as_ref()), (1, None), "its own aggregate");
}
