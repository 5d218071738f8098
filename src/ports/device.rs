//! What a port may be, and the words EAL knows it by.
//!
//! Owns [`DeviceSpec`] and its translation into device arguments. The sizes of AF_PACKET rings
//! belong together with the buffers' (`dpdk::mempool`): a slot must hold the longest frame, a
//! buffer a slot.
//!
//! *Invariants*: names of virtual devices are unique in the process, by the instance number that
//! the caller hands out.
//! *Standards*: DPDK NIC guide, "AF_PACKET", "AF_XDP", "Tun|Tap" and "Memif" poll mode drivers.

use std::path::Path;

/// Slots of an AF_PACKET ring, tried in this order: the kernel compares each queue's mapping
/// (receive and send ring, 20 480 octets a slot of a jumbo frame) with RLIMIT_MEMLOCK, 8 MiB where
/// the router is not root.
pub const RING_FRAMES: [u16; 5] = [512, 256, 128, 64, 32];

/// Octets of a page, of which the kernel takes a power of two for each block of a ring.
const PAGE_OCTETS: u32 = 4096;

/// Most slots in a block of an AF_PACKET ring: 160 KiB of jumbo slots. Where the kernel has no
/// such run of pages it maps single ones.
const BLOCK_SLOTS_MAX: u32 = 16;

/// A device that can be a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// A NIC on the PCI bus, by address.
    Pci(String),
    /// A NIC of Hyper-V, by UUID.
    Vmbus(String),
    /// A kernel interface through AF_PACKET, by name.
    AfPacket(String),
    /// A kernel interface through AF_XDP, by name; no jumbo frames (`os::xdp`).
    AfXdp(String),
    /// A TAP device, made under this name.
    Tap(String),
    /// Shared memory with another process: the socket, then further arguments of the driver.
    Memif(String),
    /// Any virtual device, in EAL's own words.
    Vdev(String),
}

/// A device in EAL's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceArguments {
    /// EAL's name of the device.
    pub name: String,
    /// Name and arguments, as `rte_dev_probe` takes them.
    pub devargs: String,
}

/// What a device string depends on beside the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceShape {
    /// Number of this virtual device, unique in the process.
    pub instance: u32,
    /// Queues of each kind.
    pub queues: u16,
    /// Slots of each AF_PACKET ring.
    pub ring_frames: u16,
    /// Octets of such a slot, and of a buffer of memif.
    pub slot_octets: u16,
}

impl DeviceSpec {
    /// EAL's words for the device.
    pub fn arguments(&self, shape: DeviceShape) -> DeviceArguments {
        let DeviceShape { instance, queues, slot_octets, .. } = shape;
        let virtual_device = |driver: &str, arguments: String| {
            let name = format!("{driver}{instance}");
            DeviceArguments { devargs: format!("{name},{arguments}"), name }
        };
        match self {
            Self::Pci(word) | Self::Vmbus(word) => {
                let name = word.split(',').next().unwrap_or(word).to_owned();
                DeviceArguments { name, devargs: word.clone() }
            }
            Self::Vdev(word) => {
                let name = word.split(',').next().unwrap_or(word).to_owned();
                DeviceArguments { name, devargs: word.clone() }
            }
            Self::AfPacket(interface) => {
                virtual_device("net_af_packet", af_packet_arguments(interface, shape))
            }
            Self::AfXdp(interface) => virtual_device(
                "net_af_xdp",
                format!("iface={interface},start_queue=0,queue_count={queues}"),
            ),
            Self::Tap(interface) => virtual_device("net_tap", format!("iface={interface}")),
            Self::Memif(rest) => virtual_device("net_memif", memif_arguments(rest, slot_octets)),
        }
    }

    /// The kernel interface behind the device; its MTU, state and carrier are set and seen by
    /// netlink.
    pub fn kernel_interface(&self) -> Option<&str> {
        match self {
            Self::AfPacket(interface) | Self::AfXdp(interface) | Self::Tap(interface) => {
                Some(interface)
            }
            Self::Pci(_) | Self::Vmbus(_) | Self::Memif(_) | Self::Vdev(_) => None,
        }
    }

    /// Whether the driver sets the device's MTU. Those of kernel interfaces refuse more than 1500.
    pub const fn sets_mtu(&self) -> bool {
        matches!(self, Self::Pci(_) | Self::Vmbus(_))
    }

    /// Whether the device connects to another process, which may come later and go: a client of
    /// memif, the driver's default role.
    pub fn may_lack_peer(&self) -> bool {
        let is_server = |pair: &str| matches!(pair, "role=server" | "role=master");
        matches!(self, Self::Memif(rest) if !rest.split(',').any(is_server))
    }

    /// The socket on which the device waits for another process, where that is a file.
    pub fn listens_at(&self) -> Option<&Path> {
        let Self::Memif(rest) = self else { return None };
        let socket = rest.split(',').next().filter(|socket| socket.starts_with('/'))?;
        let is_abstract = rest.split(',').any(|pair| pair == "socket-abstract=yes");
        (!self.may_lack_peer() && !is_abstract).then(|| Path::new(socket))
    }

    /// Whether EAL must look at its buses for this device.
    pub const fn needs_bus(&self) -> bool {
        matches!(self, Self::Pci(_) | Self::Vmbus(_))
    }
}

/// Whole blocks of slots; the driver's rings hold nothing else.
fn af_packet_arguments(interface: &str, shape: DeviceShape) -> String {
    let DeviceShape { queues, ring_frames, slot_octets, .. } = shape;
    let slots = block_slots(slot_octets);
    format!(
        "iface={interface},qpairs={queues},blocksz={},framesz={slot_octets},framecnt={},\
         qdisc_bypass=1",
        u32::from(slot_octets) * slots,
        u32::from(ring_frames) / slots * slots,
    )
}

/// Slots of a ring's block: whole pages, and of their power of two as little as possible unused,
/// because the kernel clears all of it when the port opens. Two jumbo slots would waste three pages
/// of eight, six fill fifteen of sixteen.
fn block_slots(slot_octets: u16) -> u32 {
    let octets = |slots: u32| slots * u32::from(slot_octets);
    let taken = |slots: u32| octets(slots).next_power_of_two().max(PAGE_OCTETS);
    let is_whole = |slots: &u32| octets(*slots).is_multiple_of(PAGE_OCTETS);
    let waste = |left: &u32, right: &u32| (taken(*left) * right).cmp(&(taken(*right) * left));
    (1..=BLOCK_SLOTS_MAX).filter(is_whole).min_by(waste).unwrap_or(BLOCK_SLOTS_MAX)
}

/// The socket goes first; a path is said to be one, and buffers hold the longest frame unless the
/// operator says otherwise.
fn memif_arguments(rest: &str, slot_octets: u16) -> String {
    let (socket, further) = rest.split_once(',').unwrap_or((rest, ""));
    let mut text = format!("socket={socket}");
    let has = |key: &str| further.split(',').any(|pair| pair.split('=').next() == Some(key));
    if socket.starts_with('/') && !has("socket-abstract") {
        text.push_str(",socket-abstract=no");
    }
    if !has("bsize") {
        text.push_str(&format!(",bsize={slot_octets}"));
    }
    if !further.is_empty() {
        text.push(',');
        text.push_str(further);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: DeviceShape =
        DeviceShape { instance: 3, queues: 2, ring_frames: 512, slot_octets: 10_240 };

    fn devargs(spec: &DeviceSpec) -> String {
        spec.arguments(SHAPE).devargs
    }

    #[test]
    fn a_ring_slot_holds_a_jumbo_frame_and_a_block_six_slots() {
        assert_eq!(
            devargs(&DeviceSpec::AfPacket("veth1".into())),
            "net_af_packet3,iface=veth1,qpairs=2,blocksz=61440,framesz=10240,framecnt=510,\
             qdisc_bypass=1"
        );
    }

    #[test]
    fn blocks_of_a_ring_are_whole_pages_and_nearly_powers_of_two() {
        for (slot_octets, slots) in [(2048, 2), (4096, 1), (10_240, 6), (16_384, 1)] {
            assert_eq!(block_slots(slot_octets), slots, "slots of {slot_octets} octets");
        }
    }

    #[test]
    fn a_memif_socket_path_is_no_abstract_name() {
        assert_eq!(
            devargs(&DeviceSpec::Memif("/run/m.sock,role=client,id=1".into())),
            "net_memif3,socket=/run/m.sock,socket-abstract=no,bsize=10240,role=client,id=1"
        );
        assert_eq!(
            devargs(&DeviceSpec::Memif("name,bsize=2048".into())),
            "net_memif3,socket=name,bsize=2048"
        );
    }

    #[test]
    fn only_the_client_of_a_memif_looks_for_its_peer() {
        let memif = |words: &str| DeviceSpec::Memif(words.into());
        assert!(memif("/run/m.sock,role=client").may_lack_peer());
        assert!(memif("/run/m.sock").may_lack_peer(), "the driver's default is client");
        assert!(!memif("/run/m.sock,role=server").may_lack_peer());
        assert!(!DeviceSpec::AfPacket("eth0".into()).may_lack_peer());
        let server = memif("/run/m.sock,role=server");
        assert_eq!(server.listens_at(), Some(Path::new("/run/m.sock")));
        assert_eq!(memif("/run/m.sock,role=client").listens_at(), None);
        assert_eq!(memif("name,role=server").listens_at(), None);
    }

    #[test]
    fn words_of_the_operator_stay_as_they_are() {
        let spec = DeviceSpec::Vdev("net_bgen0,len=74,src=0".into());
        let arguments = spec.arguments(SHAPE);
        assert_eq!(
            (&*arguments.name, &*arguments.devargs),
            ("net_bgen0", "net_bgen0,len=74,src=0")
        );
        let spec = DeviceSpec::Pci("0000:81:00.0,mprq_en=1".into());
        assert_eq!(spec.arguments(SHAPE).name, "0000:81:00.0");
    }
}
