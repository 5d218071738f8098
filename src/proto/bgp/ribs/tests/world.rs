//! Tables with peers around them: two of other ASes, one client, and listeners, all of which keep
//! what they were told by decoding it.

use crate::base::cursor::Writer;
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::Instant;
use crate::proto::bgp::ribs::*;
use crate::wire::bgp::update::Announcement;
use crate::wire::bgp::*;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

pub const ASN: u32 = 64500;
pub const ACCEPT: PolicyId = PolicyId(0);
pub const BY_PREFIX: PolicyId = PolicyId(1);
/// Senders: two of other ASes, and a client of this one.
pub const EXTERNAL: [PeerId; 2] = [PeerId(0), PeerId(1)];
pub const CLIENT: PeerId = PeerId(2);
/// Listeners besides the first sender: two of other ASes, and a client.
pub const LISTENERS: [PeerId; 4] = [PeerId(0), PeerId(3), PeerId(4), PeerId(5)];

/// One that takes all, and one that refuses every third prefix and marks every other one.
pub struct TestPolicies;

pub fn number_of(prefix: Ipv6Prefix) -> u32 {
    u32::try_from(prefix.bits() >> 80 & 0x7_ffff).unwrap()
}

impl Policies for TestPolicies {
    fn dependence(&self, policy: PolicyId) -> Dependence {
        if policy == ACCEPT { Dependence::Attributes } else { Dependence::Prefix }
    }

    fn judge(&self, policy: PolicyId, question: &Question<'_>) -> Verdict {
        let Some(prefix) = question.prefix else { return Verdict::Accept };
        assert_eq!(policy, BY_PREFIX);
        match number_of(prefix) {
            number if number.is_multiple_of(3) => Verdict::Reject,
            number if number.is_multiple_of(2) => {
                let mut route = question.route.clone();
                route.attributes.med = Some(number);
                Verdict::Change(Box::new(route))
            }
            _ => Verdict::Accept,
        }
    }
}

pub fn prefix(number: u32) -> Ipv6Prefix {
    let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number) << 80);
    Ipv6Prefix::containing(address, 48)
}

pub fn next_hop(number: u8) -> NextHop {
    let address = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into());
    NextHop { global: Some(address), link_local: None }
}

pub const OWN: NextHop = NextHop {
    global: Some(Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 1)),
    link_local: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
};

pub fn settings(decision: DecisionSettings) -> RibSettings {
    RibSettings {
        asn: ASN,
        router_id: RouterId(1),
        cluster_id: RouterId(1),
        decision,
        seed: 0x5eed,
    }
}

pub fn peer(id: PeerId) -> RibPeer {
    let kind = if id == CLIENT { PeerKind::Client } else { PeerKind::External };
    let number = u32::from(id.0);
    RibPeer {
        kind,
        asn: if id == CLIENT { ASN } else { 64501 + number },
        router_id: RouterId(100 - number),
        address: Ipv6Addr::new(0xfd00, 0, 0, 2, 0, 0, 0, id.0),
        port: None,
        on_link: Vec::new(),
        role: None,
        import: Some(if id == EXTERNAL[1] { BY_PREFIX } else { ACCEPT }),
        own_as_max: 0,
        first_as: FirstAs::Free,
        blackhole: Blackhole::Honoured,
        paths_max: None,
    }
}

pub fn export(listener: PeerId) -> ExportSettings {
    let (kind, policy) = match listener.0 {
        5 => (PeerKind::Client, None),
        4 => (PeerKind::External, Some(BY_PREFIX)),
        _ => (PeerKind::External, Some(ACCEPT)),
    };
    ExportSettings {
        kind,
        role: None,
        policy,
        next_hop: NextHopMode::Own,
        as_path: AsPathMode::Prepend,
        paths_max: 1,
    }
}

pub fn agreement(listener: PeerId) -> Agreement {
    Agreement {
        // An old speaker among them.
        has_four_octet_asn: listener != PeerId(3),
        has_path_ids: false,
        has_extended_messages: false,
        is_external: export(listener).kind == PeerKind::External,
    }
}

/// What a listener knows.
pub type Known = BTreeMap<Nlri, (NextHop, PathAttributes)>;

/// The tables, those who listen, and those who forward.
pub struct World {
    pub ribs: Ribs,
    pub known: BTreeMap<PeerId, Known>,
    pub messages: BTreeMap<PeerId, usize>,
    pub ends_of_rib: BTreeMap<PeerId, usize>,
    pub groups: BTreeMap<u32, Vec<Gateway>>,
    pub routes: BTreeMap<Ipv6Prefix, RouteExits>,
    /// Since they were last looked at.
    pub changes: Vec<Change>,
    /// Next hops that are tracked.
    pub tracked: Vec<Gateway>,
}

impl World {
    pub fn new(decision: DecisionSettings) -> Self {
        let mut ribs = Ribs::new(settings(decision));
        for id in [EXTERNAL[0], EXTERNAL[1], CLIENT] {
            ribs.peer_up(id, peer(id)).unwrap();
        }
        Self {
            ribs,
            known: BTreeMap::new(),
            messages: BTreeMap::new(),
            ends_of_rib: BTreeMap::new(),
            groups: BTreeMap::new(),
            routes: BTreeMap::new(),
            changes: Vec::new(),
            tracked: Vec::new(),
        }
    }

    pub fn join(&mut self, listener: PeerId) {
        let settings = MemberSettings { agreement: agreement(listener), own_next_hop: OWN };
        self.ribs.join(listener, export(listener), settings).unwrap();
        self.known.insert(listener, Known::new());
    }

    pub fn announce(
        &mut self,
        from: PeerId,
        (hop, attributes): (u8, &PathAttributes),
        list: &[u32],
    ) {
        let nlri = list.iter().map(|number| Nlri::of(prefix(*number))).collect();
        let attributes = attributes.clone();
        let announcement = Announcement { nlri, next_hop: next_hop(hop), attributes };
        self.receive(from, Update { announced: Some(announcement), ..Update::default() });
    }

    /// One path of a prefix of which there are several: its number and the Path Identifier.
    pub fn announce_path(
        &mut self,
        from: PeerId,
        (hop, attributes): (u8, &PathAttributes),
        (number, path_id): (u32, u32),
    ) {
        let nlri = vec![Nlri { prefix: prefix(number), path_id }];
        let attributes = attributes.clone();
        let announcement = Announcement { nlri, next_hop: next_hop(hop), attributes };
        self.receive(from, Update { announced: Some(announcement), ..Update::default() });
    }

    pub fn withdraw(&mut self, from: PeerId, list: &[u32]) {
        let withdrawn = list.iter().map(|number| Nlri::of(prefix(*number))).collect();
        self.receive(from, Update { withdrawn, ..Update::default() });
    }

    pub fn withdraw_path(&mut self, from: PeerId, (number, path_id): (u32, u32)) {
        let withdrawn = vec![Nlri { prefix: prefix(number), path_id }];
        self.receive(from, Update { withdrawn, ..Update::default() });
    }

    fn receive(&mut self, from: PeerId, update: Update) {
        self.ribs.receive(Instant::ZERO, from, update, &TestPolicies).unwrap();
        self.drain();
    }

    pub fn resolve(&mut self, hop: u8, cost: Option<u32>) {
        let cost = cost.map_or(Resolution::Unreachable, |cost| Resolution::Reachable { cost });
        self.ribs.resolve(Gateway::new(next_hop(hop), None), cost);
        self.drain();
    }

    /// All slices.
    pub fn settle(&mut self) {
        while self.process(7) == Work::More {}
    }

    pub fn process(&mut self, budget: usize) -> Work {
        let before = self.ribs.counters().decided;
        let work = self.ribs.process(budget, &TestPolicies);
        assert!(self.ribs.counters().decided - before <= budget as u64);
        self.drain();
        work
    }

    pub fn drain(&mut self) {
        while let Some(change) = self.ribs.poll_change() {
            match &change {
                Change::Track(gateway) => self.tracked.push(*gateway),
                Change::Untrack(gateway) => self.tracked.retain(|other| other != gateway),
                Change::Group { id, next_hops, .. } => {
                    self.groups.insert(id.0, next_hops.clone());
                }
                Change::GroupGone(id) => {
                    self.groups.remove(&id.0).unwrap();
                }
                Change::Route { prefix, exits } => {
                    self.routes.insert(*prefix, *exits);
                }
            }
            self.changes.push(change);
        }
    }

    /// The listener reads so many octets.
    pub fn read(&mut self, listener: PeerId, octets_max: usize) -> Written {
        let mut writer = Writer::default();
        let written = self.ribs.write(listener, octets_max, &mut writer);
        let mut stream = writer.as_slice();
        let known = self.known.entry(listener).or_default();
        while !stream.is_empty() {
            let (message, octets) = frame(stream, false).unwrap().unwrap();
            let Message::Update(update) = Message::decode(message, agreement(listener)).unwrap()
            else {
                panic!("only updates are written")
            };
            stream = &stream[octets..];
            assert_eq!(update.faults, []);
            *self.messages.entry(listener).or_default() += 1;
            *self.ends_of_rib.entry(listener).or_default() += usize::from(update.is_end_of_rib);
            for nlri in update.withdrawn {
                assert!(known.remove(&nlri).is_some(), "{nlri:?} had not been announced");
            }
            let Some(announced) = update.announced else { continue };
            for nlri in announced.nlri {
                known.insert(nlri, (announced.next_hop, announced.attributes.clone()));
            }
        }
        written
    }

    pub fn read_all(&mut self, listener: PeerId) {
        while !self.read(listener, 10_000).is_drained {}
    }

    /// Where the packets of a prefix leave.
    pub fn exits(&self, number: u32) -> Vec<Gateway> {
        match self.routes.get(&prefix(number)) {
            Some(RouteExits::Group(id)) => self.groups[&id.0].clone(),
            _ => Vec::new(),
        }
    }
}

/// Attributes with a path.
pub fn path(asns: &[u32]) -> PathAttributes {
    PathAttributes { as_path: AsPath::sequence(asns), ..PathAttributes::default() }
}
