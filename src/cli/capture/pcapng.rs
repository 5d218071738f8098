//! Captures as pcapng: which port, which way, and why a packet was dropped.
//!
//! Owns [`CaptureFile`]; the format is the library's. Each port is an interface with its name,
//! times are nanoseconds, a drop is a comment `drop: reason`.
//!
//! *Standards*: draft-ietf-opsawg-pcapng (PCAP Next Generation), link type 1 (Ethernet).

use crate::api::watch::PacketRow;
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriteError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// The interface of packets that have not reached a port.
pub const ROUTER_INTERFACE: &str = "router";

/// A capture file under way.
pub struct CaptureFile<W: Write> {
    writer: PcapNgWriter<W>,
    /// Names of ports to numbers of interfaces.
    interfaces: BTreeMap<String, u32>,
    snap_octets: u16,
}

fn io_error(error: PcapNgWriteError) -> io::Error {
    match error {
        PcapNgWriteError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl<W: Write> CaptureFile<W> {
    /// Writes the header and an interface for each port.
    pub fn create(sink: W, router: &str, snap_octets: u16, ports: &[String]) -> io::Result<Self> {
        let application = concat!("kumiki ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            options: vec![
                SectionHeaderOption::Common(CommonOption::Comment(Cow::Borrowed(router))),
                SectionHeaderOption::UserApplication(Cow::Borrowed(application)),
            ],
            ..SectionHeaderBlock::default()
        };
        let writer = PcapNgWriter::with_section_header(sink, section).map_err(io_error)?;
        let mut file = Self { writer, interfaces: BTreeMap::new(), snap_octets };
        for port in ports {
            file.interface(port)?;
        }
        Ok(file)
    }

    /// Writes a packet.
    pub fn write(&mut self, row: &PacketRow) -> io::Result<()> {
        let interface_id = self.interface(row.port.as_deref().unwrap_or(ROUTER_INTERFACE))?;
        let comment =
            |text: String| EnhancedPacketOption::Common(CommonOption::Comment(Cow::Owned(text)));
        let flags = row.direction.flags().map(EnhancedPacketOption::Flags);
        let reason = row.drop_reason.as_ref().map(|reason| comment(format!("drop: {reason}")));
        let vlan = row.vlan.map(|vlan| comment(format!("vlan {vlan}, its tag taken off")));
        let captured = u32::try_from(row.octets.0.len()).unwrap_or(u32::MAX);
        let block = EnhancedPacketBlock {
            interface_id,
            timestamp: Duration::from_nanos(row.time_ns),
            original_len: row.length.max(captured),
            data: Cow::Borrowed(&row.octets.0),
            options: [flags, reason, vlan].into_iter().flatten().collect(),
        };
        self.writer.write_block(&block.into_block()).map_err(io_error).map(drop)
    }

    /// Hands on what is written so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }

    /// The interface of a port; one that came later is written when it is first seen.
    fn interface(&mut self, name: &str) -> io::Result<u32> {
        if let Some(number) = self.interfaces.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: u32::from(self.snap_octets),
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        self.writer.write_block(&block.into_block()).map_err(io_error)?;
        self.interfaces.insert(name.to_owned(), number);
        Ok(number)
    }
}

#[cfg(test)]
mod tests;
