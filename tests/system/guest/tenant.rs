//! A guest with Linux at one end of a pseudowire, the router at the other, a host behind it.
//!
//! ```text
//!   guest: l2t0, eth0 --- tap, bridge, up ==== k1: the router :k2 ==== up: host
//!          10.9.0.1    underlay of 9000 octets               the tenant's port, 10.9.0.2
//! ```
//!
//! *Standards*: RFC 3931 §4.1, RFC 4719; the ways in which packets look are those of [`Shape`].

use super::machine::{Guest, Site, in_space, make_device};
use super::tunnel::{Carrier, End, FILE, Shape, Sublayer, make, remove, serve, write_file};
use super::{BUSYBOX, image};
use crate::interop::world::{BGP, World};
use crate::routers::needs_router;
use std::process::Command;

/// Addresses of the guest and of the host in the tenant's segment.
const INNER: [[&str; 2]; 2] = [["10.9.0.1", "fd09::1"], ["10.9.0.2", "fd09::2"]];
/// What the cable to the guest carries.
const UNDERLAY_MTU: usize = 9000;

/// The router, a host of the tenant, and a guest.
struct Wired {
    world: World,
    guest: Guest,
    /// The guest's end, and the router's.
    ends: [End; 2],
}

impl Wired {
    /// `None`, with a printed reason, where this cannot run.
    fn new(shape: Shape) -> Option<Self> {
        let image = image()?;
        if needs_router() {
            return None;
        }
        println!("a guest with Linux {}", image.version);
        let world = World::new(&["guest", "host"]);
        let space = world.space("guest");
        make_device(space, "tap0");
        for words in [
            "ip addr flush dev up",
            "ip link add between mtu 9000 type bridge",
            "ip link set dev up master between",
            "ip link set tap0 master between",
            "ip link set between up",
        ] {
            in_space(space, words);
        }
        let directory = world.directory.path();
        let guest = Guest::start(&image, &Site { directory, space, device: "tap0", number: 1 });
        let ends = [
            End { address: world.address("guest"), session: 0x1001, cookie: *b"12345678" },
            End { address: world.kumiki("guest"), session: 0xffff_fffe, cookie: *b"\x01bcdef\0h" },
        ];
        for address in [format!("{}/24", INNER[1][0]), format!("{}/64", INNER[1][1])] {
            in_space(world.space("host"), &format!("ip addr add {address} dev up"));
        }
        world.set_tenant("host");
        world.set_jumbo("guest");
        world.start_kumiki(&configuration(shape, &ends));
        let guest = guest.wait();
        guest.run(&format!("ip addr add {}/64 dev eth0 nodad", ends[0].address));
        guest.run("ip link set eth0 up");
        Some(Self { world, guest, ends })
    }

    /// Both ends take this shape.
    fn set(&self, shape: Shape) {
        self.world.apply(&configuration(shape, &self.ends));
        self.make(shape, &self.ends);
        self.world.wait(&format!("an answer through {shape}"), || self.answers());
    }

    /// The guest's end alone takes this shape, as if the ends were these.
    fn make(&self, shape: Shape, [own, other]: &[End; 2]) {
        let addresses = [format!("{}/24", INNER[0][0]), format!("{}/64", INNER[0][1])];
        make(&self.guest, shape, [own, other], addresses.each_ref().map(String::as_str));
    }

    /// Whether the guest answers the host.
    fn answers(&self) -> bool {
        self.host("ping -c 1 -W 1 10.9.0.1").0
    }

    /// How many packets the router has dropped for a reason.
    fn dropped(&self, reason: &str) -> u64 {
        let rows = self.world.rows("errors");
        let row = rows.iter().find(|row| row["name"] == reason);
        row.and_then(|row| row["count"].as_u64()).unwrap_or(0)
    }

    /// A command in the host's namespace: whether it succeeded, and what it said.
    fn host(&self, words: &str) -> (bool, String) {
        let output = self.world.run("host", &["sh", "-c", words]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }

    #[track_caller]
    fn host_must(&self, words: &str) -> String {
        let (is_good, said) = self.host(words);
        if !is_good {
            self.world.testify();
        }
        assert!(is_good, "at the host: {words}: {said}");
        said
    }
}

/// The tenant of the router with one pseudowire, whose ends are the guest's and its own.
fn configuration(shape: Shape, [guest, own]: &[End; 2]) -> String {
    let carrier = match shape.carrier {
        Carrier::Ip => "encapsulation = \"ip\"",
        Carrier::Udp => "encapsulation = \"udp\"",
        Carrier::UdpZero => "encapsulation = \"udp\"\nudp_checksum = \"zero\"",
    };
    let sublayer = match shape.sublayer {
        Sublayer::None => "sublayer = \"none\"",
        Sublayer::Default => "sublayer = \"default\"",
        Sublayer::Sequenced => "sublayer = \"default\"\nsequencing = true",
    };
    let cookies = match shape.cookie_octets {
        0 => String::new(),
        octets => {
            let [remote, local] = [guest, own].map(|end| end.cookie_text(octets));
            format!("cookie = \"{local}\"\nremote_cookie = \"{remote}\"\n")
        }
    };
    format!(
        "{BGP}\n[[tenant]]\nname = \"blue\"\nid = 10\nports = [\"host.untagged\"]\n\n\
         [[tenant.pseudowire]]\nname = \"linux\"\naddress = \"{}\"\n\
         local_address = \"{}\"\nsession_id = {}\n\
         remote_session_id = {}\n{cookies}{carrier}\n{sublayer}\n",
        guest.address, own.address, own.session, guest.session
    )
}

#[test]
fn linux_and_the_router_exchange_frames_in_every_encapsulation() {
    let shapes: Vec<Shape> = Shape::all().collect();
    let Some(site) = Wired::new(shapes[0]) else { return };
    let (guest, world) = (&site.guest, &site.world);
    let digest = serve(guest);
    let folder = world.path("www");
    std::fs::create_dir(&folder).unwrap();
    site.host_must(&write_file(&folder.join(FILE).display().to_string()));
    let mut server = Command::new(BUSYBOX);
    server.args(["httpd", "-f", "-p", "80", "-h"]).arg(&folder);
    world.start("httpd", "host", server);
    for shape in shapes {
        site.set(shape);
        // Whole frames of 1500 octets in both families, both ways.
        site.host_must("ping -c 2 -W 5 -s 1472 10.9.0.1");
        site.host_must("ping -c 2 -W 5 -s 1452 fd09::1");
        let got =
            site.host_must(&format!("{BUSYBOX} wget -q -O - http://10.9.0.1/{FILE} | sha256sum"));
        assert_eq!(got.trim(), digest, "from the guest, {shape}");
        let got = guest.run(&format!("wget -q -O - http://[fd09::2]/{FILE} | sha256sum"));
        assert_eq!(got, digest, "from the host, {shape}");
        // The largest packet that fits, and one octet more.
        let largest = UNDERLAY_MTU - shape.overhead() - 14;
        guest.run(&format!("ip link set l2t0 mtu {largest}"));
        let ping = |octets: usize| {
            site.host(&format!("ping -c 1 -W 5 -M do -s {} 10.9.0.1", octets - 28)).0
        };
        assert!(ping(largest), "{largest} octets, {shape}");
        assert!(!ping(largest + 1), "{} octets, {shape}", largest + 1);
        site.host_must("ip route flush cache");
        remove(guest);
        println!("{shape}: {largest} octets fit");
    }
}

#[test]
fn what_linux_gets_wrong_is_counted_and_reaches_nobody() {
    let right = Shape { carrier: Carrier::Ip, cookie_octets: 8, sublayer: Sublayer::None };
    let Some(site) = Wired::new(right) else { return };
    site.set(right);
    let [own, other] = site.ends;
    let datagrams = Shape { carrier: Carrier::Udp, ..right };
    let zero = Shape { carrier: Carrier::UdpZero, ..right };
    let wrong = [
        ("l2tp_cookie", right, right, End { cookie: *b"badc0de!", ..other }),
        ("l2tp_session", right, right, End { session: 0x4711, ..other }),
        ("l2tp_carrier", right, datagrams, other),
        ("l2tp_udp_checksum", datagrams, zero, other),
    ];
    for (reason, configured, shape, other) in wrong {
        remove(&site.guest);
        site.world.apply(&configuration(configured, &site.ends));
        site.make(shape, &[own, other]);
        let before = site.dropped(reason);
        site.world.wait(reason, || {
            let (is_answered, said) = site.guest.tell("ping -c 1 -W 1 10.9.0.2");
            assert!(!is_answered, "{reason}: {said}");
            site.dropped(reason) > before
        });
    }
    // A sublayer that is not wanted is a part of the frame: nobody can know.
    remove(&site.guest);
    site.world.apply(&configuration(right, &site.ends));
    site.make(Shape { sublayer: Sublayer::Default, ..right }, &site.ends);
    assert!(!site.answers());
    remove(&site.guest);
    site.set(right);
}
