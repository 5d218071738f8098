//! What is rendered loads again as the same configuration, whatever it holds.

use super::*;
use crate::base::ids::{MacAddress, RouterId};
use crate::base::prefix::Ipv6Prefix;
use crate::config::schema::{BfdAuth, PortBfd, PortRole, RouterSettings, Secret, default_mtu};
use crate::config::validate::validate;
use crate::config::{FileError, Overrides, Source, load};
use core::net::Ipv6Addr;
use proptest::prelude::*;

mod bgp;
mod feeds;
mod tenants;

const KEY_TEXT: &str = "a secret of enough octets";
const FILE_TEXT: &str = "2001:db8:f::/48\n2001:db8:e::/48\n";

fn file_prefixes() -> Vec<Ipv6Prefix> {
    FILE_TEXT.lines().map(|line| line.parse().unwrap()).collect()
}

fn mac() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 5]>().prop_map(|[b, c, d, e, f]| MacAddress([2, b, c, d, e, f]))
}

fn cluster() -> impl Strategy<Value = ClusterSettings> {
    (any::<u32>(), 32u8..=48, prop::option::of(any::<u32>()), 1u16.., any::<bool>()).prop_map(
        |(bits, length, global, number, has_key)| {
            let ula = Ipv6Addr::from_bits((0xfd << 120) | (u128::from(bits) << 88));
            let prefix = |bits: u32| {
                let bits = (0x2001_u128 << 112) | (u128::from(bits) << 80);
                Ipv6Prefix::containing(Ipv6Addr::from_bits(bits), 48)
            };
            ClusterSettings {
                ula: Ipv6Prefix::containing(ula, length),
                prefix: global.map(prefix),
                number,
                key: has_key.then(|| "file:whole.key".to_owned()),
                secret: Secret(if has_key { KEY_TEXT.into() } else { Vec::new() }),
            }
        },
    )
}

fn dpdk() -> impl Strategy<Value = DpdkSettings> {
    (
        prop::collection::btree_set(0u16..1024, 0..4),
        any::<Option<bool>>(),
        prop::collection::vec("[ -~]{0,12}", 0..3),
        prop::option::of(1024u32..=16_777_216),
        prop::option::of((6u32..=15).prop_map(|power| 1u16 << power)),
        any::<bool>(),
    )
        .prop_map(|(lcores, hugepages, eal_args, buffers, descriptors, is_busy)| {
            DpdkSettings {
                lcores: lcores.into_iter().collect(),
                hugepages,
                eal_args,
                buffers,
                descriptors,
                idle: if is_busy { IdlePolicy::Busy } else { IdlePolicy::Adaptive },
            }
        })
}

fn ospf() -> impl Strategy<Value = OspfSettings> {
    let router_id = prop::option::of((1u32..).prop_map(RouterId));
    let times = (1u64..30_000, 1u64..30_000, 1u64..=3600, 1u16..);
    let delays = [0u64..20_000, 0..20_000, 0..20_000, 0..101];
    (router_id, times, any::<[bool; 2]>(), delays).prop_map(
        |(router_id, (hello, more, retransmit, cost), switches, delays)| {
            let [mtu_ignore, graceful_restart_helper] = switches;
            let [first, second, third, step] = delays;
            OspfSettings {
                router_id,
                hello_interval: Duration::from_secs(hello),
                dead_interval: Duration::from_secs(hello + more),
                retransmit_interval: Duration::from_secs(retransmit),
                cost,
                mtu_ignore,
                graceful_restart_helper,
                spf_delay_initial: Duration::from_millis(first),
                spf_delay_short: Duration::from_millis(first + second),
                spf_delay_long: Duration::from_millis(first + second + third),
                order_step: Duration::from_millis(step),
            }
        },
    )
}

/// A port whose name, device and address follow from its place, so that none repeats.
fn port(index: usize) -> impl Strategy<Value = PortSettings> {
    let edges = [PortRole::Uplink, PortRole::Routed];
    // BGP speaks over the link-local addresses of the others.
    let others = [PortRole::Fabric, PortRole::Lan].into_iter().filter(|_| index == 0);
    let role = prop::sample::select(edges.into_iter().chain(others).collect::<Vec<_>>());
    let cost = prop::option::of(1u16..);
    let vlan = prop::option::of(1u16..=4094);
    let rest = (1280u16..=9216, vlan, prop::option::of(mac()), port_bfd());
    (role, 0usize..5, any::<bool>(), cost, rest).prop_map(
        move |(role, kind, has_default_mtu, cost, (mtu, vlan, mac, bfd))| {
            let device = match kind {
                0 => PortDevice::Match { key: "mac".to_owned(), glob: format!("52:54:{index}:*") },
                1 => PortDevice::Pci(format!("0000:81:{index:02}.0")),
                2 => PortDevice::AfPacket(format!("veth{index}")),
                3 => PortDevice::Memif(format!("/run/m.sock,id={index}")),
                _ => PortDevice::Vdev(format!("net_bgen{index},len=74")),
            };
            let address: Ipv6Addr = format!("fd00:{}::1", index + 1).parse().unwrap();
            let has_address = matches!(role, PortRole::Uplink | PortRole::Routed);
            PortSettings {
                name: format!("p{index}"),
                device,
                role,
                address: has_address.then_some((address, 64)),
                mtu: if has_default_mtu { default_mtu(role) } else { mtu },
                cost: cost.filter(|_| role == PortRole::Fabric),
                bfd: if role == PortRole::Fabric { bfd } else { PortBfd::default() },
                vlan,
                mac,
            }
        },
    )
}

/// What a port says of BFD, where it has any.
fn port_bfd() -> impl Strategy<Value = PortBfd> {
    (any::<Option<bool>>(), prop::option::of(10_u64..=60_000)).prop_map(|(enabled, interval)| {
        PortBfd { enabled, interval: interval.map(Duration::from_millis) }
    })
}

fn bfd() -> impl Strategy<Value = BfdSettings> {
    (any::<bool>(), 10_u64..=60_000, 1_u8.., 0..BfdAuth::WORDS.len(), any::<u8>()).prop_map(
        |(enabled, interval, multiplier, auth, key_id)| {
            let auth = BfdAuth::WORDS[auth].1;
            let has_key = auth != BfdAuth::None;
            BfdSettings {
                enabled,
                interval: Duration::from_millis(interval),
                multiplier,
                auth,
                key_id,
                key: has_key.then(|| "file:cluster.key".to_owned()),
                secret: Secret(if has_key { b"secret".to_vec() } else { Vec::new() }),
            }
        },
    )
}

fn routes(port: String) -> impl Strategy<Value = Vec<StaticRoute>> {
    (0usize..3, 0usize..3, any::<bool>()).prop_map(move |(count, kind, has_file)| {
        let target = match kind {
            0 => StaticRouteTarget::Blackhole,
            1 => StaticRouteTarget::Unreachable,
            _ => StaticRouteTarget::Via {
                address: "fe80::1".parse().unwrap(),
                port: Some(port.clone()),
            },
        };
        let single = |index: usize| StaticRoute {
            prefixes: vec![format!("2001:db8:{index}::/48").parse().unwrap()],
            file: None,
            target: target.clone(),
        };
        let mut routes: Vec<_> = (0..count).map(single).collect();
        if has_file {
            let file = Some("routes.txt".to_owned());
            routes.push(StaticRoute { prefixes: file_prefixes(), file, target });
        }
        routes
    })
}

fn neighbors(port: String) -> impl Strategy<Value = Vec<StaticNeighbor>> {
    prop::collection::btree_map(1u16.., mac(), 0..3).prop_map(move |entries| {
        let neighbor = |(number, mac): (u16, MacAddress)| StaticNeighbor {
            address: Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(number)),
            mac,
            port: port.clone(),
        };
        entries.into_iter().map(neighbor).collect()
    })
}

fn config() -> impl Strategy<Value = Config> {
    let host = ("[a-z][a-z0-9]{0,14}", "/[a-z/]{1,40}")
        .prop_map(|(tun, socket)| HostSettings { tun, socket });
    let ports = (port(0), port(1), port(2)).prop_map(|(a, b, c)| vec![a, b, c]);
    let lists = (routes("p1".to_owned()), neighbors("p2".to_owned()), tenants::tenants());
    let router = ("[a-z0-9.-]{1,63}", cluster());
    let edge = (bgp::edge(), feeds::rpki(), feeds::bmp());
    (router, dpdk(), host, ospf(), bfd(), ports, lists, edge).prop_map(
        |(
            (name, cluster),
            dpdk,
            host,
            ospf,
            bfd,
            ports,
            (routes, neighbors, tenants),
            (edge, rpki, bmp),
        )| Config {
            rpki,
            bmp,
            redistribute: edge.redistribute,
            bgp: edge.bgp,
            prefix_lists: edge.prefix_lists,
            policies: edge.policies,
            router: RouterSettings { name },
            cluster: Some(cluster),
            dpdk,
            host,
            ospf,
            bfd,
            ports,
            routes,
            neighbors,
            tenants,
        },
    )
}

proptest! {
    #[test]
    fn loading_what_was_rendered_gives_the_same(config in config()) {
        prop_assert_eq!(validate(&config), Vec::new());
        let text = render(&config);
        let files = |path: &str| match path {
            "routes.txt" => Ok(FILE_TEXT.to_owned()),
            "cluster.key" => Ok("secret".to_owned()),
            "whole.key" => Ok(KEY_TEXT.to_owned()),
            "cookie" => Ok(tenants::COOKIE_TEXT.to_owned()),
            _ => Err(FileError { reason: "no such file".to_owned() }),
        };
        let overrides = Overrides::default();
        let source = Source { origin: "r", text: &text, overrides: &overrides, files: &files };
        match load(&source) {
            Ok(loaded) => prop_assert_eq!(loaded, config),
            Err(errors) => prop_assert!(false, "{}\n{}", errors, text),
        }
    }

    #[test]
    fn a_recorded_configuration_is_read_as_it_was_but_for_secrets(config in config()) {
        let recorded = serde_json::to_string(&config).unwrap();
        let read: Config = serde_json::from_str(&recorded).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), recorded);
        prop_assert_eq!(render(&read), render(&config));
    }

    #[test]
    fn any_text_gives_a_configuration_or_a_report(text in "[\\[\\]a-z_=\"0-9:/\n .#{},-]{0,200}") {
        let overrides = Overrides::default();
        let files = crate::config::NoFiles;
        let source = Source { origin: "r", text: &text, overrides: &overrides, files: &files };
        if let Err(errors) = load(&source) {
            prop_assert!(errors.plain().contains("error"));
        }
    }
}

#[test]
fn two_match_blocks_of_one_role_load_again() {
    let text = "[router]\nname=\"a\"\n[cluster]\nula=\"fd00::/48\"\nnumber=1\n\
                [[port]]\nmatch=\"driver=ice\"\nrole=\"fabric\"\n\
                [[port]]\nmatch=\"driver=mlx5_core\"\nrole=\"fabric\"\n";
    let overrides = Overrides::default();
    let files = crate::config::NoFiles;
    let reload = |text: &str| {
        load(&Source { origin: "r", text, overrides: &overrides, files: &files }).unwrap()
    };
    let config = reload(text);
    assert_eq!(reload(&render(&config)), config);
}
