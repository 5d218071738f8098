//! Waiting for traffic on a port whose DPDK driver has no rx interrupt.
//!
//! Owns [`Companion`], a descriptor that is readable when the port may have packets, in two kinds.
//! *Shared*: a duplicate of the driver's own socket or TAP descriptor, found among the descriptors
//! of this process ([`Companion::find`]); it is readable exactly while its ring has frames, so
//! nothing needs to be drained and no wake-up can be lost. *Beside*: an AF_PACKET socket of ours on
//! the same interface, for drivers whose descriptors are not found; its queue holds one octet a
//! frame and is emptied by [`Companion::drain`]. Also owns [`RingDrops`], what the kernel dropped
//! for want of room in a ring, which the drivers do not report.
//!
//! *Invariants*: the rule for workers is *wait, drain, poll the port*. A frame that arrives after
//! the drain makes the descriptor readable again; one before it is seen by the poll. A companion
//! leaves its poller (`Poller::remove`) before it is dropped, as the driver's duplicate outlives
//! it.
//! *Standards*: packet(7), linux/Documentation/networking/packet_mmap.rst; `PACKET_IGNORE_OUTGOING`
//! needs Linux 4.20.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Octets of receive buffer of a socket beside the driver's; the kernel doubles it and has a
/// minimum.
const RECEIVE_BUFFER_BYTES: libc::c_int = 2048;

/// Frames one drain takes from a socket beside the driver's; more would mean that the port is busy.
const DRAIN_MAX: usize = 64;

/// What kind of descriptor a driver waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// AF_PACKET sockets bound to an interface.
    Packet {
        /// The interface.
        ifindex: u32,
    },
    /// AF_XDP sockets.
    Xdp,
    /// Queues of a TAP device.
    Tap {
        /// The device.
        name: &'a str,
    },
}

/// The descriptors this process had open at one moment.
#[derive(Clone, Debug)]
pub struct Descriptors(BTreeSet<RawFd>);

impl Descriptors {
    /// Those open now.
    pub fn now() -> io::Result<Self> {
        let mut open = BTreeSet::new();
        for entry in std::fs::read_dir("/proc/self/fd")? {
            open.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
        }
        // The folder's own descriptor was among them and is closed now; its number is free again.
        open.retain(|fd| std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok());
        Ok(Self(open))
    }
}

/// A descriptor that is readable when a port may have packets; one for each receive queue, owned by
/// the worker of that queue.
#[derive(Debug)]
pub struct Companion {
    fd: OwnedFd,
    is_beside: bool,
}

impl Companion {
    /// Duplicates of the descriptors of `kind` that were opened since `before`, in the order of
    /// their numbers, which is the order of the queues. Empty when there are none.
    pub fn find(kind: Kind<'_>, before: &Descriptors) -> io::Result<Vec<Self>> {
        let now = Descriptors::now()?;
        let mut found = Vec::new();
        for fd in now.0.difference(&before.0) {
            // Duplicated before it is looked at: what the number means cannot change any more.
            let duplicate = duplicate(*fd)?.filter(|fd| is_of_kind(fd, kind));
            found.extend(duplicate.map(|fd| Self { fd, is_beside: false }));
        }
        Ok(found)
    }

    /// A socket beside the driver's, on the interface `ifindex`.
    pub fn beside(ifindex: u32) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: socket takes no pointers. Protocol 0 receives nothing until the bind below.
        let raw = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was made just now and has no other owner.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        set_option(&fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &RECEIVE_BUFFER_BYTES)?;
        set_option(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
        // "return 1": one octet of every frame is enough to know that there is one.
        let mut keep_one = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 1 };
        let program = libc::sock_fprog { len: 1, filter: &raw mut keep_one };
        set_option(&fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        bind(&fd, ifindex)?;
        Ok(Self { fd, is_beside: true })
    }

    /// What to watch.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// To be called when the descriptor was ready, before the port is polled: forgets what was
    /// seen, and the error that an interface leaves when it goes down, so that neither keeps the
    /// worker awake.
    pub fn drain(&self) {
        // Reading the option is what clears the error.
        let _ = option::<libc::c_int>(self.fd.as_fd(), libc::SOL_SOCKET, libc::SO_ERROR);
        if !self.is_beside {
            return;
        }
        let mut octet = [0; 1];
        for _ in 0..DRAIN_MAX {
            if rustix::io::read(&self.fd, &mut octet).is_err() {
                break;
            }
        }
    }

    /// Counts the frames the kernel had no room for; `None` where the kernel keeps no such number.
    pub fn ring_drops(&self) -> io::Result<Option<RingDrops>> {
        let domain = option::<libc::c_int>(self.fd.as_fd(), libc::SOL_SOCKET, libc::SO_DOMAIN);
        match domain {
            Ok(domain @ (libc::AF_PACKET | libc::AF_XDP)) if !self.is_beside => {
                let fd = self.fd.try_clone()?;
                Ok(Some(RingDrops { fd, is_xdp: domain == libc::AF_XDP, total: AtomicU64::new(0) }))
            }
            _ => Ok(None),
        }
    }
}

/// The frames that the kernel dropped because a ring was full, and that the driver does not count;
/// read by the control and telemetry threads.
#[derive(Debug)]
pub struct RingDrops {
    fd: OwnedFd,
    is_xdp: bool,
    /// AF_PACKET forgets its number when it is read.
    total: AtomicU64,
}

impl RingDrops {
    /// Frames dropped since the port was opened.
    pub fn count(&self) -> u64 {
        if self.is_xdp {
            // `rx_dropped` is in the driver's own count of missed packets.
            let statistics = option::<libc::xdp_statistics>(
                self.fd.as_fd(),
                libc::SOL_XDP,
                libc::XDP_STATISTICS,
            );
            return statistics.map_or(0, |s| s.rx_ring_full);
        }
        let fresh = option::<libc::tpacket_stats>(
            self.fd.as_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
        )
        .map_or(0, |statistics| u64::from(statistics.tp_drops));
        self.total.fetch_add(fresh, Ordering::Relaxed) + fresh
    }
}

/// Whether the descriptor is of the kind.
fn is_of_kind(fd: &OwnedFd, kind: Kind<'_>) -> bool {
    let domain = || option::<libc::c_int>(fd.as_fd(), libc::SOL_SOCKET, libc::SO_DOMAIN).ok();
    match kind {
        Kind::Packet { ifindex } => {
            domain() == Some(libc::AF_PACKET) && bound_to(fd) == Some(ifindex)
        }
        Kind::Xdp => domain() == Some(libc::AF_XDP),
        Kind::Tap { name } => is_tap_queue(fd, name),
    }
}

/// Whether the descriptor is a queue of the TAP device. One that only keeps the device alive is
/// detached from it and never becomes readable.
fn is_tap_queue(fd: &OwnedFd, name: &str) -> bool {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    if !path.is_ok_and(|path| path.as_os_str() == "/dev/net/tun") {
        return false;
    }
    let mut request = MaybeUninit::<libc::ifreq>::zeroed();
    // SAFETY: TUNGETIFF fills one ifreq, which lives on this stack.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNGETIFF, request.as_mut_ptr()) } < 0 {
        return false;
    }
    // SAFETY: all-zero is a valid ifreq, and the kernel has written name and flags.
    let (device, flags) = unsafe {
        let request = request.assume_init();
        (request.ifr_name, request.ifr_ifru.ifru_flags)
    };
    let device = device.iter().map(|letter| letter.cast_unsigned()).take_while(|octet| *octet != 0);
    i32::from(flags) & libc::IFF_DETACH_QUEUE == 0 && device.eq(name.bytes())
}

/// The interface an AF_PACKET socket is bound to.
fn bound_to(fd: &OwnedFd) -> Option<u32> {
    let mut address = MaybeUninit::<libc::sockaddr_ll>::zeroed();
    let mut length = size_of_socklen::<libc::sockaddr_ll>();
    // SAFETY: the kernel writes at most `length` octets, the size of `address`.
    let result =
        unsafe { libc::getsockname(fd.as_raw_fd(), address.as_mut_ptr().cast(), &raw mut length) };
    if result < 0 {
        return None;
    }
    // SAFETY: all-zero is a valid sockaddr_ll, and the kernel has filled it further.
    let address = unsafe { address.assume_init() };
    u32::try_from(address.sll_ifindex).ok()
}

/// A duplicate of a descriptor that somebody else owns; `None` when it is closed meanwhile.
fn duplicate(fd: RawFd) -> io::Result<Option<OwnedFd>> {
    // SAFETY: fcntl with these arguments takes no pointers.
    let raw = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if raw >= 0 {
        // SAFETY: the descriptor was made just now and has no other owner.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(raw) }));
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::EBADF) => Ok(None),
        error => Err(error),
    }
}

fn bind(fd: &OwnedFd, ifindex: u32) -> io::Result<()> {
    // SAFETY: all-zero is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sll_family = libc::c_ushort::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be();
    address.sll_ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
    let length = size_of_socklen::<libc::sockaddr_ll>();
    // SAFETY: the kernel reads `length` octets, the size of `address`.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set_option<T>(fd: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let pointer: *const T = value;
    // SAFETY: the kernel reads `size_of::<T>()` octets behind the reference.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, pointer.cast(), size_of_socklen::<T>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Plain data of the kernel's interface, for which all-zero is a value.
trait Plain: Copy {}
impl Plain for libc::c_int {}
impl Plain for libc::tpacket_stats {}
impl Plain for libc::xdp_statistics {}

fn option<T: Plain>(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = size_of_socklen::<T>();
    // SAFETY: the kernel writes at most `length` octets, the size of `value`.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut length)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `Plain` promises that zeros are a value; the kernel has overwritten some of them.
    Ok(unsafe { value.assume_init() })
}

fn size_of_socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_listed_while_it_is_open() {
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert!(Descriptors::now().unwrap().0.contains(&file.as_raw_fd()));
    }

    #[test]
    fn what_is_no_device_of_the_kind_is_not_found() {
        let before = Descriptors(BTreeSet::new());
        let socket = std::net::UdpSocket::bind("[::1]:0");
        for kind in [Kind::Packet { ifindex: u32::MAX }, Kind::Tap { name: "kuminone" }] {
            assert!(Companion::find(kind, &before).unwrap().is_empty(), "{kind:?}");
        }
        drop(socket);
    }
}
