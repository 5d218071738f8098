//! Claims about namespaces, links, routes and TUN, tried on the kernel itself; skipped with a
//! printed reason where the kernel does not permit them.

use super::*;
use crate::os::netlink::address::HostRoute;
use crate::os::netlink::{LinkEvent, LinkMonitor, NewVeth, RouteSocket, VethEnd, offloads_off};
use crate::os::poller::{Events, Poller};
use crate::os::tun::Tun;
use std::time::Duration;

/// Far beyond what any kernel takes to tell of a link.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

fn permitted() -> bool {
    let permitted = may_create_namespaces();
    if !permitted {
        println!("skipped: this user may not make network namespaces");
    }
    permitted
}

fn namespace(directory: &tempfile::TempDir, name: &str) -> Namespace {
    Namespace::create(&directory.path().join(name)).unwrap()
}

/// The first event that is so. The kernel tells of a carrier from a thread of its own, so a while
/// after the call that changed it has returned; nothing but a failure waits to the end.
fn wait_for(
    monitor: &mut LinkMonitor,
    what: &str,
    is_it: impl Fn(&LinkEvent) -> bool,
) -> LinkEvent {
    let (poller, mut events) = (Poller::new().unwrap(), Events::new());
    poller.add(monitor.fd(), 0).unwrap();
    loop {
        poller.wait(Some(TOLD_WITHIN), &mut events).unwrap();
        assert!(!events.is_empty(), "{what}: not told within {TOLD_WITHIN:?}");
        if let Some(event) = monitor.poll().unwrap().links.into_iter().find(&is_it) {
            return event;
        }
    }
}

#[test]
fn veth_ends_get_the_indexes_asked_for_and_carrier_is_told() {
    if !permitted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let near = namespace(&directory, "near");
    let far = namespace(&directory, "far");
    let mut near_socket = near.run(RouteSocket::open).unwrap().unwrap();
    let mut far_socket = far.run(RouteSocket::open).unwrap().unwrap();
    let mut monitor = near.run(LinkMonitor::open).unwrap().unwrap();
    let ends = [
        VethEnd { name: "f-s02", ifindex: 1001, namespace: None },
        VethEnd { name: "c1a", ifindex: 1002, namespace: Some(far.fd()) },
    ];
    near_socket.create_veth(&NewVeth { ends, mtu: 9216 }).unwrap();
    far_socket.create_bridge("c1", 1003, 9216).unwrap();
    far_socket.set_controller(1002, Some(1003)).unwrap();
    near_socket.set_up(1001).unwrap();
    far_socket.set_up(1002).unwrap();
    near.run(|| offloads_off("f-s02")).unwrap().unwrap();

    let link = near_socket.link_by_name("f-s02").unwrap();
    assert_eq!((link.ifindex, link.mtu, link.kind.as_str()), (1001, 9216, "veth"));
    assert!(link.is_up());
    assert_eq!(far_socket.link_by_name("c1a").unwrap().controller, Some(1003));

    wait_for(&mut monitor, "carrier comes", |event| event.is_up);
    far_socket.set_down(1002).unwrap();
    let lost = wait_for(&mut monitor, "carrier is lost", |event| !event.is_up);
    assert_eq!((lost.ifindex, lost.name.as_str(), lost.is_removed), (1001, "f-s02", false));
    near_socket.delete_link(1001).unwrap();
    wait_for(&mut monitor, "the link is removed", |event| event.is_removed);
    for namespace in [near, far] {
        Namespace::delete(namespace.path()).unwrap();
    }
}

#[test]
fn a_tun_carries_addresses_routes_and_packets() {
    if !permitted() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let host = namespace(&directory, "host");
    host.run(|| {
        let tun = match Tun::open("kumiki0", crate::os::tun::TUN_MTU_BYTES) {
            Ok(tun) => tun,
            Err(error) => return println!("skipped: no TUN device: {error}"),
        };
        let mut socket = RouteSocket::open().unwrap();
        let own = "fd4b:756d:696b::7".parse().unwrap();
        socket.add_address(tun.ifindex(), own, 128).unwrap();
        socket.add_address(tun.ifindex(), own, 128).unwrap();
        let cluster = "fd4b:756d:696b::/48".parse().unwrap();
        let route = HostRoute { source: Some(own), ..HostRoute::on_link(cluster, tun.ifindex()) };
        socket.add_route(&route).unwrap();
        assert_eq!(socket.addresses(tun.ifindex()).unwrap(), [(own, 128)]);
        assert!(socket.routes().unwrap().contains(&(cluster, Some(tun.ifindex()))));

        let mut buffer = [0; 9216];
        let nothing = tun.read_packet(&mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let sender = std::net::UdpSocket::bind("[::]:0").unwrap();
        sender.send_to(&[0; 8000], "[fd4b:756d:696b::1]:9").unwrap();
        assert_eq!(tun.read_packet(&mut buffer).unwrap(), 8048);
        let from: [u8; 16] = buffer[8..24].try_into().unwrap();
        assert_eq!(std::net::Ipv6Addr::from(from), own);

        socket.delete_route(&route).unwrap();
        socket.delete_route(&route).unwrap();
        socket.delete_address(tun.ifindex(), own, 128).unwrap();
        socket.delete_address(tun.ifindex(), own, 128).unwrap();
    })
    .unwrap();
    Namespace::delete(host.path()).unwrap();
}

#[test]
fn a_namespace_that_does_not_exist_is_deleted_without_error() {
    let directory = tempfile::tempdir().unwrap();
    Namespace::delete(&directory.path().join("never")).unwrap();
}
