//! A real device in a namespace of its own; skipped with a printed reason where the kernel does not
//! permit one.

use super::*;
use crate::os::namespace::{Namespace, may_create_namespaces};
use crate::os::poller::{Events, Poller};
use crate::packet::HeapBuf;

struct HeapAlloc;

impl PacketAlloc<HeapBuf> for HeapAlloc {
    fn alloc(&mut self) -> Option<HeapBuf> {
        Some(HeapBuf::new(&[]))
    }
}

/// Deletes the device and says whether the bridge notices.
fn delete(bridge: &mut TunBridge, poller: &Poller) -> io::Result<()> {
    let mut socket = RouteSocket::open().map_err(|error| error.source)?;
    let ifindex = socket.link_by_name(bridge.name()).map_err(|error| error.source)?.ifindex;
    socket.delete_link(ifindex).map_err(|error| error.source)?;
    let mut events = Events::new();
    poller.wait(Some(Duration::from_secs(20)), &mut events)?;
    assert!(events.iter().any(|event| event.token == 7 && event.is_broken), "{events:?}");
    let worker = WorkerLinks::<HeapBuf>::new(LcoreId(0), 0)?;
    let error = bridge.take_from_host(&mut HeapAlloc, &worker).expect_err("the device is gone");
    assert_eq!(error.raw_os_error(), Some(libc::EBADFD));
    Ok(())
}

fn carried(bridge: &TunBridge) -> (Vec<(Ipv6Addr, u8)>, Vec<Ipv6Prefix>) {
    let mut socket = RouteSocket::open().unwrap();
    let Ok(link) = socket.link_by_name(bridge.name()) else { return (Vec::new(), Vec::new()) };
    let routes = socket.routes().unwrap().into_iter().filter(|(_, via)| *via == Some(link.ifindex));
    let wide = routes.map(|(prefix, _)| prefix).filter(|prefix| prefix.length() == 48);
    (socket.addresses(link.ifindex).unwrap(), wide.collect())
}

#[test]
fn a_device_that_is_deleted_is_made_again_with_all_it_carried() {
    if !may_create_namespaces() {
        return println!("skipped: this user may not make network namespaces");
    }
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::create(&folder.path().join("ns")).unwrap();
    let story = || -> io::Result<()> {
        let counters: Arc<DaemonCounters> = Arc::default();
        let mut bridge = TunBridge::open("kumiki0", Arc::clone(&counters))?;
        let wanted = HostAddresses {
            addresses: vec!["fd00::7".parse().unwrap()],
            prefixes: vec!["fd00::/48".parse().unwrap()],
        };
        bridge.set_addresses(wanted.clone());
        let before = carried(&bridge);
        assert_eq!(before, (vec![(wanted.addresses[0], 128)], wanted.prefixes));
        let poller = Poller::new()?;
        poller.add(bridge.fd().unwrap(), 7)?;
        delete(&mut bridge, &poller)?;
        poller.remove(bridge.fd().unwrap())?;
        bridge.lose(Instant::ZERO);
        assert!(bridge.fd().is_none() && counters.get(DaemonCounter::TunLost) == 1);
        bridge.give_to_host(&HeapBuf::new(&[0x60; 40]));
        assert_eq!(counters.get(DaemonCounter::TunAbsent), 1);

        // Somebody else has the name: later and later.
        let thief = Tun::open("kumiki0", TUN_MTU_BYTES)?;
        let mut waits = Vec::new();
        while waits.len() < 12 {
            let now = bridge.reopens_at().expect("it is to be made again");
            assert!(bridge.reopen(now).is_err());
            waits.push(bridge.reopens_at().unwrap() - now);
        }
        assert_eq!((waits[0], waits[11]), (REOPEN_WAIT.0 * 2, REOPEN_WAIT.1));
        drop(thief);
        bridge.reopen(bridge.reopens_at().unwrap())?;
        assert_eq!((carried(&bridge), bridge.reopens_at()), (before, None));
        Ok(())
    };
    match namespace.run(story).unwrap() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("skipped: there is no /dev/net/tun: {error}");
        }
        outcome => outcome.unwrap(),
    }
}

/// What the host has sent to neighbours on a link so far.
fn sent_on_link(worker: &WorkerLinks<HeapBuf>) -> Vec<(PortId, Ipv6Addr, u8)> {
    let injected = core::iter::from_fn(|| worker.rings.inject.pop());
    let part = |injected: Injected<HeapBuf>| match injected {
        Injected::OnLink { port, packet } => {
            let octets: &[u8] = packet.data();
            let source: [u8; 16] = octets[8..24].try_into().unwrap();
            (port, Ipv6Addr::from(source), octets[6])
        }
        other => panic!("not to a link: {other:?}"),
    };
    injected.map(part).collect()
}

#[test]
fn the_device_of_a_link_has_its_address_and_mtu_and_sends_tcp_alone() {
    if !may_create_namespaces() {
        return println!("skipped: this user may not make network namespaces");
    }
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::create(&folder.path().join("ns")).unwrap();
    let story = || -> io::Result<()> {
        const TCP: u8 = 6;
        let counters: Arc<DaemonCounters> = Arc::default();
        let (port, address) = (PortId(3), "fe80::7".parse().unwrap());
        let link = HostLink { port, name: "up".to_owned(), address, mtu: 1400 };
        let now = Instant::ZERO;
        let mut bridge = TunBridge::open_link("kumiki0.up", &link, Arc::clone(&counters), now)?;
        let Some(scope) = bridge.ifindex() else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        let mut socket = RouteSocket::open().map_err(|error| error.source)?;
        assert_eq!(socket.addresses(scope).unwrap(), [(address, 64)]);
        assert_eq!(socket.link_by_name("kumiki0.up").unwrap().mtu, 1400);

        let far: Ipv6Addr = "fe80::9".parse().unwrap();
        let udp = std::net::UdpSocket::bind("[::]:0")?;
        udp.send_to(b"no", std::net::SocketAddrV6::new(far, 9, 0, scope))?;
        let local = std::net::SocketAddrV6::new(address, 0, 0, scope);
        let remote = std::net::SocketAddrV6::new(far, 179, 0, scope);
        let _stream = crate::os::tcp::connect(local, remote, Default::default(), None)?;
        let worker = WorkerLinks::<HeapBuf>::new(LcoreId(0), 0)?;
        bridge.take_from_host(&mut HeapAlloc, &worker)?;
        assert_eq!(sent_on_link(&worker), [(port, address, TCP)]);
        assert!(counters.get(DaemonCounter::LinkTunUnwanted) > 0);
        Ok(())
    };
    match namespace.run(story).unwrap() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("skipped: there is no /dev/net/tun: {error}");
        }
        outcome => outcome.unwrap(),
    }
}
