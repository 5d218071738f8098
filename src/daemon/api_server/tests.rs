//! The line protocol, over a real socket and without threads.

use super::*;
use crate::api::watch::{WatchEnd, WatchEndReason, WatchStart};
use crate::api::{Severity, ShowQuery};
use crate::os::poller::Events;
use std::io::{BufRead, BufReader};

const LISTENER: u64 = 99;

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
        let server = ApiServer::new(socket, LISTENER, Arc::default());
        let poller = Poller::new().unwrap();
        server.watch(&poller).unwrap();
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
            if ready.is_empty() && !self.server.has_requests() {
                return asked;
            }
            for event in ready {
                match event.token {
                    LISTENER => self.server.accept(Instant::ZERO, &self.poller),
                    _ => self.server.serve(&self.poller, event),
                }
            }
            asked.extend(core::iter::from_fn(|| self.server.take(&self.poller)));
        }
        panic!("the poller never rests");
    }

    /// What the server keeps of a client: input and output, in octets.
    fn kept(&self, number: u64) -> (usize, usize) {
        let client = &self.server.clients[&number];
        (client.lines.len(), client.output.len())
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
    let next = bench.server.take(&bench.poller);
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
    assert!(bench.server.clients.is_empty());
}

#[test]
fn who_does_not_read_its_answers_is_not_heard() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.set_nonblocking(true).unwrap();
    let question = line(RequestBody::Show(ShowQuery::Runtime));
    let many = question.repeat(10_000);
    let (mut written, mut asked) = (0, 0);
    // As long as the kernel takes questions, and long after.
    for _ in 0..200 {
        let rest = &many.as_bytes()[written..];
        written += stream.write(&rest[..rest.len().min(4096)]).unwrap_or(0);
        for Asked { client, .. } in bench.turn() {
            asked += 1;
            let text = "x".repeat(100_000);
            bench.server.reply(client, &bench.poller, ReplyBody::Error(ApiError::Syntax(text)));
        }
        if bench.server.clients.contains_key(&100) {
            let (input, output) = bench.kept(100);
            assert!(input <= READ_BYTES && output <= 110_000, "{input} and {output} are kept");
        }
    }
    assert!((1..20).contains(&asked), "{asked} answers fit into the socket");
    assert!(written < many.len(), "the kernel holds the rest back");
    // Who reads again is heard again.
    stream.set_nonblocking(false).unwrap();
    let before = asked;
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..before + 5 {
        let mut text = String::new();
        for Asked { client, .. } in bench.turn() {
            bench.server.reply(client, &bench.poller, ReplyBody::Error(ApiError::Busy));
        }
        assert!(answers.read_line(&mut text).unwrap() > 0);
    }
}

#[test]
fn the_next_page_is_asked_for_when_the_last_is_written_out() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    let query = ShowQuery::Fib(crate::api::request::RouteFilter::default());
    stream.write_all(line(RequestBody::Show(query.clone())).as_bytes()).unwrap();
    assert_eq!(bench.turn().len(), 1);
    let row = |text: &str| crate::api::show::FibRow {
        prefix: Ipv6Prefix::DEFAULT,
        group: 1,
        target: text.to_owned(),
        next_hops: Vec::new(),
        repair: None,
    };
    let rest = Rest { query, after: Ipv6Prefix::DEFAULT };
    let page = ShowReply::Fib(vec![row(&"x".repeat(1_000_000))]);
    bench.server.reply_page(100, &bench.poller, page, Some(rest.clone()));
    assert_eq!(bench.server.take_rest(), None, "the kernel does not hold a page of this size");
    assert!(bench.kept(100).1 > 0);
    let reader = std::thread::spawn(move || answer(&stream));
    let next = loop {
        bench.poller.wait(Some(Duration::from_secs(20)), &mut bench.events).unwrap();
        assert!(!bench.events.is_empty(), "the reader reads");
        bench.events.iter().for_each(|event| bench.server.serve(&bench.poller, event));
        if let Some(next) = bench.server.take_rest() {
            break next;
        }
    };
    assert_eq!(next, (100, rest));
    bench.server.reply_page(100, &bench.poller, ShowReply::Fib(vec![row("y")]), None);
    let ReplyBody::Show(reply) = reader.join().unwrap() else { unreachable!("rows") };
    let ShowReply::Fib(rows) = *reply else { unreachable!("rows of the FIB") };
    assert_eq!((rows.len(), rows[1].target.as_str()), (2, "y"));
    assert_eq!(bench.server.take_rest(), None);
    bench.turn();
    assert!(bench.server.clients.is_empty(), "the reader has gone");
}

#[test]
fn one_that_asks_without_end_lets_others_have_their_turn() {
    let mut bench = Bench::new();
    let (mut loud, mut quiet) = (bench.connect(), bench.connect());
    loud.write_all(&b"nonsense\n".repeat(LINES_PER_TURN * 10)).unwrap();
    quiet.write_all(line(RequestBody::Monitor).as_bytes()).unwrap();
    bench.poller.wait(Some(Duration::ZERO), &mut bench.events).unwrap();
    bench.server.accept(Instant::ZERO, &bench.poller);
    bench.poller.wait(Some(Duration::ZERO), &mut bench.events).unwrap();
    for event in bench.events.iter() {
        bench.server.serve(&bench.poller, event);
    }
    // The second client is asked for its line after one of the first.
    let asked = bench.server.take(&bench.poller);
    assert_eq!(asked, Some(Asked { client: 101, body: RequestBody::Monitor }));
    for _ in 0..9 {
        assert_eq!(bench.server.take(&bench.poller), None);
        assert!(bench.server.has_requests(), "a turn ends before the lines do");
    }
}

#[test]
fn a_request_that_is_too_long_is_answered_and_not_kept() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.set_nonblocking(true).unwrap();
    let request = vec![b'x'; REQUEST_BYTES_MAX + 100_000];
    let mut written = 0;
    while written < request.len() {
        written += stream.write(&request[written..]).unwrap_or(0);
        assert!(bench.turn().is_empty());
    }
    assert_eq!(bench.kept(100), (0, 0));
    stream.write_all(b"\n").unwrap();
    stream.write_all(line(RequestBody::Monitor).as_bytes()).unwrap();
    assert_eq!(bench.turn().len(), 1, "the next request is understood");
    stream.set_nonblocking(false).unwrap();
    let ReplyBody::Error(ApiError::Syntax(text)) = answer(&stream) else {
        unreachable!("the request is refused")
    };
    assert!(text.contains("4194304 octets"), "{text}");
    assert_eq!(bench.count(DaemonCounter::RequestTooLong), 1);
}

#[test]
fn monitors_get_events_and_a_slow_one_is_cut_off() {
    let mut bench = Bench::new();
    let stream = bench.connect();
    bench.turn();
    bench.server.make_monitor(100, &bench.poller);
    bench.server.broadcast(&event(1), &bench.poller);
    assert_eq!(answer(&stream), ReplyBody::Event(event(1)));
    for _ in 0..40 {
        bench.server.broadcast(&event(100_000), &bench.poller);
    }
    assert!(bench.server.clients.is_empty());
    assert_eq!(bench.count(DaemonCounter::ClientSlow), 1);
}

#[test]
fn monitors_that_are_gone_make_room_before_anything_happens() {
    let mut bench = Bench::new();
    let monitors: Vec<_> = (0..CLIENTS_MAX)
        .map(|_| {
            let mut stream = bench.connect();
            stream.write_all(line(RequestBody::Monitor).as_bytes()).unwrap();
            stream
        })
        .collect();
    for Asked { client, .. } in bench.turn() {
        bench.server.make_monitor(client, &bench.poller);
    }
    assert_eq!(bench.server.clients.len(), CLIENTS_MAX);
    for (number, stream) in monitors.into_iter().enumerate() {
        match number % 2 {
            0 => drop(stream),
            _ => stream.shutdown(std::net::Shutdown::Write).unwrap(),
        }
    }
    bench.turn();
    assert!(bench.server.clients.is_empty());
    let _stream = bench.connect();
    bench.turn();
    assert_eq!((bench.server.clients.len(), bench.count(DaemonCounter::ClientRefused)), (1, 0));
}

#[test]
fn a_client_that_cannot_be_taken_does_not_keep_the_poller_awake() {
    let mut bench = Bench::new();
    let _stream = bench.connect();
    let (now, pause) = (Instant::from_millis(5), io::Error::from_raw_os_error(libc::EMFILE));
    bench.server.pause(now, &bench.poller, &pause);
    assert_eq!(bench.count(DaemonCounter::AcceptFailed), 1);
    let at = bench.server.listens_at().expect("a pause with an end");
    assert_eq!(at, now + ACCEPT_PAUSE);
    bench.server.listen_again(now, &bench.poller);
    bench.turn();
    assert!(bench.server.clients.is_empty(), "nobody is let in before the pause is over");
    bench.server.listen_again(at, &bench.poller);
    assert_eq!(bench.server.listens_at(), None);
    bench.turn();
    assert_eq!(bench.server.clients.len(), 1);
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

#[test]
fn a_stream_ends_when_its_client_wants_no_more_and_not_before_the_last_word() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(line(RequestBody::Monitor).as_bytes()).unwrap();
    let client = bench.turn()[0].client;
    let start = WatchStart { router: "r".to_owned(), ports: Vec::new() };
    bench.server.begin_stream(client, &bench.poller, ReplyBody::WatchStarted(start.clone()));
    let quiet = StreamState { owed_bytes: 0, has_ended: false };
    assert_eq!(bench.server.stream_state(client), Some(quiet));
    bench.server.broadcast(&event(5), &bench.poller);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    bench.turn();
    assert!(bench.server.stream_state(client).is_some_and(|state| state.has_ended));
    let end = WatchEnd { reason: WatchEndReason::Client, packet_count: 3, lost_count: 1 };
    bench.server.reply(client, &bench.poller, ReplyBody::WatchEnded(end));
    assert_eq!(bench.server.stream_state(client), None);
    assert_eq!(answer(&stream), ReplyBody::WatchStarted(start));
    assert_eq!(answer(&stream), ReplyBody::WatchEnded(end), "no event in between");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_a_streaming_client_owes_is_known_and_its_death_is_noticed() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    stream.write_all(line(RequestBody::Monitor).as_bytes()).unwrap();
    let client = bench.turn()[0].client;
    let start = WatchStart { router: "r".to_owned(), ports: Vec::new() };
    bench.server.begin_stream(client, &bench.poller, ReplyBody::WatchStarted(start));
    let owed = |bench: &Bench| bench.server.stream_state(client).map_or(0, |s| s.owed_bytes);
    while owed(&bench) == 0 {
        bench.server.stream(client, &bench.poller, ReplyBody::Event(event(100_000)));
    }
    drop(stream);
    bench.turn();
    bench.server.stream(client, &bench.poller, ReplyBody::Event(event(5)));
    assert_eq!(bench.server.stream_state(client), None);
}
