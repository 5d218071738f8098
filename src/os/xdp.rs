//! How much an AF_XDP socket carries.
//!
//! Owns the arithmetic of its frames; the buffers are `dpdk::mempool`'s, the program is the
//! driver's.
//!
//! *Standards*: Linux `Documentation/networking/af_xdp.rst`, "UMEM"; `XDP_PACKET_HEADROOM` in
//! `include/uapi/linux/bpf.h`.

/// Octets that the kernel keeps free before a frame for the program that looks at it first.
pub const KERNEL_HEADROOM_OCTETS: u16 = 256;

/// Octets of a frame that fit into a buffer of one page, beside that headroom, ours, and what DPDK
/// keeps of each buffer.
pub const FRAME_OCTETS_MAX: u16 = 3456;

/// Largest IPv6 packet: without the Ethernet header and a VLAN tag. The driver says 3542, as it
/// does not know of the headroom inside our buffers, and longer frames are dropped in silence.
pub const MTU_BYTES_MAX: u16 = FRAME_OCTETS_MAX - 14 - 4;
