//! The configuration file of a Kumiki router in the lab.
//!
//! *Invariants*: what is written here passes the product's own loader, which the test below asks.

use crate::base::prefix::Ipv6Prefix;
use crate::lab::layout::{self, PROVIDER_ASN};
use crate::lab::provider::Watch;
use crate::planner::server_name;
use core::net::Ipv6Addr;
use std::path::PathBuf;

/// Name of the port of an uplink.
pub const UPLINK_NAME: &str = "up";

/// A `[[port]]`.
pub struct FilePort {
    /// Name in tables.
    pub name: String,
    /// `af_packet:…` and the like.
    pub device: String,
    /// `fabric`, `lan` or `uplink`.
    pub role: &'static str,
    /// Its address with a prefix length, where it has one.
    pub address: Option<String>,
}

/// What makes the router of a server an edge of its cluster.
pub struct EdgeFile {
    /// AS of the cluster.
    pub asn: u32,
    /// What it announces: the ULA of the cluster.
    pub aggregate: Ipv6Prefix,
    /// The provider's address.
    pub provider: Ipv6Addr,
    /// File of the session's password, beside the configuration.
    pub password_file: &'static str,
    /// How both ends find out that the other is gone.
    pub watch: Watch,
    /// Prefixes of the world that the cluster shall hear of.
    pub taken_in: Vec<Ipv6Prefix>,
}

/// Everything that differs between the routers of a lab.
pub struct RouterFile {
    /// The server, by index.
    pub server: usize,
    /// CPU of its worker.
    pub worker_cpu: usize,
    /// Control socket.
    pub socket: PathBuf,
    /// MTU of every port, in octets.
    pub mtu_bytes: u16,
    /// Time between two BFD packets, in milliseconds; 0 where there is no BFD.
    pub bfd_interval_ms: u16,
    /// The ULA of its cluster.
    pub ula: Ipv6Prefix,
    /// Ports.
    pub ports: Vec<FilePort>,
    /// What an edge is beside.
    pub edge: Option<EdgeFile>,
}

impl RouterFile {
    /// As TOML.
    pub fn render(&self) -> String {
        let Self { worker_cpu, mtu_bytes, ula, .. } = self;
        let name = server_name(self.server);
        let number = layout::server_number(self.server);
        let socket = self.socket.display();
        let mut text = format!(
            "[router]\nname = \"{name}\"\n\n\
             [cluster]\nula = \"{ula}\"\nnumber = {number}\n\n\
             [dpdk]\nlcores = [{worker_cpu}]\nhugepages = false\nidle = \"adaptive\"\n\n\
             [host]\ntun = \"kumiki0\"\nsocket = \"{socket}\"\n"
        );
        text.push_str(&match self.bfd_interval_ms {
            0 => "\n[bfd]\nenabled = false\n".to_owned(),
            interval => format!("\n[bfd]\ninterval_ms = {interval}\n"),
        });
        for FilePort { name, device, role, address } in &self.ports {
            text.push_str(&format!(
                "\n[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\nrole = \"{role}\"\n\
                 mtu = {mtu_bytes}\n"
            ));
            if let Some(address) = address {
                text.push_str(&format!("address = \"{address}\"\n"));
            }
        }
        if let Some(edge) = &self.edge {
            text.push_str(&edge.render());
        }
        text
    }
}

impl EdgeFile {
    /// The blocks of BGP. All that the provider says is taken; to the cluster goes what is named.
    fn render(&self) -> String {
        let Self { asn, aggregate, provider, password_file, .. } = self;
        let taken_in: Vec<String> =
            self.taken_in.iter().map(|prefix| format!("\"{prefix}\"")).collect();
        let bfd = match self.watch {
            Watch::Link => "",
            Watch::Bfd => "bfd = true\n",
        };
        format!(
            "\n[bgp]\nasn = {asn}\naggregates = [\"{aggregate}\"]\nconnect_retry_time = 1\n\n\
             [[bgp.neighbor]]\naddress = \"{provider}\"\nname = \"isp\"\nasn = {PROVIDER_ASN}\n\
             password = \"file:{password_file}\"\nttl_security_hops = 1\n{bfd}\
             import = \"what-the-provider-says\"\nexport = \"aggregates\"\n\n\
             [[policy]]\nname = \"what-the-provider-says\"\ndefault = \"accept\"\n\n\
             [[policy]]\nname = \"aggregates\"\n\n\
             [[policy.clause]]\nmatch.as_path = \"\"\naction = \"accept\"\n\n\
             [[policy]]\nname = \"into-the-cluster\"\n\n\
             [[policy.clause]]\nmatch.prefixes = [{}]\naction = \"accept\"\n\n\
             [ospf.redistribute]\npolicy = \"into-the-cluster\"\n",
            taken_in.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::load::{Overrides, Source, load};
    use crate::lab::layout::Numbering;

    fn port(name: &str, device: &str, role: &'static str) -> FilePort {
        FilePort { name: name.to_owned(), device: device.to_owned(), role, address: None }
    }

    fn file() -> RouterFile {
        RouterFile {
            server: 6,
            worker_cpu: 1,
            socket: PathBuf::from("/run/kumiki-lab/lab/s07.sock"),
            mtu_bytes: 9000,
            bfd_interval_ms: 20,
            ula: Numbering::single(8).ula_of(6),
            ports: vec![
                port("p-s06", "af_packet:f-s06", "fabric"),
                port("p-s08", "tap:t-s08", "fabric"),
                port("p-s09", "memif:/run/a.memif,role=server,socket-abstract=no", "fabric"),
                port("lan", "af_packet:lan0", "lan"),
            ],
            edge: None,
        }
    }

    fn loaded(file: &RouterFile) -> Config {
        let text = file.render();
        let source = Source {
            origin: "s07.toml",
            text: &text,
            overrides: &Overrides::default(),
            files: &|_: &str| Ok("between us".to_owned()),
        };
        load(&source).unwrap()
    }

    #[test]
    fn the_file_passes_the_loader() {
        let config = loaded(&file());
        assert_eq!(config.router.name, "s07");
        assert_eq!(config.cluster.unwrap().ula, Numbering::single(8).ula(0));
        assert_eq!(config.bfd.interval.as_millis(), 20);
        assert_eq!(config.ports.len(), 4);
    }

    #[test]
    fn the_file_of_an_edge_passes_too_with_either_watch() {
        let numbering = Numbering { cluster_size: 4 };
        for watch in [Watch::Link, Watch::Bfd] {
            let mut file = file();
            let address = Some("2001:db8:ffff:7::2/64".to_owned());
            file.ports.push(FilePort { address, ..port("up", "af_packet:up0", "uplink") });
            file.edge = Some(EdgeFile {
                asn: 64_513,
                aggregate: numbering.ula(1),
                provider: layout::provider_address(6),
                password_file: "isp.password",
                watch,
                taken_in: vec![numbering.ula(0), layout::outside_prefix()],
            });
            let config = loaded(&file);
            let bgp = config.bgp.as_ref().unwrap();
            assert_eq!((bgp.asn, bgp.aggregates.as_slice()), (64_513, &[numbering.ula(1)][..]));
            let keys = bgp.keys_of(&bgp.neighbors[0]);
            assert_eq!(keys.ttl_security_hops, Some(1));
            assert_eq!(keys.bfd.unwrap_or(false), watch == Watch::Bfd);
            assert_eq!(config.redistribute.unwrap().policy, "into-the-cluster");
        }
    }
}
