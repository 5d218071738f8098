//! Members in virtual time: announcements that take a while, and frames on their pseudowires.

use super::super::*;
use crate::base::ids::{RouterId, TenantId};
use crate::base::machine::Machine;
use crate::base::prng::Prng;
use crate::base::time::{Duration, Instant};
use crate::wire::l2tp::{Cookie, Sequencing, SessionId, Sublayer};
use crate::wire::ospf::{CookieLength, TenantCarrier, TenantFormat};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// A frame on its way: what the data path of the receiver looks at, and whose it is in truth.
pub struct Frame {
    pub tenant: TenantId,
    pub from: usize,
    pub to: usize,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    session: SessionId,
    cookie: Cookie,
    format: TenantFormat,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes out here.
    Delivered(TenantId),
    UnknownSession,
    WrongPeer,
    WrongCookie,
    /// It may come out anywhere: it has no cookie, and its sender goes by what was said before.
    Stale,
}

/// An instance of an LSA: its number, and its body unless it was taken back.
type Instance = (u64, Option<Vec<u8>>);

/// An instance on its way.
struct Flying {
    to: usize,
    from: usize,
    lsa: u32,
    instance: Instance,
}

pub struct Cluster {
    pub now: Instant,
    pub members: Vec<Members>,
    /// What the owner of each member was told, come to what there is.
    pub wires: Vec<BTreeMap<PseudowireName, Pseudowire>>,
    pub downs: Vec<Vec<(PseudowireName, DownReason)>>,
    pub notices: Vec<Vec<Notice>>,
    /// Pseudowires that changed, all together.
    pub changed: usize,
    /// What each says now, with the number of the instance.
    said: Vec<BTreeMap<u32, Instance>>,
    /// By receiver, sender and LSA: the instance that it has.
    heard: BTreeMap<(usize, usize, u32), u64>,
    /// Announcements on their way, by arrival.
    flying: BTreeMap<(Instant, u64), Flying>,
    cut: BTreeSet<(usize, usize)>,
    /// An announcement takes up to so long.
    pub delay: Duration,
    /// Percent of instances that never arrive, because a newer one takes their place.
    pub skipped: u64,
    pub prng: Prng,
    count: u64,
}

pub fn id(member: usize) -> RouterId {
    RouterId(0x0a00_0001 + u32::try_from(member).unwrap())
}

pub fn endpoint(member: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1 + u16::try_from(member).unwrap())
}

pub fn key() -> ClusterKey {
    ClusterKey::new(b"wood without nails, seven times").unwrap()
}

pub const fn name(tenant: u32, remote: RouterId) -> PseudowireName {
    PseudowireName { remote, tenant: TenantId(tenant) }
}

/// The plain format with such a cookie.
pub fn cookies(cookie: CookieLength) -> TenantFormat {
    TenantFormat { cookie, ..TenantFormat::default() }
}

/// A format for each number, all different for the first of them.
pub fn format(number: usize) -> TenantFormat {
    let carriers = [TenantCarrier::Ip, TenantCarrier::Udp, TenantCarrier::UdpZero];
    let lengths = [CookieLength::Eight, CookieLength::Four, CookieLength::None];
    let layers = [
        (Sublayer::None, Sequencing::None),
        (Sublayer::Default, Sequencing::None),
        (Sublayer::Default, Sequencing::NonIp),
        (Sublayer::Default, Sequencing::All),
    ];
    let (sublayer, sequencing) = layers[number % 4];
    TenantFormat {
        carrier: carriers[number % 3],
        cookie: lengths[number / 3 % 3],
        sublayer,
        sequencing,
    }
}

pub fn settings(member: usize, tenants: &[u32]) -> Settings {
    let tenant = |id: &u32| {
        let settings = TenantSettings { mtu: 8900, format: TenantFormat::default() };
        (TenantId(*id), settings)
    };
    let tenants = tenants.iter().map(tenant).collect();
    Settings { tenants, ..Settings::new(id(member), key(), endpoint(member)) }
}

impl Cluster {
    /// Members without tenants.
    pub fn new(count: usize, seed: u64) -> Self {
        let mut cluster = Self {
            now: Instant::from_millis(1000),
            members: Vec::new(),
            wires: vec![BTreeMap::new(); count],
            downs: vec![Vec::new(); count],
            notices: vec![Vec::new(); count],
            changed: 0,
            said: vec![BTreeMap::new(); count],
            heard: BTreeMap::new(),
            flying: BTreeMap::new(),
            cut: BTreeSet::new(),
            delay: Duration::from_millis(20),
            skipped: 0,
            prng: Prng::new(seed),
            count: 0,
        };
        for member in 0..count {
            cluster.members.push(Members::new(cluster.prng.next_u64()));
            cluster.set(settings(member, &[]));
        }
        cluster
    }

    /// Members that all have the same tenants.
    pub fn of(count: usize, seed: u64, tenants: &[u32]) -> Self {
        let mut cluster = Self::new(count, seed);
        for member in 0..count {
            cluster.set(settings(member, tenants));
        }
        cluster.seconds(1);
        cluster
    }

    pub fn set(&mut self, settings: Settings) {
        let member = usize::try_from(settings.router_id.0 - id(0).0).unwrap();
        self.input(member, Input::Settings(Box::new(settings)));
    }

    pub fn input(&mut self, member: usize, input: Input) {
        self.members[member].handle(self.now, input);
        self.drain(member);
    }

    fn drain(&mut self, member: usize) {
        while let Some(action) = self.members[member].poll_action() {
            let wires = &mut self.wires[member];
            match action {
                Action::Up { name, pseudowire } => {
                    assert!(wires.insert(name, *pseudowire).is_none(), "{name} is up already");
                }
                Action::Changed { name, pseudowire } => {
                    self.changed += 1;
                    let before = wires.insert(name, (*pseudowire).clone());
                    assert!(before.is_some_and(|before| before != *pseudowire), "{name}");
                }
                Action::Down { name, reason } => {
                    assert!(wires.remove(&name).is_some(), "{name} is not up");
                    self.downs[member].push((name, reason));
                }
                Action::Notice(notice) => self.notices[member].push(notice),
                Action::Announce(bodies) => self.announce(member, &bodies),
            }
        }
        self.check(member);
    }

    /// What must be so at every moment.
    fn check(&self, member: usize) {
        let wires = &self.wires[member];
        let ids: BTreeSet<SessionId> = wires.values().map(|wire| wire.local_session).collect();
        assert_eq!(ids.len(), wires.len(), "two sessions have one id at {member}");
        let view = self.members[member].view();
        let shown = view.pseudowires.into_iter().map(|view| (view.name, view.pseudowire));
        assert!(shown.eq(wires.clone()), "what is shown is what was told at {member}");
    }

    /// Puts what a member says on its way to everybody else.
    fn announce(&mut self, member: usize, bodies: &BTreeMap<u32, Vec<u8>>) {
        let ids: BTreeSet<u32> = self.said[member].keys().chain(bodies.keys()).copied().collect();
        for lsa in ids {
            let body = bodies.get(&lsa).cloned();
            let said = self.said[member].entry(lsa).or_insert((0, None));
            if said.1 == body {
                continue;
            }
            *said = (said.0 + 1, body);
            for to in 0..self.members.len() {
                self.launch(member, to, lsa);
            }
        }
    }

    fn launch(&mut self, from: usize, to: usize, lsa: u32) {
        if from == to || self.cut.contains(&(from.min(to), from.max(to))) {
            return;
        }
        let instance = self.said[from][&lsa].clone();
        self.count += 1;
        let at = self.now + self.prng.between(Duration::from_millis(1), self.delay);
        self.flying.insert((at, self.count), Flying { to, from, lsa, instance });
    }

    /// An instance arrives; OSPF lets none pass that is older than the one before.
    fn arrive(&mut self, flying: Flying) {
        let Flying { to, from, lsa, instance: (instance, body) } = flying;
        if self.cut.contains(&(from.min(to), from.max(to))) {
            return;
        }
        let is_last = self.said[from][&lsa].0 == instance;
        let is_skipped = !is_last && self.prng.below(100) < self.skipped;
        let known = self.heard.get(&(to, from, lsa)).copied().unwrap_or(0);
        if is_skipped || instance <= known {
            return;
        }
        self.heard.insert((to, from, lsa), instance);
        let (router_id, link_state_id) = (id(from), lsa);
        self.input(
            to,
            match body {
                Some(body) => Input::Said { router_id, link_state_id, body },
                None => Input::Gone { router_id, link_state_id, why: Gone::Withdrawn },
            },
        );
    }

    /// No path leads from one to the other.
    pub fn part(&mut self, a: usize, b: usize) {
        self.cut.insert((a.min(b), a.max(b)));
        for (to, from) in [(a, b), (b, a)] {
            let lsas: Vec<u32> = self.said[from].keys().copied().collect();
            for link_state_id in lsas {
                let (router_id, why) = (id(from), Gone::Unreachable);
                self.input(to, Input::Gone { router_id, link_state_id, why });
                self.heard.remove(&(to, from, link_state_id));
            }
        }
    }

    pub fn join(&mut self, a: usize, b: usize) {
        if !self.cut.remove(&(a.min(b), a.max(b))) {
            return;
        }
        for (to, from) in [(a, b), (b, a)] {
            let lsas: Vec<u32> = self.said[from].keys().copied().collect();
            lsas.into_iter().for_each(|lsa| self.launch(from, to, lsa));
        }
    }

    /// A new machine in place of the old one; the network has what that said.
    pub fn restart(&mut self, member: usize, settings: Settings) {
        let before: Vec<(u32, Vec<u8>)> = self.said[member]
            .iter()
            .filter_map(|(lsa, (_, body))| Some((*lsa, body.clone()?)))
            .collect();
        self.members[member] = Members::new(self.prng.next_u64());
        self.wires[member].clear();
        self.set(settings);
        for (link_state_id, body) in before {
            self.input(member, Input::Said { router_id: id(member), link_state_id, body });
        }
        for from in 0..self.members.len() {
            self.heard.retain(|(to, _, _), _| *to != member);
            let lsas: Vec<u32> = self.said[from].keys().copied().collect();
            lsas.into_iter().for_each(|lsa| self.launch(from, member, lsa));
        }
    }

    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let timers = self.members.iter().filter_map(Machine::next_deadline).min();
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let next = timers.into_iter().chain(arrival).min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= self.now) {
                let flying = entry.remove();
                self.arrive(flying);
            }
            for member in 0..self.members.len() {
                if self.members[member].next_deadline().is_some_and(|at| at <= self.now) {
                    self.members[member].handle_timeout(self.now);
                    self.drain(member);
                }
            }
        }
        self.now = until;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn wire(&self, member: usize, tenant: u32, to: usize) -> Option<&Pseudowire> {
        self.wires[member].get(&name(tenant, id(to)))
    }

    /// A frame leaves, by what its sender was told.
    pub fn send(&self, tenant: u32, from: usize, to: usize) -> Option<Frame> {
        let wire = self.wire(from, tenant, to)?;
        Some(Frame {
            tenant: TenantId(tenant),
            from,
            to,
            source: wire.local_endpoint,
            destination: wire.remote_endpoint,
            session: wire.remote_session,
            cookie: wire.remote_cookie,
            format: wire.transmit,
        })
    }

    /// A frame arrives, and is looked at as the data path does. Whatever becomes of it, it comes
    /// out nowhere but with its tenant, unless there are no cookies and its sender is behind.
    pub fn receive(&self, frame: &Frame) -> Fate {
        let mut wires = self.wires[frame.to].iter();
        let Some((name, wire)) = wires.find(|(_, wire)| wire.local_session == frame.session) else {
            return Fate::UnknownSession;
        };
        if (wire.remote_endpoint, wire.local_endpoint) != (frame.source, frame.destination) {
            return Fate::WrongPeer;
        }
        // Octets that are no cookie are taken for one, or the other way round.
        let is_taken =
            |cookie: &Cookie| cookie.is_empty() || cookie.matches(frame.cookie.as_slice());
        if !is_taken(&wire.local_cookie) && !wire.other_local_cookie.iter().any(is_taken) {
            return Fate::WrongCookie;
        }
        // Without a cookie nothing tells a frame apart whose sender goes by what was said before.
        let sent = PseudowireName { remote: id(frame.from), tenant: frame.tenant };
        let said = self.wires[frame.to].get(&sent).map(|wire| wire.local_session);
        if wire.local_cookie.is_empty() && said != Some(frame.session) {
            return Fate::Stale;
        }
        assert_eq!(name.tenant, frame.tenant, "a frame comes out with another tenant");
        assert_eq!((name.remote, frame.format), (id(frame.from), wire.receive));
        Fate::Delivered(name.tenant)
    }

    /// Both ends of every pseudowire that should be there agree, and there is no other.
    #[track_caller]
    pub fn assert_agreed(&self) {
        for (from, member) in self.members.iter().enumerate() {
            let tenants = member.view().tenants;
            let mut expected = BTreeSet::new();
            for (to, other) in self.members.iter().enumerate().filter(|(to, _)| *to != from) {
                let is_cut = self.cut.contains(&(from.min(to), from.max(to)));
                let others = other.view().tenants;
                for tenant in tenants.iter().filter(|_| !is_cut) {
                    let Some(there) = others.iter().find(|there| there.id == tenant.id) else {
                        continue;
                    };
                    expected.insert(name(tenant.id.0, id(to)));
                    let wire = self.wire(from, tenant.id.0, to).unwrap_or_else(|| {
                        panic!("no pseudowire of {} from {from} to {to}", tenant.id)
                    });
                    let back = self.wire(to, tenant.id.0, from).unwrap();
                    assert_eq!(wire.remote_session, back.local_session);
                    // While it changes either is right.
                    let cookies = [Some(back.local_cookie), back.other_local_cookie];
                    assert!(cookies.contains(&Some(wire.remote_cookie)));
                    assert_eq!(wire.transmit, back.receive);
                    assert_eq!(wire.remote_endpoint, back.local_endpoint);
                    assert_eq!(wire.mtu, tenant.settings.mtu.min(there.settings.mtu));
                    let frame = self.send(tenant.id.0, from, to).unwrap();
                    assert_eq!(self.receive(&frame), Fate::Delivered(tenant.id));
                }
            }
            let there: BTreeSet<PseudowireName> = self.wires[from].keys().copied().collect();
            assert_eq!(there, expected, "at {from}");
        }
    }
}
