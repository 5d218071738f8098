//! Who may speak, and what may leak: TCP-MD5 (RFC 2385), GTSM (RFC 5082), roles and
//! ONLY_TO_CUSTOMER (RFC 9234).

use super::peer::{Announced, Kind, Wish, present};
use super::route::{Route, Table};
use super::speaker::{Speaker, Who};
use super::world::{ASN, BGP, World};
use kumiki::wire::bgp::{AsPath, Capability, NotificationCode, PathAttributes, Role};

const PREFIX: &str = "2001:db8:a00::/48";
const PASSWORD: &str = "between-us";

/// A router with one neighbour of a kind, whose block has these keys.
fn beside(kind: Kind, keys: &str) -> World {
    let world = World::new(&[kind.name(), "world"]);
    std::fs::write(world.path("password"), PASSWORD).unwrap();
    let daemon = world.neighbor_block(kind.name(), kind.asn(), keys);
    let other = world.neighbor_block("world", 65_001, "passive = true");
    world.start_kumiki(&format!("{BGP}{daemon}{other}"));
    world
}

#[test]
fn a_session_with_password_and_hop_limit_comes_up_with_each_daemon() {
    for kind in present(&Kind::ALL) {
        let world = beside(kind, "password = \"file:password\"\nttl_security_hops = 1");
        let announces = [Announced::plain(PREFIX)];
        let wish = Wish {
            announces: &announces,
            password: Some(PASSWORD),
            has_ttl_security: true,
            ..Wish::default()
        };
        let _peer = kind.start(&world, &wish);
        world.wait("a route", || world.neighbor(kind.name())["accepted_count"] == 1);
    }
}

#[test]
fn a_wrong_password_is_said() {
    for kind in present(&Kind::ALL) {
        let world = beside(kind, "password = \"file:password\"");
        let wish = Wish { password: Some("another"), ..Wish::default() };
        let _peer = kind.start(&world, &wish);
        world.wait("the reason", || {
            let row = world.neighbor(kind.name());
            assert_ne!(row["state"], "Established");
            row["reason"].as_str().is_some_and(|reason| reason.contains("password"))
        });
    }
}

#[test]
fn who_is_too_far_away_cannot_connect() {
    let Some(kind) = present(&[Kind::Bird]).pop() else { return };
    let world = beside(kind, "ttl_security_hops = 1");
    // Its packets have the hop limit of those that come from far away.
    let _peer = kind.start(&world, &Wish::default());
    world.wait("tries that nobody answers", || {
        let row = world.neighbor(kind.name());
        assert_ne!(row["state"], "Established");
        row["reason"].as_str().is_some_and(|reason| reason.contains("hop"))
    });
}

#[test]
fn roles_that_belong_together_are_agreed_on_and_mark_routes() {
    for kind in present(&[Kind::Bird, Kind::Frr]) {
        let world = beside(kind, "role = \"customer\"");
        let announces = [Announced::plain(PREFIX)];
        let wish = Wish { announces: &announces, role: Some(Role::Provider), ..Wish::default() };
        let peer = kind.start(&world, &wish);
        world.wait("a route", || world.neighbor(kind.name())["accepted_count"] == 1);
        let row = world.neighbor(kind.name());
        let names = row["capabilities"].as_array().unwrap();
        assert!(names.iter().any(|name| name == "role"), "{row:#}");

        // RFC 9234 §5: what a provider sent goes to customers only, and says so.
        let to = world.kumiki("world");
        let stranger = Speaker::establish(&world, "world", to, &Who::of(65_001));
        stranger.wait("what the provider has", |heard| !heard.table.is_empty());
        let marks = |route: &Route| route.attributes.only_to_customer;
        let heard = stranger.ask(|heard| heard.table.values().map(marks).collect::<Vec<_>>());
        assert_eq!(heard, [Some(kind.asn())], "{}", peer.words());
    }
}

#[test]
fn routes_of_a_provider_leak_neither_to_a_peer_nor_from_a_customer() {
    let Some(kind) = present(&[Kind::Frr]).pop() else { return };
    let world = World::new(&[kind.name(), "world"]);
    let daemon = world.neighbor_block(kind.name(), kind.asn(), "role = \"customer\"");
    let block = |role: &str| {
        world.neighbor_block("world", 65_001, &format!("passive = true\nrole = \"{role}\""))
    };
    world.start_kumiki(&format!("{BGP}{daemon}{}", block("peer")));
    let announces = [Announced::plain(PREFIX)];
    let wish = Wish { announces: &announces, role: Some(Role::Provider), ..Wish::default() };
    let peer = kind.start(&world, &wish);
    world.wait("a route", || world.neighbor(kind.name())["accepted_count"] == 1);
    let to = world.kumiki("world");
    let who = Who::of(65_001).with(Capability::Role(Role::Peer));
    let other = Speaker::establish(&world, "world", to, &who);
    other.wait("the end of the table", |heard| heard.end_of_rib_count > 0);
    assert_eq!(other.ask(|heard| heard.table.len()), 0, "a leak to a peer");
    drop(other);

    // RFC 9234 §5: a customer that sends what is for customers only has leaked it.
    world.apply(&format!("{BGP}{daemon}{}", block("provider")));
    let who = Who::of(65_001).with(Capability::Role(Role::Customer));
    let mut customer = Speaker::establish(&world, "world", to, &who);
    let leaked = PathAttributes {
        as_path: AsPath::sequence(&[65_001, 65_009]),
        only_to_customer: Some(65_009),
        ..PathAttributes::default()
    };
    let route = |attributes| Route { next_hop: world.address("world"), attributes };
    let good = PathAttributes { only_to_customer: None, ..leaked.clone() };
    customer.announce(&Table::from([
        ("2001:db8:bad::/48".parse().unwrap(), route(leaked)),
        ("2001:db8:900d::/48".parse().unwrap(), route(good)),
    ]));
    world.wait("the good one goes on", || peer.route("2001:db8:900d::/48").is_some());
    let row = &world.rows("bgp route 2001:db8:bad::/48")[0];
    assert_eq!(row["standing"], "refused", "{row:#}");
    assert!(peer.route("2001:db8:bad::/48").is_none());
}

#[test]
fn roles_that_do_not_belong_together_are_refused_and_said() {
    for kind in present(&[Kind::Bird, Kind::Frr]) {
        let world = beside(kind, "role = \"customer\"");
        let wish = Wish { role: Some(Role::Customer), ..Wish::default() };
        let peer = kind.start(&world, &wish);
        world.wait("the reason", || {
            let row = world.neighbor(kind.name());
            assert_ne!(row["state"], "Established");
            row["reason"].as_str().is_some_and(|reason| reason.contains("role mismatch"))
        });
        let is_said = || peer.words().to_lowercase().contains("role mismatch");
        world.wait("the daemon knows", is_said);
    }
}

// RFC 9234 §4.2, both the mismatch and the strict mode, to the octet.
#[test]
fn a_wrong_role_and_a_missing_one_end_with_the_notification_for_it() {
    if super::cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["world"]);
    let keys = "passive = true\nrole = \"customer\"\nrole_strict = true";
    world.start_kumiki(&format!("{BGP}{}", world.neighbor_block("world", 65_001, keys)));
    let to = world.kumiki("world");
    let wrong = Who::of(65_001).with(Capability::Role(Role::Customer));
    for who in [wrong, Who::of(65_001)] {
        let said = loop {
            let speaker = Speaker::open(&world, "world", to, &who);
            // One that comes too soon after the last is rejected (RFC 4486 §4).
            let rejected = NotificationCode::CONNECTION_REJECTED;
            if let Some(said) = speaker.wait_for_end().filter(|said| said.code != rejected) {
                break said;
            }
        };
        assert_eq!(said.code, NotificationCode::ROLE_MISMATCH, "AS {ASN}");
    }
}
