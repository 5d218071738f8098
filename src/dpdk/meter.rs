//! Generator, sink and stopwatch in place of a port's driver: what a router costs by itself.
//!
//! Owns [`Meter`] and [`MeterFrames`]. The functions that stand in for the driver are in
//! `dpdk-sys/shim/meter.c`; the same file, made a library of its own, measures other routers. The
//! router does not use it; `perf` does.
//!
//! *Invariants*: the ports that a meter took stay started as long as it lives, and are polled by
//! one thread.

use super::failure::Failure;
use super::mempool::Mempool;
use super::port::{Lease, Port, Started};
use dpdk_sys::{kumiki_meter_frames, kumiki_meter_window};
use std::sync::Arc;

/// Windows that are read at most.
const WINDOWS_MAX: usize = 8192;

/// What the source sends.
#[derive(Clone, Debug)]
pub struct MeterFrames {
    /// The first octets of every frame, at most `KUMIKI_METER_HEADER_MAX` of them.
    pub header: Vec<u8>,
    /// Where the IPv6 destination stands in it.
    pub destination_offset: u16,
    /// Length of a frame in octets, without its checksum.
    pub frame_octets: u16,
    /// Buffers under way in each direction; a power of two.
    pub in_flight: u16,
    /// The destinations, one frame each, over and over.
    pub destinations: Vec<[u8; 16]>,
}

impl MeterFrames {
    /// The same for the shim; with `is_source` false a port that only swallows.
    fn raw(&self, is_source: bool) -> Option<kumiki_meter_frames> {
        let mut raw = kumiki_meter_frames {
            header: [0; dpdk_sys::KUMIKI_METER_HEADER_MAX as usize],
            header_octets: u16::try_from(self.header.len()).ok()?,
            destination_offset: self.destination_offset,
            frame_octets: self.frame_octets,
            in_flight: self.in_flight,
            destination_count: match is_source {
                true => u32::try_from(self.destinations.len()).ok()?,
                false => 0,
            },
        };
        raw.header.get_mut(..self.header.len())?.copy_from_slice(&self.header);
        Some(raw)
    }

    /// The file that the library of the meter reads; `None` where the header is too long.
    pub fn file(&self) -> Option<Vec<u8>> {
        let raw = self.raw(true)?;
        let mut file = raw.header.to_vec();
        for number in [raw.header_octets, raw.destination_offset, raw.frame_octets, raw.in_flight] {
            file.extend_from_slice(&number.to_ne_bytes());
        }
        file.extend_from_slice(&raw.destination_count.to_ne_bytes());
        self.destinations.iter().for_each(|destination| file.extend_from_slice(destination));
        Some(file)
    }
}

/// TSC cycles for each packet of one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeterWindow {
    /// Outside of driver and pool.
    pub router: f32,
    /// Allocating and freeing buffers.
    pub pool: f32,
}

/// Two ports whose drivers are replaced: the first sends, both swallow.
#[derive(Debug)]
pub struct Meter {
    ports: Vec<Arc<Lease>>,
    /// Read by the source as long as it runs.
    _frames: Box<MeterFrames>,
}

impl Meter {
    /// Takes the ports; the first is the source. Their pool has room for what is in flight.
    pub fn attach(
        ports: &[&Port<Started>],
        pool: Mempool,
        frames: MeterFrames,
    ) -> Result<Self, Failure> {
        let frames = Box::new(frames);
        let mut meter = Self { ports: Vec::new(), _frames: frames };
        for (place, port) in ports.iter().enumerate() {
            let lease = port.lease();
            let raw = meter._frames.raw(place == 0).ok_or(Failure::invalid())?;
            // SAFETY: the port is started, as its type says, and stays so (invariant); the frames
            // are copied, the destinations live as long as the meter.
            Failure::check(unsafe {
                dpdk_sys::kumiki_meter_attach(
                    lease.port(),
                    pool.as_ptr(),
                    &raw,
                    meter._frames.destinations.as_ptr().cast(),
                )
            })?;
            meter.ports.push(Arc::clone(lease));
        }
        Ok(meter)
    }

    /// The windows so far, the oldest first.
    pub fn windows(&self) -> Vec<MeterWindow> {
        let mut raw = vec![kumiki_meter_window { router: 0.0, pool: 0.0 }; WINDOWS_MAX];
        let room = u32::try_from(raw.len()).unwrap_or(0);
        // SAFETY: room for as many as the length says; nobody polls meanwhile (`&self` and the
        // worker are the same thread's).
        let count =
            unsafe { dpdk_sys::kumiki_meter_windows(self.source(), raw.as_mut_ptr(), room) };
        raw.truncate(usize::try_from(count).unwrap_or(0));
        raw.iter().map(|raw| MeterWindow { router: raw.router, pool: raw.pool }).collect()
    }

    /// Frames handed out, swallowed, and those of them whose hop limit was not one less.
    pub fn counts(&self) -> [u64; 3] {
        let mut counts = dpdk_sys::kumiki_meter_counts { out: 0, in_: 0, odd: 0 };
        // SAFETY: a plain number, and room for the counts.
        let result = unsafe { dpdk_sys::kumiki_meter_counts(self.source(), &mut counts) };
        debug_assert_eq!(result, 0, "the first port is a source");
        [counts.out, counts.in_, counts.odd]
    }

    fn source(&self) -> u16 {
        self.ports.first().map_or(u16::MAX, |lease| lease.port())
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        for lease in &self.ports {
            // SAFETY: a plain number; nobody polls the port while its meter is dropped (invariant).
            unsafe { dpdk_sys::kumiki_meter_detach(lease.port()) };
        }
    }
}
