//! The server of the control socket: lines in, lines out, for several clients at once.
//!
//! Owns the clients and what they owe and are owed; what a request means is the host thread's.
//!
//! *Invariants*: nothing blocks, and no client holds the others up: their lines are taken in turn,
//! [`LINES_PER_TURN`] at most before something else is done. A client has at most one request under
//! way, and none is taken, nor read from the socket, while an answer is not written out: who does
//! not read is not heard. So it costs the longest line ([`REQUEST_BYTES_MAX`]; what is longer is
//! answered with an error), and one answer, or one page of a long one. Of events a client may owe
//! at most [`EVENT_BYTES_MAX`], then it is cut off and counted.

use crate::api::pages::Pages;
use crate::api::show::ShowReply;
use crate::api::{API_VERSION, ApiError, Event, Reply, ReplyBody, Request, RequestBody, ShowQuery};
use crate::base::prefix::Ipv6Prefix;
use crate::base::time::{Duration, Instant};
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::lines::{Line, Lines};
use crate::daemon::socket::ControlSocket;
use crate::os::poller::{self, Interest, Poller};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Clients at a time: people, monitors, exporters.
pub const CLIENTS_MAX: usize = 64;
/// Longest line of a client: a configuration file of some ten thousand blocks, as JSON.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Events a monitor may be behind, in octets: some thousand.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Lines taken before packets, messages and timers are looked at again.
pub const LINES_PER_TURN: usize = 16;
/// How long nobody is let in after the kernel could not give a descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Octets read from a client before others get their turn.
const READ_BYTES: usize = 64 << 10;

const _: () = assert!(CLIENTS_MAX < super::messages::JOBS_MAX);
const _: () =
    assert!(CLIENTS_MAX * (REQUEST_BYTES_MAX + READ_BYTES) < 300 << 20, "for all clients");

/// A request and who asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// The client, to be answered by [`ApiServer::reply`].
    pub client: u64,
    /// What it wants.
    pub body: RequestBody,
}

/// What is left of a long answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The question.
    pub query: ShowQuery,
    /// The next page is behind this prefix.
    pub after: Ipv6Prefix,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It may ask.
    Asking,
    /// A request is under way.
    Waiting,
    /// It hears events.
    Listening,
    /// It hears of packets until it or a bound of its request ends that.
    Streaming,
}

/// How far a client with a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Octets that it has not read.
    pub owed_bytes: usize,
    /// It wants no more.
    pub has_ended: bool,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    stage: Stage,
    lines: Lines,
    output: Vec<u8>,
    written: usize,
    /// The answer under way, where it has pages.
    pages: Pages,
    /// What is asked for when the page before it is written out.
    rest: Option<Rest>,
    /// It will send no more.
    has_ended: bool,
    /// It stands among those whose lines are to be taken.
    is_queued: bool,
    watched: Option<Interest>,
}

/// The server; one per router, owned by the host thread.
#[derive(Debug)]
pub struct ApiServer {
    socket: ControlSocket,
    clients: BTreeMap<u64, Client>,
    /// Clients with a line to be taken, each once, the longest waiting first.
    ready: VecDeque<u64>,
    /// Clients to which a page is written that is not the last.
    hungry: VecDeque<u64>,
    next_client: u64,
    listener_token: u64,
    /// When the listener is watched again, after a client could not be taken.
    listens_at: Option<Instant>,
    /// Nobody could be taken the last time, which was said.
    is_starved: bool,
    counters: Arc<DaemonCounters>,
}

impl ApiServer {
    /// Serves on `socket`, whose token in the poller is `listener`; the numbers of clients, which
    /// are also their tokens, follow.
    pub fn new(socket: ControlSocket, listener: u64, counters: Arc<DaemonCounters>) -> Self {
        Self {
            socket,
            clients: BTreeMap::new(),
            ready: VecDeque::new(),
            hungry: VecDeque::new(),
            next_client: listener + 1,
            listener_token: listener,
            listens_at: None,
            is_starved: false,
            counters,
        }
    }

    /// Has the listener watched.
    pub fn watch(&self, poller: &Poller) -> io::Result<()> {
        poller.add(self.socket.listener().as_fd(), self.listener_token)
    }

    /// When [`Self::listen_again`] has something to do.
    pub fn listens_at(&self) -> Option<Instant> {
        self.listens_at
    }

    /// Watches the listener again when the pause is over.
    pub fn listen_again(&mut self, now: Instant, poller: &Poller) {
        if self.listens_at.is_some_and(|at| at <= now) {
            self.listens_at = self.watch(poller).err().map(|_| now + ACCEPT_PAUSE);
        }
    }

    /// A client that cannot be taken knocks on: without a pause, every wait would end at once until
    /// somebody gives a descriptor back.
    fn pause(&mut self, now: Instant, poller: &Poller, error: &io::Error) {
        self.counters.count(DaemonCounter::AcceptFailed);
        if !core::mem::replace(&mut self.is_starved, true) {
            tracing::warn!(topic = "daemon.socket", "cannot take clients: {error}");
        }
        let _ = poller.remove(self.socket.listener().as_fd());
        self.listens_at = Some(now + ACCEPT_PAUSE);
    }

    /// Takes the clients that knocked.
    pub fn accept(&mut self, now: Instant, poller: &Poller) {
        for _ in 0..CLIENTS_MAX {
            match self.socket.listener().accept() {
                Ok((stream, _)) => self.admit(stream, poller),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    // accept(2): the next one may be fine.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return self.pause(now, poller, &error),
                },
            }
        }
    }

    fn admit(&mut self, stream: UnixStream, poller: &Poller) {
        self.is_starved = false;
        let token = self.next_client;
        let is_ready = self.clients.len() < CLIENTS_MAX
            && stream.set_nonblocking(true).is_ok()
            && poller.add(stream.as_fd(), token).is_ok();
        if !is_ready {
            return self.counters.count(DaemonCounter::ClientRefused);
        }
        self.next_client += 1;
        let client = Client {
            stream,
            stage: Stage::Asking,
            lines: Lines::new(REQUEST_BYTES_MAX),
            output: Vec::new(),
            written: 0,
            pages: Pages::default(),
            rest: None,
            has_ended: false,
            is_queued: false,
            watched: Some(Interest::Readable),
        };
        self.clients.insert(token, client);
    }

    /// Reads from and writes to a client as far as it goes.
    pub fn serve(&mut self, poller: &Poller, event: poller::Event) {
        let number = event.token;
        let Some(client) = self.clients.get_mut(&number) else { return };
        if event.is_readable && client.is_heard() && client.read().is_err() {
            return self.cut(number, poller);
        }
        self.flush(number, poller);
    }

    /// Whether [`Self::take`] may have a request, or [`Self::take_rest`] something.
    pub fn has_requests(&self) -> bool {
        !self.ready.is_empty() || !self.hungry.is_empty()
    }

    /// A client to which all pages so far are written, and what is left of its answer; answered by
    /// [`Self::reply_page`] or [`Self::abandon`].
    pub fn take_rest(&mut self) -> Option<(u64, Rest)> {
        loop {
            let number = self.hungry.pop_front()?;
            let client = self.clients.get_mut(&number);
            if let Some(rest) = client.and_then(|client| client.rest.take()) {
                return Some((number, rest));
            }
        }
    }

    /// Answers the request of a client with a page; `rest` is what follows.
    pub fn reply_page(
        &mut self,
        number: u64,
        poller: &Poller,
        page: ShowReply,
        rest: Option<Rest>,
    ) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        match client.pages.add(page, rest.is_none()) {
            Ok(octets) => client.output.extend(octets),
            Err(_) => return self.cut(number, poller),
        }
        client.rest = rest;
        if client.rest.is_none() {
            client.pages = Pages::default();
            client.stage = Stage::Asking;
        }
        self.flush(number, poller);
    }

    /// An answer that has begun cannot be ended as it should: the client is cut off, which it
    /// cannot take for the end.
    pub fn abandon(&mut self, number: u64, poller: &Poller) {
        self.cut(number, poller);
    }

    /// The request of the client whose turn it is. Lines that are no requests are answered here.
    pub fn take(&mut self, poller: &Poller) -> Option<Asked> {
        for _ in 0..LINES_PER_TURN {
            let number = self.ready.pop_front()?;
            let Some(client) = self.clients.get_mut(&number) else { continue };
            client.is_queued = false;
            if !client.may_ask() {
                continue;
            }
            let request = match client.lines.take() {
                None => continue,
                Some(Line::Whole(line)) => understand(&line),
                Some(Line::TooLong) => {
                    self.counters.count(DaemonCounter::RequestTooLong);
                    let text = format!("a line of more than {REQUEST_BYTES_MAX} octets");
                    Err(ApiError::Syntax(text))
                }
            };
            match request {
                Ok(body) => {
                    client.stage = Stage::Waiting;
                    self.flush(number, poller);
                    return Some(Asked { client: number, body });
                }
                Err(error) => self.send(number, poller, ReplyBody::Error(error)),
            }
        }
        None
    }

    /// Answers the request of a client; one that has gone is none.
    pub fn reply(&mut self, number: u64, poller: &Poller, body: ReplyBody) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.stage = Stage::Asking;
            self.send(number, poller, body);
        }
    }

    /// Sends a client events from now on.
    pub fn make_monitor(&mut self, number: u64, poller: &Poller) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.stage = Stage::Listening;
            self.flush(number, poller);
        }
    }

    /// Sends a client what it gets one by one from now on; [`Self::reply`] ends that.
    pub fn begin_stream(&mut self, number: u64, poller: &Poller, first: ReplyBody) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.stage = Stage::Streaming;
            self.send(number, poller, first);
        }
    }

    /// Sends a client the next piece.
    pub fn stream(&mut self, number: u64, poller: &Poller, body: ReplyBody) {
        self.send(number, poller, body);
    }

    /// How far a client with a stream is; `None` where it has gone.
    pub fn stream_state(&self, number: u64) -> Option<StreamState> {
        let client = self.clients.get(&number).filter(|c| c.stage == Stage::Streaming)?;
        let owed_bytes = client.output.len() - client.written;
        Some(StreamState { owed_bytes, has_ended: client.has_ended })
    }

    /// Sends an event to every monitor.
    pub fn broadcast(&mut self, event: &Event, poller: &Poller) {
        let monitors: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| client.stage == Stage::Listening)
            .map(|(number, _)| *number)
            .collect();
        for number in monitors {
            let owed = self.clients.get(&number).map_or(0, |c| c.output.len() - c.written);
            if owed > EVENT_BYTES_MAX {
                self.counters.count(DaemonCounter::ClientSlow);
                self.cut(number, poller);
            } else {
                self.send(number, poller, ReplyBody::Event(event.clone()));
            }
        }
    }

    fn send(&mut self, number: u64, poller: &Poller, body: ReplyBody) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        let reply = Reply { version: API_VERSION, body };
        // Replies are made of texts and numbers, which JSON has words for.
        if serde_json::to_writer(&mut client.output, &reply).is_ok() {
            client.output.push(b'\n');
        }
        self.flush(number, poller);
    }

    /// Writes what can be written, then sees what the client may do next.
    fn flush(&mut self, number: u64, poller: &Poller) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        if client.write().is_err() || client.is_done() {
            return self.cut(number, poller);
        }
        if client.rest.is_some() && client.output.is_empty() {
            self.hungry.push_back(number);
        }
        if client.may_ask() && !client.is_queued {
            client.is_queued = true;
            self.ready.push_back(number);
        }
        if client.set_watch(poller, number).is_err() {
            self.cut(number, poller);
        }
    }

    fn cut(&mut self, number: u64, poller: &Poller) {
        if let Some(client) = self.clients.remove(&number)
            && client.watched.is_some()
        {
            let _ = poller.remove(client.stream.as_fd());
        }
    }
}

impl Client {
    /// Whether its next line may be taken: what was asked is answered, the answer is read.
    fn may_ask(&self) -> bool {
        self.stage == Stage::Asking && self.output.is_empty() && self.lines.has_line()
    }

    /// Whether its socket is read: there is nothing of it to be done first.
    fn is_heard(&self) -> bool {
        let is_idle = self.output.is_empty() && !self.lines.has_line();
        !self.has_ended
            && match self.stage {
                Stage::Asking => is_idle,
                Stage::Waiting => false,
                // What it says means nothing, but its end does.
                Stage::Listening | Stage::Streaming => true,
            }
    }

    /// Whether it has ended and has all that it asked for. A monitor never has: whether it reads on
    /// is not known before the next event, so its end is taken at its word.
    fn is_done(&self) -> bool {
        self.has_ended
            && match self.stage {
                Stage::Asking => self.output.is_empty() && !self.lines.has_line(),
                // The end of a stream is on its way.
                Stage::Waiting | Stage::Streaming => false,
                Stage::Listening => true,
            }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut count = 0;
        while count < READ_BYTES {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.has_ended = true;
                    return Ok(());
                }
                Ok(read) if matches!(self.stage, Stage::Listening | Stage::Streaming) => {
                    count += read;
                }
                Ok(read) => {
                    self.lines.push(buffer.get(..read).unwrap_or(&[]));
                    count += read;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What is read already need not be kept while more is appended.
                    self.output.drain(..self.written);
                    self.written = 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output = Vec::new();
        self.written = 0;
        Ok(())
    }

    /// Watches for input while it is heard, for output while there is some: whatever else would end
    /// every wait at once.
    fn set_watch(&mut self, poller: &Poller, token: u64) -> io::Result<()> {
        let wanted = match (self.is_heard(), !self.output.is_empty()) {
            (true, true) => Some(Interest::Both),
            (true, false) => Some(Interest::Readable),
            (false, true) => Some(Interest::Writable),
            (false, false) => None,
        };
        if wanted == self.watched {
            return Ok(());
        }
        let fd = self.stream.as_fd();
        match (self.watched, wanted) {
            (None, Some(interest)) => poller.add_for(fd, token, interest)?,
            (Some(_), Some(interest)) => poller.change(fd, token, interest)?,
            (_, None) => poller.remove(fd)?,
        }
        self.watched = wanted;
        Ok(())
    }
}

/// The request in a line.
fn understand(line: &[u8]) -> Result<RequestBody, ApiError> {
    let syntax = |error: serde_json::Error| ApiError::Syntax(error.to_string());
    let value: serde_json::Value = serde_json::from_slice(line).map_err(syntax)?;
    let theirs = value.get("version").and_then(serde_json::Value::as_u64);
    let theirs = theirs.ok_or_else(|| ApiError::Syntax("`version` is missing".to_owned()))?;
    if theirs != u64::from(API_VERSION) {
        let theirs = u32::try_from(theirs).unwrap_or(u32::MAX);
        return Err(ApiError::Version { ours: API_VERSION, theirs });
    }
    serde_json::from_value::<Request>(value).map(|request| request.body).map_err(syntax)
}

#[cfg(test)]
mod tests;
