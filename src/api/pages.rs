//! A long answer, page by page, as the one line that it is.
//!
//! Owns [`Pages`]: which octets each page adds. Who makes the pages, and when, is the driver's.
//!
//! *Invariants*: the pieces one after the other are what the whole answer would be at once.

use crate::api::API_VERSION;
use crate::api::reply::{Reply, ReplyBody};
use crate::api::show::ShowReply;

/// What follows the rows of an answer in its line.
const TAIL: &[u8] = b"]}}}";

/// How far an answer has come; one for each that is under way.
#[derive(Debug, Default)]
pub struct Pages {
    has_begun: bool,
    has_rows: bool,
}

impl Pages {
    /// The octets of the next page of a table; with the last one the line ends.
    pub fn add(&mut self, page: ShowReply, is_last: bool) -> serde_json::Result<Vec<u8>> {
        let line = |reply: ShowReply| {
            let body = ReplyBody::Show(Box::new(reply));
            serde_json::to_vec(&Reply { version: API_VERSION, body })
        };
        let head = match &page {
            ShowReply::Route(_) => line(ShowReply::Route(Vec::new()))?,
            ShowReply::Fib(_) => line(ShowReply::Fib(Vec::new()))?,
            ShowReply::BgpRoute(_) => line(ShowReply::BgpRoute(Vec::new()))?,
            ShowReply::BgpAdvertised(_) => line(ShowReply::BgpAdvertised(Vec::new()))?,
            ShowReply::BgpReceived(_) => line(ShowReply::BgpReceived(Vec::new()))?,
            ShowReply::RpkiVrp(_) => line(ShowReply::RpkiVrp(Vec::new()))?,
            _ => unreachable!("only tables without a limit have pages"),
        };
        let head = head.strip_suffix(TAIL).unwrap_or(&head);
        let page = line(page)?;
        let rows = page.strip_prefix(head).and_then(|rest| rest.strip_suffix(TAIL));
        let rows = rows.unwrap_or_else(|| unreachable!("a table is its rows between two ends"));
        let mut octets = Vec::with_capacity(page.len() + 1);
        if !core::mem::replace(&mut self.has_begun, true) {
            octets.extend_from_slice(head);
        }
        if !rows.is_empty() && core::mem::replace(&mut self.has_rows, true) {
            octets.push(b',');
        }
        octets.extend_from_slice(rows);
        if is_last {
            octets.extend_from_slice(TAIL);
            octets.push(b'\n');
        }
        Ok(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::show::FibRow;
    use crate::base::prefix::Ipv6Prefix;

    fn row(number: u16) -> FibRow {
        let address = core::net::Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0);
        let prefix = Ipv6Prefix::containing(address, 48);
        FibRow {
            prefix,
            group: number,
            target: "forward".to_owned(),
            next_hops: Vec::new(),
            repair: None,
        }
    }

    #[test]
    fn pages_are_together_what_the_answer_is_at_once() {
        for sizes in [&[0][..], &[3], &[0, 2], &[2, 0, 0, 1], &[1, 1, 0]] {
            let (mut pages, mut octets, mut rows) = (Pages::default(), Vec::new(), Vec::new());
            for (place, size) in sizes.iter().enumerate() {
                let page: Vec<FibRow> = (0..*size).map(row).collect();
                rows.extend(page.clone());
                let is_last = place + 1 == sizes.len();
                octets.extend(pages.add(ShowReply::Fib(page), is_last).unwrap());
            }
            let body = ReplyBody::Show(Box::new(ShowReply::Fib(rows)));
            let whole = serde_json::to_string(&Reply { version: API_VERSION, body }).unwrap();
            assert_eq!(String::from_utf8(octets).unwrap(), whole + "\n", "{sizes:?}");
        }
    }
}
