//! Claims about interfaces of the kernel, tried in a namespace of their own; skipped with a printed
//! reason where that is not permitted.

use super::*;
use crate::config::{PortDevice, PortRole, PortSettings};
use crate::daemon::devices::Hearing;
use crate::os::namespace::{Namespace, may_create_namespaces};
use crate::os::netlink::{NewVeth, VethEnd, sysctl_write};

const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

fn planned(mtu: u16, mac: Option<MacAddress>) -> PlannedPort {
    let settings = PortSettings {
        name: "p1".to_owned(),
        device: PortDevice::AfPacket("v1".to_owned()),
        role: PortRole::Fabric,
        address: None,
        mtu,
        cost: None,
        bfd: crate::config::PortBfd::default(),
        vlan: None,
        mac,
    };
    PlannedPort { settings, spec: DeviceSpec::AfPacket("v1".to_owned()), hearing: Hearing::Own }
}

/// Runs `work` in a namespace with a pair of interfaces, v1 and v2.
fn with_veth(work: impl FnOnce(&mut RouteSocket) + Send) {
    if !may_create_namespaces() {
        println!("skipped: this user may not make network namespaces");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::create(&folder.path().join("n")).unwrap();
    let inside = namespace.run(|| {
        let mut socket = RouteSocket::open().unwrap();
        let end = |name, ifindex| VethEnd { name, ifindex, namespace: None };
        let ends = [end("v1", 1001), end("v2", 1002)];
        socket.create_veth(&NewVeth { ends, mtu: 1500 }).unwrap();
        // A machine may have it off for all.
        sysctl_write("net/ipv6/conf/v1/disable_ipv6", "0").unwrap();
        work(&mut socket);
    });
    Namespace::delete(namespace.path()).unwrap();
    inside.unwrap();
}

fn state(socket: &mut RouteSocket) -> (Link, bool, Vec<Offload>) {
    let link = socket.link_by_name("v1").unwrap();
    (link, has_ipv6("v1").unwrap(), offloads("v1").unwrap())
}

#[test]
fn a_port_that_is_closed_leaves_its_interface_as_it_was() {
    with_veth(|socket| {
        let before = state(socket);
        let mut original = None;
        let side = prepare("v1", &planned(9000, None), &mut original).unwrap();
        assert_eq!(side.mtu, 9120, "with the headers of a repair");
        // Again with more: what was first stays what is put back.
        prepare("v1", &planned(9216, Some(MAC)), &mut original).unwrap();
        let during = state(socket);
        assert_eq!((during.0.mtu, during.1, during.0.is_enabled), (9216, false, true));
        assert!(before.2.len() > during.2.len(), "{:?}", during.2);
        // As `net_af_packet` does.
        let all = Link { is_promiscuous: true, ..during.0 };
        socket.set_filters(1001, &all).unwrap();
        socket.set_mac(1001, MAC).unwrap();
        original.unwrap().restore();
        assert_eq!(state(socket), before);
    });
}

#[test]
fn what_somebody_else_set_meanwhile_stays() {
    with_veth(|socket| {
        let mut original = None;
        prepare("v1", &planned(9000, None), &mut original).unwrap();
        socket.set_mtu(1001, 4000).unwrap();
        original.unwrap().restore();
        assert_eq!(state(socket).0.mtu, 4000);
    });
}

#[test]
fn an_interface_made_again_under_the_name_is_left_alone() {
    with_veth(|socket| {
        let mut original = None;
        prepare("v1", &planned(9000, None), &mut original).unwrap();
        socket.delete_link(1001).unwrap();
        let end = |name, ifindex| VethEnd { name, ifindex, namespace: None };
        let ends = [end("v1", 1003), end("v2", 1004)];
        socket.create_veth(&NewVeth { ends, mtu: 9000 }).unwrap();
        socket.set_up(1003).unwrap();
        let before = state(socket);
        original.unwrap().restore();
        assert_eq!(state(socket), before);
    });
}
