//! Routes from outside the AS between FRR, BIRD and Kumiki's OSPF machine, and LSAs that the two
//! carry without knowing them.
//!
//! The machine is run by the test itself, over a raw socket in the namespace of a server whose own
//! router was stopped: what it announces is for others to decide, and here the test does.

use crate::routers::Kept;
use crate::{BIRD, FRR, cannot_run, skip};
use kumiki::base::ids::{PortId, RouterId};
use kumiki::base::machine::Machine;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::base::time::{Duration, Instant};
use kumiki::os::namespace::Namespace;
use kumiki::os::netlink::RouteSocket;
use kumiki::proto::ospf::{
    Action, BACKBONE, ExternalChanges, ExternalRoute, Input, InterfaceConfig, InterfaceKind,
    NeighborState, OpaqueKind, OpaqueNews, Ospf, Settings, SpfDelays,
};
use kumiki::wire::ospf::ExternalMetric;
use kumiki::wire::ospf::packet::ALL_SPF_ROUTERS;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, sockopt};
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

const BIRDC: &str = "/usr/sbin/birdc";
const IP: &str = "/sbin/ip";
/// How long anything here may take: BIRD looks once a second, FRR answers in its own time.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(40);
/// OSPF (RFC 5340 §A.1).
const PROTOCOL: u32 = 89;

/// A port of the server.
struct Port {
    ifindex: u32,
    config: InterfaceConfig,
}

/// The machine on the cables of a server.
struct Speaker {
    ospf: Ospf,
    socket: OwnedFd,
    ports: Vec<Port>,
    began: std::time::Instant,
    routes: BTreeMap<Ipv6Prefix, u32>,
    /// What others say in LSAs that are only carried.
    opaque: BTreeMap<(RouterId, u32), Vec<u8>>,
    /// The last that became of one.
    last: Option<OpaqueNews>,
}

fn config(name: &str, ifindex: u32, link_local: Ipv6Addr, mtu: u16) -> InterfaceConfig {
    InterfaceConfig {
        name: name.to_owned(),
        kind: InterfaceKind::PointToPoint,
        interface_id: ifindex,
        area: BACKBONE,
        instance_id: 0,
        link_local,
        mtu,
        cost: 10,
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(3),
        retransmit_interval: Duration::from_secs(1),
        transmit_delay: Duration::from_secs(1),
        mtu_ignore: false,
        is_up: true,
    }
}

fn port(name: &str) -> Port {
    let mut netlink = RouteSocket::open().unwrap();
    let link = netlink.link_by_name(name).unwrap();
    let addresses = netlink.addresses(link.ifindex).unwrap();
    let own = addresses.iter().map(|(address, _)| *address);
    let link_local = own.into_iter().find(Ipv6Addr::is_unicast_link_local).unwrap();
    let mtu = u16::try_from(link.mtu).unwrap();
    Port { ifindex: link.ifindex, config: config(name, link.ifindex, link_local, mtu) }
}

fn socket(ports: &[Port]) -> OwnedFd {
    let protocol = rustix::net::Protocol::from_raw(PROTOCOL.try_into().unwrap());
    let socket =
        rustix::net::socket(AddressFamily::INET6, SocketType::RAW, Some(protocol)).unwrap();
    sockopt::set_ipv6_multicast_hops(&socket, 1).unwrap();
    sockopt::set_ipv6_multicast_loop(&socket, false).unwrap();
    for port in ports {
        sockopt::set_ipv6_add_membership(&socket, &ALL_SPF_ROUTERS, port.ifindex).unwrap();
    }
    socket
}

impl Speaker {
    fn new(kept: &Kept, server: &str, names: &[&str], router_id: RouterId) -> Self {
        let path = kept.directory.path().join("lab/net").join(server);
        let namespace = Namespace::open(&path).unwrap();
        let open = || {
            let ports: Vec<Port> = names.iter().map(|name| port(name)).collect();
            let socket = socket(&ports);
            (ports, socket)
        };
        let (ports, socket) = namespace.run(open).unwrap();
        let began = std::time::Instant::now();
        let mut speaker = Self {
            ospf: Ospf::new(5),
            socket,
            ports,
            began,
            routes: BTreeMap::new(),
            opaque: BTreeMap::new(),
            last: None,
        };
        speaker.input(Input::Settings(Settings {
            router_id,
            spf_delays: SpfDelays {
                initial: Duration::ZERO,
                short: Duration::from_millis(50),
                long: Duration::from_secs(1),
                time_to_learn: Duration::from_millis(500),
                holddown: Duration::from_secs(3),
            },
            order_step: Duration::ZERO,
            helps_restarts: true,
            endpoint: None,
        }));
        for number in 0..speaker.ports.len() {
            let interface = Box::new(speaker.ports[number].config.clone());
            speaker.input(Input::InterfaceAdded { port: port_id(number), interface });
        }
        speaker
    }

    fn now(&self) -> Instant {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        Instant::from_millis(1000 + passed)
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.ospf.handle(now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.ospf.poll_action() {
            match action {
                Action::Send { port, destination, bytes } => {
                    let ifindex = self.ports[usize::from(port.0)].ifindex;
                    let to = SocketAddrV6::new(destination, 0, 0, ifindex);
                    let sent = rustix::net::sendto(&self.socket, &bytes, SendFlags::empty(), &to);
                    assert_eq!(sent, Ok(bytes.len()), "to {to}");
                }
                Action::Route(update) => {
                    match update.route {
                        Some(route) => self.routes.insert(update.prefix, route.metric),
                        None => self.routes.remove(&update.prefix),
                    };
                }
                Action::Opaque(update) => {
                    let name = (update.router_id, update.link_state_id);
                    match &update.news {
                        OpaqueNews::Said(body) => self.opaque.insert(name, body.clone()),
                        OpaqueNews::Withdrawn | OpaqueNews::Unreachable => {
                            self.opaque.remove(&name)
                        }
                    };
                    self.last = Some(update.news);
                }
                Action::NeighborChanged(_) | Action::NeighborMoved { .. } | Action::Notice(_) => {}
            }
        }
    }

    /// Takes what has come and does what is due.
    fn turn(&mut self) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok((count, _, Some(from))) =
            rustix::net::recvfrom(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT)
        {
            let from = SocketAddrV6::try_from(from).unwrap();
            let is_it = |port: &Port| port.ifindex == from.scope_id();
            let Some(number) = self.ports.iter().position(is_it) else { continue };
            self.hear(number, *from.ip(), &buffer[..count]);
        }
        if self.ospf.next_deadline().is_some_and(|deadline| deadline <= self.now()) {
            let now = self.now();
            self.ospf.handle_timeout(now);
            self.drain();
        }
    }

    /// Where it was sent to the socket does not say; the checksum does.
    fn hear(&mut self, number: usize, source: Ipv6Addr, bytes: &[u8]) {
        for destination in [ALL_SPF_ROUTERS, self.ports[number].config.link_local] {
            let before = self.ospf.counters().bad_checksum;
            let (port, bytes) = (port_id(number), bytes.to_vec());
            self.input(Input::Packet { port, source, destination, bytes });
            if self.ospf.counters().bad_checksum == before {
                return;
            }
        }
    }

    /// Goes on until something is so.
    #[track_caller]
    fn wait(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        let mut look = std::time::Instant::now();
        loop {
            self.turn();
            if std::time::Instant::now() >= look {
                if is_so(self) {
                    return;
                }
                look = std::time::Instant::now() + std::time::Duration::from_millis(200);
            }
            assert!(std::time::Instant::now() < deadline, "{what}: {:?}", self.routes);
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    fn is_full(&self) -> bool {
        let neighbors = self.ospf.neighbors();
        let is_full = neighbors.iter().all(|neighbor| neighbor.state == NeighborState::Full);
        neighbors.len() == self.ports.len() && is_full
    }

    fn metric(&self, prefix: &str) -> Option<u32> {
        self.routes.get(&prefix.parse::<Ipv6Prefix>().unwrap()).copied()
    }
}

fn port_id(number: usize) -> PortId {
    PortId(u16::try_from(number).unwrap())
}

/// The kernel's routes on a server, which its router made.
fn kernel_routes(kept: &Kept, server: &str, prefix: &str) -> String {
    let command = format!("exec {server} {IP} -6 route show {prefix}");
    String::from_utf8(kept.run(&command).output().unwrap().stdout).unwrap()
}

/// What BIRD's table says of a prefix.
fn bird_route(kept: &Kept, prefix: &str) -> String {
    let socket = kept.directory.path().join("lab/s03.bird/bird.ctl");
    let command = format!("exec s03 {BIRDC} -s {} show route {prefix}", socket.display());
    String::from_utf8(kept.run(&command).output().unwrap().stdout).unwrap()
}

/// BIRD announces one prefix from outside, FRR what the kernel has.
fn announce_there(kept: &Kept) {
    let folder = kept.directory.path().join("lab/s03.bird");
    let (config, socket) = (folder.join("bird.conf"), folder.join("bird.ctl"));
    let text = std::fs::read_to_string(&config).unwrap();
    let (protocol, export) = ("protocol ospf v3 fabric {", "import all; export none;");
    assert!(text.contains(protocol) && text.contains(export), "{text}");
    let filter = "import all; export filter { if proto = \"outside\" then \
                  { ospf_metric2 = 30; ospf_tag = 77; accept; } reject; };";
    let outside = "protocol static outside { ipv6; route 2001:db8:b::/48 blackhole; }";
    let text = text.replace(export, filter).replace(protocol, &format!("{outside}\n{protocol}"));
    std::fs::write(&config, text).unwrap();
    let birdc = format!("exec s03 {BIRDC} -s {} configure", socket.display());
    assert!(kept.run(&birdc).status().unwrap().success());
    let route = format!("exec s02 {IP} -6 route add blackhole 2001:db8:f::/48");
    assert!(kept.run(&route).status().unwrap().success());
    let commands = [
        "enable",
        "configure terminal",
        "router ospf6",
        "redistribute kernel metric 20 metric-type 1",
    ];
    crate::graceful::tell_ospf6d(kept, &commands);
}

fn outside(prefix: &str, metric: ExternalMetric) -> ExternalRoute {
    ExternalRoute {
        prefix: prefix.parse().unwrap(),
        metric,
        forwarding_address: None,
        tag: Some(5),
    }
}

// RFC 5340 §4.4.3.6 and §4.8.4, both ways.
#[test]
fn frr_and_bird_take_routes_from_outside_and_give_theirs() {
    if cannot_run(&[FRR, BIRD, BIRDC, IP]) {
        return;
    }
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("a raw socket needs root");
        return;
    }
    let shape = "--servers 3 --topology ring --peer s01=bird --peer s02=frr --peer s03=bird";
    let kept = Kept::up(&format!("up {shape} --bfd 0"));
    assert!(kept.run("kill s01").status().unwrap().success());
    announce_there(&kept);
    let mut speaker = Speaker::new(&kept, "s01", &["f-s02", "f-s03"], RouterId(0x0909_0909));
    speaker.wait("adjacencies", Speaker::is_full);

    // Theirs: type 1 of FRR with the way to it, type 2 of BIRD without.
    speaker.wait("the route of FRR", |it| it.metric("2001:db8:f::/48") == Some(30));
    speaker.wait("the route of BIRD", |it| it.metric("2001:db8:b::/48") == Some(30));
    let kinds: Vec<&str> = speaker.ospf.routes().iter().map(|route| route.kind).collect();
    assert!(kinds.contains(&"external type 1") && kinds.contains(&"external type 2"));

    // Ours.
    let announced = vec![
        outside("2001:db8:a1::/48", ExternalMetric::Type1(7)),
        outside("2001:db8:a2::/48", ExternalMetric::Type2(9)),
    ];
    speaker.input(Input::Externals(ExternalChanges { withdrawn: Vec::new(), announced }));
    for server in ["s02", "s03"] {
        for prefix in ["2001:db8:a1::/48", "2001:db8:a2::/48"] {
            let is_there = |_: &Speaker| kernel_routes(&kept, server, prefix).contains("f-s01");
            speaker.wait(&format!("{prefix} at {server}"), is_there);
        }
    }

    // Type, preference, way, metric and tag.
    let is_said = |text: &'static str| {
        let kept = &kept;
        move |_: &Speaker| bird_route(kept, "2001:db8:a2::/48").contains(text)
    };
    speaker.wait("type 2 at BIRD", is_said("E2 (150/10/9) [5] [9.9.9.9]"));

    // A change of metric is an LSA of the same id; and one that goes is gone there.
    let announced = vec![outside("2001:db8:a2::/48", ExternalMetric::Type1(3))];
    let withdrawn = vec!["2001:db8:a1::/48".parse().unwrap()];
    speaker.input(Input::Externals(ExternalChanges { withdrawn, announced }));
    for server in ["s02", "s03"] {
        let is_gone = |_: &Speaker| kernel_routes(&kept, server, "2001:db8:a1::/48").is_empty();
        speaker.wait(&format!("withdrawn at {server}"), is_gone);
        assert!(kernel_routes(&kept, server, "2001:db8:a2::/48").contains("f-s01"));
    }
    speaker.wait("type 1 at BIRD", is_said("E1 (150/13) [5] [9.9.9.9]"));

    // Theirs go as well.
    let gone = format!("exec s02 {IP} -6 route del blackhole 2001:db8:f::/48");
    assert!(kept.run(&gone).status().unwrap().success());
    speaker.wait("FRR withdraws", |it| it.metric("2001:db8:f::/48").is_none());
    assert_eq!(speaker.metric("2001:db8:b::/48"), Some(30));
}

/// Lets two go on until something is so.
#[track_caller]
fn wait_for_both(what: &str, pair: &mut [Speaker; 2], is_so: impl Fn(&[Speaker; 2]) -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so(pair) {
        pair.iter_mut().for_each(Speaker::turn);
        assert!(std::time::Instant::now() < deadline, "{what}: {:?}", pair[1].opaque);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Two machines on either side of another router.
fn carried_by(peer: &str) {
    let shape = "--servers 3 --topology ring --peer s01=bird --peer s02=bird";
    let kept = Kept::up(&format!("up {shape} --peer s03={peer} --bfd 0"));
    let ids = [RouterId(0x0909_0901), RouterId(0x0909_0902)];
    let mut pair = ["s01", "s02"].map(|server| {
        assert!(kept.run(&format!("kill {server}")).status().unwrap().success());
        let id = if server == "s01" { ids[0] } else { ids[1] };
        Speaker::new(&kept, server, &["f-s03"], id)
    });
    let say = |speaker: &mut Speaker, body: Option<&[u8]>| {
        let bodies = body.map(|body| (7, body.to_vec())).into_iter().collect();
        speaker.input(Input::Opaque { kind: OpaqueKind::Membership, bodies });
    };
    say(&mut pair[0], Some(b"blue"));
    wait_for_both("adjacencies", &mut pair, |pair| pair.iter().all(Speaker::is_full));
    let holds = |body: Option<&'static [u8]>| {
        move |pair: &[Speaker; 2]| pair[1].opaque.get(&(ids[0], 7)).map(Vec::as_slice) == body
    };
    wait_for_both("an LSA from before", &mut pair, holds(Some(b"blue")));
    say(&mut pair[0], Some(b"pink"));
    wait_for_both("a change", &mut pair, holds(Some(b"pink")));
    say(&mut pair[0], None);
    wait_for_both("a withdrawal", &mut pair, holds(None));
    assert_eq!(pair[1].last, Some(OpaqueNews::Withdrawn));
    say(&mut pair[0], Some(b"grey"));
    wait_for_both("it again", &mut pair, holds(Some(b"grey")));
    // The first one falls silent: its LSA stays where it is, and counts no more.
    pair[1].wait("nobody reaches it", |it| it.opaque.is_empty());
    assert_eq!(pair[1].last, Some(OpaqueNews::Unreachable));
    let rows = pair[1].ospf.database(pair[1].now());
    assert!(rows.iter().any(|row| row.kind == "membership" && row.router == ids[0]));
}

// RFC 5340 §4.5.2: the U-bit.
#[test]
fn frr_and_bird_carry_an_lsa_of_tenants_unread() {
    if cannot_run(&[FRR, BIRD, BIRDC, IP]) {
        return;
    }
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("a raw socket needs root");
        return;
    }
    carried_by("frr");
    carried_by("bird");
}
