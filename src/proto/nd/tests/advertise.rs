//! Router advertisements: when they go out, what they say, who answers whom.

use super::*;
use crate::wire::ipv6::{ALL_NODES, ALL_ROUTERS};
use crate::wire::nd::{RouterAdvertisement, RouterSolicitation};

fn settings() -> RaSettings {
    RaSettings {
        prefixes: vec!["fd4b:756d:696b:7::/64".parse().unwrap()],
        routes: vec!["fd4b:756d:696b::/48".parse().unwrap()],
        mtu: Some(9000),
        ..RaSettings::default()
    }
}

fn lan() -> NdInterface {
    NdInterface { advertise: Some(settings()), ..interface(MAC_A) }
}

/// Router advertisements sent until `until`, with their instants.
fn advertised(node: &mut Node, until: Instant) -> Vec<(Instant, RouterAdvertisement)> {
    let mut found = Vec::new();
    while let Some(due) = node.nd.next_deadline().filter(|due| *due <= until) {
        node.nd.handle_timeout(due);
        node.drain();
        for (_, packet) in node.take_sent() {
            if let NdMessage::RouterAdvertisement(message) = packet.message {
                found.push((due, message));
            }
        }
    }
    found
}

fn ask(node: &mut Node, now: Instant) {
    let options = vec![NdOption::SourceLinkLayer(MAC_B)];
    let message = NdMessage::RouterSolicitation(RouterSolicitation { options });
    let packet = NdPacket { source: local(MAC_B), destination: ALL_ROUTERS, message };
    node.message(now, MAC_B, &packet);
}

#[test]
fn who_looks_for_a_router_is_no_default_router_and_has_no_opinion() {
    let interface = NdInterface { advertise: Some(RaSettings::of_neighbor()), ..interface(MAC_A) };
    let (mut a, now) = Node::settled(interface);
    let sent = advertised(&mut a, now + Duration::from_secs(60));
    assert!(sent.len() >= 5, "every 10 s at least: {}", sent.len());
    for (_, message) in &sent {
        // RFC 4861 §4.2: "A Lifetime of 0 indicates that the router is not a default router", and
        // a Cur Hop Limit of zero "means unspecified (by this router)".
        assert_eq!((message.lifetime_s, message.hop_limit), (0, 0));
        assert_eq!(message.options, [NdOption::SourceLinkLayer(MAC_A)]);
    }
    // Nothing that another router says to hosts is a disagreement with that.
    let message = RouterAdvertisement { is_managed: true, ..RouterAdvertisement::default() };
    let message = NdMessage::RouterAdvertisement(message);
    let packet = NdPacket { source: local(MAC_B), destination: ALL_NODES, message };
    a.message(now + Duration::from_secs(61), MAC_B, &packet);
    let heard = Action::RouterHeard { port: PORT, router: local(MAC_B) };
    assert_eq!(a.take(), [heard]);
}

#[test]
fn an_advertisement_has_the_octets_that_slaac_needs() {
    let mut a = Node::new(1);
    a.up(Instant::ZERO, lan());
    a.run(Instant::from_millis(2_500));
    let bytes = a
        .take()
        .into_iter()
        .find_map(|action| match action {
            Action::Send { packet, .. } if packet.get(40) == Some(&134) => Some(packet),
            _ => None,
        })
        .unwrap();
    // Read by hand, after RFC 4861 §4.2, §4.6 and RFC 4191 §2.3.
    assert_eq!((bytes[7], &bytes[8..24]), (255, &local(MAC_A).octets()[..]));
    assert_eq!(bytes[24..40], ALL_NODES.octets());
    assert_eq!(bytes[44..56], [64, 0, 0, 90, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[56..64], [1, 1, 2, 0, 0, 0, 0, 0xa]);
    assert_eq!(bytes[64..72], [5, 1, 0, 0, 0, 0, 0x23, 0x28]);
    assert_eq!(bytes[72..76], [3, 4, 64, 0xc0]);
    assert_eq!(bytes[76..80], 86_400_u32.to_be_bytes());
    assert_eq!(bytes[80..84], 14_400_u32.to_be_bytes());
    assert_eq!(bytes[88..104], address("fd4b:756d:696b:7::").octets());
    assert_eq!(bytes[104..112], [24, 2, 48, 0, 0, 0, 0, 90]);
    assert_eq!(bytes[112..120], address("fd4b:756d:696b::").octets()[..8]);
    assert_eq!(bytes.len(), 120);
}

#[test]
fn the_first_advertisements_come_fast_and_the_rest_within_the_interval() {
    let mut a = Node::new(3);
    a.up(Instant::ZERO, lan());
    let sent = advertised(&mut a, Instant::from_millis(600_000));
    let gaps: Vec<Duration> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().take(2).all(|gap| *gap <= SECOND * 16));
    assert!(gaps.iter().all(|gap| *gap >= SECOND * 10 && *gap <= SECOND * 30));
    assert!(gaps.windows(2).any(|pair| pair[0] != pair[1]), "intervals are random");
}

#[test]
fn a_solicitation_is_answered_soon_but_not_too_often() {
    let mut a = Node::new(3);
    a.up(Instant::ZERO, lan());
    let first = advertised(&mut a, Instant::from_millis(100_000)).pop().unwrap().0;
    // RFC 4861 §6.2.6: within MAX_RA_DELAY_TIME, and MIN_DELAY_BETWEEN_RAS after the last one.
    let now = first + SECOND;
    a.nd.handle_timeout(now);
    for _ in 0..20 {
        ask(&mut a, now);
    }
    let answers = advertised(&mut a, now + SECOND * 3);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].0 >= first + SECOND * 3);
    assert!(answers[0].0 <= first + Duration::from_millis(3_500));
    assert!(a.nd.entries().iter().all(|entry| !entry.is_router && entry.mac == Some(MAC_B)));
}

#[test]
fn a_port_that_does_not_advertise_counts_solicitations() {
    let (mut a, now) = Node::settled(interface(MAC_A));
    ask(&mut a, now);
    assert_eq!((a.nd.counters().not_advertising, a.nd.next_deadline()), (1, None));
}

#[test]
fn who_leaves_says_so_with_lifetime_zero() {
    for is_shutdown in [true, false] {
        let (mut a, now) = Node::settled(lan());
        if is_shutdown {
            a.input(now, Input::Shutdown);
        } else {
            a.up(now, interface(MAC_A));
        }
        let sent = a.take_sent();
        let [(_, NdPacket { message: NdMessage::RouterAdvertisement(last), .. })] = &sent[..]
        else {
            panic!("one advertisement, not {sent:?}")
        };
        assert_eq!(last.lifetime_s, 0);
        let is_zero = |option: &NdOption| match option {
            NdOption::Route(route) => route.lifetime_s == 0,
            _ => true,
        };
        assert!(last.options.iter().all(is_zero));
        assert_eq!(a.nd.next_deadline(), None);
    }
}

#[test]
fn a_prefix_that_is_gone_is_withdrawn_three_times() {
    let (mut a, now) = Node::settled(lan());
    let mut changed = settings();
    let gone = changed.prefixes[0];
    changed.prefixes = vec!["fd4b:756d:696b:8::/64".parse().unwrap()];
    a.up(now, NdInterface { advertise: Some(changed), ..interface(MAC_A) });
    let sent = advertised(&mut a, now + SECOND * 120);
    let lifetimes = |message: &RouterAdvertisement| {
        message.options.iter().find_map(|option| match option {
            NdOption::Prefix(prefix) if prefix.prefix == gone => {
                Some((prefix.valid_lifetime_s, prefix.preferred_lifetime_s))
            }
            _ => None,
        })
    };
    let seen: Vec<_> = sent.iter().map(|(_, message)| lifetimes(message)).collect();
    assert_eq!(seen[..4], [Some((7200, 0)), Some((7200, 0)), Some((7200, 0)), None]);
}

#[test]
fn many_prefixes_are_spread_over_advertisements_that_fit_the_mtu() {
    let mut many = settings();
    many.mtu = None;
    many.prefixes =
        (0..100_u16).map(|number| format!("fd00:0:0:{number:x}::/64").parse().unwrap()).collect();
    let mut a = Node::new(1);
    a.up(Instant::ZERO, NdInterface { advertise: Some(many), ..interface(MAC_A) });
    a.run(Instant::from_millis(2_500));
    let sizes: Vec<usize> = (a.take().iter())
        .filter_map(|action| match action {
            Action::Send { packet, .. } if packet[40] == 134 => Some(packet.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes.len(), 3);
    assert!(sizes.iter().all(|size| *size <= 1500));
}

#[test]
fn a_router_that_disagrees_is_named_once_for_each_field() {
    let (mut a, now) = Node::settled(lan());
    a.take();
    let theirs = RouterAdvertisement {
        hop_limit: 32,
        is_managed: true,
        options: vec![NdOption::Mtu(1500), NdOption::SourceLinkLayer(MAC_B)],
        ..RouterAdvertisement::default()
    };
    let message = NdMessage::RouterAdvertisement(theirs);
    let packet = NdPacket { source: local(MAC_B), destination: ALL_NODES, message };
    a.message(now, MAC_B, &packet);
    a.message(now, MAC_B, &packet);
    let fields: Vec<&str> = (a.take().iter())
        .filter_map(|action| match action {
            Action::Inconsistent { field, .. } => Some(*field),
            _ => None,
        })
        .collect();
    assert_eq!(fields, ["hop limit", "managed flag", "mtu"]);
    assert_eq!(a.nd.counters().inconsistent, 6);
    assert!(a.nd.entries()[0].is_router);
}
