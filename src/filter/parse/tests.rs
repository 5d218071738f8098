//! What filters mean, that their spelling is read back, and that nothing makes them panic.

use super::*;
use crate::base::prefix::Ipv6Prefix;
use crate::filter::facts::Facts;
use crate::filter::program::Filter;
use proptest::prelude::*;

/// UDP from 2001:db8:1::10 port 5000 to fd00::2 port 53, between two MACs, on VLAN 30.
fn frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 30, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0, 0, 8, 17, 64]);
    frame.extend("2001:db8:1::10".parse::<Ipv6Addr>().unwrap().octets());
    frame.extend("fd00::2".parse::<Ipv6Addr>().unwrap().octets());
    frame.extend([0x13, 0x88, 0, 53, 0, 8, 0, 0]);
    frame
}

fn passes(filter: &str) -> bool {
    let expression = parse(filter).unwrap_or_else(|error| panic!("{error}")).unwrap();
    let octets = frame();
    let facts = Facts::of_frame(&octets, 66).dropped("no_route");
    Filter::new(&expression).passes(&facts)
}

#[test]
fn a_filter_lets_through_what_it_says() {
    for filter in [
        "host 2001:db8:1::10",
        "src 2001:db8:1::10 and dst fd00::2",
        "fd00::2",
        "dst host fd00::2",
        "net fd00::/8",
        "src net 2001:db8::/32",
        "proto udp",
        "udp",
        "proto 17",
        "port 53",
        "dst port 53 and src port 5000",
        "ether host 02:00:00:00:00:01",
        "ether src 02:00:00:00:00:02",
        "vlan",
        "vlan 30",
        "len > 65 and len <= 66 and len = 66 and len==66 and len != 1",
        "reason no_route",
        "not tcp",
        "! tcp && (port 1 || port 53)",
        "not not udp",
        "tcp and port 1 or udp",
    ] {
        assert!(passes(filter), "{filter}");
    }
    for filter in [
        "src fd00::2",
        "dst net 2001:db8::/32",
        "dst port 5000",
        "ospf",
        "ether dst 02:00:00:00:00:02",
        "vlan 31",
        "len < 66",
        "reason blackhole",
        "not udp",
        "tcp and (port 1 or udp)",
    ] {
        assert!(!passes(filter), "{filter}");
    }
}

#[test]
fn an_error_names_the_place_and_what_would_be_right() {
    for (filter, place, words) in [
        ("hots fd00::1", "hots", "`host` is a word that is known"),
        ("host fd00:1", "fd00:1", "an address such as"),
        ("net fd00::1", "fd00::1", "a prefix such as"),
        ("udp tcp", "tcp", "`and` or `or` is missing"),
        ("(udp or tcp", "", "`)` is missing here"),
        ("udp)", ")", "remove it"),
        ("vlan 5000", "5000", "0 to 4095"),
        ("len 5", "5", "one of <"),
        ("port 70000", "70000", "0 to 65535"),
        ("proto bgp", "bgp", "a number to 255"),
        ("reason No", "No", "show errors --all"),
        ("udp and", "", "a test is missing here"),
    ] {
        let error = parse(filter).unwrap_err();
        assert_eq!(&filter[error.span.clone()], place, "{filter}");
        let shown = error.to_string();
        assert!(shown.contains(words) && shown.contains("--help"), "{filter}: {shown}");
    }
}

#[test]
fn limits_are_errors() {
    let deep = format!("{}udp{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX));
    assert!(parse(&deep).unwrap_err().message.contains("inside each other"));
    let many = vec!["udp"; TESTS_MAX + 1].join(" or ");
    assert!(parse(&many).unwrap_err().message.contains("tests"));
    assert!(parse(&vec!["udp"; TESTS_MAX].join(" or ")).is_ok());
    assert!(parse(&"x".repeat(TEXT_OCTETS_MAX + 1)).is_err());
    assert_eq!(parse("  "), Ok(None));
}

#[test]
fn reasons_are_held_against_those_there_are() {
    let text = "udp and not reason nowhere";
    let expression = parse(text).unwrap().unwrap();
    let error = check_reasons(text, &expression, |name| name == "no_route").unwrap_err();
    assert_eq!(&text[error.span.clone()], "nowhere");
    assert!(check_reasons(text, &expression, |_| true).is_ok());
}

fn end() -> impl Strategy<Value = End> {
    prop::sample::select(vec![End::Source, End::Destination, End::Either])
}

fn test() -> impl Strategy<Value = Test> {
    let comparison = prop::sample::select(Comparison::ALL.to_vec()).prop_map(|(found, _)| found);
    let prefix = (any::<u128>(), 0..=128_u8)
        .prop_map(|(bits, length)| Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), length));
    prop_oneof![
        (end(), prefix).prop_map(|(end, prefix)| Test::Net(end, prefix)),
        (end(), 50..60_u16).prop_map(|(end, port)| Test::Port(end, port)),
        any::<u8>().prop_map(Test::Protocol),
        (end(), any::<[u8; 6]>()).prop_map(|(end, mac)| Test::Mac(end, MacAddress(mac))),
        prop::option::of(28..32_u16).prop_map(Test::Vlan),
        (comparison, 60..70_u32).prop_map(|(comparison, octets)| Test::Length(comparison, octets)),
        "[a-z_]{1,8}".prop_map(|name| Test::Reason(name.into())),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    test().prop_map(Expression::Test).prop_recursive(5, 24, 2, |inner| {
        let pair = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        let other = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
            pair.prop_map(|(left, right)| Expression::And(left, right)),
            other.prop_map(|(left, right)| Expression::Or(left, right)),
        ]
    })
}

/// The meaning of an expression, without a program.
fn means(expression: &Expression, facts: &Facts<'_>) -> bool {
    match expression {
        Expression::Test(test) => test.holds(facts),
        Expression::Not(inner) => !means(inner, facts),
        Expression::And(left, right) => means(left, facts) && means(right, facts),
        Expression::Or(left, right) => means(left, facts) || means(right, facts),
    }
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_an_error_that_can_be_shown(text in ".{0,60}") {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some());
            let _ = error.to_string();
        }
    }

    #[test]
    fn any_words_are_a_filter_or_an_error_that_can_be_shown(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "host", "src", "net", "port", "len", "vlan", "and", "or", "not", "(", ")", ">",
                "fd00::1", "fd00::/8", "53", "udp", "ether", "reason",
            ]),
            0..20,
        ),
    ) {
        if let Err(error) = parse(&words.join(" ")) {
            let _ = error.to_string();
        }
    }

    #[test]
    fn what_is_written_is_read_back(expression in expression()) {
        prop_assert_eq!(parse(&expression.to_string()), Ok(Some(expression)));
    }

    #[test]
    fn the_program_means_what_the_expression_means(
        expression in expression(),
        octets in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            prop::collection::vec((0_usize..66, any::<u8>()), 0..4).prop_map(|changes| {
                let mut frame = frame();
                changes.into_iter().for_each(|(place, octet)| frame[place] = octet);
                frame
            }),
        ],
        length in 60..70_u32,
    ) {
        let filter = Filter::new(&expression);
        for facts in [Facts::of_frame(&octets, length), Facts::of_packet(&octets, length)] {
            prop_assert_eq!(filter.passes(&facts), means(&expression, &facts));
        }
    }
}
