//! The line protocol, over a real socket and without threads.

use super::*;
use crate::api::{Severity, ShowQuery};
use crate::base::time::Instant;
use crate::os::poller::Events;
use std::io::{BufRead, BufReader};
use std::time::Duration;

const LISTENER: u64 = 1;

struct Bench {
    server: ApiServer,
    poller: Poller,
    events: Events,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = ControlSocket::bind(&folder.path().join("s")).unwrap();
        let server = ApiServer::new(socket, 100, Arc::default());
        let poller = Poller::new().unwrap();
        server.watch(&poller, LISTENER).unwrap();
        Self { server, poller, events: Events::new(), folder }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("s")).unwrap()
    }

    /// Serves what is ready, until nothing is.
    fn turn(&mut self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for _ in 0..100 {
            self.poller.wait(Some(Duration::ZERO), &mut self.events).unwrap();
            let ready: Vec<_> = self.events.iter().collect();
            if ready.is_empty() {
                return asked;
            }
            for event in ready {
                match event.token {
                    LISTENER => self.server.accept(&self.poller),
                    _ => asked.extend(self.server.serve(&self.poller, event)),
                }
            }
        }
        panic!("the poller never rests");
    }

    fn count(&self, counter: DaemonCounter) -> u64 {
        self.server.counters.get(counter)
    }
}

fn line(body: RequestBody) -> String {
    let request = Request { version: API_VERSION, body };
    format!("{}\n", serde_json::to_string(&request).unwrap())
}

fn answer(stream: &UnixStream) -> ReplyBody {
    let mut text = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut text).unwrap();
    serde_json::from_str::<Reply>(&text).unwrap().body
}

fn event(length: usize) -> Event {
    Event {
        at: Instant::ZERO,
        severity: Severity::Info,
        topic: "t".to_owned(),
        text: "x".repeat(length),
        fields: Vec::new(),
    }
}

#[test]
fn requests_are_answered_one_after_the_other() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    let both = line(RequestBody::Show(ShowQuery::Version)) + &line(RequestBody::Monitor);
    stream.write_all(both.as_bytes()).unwrap();
    let asked = bench.turn();
    assert_eq!(asked, [Asked { client: 100, body: RequestBody::Show(ShowQuery::Version) }]);
    bench.server.reply(100, &bench.poller, ReplyBody::Error(ApiError::Busy));
    assert_eq!(answer(&stream), ReplyBody::Error(ApiError::Busy));
    let next = bench.server.next_request(100, &bench.poller);
    assert_eq!(next, Some(Asked { client: 100, body: RequestBody::Monitor }));
}

#[test]
fn what_is_no_request_is_answered_with_the_reason() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(b"hello\n{\"version\":999,\"body\":\"monitor\"}\n").unwrap();
    assert!(bench.turn().is_empty());
    assert!(matches!(answer(&stream), ReplyBody::Error(ApiError::Syntax(_))));
    let version = ApiError::Version { ours: API_VERSION, theirs: 999 };
    assert_eq!(answer(&stream), ReplyBody::Error(version));
}

#[test]
fn who_has_said_all_still_gets_the_answer() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(line(RequestBody::Show(ShowQuery::Runtime)).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(bench.turn().len(), 1);
    assert!(bench.turn().is_empty(), "an ended client does not keep the poller awake");
    bench.server.reply(100, &bench.poller, ReplyBody::Error(ApiError::Busy));
    assert_eq!(answer(&stream), ReplyBody::Error(ApiError::Busy));
    bench.server.next_request(100, &bench.poller);
    assert!(bench.server.clients.is_empty());
}

#[test]
fn monitors_get_events_and_a_slow_one_is_cut_off() {
    let mut bench = Bench::new();
    let stream = bench.connect();
    bench.turn();
    bench.server.make_monitor(100);
    bench.server.broadcast(&event(1), &bench.poller);
    assert_eq!(answer(&stream), ReplyBody::Event(event(1)));
    for _ in 0..40 {
        bench.server.broadcast(&event(100_000), &bench.poller);
    }
    assert!(bench.server.clients.is_empty());
    assert_eq!(bench.count(DaemonCounter::ClientSlow), 1);
}

#[test]
fn clients_beyond_the_limit_are_refused() {
    let mut bench = Bench::new();
    let streams: Vec<_> = (0..=CLIENTS_MAX).map(|_| bench.connect()).collect();
    bench.turn();
    assert_eq!(bench.server.clients.len(), CLIENTS_MAX);
    assert_eq!(bench.count(DaemonCounter::ClientRefused), 1);
    drop(streams);
    bench.turn();
    assert!(bench.server.clients.is_empty());
}
