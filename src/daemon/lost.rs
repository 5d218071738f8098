//! Ports that are configured and not open, until they can be opened.
//!
//! Owns the list and when each is tried. Opening is `port_table`'s.
//!
//! *Invariants*: one that was lost just now is tried at once; one whose interface is not there is
//! looked for every `LOOK_INTERVAL`, which costs a system call; one that is refused is tried ever
//! less often, down to every `RETRY_WAIT_MAX`. What is wrong is said when it changes.

use crate::base::time::{Duration, Instant};
use crate::daemon::devices::PlannedPort;
use crate::ports::DeviceSpec;

/// How often an interface is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The longest wait between two tries.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);

/// A port that is configured and not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostPort {
    /// What it shall be.
    pub planned: PlannedPort,
    /// Why it is not.
    pub why: String,
    try_at: Instant,
    wait: Duration,
}

/// The list; one per process, owned by the main thread. As many as there are ports.
#[derive(Debug, Default)]
pub struct LostPorts {
    ports: Vec<LostPort>,
}

impl LostPorts {
    /// Takes a port that is to be opened as soon as it can be.
    pub fn add(&mut self, planned: PlannedPort, now: Instant) {
        let why = String::new();
        self.ports.push(LostPort { planned, why, try_at: now, wait: LOOK_INTERVAL });
    }

    /// Takes a port that was refused just now.
    pub fn add_refused(&mut self, planned: PlannedPort, why: String, now: Instant) {
        let lost = LostPort { planned, why, try_at: now + LOOK_INTERVAL, wait: LOOK_INTERVAL };
        self.ports.push(lost);
    }

    /// Whether the port of a device is not open.
    pub fn has(&self, spec: &DeviceSpec) -> bool {
        self.ports.iter().any(|port| port.planned.spec == *spec)
    }

    /// Those that are not open.
    pub fn iter(&self) -> impl Iterator<Item = &LostPort> {
        self.ports.iter()
    }

    /// Gives up all of them.
    pub fn clear(&mut self) {
        self.ports.clear();
    }

    /// When the next one is due.
    pub fn due_at(&self) -> Option<Instant> {
        self.ports.iter().map(|port| port.try_at).min()
    }

    /// One that is due.
    pub fn take_due(&mut self, now: Instant) -> Option<LostPort> {
        let place = self.ports.iter().position(|port| port.try_at <= now)?;
        Some(self.ports.swap_remove(place))
    }

    /// One whose interface is not there.
    pub fn look_again(&mut self, mut port: LostPort, why: String, now: Instant) -> bool {
        port.wait = LOOK_INTERVAL;
        self.put_back(port, why, now)
    }

    /// One that was refused.
    pub fn try_again(&mut self, mut port: LostPort, why: String, now: Instant) -> bool {
        port.wait = (port.wait * 2).min(RETRY_WAIT_MAX);
        self.put_back(port, why, now)
    }

    /// Says whether this is another reason than before.
    fn put_back(&mut self, mut port: LostPort, why: String, now: Instant) -> bool {
        let is_news = port.why != why;
        port.why = why;
        port.try_at = now + port.wait;
        self.ports.push(port);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PortDevice, PortRole, PortSettings};
    use crate::daemon::devices::Hearing;

    fn port() -> PlannedPort {
        let settings = PortSettings {
            name: "p1".to_owned(),
            device: PortDevice::AfPacket("v1".to_owned()),
            role: PortRole::Fabric,
            address: None,
            mtu: 9000,
            cost: None,
            bfd: crate::config::PortBfd::default(),
            vlan: None,
            mac: None,
        };
        PlannedPort { settings, spec: DeviceSpec::AfPacket("v1".to_owned()), hearing: Hearing::Own }
    }

    #[test]
    fn a_port_that_is_refused_is_tried_ever_less_often_but_always_again() {
        let mut lost = LostPorts::default();
        let mut now = Instant::from_millis(5);
        lost.add(port(), now);
        let mut waits = Vec::new();
        for _ in 0..10 {
            let port = lost.take_due(now).unwrap();
            lost.try_again(port, "no".to_owned(), now);
            assert!(lost.take_due(now).is_none());
            let due_at = lost.due_at().unwrap();
            waits.push((due_at - now).as_millis());
            now = due_at;
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000]);
        let port = lost.take_due(now).unwrap();
        lost.look_again(port, "absent".to_owned(), now);
        assert_eq!(lost.due_at(), Some(now + LOOK_INTERVAL));
    }

    #[test]
    fn a_reason_is_news_once() {
        let mut lost = LostPorts::default();
        lost.add(port(), Instant::ZERO);
        for (why, is_news) in [("a", true), ("a", false), ("b", true)] {
            let port = lost.take_due(Instant::MAX).unwrap();
            assert_eq!(lost.try_again(port, why.to_owned(), Instant::ZERO), is_news, "{why}");
        }
    }
}
