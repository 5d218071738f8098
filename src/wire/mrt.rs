//! MRT: tables of BGP as other people's tools read them.
//!
//! Owns the records of a table dump: who the peers are ([`put_peers`]), and the paths of one prefix
//! ([`put_prefix`]). Where the paths come from, and where the octets go, is others'.
//!
//! ```text
//! +---------------------------------------------------------------+
//! |                    timestamp, seconds of UTC                  |
//! +-------------------------------+-------------------------------+
//! |             type: 13          |            subtype            |
//! +-------------------------------+-------------------------------+
//! |                    octets of what follows                     |
//! +---------------------------------------------------------------+
//! ```
//!
//! *Invariants*: a record is written whole or not at all. Paths with a Path Identifier and paths
//! without one are records of different subtypes, as RFC 8050 wants it.
//! *Standards*: RFC 6396 §2 and §4.3 (TABLE_DUMP_V2), RFC 8050 §4.

use crate::base::cursor::Writer;
use crate::base::ids::RouterId;
use crate::base::prefix::Ipv6Prefix;
use crate::wire::bgp::NextHop;
use core::net::Ipv6Addr;

/// RFC 6396 §4: a snapshot of a table.
const TABLE_DUMP_V2: u16 = 13;
/// RFC 6396 §4.3.1.
const PEER_INDEX_TABLE: u16 = 1;
/// RFC 6396 §4.3.2.
const RIB_IPV6_UNICAST: u16 = 4;
/// RFC 8050 §4.2.
const RIB_IPV6_UNICAST_ADDPATH: u16 = 10;
/// RFC 6396 §4.3.1: the peer has an IPv6 address and an AS number of four octets.
const PEER_TYPE: u8 = 0b11;
/// Octets of timestamp, type, subtype and length.
const HEADER_OCTETS: usize = 12;
/// RFC 4271 §4.3 and RFC 4760 §3: optional, with a length of two octets; MP_REACH_NLRI.
const REACH: [u8; 2] = [0x90, 14];
/// Peers of a dump: their number has two octets.
pub const PEERS_MAX: usize = u16::MAX as usize;

/// A peer of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its BGP identifier, zero where it is not known.
    pub router_id: RouterId,
    /// Its address; unspecified for this router itself.
    pub address: Ipv6Addr,
    /// Its AS, zero where it is not known.
    pub asn: u32,
}

/// A path of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// The place of its peer in the list of peers.
    pub peer: u16,
    /// RFC 7911: Path Identifier; zero where there is none.
    pub path_id: u32,
    /// When it came, in seconds of UTC.
    pub since_s: u32,
    /// Where packets go next; `None` for this router.
    pub next_hop: Option<NextHop>,
    /// Its attributes without MP_REACH_NLRI, with AS numbers of four octets.
    pub attributes: &'a [u8],
}

/// Why a record is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MrtError {
    /// More peers than have numbers.
    #[error("{0} peers are more than {PEERS_MAX}")]
    Peers(usize),
    /// More paths of a prefix than can be counted.
    #[error("{0} paths of one prefix are more than 65535")]
    Paths(usize),
    /// Attributes whose length does not fit.
    #[error("{0} octets of attributes are more than 65535")]
    Attributes(usize),
    /// The name of the view is too long.
    #[error("{0} octets of a name are more than 65535")]
    Name(usize),
}

/// Appends the record with which a dump begins.
pub fn put_peers(
    writer: &mut Writer,
    at_s: u32,
    (collector, view): (RouterId, &str),
    peers: &[Peer],
) -> Result<(), MrtError> {
    let count = u16::try_from(peers.len()).map_err(|_| MrtError::Peers(peers.len()))?;
    let name_octets = u16::try_from(view.len()).map_err(|_| MrtError::Name(view.len()))?;
    let mut body = Writer::default();
    body.u32(collector.0);
    body.u16(name_octets);
    body.put(view.as_bytes());
    body.u16(count);
    for peer in peers {
        body.u8(PEER_TYPE);
        body.u32(peer.router_id.0);
        body.address(peer.address);
        body.u32(peer.asn);
    }
    put_record(writer, at_s, PEER_INDEX_TABLE, body.as_slice());
    Ok(())
}

/// Appends what is known of one prefix; gives how many records that were, so that the next
/// `sequence` follows.
pub fn put_prefix(
    writer: &mut Writer,
    (at_s, sequence): (u32, u32),
    prefix: Ipv6Prefix,
    paths: &[Path<'_>],
) -> Result<u32, MrtError> {
    let (plain, numbered): (Vec<Path<'_>>, Vec<Path<'_>>) =
        paths.iter().partition(|path| path.path_id == 0);
    let mut both = Writer::default();
    let mut count = 0;
    for (subtype, paths) in [(RIB_IPV6_UNICAST, plain), (RIB_IPV6_UNICAST_ADDPATH, numbered)] {
        if paths.is_empty() {
            continue;
        }
        let mut body = Writer::with_capacity(HEADER_OCTETS + paths.len() * 128);
        body.u32(sequence.wrapping_add(count));
        body.u8(prefix.length());
        let octets = prefix.address().octets();
        body.put(octets.get(..usize::from(prefix.length()).div_ceil(8)).unwrap_or(&octets));
        body.u16(u16::try_from(paths.len()).map_err(|_| MrtError::Paths(paths.len()))?);
        for path in &paths {
            put_path(&mut body, path)?;
        }
        put_record(&mut both, at_s, subtype, body.as_slice());
        count += 1;
    }
    writer.put(both.as_slice());
    Ok(count)
}

fn put_path(body: &mut Writer, path: &Path<'_>) -> Result<(), MrtError> {
    body.u16(path.peer);
    body.u32(path.since_s);
    if path.path_id != 0 {
        body.u32(path.path_id);
    }
    // RFC 6396 §4.3.4: "only the Next Hop Address Length and Next Hop Address fields".
    let addresses: Vec<Ipv6Addr> = match path.next_hop {
        Some(next_hop) => [next_hop.global, next_hop.link_local].into_iter().flatten().collect(),
        None => vec![Ipv6Addr::UNSPECIFIED],
    };
    let reach_octets: u8 = if addresses.len() == 2 { 32 } else { 16 };
    let whole = REACH.len() + 2 + 1 + usize::from(reach_octets) + path.attributes.len();
    body.u16(u16::try_from(whole).map_err(|_| MrtError::Attributes(whole))?);
    body.put(&REACH);
    body.u16(u16::from(reach_octets) + 1);
    body.u8(reach_octets);
    addresses.into_iter().for_each(|address| body.address(address));
    body.put(path.attributes);
    Ok(())
}

fn put_record(writer: &mut Writer, at_s: u32, subtype: u16, body: &[u8]) {
    writer.u32(at_s);
    writer.u16(TABLE_DUMP_V2);
    writer.u16(subtype);
    let octets = u32::try_from(body.len());
    writer.u32(octets.unwrap_or_else(|_| unreachable!("65535 paths of 65535 octets fit")));
    writer.put(body);
}

#[cfg(test)]
mod tests;
