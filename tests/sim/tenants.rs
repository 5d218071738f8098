//! Tenants over routers that nothing but their configuration joins: frames go from a port through a
//! pseudowire to a port of another router, and come to nobody else.
//!
//! Two routers have static pseudowires; members of a ring find each other.

use kumiki::base::ids::{MacAddress, PortId};
use kumiki::base::time::{Duration, Instant};
use kumiki::config::{Config, Overrides, Source, load};
use kumiki::control::{AttachedPort, ControlPlane, Input};
use kumiki::fib::bridge_table::{Member, MemberState};
use kumiki::sim::clock::Clock;
use kumiki::sim::node::{Host, Node, Sent};
use std::collections::{BTreeMap, VecDeque};

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
        "[router]\nname = \"s{number}\"\n[cluster]\nula = \"fd00::/48\"\nnumber = {number}\n\
         [[port]]\ndevice = \"tap:cable\"\nname = \"cable\"\nrole = \"fabric\"\n\
         [[port]]\ndevice = \"tap:lan\"\nname = \"lan\"\nrole = \"lan\"\n\
         [[port]]\ndevice = \"tap:vm\"\nname = \"vm\"\nrole = \"tenant\"\n\
         [[tenant]]\nname = \"blue\"\nid = 10\nports = [\"lan.10\"]\n\
         [[tenant.pseudowire]]\naddress = \"fd00::{other}\"\nsession_id = {number}01\n\
         remote_session_id = {other}01\ncookie = \"000000000000000{number}\"\n\
         remote_cookie = \"000000000000000{other}\"\n{more}\
         [[tenant]]\nname = \"red\"\nid = 11\nports = [\"vm\"]\n\
         [[tenant.pseudowire]]\naddress = \"fd00::{other}\"\nsession_id = {number}02\n\
         remote_session_id = {other}02\n{more}"
    );
    let overrides = Overrides::default();
    let files = &kumiki::config::NoFiles;
    let source = Source { origin: "test", text: &text, overrides: &overrides, files };
    load(&source).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Routers with cables between some of their ports; behind the others are guests.
struct Net {
    nodes: Vec<Node<ControlPlane>>,
    configs: Vec<(Config, Vec<AttachedPort>)>,
    cables: BTreeMap<(usize, PortId), (usize, PortId)>,
    now: Instant,
    /// What left by ports with guests: which router, which port, the frame.
    heard: Vec<Heard>,
}

type Heard = (usize, PortId, Vec<u8>);

impl Net {
    /// Starts routers with these configurations, each with those of its ports that are there, and
    /// lets them find each other.
    fn new(routers: Vec<(Config, &[PortId])>, cables: &[[(usize, PortId); 2]]) -> Self {
        let now = Instant::from_millis(1_000);
        let both = cables.iter().flat_map(|[one, other]| [(*one, *other), (*other, *one)]);
        let (nodes, configs, cables) = (Vec::new(), Vec::new(), both.collect());
        let mut net = Self { nodes, configs, cables, now, heard: Vec::new() };
        let mut first = Vec::new();
        for (number, (config, ports)) in (1_u8..).zip(routers) {
            let attached = ports.iter().map(|port| {
                let settings = config.ports[port.index()].clone();
                let mac = MacAddress([2, 0, 0, 0, number, u8::try_from(port.0).unwrap()]);
                let port = *port;
                AttachedPort { port, settings, mac, mtu_max: 9216, speed_mbps: None, is_up: true }
            });
            let attached: Vec<_> = attached.collect();
            let configure = Input::Configure(Box::new(config.clone()));
            let seed = (u64::from(number), Clock::default());
            let host = Host::default();
            let (node, sent) = Node::start(now, seed, host, configure, attached.clone());
            net.nodes.push(node);
            net.configs.push((config, attached));
            first.push(sent);
        }
        for (router, sent) in first.into_iter().enumerate() {
            net.carry(router, sent);
        }
        net.run(CONVERGED);
        net
    }

    /// Two routers with a cable; see [`config`].
    fn pair(more: &str) -> Self {
        let ports = &[CABLE, LAN, VM][..];
        let routers = [1, 2].map(|number| (config(number, more), ports));
        Self::new(routers.into(), &[[(0, CABLE), (1, CABLE)]])
    }

    /// Carries frames over cables until none is under way.
    fn carry(&mut self, router: usize, sent: Vec<Sent>) {
        let mut under_way: VecDeque<_> = sent.into_iter().map(|sent| (router, sent)).collect();
        while let Some((router, Sent { port, bytes })) = under_way.pop_front() {
            match self.cables.get(&(router, port)) {
                Some((other, port)) => {
                    let answers = self.nodes[*other].receive(self.now, *port, &bytes);
                    under_way.extend(answers.into_iter().map(|sent| (*other, sent)));
                }
                None => self.heard.push((router, port, bytes)),
            }
        }
    }

    /// Something happens to a router.
    fn input(&mut self, router: usize, input: Input) {
        let sent = self.nodes[router].input(self.now, input);
        self.carry(router, sent);
    }

    /// Pulls a cable; both ends see it.
    fn cut(&mut self, end: (usize, PortId)) {
        let Some(other) = self.cables.remove(&end) else { return };
        self.cables.remove(&other);
        for (router, port) in [end, other] {
            self.input(router, Input::Carrier { port, is_up: false });
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
            for router in 0..self.nodes.len() {
                if self.nodes[router].next_deadline().is_some_and(|due| due <= self.now) {
                    let sent = self.nodes[router].wake(self.now);
                    self.carry(router, sent);
                }
            }
        }
        self.now = end;
        for router in 0..self.nodes.len() {
            let sent = self.nodes[router].keep_house(self.now);
            self.carry(router, sent);
        }
        self.heard.clear();
    }

    /// A guest sends a frame; who hears what of it, in order of the routers.
    fn send(&mut self, router: usize, port: PortId, frame: &[u8]) -> Vec<Heard> {
        self.heard.clear();
        let sent = self.nodes[router].receive(self.now, port, frame);
        self.carry(router, sent);
        let mut heard = core::mem::take(&mut self.heard);
        heard.sort();
        heard
    }

    /// How many pseudowires a router has that forward.
    fn pseudowires(&self, router: usize) -> usize {
        let members = self.nodes[router].forwarding().overlay.members();
        let open = |member: &Member| member.state == MemberState::Forwarding;
        members.filter(|(_, member)| member.is_pseudowire() && open(member)).count()
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
    let mut pair = Net::pair("");
    let tagged = frame(0xff, 1, Some(10), 60);
    assert_eq!(pair.send(0, LAN, &tagged), [(1, LAN, tagged.clone())]);
    // The other way, now that the MAC is known: nothing is flooded, and nothing else hears it.
    let answer = frame(1, 2, Some(10), 60);
    assert_eq!(pair.send(1, LAN, &answer), [(0, LAN, answer.clone())]);
}

#[test]
fn tags_of_a_trunk_stay_and_tenants_hear_nothing_of_each_other() {
    let mut pair = Net::pair("");
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
        let mut pair = Net::pair(way);
        let sent = frame(0xff, 3, None, 1000);
        assert_eq!(pair.send(0, VM, &sent), [(1, VM, sent.clone())], "{way}");
        assert_eq!(pair.send(1, VM, &sent), [(0, VM, sent.clone())], "{way}");
    }
}

#[test]
fn the_largest_frame_that_fits_arrives_and_one_octet_more_does_not() {
    let mut pair = Net::pair("");
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
    let mut pair = Net::pair("");
    pair.send(0, LAN, &frame(0xff, 1, Some(10), 60));
    pair.send(1, LAN, &frame(0xff, 2, Some(10), 60));
    // Guest 1 moves to router 2: what guest 2 sends it stays there.
    pair.send(1, LAN, &frame(0xff, 1, Some(10), 60));
    let heard = pair.send(0, LAN, &frame(1, 5, Some(10), 60));
    assert!(heard.iter().any(|(router, port, _)| (*router, *port) == (1, LAN)), "{heard:?}");
}

const LEFT: PortId = PortId(0);
const RIGHT: PortId = PortId(1);
const GUEST: PortId = PortId(2);

/// A ring of routers whose files differ in the number only. Those in `members` have the port of the
/// tenant.
fn ring(count: usize, members: &[usize]) -> Net {
    let config = |number: usize| {
        let text = format!(
            "[router]\nname = \"s{number}\"\n[cluster]\nula = \"fd00::/48\"\n\
             number = {number}\nkey = \"file:key\"\n\
             [[port]]\ndevice = \"tap:left\"\nname = \"left\"\nrole = \"fabric\"\n\
             [[port]]\ndevice = \"tap:right\"\nname = \"right\"\nrole = \"fabric\"\n\
             [[port]]\ndevice = \"tap:guest\"\nname = \"guest\"\nrole = \"tenant\"\n\
             [[tenant]]\nname = \"blue\"\nid = 10\nports = [\"guest.5\"]\n"
        );
        let overrides = Overrides::default();
        let files = |_: &str| Ok("a secret of enough octets".to_owned());
        let source = Source { origin: "test", text: &text, overrides: &overrides, files: &files };
        load(&source).unwrap_or_else(|errors| panic!("{errors}"))
    };
    let routers = (0..count).map(|place| {
        let ports = match members.contains(&place) {
            true => &[LEFT, RIGHT, GUEST][..],
            false => &[LEFT, RIGHT],
        };
        (config(place + 1), ports)
    });
    let cables: Vec<_> =
        (0..count).map(|place| [(place, RIGHT), ((place + 1) % count, LEFT)]).collect();
    Net::new(routers.collect(), &cables)
}

/// Where a broadcast of a guest is heard.
fn audience(net: &mut Net, router: usize) -> Vec<usize> {
    let sent = frame(0xff, u8::try_from(router).unwrap(), Some(5), 60);
    let heard = net.send(router, GUEST, &sent);
    assert!(heard.iter().all(|(_, port, bytes)| *port == GUEST && *bytes == sent), "{heard:?}");
    heard.into_iter().map(|(router, ..)| router).collect()
}

#[test]
fn members_find_each_other_and_nobody_else_has_a_pseudowire() {
    let mut net = ring(4, &[0, 1, 3]);
    let counts: Vec<_> = (0..4).map(|router| net.pseudowires(router)).collect();
    assert_eq!(counts, [2, 2, 0, 2]);
    for (router, others) in [(0, [1, 3]), (1, [0, 3]), (3, [0, 1])] {
        assert_eq!(audience(&mut net, router), others);
    }
}

#[test]
fn a_member_is_reached_the_other_way_when_a_cable_is_cut() {
    let mut net = ring(4, &[0, 1]);
    net.cut((0, RIGHT));
    assert_eq!(audience(&mut net, 0), [1], "before anything was calculated");
    net.run(CONVERGED);
    assert_eq!(audience(&mut net, 0), [1]);
}

#[test]
fn a_member_that_dies_is_forgotten_and_is_back_when_it_is() {
    let mut net = ring(4, &[0, 1, 3]);
    let cables = net.cables.clone();
    net.cut((3, LEFT));
    net.cut((3, RIGHT));
    net.run(CONVERGED);
    assert_eq!([net.pseudowires(0), net.pseudowires(3)], [1, 0]);
    assert_eq!(audience(&mut net, 0), [1]);
    net.cables = cables;
    for (router, port) in [(3, LEFT), (3, RIGHT), (2, RIGHT), (0, LEFT)] {
        net.input(router, Input::Carrier { port, is_up: true });
    }
    net.run(CONVERGED);
    assert_eq!(audience(&mut net, 0), [1, 3]);
    assert_eq!(audience(&mut net, 3), [0, 1]);
}

#[test]
fn a_member_that_leaves_is_gone_at_once() {
    let mut net = ring(4, &[0, 1, 3]);
    net.input(1, Input::Shutdown);
    net.run(Duration::from_millis(100));
    assert_eq!([net.pseudowires(0), net.pseudowires(3)], [1, 1]);
}

#[test]
fn frames_go_on_while_a_control_plane_is_started_again() {
    let mut net = ring(4, &[0, 1, 3]);
    let (config, attached) = net.configs[0].clone();
    let sent = net.nodes[0].replace_control(net.now, 77, Box::new(config), attached);
    net.carry(0, sent);
    for second in 0..30 {
        assert_eq!(audience(&mut net, 0), [1, 3], "from it after {second} s");
        assert_eq!(audience(&mut net, 3), [0, 1], "to it after {second} s");
        net.run(Duration::from_secs(1));
    }
    assert_eq!(net.pseudowires(0), 2);
}

#[test]
fn one_more_member_is_one_more_port_and_nothing_elsewhere() {
    let mut net = ring(4, &[0, 1, 3]);
    let mut guest = net.configs[0].1[GUEST.index()].clone();
    guest.mac = MacAddress([2, 0, 0, 0, 3, 2]);
    guest.settings = net.configs[2].0.ports[GUEST.index()].clone();
    net.input(2, Input::PortAttached(Box::new(guest)));
    net.run(CONVERGED);
    let counts: Vec<_> = (0..4).map(|router| net.pseudowires(router)).collect();
    assert_eq!(counts, [3; 4]);
}
