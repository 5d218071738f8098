//! A tenant through all threads: a frame of a guest is learned, shown, and flushed.

use crate::bench::Bench;
use kumiki::api::show::ShowReply;
use kumiki::api::show_tenant::{MacPage, MacQuery, TenantCleared, TenantRow};
use kumiki::api::{ReplyBody, RequestBody, ShowQuery};
use kumiki::cli::client::Client;
use kumiki::cli::show::tenant::macs;
use std::path::Path;

/// Questions after which something that must come has not come.
const ASKS_MAX: usize = 100_000;

const CONFIG: &str = "[router]\nname = \"r\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n\
                      key = \"file:key\"\n\
                      [[port]]\nname = \"p1\"\ndevice = \"vdev:memory\"\nrole = \"tenant\"\n\
                      [[tenant]]\nname = \"blue\"\nid = 10\nports = [\"p1.5\"]\n";

fn ask(socket: &Path, body: RequestBody) -> ShowReply {
    match Client::connect(socket).unwrap().ask(body).unwrap() {
        ReplyBody::Show(reply) => *reply,
        other => panic!("{other:?}"),
    }
}

fn tenant(socket: &Path) -> TenantRow {
    match ask(socket, RequestBody::Show(ShowQuery::Tenant)) {
        ShowReply::Tenant(rows) => rows.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn mac_page(socket: &Path, from: u32) -> MacPage {
    let query = ShowQuery::BridgeMac(MacQuery { domain: None, from });
    match ask(socket, RequestBody::Show(query)) {
        ShowReply::BridgeMac(page) => page,
        other => panic!("{other:?}"),
    }
}

/// A broadcast of a guest in VLAN 5.
fn frame(guest: u8) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 9, guest, 0x81, 0, 0, 5, 0x88, 0xb5]);
    frame.resize(64, 0);
    frame
}

#[test]
fn macs_of_a_tenant_are_learned_and_shown_with_names() {
    let bench = Bench::new();
    std::fs::write(bench.path("key"), "a secret of enough octets\n").unwrap();
    bench.run(CONFIG, |socket| {
        let is_open = |_: &usize| tenant(socket).state == "forwarding";
        assert!((0..ASKS_MAX).any(|n| is_open(&n)), "{:?}", tenant(socket));
        bench.source.frames.lock().unwrap().extend([frame(1), frame(2)]);
        let is_learned = |_: &usize| tenant(socket).mac_count == 2;
        assert!((0..ASKS_MAX).any(|n| is_learned(&n)), "{:?}", tenant(socket));
        let counted = |_: &usize| tenant(socket).members[0].rx_frames == 2;
        assert!((0..ASKS_MAX).any(|n| counted(&n)), "{:?}", tenant(socket));
        let found = macs(socket, Some("blue")).unwrap().unwrap();
        let named: Vec<_> = found
            .macs
            .iter()
            .map(|row| (row.mac.to_string(), row.behind.clone().unwrap_or_default()))
            .collect();
        let row = |last: u8| (format!("02:00:00:00:09:0{last}"), "p1.5".to_owned());
        assert_eq!(named, [row(1), row(2)]);
        assert!(macs(socket, Some("green")).unwrap().is_none());
        // The pages one after the other are the whole table.
        let (mut count, mut from) = (0, Some(0));
        while let Some(start) = from {
            let page = mac_page(socket, start);
            assert!(page.next.is_none_or(|next| next > start), "{page:?}");
            count += page.macs.len();
            from = page.next;
        }
        assert_eq!(count, 2);
        let clear = RequestBody::ClearTenant { name: Some("blue".to_owned()) };
        let nothing = TenantCleared { is_known: true, count: 0 };
        assert_eq!(ask(socket, clear), ShowReply::TenantCleared(nothing));
        bench.blow_up();
    });
}
