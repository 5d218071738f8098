//! TCP over IPv6 with what routing protocols ask of it: hop limits and keys that hold from the
//! first packet, and addresses that the kernel may not have yet.
//!
//! Owns nothing: sockets are those of `std`, made here because their options must be set before
//! they listen or connect. Reading, writing and waiting are the caller's.
//!
//! *Invariants*: nothing blocks. Options are set before the kernel sends or answers a SYN; where
//! one cannot be set there is no socket (fail closed). The hop limits of a peer that connects are
//! an exception: until its connection is accepted those of the listener hold, and what came in by
//! then is read.
//! *Standards*: RFC 5082 (hop limit 255), RFC 2385 (TCP-MD5); tcp(7), ipv6(7),
//! linux/include/uapi/linux/tcp.h.

use core::mem::size_of;
use core::net::{Ipv6Addr, SocketAddrV6};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Connections that wait to be accepted, on one listener: every neighbour of a route reflector at
/// once.
const BACKLOG: i32 = 256;
/// Longest key of RFC 2385 that Linux takes, in octets.
pub const MD5_KEY_OCTETS_MAX: usize = 80;

/// Not in libc: linux/include/uapi/linux/in6.h.
const IPV6_MINHOPCOUNT: i32 = 73;
/// Not in libc: linux/include/uapi/linux/tcp.h, as those below.
const TCP_MD5SIG_EXT: i32 = 32;
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;

/// What packets of a connection must look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HopLimits {
    /// The hop limit of packets sent; `None` for that of the system.
    pub sent: Option<u8>,
    /// The least hop limit of packets received, others are dropped; zero for any.
    pub least: u8,
}

/// A key of RFC 2385 and whose packets it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Md5Key {
    /// The peers, by prefix.
    pub peers: Ipv6Addr,
    /// Bits of the prefix, 128 for one peer.
    pub prefix_length: u8,
    /// 1 to [`MD5_KEY_OCTETS_MAX`] octets.
    pub key: Vec<u8>,
}

/// Listens at `local`, which the kernel need not have yet. Every key given holds from the first
/// SYN on.
pub fn listen(
    local: SocketAddrV6,
    hop_limits: HopLimits,
    keys: &[Md5Key],
) -> io::Result<TcpListener> {
    let fd = socket(hop_limits)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    keys.iter().try_for_each(|key| set_md5_key(&fd, key))?;
    rustix::net::bind(&fd, &local)?;
    rustix::net::listen(&fd, BACKLOG)?;
    Ok(TcpListener::from(fd))
}

/// Begins to connect from `local`, whose port may be zero; the stream becomes writable when that
/// has come to an end, good or bad ([`TcpStream::take_error`]).
pub fn connect(
    local: SocketAddrV6,
    remote: SocketAddrV6,
    hop_limits: HopLimits,
    key: Option<&Md5Key>,
) -> io::Result<TcpStream> {
    let fd = socket(hop_limits)?;
    key.map_or(Ok(()), |key| set_md5_key(&fd, key))?;
    rustix::net::bind(&fd, &local)?;
    match rustix::net::connect(&fd, &remote) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(fd)),
        Err(error) => Err(error.into()),
    }
}

/// The next connection of a listener, or `None` when there is none. The hop limits are those of the
/// peer, which the listener did not know.
pub fn accept(
    listener: &TcpListener,
    hop_limits: impl FnOnce(SocketAddrV6) -> Option<HopLimits>,
) -> io::Result<Option<Accepted>> {
    let (stream, peer) = match listener.accept() {
        Ok((stream, std::net::SocketAddr::V6(peer))) => (stream, peer),
        Ok((_, std::net::SocketAddr::V4(_))) => return Ok(Some(Accepted::Refused(None))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(hop_limits) = hop_limits(peer) else { return Ok(Some(Accepted::Refused(Some(peer)))) };
    stream.set_nonblocking(true)?;
    sockopt::set_tcp_nodelay(&stream, true)?;
    set_hop_limits(&stream, hop_limits)?;
    Ok(Some(Accepted::Stream(stream, peer)))
}

/// A connection that came in.
#[derive(Debug)]
pub enum Accepted {
    /// Somebody who is expected.
    Stream(TcpStream, SocketAddrV6),
    /// Somebody who is not; the connection is closed.
    Refused(Option<SocketAddrV6>),
}

/// Sets or changes a key of a socket that listens; an empty one takes it away.
pub fn set_md5_key(fd: impl AsFd, key: &Md5Key) -> io::Result<()> {
    if key.key.len() > MD5_KEY_OCTETS_MAX {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut request = Md5Request {
        family: u16::try_from(libc::AF_INET6).unwrap_or_default(),
        port: 0,
        flow_info: 0,
        address: key.peers.octets(),
        rest: [0; 104],
        flags: TCP_MD5SIG_FLAG_PREFIX,
        prefix_length: key.prefix_length,
        key_length: u16::try_from(key.key.len()).unwrap_or_default(),
        ifindex: 0,
        key: [0; MD5_KEY_OCTETS_MAX],
    };
    request.key[..key.key.len()].copy_from_slice(&key.key);
    set_option(fd, (libc::IPPROTO_TCP, TCP_MD5SIG_EXT), &request)
}

/// `struct tcp_md5sig` with the address of an IPv6 peer in its `sockaddr_storage`.
#[repr(C)]
struct Md5Request {
    family: u16,
    port: u16,
    flow_info: u32,
    address: [u8; 16],
    rest: [u8; 104],
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    ifindex: i32,
    key: [u8; MD5_KEY_OCTETS_MAX],
}

const _: () = assert!(size_of::<Md5Request>() == 128 + 8 + MD5_KEY_OCTETS_MAX);

fn socket(hop_limits: HopLimits) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::INET6, SocketType::STREAM, flags, None)?;
    sockopt::set_ipv6_v6only(&fd, true)?;
    sockopt::set_ipv6_freebind(&fd, true)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    set_hop_limits(&fd, hop_limits)?;
    Ok(fd)
}

fn set_hop_limits(fd: impl AsFd, hop_limits: HopLimits) -> io::Result<()> {
    sockopt::set_ipv6_unicast_hops(&fd, hop_limits.sent)?;
    let least = i32::from(hop_limits.least);
    set_option(fd, (libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT), &least)
}

/// An option that rustix has no name for.
fn set_option<T>(fd: impl AsFd, (level, name): (i32, i32), value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel reads `length`
    // octets of a value that lives until the call is over.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::time::Duration;

    const ANY: HopLimits = HopLimits { sent: None, least: 0 };
    const GTSM: HopLimits = HopLimits { sent: Some(255), least: 255 };

    fn local(port: u16) -> SocketAddrV6 {
        SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0)
    }

    fn key(text: &str) -> Md5Key {
        Md5Key { peers: Ipv6Addr::LOCALHOST, prefix_length: 128, key: text.as_bytes().to_vec() }
    }

    /// Whether a connection comes about and carries an octet, within a moment.
    fn is_connected(ends: [HopLimits; 2], keys: [Option<&Md5Key>; 2]) -> io::Result<bool> {
        let [here, there] = ends;
        let listener = listen(local(0), here, keys[0].map(core::slice::from_ref).unwrap_or(&[]))?;
        let std::net::SocketAddr::V6(address) = listener.local_addr()? else { unreachable!() };
        let mut stream = connect(local(0), address, there, keys[1])?;
        let mut accepted = None;
        for _ in 0..50 {
            if let Some(Accepted::Stream(stream, _)) = accept(&listener, |_| Some(here))? {
                accepted = Some(stream);
                break;
            }
            poll(&listener);
        }
        let Some(mut accepted) = accepted else { return Ok(false) };
        accepted.set_nonblocking(false)?;
        accepted.set_read_timeout(Some(Duration::from_millis(200)))?;
        stream.write_all(b"k")?;
        Ok(accepted.read(&mut [0; 8]).is_ok_and(|length| length == 1))
    }

    /// Waits until there may be a connection, for a moment.
    fn poll(listener: &TcpListener) {
        let mut fds = [rustix::event::PollFd::new(listener, rustix::event::PollFlags::IN)];
        let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 4_000_000 };
        let _ = rustix::event::poll(&mut fds, Some(&moment));
    }

    #[test]
    fn both_ends_with_a_hop_limit_of_255_meet() {
        assert!(is_connected([GTSM, GTSM], [None, None]).unwrap());
        assert!(is_connected([ANY, ANY], [None, None]).unwrap());
    }

    #[test]
    fn a_syn_from_further_away_is_not_answered() {
        let near = HopLimits { sent: Some(64), least: 0 };
        assert!(!is_connected([GTSM, near], [None, None]).unwrap());
    }

    #[test]
    fn only_the_same_key_meets() {
        let unsupported = |error: &io::Error| error.raw_os_error() == Some(libc::ENOPROTOOPT);
        let (one, other) = (key("one"), key("other"));
        match is_connected([ANY, ANY], [Some(&one), Some(&one)]) {
            Err(error) if unsupported(&error) => {
                eprintln!("skipped: this kernel has no TCP-MD5 ({error})");
                return;
            }
            met => assert!(met.unwrap()),
        }
        assert!(!is_connected([ANY, ANY], [Some(&one), Some(&other)]).unwrap());
        assert!(!is_connected([ANY, ANY], [Some(&one), None]).unwrap());
    }

    #[test]
    fn a_key_that_is_too_long_is_refused() {
        let long = key(&"k".repeat(MD5_KEY_OCTETS_MAX + 1));
        let error = listen(local(0), ANY, &[long]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn an_address_that_is_not_there_yet_can_be_listened_at() {
        let address = SocketAddrV6::new("2001:db8::1".parse().unwrap(), 0, 0, 0);
        assert!(listen(address, ANY, &[]).is_ok());
    }

    #[test]
    fn a_stranger_is_refused() {
        let listener = listen(local(0), ANY, &[]).unwrap();
        let std::net::SocketAddr::V6(address) = listener.local_addr().unwrap() else { return };
        let _stream = connect(local(0), address, ANY, None).unwrap();
        let refused = (0..50).find_map(|_| {
            poll(&listener);
            accept(&listener, |_| None).unwrap()
        });
        assert!(matches!(refused, Some(Accepted::Refused(Some(_)))), "{refused:?}");
    }
}
