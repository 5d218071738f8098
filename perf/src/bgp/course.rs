//! One router through everything: a table comes, is told on and forwarded; its source is lost; a
//! day of updates.
//!
//! Owns [`load`] and [`day`], one run each with a router and a network of its own, and what they
//! found. Times begin with the first octet that is written.
//!
//! *Invariants*: the sessions are up, and the router idle, before anything is measured. What has
//! not come after [`PATIENCE`] is an error that says how much has.

use super::Neighbour;
use super::daemon::{Daemon, DaemonError, Forwarding, Kind};
use super::heard::Told;
use super::network::{Network, NetworkError};
use super::probe::{Catcher, ProbeError, Probes};
use super::session::{Keep, Session, SessionError};
use super::table::{Expected, Table};
use kumiki::base::prefix::Ipv6Prefix;
use serde::Serialize;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at what has come.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// A router rests when it used less of a processor than this …
const IDLE_SHARE: f64 = 0.3;
/// … for so long.
const IDLE_SPAN: Duration = Duration::from_millis(500);
/// How long it may take to come to rest.
const IDLE_PATIENCE: Duration = Duration::from_secs(30);
/// What a router may say in a tenth of a second that is no news.
const KEEPALIVE_OCTETS: usize = 19;
/// A day of updates is over when nothing was said for so long.
const SILENCE: Duration = Duration::from_secs(3);

/// What is put through a router.
#[derive(Debug)]
pub struct Load {
    /// The table.
    pub table: Table,
    /// As the first neighbour says it.
    pub first: Vec<u8>,
    /// As the second does.
    pub second: Vec<u8>,
    /// Where probes go while the table comes.
    pub targets: Vec<Ipv6Addr>,
    /// Where they go when its source is lost: few, so that each is sent to often.
    pub moved_targets: Vec<Ipv6Addr>,
    /// The program of Kumiki.
    pub kumiki: PathBuf,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum CourseError {
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The router.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// A session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Probes.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// TCP.
    #[error("a session has ended: {0}")]
    Tcp(#[from] std::io::Error),
    /// What the sink heard is no BGP.
    #[error("what the sink heard is no BGP: {0:?}")]
    Words(kumiki::wire::bgp::Notification),
    /// It does not come to an end.
    #[error("after {PATIENCE:?} the daemon still tells changes, or works")]
    Restless,
    /// Too slow.
    #[error(
        "after {PATIENCE:?} the sink has heard of {told} of {wanted} prefixes; packets to \
             {forwarded} destinations come through"
    )]
    Late {
        /// Prefixes that were told.
        told: usize,
        /// Of these.
        wanted: usize,
        /// Destinations that are reached.
        forwarded: usize,
    },
    /// The session of the sink is gone.
    #[error("the router has ended the session of the sink")]
    Lost,
}

/// What a table cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Loaded {
    /// From the first octet until the sink has heard of the last prefix.
    pub propagation_ms: f64,
    /// Until packets to every destination come through; with forwarding only.
    pub forwarded_ms: Option<f64>,
    /// Memory above that of the router with its sessions up and no routes.
    pub memory_bytes: u64,
    /// The same for each prefix.
    pub bytes_per_route: f64,
    /// Memory of the router with its sessions up and no routes.
    pub memory_empty_bytes: u64,
    /// Processor time for all of it.
    pub cpu_s: f64,
    /// From the loss of the first neighbour until packets to every destination come through by the
    /// second one; with forwarding only.
    pub moved_ms: Option<f64>,
    /// Until the sink has heard of it, for the last prefix.
    pub moved_told_ms: Option<f64>,
    /// What 999 of 1000 turns of the control thread did not exceed, of Kumiki.
    pub turn_p999_ms: Option<f64>,
    /// Its longest turn.
    pub turn_max_ms: Option<f64>,
}

/// What a day of updates cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Day {
    /// From the first octet until the last UPDATE at the sink.
    pub seconds: f64,
    /// Prefixes that the sink has and must have, with the right path.
    pub right: usize,
    /// Prefixes that the sink has and must not have, lacks, or has with a wrong path.
    pub wrong: usize,
    /// UPDATEs' octets that were told on.
    pub told_octets: usize,
}

/// A network, a router in it, and its three sessions.
struct Run {
    /// Until it is lost.
    first: Option<Session>,
    second: Session,
    sink: Session,
    daemon: Daemon,
    network: Network,
    _folder: Folder,
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, DaemonError> {
        let path = std::env::temp_dir().join(format!("kumiki-perf-bgp-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(|error| DaemonError::File(path.clone(), error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Run {
    fn start(kind: Kind, kumiki: &Path, forwarding: Forwarding) -> Result<Self, CourseError> {
        let folder = Folder::new()?;
        let network = Network::new(&folder.0, kind.forwarder())?;
        let mut daemon = Daemon::start(kind, kumiki, (&network, &folder.0), forwarding)?;
        let mut open = |neighbour, keep| {
            Session::open(&network, neighbour, keep).or_else(|error| {
                // Where the router has ended, its own words say more.
                daemon.check()?;
                Err(CourseError::from(error))
            })
        };
        let sink = open(Neighbour::Sink, Keep::All)?;
        let first = open(Neighbour::First, Keep::Nothing)?;
        let second = open(Neighbour::Second, Keep::Nothing)?;
        let mut run = Self { first: Some(first), second, sink, daemon, network, _folder: folder };
        run.rest()?;
        Ok(run)
    }

    /// Waits until the router has nothing to do.
    fn rest(&mut self) -> Result<(), CourseError> {
        let deadline = Instant::now() + IDLE_PATIENCE;
        loop {
            let (begin, before) = (Instant::now(), self.daemon.cpu_seconds());
            let octets = self.sink.octet_count();
            std::thread::sleep(IDLE_SPAN);
            self.daemon.check()?;
            let used = self.daemon.cpu_seconds() - before;
            let is_silent = self.sink.octet_count() - octets < 100;
            let is_idle = used / begin.elapsed().as_secs_f64() < IDLE_SHARE;
            if is_silent && is_idle {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(CourseError::Restless);
            }
        }
    }

    /// The first neighbour says something.
    fn say(&self, octets: &[u8]) -> Result<(), CourseError> {
        let first = self.first.as_ref().ok_or(CourseError::Lost)?;
        Ok(first.say(octets)?)
    }

    /// Waits until nothing is told any more.
    fn wait_for_silence(&mut self) -> Result<(), CourseError> {
        let (deadline, mut since) = (Instant::now() + PATIENCE, Instant::now());
        let mut octets = self.sink.octet_count();
        while since.elapsed() < SILENCE {
            if Instant::now() > deadline {
                return Err(CourseError::Restless);
            }
            std::thread::sleep(IDLE_SPAN / 5);
            let now = self.sink.octet_count();
            if now - octets > KEEPALIVE_OCTETS {
                since = Instant::now();
            }
            octets = now;
            if self.sink.is_lost() {
                self.daemon.check()?;
                return Err(CourseError::Lost);
            }
        }
        Ok(())
    }

    /// Waits until the sink has heard so many announcements and the catcher is complete.
    fn wait(&mut self, wanted: usize, catcher: Option<&Catcher>) -> Result<(), CourseError> {
        let deadline = Instant::now() + PATIENCE;
        let begin = Instant::now();
        loop {
            let is_told = self.sink.announced_count() >= wanted;
            if is_told && catcher.is_none_or(Catcher::is_complete) {
                return Ok(());
            }
            if self.sink.is_lost() {
                self.daemon.check()?;
                return Err(CourseError::Lost);
            }
            if Instant::now() > deadline {
                let told = self.sink.announced_count();
                let forwarded = catcher.map_or(0, Catcher::count);
                return Err(CourseError::Late { told, wanted, forwarded });
            }
            // The looks themselves must cost nothing where it takes long.
            std::thread::sleep(LOOK_INTERVAL.max(begin.elapsed() / 200));
        }
    }
}

/// Puts the table through a router, and then takes its source away.
pub fn load(load: &Load, kind: Kind, forwarding: Forwarding) -> Result<Loaded, CourseError> {
    let mut run = Run::start(kind, &load.kumiki, forwarding)?;
    let (memory_empty_bytes, cpu_before) = (run.daemon.memory_bytes(), run.daemon.cpu_seconds());
    let is_probed = forwarding == Forwarding::Filled;
    let catcher = match is_probed {
        true => Some(Catcher::start(&run.network, Neighbour::First, load.targets.len())?),
        false => None,
    };
    let probe = |run: &Run| match is_probed {
        true => Probes::start(&run.network, load.targets.clone()).map(Some),
        false => Ok(None),
    };
    let probes = probe(&run)?;
    let count = load.table.prefix_count();
    let begin = Instant::now();
    run.say(&load.first)?;
    run.wait(count, catcher.as_ref())?;
    let forwarded_at = catcher.as_ref().and_then(Catcher::complete_at);
    drop((probes, catcher));
    run.rest()?;
    let memory_bytes = run.daemon.memory_bytes().saturating_sub(memory_empty_bytes);
    let mut loaded = Loaded {
        forwarded_ms: forwarded_at.map(|at| milliseconds(begin, at)),
        memory_bytes,
        bytes_per_route: memory_bytes as f64 / count as f64,
        memory_empty_bytes,
        cpu_s: run.daemon.cpu_seconds() - cpu_before,
        ..Loaded::default()
    };
    let moved_from = match is_probed || !kind.forwards() {
        true => Some(lose_first(&mut run, load, &mut loaded)?),
        false => None,
    };
    let Run { sink, mut daemon, .. } = run;
    let heard = sink.cut();
    daemon.end();
    loaded.turn_p999_ms = daemon.turns_ms("p999_us");
    loaded.turn_max_ms = daemon.turns_ms("max_us");
    let complete = |since| -> Result<f64, CourseError> {
        let (at, told) = heard.complete_at(since, count).map_err(CourseError::Words)?;
        let at = at.ok_or(CourseError::Late { told, wanted: count, forwarded: 0 })?;
        Ok(milliseconds(since, at))
    };
    loaded.propagation_ms = complete(begin)?;
    loaded.moved_told_ms = moved_from.map(complete).transpose()?;
    Ok(loaded)
}

/// The second neighbour announces the table as well, and the first one is lost. Returns when.
fn lose_first(run: &mut Run, load: &Load, loaded: &mut Loaded) -> Result<Instant, CourseError> {
    run.second.say(&load.second)?;
    run.rest()?;
    let (catcher, probes) = match loaded.forwarded_ms {
        Some(_) => {
            let (targets, count) = (load.moved_targets.clone(), load.moved_targets.len());
            let catcher = Catcher::start(&run.network, Neighbour::Second, count)?;
            (Some(catcher), Some(Probes::start(&run.network, targets)?))
        }
        None => (None, None),
    };
    run.rest()?;
    let told = run.sink.announced_count();
    let begin = Instant::now();
    run.first.take().map(Session::cut);
    run.wait(told + load.table.prefix_count(), catcher.as_ref())?;
    let moved_at = catcher.as_ref().and_then(Catcher::complete_at);
    loaded.moved_ms = moved_at.map(|at| milliseconds(begin, at));
    drop(probes);
    Ok(begin)
}

/// Puts a day of updates through a router that has the table.
pub fn day(load: &Load, kind: Kind, updates: &(Vec<u8>, Expected)) -> Result<Day, CourseError> {
    let (octets, expected) = updates;
    let mut run = Run::start(kind, &load.kumiki, Forwarding::Left)?;
    run.say(&load.first)?;
    run.wait(load.table.prefix_count(), None)?;
    run.rest()?;
    let begin = Instant::now();
    run.say(octets)?;
    run.wait_for_silence()?;
    let heard = run.sink.cut();
    let last = heard.last_update_at().map_err(CourseError::Words)?;
    let table = heard.table().map_err(CourseError::Words)?;
    let (right, wrong) = compare(&load.table, &table, expected);
    let seconds = last.map_or(0.0, |at| (at - begin).as_secs_f64());
    Ok(Day { seconds, right, wrong, told_octets: heard.octets.len() })
}

/// Prefixes that are as they must be, and those that are not.
fn compare(table: &Table, told: &Told, expected: &Expected) -> (usize, usize) {
    let is_right = |(prefix, set): &(&Ipv6Prefix, &u32)| {
        told.get(*prefix).is_some_and(|path| table.path_at_sink(**set).as_ref() == Some(path))
    };
    let right = expected.iter().filter(is_right).count();
    let surplus = told.keys().filter(|prefix| !expected.contains_key(*prefix)).count();
    (right, expected.len() - right + surplus)
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rib::Rib;

    #[test]
    fn what_is_missing_wrong_or_too_much_is_wrong() {
        let table = Table::new(&Rib::public_shape(100).prefixes);
        let expected = table.expected();
        let mut told: Told = expected
            .iter()
            .map(|(prefix, set)| (*prefix, table.path_at_sink(*set).unwrap()))
            .collect();
        assert_eq!(compare(&table, &told, &expected), (100, 0));
        let first = *told.keys().next().unwrap();
        let last = *told.keys().last().unwrap();
        told.remove(&first);
        told.insert(last, kumiki::wire::bgp::AsPath::default());
        told.insert(super::super::table::marker(), kumiki::wire::bgp::AsPath::default());
        assert_eq!(compare(&table, &told, &expected), (98, 3));
    }
}
