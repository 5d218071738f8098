//! Bad input over the wire: messages that are wrong, in pieces, and too many at once.
//!
//! A speaker of our own says octet by octet what no daemon would. For each fault the reaction is
//! the one that RFC 7606 asks for: the route is withdrawn, the attribute is discarded, or the
//! session ends with the NOTIFICATION for it.

use super::cannot_interoperate;
use super::route::{Half, made};
use super::speaker::{Speaker, Who, octets};
use super::world::{ASN, BGP, World};
use kumiki::wire::bgp::{Agreement, Message, NotificationCode, Update};
use serde_json::Value;
use std::net::Ipv6Addr;

const OUTSIDE: u32 = 65_001;
const PREFIX: &str = "2001:db8:a00::/48";
/// PREFIX in an UPDATE.
const NLRI: &[u8] = &[48, 0x20, 0x01, 0x0d, 0xb8, 0x0a, 0x00];
const IPV6_UNICAST: [u8; 3] = [0, 2, 1];

/// Flags, type and value.
type Attribute = (u8, u8, Vec<u8>);

fn origin() -> Attribute {
    (0x40, 1, vec![0])
}

fn as_path() -> Attribute {
    (0x40, 2, [&[2, 1][..], &OUTSIDE.to_be_bytes()].concat())
}

/// AS_PATH of somebody within the AS.
fn empty_path() -> Attribute {
    (0x40, 2, Vec::new())
}

fn reach(next_hop: Ipv6Addr) -> Attribute {
    let next_hop = next_hop.octets();
    (0x80, 14, [&IPV6_UNICAST[..], &[16], &next_hop, &[0], NLRI].concat())
}

/// An UPDATE of these attributes.
fn update(attributes: &[Attribute]) -> Vec<u8> {
    let mut list = Vec::new();
    for (flags, kind, value) in attributes {
        list.extend([*flags, *kind, u8::try_from(value.len()).unwrap()]);
        list.extend(value);
    }
    raw_update(&[], &list, &[])
}

/// An UPDATE of these parts, whose lengths are right.
fn raw_update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap().to_be_bytes();
    let parts =
        [&length(withdrawn)[..], withdrawn, &length(attributes)[..], attributes, nlri].concat();
    message(2, &parts)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap().to_be_bytes();
    [&[0xff; 16][..], &length, &[kind], body].concat()
}

/// What the router has of PREFIX.
fn row(world: &World) -> Option<Value> {
    world.rows(&format!("bgp route {PREFIX}")).into_iter().next()
}

/// Waits until the router has taken in all that was said.
fn settle(world: &World, speaker: &mut Speaker) {
    let before = speaker.ask(|heard| heard.refreshes.len());
    speaker.ask_for_routes();
    speaker.wait("an answer", |heard| heard.refreshes.len() == before + 2);
    assert!(world.is_established("world"));
}

/// Faults of one attribute between ASes, by which the route is withdrawn: RFC 7606 §7.
fn withdrawing() -> Vec<(&'static str, Vec<Attribute>)> {
    let with = |attribute: Attribute| vec![origin(), as_path(), attribute];
    let path = |value: &[u8]| vec![origin(), (0x40, 2, value.to_vec())];
    vec![
        ("§7.1, ORIGIN of two octets", vec![(0x40, 1, vec![0, 0]), as_path()]),
        ("§7.1, ORIGIN 3", vec![(0x40, 1, vec![3]), as_path()]),
        ("§7.2, an unknown type of segment", path(&[9, 1, 0, 0, 0, 1])),
        ("§7.2, a segment beyond the path", path(&[2, 2, 0, 0, 0, 1])),
        ("§7.2, a path that ends in a type", path(&[2, 1, 0, 0, 0xfd, 0xe9, 2])),
        ("§7.2, a segment without AS", path(&[2, 0])),
        ("RFC 7607 §2, AS 0 in the path", path(&[2, 1, 0, 0, 0, 0])),
        ("§7.3, NEXT_HOP of three octets", with((0x40, 3, vec![10, 0, 0]))),
        ("§7.4, MULTI_EXIT_DISC of three octets", with((0x80, 4, vec![0; 3]))),
        ("§7.8, COMMUNITIES of five octets", with((0xc0, 8, vec![0; 5]))),
        ("§7.8, COMMUNITIES of none", with((0xc0, 8, Vec::new()))),
        ("§7.14, extended communities of seven octets", with((0xc0, 16, vec![0; 7]))),
        ("RFC 8092 §5, large communities of eleven octets", with((0xc0, 32, vec![0; 11]))),
        ("RFC 9234 §5, ONLY_TO_CUSTOMER of three octets", with((0xc0, 35, vec![0; 3]))),
        ("§3 c, an optional ORIGIN", vec![(0xc0, 1, vec![0]), as_path()]),
        ("§3 c, a MULTI_EXIT_DISC that goes on", with((0xc0, 4, vec![0; 4]))),
        ("§3 d, no ORIGIN", vec![as_path()]),
        ("§3 d, no AS_PATH", vec![origin()]),
        ("RFC 4271 §6.3, another first AS", path(&[2, 1, 0, 0, 0, 9])),
    ]
}

/// Those by which only the attribute is discarded.
fn discarding() -> Vec<(&'static str, Attribute)> {
    let number = |value: u32| value.to_be_bytes().to_vec();
    vec![
        ("§7.5, LOCAL_PREF from another AS", (0x40, 5, number(7))),
        ("§7.5, the same of three octets", (0x40, 5, vec![0; 3])),
        ("§7.6, ATOMIC_AGGREGATE of one octet", (0x40, 6, vec![0])),
        ("§7.7, AGGREGATOR of seven octets", (0xc0, 7, vec![1; 7])),
        ("§7.9, ORIGINATOR_ID from another AS", (0x80, 9, number(7))),
        ("§7.10, CLUSTER_LIST from another AS", (0x80, 10, number(7))),
        ("RFC 6793 §6, AS4_PATH of a new speaker", (0xc0, 17, vec![2, 1, 0, 0, 0, 9])),
        ("§3 g, a second ORIGIN", (0x40, 1, vec![2])),
        ("RFC 4271 §9, an unknown one that does not go on", (0x80, 99, vec![1, 2, 3])),
    ]
}

#[test]
fn a_wrong_attribute_withdraws_the_route_or_is_left_out_and_no_session_ends() {
    if cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world"]);
    world.start_kumiki(&format!(
        "{BGP}{}",
        world.neighbor_block("world", OUTSIDE, "passive = true")
    ));
    let who = Who::of(OUTSIDE);
    let mut speaker = Speaker::establish(&world, "world", world.kumiki("world"), &who);
    let good = update(&[reach(world.address("world")), origin(), as_path()]);
    for (fault, attributes) in withdrawing() {
        speaker.say_octets(&good);
        settle(&world, &mut speaker);
        assert_eq!(row(&world).expect(fault)["standing"], "best", "before {fault}");
        let reach = reach(world.address("world"));
        speaker.say_octets(&update(&[&[reach], &attributes[..]].concat()));
        settle(&world, &mut speaker);
        let standing = row(&world).map_or(Value::Null, |row| row["standing"].clone());
        // A path that is right and not welcome is kept to be shown.
        assert!(standing.is_null() || standing == "refused", "{fault}: {standing}");
    }
    // RFC 7606 §4: an attribute that is longer than the list.
    speaker.say_octets(&good);
    let reach_whole = update(&[reach(world.address("world")), origin(), as_path()]);
    let list = [&reach_whole[23..], &[0x80, 4, 9, 0]].concat();
    speaker.say_octets(&raw_update(&[], &list, &[]));
    settle(&world, &mut speaker);
    assert!(row(&world).is_none(), "an attribute that is longer than the list");

    for (fault, attribute) in discarding() {
        let all = [reach(world.address("world")), origin(), as_path(), attribute];
        speaker.say_octets(&update(&all));
        settle(&world, &mut speaker);
        let row = row(&world).expect(fault);
        assert_eq!((&row["standing"], &row["origin"]), (&"best".into(), &"igp".into()), "{fault}");
        assert_eq!(row["local_pref"], Value::Null, "{fault}");
        assert_eq!(row["as_path"], OUTSIDE.to_string(), "{fault}");
    }
    assert_eq!(world.neighbor("world")["lost_count"], 0);
}

#[test]
fn a_wrong_attribute_of_the_own_as_withdraws_the_route() {
    if cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world"]);
    world.start_kumiki(&format!("{BGP}{}", world.neighbor_block("world", ASN, "passive = true")));
    let mut speaker = Speaker::establish(&world, "world", world.kumiki("world"), &Who::of(ASN));
    let base = |attribute: &[Attribute]| {
        let reach = reach(world.address("world"));
        update(&[&[reach, origin(), empty_path()], attribute].concat())
    };
    let good = base(&[(0x40, 5, vec![0, 0, 0, 100])]);
    for (fault, attribute) in [
        ("§7.5, LOCAL_PREF of three octets", (0x40, 5, vec![0; 3])),
        ("§7.9, ORIGINATOR_ID of three octets", (0x80, 9, vec![1; 3])),
        ("§7.10, CLUSTER_LIST of five octets", (0x80, 10, vec![1; 5])),
        ("§7.10, CLUSTER_LIST of none", (0x80, 10, Vec::new())),
    ] {
        speaker.say_octets(&good);
        settle(&world, &mut speaker);
        assert_eq!(row(&world).expect(fault)["standing"], "best", "before {fault}");
        speaker.say_octets(&base(&[attribute]));
        settle(&world, &mut speaker);
        assert!(row(&world).is_none(), "{fault}");
    }
    assert_eq!(world.neighbor("world")["lost_count"], 0);
}

/// Messages that end the session, with what is answered.
fn ending(next_hop: Ipv6Addr) -> Vec<(&'static str, Vec<u8>, NotificationCode)> {
    use NotificationCode as Code;
    let with = |attribute| update(&[origin(), as_path(), attribute]);
    let reach_of = |next_hop: &[u8], nlri: &[u8]| {
        let length = [u8::try_from(next_hop.len()).unwrap()];
        (0x80, 14, [&IPV6_UNICAST[..], &length, next_hop, &[0], nlri].concat())
    };
    let unreach = |nlri: &[u8]| (0x80, 15, [&IPV6_UNICAST[..], nlri].concat());
    let mut marker = message(4, &[]);
    marker[3] = 0;
    vec![
        ("a marker with a hole", marker, Code::CONNECTION_NOT_SYNCHRONIZED),
        ("18 octets", [&[0xff; 16][..], &[0, 18, 4]].concat(), Code::BAD_MESSAGE_LENGTH),
        ("4097 octets", [&[0xff; 16][..], &[16, 1, 2]].concat(), Code::BAD_MESSAGE_LENGTH),
        ("a KEEPALIVE with a body", message(4, &[0]), Code::BAD_MESSAGE_LENGTH),
        ("type 6", message(6, &[]), Code::BAD_MESSAGE_TYPE),
        ("an OPEN", message(1, &[4; 10]), Code::UNEXPECTED_IN_ESTABLISHED),
        ("withdrawn beyond the end", message(2, &[0, 9, 0, 0]), Code::MALFORMED_ATTRIBUTE_LIST),
        ("attributes beyond the end", message(2, &[0, 0, 0, 9]), Code::MALFORMED_ATTRIBUTE_LIST),
        (
            "§3 g, two MP_REACH_NLRI",
            update(&[reach(next_hop), reach(next_hop), origin(), as_path()]),
            Code::MALFORMED_ATTRIBUTE_LIST,
        ),
        ("an unknown well-known one", with((0x40, 99, vec![])), {
            Code::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE
        }),
        ("§7.11, a next hop of 5", with(reach_of(&[1; 5], NLRI)), Code::OPTIONAL_ATTRIBUTE_ERROR),
        ("§5.3, 129 bits", with(reach_of(&[1; 16], &[129])), Code::OPTIONAL_ATTRIBUTE_ERROR),
        (
            "§5.3, a prefix beyond the list",
            with(reach_of(&[1; 16], &[48, 0x20, 1])),
            Code::OPTIONAL_ATTRIBUTE_ERROR,
        ),
        ("§5.3, 129 bits gone", update(&[unreach(&[129])]), Code::OPTIONAL_ATTRIBUTE_ERROR),
        ("IPv4 of 33 bits", raw_update(&[], &[], &[33, 1, 2, 3, 4, 5]), {
            Code::INVALID_NETWORK_FIELD
        }),
        (
            "RFC 7313 §5, a bound of 5",
            message(5, &[0, 2, 1, 1, 0]),
            Code::INVALID_ROUTE_REFRESH_LENGTH,
        ),
    ]
}

/// Each by a neighbour of its own: one that failed is kept waiting.
#[test]
fn what_cannot_be_read_ends_the_session_with_the_notification_for_it() {
    if cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world"]);
    let cases = ending(world.address("world"));
    let address = |number: usize| world.extra_address("world", 0x100 + number);
    let blocks: String = (0..cases.len())
        .map(|number| {
            let address = address(number);
            let name = format!("case{number}");
            world.block_at(&name, address, (OUTSIDE, "passive = true"))
        })
        .collect();
    world.start_kumiki(&format!("{BGP}{blocks}"));
    for (number, (fault, bad, code)) in cases.into_iter().enumerate() {
        let who = Who { from: Some(address(number)), ..Who::of(OUTSIDE) };
        let mut speaker = Speaker::establish(&world, "world", world.kumiki("world"), &who);
        let good = update(&[reach(address(number)), origin(), as_path()]);
        speaker.say_octets(&good);
        world.wait("the good route", || row(&world).is_some());
        speaker.say_octets(&bad);
        let said = speaker.wait_for_end().unwrap_or_else(|| panic!("{fault}: no word"));
        assert_eq!(said.code, code, "{fault}: {said}");
        let name = format!("case{number}");
        world.wait("its reason", || {
            world.neighbor(&name)["last_down"] == format!("we sent: {code}")
        });
        assert!(row(&world).is_none(), "{fault}: its route is kept");
    }
}

#[test]
fn a_stream_in_single_octets_is_read_as_if_it_were_whole() {
    if cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world", "other"]);
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = world.neighbor_block("other", 65_002, "passive = true");
    world.start_kumiki(&format!("{BGP}{near}{far}"));
    let to = world.kumiki("other");
    let other = Speaker::establish(&world, "other", to, &Who::of(65_002));
    let who = Who::of(OUTSIDE);
    let to = world.kumiki("world");
    let mut speaker = Speaker::establish(&world, "world", to, &who);
    let table = made(Half::Low, 30, OUTSIDE, world.address("world"));
    for octet in super::speaker::announcement(&table, speaker.agreement()) {
        speaker.say_octets(&[octet]);
    }
    other.wait("the table", |heard| heard.table.len() == 30);
    let withdrawal = Update {
        withdrawn: table.keys().map(|at| kumiki::wire::bgp::Nlri::of(*at)).collect(),
        ..Update::default()
    };
    let withdrawal = octets(&Message::Update(Box::new(withdrawal)), Agreement::default());
    // Cut in two at every octet; the same said twice is nothing new.
    for cut in 1..withdrawal.len() {
        speaker.say_octets(&withdrawal[..cut]);
        speaker.say_octets(&withdrawal[cut..]);
    }
    other.wait("nothing", |heard| heard.table.is_empty());
    assert_eq!(world.neighbor("world")["lost_count"], 0);
}
