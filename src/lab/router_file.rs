//! The configuration file of a Kumiki router in the lab.
//!
//! *Invariants*: what is written here passes the product's own loader, which the test below asks.

use crate::lab::layout::{self, LAB_ULA};
use crate::planner::server_name;
use std::path::PathBuf;

/// A `[[port]]`.
pub struct FilePort {
    /// Name in tables.
    pub name: String,
    /// `af_packet:…` and the like.
    pub device: String,
    /// `fabric` or `lan`.
    pub role: &'static str,
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
    /// Ports.
    pub ports: Vec<FilePort>,
}

impl RouterFile {
    /// As TOML.
    pub fn render(&self) -> String {
        let Self { worker_cpu, mtu_bytes, .. } = self;
        let name = server_name(self.server);
        let number = layout::server_number(self.server);
        let socket = self.socket.display();
        let mut text = format!(
            "[router]\nname = \"{name}\"\n\n\
             [cluster]\nula = \"{LAB_ULA}\"\nnumber = {number}\n\n\
             [dpdk]\nlcores = [{worker_cpu}]\nhugepages = false\nidle = \"adaptive\"\n\n\
             [host]\ntun = \"kumiki0\"\nsocket = \"{socket}\"\n"
        );
        text.push_str(&match self.bfd_interval_ms {
            0 => "\n[bfd]\nenabled = false\n".to_owned(),
            interval => format!("\n[bfd]\ninterval_ms = {interval}\n"),
        });
        for FilePort { name, device, role } in &self.ports {
            text.push_str(&format!(
                "\n[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\nrole = \"{role}\"\n\
                 mtu = {mtu_bytes}\n"
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{NoFiles, Overrides, Source, load};

    #[test]
    fn the_file_passes_the_loader() {
        let port = |name: &str, device: &str, role| FilePort {
            name: name.to_owned(),
            device: device.to_owned(),
            role,
        };
        let file = RouterFile {
            server: 6,
            worker_cpu: 1,
            socket: PathBuf::from("/run/kumiki-lab/lab/s07.sock"),
            mtu_bytes: 9000,
            bfd_interval_ms: 20,
            ports: vec![
                port("p-s06", "af_packet:f-s06", "fabric"),
                port("p-s08", "tap:t-s08", "fabric"),
                port("p-s09", "memif:/run/a.memif,role=server,socket-abstract=no", "fabric"),
                port("lan", "af_packet:lan0", "lan"),
            ],
        };
        let text = file.render();
        let config = load(&Source {
            origin: "s07.toml",
            text: &text,
            overrides: &Overrides::default(),
            files: &NoFiles,
        });
        let config = config.unwrap();
        assert_eq!(config.router.name, "s07");
        assert_eq!(config.cluster.unwrap().ula, layout::ula());
        assert_eq!(config.bfd.interval.as_millis(), 20);
        assert_eq!(config.ports.len(), 4);
    }
}
