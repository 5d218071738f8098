//! Long tables, a page at a time.

use super::*;
use crate::base::prefix::Ipv6Prefix;
use crate::control::query::PAGE_PREFIXES_MAX;

const ROUTES: usize = 2 * PAGE_PREFIXES_MAX + 100;

fn routes(numbers: impl Iterator<Item = usize>) -> Config {
    let block = |number: usize| {
        format!("[[route]]\nprefix = \"2001:db8:{number:x}::/48\"\nvia = \"blackhole\"\n")
    };
    config(&(LAN.to_owned() + &numbers.map(block).collect::<String>()))
}

fn bench() -> Bench {
    let mut bench = Bench::blank();
    bench.input(Input::Configure(Box::new(routes(0..ROUTES))));
    bench
}

impl Bench {
    fn page(
        &mut self,
        query: ShowQuery,
        after: Option<Ipv6Prefix>,
    ) -> (Vec<Ipv6Prefix>, Option<Ipv6Prefix>) {
        self.plane.handle(NOW, Input::Query { id: 1, query, after });
        let mut actions = core::iter::from_fn(|| self.plane.poll_action());
        let answer = actions.find_map(|action| match action {
            Action::Reply { reply, rest, .. } => Some((*reply, rest)),
            _ => None,
        });
        match answer.expect("an answer") {
            (ShowReply::Route(rows), rest) => (rows.iter().map(|row| row.prefix).collect(), rest),
            (ShowReply::Fib(rows), rest) => (rows.iter().map(|row| row.prefix).collect(), rest),
            other => unreachable!("a table of routes: {other:?}"),
        }
    }
}

#[test]
fn long_tables_come_in_pages_that_are_together_the_whole() {
    for query in [ShowQuery::Route as fn(_) -> _, ShowQuery::Fib] {
        let (mut bench, mut all, mut after) = (bench(), Vec::new(), None);
        for pages in 1.. {
            let (rows, rest) = bench.page(query(RouteFilter::default()), after);
            assert!(rows.len() <= PAGE_PREFIXES_MAX);
            all.extend(rows);
            after = rest;
            if rest.is_none() {
                assert_eq!(pages, 3);
                break;
            }
        }
        assert_eq!(all.len(), ROUTES + 2, "loopback and adjacencies are two");
        assert!(all.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn a_page_begins_where_the_last_ended_whatever_became_of_that_route() {
    let mut bench = bench();
    let query = || ShowQuery::Route(RouteFilter::default());
    let (_, rest) = bench.page(query(), None);
    let end = rest.expect("more than a page");
    let (next, _) = bench.page(query(), rest);
    let is_end =
        |number: &usize| end == format!("2001:db8:{number:x}::/48").parse::<Ipv6Prefix>().unwrap();
    bench.input(Input::Configure(Box::new(routes((0..ROUTES).filter(|n| !is_end(n))))));
    assert_eq!(bench.page(query(), rest).0, next);
}

#[test]
fn one_prefix_is_found_without_a_walk_through_all() {
    let mut bench = bench();
    let prefix: Ipv6Prefix = "2001:db8:7::/48".parse().unwrap();
    for query in [ShowQuery::Route as fn(_) -> _, ShowQuery::Fib] {
        let filter = RouteFilter { prefix: Some(prefix), ..RouteFilter::default() };
        assert_eq!(bench.page(query(filter), None), (vec![prefix], None));
        let address = Some("2001:db8:7::1".parse().unwrap());
        let filter = RouteFilter { address, ..RouteFilter::default() };
        assert_eq!(bench.page(query(filter), None), (vec![prefix], None));
    }
}
