//! Tenants over two routers that nothing but their configuration joins: frames go from a port
//! through a pseudowire to a port of the other router, and come to nobody else.

use kumiki::base::ids::{MacAddress, PortId};
use kumiki::base::time::{Duration, Instant};
use kumiki::config::{Config, NoFiles, Overrides, Source, load};
use kumiki::control::{AttachedPort, ControlPlane, Input};
use kumiki::sim::clock::Clock;
use kumiki::sim::node::{Host, Node, Sent};
use std::collections::VecDeque;

/// The cable between the two; further ports have guests behind them.
const CABLE: PortId = PortId(0);
const LAN: PortId = PortId(1);
const VM: PortId = PortId(2);
/// Longer than OSPF takes to find a neighbour and its routes.
const CONVERGED: Duration = Duration::from_secs(10);

/// The configuration of one of the two routers; `more` belongs to its pseudowire.
fn config(number: u16, more: &str) -> Config {
    let other = 3 - number;
    let text = format!(
        "[router]\nname = \"s{number}\"\n[cluster]\nula = \"fd00:0:0::/48\"\nnumber = {number}\n\
         [[port]]\ndevice = \"tap:cable\"\nname = \"cable\"\nrole = \"fabric\"\n\
         [[port]]\ndevice = \"tap:lan\"\nname = \"lan\"\nrole = \"lan\"\n\
         [[port]]\ndevice = \"tap:vm\"\nname = \"vm\"\nrole = \"tenant\"\n\
         [[tenant]]\nname = \"blue\"\nid = 10\nports = [\"lan.10\"]\n\
         [[tenant.pseudowire]]\naddress = \"fd00:0:0:{other}::\"\nsession_id = {number}01\n\
         remote_session_id = {other}01\ncookie = \"000000000000000{number}\"\n\
         remote_cookie = \"000000000000000{other}\"\n{more}\
         [[tenant]]\nname = \"red\"\nid = 11\nports = [\"vm\"]\n\
         [[tenant.pseudowire]]\naddress = \"fd00:0:0:{other}::\"\nsession_id = {number}02\n\
         remote_session_id = {other}02\n{more}"
    );
    let overrides = Overrides::default();
    let source = Source { origin: "test", text: &text, overrides: &overrides, files: &NoFiles };
    load(&source).unwrap_or_else(|errors| panic!("{errors}"))
}

struct Pair {
    nodes: [Node<ControlPlane>; 2],
    now: Instant,
    /// What left by ports with guests: which router, which port, the frame.
    heard: Vec<(usize, PortId, Vec<u8>)>,
}

impl Pair {
    fn new(more: &str) -> Self {
        let now = Instant::from_millis(1_000);
        let mut first = Vec::new();
        let nodes = [1_u16, 2].map(|number| {
            let config = config(number, more);
            let attached = (0_u16..).zip(&config.ports).map(|(place, settings)| {
                let low = u8::try_from(number * 16 + place).unwrap();
                let mac = MacAddress([2, 0, 0, 0, 0, low]);
                let (port, settings) = (PortId(place), settings.clone());
                AttachedPort { port, settings, mac, mtu_max: 9216, speed_mbps: None, is_up: true }
            });
            let attached = attached.collect();
            let configure = Input::Configure(Box::new(config));
            let seed = (u64::from(number), Clock::default());
            let (node, sent) = Node::start(now, seed, Host::default(), configure, attached);
            first.push(sent);
            node
        });
        let mut pair = Self { nodes, now, heard: Vec::new() };
        for (router, sent) in first.into_iter().enumerate() {
            pair.carry(router, sent);
        }
        pair.run(CONVERGED);
        pair.heard.clear();
        pair
    }

    /// Carries frames over the cable until none is under way.
    fn carry(&mut self, router: usize, sent: Vec<Sent>) {
        let mut under_way: VecDeque<_> = sent.into_iter().map(|sent| (router, sent)).collect();
        while let Some((router, Sent { port, bytes })) = under_way.pop_front() {
            if port != CABLE {
                self.heard.push((router, port, bytes));
                continue;
            }
            let other = 1 - router;
            let answers = self.nodes[other].receive(self.now, CABLE, &bytes);
            under_way.extend(answers.into_iter().map(|sent| (other, sent)));
        }
    }

    /// Lets time pass.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let due = |node: &Node<ControlPlane>| node.next_deadline();
            let next = self.nodes.iter().filter_map(due).min().filter(|due| *due <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            for router in 0..2 {
                if self.nodes[router].next_deadline().is_some_and(|due| due <= self.now) {
                    let sent = self.nodes[router].wake(self.now);
                    self.carry(router, sent);
                }
            }
        }
        self.now = end;
        for router in 0..2 {
            let sent = self.nodes[router].keep_house(self.now);
            self.carry(router, sent);
        }
    }

    /// A guest sends a frame; who hears what of it.
    fn send(&mut self, router: usize, port: PortId, frame: &[u8]) -> Vec<(usize, PortId, Vec<u8>)> {
        self.heard.clear();
        let sent = self.nodes[router].receive(self.now, port, frame);
        self.carry(router, sent);
        core::mem::take(&mut self.heard)
    }
}

/// A frame of no known protocol; `tag` is that of its VLAN.
fn frame(to: u8, from: u8, tag: Option<u16>, length: usize) -> Vec<u8> {
    let mac = |last| if last == 0xff { [0xff; 6] } else { [2, 0, 0, 0, 9, last] };
    let mut frame = [mac(to), mac(from)].concat();
    if let Some(tag) = tag {
        frame.extend([0x81, 0]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend([0x88, 0xb5]);
    frame.resize(frame.len() + length, from);
    frame
}

#[test]
fn a_frame_goes_from_a_vlan_through_the_pseudowire_to_the_vlan_of_the_other_router() {
    let mut pair = Pair::new("");
    let tagged = frame(0xff, 1, Some(10), 60);
    assert_eq!(pair.send(0, LAN, &tagged), [(1, LAN, tagged.clone())]);
    // The other way, now that the MAC is known: nothing is flooded, and nothing else hears it.
    let answer = frame(1, 2, Some(10), 60);
    assert_eq!(pair.send(1, LAN, &answer), [(0, LAN, answer.clone())]);
}

#[test]
fn tags_of_a_trunk_stay_and_tenants_hear_nothing_of_each_other() {
    let mut pair = Pair::new("");
    for tag in [None, Some(10), Some(77)] {
        let sent = frame(0xff, 3, tag, 60);
        assert_eq!(pair.send(0, VM, &sent), [(1, VM, sent.clone())], "{tag:?}");
    }
    // Frames without a tag and of other VLANs on the LAN are nobody's.
    for tag in [None, Some(11)] {
        let heard = pair.send(0, LAN, &frame(0xff, 4, tag, 60));
        assert_eq!(heard, [], "{tag:?}");
    }
}

#[test]
fn every_encapsulation_carries_frames() {
    let ways = [
        "sublayer = \"none\"\n",
        "sequencing = true\n",
        "encapsulation = \"udp\"\n",
        "encapsulation = \"udp\"\nudp_checksum = \"zero\"\nsequencing = true\n",
    ];
    for way in ways {
        let mut pair = Pair::new(way);
        let sent = frame(0xff, 3, None, 1000);
        assert_eq!(pair.send(0, VM, &sent), [(1, VM, sent.clone())], "{way}");
        assert_eq!(pair.send(1, VM, &sent), [(0, VM, sent.clone())], "{way}");
    }
}

#[test]
fn the_largest_frame_that_fits_arrives_and_one_octet_more_does_not() {
    let mut pair = Pair::new("");
    // The fabric carries 9000: less IPv6, session id, cookie, sublayer and Ethernet.
    let most = 9000 - 40 - 4 - 8 - 4 - 14;
    let sent = frame(0xff, 1, Some(10), most);
    assert_eq!(pair.send(0, LAN, &sent), [(1, LAN, sent.clone())]);
    assert_eq!(pair.send(0, LAN, &frame(0xff, 1, Some(10), most + 1)), []);
    // A tag that a trunk keeps counts.
    let most = 9000 - 40 - 4 - 4 - 14 - 4;
    let sent = frame(0xff, 3, Some(5), most);
    assert_eq!(pair.send(0, VM, &sent), [(1, VM, sent.clone())]);
    assert_eq!(pair.send(0, VM, &frame(0xff, 3, Some(5), most + 1)), []);
}

#[test]
fn a_guest_that_comes_to_the_other_router_is_found_there() {
    let mut pair = Pair::new("");
    pair.send(0, LAN, &frame(0xff, 1, Some(10), 60));
    pair.send(1, LAN, &frame(0xff, 2, Some(10), 60));
    // Guest 1 moves to router 2: what guest 2 sends it stays there.
    pair.send(1, LAN, &frame(0xff, 1, Some(10), 60));
    let heard = pair.send(0, LAN, &frame(1, 5, Some(10), 60));
    assert!(heard.iter().any(|(router, port, _)| (*router, *port) == (1, LAN)), "{heard:?}");
}
