//! Captures and traces under way: from the taps of the workers to the clients that asked.
//!
//! Owns [`Watches`]: the bounds of each, its taps, and the last reference to every tap, so that
//! workers never free one. What a record is to a client is [`crate::daemon::watch_rows`]'s.
//!
//! *Invariants*: a client that does not read costs [`STREAM_BYTES_MAX`] and one batch; what it is
//! late for stays in the rings of the taps, and is lost there, counted, when these are full. A
//! watch ends when its client goes or a bound is reached, and takes its taps along.

use crate::api::reply::{ApiError, ReplyBody};
use crate::api::watch::{
    PACKETS_MAX, TIME_MS_MAX, WatchEnd, WatchEndReason, WatchKind, WatchRequest, WatchStart,
};
use crate::base::ids::PortId;
use crate::base::time::{Duration, Instant};
use crate::daemon::api_server::ApiServer;
use crate::daemon::observe::Observer;
use crate::daemon::watch_rows::Scribe;
use crate::daemon::worker::WorkerLinks;
use crate::dataplane::tap::TAPS_MAX;
use crate::dataplane::{DropReason, Record, Tap, TapSet, Wanted, WorkerCommand};
use crate::filter::{self, Filter};
use crate::os::poller::Poller;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Octets that a client may owe before no more are taken from the rings for it.
pub const STREAM_BYTES_MAX: usize = 1 << 20;
/// Records of one watch that are sent before others get their turn.
const RECORDS_PER_TURN: usize = 256;
/// How often rings are looked at while there is a watch: workers wake nobody for it.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// A capture or a trace.
struct Session {
    /// By worker.
    taps: Vec<Arc<Tap>>,
    packets_left: u64,
    bytes_left: u64,
    until: Instant,
    /// Since when it is to end, and why: what was seen before that is still told.
    ending: Option<(Instant, WatchEndReason)>,
    packet_count: u64,
    scribe: Scribe,
}

/// All of them; owned by the host thread.
#[derive(Default)]
pub struct Watches {
    sessions: BTreeMap<u64, Session>,
    /// What each worker was told last, or is still to be told.
    sets: Vec<(TapSet, bool)>,
    /// What workers were told before; freed when they have let go.
    retired: Vec<TapSet>,
}

impl Watches {
    /// How long the host thread may sleep.
    pub fn look_interval(&self) -> Option<Duration> {
        let is_idle = self.sessions.is_empty() && self.retired.is_empty();
        (!is_idle).then_some(LOOK_INTERVAL)
    }

    /// Begins what a client asks for.
    pub fn begin<B>(
        &mut self,
        client: u64,
        request: &WatchRequest,
        workers: &[WorkerLinks<B>],
        observer: &Observer,
    ) -> Result<WatchStart, ApiError> {
        if self.sessions.len() == TAPS_MAX {
            let text = format!("{TAPS_MAX} captures and traces run already; end one of them first");
            return Err(ApiError::Watch(text));
        }
        let filter = compile(&request.filter)?;
        let names = observer.port_names();
        let port = request.port.as_deref().map(|name| find(name, &names)).transpose()?;
        let wanted = match request.kind {
            WatchKind::Traffic => Wanted::Traffic,
            WatchKind::Drops => Wanted::Drops,
            WatchKind::Paths => Wanted::Paths,
        };
        let tap = || Arc::new(Tap::new(wanted, port, filter.clone(), request.snap_octets));
        let now = observer.now();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ns = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
        let session = Session {
            taps: workers.iter().map(|_| tap()).collect(),
            packets_left: request.packets_max.min(PACKETS_MAX),
            bytes_left: request.bytes_max,
            until: now + Duration::from_millis(request.time_ms_max.min(TIME_MS_MAX)),
            ending: None,
            packet_count: 0,
            scribe: Scribe::new(wall_ns.saturating_sub(now.as_nanos())),
        };
        self.sessions.insert(client, session);
        self.retell(workers);
        let is_shown = |(id, _): &(PortId, String)| port.is_none_or(|port| port == *id);
        let ports = names.into_iter().filter(is_shown).map(|(_, name)| name).collect();
        Ok(WatchStart { router: observer.name().to_owned(), ports })
    }

    /// Sends what there is and ends what is over; says whether there is more.
    pub fn turn<B>(
        &mut self,
        server: &mut ApiServer,
        poller: &Poller,
        workers: &[WorkerLinks<B>],
        observer: &Observer,
    ) -> bool {
        if self.sessions.is_empty() && self.retired.is_empty() {
            return false;
        }
        let (now, names) = (observer.now(), observer.port_names());
        let mut is_busy = false;
        let mut over = Vec::new();
        for (client, session) in &mut self.sessions {
            let Some(state) = server.stream_state(*client) else {
                over.push(*client);
                continue;
            };
            if state.has_ended {
                session.ending.get_or_insert((now, WatchEndReason::Client));
            } else if now >= session.until {
                session.ending.get_or_insert((session.until, WatchEndReason::Time));
            }
            let mut is_drained = true;
            let mut end = None;
            let lost_before = session.tap_losses();
            if state.owed_bytes <= STREAM_BYTES_MAX {
                let batch = session.batch();
                is_drained = batch.len() < RECORDS_PER_TURN;
                end = session.send(batch, &names, |row| server.stream(*client, poller, row));
            }
            is_busy |= !is_drained;
            if is_drained {
                end = end.or(session.ending.map(|(_, reason)| reason));
            }
            if let Some(reason) = end {
                let lost_count = match reason {
                    // What was lost behind the last wanted packet nobody misses.
                    WatchEndReason::Packets | WatchEndReason::Bytes => lost_before,
                    WatchEndReason::Time | WatchEndReason::Client => session.lost_count(),
                };
                let packet_count = session.packet_count;
                let end = WatchEnd { reason, packet_count, lost_count };
                server.reply(*client, poller, ReplyBody::WatchEnded(end));
                over.push(*client);
            }
        }
        for client in &over {
            self.sessions.remove(client);
        }
        if !over.is_empty() {
            self.retell(workers);
        }
        self.tell(workers);
        // The daemon's own reference is the last one when all readers have let go.
        self.retired.retain(|set| Arc::strong_count(set) > 1);
        is_busy
    }

    /// Other taps for all workers.
    fn retell<B>(&mut self, workers: &[WorkerLinks<B>]) {
        let set = |worker: usize| -> TapSet {
            let of_worker = |session: &Session| session.taps.get(worker).cloned();
            self.sessions.values().filter_map(of_worker).collect()
        };
        let sets = (0..workers.len()).map(|worker| (set(worker), true)).collect();
        let before = core::mem::replace(&mut self.sets, sets);
        self.retired.extend(before.into_iter().map(|(set, _)| set));
        self.tell(workers);
    }

    /// Tells those workers that had no room for it before.
    fn tell<B>(&mut self, workers: &[WorkerLinks<B>]) {
        for (worker, (set, is_untold)) in workers.iter().zip(&mut self.sets) {
            if *is_untold {
                *is_untold = !worker.command(WorkerCommand::Watch(Arc::clone(set)));
            }
        }
    }
}

impl Session {
    /// What its taps have, in order of time, each with the tap that it goes back to.
    fn batch(&self) -> Vec<(usize, Box<Record>)> {
        let mut batch = Vec::new();
        for (number, tap) in self.taps.iter().enumerate() {
            let room = RECORDS_PER_TURN - batch.len();
            batch.extend(core::iter::from_fn(|| tap.take()).take(room).map(|r| (number, r)));
        }
        batch.sort_by_key(|(_, record)| record.at);
        batch
    }

    /// What the filter let through and the taps had no record for.
    fn tap_losses(&self) -> u64 {
        self.taps.iter().map(|tap| tap.lost_count()).sum()
    }

    /// What the filter let through and the client does not get. Behind a bound of the request
    /// there is nothing that it wants.
    fn lost_count(&self) -> u64 {
        let lost = self.tap_losses();
        let Some((ended_at, _)) = self.ending else { return lost };
        let left = self.taps.iter().flat_map(|tap| core::iter::from_fn(|| tap.take()));
        lost + left.filter(|record| record.at <= ended_at).count() as u64
    }

    /// Sends a batch, as far as the bounds go; says whether one is reached.
    fn send(
        &mut self,
        batch: Vec<(usize, Box<Record>)>,
        names: &BTreeMap<PortId, String>,
        mut send: impl FnMut(ReplyBody),
    ) -> Option<WatchEndReason> {
        let mut end = None;
        for (number, record) in batch {
            let bytes = record.octets.len() as u64;
            let is_late = self.ending.filter(|(at, _)| record.at > *at);
            end = end.or(is_late.map(|(_, reason)| reason));
            end = end.or((self.packets_left == 0).then_some(WatchEndReason::Packets));
            end = end.or((bytes > self.bytes_left).then_some(WatchEndReason::Bytes));
            if end.is_none() {
                self.packets_left -= 1;
                self.bytes_left -= bytes;
                self.packet_count += 1;
                send(self.scribe.row(&record, names));
            }
            if let Some(tap) = self.taps.get(number) {
                tap.give_back(record);
            }
        }
        end.or((self.packets_left == 0).then_some(WatchEndReason::Packets))
    }
}

/// The filter that a text says.
fn compile(text: &str) -> Result<Filter, ApiError> {
    let refused = |error: filter::FilterError| ApiError::Filter(error.to_string());
    let Some(expression) = filter::parse(text).map_err(refused)? else {
        return Ok(Filter::everything());
    };
    let is_known = |name: &str| DropReason::ALL.iter().any(|reason| reason.name() == name);
    filter::parse::check_reasons(text, &expression, is_known).map_err(refused)?;
    Ok(Filter::new(&expression))
}

/// The port of a name.
fn find(name: &str, names: &BTreeMap<PortId, String>) -> Result<PortId, ApiError> {
    let found = names.iter().find(|(_, other)| *other == name).map(|(id, _)| *id);
    found.ok_or_else(|| {
        let known: Vec<&str> = names.values().map(String::as_str).collect();
        let text = format!("there is no port {name}; the router has {}", known.join(", "));
        ApiError::Port(text)
    })
}
