//! The host thread: everything with a descriptor that is not a port.
//!
//! Owns the TUN device, the TCP connections of BGP, the control socket, carrier, signals, the log,
//! and the questions that wait for the control plane. It changes nothing by itself: wishes go to
//! the control thread and the main thread as messages.
//!
//! *Invariants*: never blocks but in its poller, and there only when every worker's ring for it is
//! empty. A question is answered within [`ANSWER_TIME_MAX`], if only with "busy".

use crate::api::show::ShowReply;
use crate::api::{ApiError, Event, ReplyBody, RequestBody, Severity, ShowQuery, WatchRequest};
use crate::base::ids::PortId;
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::daemon::api_server::{ApiServer, Asked, LINES_PER_TURN, Rest};
use crate::daemon::bgp_sockets::{BgpSockets, Say};
use crate::daemon::carrier::CarrierWatch;
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::lifeline::Lifeline;
use crate::daemon::link_tuns::LinkTuns;
use crate::daemon::log;
use crate::daemon::mailbox::{Mailbox, Post};
use crate::daemon::messages::{Applied, Carrier, Job, TO_CONTROL_BGP_MAX, ToControl, ToHost};
use crate::daemon::observe::Observer;
use crate::daemon::signals::Signals;
use crate::daemon::tun_bridge::TunBridge;
use crate::daemon::watch::Watches;
use crate::daemon::worker::{Admission, WorkerLinks};
use crate::os::poller::{self, Events, Poller};
use crate::packet::{PacketAlloc, PacketBuf};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// Tokens of the poller; the numbers of clients follow that of their listener.
const TUN: u64 = 0;
const LINKS: u64 = 1;
const SIGNALS: u64 = 2;
/// That of the control socket.
pub const LISTENER: u64 = 15;

/// Packets of one worker that go to the kernel before others get their turn.
const PACKETS_PER_SLICE: usize = 256;
/// Messages that are read before packets get their turn.
const MESSAGES_PER_SLICE: usize = 256;
/// How long a question waits for the control plane.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// How soon a message that found no room is sent again.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// What the host thread is made of.
pub struct HostStart<B> {
    /// What it waits on.
    pub poller: Poller,
    /// Its messages.
    pub mailbox: Mailbox<ToHost>,
    /// To the control thread.
    pub control: Post<ToControl>,
    /// To the main thread.
    pub jobs: SyncSender<Job>,
    /// The workers.
    pub workers: Vec<WorkerLinks<B>>,
    /// The control socket.
    pub server: ApiServer,
    /// The TUN device, where there is one.
    pub tun: Option<TunBridge>,

    /// The signals.
    pub signals: Signals,
    /// What the daemon knows by itself.
    pub observer: Arc<Observer>,
    /// What is counted.
    pub counters: Arc<DaemonCounters>,
    /// The pass of its thread.
    pub admission: Admission<B>,
    /// Held until it is told to end.
    pub lifeline: Lifeline,
    /// Whether clients may break things on purpose.
    pub has_debug_commands: bool,
}

struct Waiting {
    client: u64,
    query: ShowQuery,
    /// It is for a page that is not the first.
    has_begun: bool,
    until: Instant,
}

struct Host<B> {
    start: HostStart<B>,
    carrier: CarrierWatch,
    alloc: Box<dyn PacketAlloc<B>>,
    questions: BTreeMap<u64, Waiting>,
    next_question: u64,
    watches: Watches,
    bgp: BgpSockets,
    links: LinkTuns,
    /// A change of carrier found no room.
    must_look: bool,
    /// The wish to end found no room.
    must_stop: bool,
    is_stopping: bool,
}

/// Runs the host thread until [`ToHost::Stop`].
pub fn run<B: PacketBuf>(mut start: HostStart<B>) {
    let pass = match (start.admission)() {
        Ok(pass) => pass,
        Err(error) => {
            start.lifeline.fail(error);
            return;
        }
    };
    let tun = start.tun.as_ref().map_or("kumiki", TunBridge::name);
    let links = LinkTuns::new(tun, Arc::clone(&start.counters));
    let mut host = Host {
        start,
        carrier: CarrierWatch::new(),
        alloc: pass.alloc,
        questions: BTreeMap::new(),
        next_question: 1,
        watches: Watches::default(),
        bgp: BgpSockets::default(),
        links,
        must_look: false,
        must_stop: false,
        is_stopping: false,
    };
    if let Err(error) = host.watch() {
        host.start.lifeline.fail(format!("it cannot wait for anything: {error}"));
        return;
    }
    let mut events = Events::new();
    while !host.is_stopping {
        host.turn(&mut events);
    }
    host.start.lifeline.let_go();
    drop(host);
    drop(pass.proof);
}

impl<B: PacketBuf> Host<B> {
    fn watch(&self) -> std::io::Result<()> {
        let poller = &self.start.poller;
        self.start.server.watch(poller)?;
        poller.add(self.start.signals.fd(), SIGNALS)?;
        if let Some(fd) = self.start.tun.as_ref().and_then(TunBridge::fd) {
            poller.add(fd, TUN)?;
        }
        self.carrier.fd().map_or(Ok(()), |fd| poller.add(fd, LINKS))
    }

    fn turn(&mut self, events: &mut Events) {
        let mut is_busy = self.take_packets();
        is_busy |= self.take_messages();
        if self.is_stopping {
            return;
        }
        is_busy |= self.take_requests();
        is_busy |= self.show_packets();
        let now = self.start.observer.now();
        self.refuse_late_questions(now);
        self.ask_drivers(now);
        self.start.server.listen_again(now, &self.start.poller);
        self.reopen_tun(now);
        if self.links.reopen(&self.start.poller, now) {
            self.tell_scopes();
        }
        self.bgp.end_late(&self.start.poller, now);
        self.with_bgp(|bgp, _, say| bgp.say_rest(say));
        if self.must_stop && self.start.jobs.try_send(Job::Stop).is_ok() {
            self.must_stop = false;
        }
        let rings = || self.start.workers.iter().map(|worker| &worker.punts.host);
        let mut timeout = self.timeout(now);
        if is_busy || !rings().all(|ring| ring.announce_sleep()) {
            timeout = Some(Duration::ZERO);
        }
        if let Err(error) = self.start.poller.wait(timeout, events) {
            tracing::error!(topic = "daemon.host", "cannot wait: {error}");
            std::thread::sleep(RETRY_INTERVAL);
        }
        rings().for_each(|ring| ring.announce_awake());
        for event in events.iter() {
            self.answer(event);
        }
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let question = self.questions.values().map(|waiting| waiting.until).min();
        let drivers = self.carrier.due_at();
        let must_retry = self.must_look || self.must_stop || self.bgp.must_say();
        let retry = must_retry.then_some(now + RETRY_INTERVAL);
        let listener = self.start.server.listens_at();
        let tun = self.start.tun.as_ref().and_then(TunBridge::reopens_at);
        let bgp = self.bgp.ends_at();
        let links = self.links.reopens_at();
        let deadlines = [question, drivers, retry, listener, tun, links, bgp];
        let wait = deadlines.into_iter().flatten().min().map(|at| at - now);
        [wait, self.watches.look_interval()].into_iter().flatten().min()
    }

    fn answer(&mut self, event: poller::Event) {
        if BgpSockets::is_ours(&event) {
            let now = self.start.observer.now();
            return self.with_bgp(|bgp, start, say| {
                bgp.serve(&start.poller, (now, event), &start.counters, say);
            });
        }
        if LinkTuns::is_ours(&event) {
            return self.take_from_link(event);
        }
        match event.token {
            TUN => self.take_from_host(event),
            LISTENER => {
                let now = self.start.observer.now();
                self.start.server.accept(now, &self.start.poller);
            }
            LINKS => self.with_carrier(|carrier, say| carrier.poll(say)),
            SIGNALS => {
                let (reload, stop) = self.start.signals.take();
                if reload && self.start.jobs.try_send(Job::Reload).is_err() {
                    self.start.counters.count(DaemonCounter::ReloadRefused);
                }
                self.must_stop |= stop;
            }
            _ => self.start.server.serve(&self.start.poller, event),
        }
    }

    fn take_from_host(&mut self, event: poller::Event) {
        let (Some(tun), Some(worker)) = (&mut self.start.tun, self.start.workers.first()) else {
            return;
        };
        let problem = match tun.take_from_host(self.alloc.as_mut(), worker) {
            Err(error) => error.to_string(),
            Ok(()) if event.is_broken => "the kernel reports an error".to_owned(),
            Ok(()) => return,
        };
        if let Some(fd) = tun.fd() {
            let _ = self.start.poller.remove(fd);
        }
        tun.lose(self.start.observer.now());
        let text = format!(
            "the TUN device {} is gone ({problem}): the host is cut off until it is made again",
            tun.name()
        );
        self.report(Severity::Error, "daemon.tun", text);
    }

    /// The same, of the device of a port.
    fn take_from_link(&mut self, event: poller::Event) {
        let Some(worker) = self.start.workers.first() else { return };
        let (now, poller) = (self.start.observer.now(), &self.start.poller);
        let alloc = self.alloc.as_mut();
        if let Some(text) = self.links.take_from_host(poller, (now, event), alloc, worker) {
            self.tell_scopes();
            self.report(Severity::Error, "daemon.tun", text);
        }
    }

    /// The kernel's interfaces of ports are others than before.
    fn tell_scopes(&mut self) {
        let scopes = self.links.scopes();
        self.with_bgp(|bgp, start, say| bgp.set_scopes(&start.poller, scopes, say));
    }

    /// Makes a TUN device that was taken away again, when it is time.
    fn reopen_tun(&mut self, now: Instant) {
        let Some(tun) = &mut self.start.tun else { return };
        if tun.reopens_at().is_none_or(|at| at > now) {
            return;
        }
        if let Err(error) = tun.reopen(now) {
            let name = tun.name();
            return tracing::warn!(topic = "daemon.tun", "cannot make {name} again: {error}");
        }
        let watched = tun.fd().map_or(Ok(()), |fd| self.start.poller.add(fd, TUN));
        if watched.is_err() {
            return tun.lose(now);
        }
        let text = format!("the TUN device {} is there again", tun.name());
        self.report(Severity::Info, "daemon.tun", text);
    }

    fn take_packets(&mut self) -> bool {
        let mut is_busy = false;
        for worker in &self.start.workers {
            for taken in 0.. {
                if taken == PACKETS_PER_SLICE {
                    is_busy = true;
                    break;
                }
                let Some(punted) = worker.punts.host.pop() else { break };
                if punted.is_for_link() {
                    self.links.give_to_host(punted.port, &punted.packet);
                    continue;
                }
                match &mut self.start.tun {
                    Some(tun) => tun.give_to_host(&punted.packet),
                    None => self.start.counters.count(DaemonCounter::TunAbsent),
                }
            }
        }
        is_busy
    }

    fn take_messages(&mut self) -> bool {
        for _ in 0..MESSAGES_PER_SLICE {
            let Some(message) = self.start.mailbox.take() else { return false };
            match message {
                ToHost::Addresses(addresses) => {
                    if let Some(tun) = &mut self.start.tun {
                        tun.set_addresses(addresses);
                    }
                }
                ToHost::Links(links) => {
                    let now = self.start.observer.now();
                    self.links.set(&self.start.poller, now, links);
                    self.tell_scopes();
                }
                ToHost::Bgp(order) => {
                    let now = self.start.observer.now();
                    self.with_bgp(|bgp, start, say| bgp.order(&start.poller, (now, order), say));
                }
                ToHost::BgpForget => self.bgp.forget_all(&self.start.poller),
                ToHost::Reply { id, reply, rest } => self.finish_question(id, *reply, rest),
                ToHost::Event(event) => self.tell(&event),
                ToHost::Watch(port) => {
                    self.carrier.watch(*port);
                    self.with_carrier(|carrier, say| carrier.look(say));
                }
                ToHost::Unwatch(port) => self.carrier.unwatch(port),
                ToHost::Applied { client, outcome } => self.finish_apply(client, outcome),
                ToHost::Compared { client, outcome } => {
                    let body = match outcome {
                        Ok(Applied { changes, needs_restart, .. }) => {
                            ReplyBody::Difference { changes, needs_restart }
                        }
                        Err(error) => ReplyBody::Error(error),
                    };
                    self.reply(client, body);
                }
                ToHost::Stop => self.is_stopping = true,
            }
        }
        true
    }

    fn report(&mut self, severity: Severity, topic: &str, text: String) {
        let (at, topic) = (self.start.observer.now(), topic.to_owned());
        self.tell(&Event { at, severity, topic, text, fields: Vec::new() });
    }

    fn tell(&mut self, event: &Event) {
        log::write(event);
        self.start.server.broadcast(event, &self.start.poller);
    }

    /// Does something with the connections of BGP, which speak to the control thread.
    fn with_bgp(&mut self, work: impl FnOnce(&mut BgpSockets, &HostStart<B>, Say<'_>)) {
        let control = &self.start.control;
        let mut say = |report| match control.send_below(TO_CONTROL_BGP_MAX, ToControl::Bgp(report))
        {
            Err(ToControl::Bgp(report)) => Err(report),
            _ => Ok(()),
        };
        work(&mut self.bgp, &self.start, &mut say);
    }

    fn with_carrier(
        &mut self,
        look: impl FnOnce(&mut CarrierWatch, &mut dyn FnMut(PortId, Carrier) -> bool),
    ) {
        let (control, jobs) = (&self.start.control, &self.start.jobs);
        let mut has_failed = false;
        let mut say = |port, carrier| {
            let is_up = carrier == Carrier::Up;
            let is_sent = control.send(ToControl::Carrier { port, is_up }).is_ok()
                && (carrier != Carrier::Gone || jobs.try_send(Job::InterfaceGone(port)).is_ok());
            has_failed |= !is_sent;
            is_sent
        };
        look(&mut self.carrier, &mut say);
        self.must_look |= has_failed;
    }

    fn ask_drivers(&mut self, now: Instant) {
        if core::mem::take(&mut self.must_look) {
            self.with_carrier(|carrier, say| carrier.look(say));
        }
        if self.carrier.due_at().is_some_and(|due_at| due_at <= now) {
            let observer = Arc::clone(&self.start.observer);
            self.with_carrier(|carrier, say| carrier.ask_drivers(|| observer.now(), say));
        }
    }

    /// Carries out some requests; says whether more may be there.
    fn take_requests(&mut self) -> bool {
        for _ in 0..LINES_PER_TURN {
            let Some((client, Rest { query, after })) = self.start.server.take_rest() else {
                break;
            };
            self.ask_control(client, query, Some(after));
        }
        for _ in 0..LINES_PER_TURN {
            let Some(Asked { client, body }) = self.start.server.take(&self.start.poller) else {
                break;
            };
            match body {
                RequestBody::Show(query) => self.ask(client, query),
                RequestBody::Monitor => {
                    self.start.server.make_monitor(client, &self.start.poller);
                }
                RequestBody::Watch(request) => self.begin_watch(client, &request),
                RequestBody::Drain { is_drained } => {
                    self.order(client, ToControl::Drain { is_drained });
                }
                RequestBody::ClearBgp(asked) => {
                    self.wish(client, |id| ToControl::ClearBgp { id, asked });
                }
                RequestBody::ClearTenant { name } => {
                    self.wish(client, |id| ToControl::ClearTenant { id, name });
                }
                RequestBody::DebugPanicControl if self.start.has_debug_commands => {
                    self.order(client, ToControl::Fail);
                }
                RequestBody::DebugPanicControl => {
                    let text = "the router was started without --debug-commands".to_owned();
                    self.reply(client, ReplyBody::Error(ApiError::Forbidden(text)));
                }
                RequestBody::ConfigApply { text, file } => {
                    self.demand(client, Job::Apply { client, text, file });
                }
                RequestBody::ConfigDiff { text, file } => {
                    self.demand(client, Job::Compare { client, text, file });
                }
            }
        }
        self.start.server.has_requests()
    }

    /// Begins a capture or a trace.
    fn begin_watch(&mut self, client: u64, request: &WatchRequest) {
        let (workers, observer) = (&self.start.workers, &self.start.observer);
        match self.watches.begin(client, request, workers, observer) {
            Ok(begun) => {
                let body = ReplyBody::WatchStarted(begun);
                self.start.server.begin_stream(client, &self.start.poller, body);
            }
            Err(error) => self.reply(client, ReplyBody::Error(error)),
        }
    }

    /// Sends the packets that were seen; says whether there are more.
    fn show_packets(&mut self) -> bool {
        let HostStart { server, poller, workers, observer, .. } = &mut self.start;
        self.watches.turn(server, poller, workers, observer)
    }

    /// Hands a wish of a client to the main thread.
    fn demand(&mut self, client: u64, job: Job) {
        if self.start.jobs.try_send(job).is_err() {
            self.reply(client, ReplyBody::Error(ApiError::Busy));
        }
    }

    /// Hands a wish of a client to the control thread.
    fn order(&mut self, client: u64, message: ToControl) {
        let body = match self.start.control.send(message) {
            Ok(()) => ReplyBody::Done,
            Err(_) => ReplyBody::Error(ApiError::Busy),
        };
        self.reply(client, body);
    }

    fn reply(&mut self, client: u64, body: ReplyBody) {
        self.start.server.reply(client, &self.start.poller, body);
    }

    fn ask(&mut self, client: u64, query: ShowQuery) {
        if matches!(query, ShowQuery::Runtime | ShowQuery::Mempool | ShowQuery::BridgeMac(_))
            && let Some(reply) = self.start.observer.alone(&query)
        {
            return self.reply(client, ReplyBody::Show(Box::new(reply)));
        }
        self.ask_control(client, query, None);
    }

    fn ask_control(&mut self, client: u64, query: ShowQuery, after: Option<Ipv6Prefix>) {
        let id = self.next_question;
        self.next_question += 1;
        let has_begun = after.is_some();
        let question = ToControl::Query { id, query: query.clone(), after };
        match (self.start.control.send(question), has_begun) {
            (Ok(()), _) => {
                let until = self.start.observer.now() + ANSWER_TIME_MAX;
                self.questions.insert(id, Waiting { client, query, has_begun, until });
            }
            (Err(_), false) => self.reply(client, ReplyBody::Error(ApiError::Busy)),
            (Err(_), true) => self.start.server.abandon(client, &self.start.poller),
        }
    }

    /// Hands a wish to the control thread, and waits for its answer as for the one to a question
    /// about neighbours, to which nothing is added here either.
    fn wish(&mut self, client: u64, message: impl FnOnce(u64) -> ToControl) {
        let id = self.next_question;
        self.next_question += 1;
        if self.start.control.send(message(id)).is_err() {
            return self.reply(client, ReplyBody::Error(ApiError::Busy));
        }
        let until = self.start.observer.now() + ANSWER_TIME_MAX;
        let query = ShowQuery::BgpNeighbor;
        self.questions.insert(id, Waiting { client, query, has_begun: false, until });
    }

    fn finish_question(&mut self, id: u64, reply: ShowReply, rest: Option<Ipv6Prefix>) {
        // Answers that come too late have been answered with "busy".
        let Some(Waiting { client, query, has_begun, .. }) = self.questions.remove(&id) else {
            return;
        };
        let reply = self.start.observer.complete(&query, reply);
        if !has_begun && rest.is_none() {
            return self.reply(client, ReplyBody::Show(Box::new(reply)));
        }
        let rest = rest.map(|after| Rest { query, after });
        self.start.server.reply_page(client, &self.start.poller, reply, rest);
    }

    fn refuse_late_questions(&mut self, now: Instant) {
        while let Some((id, _)) = self.questions.iter().find(|(_, waiting)| waiting.until <= now) {
            let id = *id;
            let Some(Waiting { client, query, has_begun, .. }) = self.questions.remove(&id) else {
                return;
            };
            self.start.counters.count(DaemonCounter::QueryUnanswered);
            if has_begun {
                self.start.server.abandon(client, &self.start.poller);
                continue;
            }
            let body = match self.start.observer.alone(&query) {
                Some(reply) => ReplyBody::Show(Box::new(reply)),
                None => ReplyBody::Error(ApiError::Busy),
            };
            self.reply(client, body);
        }
    }

    fn finish_apply(&mut self, client: u64, outcome: Result<Applied, ApiError>) {
        let event = |severity, text: String| Event {
            at: self.start.observer.now(),
            severity,
            topic: "config.apply".to_owned(),
            text,
            fields: Vec::new(),
        };
        let (events, body) = match outcome {
            Ok(Applied { changes, needs_restart, failures }) => {
                if !failures.is_empty() {
                    self.start.counters.count(DaemonCounter::ApplyIncomplete);
                }
                let failed = failures
                    .iter()
                    .map(|failure| event(Severity::Error, format!("not done: {failure}")));
                let changed = changes.iter().map(|change| event(Severity::Info, change.clone()));
                let later = needs_restart
                    .iter()
                    .map(|change| event(Severity::Warning, format!("needs a restart: {change}")));
                let events: Vec<_> = changed.chain(later).chain(failed).collect();
                (events, ReplyBody::Applied { changes, needs_restart, failures })
            }
            Err(error) => {
                self.start.counters.count(DaemonCounter::ReloadRefused);
                (vec![event(Severity::Error, error.to_string())], ReplyBody::Error(error))
            }
        };
        events.iter().for_each(|event| self.tell(event));
        self.reply(client, body);
    }
}
