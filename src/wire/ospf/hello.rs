//! The Hello packet (RFC 5340 §A.3.2).

use super::error::{DecodeError, count_left};
use super::options::Options;
use crate::base::cursor::{Reader, Writer};
use crate::base::ids::RouterId;

/// A router says that it is there, and whom it hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Its Interface ID for the link.
    pub interface_id: u32,
    /// Router Priority; without meaning on point-to-point links.
    pub priority: u8,
    /// What it can do.
    pub options: Options,
    /// HelloInterval in seconds.
    pub hello_interval_s: u16,
    /// RouterDeadInterval in seconds.
    pub dead_interval_s: u16,
    /// Designated Router; zero on point-to-point links.
    pub designated_router: RouterId,
    /// Backup Designated Router; zero on point-to-point links.
    pub backup_designated_router: RouterId,
    /// Whom it has heard within RouterDeadInterval.
    pub neighbors: Vec<RouterId>,
}

impl Hello {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let interface_id = reader.u32()?;
        let priority = reader.u8()?;
        let options = Options::from_bits(reader.u24()?);
        let hello_interval_s = reader.u16()?;
        let dead_interval_s = reader.u16()?;
        let designated_router = RouterId(reader.u32()?);
        let backup_designated_router = RouterId(reader.u32()?);
        let count = count_left(&reader, 4)?;
        let mut neighbors = Vec::with_capacity(count);
        for _ in 0..count {
            neighbors.push(RouterId(reader.u32()?));
        }
        Ok(Self {
            interface_id,
            priority,
            options,
            hello_interval_s,
            dead_interval_s,
            designated_router,
            backup_designated_router,
            neighbors,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.interface_id);
        writer.u8(self.priority);
        writer.u24(self.options.bits());
        writer.u16(self.hello_interval_s);
        writer.u16(self.dead_interval_s);
        writer.u32(self.designated_router.0);
        writer.u32(self.backup_designated_router.0);
        for neighbor in &self.neighbors {
            writer.u32(neighbor.0);
        }
    }
}
