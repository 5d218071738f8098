//! The server of the control socket: lines in, lines out, for several clients at once.
//!
//! Owns the clients and their buffers; what a request means is the host thread's.
//!
//! *Invariants*: nothing blocks. A client has at most one request under way; further lines wait in
//! its input. An answer may be of any length, since nothing follows before it is read; of events a
//! client may owe at most [`EVENT_BYTES_MAX`], then it is cut off and counted. Longer requests than
//! [`REQUEST_BYTES_MAX`] end the connection.

use crate::api::{API_VERSION, ApiError, Event, Reply, ReplyBody, Request, RequestBody};
use crate::daemon::counters::{DaemonCounter, DaemonCounters};
use crate::daemon::socket::ControlSocket;
use crate::os::poller::{self, Interest, Poller};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Clients at a time: people, monitors, exporters.
pub const CLIENTS_MAX: usize = 64;
/// Longest line of a client: a configuration file of the largest clusters, as JSON.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;
/// Events a monitor may be behind, in octets: some thousand.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Octets read from a client before others get their turn.
const READ_BYTES: usize = 64 << 10;

const _: () = assert!(CLIENTS_MAX < super::messages::JOBS_MAX);

/// A request and who asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// The client, to be answered by [`ApiServer::reply`].
    pub client: u64,
    /// What it wants.
    pub body: RequestBody,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// A request is under way.
    is_waiting: bool,
    is_monitor: bool,
    /// It will send no more.
    has_ended: bool,
    is_watched: bool,
    is_watched_for_output: bool,
}

/// The server; one per router, owned by the host thread.
#[derive(Debug)]
pub struct ApiServer {
    socket: ControlSocket,
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    counters: Arc<DaemonCounters>,
}

impl ApiServer {
    /// Serves on `socket`; the numbers of clients, which are also their tokens in the poller, start
    /// at `first_client`.
    pub fn new(socket: ControlSocket, first_client: u64, counters: Arc<DaemonCounters>) -> Self {
        Self { socket, clients: BTreeMap::new(), next_client: first_client, counters }
    }

    /// Has the listener watched.
    pub fn watch(&self, poller: &Poller, token: u64) -> io::Result<()> {
        poller.add(self.socket.listener().as_fd(), token)
    }

    /// Takes the clients that knocked.
    pub fn accept(&mut self, poller: &Poller) {
        for _ in 0..CLIENTS_MAX {
            let Ok((stream, _)) = self.socket.listener().accept() else { return };
            let token = self.next_client;
            let is_ready = self.clients.len() < CLIENTS_MAX
                && stream.set_nonblocking(true).is_ok()
                && poller.add(stream.as_fd(), token).is_ok();
            if !is_ready {
                self.counters.count(DaemonCounter::ClientRefused);
                continue;
            }
            self.next_client += 1;
            let client = Client {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                written: 0,
                is_waiting: false,
                is_monitor: false,
                has_ended: false,
                is_watched: true,
                is_watched_for_output: false,
            };
            self.clients.insert(token, client);
        }
    }

    /// Reads from and writes to a client as far as it goes; gives its next request, if any.
    pub fn serve(&mut self, poller: &Poller, event: poller::Event) -> Option<Asked> {
        let number = event.token;
        let client = self.clients.get_mut(&number)?;
        if event.is_readable && !client.has_ended {
            match client.read() {
                Ok(()) if client.input.len() > REQUEST_BYTES_MAX => {
                    self.counters.count(DaemonCounter::RequestTooLong);
                    self.cut(number, poller);
                    return None;
                }
                Ok(()) => {}
                Err(_) => {
                    self.cut(number, poller);
                    return None;
                }
            }
        }
        self.flush(number, poller);
        self.next_request(number, poller)
    }

    /// The next line of a client that waits for nothing. Lines that are no requests are answered
    /// here.
    pub fn next_request(&mut self, number: u64, poller: &Poller) -> Option<Asked> {
        loop {
            let client = self.clients.get_mut(&number)?;
            if client.is_waiting || client.is_monitor {
                return None;
            }
            let Some(line) = client.take_line() else {
                if client.has_ended && client.output.is_empty() {
                    self.cut(number, poller);
                }
                return None;
            };
            match understand(&line) {
                Ok(body) => {
                    client.is_waiting = true;
                    return Some(Asked { client: number, body });
                }
                Err(error) => self.send(number, poller, ReplyBody::Error(error)),
            }
        }
    }

    /// Answers the request of a client; one that has gone is none.
    pub fn reply(&mut self, number: u64, poller: &Poller, body: ReplyBody) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.is_waiting = false;
            self.send(number, poller, body);
        }
    }

    /// Sends a client events from now on.
    pub fn make_monitor(&mut self, number: u64) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.is_monitor = true;
            client.is_waiting = false;
        }
    }

    /// Sends an event to every monitor.
    pub fn broadcast(&mut self, event: &Event, poller: &Poller) {
        let monitors: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, client)| client.is_monitor)
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

    fn flush(&mut self, number: u64, poller: &Poller) {
        let Some(client) = self.clients.get_mut(&number) else { return };
        if client.write().and_then(|()| client.set_watch(poller, number)).is_err() {
            self.cut(number, poller);
        }
    }

    fn cut(&mut self, number: u64, poller: &Poller) {
        if let Some(client) = self.clients.remove(&number)
            && client.is_watched
        {
            let _ = poller.remove(client.stream.as_fd());
        }
    }
}

impl Client {
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut count = 0;
        while count < READ_BYTES {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.has_ended = true;
                    return Ok(());
                }
                Ok(read) => {
                    self.input.extend_from_slice(buffer.get(..read).unwrap_or(&[]));
                    count += read;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.input.iter().position(|octet| *octet == b'\n')?;
        let rest = self.input.split_off(end + 1);
        let mut line = core::mem::replace(&mut self.input, rest);
        line.pop();
        Some(line)
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

    /// Watches for input until the client has ended, for output while there is some: whatever else
    /// would end every wait at once.
    fn set_watch(&mut self, poller: &Poller, token: u64) -> io::Result<()> {
        let (input, output) = (!self.has_ended, !self.output.is_empty());
        let fd = self.stream.as_fd();
        let interest = match (input, output) {
            (true, true) => Interest::Both,
            (true, false) => Interest::Readable,
            (false, true) => Interest::Writable,
            (false, false) => {
                if core::mem::take(&mut self.is_watched) {
                    poller.remove(fd)?;
                }
                return Ok(());
            }
        };
        if !self.is_watched {
            poller.add_for(fd, token, interest)?;
        } else if output != self.is_watched_for_output || !input {
            poller.change(fd, token, interest)?;
        }
        self.is_watched = true;
        self.is_watched_for_output = output;
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
