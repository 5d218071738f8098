//! Long answers while the router goes on.

use crate::bench::{Bench, CONFIG};
use kumiki::api::request::RouteFilter;
use kumiki::api::show::{RouteRow, ShowReply};
use kumiki::api::{API_VERSION, Reply, ReplyBody, Request, RequestBody, ShowQuery};
use kumiki::cli::client::Client;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

const ROUTES: usize = 20_000;

#[test]
fn a_table_of_many_pages_is_one_answer_and_holds_nobody_up() {
    let bench = Bench::new();
    let prefixes: String =
        (0..ROUTES).map(|n| format!("2001:db8:{:x}:{:x}::/64\n", n >> 8, n & 0xff)).collect();
    std::fs::write(bench.path("many.txt"), prefixes).unwrap();
    let config = format!("{CONFIG}[[route]]\nprefixes = \"many.txt\"\nvia = \"blackhole\"\n");
    bench.run(&config, |socket| {
        // The main thread answers this when it has begun, so the control thread has the routes.
        let diff = RequestBody::ConfigDiff { text: config.clone(), file: None };
        Client::connect(socket).unwrap().ask(diff).unwrap();
        let body = RequestBody::Show(ShowQuery::Route(RouteFilter::default()));
        let request = Request { version: API_VERSION, body };
        let mut slow = UnixStream::connect(socket).unwrap();
        writeln!(slow, "{}", serde_json::to_string(&request).unwrap()).unwrap();
        let mut begin = [0; 100];
        slow.read_exact(&mut begin).unwrap();
        // Megabytes more are to come; others are answered meanwhile.
        let version = RequestBody::Show(ShowQuery::Version);
        let answer = Client::connect(socket).unwrap().ask(version).unwrap();
        assert!(matches!(answer, ReplyBody::Show(_)));
        let mut line = String::from_utf8(begin.to_vec()).unwrap();
        BufReader::new(slow).read_line(&mut line).unwrap();
        let reply: Reply = serde_json::from_str(&line).unwrap();
        let ReplyBody::Show(reply) = reply.body else { unreachable!("rows") };
        let ShowReply::Route(rows) = *reply else { unreachable!("routes") };
        assert!(rows.is_sorted_by_key(|row| row.prefix));
        let is_static = |row: &&RouteRow| row.target == "blackhole";
        assert_eq!(rows.iter().filter(is_static).count(), ROUTES);
        bench.blow_up();
    });
}
