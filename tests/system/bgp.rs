//! BGP between an edge and a BIRD that plays the provider, with a router of the cluster behind it.
//!
//! ```text
//!   isp (BIRD, AS 64500) === up0 edge (AS 64512) fab0 === inner
//! ```

use crate::routers::needs_router;
use crate::{BIRD, Place, cannot_run, directory, skip};
use kumiki::os::namespace::{Namespace, die_with_parent};
use kumiki::os::netlink::sysctl::disable_ipv6;
use kumiki::os::netlink::{NewVeth, RouteSocket, VethEnd, offloads_off, sysctl_write};
use serde_json::Value;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BIRDC: &str = "/usr/sbin/birdc";
/// The port of the provider.
const ISP_PORT: u32 = 102;
/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const EDGE: &str = r#"
[[port]]
name = "up"
device = "af_packet:up0"
role = "uplink"
address = "2001:db8:ffff::2/64"

[[port]]
name = "fabric"
device = "af_packet:fab0"
role = "fabric"

[bgp]
asn = 64512
aggregates = ["fd4b:756d:696b::/48"]

[[bgp.neighbor]]
address = "2001:db8:ffff::1"
name = "isp"
asn = 64500
password = "file:password"
ttl_security_hops = 1
role = "customer"
import = "all"
export = "all"

[[policy]]
name = "all"
default = "accept"

[[policy]]
name = "exits"

[[policy.clause]]
match.prefixes = "2001:db8:a::/48"
set.med = 10
action = "accept"

[ospf.redistribute]
policy = "exits"
"#;

const INNER: &str = r#"
[[port]]
name = "fabric"
device = "af_packet:fab1"
role = "fabric"
"#;

const ISP: &str = r#"
log "DIRECTORY/bird.log" all;
router id 10.0.0.99;
protocol device {}
protocol kernel { ipv6 { export all; import none; }; }
protocol static {
    ipv6;
    route 2001:db8:a::/48 unreachable;
    route 2001:db8:b::/48 unreachable;
}
protocol bgp edge {
    local 2001:db8:ffff::1 as 64500;
    neighbor 2001:db8:ffff::2 as 64512;
    password "between us";
    ttl security on;
    graceful restart on;
    ipv6 { import all; export where source = RTS_STATIC; };
}
"#;

/// The three of them.
struct World {
    directory: Place,
    spaces: [Namespace; 3],
    isp: Child,
    edge: Child,
    inner: Child,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.isp, &mut self.edge, &mut self.inner] {
            let _ = child.kill();
            let _ = child.wait();
        }
        for space in &self.spaces {
            let _ = Namespace::delete(space.path());
        }
    }
}

/// A cable between two namespaces, whose first end has a number and the second the next one.
fn cable(from: (&Namespace, &str, u32), to: (&Namespace, &str)) {
    let (near, near_name, ifindex) = from;
    let (far, far_name) = to;
    let make = || {
        let near = VethEnd { name: near_name, ifindex, namespace: None };
        let far = VethEnd { name: far_name, ifindex: ifindex + 1, namespace: Some(far.fd()) };
        let veth = NewVeth { ends: [near, far], mtu: 9000 };
        RouteSocket::open().unwrap().create_veth(&veth).unwrap();
    };
    near.run(make).unwrap();
    for (space, name, ifindex) in [(near, near_name, ifindex), (far, far_name, ifindex + 1)] {
        let prepare = || {
            offloads_off(name).unwrap();
            if ifindex != ISP_PORT {
                disable_ipv6(name).unwrap();
            }
            RouteSocket::open().unwrap().set_up(ifindex).unwrap();
        };
        space.run(prepare).unwrap();
    }
}

impl World {
    fn start() -> Self {
        let directory = directory();
        let spaces = ["isp", "edge", "inner"]
            .map(|name| Namespace::create(&directory.path().join(format!("{name}.net"))).unwrap());
        let [isp, edge, inner] = &spaces;
        cable((edge, "up0", ISP_PORT - 1), (isp, "isp0"));
        cable((edge, "fab0", 201), (inner, "fab1"));
        let prepare = || {
            sysctl_write("net/ipv6/conf/all/forwarding", "1").unwrap();
            let mut socket = RouteSocket::open().unwrap();
            socket.set_up(1).unwrap();
            socket.add_address(1, "2001:db8:a::1".parse().unwrap(), 128).unwrap();
            socket.add_address(ISP_PORT, "2001:db8:ffff::1".parse().unwrap(), 64).unwrap();
        };
        isp.run(prepare).unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("password"), "between us").unwrap();
        let conf = ISP.replace("DIRECTORY", &directory.path().display().to_string());
        std::fs::write(path("bird.conf"), conf).unwrap();
        let mut bird = Command::new(BIRD);
        bird.arg("-f").arg("-c").arg(path("bird.conf")).arg("-s").arg(path("bird.ctl"));
        let router = |name: &str, number: u8, ports: &str| {
            let socket = path(&format!("{name}.sock"));
            let text = format!(
                "[router]\nname = \"{name}\"\n\n[cluster]\nula = \"fd4b:756d:696b::/48\"\n\
                 number = {number}\n\n[dpdk]\nlcores = [1]\nhugepages = false\n\
                 idle = \"adaptive\"\n\n[host]\nsocket = \"{}\"\n{ports}",
                socket.display()
            );
            std::fs::write(path(&format!("{name}.toml")), text).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
            command.args(["run", "--debug-commands", "--config"]);
            command.arg(path(&format!("{name}.toml")));
            command
        };
        let begin = |space: &Namespace, mut command: Command, log: &str| {
            let file = std::fs::File::create(path(log)).unwrap();
            command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
            space.start_inside(&mut command);
            die_with_parent(&mut command, 9);
            command.spawn().unwrap()
        };
        let isp_child = begin(isp, bird, "isp.out");
        let edge_child = begin(edge, router("edge", 1, EDGE), "edge.out");
        let inner_child = begin(inner, router("inner", 2, INNER), "inner.out");
        Self { directory, spaces, isp: isp_child, edge: edge_child, inner: inner_child }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a router shows, or nothing while it does not answer.
    fn rows(&self, router: &str, words: &str) -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
        command.args(["show", "--json", "--socket"]).arg(self.path(&format!("{router}.sock")));
        let output = command.args(words.split(' ')).output().unwrap();
        let reply: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        reply["rows"].as_array().cloned().unwrap_or_default()
    }

    fn neighbor(&self) -> Value {
        self.rows("edge", "bgp neighbor").into_iter().next().unwrap_or_default()
    }

    fn birdc(&self, words: &str) -> String {
        let mut command = Command::new(BIRDC);
        let output = command.arg("-s").arg(self.path("bird.ctl")).args(words.split(' ')).output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    }

    /// Waits until something holds; what is known then is printed where it never does.
    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            if Instant::now() > until {
                for log in ["edge.out", "inner.out", "isp.out", "bird.log"] {
                    println!(
                        "{log}:\n{}",
                        std::fs::read_to_string(self.path(log)).unwrap_or_default()
                    );
                }
                panic!("{what}: not after {PATIENCE:?}\n{:#}", self.neighbor());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the provider has heard from the edge.
    fn heard(&self) -> Vec<String> {
        let text = self.birdc("show route protocol edge");
        let prefixes = text.lines().filter_map(|line| line.split_whitespace().next());
        prefixes.filter(|word| word.contains("::/")).map(str::to_owned).collect()
    }

    /// Whether the world reaches a server of the cluster.
    fn answers(&self) -> bool {
        let mut command = Command::new("ping");
        command.args(["-c", "1", "-W", "1", "-I", "2001:db8:a::1", "fd4b:756d:696b::2"]);
        self.spaces[0].start_inside(&mut command);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}

fn cannot_be_edge() -> bool {
    if cannot_run(&[BIRD, BIRDC]) {
        return true;
    }
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    !is_root && skip("network namespaces without a lab need root")
}

/// TCP-MD5 (RFC 2385), GTSM (RFC 5082) and a role that BIRD 2.0.12 does not know are in the way.
#[test]
fn an_edge_brings_its_cluster_to_the_world_and_exits_to_its_cluster() {
    if cannot_be_edge() || needs_router() {
        return;
    }
    let mut world = World::start();
    world.wait("established", || world.neighbor()["state"] == "Established");
    world.wait("an exit for the cluster", || {
        !world.rows("inner", "route 2001:db8:a::/48").is_empty()
    });
    let row = &world.rows("edge", "bgp route 2001:db8:a::/48")[0];
    assert_eq!((&row["as_path"], &row["standing"]), (&"64500".into(), &"best".into()), "{row:#}");
    assert!(world.rows("inner", "route 2001:db8:b::/48").is_empty(), "the policy keeps it back");
    world.wait("the aggregate", || !world.heard().is_empty());
    assert_eq!(world.heard(), ["fd4b:756d:696b::/48"], "and nothing of OSPF");
    world.wait("packets there and back", || world.answers());

    // The control plane fails: BIRD keeps what it had and hears it again.
    let lost = world.neighbor()["lost_count"].clone();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
    command.args(["debug", "panic", "control", "--socket"]).arg(world.path("edge.sock"));
    assert!(command.status().unwrap().success());
    assert_eq!(world.heard(), ["fd4b:756d:696b::/48"], "kept over the restart");
    world.wait("established again", || world.neighbor()["state"] == "Established");
    world.wait("all routes again", || world.neighbor()["received_count"] == 2);
    world.wait("packets as before", || world.answers());
    assert_eq!(world.heard(), ["fd4b:756d:696b::/48"], "and announced again");
    assert_eq!(lost, 0);

    // Nobody behind the edge: nothing of the cluster is announced.
    world.inner.kill().unwrap();
    world.wait("no aggregate", || world.heard().is_empty());

    let pid = rustix::process::Pid::from_child(&world.edge);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(world.edge.wait().unwrap().success());
    let log = std::fs::read_to_string(world.path("bird.log")).unwrap();
    assert!(log.contains("Administrative shutdown: \"the router ends\""), "{log}");
}
