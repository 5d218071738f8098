//! Two guests: Linux at either end, so that a failure of the tests with the router is the router's.

use super::machine::{Guest, Site, in_space, make_device};
use super::tunnel::{Carrier, End, FILE, Shape, Sublayer, make, remove, serve};
use crate::directory;
use kumiki::os::namespace::Namespace;
use std::net::Ipv6Addr;

/// Two guests on a bridge.
struct Pair {
    space: Namespace,
    guests: Vec<Guest>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.guests.clear();
        let _ = Namespace::delete(self.space.path());
    }
}

const fn underlay(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number)
}

#[test]
fn two_linux_ends_reach_each_other_over_ip_and_udp() {
    let Some(image) = super::image() else { return };
    println!("guests with Linux {}", image.version);
    let directory = directory();
    let space = Namespace::create(&directory.path().join("pair.net")).unwrap();
    let mut pair = Pair { space, guests: Vec::new() };
    in_space(&pair.space, "ip link add between mtu 9000 type bridge");
    for (device, number) in [("tap1", 1), ("tap2", 2)] {
        make_device(&pair.space, device);
        in_space(&pair.space, &format!("ip link set {device} master between"));
        let site = Site { directory: directory.path(), space: &pair.space, device, number };
        pair.guests.push(Guest::start(&image, &site));
    }
    in_space(&pair.space, "ip link set between up");
    pair.guests = pair.guests.drain(..).map(Guest::wait).collect();
    let [one, two] = pair.guests.as_slice() else { unreachable!("two were started") };
    for (guest, number) in [(one, 1), (two, 2)] {
        guest.run(&format!("ip addr add {}/64 dev eth0 nodad", underlay(number)));
        guest.run("ip link set eth0 up");
    }
    let digest = serve(two);
    for shape in [
        Shape { carrier: Carrier::Ip, cookie_octets: 8, sublayer: Sublayer::None },
        Shape { carrier: Carrier::Udp, cookie_octets: 4, sublayer: Sublayer::Default },
    ] {
        let ends = [
            End { address: underlay(1), session: 0x1001, cookie: *b"12345678" },
            End { address: underlay(2), session: 0x2002, cookie: *b"abcdefgh" },
        ];
        make(one, shape, [&ends[0], &ends[1]], ["10.9.0.1/24", "fd09::1/64"]);
        make(two, shape, [&ends[1], &ends[0]], ["10.9.0.2/24", "fd09::2/64"]);
        one.run("ping -c 2 -s 1472 10.9.0.2");
        one.run("ping -c 2 -s 1452 fd09::2");
        let got = one.run(&format!("wget -q -O - http://10.9.0.2/{FILE} | sha256sum"));
        assert_eq!(got, digest, "{shape}");
        [one, two].into_iter().for_each(remove);
    }
}
