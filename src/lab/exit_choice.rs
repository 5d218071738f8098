//! Flows that leave their cluster by an edge of choice.
//!
//! Which of several exits a flow takes is decided by a hash that only routers know. The lab asks by
//! sending: a few packets of a new flow, and the edge whose uplink has sent them is its exit.
//!
//! *Invariants*: a flow that is given back took that edge a moment ago. After many flows that did
//! not, none is expected to: then the last one is given back.

use crate::api::ShowQuery;
use crate::api::show::ShowReply;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::layout;
use crate::lab::ping::HostPair;
use crate::lab::probe::{PAYLOAD_OCTETS, source_socket};
use crate::lab::router_file::UPLINK_NAME;
use std::net::{SocketAddrV6, UdpSocket};
use std::time::Duration;

/// Flows that are tried: of two exits, one in 65 536 times all of them take the other.
const TRY_MAX: usize = 16;
/// Packets by which an exit is known, far more than keepalives in that time.
const BURST_PACKETS: u64 = 16;
/// Looks at the counter, and the time before each: a busy router counts late.
const LOOK_MAX: usize = 5;
const LOOK_WAIT: Duration = Duration::from_millis(10);

/// A socket of the first host of a pair for a flow to a port of the second, by way of an edge.
pub fn source_via(
    lab: &Lab,
    (from, to): HostPair,
    port: u16,
    edge: usize,
) -> Result<UdpSocket, LabError> {
    let target = SocketAddrV6::new(lab.state.numbering.host_address(to), port, 0, 0);
    let mut tries = 0;
    loop {
        let socket = lab.host(from).run(source_socket)?.map_err(|source| LabError::Socket {
            action: format!("open a probe socket in {}", layout::host_name(from)),
            source,
        })?;
        tries += 1;
        if takes(lab, edge, &socket, target)? || tries >= TRY_MAX {
            return Ok(socket);
        }
    }
}

/// Whether packets of a socket leave by the uplink of an edge.
fn takes(
    lab: &Lab,
    edge: usize,
    socket: &UdpSocket,
    target: SocketAddrV6,
) -> Result<bool, LabError> {
    let before = sent_packets(lab, edge)?;
    for _ in 0..BURST_PACKETS {
        // Shorter than a probe's: no receiver takes it for one.
        let _ = socket.send_to(&[0; PAYLOAD_OCTETS / 2], target);
    }
    for _ in 0..LOOK_MAX {
        std::thread::sleep(LOOK_WAIT);
        if sent_packets(lab, edge)?.saturating_sub(before) >= BURST_PACKETS / 2 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Packets that an edge has sent by its uplink.
fn sent_packets(lab: &Lab, edge: usize) -> Result<u64, LabError> {
    match lab.ask(edge, ShowQuery::Port)? {
        ShowReply::Port(rows) => {
            let uplink = rows.iter().find(|row| row.name == UPLINK_NAME);
            Ok(uplink.map_or(0, |row| row.tx_packets))
        }
        _ => Ok(0),
    }
}
