//! GoBGP 3.10 as a peer: its configuration, its commands, what its tables say.
//!
//! Owns [`Gobgp`]. It does not forward: what passes its namespace does so by routes of the kernel.

use super::peer::{Announced, Kind, Peer, Wish};
use super::route::{Route, Table};
use super::world::{ASN, World};
use kumiki::base::ids::RouterId;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::wire::bgp::{
    Aggregator, AsPath, AsPathSegment, Community, ExtendedCommunity, LargeCommunity, Origin,
    PathAttributes,
};
use serde_json::Value;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;

pub const GOBGPD: &str = "/usr/bin/gobgpd";
pub const GOBGP: &str = "/usr/bin/gobgp";
const KIND: Kind = Kind::Gobgp;
const NAME: &str = KIND.name();

/// A gobgpd in the namespace of its name.
pub struct Gobgp<'a> {
    world: &'a World,
    /// Commands that announce what it announces; it forgets them with everything else.
    announcements: Vec<String>,
}

/// Whether it starts as one that was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Fresh,
    Recovery,
}

fn announcement(announced: &Announced<'_>) -> String {
    let mut words = format!("global rib add -a ipv6 {}", announced.prefix);
    if let Some(community) = announced.community {
        words.push_str(&format!(" community {community}"));
    }
    if let Some(asn) = announced.behind {
        words.push_str(&format!(" aspath {asn}"));
    }
    words
}

/// The block of a neighbour: its own keys, its tables, those of its family.
fn neighbor_block(address: Ipv6Addr, asn: u32, wish: &Wish<'_>) -> String {
    let mut text = format!(
        "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"{address}\"\n    \
         peer-as = {asn}\n"
    );
    if let Some(password) = wish.password {
        text.push_str(&format!("    auth-password = \"{password}\"\n"));
    }
    text.push_str("  [neighbors.transport.config]\n    passive-mode = true\n");
    if wish.has_ttl_security {
        text.push_str("  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n");
    }
    text.push_str("  [neighbors.timers.config]\n    idle-hold-time-after-reset = 1\n");
    if let Some(time) = wish.hold_time_s {
        let third = time / 3;
        text.push_str(&format!("    hold-time = {time}\n    keepalive-interval = {third}\n"));
    }
    if wish.has_graceful_restart {
        text.push_str(
            "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 60\n    \
             deferral-time = 10\n",
        );
    }
    text.push_str(
        "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      \
         afi-safi-name = \"ipv6-unicast\"\n",
    );
    if wish.has_graceful_restart {
        text.push_str(
            "    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n",
        );
    }
    if wish.has_add_path {
        text.push_str(
            "    [neighbors.afi-safis.add-paths.config]\n      receive = true\n      \
             send-max = 8\n",
        );
    }
    if let Some(max) = wish.prefix_max {
        text.push_str(&format!(
            "    [neighbors.afi-safis.prefix-limit.config]\n      max-prefixes = {max}\n"
        ));
    }
    text
}

impl<'a> Gobgp<'a> {
    /// Starts it.
    pub fn start(world: &'a World, wish: &Wish<'_>) -> Self {
        let announcements = wish.announces.iter().map(announcement).collect();
        let gobgp = Self { world, announcements };
        let (asn, number) = (wish.asn.unwrap_or(KIND.asn()), world.number(NAME));
        let mut text =
            format!("[global.config]\n  as = {asn}\n  router-id = \"10.9.0.{number}\"\n\n");
        text.push_str(&neighbor_block(world.kumiki(NAME), ASN, wish));
        if let Some(([_, far], asn)) = wish.far {
            text.push_str(&neighbor_block(far, asn, &Wish::default()));
        }
        std::fs::write(gobgp.file(), text).unwrap();
        gobgp.begin(Beginning::Fresh);
        world.witness(NAME, &[GOBGP, "neighbor", &world.kumiki(NAME).to_string()]);
        gobgp
    }

    fn file(&self) -> String {
        self.world.path("gobgp.toml").display().to_string()
    }

    fn begin(&self, beginning: Beginning) {
        let mut command = Command::new(GOBGPD);
        command.args(["-f", &self.file(), "--api-hosts", "127.0.0.1:50051"]);
        if beginning == Beginning::Recovery {
            // It has no session before it has its routes again: its End-of-RIB would come first.
            let text = std::fs::read_to_string(self.file()).unwrap();
            let down = "[neighbors.config]\n    admin-down = true\n";
            std::fs::write(self.file(), text.replace("[neighbors.config]\n", down)).unwrap();
            command.arg("-r");
        }
        self.world.start(NAME, NAME, command);
        self.world.wait("gobgpd answers", || self.tell("global").contains("AS:"));
        self.announcements.iter().for_each(|words| self.order(words));
        if beginning == Beginning::Recovery {
            self.order(&format!("neighbor {} enable", self.world.kumiki(NAME)));
        }
    }

    /// A command and its answer.
    pub fn tell(&self, words: &str) -> String {
        let all: Vec<&str> = [GOBGP].into_iter().chain(words.split(' ')).collect();
        let output = self.world.run(NAME, &all);
        let (text, errors) = (output.stdout, output.stderr);
        String::from_utf8_lossy(&text).into_owned() + &String::from_utf8_lossy(&errors)
    }

    /// A command that does something, which must be done.
    pub fn order(&self, words: &str) {
        let answer = self.tell(words);
        assert!(answer.trim().is_empty(), "{words}: {answer}");
    }

    /// A command about the router.
    pub fn tell_of_router(&self, words: &str) -> String {
        self.tell(format!("neighbor {} {words}", self.world.kumiki(NAME)).trim_end())
    }

    /// What it has of a neighbour.
    pub fn table(&self, neighbor: Ipv6Addr) -> Table {
        let text = self.tell(&format!("neighbor {neighbor} adj-in -a ipv6 -j"));
        let shown: Value = serde_json::from_str(&text).unwrap_or_default();
        let empty = serde_json::Map::new();
        let routes = shown.as_object().unwrap_or(&empty);
        let route = |(prefix, paths): (&String, &Value)| {
            (prefix.parse::<Ipv6Prefix>().unwrap(), read_route(&paths[0]["attrs"]))
        };
        // Without a session there is an error in words.
        routes.iter().filter(|(_, paths)| paths.is_array()).map(route).collect()
    }
}

impl Peer for Gobgp<'_> {
    fn route(&self, prefix: &str) -> Option<Route> {
        self.table(self.world.kumiki(NAME)).remove(&prefix.parse::<Ipv6Prefix>().unwrap())
    }

    fn path_count(&self, prefix: &str) -> usize {
        let router = self.world.kumiki(NAME);
        let text = self.tell(&format!("neighbor {router} adj-in -a ipv6 -j"));
        let shown: Value = serde_json::from_str(&text).unwrap_or_default();
        shown[prefix].as_array().map_or(0, Vec::len)
    }

    fn count(&self) -> usize {
        let router = self.world.kumiki(NAME).to_string();
        let shown: Value =
            serde_json::from_str(&self.tell("global rib -a ipv6 -j")).unwrap_or_default();
        let is_of_router = |path: &Value| path["neighbor-ip"] == router.as_str();
        let has = |paths: &&Value| paths.as_array().is_some_and(|all| all.iter().any(is_of_router));
        shown.as_object().map_or(0, |routes| routes.values().filter(has).count())
    }

    fn soft_in(&self) {
        self.tell_of_router("softresetin -a ipv6");
    }

    fn shut_down(&self, text: &str) {
        self.tell_of_router(&format!("disable --reason {text}"));
    }

    fn crash(&self) {
        self.world.kill(NAME);
    }

    fn recover(&self) {
        self.begin(Beginning::Recovery);
    }

    fn process(&self) -> String {
        NAME.to_owned()
    }

    fn words(&self) -> String {
        self.tell_of_router("") + &self.world.read("gobgp.log")
    }
}

fn number(value: &Value) -> u32 {
    let number = value.as_u64().unwrap_or_else(|| panic!("{value} is no number"));
    u32::try_from(number).unwrap()
}

/// The attributes of a path, by their types.
fn read_route(shown: &Value) -> Route {
    let mut route =
        Route { next_hop: Ipv6Addr::UNSPECIFIED, attributes: PathAttributes::default() };
    for attribute in shown.as_array().unwrap() {
        read_attribute(&mut route, attribute);
    }
    route
}

fn read_attribute(route: &mut Route, shown: &Value) {
    let attributes = &mut route.attributes;
    let list = |key: &str| shown[key].as_array().cloned().unwrap_or_default();
    match number(&shown["type"]) {
        1 => {
            let origins = [Origin::Igp, Origin::Egp, Origin::Incomplete];
            attributes.origin = origins[number(&shown["value"]) as usize];
        }
        2 => {
            let segment = |shown: &Value| {
                let asns = shown["asns"].as_array().unwrap().iter().map(number).collect();
                match number(&shown["segment_type"]) {
                    1 => AsPathSegment::Set(asns),
                    _ => AsPathSegment::Sequence(asns),
                }
            };
            attributes.as_path =
                AsPath::from_segments(list("as_paths").iter().map(segment).collect());
        }
        4 => attributes.med = Some(number(&shown["metric"])),
        5 => attributes.local_pref = Some(number(&shown["value"])),
        6 => attributes.is_atomic_aggregate = true,
        7 => {
            let address: Ipv4Addr = shown["address"].as_str().unwrap().parse().unwrap();
            let identifier = RouterId(u32::from(address));
            attributes.aggregator = Some(Aggregator { asn: number(&shown["as"]), identifier });
        }
        8 => {
            attributes.communities =
                list("communities").iter().map(|mark| Community(number(mark))).collect();
            attributes.communities.sort_unstable();
        }
        14 => route.next_hop = shown["nexthop"].as_str().unwrap().parse().unwrap(),
        16 => {
            attributes.extended_communities = list("value").iter().map(route_target).collect();
            attributes.extended_communities.sort_unstable();
        }
        32 => {
            let large = |shown: &Value| {
                LargeCommunity(["ASN", "LocalData1", "LocalData2"].map(|key| number(&shown[key])))
            };
            attributes.large_communities = list("value").iter().map(large).collect();
            attributes.large_communities.sort_unstable();
        }
        _ => {}
    }
}

/// A route target of a two-octet AS: `64500:7`.
fn route_target(shown: &Value) -> ExtendedCommunity {
    assert_eq!((number(&shown["type"]), number(&shown["subtype"])), (0, 2), "{shown}");
    let (asn, local) = shown["value"].as_str().unwrap().split_once(':').unwrap();
    let (asn, local): (u64, u64) = (asn.parse().unwrap(), local.parse().unwrap());
    ExtendedCommunity(0x0002 << 48 | asn << 32 | local)
}
