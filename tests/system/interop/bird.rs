//! BIRD 2.0.12 as a peer: its configuration, its commands, what its tables say.
//!
//! Owns [`Bird`]. Its text of routes is read into [`Route`]s as it stands.

use super::peer::{Announced, Kind, OnLink, Peer, Wish};
use super::route::{Route, Table};
use super::world::{ASN, World};
use kumiki::base::ids::RouterId;
use kumiki::base::prefix::Ipv6Prefix;
use kumiki::wire::bgp::{
    Aggregator, AsPath, Community, ExtendedCommunity, LargeCommunity, Origin, PathAttributes, Role,
};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;

pub const BIRD: &str = crate::BIRD;
pub const BIRDC: &str = "/usr/sbin/birdc";
const KIND: Kind = Kind::Bird;
const NAME: &str = KIND.name();

/// A BIRD in the namespace of its name.
pub struct Bird<'a> {
    world: &'a World,
}

/// Whether it starts as one that was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Fresh,
    Recovery,
}

/// RFC 9234 in its words.
const fn role(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::RouteServer => "rs_server",
        Role::RouteServerClient => "rs_client",
        Role::Customer => "customer",
        Role::Peer => "peer",
    }
}

/// `route … blackhole` with what is not as usual.
fn announcement(announced: &Announced<'_>) -> String {
    let mut changes = String::new();
    if let Some(community) = announced.community {
        changes.push_str(&format!("bgp_community.add(({}));", community.replace(':', ",")));
    }
    if let Some(asn) = announced.behind {
        changes.push_str(&format!("bgp_path.prepend({asn});"));
    }
    match changes.as_str() {
        "" => format!("    route {} blackhole;\n", announced.prefix),
        changes => format!("    route {} blackhole {{ {changes} }};\n", announced.prefix),
    }
}

/// What a wish is within `protocol bgp kumiki`.
fn session(wish: &Wish<'_>) -> String {
    let mut text = String::from("    enable extended messages on;\n");
    if let Some(password) = wish.password {
        text.push_str(&format!("    password \"{password}\";\n"));
    }
    if let Some(own) = wish.role {
        text.push_str(&format!("    local role {};\n", role(own)));
    }
    if let Some(time) = wish.hold_time_s {
        text.push_str(&format!("    hold time {time};\n"));
    }
    if wish.has_ttl_security {
        text.push_str("    ttl security on;\n");
    }
    if wish.has_graceful_restart {
        text.push_str("    graceful restart on;\n");
    }
    if wish.has_bfd {
        text.push_str("    bfd on;\n");
    }
    text
}

impl<'a> Bird<'a> {
    /// Starts it.
    pub fn start(world: &'a World, wish: &Wish<'_>) -> Self {
        let bird = Self { world };
        std::fs::write(bird.file("conf"), bird.config(wish)).unwrap();
        bird.begin(Beginning::Fresh);
        world.witness(NAME, &[BIRDC, "-s", &bird.file("ctl"), "show", "protocols", "all"]);
        bird
    }

    fn file(&self, end: &str) -> String {
        self.world.path(&format!("{NAME}.{end}")).display().to_string()
    }

    fn config(&self, wish: &Wish<'_>) -> String {
        let (world, number) = (self.world, self.world.number(NAME));
        let asn = wish.asn.unwrap_or(KIND.asn());
        let ends = match wish.on_link {
            None => {
                let (local, remote) = (world.address(NAME), world.kumiki(NAME));
                format!("local {local} as {asn}; neighbor {remote} as {ASN};")
            }
            Some(OnLink::Named) => {
                let remote = world.kumiki_on_link(NAME);
                format!("local as {asn}; neighbor {remote}%'up' as {ASN};")
            }
            Some(OnLink::Found) => format!(
                "local as {asn}; interface \"up\"; neighbor range fe80::/10 external; \
                 dynamic name \"kumiki\"; dynamic name digits 1;"
            ),
        };
        let mut text = format!(
            "log stderr all;\nrouter id 10.9.0.{number};\ndebug protocols {{ events }};\n\
             protocol device {{ scan time 1; }}\n\
             protocol direct {{ ipv6; }}\n"
        );
        if wish.forwards {
            let export = "export where source = RTS_BGP;";
            text.push_str(&format!(
                "protocol kernel {{ graceful restart on; ipv6 {{ import none; {export} }}; }}\n"
            ));
        }
        if wish.has_ospf {
            text.push_str(
                "protocol ospf v3 fabric { ipv6 { import all; export none; }; area 0 { \
                 interface \"up\" { type ptp; hello 1; dead 3; cost 10; }; }; }\n",
            );
        }
        if wish.has_bfd {
            text.push_str(
                "protocol bfd { interface \"up\" { interval 100 ms; multiplier 3; }; }\n",
            );
        }
        let routes: String = wish.announces.iter().map(announcement).collect();
        text.push_str(&format!("protocol static {{\n    ipv6;\n{routes}}}\n"));
        if let Some(([local, remote], far)) = wish.far {
            text.push_str(&format!(
                "protocol bgp far {{ local {local} as {asn}; neighbor {remote} as {far}; \
                 passive on; ipv6 {{ import all; export all; }}; }}\n"
            ));
        }
        if wish.on_link == Some(OnLink::Found) {
            text.push_str(
                "protocol radv { interface \"up\" { min ra interval 3; max ra interval 4; \
                 default lifetime 0; }; }\n",
            );
        }
        // Those of a range are called by it with a number behind.
        let name = if wish.on_link == Some(OnLink::Found) { "found" } else { "kumiki" };
        let paths = if wish.has_add_path { "add paths on;" } else { "" };
        let limit = wish.prefix_max.map(|max| format!("receive limit {max} action disable;"));
        format!(
            "{text}protocol bgp {name} {{\n    {ends}\n    connect delay time 1;\n    \
             connect retry time 1;\n    error wait time 1, 2;\n{}    ipv6 {{ import all; \
             export where source ~ [ RTS_STATIC, RTS_BGP ]; {paths} {} }};\n}}\n",
            session(wish),
            limit.unwrap_or_default()
        )
    }

    fn begin(&self, beginning: Beginning) {
        let mut command = Command::new(BIRD);
        command.args(["-f", "-c", &self.file("conf"), "-s", &self.file("ctl")]);
        if beginning == Beginning::Recovery {
            command.arg("-R");
        }
        self.world.start(NAME, NAME, command);
        self.world.wait("BIRD answers", || self.tell("show status").contains("Daemon is up"));
    }

    /// A command and its answer.
    pub fn tell(&self, words: &str) -> String {
        let mut all = vec![BIRDC.to_owned(), "-s".to_owned(), self.file("ctl")];
        all.extend(words.split(' ').map(str::to_owned));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        String::from_utf8_lossy(&self.world.run(NAME, &all).stdout).into_owned()
    }

    /// What it has of this protocol.
    pub fn table(&self, protocol: &str) -> Table {
        read_table(&self.tell(&format!("show route protocol {protocol} all")))
    }
}

impl Peer for Bird<'_> {
    fn route(&self, prefix: &str) -> Option<Route> {
        let table = read_table(&self.tell(&format!("show route {prefix} protocol kumiki all")));
        table.into_values().next()
    }

    fn path_count(&self, prefix: &str) -> usize {
        let text = self.tell(&format!("show route {prefix} protocol kumiki all"));
        text.matches("BGP.as_path:").count()
    }

    fn count(&self) -> usize {
        let answer = self.tell("show route protocol kumiki count");
        // `4 of 9 routes for 9 networks in table master6`
        let word = answer.lines().find(|line| line.contains(" routes for "));
        let word = word.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    fn soft_in(&self) {
        let answer = self.tell("reload in kumiki");
        assert!(answer.contains("reloading"), "{answer}");
    }

    fn shut_down(&self, text: &str) {
        let command = format!("disable kumiki \"{text}\"");
        let answer = self.tell(&command);
        assert!(answer.contains("disabled"), "{answer}");
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
        self.tell("show protocols all kumiki") + &self.world.read("bird.log")
    }
}

/// The answer to `show route … all`.
fn read_table(text: &str) -> Table {
    let mut table = Table::new();
    let mut prefix = None;
    for line in text.lines() {
        if !line.starts_with(char::is_whitespace) {
            let first = line.split_whitespace().next().unwrap_or_default();
            prefix = first.parse::<Ipv6Prefix>().ok();
            if let Some(prefix) = prefix {
                let attributes = PathAttributes::default();
                table.insert(prefix, Route { next_hop: Ipv6Addr::UNSPECIFIED, attributes });
            }
            continue;
        }
        let Some(route) = prefix.and_then(|prefix| table.get_mut(&prefix)) else { continue };
        if let Some((name, value)) = line.trim().split_once(':') {
            read_attribute(route, name, value.trim());
        }
    }
    table
}

fn read_attribute(route: &mut Route, name: &str, value: &str) {
    let attributes = &mut route.attributes;
    match name {
        "BGP.origin" => {
            attributes.origin = match value {
                "IGP" => Origin::Igp,
                "EGP" => Origin::Egp,
                _ => Origin::Incomplete,
            };
        }
        "BGP.as_path" => attributes.as_path = AsPath::sequence(&numbers(value)),
        "BGP.next_hop" => {
            route.next_hop = value.split_whitespace().next().unwrap().parse().unwrap();
        }
        "BGP.med" => attributes.med = value.parse().ok(),
        "BGP.local_pref" => attributes.local_pref = value.parse().ok(),
        "BGP.atomic_aggr" => attributes.is_atomic_aggregate = true,
        "BGP.aggregator" => {
            // `10.0.0.1 AS64500`
            let (identifier, asn) = value.split_once(" AS").unwrap();
            let identifier = RouterId(u32::from(identifier.parse::<Ipv4Addr>().unwrap()));
            let asn = asn.trim().parse().unwrap();
            attributes.aggregator = Some(Aggregator { asn, identifier });
        }
        "BGP.community" => {
            let of = |pair: &[u32]| Community(pair[0] << 16 | pair[1]);
            attributes.communities = numbers(value).chunks(2).map(of).collect();
            attributes.communities.sort_unstable();
        }
        "BGP.large_community" => {
            let of = |triple: &[u32]| LargeCommunity([triple[0], triple[1], triple[2]]);
            attributes.large_communities = numbers(value).chunks(3).map(of).collect();
            attributes.large_communities.sort_unstable();
        }
        "BGP.ext_community" => {
            // `(rt, 64500, 7)`, a route target of a two-octet AS.
            assert_eq!(value.matches("(rt, ").count(), value.matches('(').count(), "{value}");
            let of = |pair: &[u32]| {
                let (asn, number) = (u64::from(pair[0]), u64::from(pair[1]));
                ExtendedCommunity(0x0002 << 48 | asn << 32 | number)
            };
            attributes.extended_communities = numbers(value).chunks(2).map(of).collect();
            attributes.extended_communities.sort_unstable();
        }
        "BGP.otc" => attributes.only_to_customer = value.trim().parse().ok(),
        _ => {}
    }
}

/// The numbers in a text.
fn numbers(text: &str) -> Vec<u32> {
    let words = text.split(|letter: char| !letter.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}
