//! Captures and traces of a router that runs: through its socket, and by the commands.

use crate::bench::{Bench, CONFIG, MAC};
use kumiki::api::show::ShowReply;
use kumiki::api::watch::{Direction, WatchEndReason, WatchKind};
use kumiki::api::{
    API_VERSION, ApiError, Reply, ReplyBody, Request, RequestBody, ShowQuery, WatchEnd,
    WatchRequest,
};
use kumiki::cli::client::{Client, ClientError};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// UDP to an address that has no route.
fn frame() -> Vec<u8> {
    let mut frame = [&MAC.0[..], &[2, 0, 0, 0, 1, 1], &[0x86, 0xdd]].concat();
    frame.extend([0x60, 0, 0, 0, 0, 8, 17, 64]);
    frame.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    frame.extend("2001:db8::2".parse::<std::net::Ipv6Addr>().unwrap().octets());
    frame.extend([0, 7, 0, 9, 0, 8, 0, 0]);
    frame
}

fn request(kind: WatchKind, filter: &str) -> WatchRequest {
    WatchRequest {
        kind,
        port: None,
        filter: filter.to_owned(),
        snap_octets: 9234,
        packets_max: 3,
        bytes_max: 1_000_000,
        time_ms_max: 600_000,
    }
}

fn watch(socket: &Path, request: WatchRequest) -> (Vec<ReplyBody>, WatchEnd) {
    let mut replies = Vec::new();
    let client = Client::connect(socket).unwrap();
    let end = client.watch(request, |body| {
        replies.push(body.clone());
        Ok(())
    });
    (replies, end.unwrap())
}

#[test]
fn frames_drops_and_ways_are_told_up_to_a_bound() {
    let bench = Bench::new();
    *bench.source.flood.lock().unwrap() = Some(frame());
    bench.run(CONFIG, |socket| {
        let (replies, end) = watch(socket, request(WatchKind::Traffic, "udp and dst port 9"));
        assert_eq!((end.reason, end.packet_count), (WatchEndReason::Packets, 3));
        let ReplyBody::WatchStarted(start) = &replies[0] else { unreachable!("a beginning") };
        assert_eq!((start.router.as_str(), &start.ports[..]), ("r", &["p1".to_owned()][..]));
        let ReplyBody::Packet(row) = &replies[1] else { unreachable!("a packet") };
        assert_eq!((row.direction, row.port.as_deref()), (Direction::In, Some("p1")));
        assert_eq!(row.octets.0, frame());
        assert!(row.time_ns > 1_600_000_000_000_000_000, "the time of day");

        let bytes_max = 2 * frame().len() as u64;
        let drops = WatchRequest { bytes_max, ..request(WatchKind::Drops, "reason no_route") };
        let (replies, end) = watch(socket, drops);
        assert_eq!((end.reason, end.packet_count), (WatchEndReason::Bytes, 2));
        let ReplyBody::Packet(row) = &replies[2] else { unreachable!("a packet") };
        assert_eq!(row.drop_reason.as_deref(), Some("no_route"));

        let (replies, _) = watch(socket, request(WatchKind::Paths, "udp"));
        let ReplyBody::Path(row) = &replies[3] else { unreachable!("a path") };
        let nodes: Vec<&str> = row.steps.iter().map(|step| step.node.as_str()).collect();
        assert_eq!(nodes[..3], ["ethernet-input", "ipv6-input", "ipv6-lookup"]);
        assert_eq!(row.steps[2].reason.as_deref(), Some("no_route"));

        let short = WatchRequest { time_ms_max: 1, ..request(WatchKind::Traffic, "tcp") };
        assert_eq!(watch(socket, short).1.reason, WatchEndReason::Time);
        bench.blow_up();
    });
}

#[test]
fn what_cannot_be_watched_is_refused_with_the_remedy() {
    let bench = Bench::new();
    bench.run(CONFIG, |socket| {
        let refusal = |request| {
            let client = Client::connect(socket).unwrap();
            match client.watch(request, |_| Ok(())) {
                Err(ClientError::Refused(error)) => error,
                other => panic!("not refused: {other:?}"),
            }
        };
        let wrong = refusal(request(WatchKind::Drops, "reason nowhere"));
        assert!(matches!(wrong, ApiError::Filter(text) if text.contains("show errors --all")));
        let port = Some("p7".to_owned());
        let wrong = refusal(WatchRequest { port, ..request(WatchKind::Traffic, "") });
        assert!(matches!(wrong, ApiError::Port(text) if text.contains("the router has p1")));
        // Four at once, and another one when one of them has gone.
        let begin = || {
            let mut stream = UnixStream::connect(socket).unwrap();
            let body = RequestBody::Watch(request(WatchKind::Traffic, ""));
            let line = serde_json::to_string(&Request { version: API_VERSION, body }).unwrap();
            writeln!(stream, "{line}").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream
        };
        let mut open: Vec<UnixStream> = (0..4).map(|_| begin()).collect();
        let wrong = refusal(request(WatchKind::Traffic, ""));
        assert!(matches!(wrong, ApiError::Watch(text) if text.contains("end one of them")));
        open.pop();
        *bench.source.flood.lock().unwrap() = Some(frame());
        loop {
            let client = Client::connect(socket).unwrap();
            match client.watch(request(WatchKind::Traffic, ""), |_| Ok(())) {
                Ok(end) => break assert_eq!(end.packet_count, 3),
                // Its death is noticed by the next turn of the host thread.
                Err(ClientError::Refused(ApiError::Watch(_))) => std::thread::yield_now(),
                Err(other) => panic!("{other}"),
            }
        }
        bench.blow_up();
    });
}

fn error_count(socket: &Path, name: &str) -> u64 {
    let query = RequestBody::Show(ShowQuery::Errors { all: true });
    let ReplyBody::Show(reply) = Client::connect(socket).unwrap().ask(query).unwrap() else {
        unreachable!("rows")
    };
    let ShowReply::Errors(rows) = *reply else { unreachable!("errors") };
    rows.iter().find(|row| row.name == name).map_or(0, |row| row.count)
}

#[test]
fn a_client_that_does_not_read_costs_little_and_hears_what_it_lost() {
    let bench = Bench::new();
    *bench.source.flood.lock().unwrap() = Some(frame());
    bench.run(CONFIG, |socket| {
        let mut slow = UnixStream::connect(socket).unwrap();
        let all = WatchRequest {
            packets_max: 1_000_000_000,
            bytes_max: u64::MAX,
            ..request(WatchKind::Traffic, "")
        };
        let body = RequestBody::Watch(all);
        let line = serde_json::to_string(&Request { version: API_VERSION, body }).unwrap();
        writeln!(slow, "{line}").unwrap();
        // Others are answered meanwhile.
        while error_count(socket, "capture_lost") < 100_000 {}
        slow.shutdown(Shutdown::Write).unwrap();
        let mut octets = 0;
        let mut last = String::new();
        for line in BufReader::new(slow).lines() {
            last = line.unwrap();
            octets += last.len();
        }
        let reply: Reply = serde_json::from_str(&last).unwrap();
        let ReplyBody::WatchEnded(end) = reply.body else { unreachable!("the end: {last}") };
        assert_eq!(end.reason, WatchEndReason::Client);
        assert!(end.lost_count >= 100_000, "{end:?}");
        assert!(octets < 4 << 20, "{octets} octets waited for a client that does not read");
        bench.blow_up();
    });
}

#[test]
fn the_command_writes_a_file_that_names_ports_and_reasons() {
    let bench = Bench::new();
    *bench.source.flood.lock().unwrap() = Some(frame());
    let file = bench.path("drops.pcapng");
    bench.run(CONFIG, |socket| {
        let command = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
            command.args(arguments).env("KUMIKI_SOCKET", socket);
            command
        };
        let path = file.display().to_string();
        let arguments = ["capture", "--drops", "--port", "p1", "--count", "5", "-w", &path];
        let output = command(&arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.starts_with("5 packets"), "{errors}");

        let lines = ["capture", "--filter", "udp", "--count", "2"];
        let output = command(&lines).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("p1 in 2001:db8::1.7 > 2001:db8::2.9 udp"), "{text}");

        let output = command(&["trace", "--count", "1"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("dropped: no_route") && text.contains("└─ "), "{text}");

        let output = command(&["capture", "--filter", "hots ::1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("^^^^ `host` is a word"), "{errors}");

        let mut child = command(&["capture", "-w", "-", "--count", "1000000000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 4096]).unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        output.read_to_end(&mut Vec::new()).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.contains("; interrupted"), "{errors}");
        bench.blow_up();
    });
    let bytes = std::fs::read(&file).unwrap();
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let mut drops = 0;
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap().0 {
            assert_eq!(&*packet.data, frame());
            let has_comment = packet.options.iter().any(|option| {
                matches!(option, EnhancedPacketOption::Common(comment)
                         if format!("{comment:?}").contains("drop: no_route"))
            });
            assert!(has_comment, "{:?}", packet.options);
            drops += 1;
        }
    }
    assert_eq!(drops, 5);
}
