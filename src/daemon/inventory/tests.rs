//! Devices of a host that is made of files.

use super::*;
use std::os::unix::fs::symlink;

const ROUTES_V4: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
                         br0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                         eth2\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";
const ROUTES_V6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                         00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n";
const TCP: &str = "  sl  local_address rem_address   st\n   \
                   0: 0100000A:0016 0200000A:C001 01 00000000:00000000\n   \
                   1: 0100000A:0050 0300000A:C001 01 00000000:00000000\n";

/// A host with eth0 under br0 (default route), eth1 free, eth2 with an ssh session, and a NIC that
/// vfio has.
fn host(folder: &Path) -> Sysfs {
    let (sys, net) = (folder.join("sys"), folder.join("proc"));
    fs::create_dir_all(&net).unwrap();
    fs::write(net.join("route"), ROUTES_V4).unwrap();
    fs::write(net.join("ipv6_route"), ROUTES_V6).unwrap();
    fs::write(net.join("tcp"), TCP).unwrap();
    let nics = [("eth0", "0000:01:00.0"), ("eth1", "0000:01:00.1"), ("eth2", "0000:01:00.2")];
    for (name, address) in nics {
        let device = sys.join("bus/pci/devices").join(address);
        fs::create_dir_all(&device).unwrap();
        symlink("../../../bus/pci", device.join("subsystem")).unwrap();
        symlink("../../../bus/pci/drivers/ice", device.join("driver")).unwrap();
        fs::write(device.join("class"), "0x020000\n").unwrap();
        let interface = sys.join("class/net").join(name);
        fs::create_dir_all(&interface).unwrap();
        symlink(&device, interface.join("device")).unwrap();
        fs::write(interface.join("address"), format!("52:54:00:00:00:{}\n", &name[3..])).unwrap();
    }
    let vfio = sys.join("bus/pci/devices/0000:02:00.0");
    fs::create_dir_all(&vfio).unwrap();
    symlink("../../../bus/pci/drivers/vfio-pci", vfio.join("driver")).unwrap();
    fs::write(vfio.join("class"), "0x020000\n").unwrap();
    fs::create_dir_all(sys.join("class/net/lo")).unwrap();
    fs::create_dir_all(sys.join("class/net/br0/lower_eth0")).unwrap();
    Sysfs { sys, net }
}

#[test]
fn nics_are_found_with_what_they_are_opened_as() {
    let folder = tempfile::tempdir().unwrap();
    let found = host(folder.path()).devices();
    let specs: Vec<_> = found
        .iter()
        .map(|found| (found.facts.name.as_str(), found.facts.pci.as_str(), found.spec.clone()))
        .collect();
    let packet = |name: &str| Some(DeviceSpec::AfPacket(name.to_owned()));
    assert_eq!(
        specs,
        [
            ("br0", "", packet("br0")),
            ("eth0", "0000:01:00.0", packet("eth0")),
            ("eth1", "0000:01:00.1", packet("eth1")),
            ("eth2", "0000:01:00.2", packet("eth2")),
            ("", "0000:02:00.0", Some(DeviceSpec::Pci("0000:02:00.0".to_owned()))),
        ]
    );
    assert_eq!(
        (found[1].facts.mac.as_str(), found[1].facts.driver.as_str()),
        ("52:54:00:00:00:0", "ice")
    );
}

#[test]
fn the_way_of_the_administrator_is_found_below_bridges_and_by_ssh() {
    let folder = tempfile::tempdir().unwrap();
    let found = host(folder.path()).devices();
    let management: Vec<_> = found.iter().map(|found| found.facts.is_management).collect();
    assert_eq!(management, [true, true, false, true, false]);
}

#[test]
fn a_session_over_ipv4_in_a_table_of_ipv6_is_one_over_ipv4() {
    let mapped = parse_address("0000000000000000FFFF00000200000A").unwrap();
    assert_eq!(longest_match(&parse_routes_v4(ROUTES_V4), mapped).as_deref(), Some("eth2"));
}

/// Adds a device of Hyper-V: its driver and its class.
fn add_vmbus(sys: &Path, uuid: &str, driver: &str, class: &str) -> PathBuf {
    let device = sys.join("bus/vmbus/devices").join(uuid);
    fs::create_dir_all(&device).unwrap();
    symlink("../../../bus/vmbus", device.join("subsystem")).unwrap();
    symlink(format!("../../../bus/vmbus/drivers/{driver}"), device.join("driver")).unwrap();
    fs::write(device.join("class_id"), format!("{class}\n")).unwrap();
    device
}

#[test]
fn a_nic_of_hyper_v_is_taken_over_vmbus_only_where_uio_has_it() {
    const KERNEL: &str = "635a7ae3-091e-4410-ae59-667c4f8c04c3";
    const FREE: &str = "7a1b2c3d-091e-4410-ae59-667c4f8c04c3";
    const CLOCK: &str = "8a1b2c3d-091e-4410-ae59-667c4f8c04c3";
    let folder = tempfile::tempdir().unwrap();
    let sys = folder.path().join("sys");
    let device = add_vmbus(&sys, KERNEL, "hv_netvsc", VMBUS_CLASS_NETWORK);
    add_vmbus(&sys, FREE, "uio_hv_generic", VMBUS_CLASS_NETWORK);
    add_vmbus(&sys, CLOCK, "uio_hv_generic", "{9527e630-d0ae-497b-adce-e80ab0175caf}");
    let interface = sys.join("class/net/eth0");
    fs::create_dir_all(&interface).unwrap();
    symlink(&device, interface.join("device")).unwrap();

    let found = Sysfs { sys, net: folder.path().join("proc") }.devices();
    let specs: Vec<_> =
        found.iter().map(|f| (f.facts.driver.as_str(), f.spec.clone().unwrap())).collect();
    assert_eq!(
        specs,
        [
            ("uio_hv_generic", DeviceSpec::Vmbus(FREE.to_owned())),
            ("hv_netvsc", DeviceSpec::AfPacket("eth0".to_owned())),
        ]
    );
}

/// A configuration of fabric ports.
fn config(device: &str) -> Config {
    let text = format!(
        "[router]\nname = \"r\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n\
         [[port]]\nrole = \"fabric\"\n{device}\n"
    );
    let (overrides, files) = (crate::config::Overrides::default(), crate::config::NoFiles);
    let source =
        crate::config::Source { origin: "t", text: &text, overrides: &overrides, files: &files };
    crate::config::load(&source).unwrap()
}

#[test]
fn a_port_that_changed_the_address_of_its_device_is_found_by_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let config = config("match = \"mac=52:54:00:00:00:00\"\nmac = \"02:00:00:00:00:09\"");
    let address = host.sys.join("class/net/eth1/address");
    fs::write(&address, "52:54:00:00:00:00\n").unwrap();
    let first = plan_on(&host, &config, &[]);
    assert_eq!(first.len(), 1);
    fs::write(&address, "02:00:00:00:00:09\n").unwrap();
    let mac = Some(MacAddress([0x52, 0x54, 0, 0, 0, 0]));
    assert_eq!(plan_on(&host, &config, &[Open { port: &first[0], mac }]), first);
}

#[test]
fn open_ports_stay_when_nics_and_the_way_of_the_administrator_change() {
    let config = config("match = \"driver=*\"");
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let first = plan_on(&host, &config, &[]);
    let pairs = |ports: &[PlannedPort]| -> Vec<_> {
        ports.iter().map(|port| (port.settings.name.clone(), port.spec.clone())).collect()
    };
    let (eth, vfio) = (
        |number: u8| DeviceSpec::AfPacket(format!("eth{number}")),
        DeviceSpec::Pci("0000:02:00.0".to_owned()),
    );
    let named = |name: &str, spec: &DeviceSpec| (name.to_owned(), spec.clone());
    assert_eq!(pairs(&first), [named("fabric", &eth(1)), named("fabric2", &vfio)]);
    // The default route goes, so eth0 is free; the session that came over eth2 comes over eth1.
    fs::write(host.net.join("route"), ROUTES_V4.replace("eth2", "eth1").replace("br0", "eth9"))
        .unwrap();
    let open: Vec<_> = first.iter().map(|port| Open { port, mac: None }).collect();
    assert_eq!(
        pairs(&plan_on(&host, &config, &open)),
        [
            named("fabric3", &eth(0)),
            named("fabric", &eth(1)),
            named("fabric4", &eth(2)),
            named("fabric2", &vfio),
        ]
    );
}
