//! FRR 8.4 as a peer: zebra and bgpd, their configuration, their commands, what they say.
//!
//! Owns [`Frr`]. What FRR shows of a whole table in JSON has prefix, next hop, AS path, origin and
//! MED; the rest is asked for prefix by prefix.

use super::peer::{Kind, OnLink, Peer, Wish};
use super::route::{Route, Table};
use super::world::{ASN, World};
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::wire::bgp::{AsPath, Community, LargeCommunity, Origin, PathAttributes, Role};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::Ipv6Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const BGPD: &str = "/usr/lib/frr/bgpd";
pub const ZEBRA: &str = "/usr/lib/frr/zebra";
pub const VTYSH: &str = "/usr/bin/vtysh";
const KIND: Kind = Kind::Frr;
const NAME: &str = KIND.name();
/// The end of its cable.
const INTERFACE: &str = "up";
/// Where FRR writes whatever it is told.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/run/frr", "/var/tmp/frr"];

/// Whether bgpd's routes go into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Used,
    Spared,
}

/// zebra and bgpd in the namespace of its name.
pub struct Frr<'a> {
    world: &'a World,
    kernel: Kernel,
    asn: u32,
    /// What it calls the router: its address, or the interface that it is on.
    router: String,
}

/// RFC 9234 in its words.
const fn role(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::RouteServer => "rs-server",
        Role::RouteServerClient => "rs-client",
        Role::Customer => "customer",
        Role::Peer => "peer",
    }
}

/// The lines of a wish: within `router bgp`, within its family, beside it.
fn lines(wish: &Wish<'_>) -> [String; 3] {
    let mut lines = [String::new(), String::new(), String::new()];
    let [router, family, more] = &mut lines;
    if let Some(password) = wish.password {
        router.push_str(&format!(" neighbor KUMIKI password {password}\n"));
    }
    if wish.has_ttl_security {
        router.push_str(" neighbor KUMIKI ttl-security hops 1\n");
    }
    if let Some(own) = wish.role {
        router.push_str(&format!(" neighbor KUMIKI local-role {}\n", role(own)));
    }
    if wish.has_graceful_restart {
        // Or it keeps its own routes to itself for six minutes after every start.
        router.push_str(
            " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n \
             bgp graceful-restart select-defer-time 2\n",
        );
    }
    if wish.has_bfd {
        router.push_str(" neighbor KUMIKI bfd\n");
    }
    if let Some(time) = wish.hold_time_s {
        router.push_str(&format!(" neighbor KUMIKI timers {} {time}\n", time / 3));
    }
    if let Some(max) = wish.prefix_max {
        family.push_str(&format!("  neighbor KUMIKI maximum-prefix {max}\n"));
    }
    if wish.has_add_path {
        family.push_str("  neighbor KUMIKI addpath-tx-all-paths\n");
    }
    if let Some(([_, far], asn)) = wish.far {
        router.push_str(&format!(
            " neighbor {far} remote-as {asn}\n neighbor {far} passive\n \
             neighbor {far} advertisement-interval 0\n"
        ));
        family.push_str(&format!("  neighbor {far} activate\n"));
    }
    for (number, announced) in wish.announces.iter().enumerate() {
        let prefix = announced.prefix;
        family.push_str(&format!("  network {prefix} route-map announced{number}\n"));
        more.push_str(&format!("route-map announced{number} permit 1\n"));
        if let Some(community) = announced.community {
            more.push_str(&format!(" set community {community}\n"));
        }
        if let Some(asn) = announced.behind {
            more.push_str(&format!(" set as-path prepend {asn}\n"));
        }
        more.push_str("exit\n");
    }
    lines
}

impl<'a> Frr<'a> {
    /// Starts both.
    pub fn start(world: &'a World, wish: &Wish<'_>) -> Self {
        let kernel = if wish.forwards { Kernel::Used } else { Kernel::Spared };
        let router = match wish.on_link {
            None => world.kumiki(NAME).to_string(),
            Some(OnLink::Named) => world.kumiki_on_link(NAME).to_string(),
            Some(OnLink::Found) => INTERFACE.to_owned(),
        };
        let frr = Self { world, kernel, asn: wish.asn.unwrap_or(KIND.asn()), router };
        frr.make_directories();
        let mut zebra = String::from("hostname frr\n");
        if wish.on_link == Some(OnLink::Found) {
            zebra.push_str(&format!("interface {INTERFACE}\n no ipv6 nd suppress-ra\nexit\n"));
        }
        std::fs::write(frr.file("zebra.conf"), zebra).unwrap();
        std::fs::write(frr.file("bgpd.conf"), frr.config(wish)).unwrap();
        frr.begin("zebra");
        world.wait("zebra answers", || frr.file("zserv.api").exists());
        if wish.has_bfd {
            std::fs::write(frr.file("bfdd.conf"), "hostname frr\n").unwrap();
            frr.begin("bfdd");
            world.wait("bfdd answers", || frr.file("bfdd.vty").exists());
        }
        frr.begin("bgpd");
        world.wait("bgpd answers", || frr.answers());
        let neighbor = format!("show bgp neighbors {}", frr.router);
        let socket = world.path(NAME).display().to_string();
        world.witness(NAME, &[VTYSH, "--vty_socket", &socket, "-d", "bgpd", "-c", &neighbor]);
        frr
    }

    fn file(&self, end: &str) -> PathBuf {
        self.world.path(NAME).join(end)
    }

    /// The daemons become the user `frr`, and write into these as such.
    fn make_directories(&self) {
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find_map(|line| line.strip_prefix("frr:")).unwrap();
        let mut ids = line.split(':').skip(1).map(|id| id.parse().unwrap());
        let (uid, gid) = (ids.next(), ids.next());
        for directory in [self.world.path(NAME), self.file("run"), self.file("tmp")] {
            std::fs::create_dir(&directory).unwrap();
            std::os::unix::fs::chown(&directory, uid, gid).unwrap();
        }
    }

    fn config(&self, wish: &Wish<'_>) -> String {
        let (asn, number) = (self.asn, self.world.number(NAME));
        let [router, family, more] = lines(wish);
        let remote = match wish.on_link {
            None => format!("remote-as {ASN}"),
            Some(OnLink::Named) => {
                format!("remote-as {ASN}\n neighbor KUMIKI interface {INTERFACE}")
            }
            Some(OnLink::Found) => "interface remote-as external".to_owned(),
        };
        let config = format!(
            "hostname frr\nrouter bgp {asn}\n bgp router-id 10.9.0.{number}\n \
             no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
             no bgp network import-check\n neighbor KUMIKI {remote}\n \
             neighbor KUMIKI timers connect 1\n neighbor KUMIKI advertisement-interval 0\n\
             {router} address-family ipv6 unicast\n  neighbor KUMIKI activate\n\
             {family} exit-address-family\nexit\n{more}"
        );
        config.replace("KUMIKI", &self.router)
    }

    /// Starts a daemon in a mount namespace in which what it writes elsewhere is written here.
    fn begin(&self, daemon: &str) {
        let directory = self.world.path(NAME).display().to_string();
        let mut script = String::from("set -e; ");
        for (system, own) in SYSTEM_DIRECTORIES.into_iter().zip(["run", "tmp"]) {
            if Path::new(system).exists() {
                script.push_str(&format!("mount --bind {directory}/{own} {system}; "));
            }
        }
        let spared = match self.kernel {
            Kernel::Spared if daemon == "bgpd" => "-n",
            _ => "",
        };
        script.push_str(&format!(
            "exec /usr/lib/frr/{daemon} -f {directory}/{daemon}.conf -i {directory}/{daemon}.pid \
             -z {directory}/zserv.api --vty_socket {directory} --log stdout -P 0 {spared}"
        ));
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]);
        self.world.start(&format!("frr.{daemon}"), NAME, command);
    }

    fn answers(&self) -> bool {
        UnixStream::connect(self.file("bgpd.vty")).is_ok()
    }

    /// Commands to bgpd; the answer to the last.
    pub fn tell(&self, commands: &[&str]) -> String {
        let commands: Vec<String> =
            commands.iter().map(|line| line.replace("KUMIKI", &self.router)).collect();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        tell(&self.file("bgpd.vty"), &[&["enable"], &commands[..]].concat())
    }

    fn json(&self, command: &str) -> Value {
        let answer = self.tell(&[command]);
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{command}: {error}: {answer}"))
    }

    /// What it says of the session.
    pub fn session(&self) -> Value {
        let router = &self.router;
        self.json(&format!("show bgp neighbors {router} json"))[router].take()
    }

    /// Its paths of a prefix that are of the router.
    fn paths(&self, prefix: &str) -> Vec<Value> {
        let shown = self.json(&format!("show bgp ipv6 unicast {prefix} json"));
        let router = self.router.as_str();
        let mut paths = shown["paths"].as_array().cloned().unwrap_or_default();
        let is_of_router = |peer: &Value| peer["peerId"] == router || peer["interface"] == router;
        paths.retain(|path| is_of_router(&path["peer"]));
        paths
    }

    /// Prefix, next hop, AS path, origin and MED of all that it has of the router.
    pub fn table(&self) -> Table {
        let router = &self.router;
        let shown = self.json(&format!("show bgp ipv6 unicast neighbors {router} routes json"));
        let routes = shown["routes"].as_object().unwrap();
        let route = |(prefix, paths): (&String, &Value)| {
            (prefix.parse::<Ipv6Prefix>().unwrap(), brief_route(&paths[0]))
        };
        routes.iter().map(route).collect()
    }
}

impl Peer for Frr<'_> {
    fn route(&self, prefix: &str) -> Option<Route> {
        self.paths(prefix).first().map(whole_route)
    }

    fn path_count(&self, prefix: &str) -> usize {
        self.paths(prefix).len()
    }

    fn count(&self) -> usize {
        let session = self.session();
        let count = session["addressFamilyInfo"]["ipv6Unicast"]["acceptedPrefixCounter"].as_u64();
        usize::try_from(count.unwrap_or(0)).unwrap()
    }

    fn soft_in(&self) {
        self.tell(&["clear bgp ipv6 unicast KUMIKI soft in"]);
    }

    fn shut_down(&self, text: &str) {
        let router = format!("router bgp {}", self.asn);
        let shutdown = format!("neighbor KUMIKI shutdown message {text}");
        self.tell(&["configure terminal", &router, &shutdown]);
    }

    fn crash(&self) {
        self.world.kill(&self.process());
        let _ = std::fs::remove_file(self.file("bgpd.vty"));
    }

    fn recover(&self) {
        self.begin("bgpd");
        self.world.wait("bgpd answers", || self.answers());
    }

    fn process(&self) -> String {
        "frr.bgpd".to_owned()
    }

    fn words(&self) -> String {
        self.tell(&["show bgp neighbors KUMIKI"]) + &self.world.read("frr.bgpd.log")
    }
}

/// Commands on a VTY socket: each goes out ending with a zero octet, its answer ends with three
/// zero octets and the status. The answer to the last.
pub fn tell(socket: &Path, commands: &[&str]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut text = String::new();
    for line in commands {
        stream.write_all(line.as_bytes()).unwrap();
        stream.write_all(&[0]).unwrap();
        let (mut answer, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        while !matches!(answer.as_slice(), [.., 0, 0, 0, _]) {
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "{line}: the daemon is gone");
            answer.extend_from_slice(&chunk[..count]);
        }
        let status = answer.pop();
        answer.truncate(answer.len() - 3);
        text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status, Some(0), "{line}: {text}");
    }
    text
}

fn origin(word: &Value) -> Origin {
    match word.as_str() {
        Some("IGP") => Origin::Igp,
        Some("EGP") => Origin::Egp,
        _ => Origin::Incomplete,
    }
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().map(|number| u32::try_from(number).unwrap())
}

fn as_path(text: &str) -> AsPath {
    let asns: Vec<u32> = text.split_whitespace().map(|asn| asn.parse().unwrap()).collect();
    AsPath::sequence(&asns)
}

fn global(next_hops: &Value) -> Ipv6Addr {
    let next_hops = next_hops.as_array().unwrap();
    let next_hop = next_hops.iter().find(|hop| hop["scope"] == "global").unwrap_or(&next_hops[0]);
    next_hop["ip"].as_str().unwrap().parse().unwrap()
}

fn brief_route(path: &Value) -> Route {
    let attributes = PathAttributes {
        origin: origin(&path["origin"]),
        as_path: as_path(path["path"].as_str().unwrap()),
        med: number(&path["metric"]),
        ..PathAttributes::default()
    };
    Route { next_hop: global(&path["nexthops"]), attributes }
}

fn whole_route(path: &Value) -> Route {
    let words = |key: &str| {
        let text = path[key]["string"].as_str().unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let community = |word: &String| match word.as_str() {
        // FRR's spelling of RFC 1997 and RFC 7999.
        "noExport" => Community::NO_EXPORT,
        "noAdvertise" => Community::NO_ADVERTISE,
        word => word.parse().unwrap_or_else(|_| panic!("{word} is no community")),
    };
    let large = |word: &String| word.parse::<LargeCommunity>().unwrap();
    let attributes = PathAttributes {
        origin: origin(&path["origin"]),
        as_path: as_path(path["aspath"]["string"].as_str().unwrap().replace("Local", "").as_str()),
        med: number(&path["metric"]),
        local_pref: number(&path["locPrf"]),
        communities: words("community").iter().map(community).collect(),
        large_communities: words("largeCommunity").iter().map(large).collect(),
        only_to_customer: number(&path["otc"]),
        ..PathAttributes::default()
    };
    Route { next_hop: global(&path["nexthops"]), attributes }
}
