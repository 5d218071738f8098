//! An RPKI cache and a monitoring station on real sockets, and a table in a file.

use crate::bench::{Bench, CONFIG};
use kumiki::api::show::ShowReply;
use kumiki::api::show_rpki::RpkiRow;
use kumiki::api::{ReplyBody, RequestBody, ShowQuery};
use kumiki::base::cursor::Writer;
use kumiki::cli::bgp::{BgpCommand, DumpArguments, TableWord, bgp};
use kumiki::cli::client::Client;
use kumiki::cli::config::SocketArguments;
use kumiki::wire::rtr::{Change, Payload, Pdu, Version, frame};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

/// Questions after which something that must come has not come.
const ASKS_MAX: usize = 100_000;

fn rpki(socket: &Path) -> RpkiRow {
    match Client::connect(socket).unwrap().ask(RequestBody::Show(ShowQuery::Rpki)).unwrap() {
        ReplyBody::Show(reply) => match *reply {
            ShowReply::Rpki(row) => row,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cache_on_a_socket_is_asked_and_heard_and_its_end_is_noticed() {
    let bench = Bench::new();
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = format!("{CONFIG}[[rpki.cache]]\naddress = \"::1\"\nport = {port}\n");
    bench.run(&config, |socket| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut query = [0; 8];
        stream.read_exact(&mut query).unwrap();
        let query = frame(&query).unwrap().unwrap();
        assert_eq!(Pdu::decode(query), Ok((Version::One, Pdu::ResetQuery)));
        let prefix = "2001:db8::/32".parse().unwrap();
        let payload = Payload { prefix, length_max: 48, asn: 64500 };
        let mut writer = Writer::default();
        for pdu in
            [Pdu::CacheResponse { session: 7 }, Pdu::Prefix { change: Change::Announce, payload }]
        {
            pdu.encode(Version::One, &mut writer);
        }
        // Version 1 has intervals.
        writer.put(&[1, 7, 0, 7, 0, 0, 0, 24, 0, 0, 0, 1]);
        [3600, 600, 7200].into_iter().for_each(|seconds| writer.u32(seconds));
        stream.write_all(writer.as_slice()).unwrap();
        let is_here = |_: &usize| rpki(socket).vrp_count == 1;
        assert!((0..ASKS_MAX).any(|n| is_here(&n)), "{:?}", rpki(socket));
        drop(stream);
        let is_lost = |_: &usize| rpki(socket).caches[0].state == "idle";
        assert!((0..ASKS_MAX).any(|n| is_lost(&n)), "{:?}", rpki(socket));
        assert_eq!(rpki(socket).vrp_count, 1, "until it expires");
        bench.blow_up();
    });
}

#[test]
fn a_station_on_a_socket_hears_who_speaks() {
    let bench = Bench::new();
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = format!(
        "{CONFIG}[bgp]\nasn = 64512\n\
         [[bmp.station]]\naddress = \"::1\"\nport = {port}\nmonitor = [\"loc_rib\"]\n"
    );
    bench.run(&config, |_| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut kinds = Vec::new();
        while kinds.len() < 3 {
            let mut header = [0; 6];
            stream.read_exact(&mut header).unwrap();
            assert_eq!(header[0], 3, "version");
            let octets = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
            let mut body = vec![0; octets as usize - header.len()];
            stream.read_exact(&mut body).unwrap();
            kinds.push(header[5]);
        }
        // Initiation, Peer Up of the Loc-RIB, End-of-RIB.
        assert_eq!(kinds, [4, 3, 0]);
        bench.blow_up();
    });
}

#[test]
fn a_table_is_a_file_with_its_peers_first() {
    let bench = Bench::new();
    let config = format!("{CONFIG}[bgp]\nasn = 64512\n");
    bench.run(&config, |socket| {
        // The main thread answers this when it has begun, so the control thread has [bgp].
        let diff = RequestBody::ConfigDiff { text: config.clone(), file: None };
        Client::connect(socket).unwrap().ask(diff).unwrap();
        let mrt = bench.path("rib.mrt");
        let socket = SocketArguments { socket: socket.to_owned() };
        let arguments = DumpArguments { mrt: mrt.clone(), table: TableWord::LocRib, socket };
        assert_eq!(bgp(&BgpCommand::Dump(arguments)).code(), 0);
        let file = std::fs::read(mrt).unwrap();
        // TABLE_DUMP_V2, PEER_INDEX_TABLE.
        assert_eq!(file[4..8], [0, 13, 0, 1]);
        bench.blow_up();
    });
}
