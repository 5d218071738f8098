//! The two halves of a started port, as a worker owns them.
//!
//! Owns [`RxQueue`] and [`TxQueue`], and [`RxInterrupt`] where the driver has one.
//!
//! *Invariants*: one object per hardware queue, never cloned, used by one thread at a time (`Send`,
//! not `Sync`). The device stays open as long as one of them exists. What leaves a receive queue is
//! one segment with its VLAN tag in the frame, whatever the driver did to it.

use super::failure::Failure;
use super::gate::{Gate, Side};
use super::mbuf::Mbuf;
use super::port::Lease;
use crate::base::prefetch::prefetch_pointer;
use crate::packet::{BURST_MAX, Burst, PacketBuf, PortRx, PortTx};
use core::cell::Cell;
use core::marker::PhantomData;
use dpdk_sys::kumiki_mbuf;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Octets of a VLAN tag, and where it stands in the frame.
const TAG_OCTETS: u16 = 4;
const TAG_OFFSET: usize = 12;

/// Room for the pointers of one burst, kept so that it need not be cleared each time.
type Pointers = [*mut kumiki_mbuf; BURST_MAX];

/// A receive queue of a started port; one for each worker that polls the port.
#[derive(Debug)]
pub struct RxQueue {
    lease: Arc<Lease>,
    queue: u16,
    /// Where the device may have to be started again.
    gate: Option<Arc<Gate>>,
    pointers: Pointers,
    single_thread: PhantomData<Cell<()>>,
}

// SAFETY: the pointers are scratch space that is empty between calls; a hardware queue may be used
// by any thread as long as it is one at a time, which `&mut self` sees to.
unsafe impl Send for RxQueue {}

impl RxQueue {
    pub(super) fn new(lease: Arc<Lease>, queue: u16, gate: Option<Arc<Gate>>) -> Self {
        Self {
            lease,
            queue,
            gate,
            pointers: [core::ptr::null_mut(); BURST_MAX],
            single_thread: PhantomData,
        }
    }

    /// Which queue of the port.
    pub const fn index(&self) -> u16 {
        self.queue
    }

    pub(super) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Drops the packets that wait, at most `packets` of them, and says how many they were.
    pub fn discard(&mut self, packets: usize) -> usize {
        let mut discarded = 0;
        while discarded < packets {
            let mut burst = Burst::new();
            match self.receive(&mut burst) {
                0 => break,
                count => discarded += count,
            }
        }
        discarded
    }

    /// The queue's interrupt; `None` when the driver has none or it was not asked for at the start.
    pub fn interrupt(&self) -> Option<RxInterrupt> {
        let port = self.lease.port();
        // SAFETY: plain numbers; the port is open as the lease says.
        let raw = unsafe { dpdk_sys::rte_eth_dev_rx_intr_ctl_q_get_fd(port, self.queue) };
        if raw < 0 {
            return None;
        }
        // SAFETY: EAL keeps the descriptor open as long as the port is; it is only duplicated here.
        let fd = unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned().ok()?;
        Some(RxInterrupt { lease: Arc::clone(&self.lease), queue: self.queue, fd })
    }
}

impl PortRx<Mbuf> for RxQueue {
    #[inline]
    fn receive(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        let gate = self.gate.as_deref();
        let inside = gate.map(|gate| gate.enter(self.queue, Side::Rx));
        if matches!(inside, Some(None)) {
            return 0;
        }
        // A burst holds 64: the number fits.
        let wanted = u16::try_from(burst.room()).unwrap_or(0);
        // SAFETY: the port is started as long as this queue exists and its gate let us in, the
        // queue is ours alone, and there is room for `wanted` pointers.
        let count = usize::from(unsafe {
            dpdk_sys::kumiki_rx_burst(
                self.lease.port(),
                self.queue,
                self.pointers.as_mut_ptr(),
                wanted,
            )
        });
        drop(inside);
        for raw in self.pointers.iter().take(count) {
            // SAFETY: the driver handed these buffers over to us.
            let Some(mut packet) = (unsafe { Mbuf::from_raw(*raw) }) else { continue };
            let fields = packet.fields();
            // The first node reads the headers when the whole burst is here.
            prefetch_pointer(fields.buf_addr.wrapping_byte_add(usize::from(fields.data_off)));
            if fields.nb_segs != 1
                || fields.ol_flags & u64::from(dpdk_sys::KUMIKI_RX_VLAN_STRIPPED) != 0
            {
                straighten(&mut packet);
            }
            // There is room for all: the driver was asked for no more.
            let _ = burst.push(packet);
        }
        count
    }
}

/// Makes one segment of several, and puts a VLAN tag back into the frame that the kernel or the
/// device took out of it.
#[cold]
fn straighten(packet: &mut Mbuf) {
    // A frame longer than a buffer stays a chain; the MTU check drops it with a reason.
    let _ = u16::try_from(packet.len()).map(|length| packet.pull_up(length));
    let fields = packet.fields_mut();
    let stripped = u64::from(dpdk_sys::KUMIKI_RX_VLAN_STRIPPED);
    if fields.ol_flags & stripped == 0 {
        return;
    }
    fields.ol_flags &= !stripped;
    let [high, low] = fields.vlan_tci.to_be_bytes();
    let octets = usize::from(TAG_OCTETS);
    if packet.prepend(TAG_OCTETS).is_err() {
        return;
    }
    let data = packet.data_mut();
    if data.len() >= TAG_OFFSET + octets {
        data.copy_within(octets..TAG_OFFSET + octets, 0);
    }
    if let Some(tag) = data.get_mut(TAG_OFFSET..TAG_OFFSET + octets) {
        tag.copy_from_slice(&[0x81, 0x00, high, low]);
    }
}

/// A transmit queue of a started port; one for each worker.
#[derive(Debug)]
pub struct TxQueue {
    lease: Arc<Lease>,
    queue: u16,
    /// Where the device may have to be started again.
    gate: Option<Arc<Gate>>,
    /// The device puts VLAN tags in.
    inserts_vlan: bool,
    pointers: Pointers,
    single_thread: PhantomData<Cell<()>>,
}

// SAFETY: as for `RxQueue`.
unsafe impl Send for TxQueue {}

impl TxQueue {
    pub(super) fn new(
        lease: Arc<Lease>,
        queue: u16,
        gate: Option<Arc<Gate>>,
        inserts_vlan: bool,
    ) -> Self {
        Self {
            lease,
            queue,
            gate,
            inserts_vlan,
            pointers: [core::ptr::null_mut(); BURST_MAX],
            single_thread: PhantomData,
        }
    }

    /// Which queue of the port.
    pub const fn index(&self) -> u16 {
        self.queue
    }

    pub(super) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }
}

impl PortTx<Mbuf> for TxQueue {
    #[inline]
    fn send(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        let mut count = 0;
        for (place, packet) in self.pointers.iter_mut().zip(burst.iter()) {
            *place = packet.as_ptr();
            count += 1;
        }
        let gate = self.gate.as_deref();
        let inside = gate.map(|gate| gate.enter(self.queue, Side::Tx));
        if count == 0 || matches!(inside, Some(None)) {
            return 0;
        }
        // SAFETY: the port is started as long as this queue exists and its gate let us in, the
        // queue is ours alone, and the first `count` pointers are packets of the burst. Those the
        // driver takes are forgotten below and those it leaves stay untouched.
        let taken = usize::from(unsafe {
            dpdk_sys::kumiki_tx_burst(
                self.lease.port(),
                self.queue,
                self.pointers.as_mut_ptr(),
                count,
            )
        });
        drop(inside);
        if taken == burst.len() {
            burst.drain().for_each(core::mem::forget);
        } else {
            burst.take_front(taken, core::mem::forget);
        }
        taken
    }

    fn insert_tag(&mut self, burst: &mut Burst<Mbuf>, vlan: u16) -> bool {
        if self.inserts_vlan {
            for packet in burst.iter_mut() {
                let fields = packet.fields_mut();
                fields.vlan_tci = vlan;
                fields.ol_flags |= dpdk_sys::KUMIKI_TX_VLAN;
            }
        }
        self.inserts_vlan
    }
}

/// The interrupt of a receive queue: wait on its descriptor instead of polling.
#[derive(Debug)]
pub struct RxInterrupt {
    lease: Arc<Lease>,
    queue: u16,
    fd: OwnedFd,
}

impl RxInterrupt {
    /// What to watch.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// To be called before sleeping; the queue must be polled once more afterwards, as packets that
    /// came before raise nothing.
    pub fn arm(&self) -> Result<(), Failure> {
        // SAFETY: plain numbers; the port is open as the lease says.
        let result = unsafe { dpdk_sys::rte_eth_dev_rx_intr_enable(self.lease.port(), self.queue) };
        Failure::check(result)
    }

    /// To be called after the sleep, before the queue is polled.
    pub fn disarm(&self) -> Result<(), Failure> {
        // SAFETY: plain numbers; the port is open as the lease says.
        let result =
            unsafe { dpdk_sys::rte_eth_dev_rx_intr_disable(self.lease.port(), self.queue) };
        let flags = rustix::fs::fcntl_getfl(&self.fd);
        if flags.is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK)) {
            let mut count = [0; 8];
            let _ = rustix::io::read(&self.fd, &mut count);
        }
        Failure::check(result)
    }
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<RxQueue>();
    is_send::<TxQueue>();
};
