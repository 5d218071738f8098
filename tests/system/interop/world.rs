//! A router and those it speaks with, each in a namespace, with a cable from each to the router.
//!
//! ```text
//!   peer 1: up, 2001:db8:1::1/64 ====== 2001:db8:1::2 \
//!   peer 2: up, 2001:db8:2::1/64 ====== 2001:db8:2::2  > the router
//! ```
//!
//! Owns [`World`]: namespaces, cables, processes, and the words with the router. What a daemon is
//! told and what it says is for the file of its name.
//!
//! *Invariants*: everything ends with the world; a wait that fails prints what everybody says.

use crate::{Place, directory};
use kumiki::os::namespace::{Namespace, die_with_parent};
use kumiki::os::netlink::sysctl::disable_ipv6;
use kumiki::os::netlink::{NewVeth, RouteSocket, VethEnd, offloads_off, sysctl_write};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The AS of the router, of four octets.
pub const ASN: u32 = 4_200_000_001;
/// The name of the router's process.
pub const KUMIKI: &str = "kumiki";

/// Beginning of every configuration: sessions come as fast as they may.
pub const BGP: &str = "[bgp]\nasn = 4200000001\nconnect_retry_time = 1\n";
/// A policy that takes everything.
pub const POLICY_ALL: &str = "[[policy]]\nname = \"all\"\ndefault = \"accept\"\n";

/// The router, its peers, and what runs.
pub struct World {
    pub directory: Place,
    spaces: Vec<(&'static str, Namespace)>,
    children: RefCell<BTreeMap<String, Child>>,
    /// Peers whose cables are of the cluster.
    fabric: RefCell<Vec<&'static str>>,
    /// Peers on whose cables the router has no address but that of the link.
    links: RefCell<Vec<&'static str>>,
    /// Peers that are hosts of a tenant.
    tenants: RefCell<Vec<&'static str>>,
    /// Peers whose cables carry jumbo frames.
    jumbo: RefCell<Vec<&'static str>>,
    /// What says how somebody is: where, and the words of the command.
    witnesses: RefCell<Vec<(&'static str, Vec<String>)>>,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.children.get_mut().values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for (_, space) in &self.spaces {
            let _ = Namespace::delete(space.path());
        }
    }
}

/// A cable between two namespaces.
fn cable(near: (&Namespace, &str), far: (&Namespace, &str), ifindex: u32) {
    let make = || {
        let ends = [
            VethEnd { name: near.1, ifindex, namespace: None },
            VethEnd { name: far.1, ifindex: ifindex + 1, namespace: Some(far.0.fd()) },
        ];
        RouteSocket::open().unwrap().create_veth(&NewVeth { ends, mtu: 9000 }).unwrap();
    };
    near.0.run(make).unwrap();
    for ((space, name), ifindex) in [(near, ifindex), (far, ifindex + 1)] {
        let prepare = || {
            offloads_off(name).unwrap();
            RouteSocket::open().unwrap().set_up(ifindex).unwrap();
        };
        space.run(prepare).unwrap();
    }
}

fn give_address(space: &Namespace, ifindex: u32, address: Ipv6Addr, length: u8) {
    let give = || RouteSocket::open().unwrap().add_address(ifindex, address, length).unwrap();
    space.run(give).unwrap();
}

fn link(number: usize, end: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, u16::try_from(number).unwrap(), 0, 0, 0, 0, end)
}

impl World {
    /// Namespaces and cables; nothing runs yet.
    pub fn new(names: &[&'static str]) -> Self {
        let directory = directory();
        let space = |name: &str| {
            let space = Namespace::create(&directory.path().join(format!("{name}.net"))).unwrap();
            space.run(|| RouteSocket::open().unwrap().set_up(1).unwrap()).unwrap();
            space
        };
        let kumiki = space(KUMIKI);
        let mut spaces = Vec::new();
        for (number, name) in (1..).zip(names) {
            let (peer, near) = (space(name), format!("k{number}"));
            let ifindex = 100 + 2 * u32::try_from(number).unwrap();
            cable((&kumiki, &near), (&peer, "up"), ifindex);
            kumiki.run(|| disable_ipv6(&near).unwrap()).unwrap();
            give_address(&peer, ifindex + 1, link(number, 1), 64);
            peer.run(|| sysctl_write("net/ipv6/conf/all/forwarding", "1").unwrap()).unwrap();
            spaces.push((*name, peer));
        }
        spaces.push((KUMIKI, kumiki));
        Self {
            directory,
            spaces,
            children: RefCell::default(),
            fabric: RefCell::default(),
            links: RefCell::default(),
            tenants: RefCell::default(),
            jumbo: RefCell::default(),
            witnesses: RefCell::default(),
        }
    }

    /// The namespace of a peer.
    pub fn space(&self, name: &str) -> &Namespace {
        &self.spaces[self.number(name) - 1].1
    }

    /// The number of a peer, from one.
    pub fn number(&self, name: &str) -> usize {
        let place = self.spaces.iter().position(|(other, _)| *other == name);
        1 + place.unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The address of a peer on its cable.
    pub fn address(&self, name: &str) -> Ipv6Addr {
        link(self.number(name), 1)
    }

    /// The address of the router on the cable of a peer.
    pub fn kumiki(&self, name: &str) -> Ipv6Addr {
        link(self.number(name), 2)
    }

    /// One more cable, between two peers; their addresses on it.
    pub fn join(&self, near: &str, far: &str) -> [Ipv6Addr; 2] {
        let (one, other) = (self.space(near), self.space(far));
        cable((one, "side"), (other, "side"), 300);
        let addresses = [link(0xff, 1), link(0xff, 2)];
        give_address(one, 300, addresses[0], 64);
        give_address(other, 301, addresses[1], 64);
        addresses
    }

    /// An address of a peer beside that of its cable, for packets.
    pub fn give_host(&self, name: &str) -> Ipv6Addr {
        let address = link(0xa00 + self.number(name), 1);
        give_address(self.space(name), 1, address, 128);
        address
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file of the world; what it says.
    pub fn read(&self, name: &str) -> String {
        let octets = std::fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Starts a process under a name in the namespace of a peer. What it says goes to `NAME.log`.
    pub fn start(&self, name: &str, place: &str, mut command: Command) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("{name}.log")))
            .unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.space(place).start_inside(&mut command);
        die_with_parent(&mut command, 9);
        // It and what it starts get signals together.
        command.process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let before = self.children.borrow_mut().insert(name.to_owned(), child);
        assert!(before.is_none(), "{name} runs already");
    }

    /// Sends a signal to a process.
    pub fn signal(&self, name: &str, signal: Signal) {
        let children = self.children.borrow();
        kill_process(Pid::from_child(&children[name]), signal).unwrap();
    }

    /// Kills a process.
    pub fn kill(&self, name: &str) {
        let mut child = self.children.borrow_mut().remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A command in the namespace of a peer that says how it is, for a wait that fails.
    pub fn witness(&self, place: &'static str, words: &[&str]) {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.witnesses.borrow_mut().push((place, words));
    }

    /// Runs a program in the namespace of a peer.
    pub fn run(&self, place: &str, words: &[&str]) -> Output {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.space(place).start_inside(&mut command);
        command.output().unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// One more address of a peer on its cable, with this number.
    pub fn extra_address(&self, name: &str, end: usize) -> Ipv6Addr {
        let address = link(self.number(name), u16::try_from(end).unwrap());
        let ifindex = 101 + 2 * u32::try_from(self.number(name)).unwrap();
        let give = || {
            let given = RouteSocket::open().unwrap().add_address(ifindex, address, 64);
            assert!(given.is_ok() || given.is_err_and(|error| error.is_exists()), "{address}");
        };
        self.space(name).run(give).unwrap();
        address
    }

    /// The cable of a peer is one of the cluster.
    pub fn set_fabric(&self, name: &'static str) {
        self.fabric.borrow_mut().push(name);
    }

    /// The cable of a peer is that of a host of a tenant.
    pub fn set_tenant(&self, name: &'static str) {
        self.tenants.borrow_mut().push(name);
    }

    /// The router sends packets of up to 9000 octets on the cable of a peer.
    pub fn set_jumbo(&self, name: &'static str) {
        self.jumbo.borrow_mut().push(name);
    }

    /// The router has no address on the cable of a peer but that of the link.
    pub fn set_link(&self, name: &'static str) {
        self.links.borrow_mut().push(name);
    }

    /// It has one again.
    pub fn give_up_link(&self, name: &str) {
        self.links.borrow_mut().retain(|other| *other != name);
    }

    /// The link-local address of the router on the cable of a peer.
    pub fn kumiki_on_link(&self, name: &str) -> Ipv6Addr {
        let device = format!("k{}", self.number(name));
        let find = || RouteSocket::open().unwrap().link_by_name(&device).unwrap().mac;
        self.space(KUMIKI).run(find).unwrap().link_local()
    }

    /// The link-local address of a peer on its cable.
    pub fn on_link(&self, name: &str) -> Ipv6Addr {
        let find = || RouteSocket::open().unwrap().link_by_name("up").unwrap().mac;
        self.space(name).run(find).unwrap().link_local()
    }

    /// A block of the neighbour on the link of the port of a peer, as [`Self::neighbor_block`].
    pub fn link_block(&self, name: &str, keys: &str) -> String {
        format!(
            "\n[[bgp.neighbor]]\nport = \"{name}\"\nname = \"{name}\"\nasn = \"external\"\n\
             import = \"all\"\nexport = \"all\"\n{keys}\n"
        )
    }

    /// A block of a neighbour with the policy `all`, and more keys.
    pub fn neighbor_block(&self, name: &str, asn: u32, keys: &str) -> String {
        self.block_at(name, self.address(name), (asn, keys))
    }

    /// The same with another address than that of the cable.
    pub fn block_at(&self, name: &str, address: Ipv6Addr, (asn, keys): (u32, &str)) -> String {
        let is_said = |key: &str| keys.lines().any(|line| line.starts_with(key));
        let mut text = format!(
            "\n[[bgp.neighbor]]\naddress = \"{address}\"\nname = \"{name}\"\nasn = {asn}\n{keys}\n"
        );
        for key in ["import", "export"].into_iter().filter(|key| !is_said(key)) {
            text.push_str(&format!("{key} = \"all\"\n"));
        }
        text
    }

    /// Writes a configuration: the ports, and this text.
    fn configure(&self, text: &str) -> PathBuf {
        let mut whole = format!(
            "[router]\nname = \"kumiki\"\n\n[cluster]\nula = \"fd4b:756d:696b::/48\"\n\
             number = 1\n\n[dpdk]\nlcores = [1]\nhugepages = false\nidle = \"adaptive\"\n\n\
             [host]\nsocket = \"{}\"\n",
            self.path("kumiki.sock").display()
        );
        for (name, _) in self.spaces.iter().filter(|(name, _)| *name != KUMIKI) {
            let number = self.number(name);
            let is_fabric = self.fabric.borrow().contains(name);
            let role = match self.links.borrow().contains(name) {
                _ if is_fabric => "role = \"fabric\"\n".to_owned(),
                _ if self.tenants.borrow().contains(name) => "role = \"tenant\"\n".to_owned(),
                true => "role = \"uplink\"\n".to_owned(),
                false => format!("role = \"uplink\"\naddress = \"{}/64\"\n", self.kumiki(name)),
            };
            let mtu = if self.jumbo.borrow().contains(name) { "mtu = 9000\n" } else { "" };
            whole.push_str(&format!(
                "\n[[port]]\nname = \"{name}\"\ndevice = \"af_packet:k{number}\"\n{role}{mtu}"
            ));
        }
        whole.push_str(&format!("\n{text}\n{POLICY_ALL}"));
        let file = self.path("kumiki.toml");
        std::fs::write(&file, whole).unwrap();
        file
    }

    /// Starts the router with this configuration beside its ports.
    pub fn start_kumiki(&self, text: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
        command.args(["run", "--debug-commands", "--config"]).arg(self.configure(text));
        self.start(KUMIKI, KUMIKI, command);
        self.wait("the router answers", || !self.rows("version").is_empty());
    }

    /// Lets the router run another configuration.
    pub fn apply(&self, text: &str) {
        let file = self.configure(text).display().to_string();
        let output = self.tell_kumiki(&["config", "apply", &file]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
    }

    /// A command to the router.
    pub fn tell_kumiki(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kumiki"));
        command.args(words).env("KUMIKI_SOCKET", self.path("kumiki.sock")).output().unwrap()
    }

    /// What the router shows, or nothing while it does not answer.
    pub fn rows(&self, words: &str) -> Vec<Value> {
        let words: Vec<&str> = ["show", "--json"].into_iter().chain(words.split(' ')).collect();
        let reply: Value =
            serde_json::from_slice(&self.tell_kumiki(&words).stdout).unwrap_or_default();
        match &reply["rows"] {
            Value::Array(rows) => rows.clone(),
            _ if reply.is_object() => vec![reply],
            _ => Vec::new(),
        }
    }

    /// What the router says of a neighbour.
    pub fn neighbor(&self, name: &str) -> Value {
        let rows = self.rows("bgp neighbor");
        rows.into_iter().find(|row| row["name"] == name).unwrap_or_default()
    }

    /// Whether the session with a neighbour is up, as the router sees it.
    pub fn is_established(&self, name: &str) -> bool {
        self.neighbor(name)["state"] == "Established"
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            if Instant::now() > until {
                self.testify();
                panic!("{what}: not after {PATIENCE:?}; what everybody says is above");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Prints what everybody says.
    pub fn testify(&self) {
        let logs = std::fs::read_dir(self.directory.path()).unwrap();
        let mut logs: Vec<PathBuf> = logs.map(|entry| entry.unwrap().path()).collect();
        logs.sort();
        for log in logs.iter().filter(|path| path.extension().is_some_and(|end| end == "log")) {
            let text = std::fs::read(log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(60)..].join("\n");
            println!("---- {}\n{last}", log.display());
        }
        for (place, words) in self.witnesses.borrow().iter() {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let output = self.run(place, &words);
            println!("---- {words:?}\n{}", String::from_utf8_lossy(&output.stdout));
        }
        for words in ["bgp neighbor", "errors"] {
            println!("---- kumiki show {words}");
            self.rows(words).iter().for_each(|row| println!("{row:#}"));
        }
    }
}
