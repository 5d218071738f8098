//! Members of tenants before arbitrary announcements, in any life.
//!
//! Owns [`members`]. *Invariants*: what was read of an announcement is written and read again as
//! the same; what this router announces can be read by others; pseudowires come, change and go by
//! turns, and no two have one session id; when everybody else is gone there is none.

use super::Octets;
use crate::base::ids::{RouterId, TenantId};
use crate::base::machine::Machine;
use crate::base::time::{Duration, Instant};
use crate::proto::tenant::{
    Action, ClusterKey, Gone, Input, Members, Pseudowire, PseudowireName, Settings, TenantSettings,
};
use crate::wire::l2tp::{Sequencing, SessionId, Sublayer};
use crate::wire::ospf::{CookieLength, MembershipLsa, TenantCarrier, TenantEntry, TenantFormat};
use core::net::Ipv6Addr;
use std::collections::{BTreeMap, BTreeSet};

/// Things that happen in one life.
const STEPS_MAX: usize = 512;
/// This router, and the last of those that say something.
const OWN: RouterId = RouterId(1);
const OTHERS: u32 = 4;
/// LSAs that each has.
const LSAS: u32 = 3;

/// An announcement, then any life of a member; the first octet says how it begins.
pub fn members(octets: &[u8]) {
    if let Ok(Some(lsa)) = MembershipLsa::decode(octets) {
        assert_eq!(MembershipLsa::decode(&lsa.encode()), Ok(Some(lsa)));
    }
    let mut octets = Octets(octets);
    let mut life = Life::new(octets.one().unwrap_or(0));
    for _ in 0..STEPS_MAX {
        let (Some(what), Some(how)) = (octets.one(), octets.one()) else { break };
        let some = octets.some(usize::from(what >> 3));
        life.step(what & 7, how, some);
    }
    life.end();
}

/// A member and what its owner was told.
struct Life {
    members: Members,
    now: Instant,
    wires: BTreeMap<PseudowireName, Pseudowire>,
    announced: BTreeMap<u32, Vec<u8>>,
}

fn address(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number))
}

fn format(number: u8) -> TenantFormat {
    let (sublayer, sequencing) = match number & 3 {
        0 => (Sublayer::None, Sequencing::None),
        1 => (Sublayer::Default, Sequencing::None),
        2 => (Sublayer::Default, Sequencing::NonIp),
        _ => (Sublayer::Default, Sequencing::All),
    };
    let carrier = match number >> 2 & 3 {
        0 | 3 => TenantCarrier::Ip,
        1 => TenantCarrier::Udp,
        _ => TenantCarrier::UdpZero,
    };
    let cookie = match number >> 4 & 3 {
        0 | 3 => CookieLength::None,
        1 => CookieLength::Four,
        _ => CookieLength::Eight,
    };
    TenantFormat { carrier, cookie, sublayer, sequencing }
}

impl Life {
    fn new(shape: u8) -> Self {
        let mut life = Self {
            members: Members::new(u64::from(shape)),
            now: Instant::ZERO,
            wires: BTreeMap::new(),
            announced: BTreeMap::new(),
        };
        life.settings(shape, &[1, 2, 3]);
        life
    }

    fn step(&mut self, what: u8, how: u8, some: &[u8]) {
        let router_id = RouterId(1 + u32::from(how & 3) % OTHERS);
        let link_state_id = u32::from(how >> 2) % LSAS;
        match what {
            0 => {
                self.now += Duration::from_secs(u64::from(how) * 10);
                self.members.handle_timeout(self.now);
                self.drain();
            }
            1 => self.settings(how, some),
            2 => self.said(router_id, link_state_id, some.to_vec()),
            // TLVs behind a right beginning.
            3 => {
                let lsa = self.lsa(how, &[]);
                self.said(router_id, link_state_id, [&lsa.encode(), some].concat());
            }
            4 => {
                let body = self.lsa(how, some).encode();
                self.said(router_id, link_state_id, body);
            }
            5 => {
                let why = if how & 0x80 == 0 { Gone::Withdrawn } else { Gone::Unreachable };
                self.input(Input::Gone { router_id, link_state_id, why });
            }
            // A life before.
            6 => {
                let body = self.lsa(how, some).encode();
                self.said(OWN, link_state_id, body);
            }
            _ => self.input(Input::Leave),
        }
    }

    /// An announcement of tenants with these numbers.
    fn lsa(&self, how: u8, tenants: &[u8]) -> MembershipLsa {
        let entry = |id: &u8| TenantEntry {
            id: TenantId(u32::from(id & 7)),
            epoch: u32::from(how),
            mtu: 1270 + u16::from(*id),
            format: (id & 0x40 == 0).then(|| format(id >> 2)),
        };
        let (tenants, renumberings) = (tenants.iter().map(entry).collect(), Vec::new());
        MembershipLsa { endpoint: address(how >> 3), tenants, renumberings }
    }

    fn settings(&mut self, how: u8, tenants: &[u8]) {
        let Some(key) = ClusterKey::new(&[how & 1; 16]) else { return };
        let tenant = |id: &u8| {
            let settings = TenantSettings { mtu: 9000, format: format(id >> 3 ^ how) };
            (TenantId(u32::from(id & 7)), settings)
        };
        let taken = self.wires.values().take(usize::from(how >> 6));
        let settings = Settings {
            rotation: (how & 2 == 0).then(|| Duration::from_secs(1)),
            tenants: tenants.iter().map(tenant).collect(),
            taken: taken.map(|wire| wire.local_session).collect(),
            ..Settings::new(OWN, key, address(how >> 5))
        };
        self.input(Input::Settings(Box::new(settings)));
    }

    fn said(&mut self, router_id: RouterId, link_state_id: u32, body: Vec<u8>) {
        self.input(Input::Said { router_id, link_state_id, body });
    }

    fn input(&mut self, input: Input) {
        self.members.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.members.poll_action() {
            match action {
                Action::Up { name, pseudowire } => {
                    assert!(self.wires.insert(name, *pseudowire).is_none(), "{name} is up");
                }
                Action::Changed { name, pseudowire } => {
                    assert!(self.wires.insert(name, *pseudowire).is_some(), "{name} is not up");
                }
                Action::Down { name, reason } => {
                    assert!(self.wires.remove(&name).is_some(), "{name} is not up: {reason}");
                }
                Action::Announce(bodies) => {
                    let is_read = |body| matches!(MembershipLsa::decode(body), Ok(Some(_)));
                    assert!(bodies.values().all(|body| is_read(body)), "{bodies:02x?}");
                    assert_ne!(bodies, self.announced, "said twice");
                    self.announced = bodies;
                }
                Action::Notice(_) => {}
            }
        }
        let ids: BTreeSet<SessionId> = self.wires.values().map(|wire| wire.local_session).collect();
        assert_eq!(ids.len(), self.wires.len(), "two sessions have one id");
        let shown = self.members.view().pseudowires.into_iter();
        assert!(shown.map(|view| (view.name, view.pseudowire)).eq(self.wires.clone()));
    }

    fn end(mut self) {
        let why = Gone::Withdrawn;
        for (router, link_state_id) in (1..=OTHERS).flat_map(|r| (0..LSAS).map(move |id| (r, id))) {
            self.input(Input::Gone { router_id: RouterId(router), link_state_id, why });
        }
        assert!(self.wires.is_empty() && self.members.view().members.is_empty());
        self.input(Input::Leave);
        assert!(self.announced.is_empty() && self.members.next_deadline().is_none());
    }
}
