//! An end of a pseudowire as Linux is told of it, and what a test sends through.
//!
//! Owns [`Shape`], which is what both ends must agree on, and the words for `ip l2tp`. In these,
//! `cookie` is what this side sends and `peer_cookie` what it expects; other products name it the
//! other way round.
//!
//! *Standards*: RFC 3931 §4.1 (the header over IP and over UDP), RFC 4719 (Ethernet).

use super::machine::Guest;
use std::fmt;
use std::net::Ipv6Addr;

/// What carries the packets of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Ip,
    Udp,
    /// UDP with zero for a checksum, which Linux refuses unless told.
    UdpZero,
}

/// The layer between cookie and frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sublayer {
    None,
    Default,
    /// The default one with numbers, by which late packets are known.
    Sequenced,
}

/// How a pseudowire's packets look.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub carrier: Carrier,
    /// 0, 4 or 8.
    pub cookie_octets: usize,
    pub sublayer: Sublayer,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { carrier, cookie_octets, sublayer } = self;
        write!(f, "{carrier:?}, cookie of {cookie_octets}, sublayer {sublayer:?}")
    }
}

impl Shape {
    /// All there are; of those without a checksum and of those with numbers one.
    pub fn all() -> impl Iterator<Item = Self> {
        let carriers = [Carrier::Ip, Carrier::Udp].into_iter();
        let zero = Self { carrier: Carrier::UdpZero, cookie_octets: 8, sublayer: Sublayer::None };
        let sublayer = Sublayer::Sequenced;
        let numbered = Self { carrier: Carrier::Ip, cookie_octets: 8, sublayer };
        let products = carriers.flat_map(|carrier| {
            [0, 4, 8].into_iter().flat_map(move |cookie_octets| {
                [Sublayer::None, Sublayer::Default].map(|sublayer| Self {
                    carrier,
                    cookie_octets,
                    sublayer,
                })
            })
        });
        products.chain([zero, numbered])
    }

    /// Octets before the inner frame, the outer Ethernet header not counted.
    pub const fn overhead(self) -> usize {
        let carrier = match self.carrier {
            Carrier::Ip => 40 + 4,
            Carrier::Udp | Carrier::UdpZero => 40 + 8 + 8,
        };
        let sublayer = match self.sublayer {
            Sublayer::None => 0,
            Sublayer::Default | Sublayer::Sequenced => 4,
        };
        carrier + self.cookie_octets + sublayer
    }
}

/// One end of a pseudowire.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub address: Ipv6Addr,
    /// By which packets to this end are known.
    pub session: u32,
    /// The cookie in packets to this end; as long as the shape says, from the front.
    pub cookie: [u8; 8],
}

impl End {
    /// The cookie as `ip l2tp` reads it.
    pub fn cookie_text(&self, octets: usize) -> String {
        self.cookie[..octets].iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// Makes the device `l2t0` of a pseudowire in a guest, with these addresses.
pub fn make(guest: &Guest, shape: Shape, ends: [&End; 2], addresses: [&str; 2]) {
    let [own, other] = ends;
    let carrier = match shape.carrier {
        Carrier::Ip => "encap ip",
        Carrier::Udp => "encap udp udp_sport 1701 udp_dport 1701",
        Carrier::UdpZero => {
            "encap udp udp_sport 1701 udp_dport 1701 udp6_csum_tx off udp6_csum_rx off"
        }
    };
    guest.run(&format!(
        "ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 {carrier} local {} remote {}",
        own.address, other.address
    ));
    let cookies = match shape.cookie_octets {
        0 => String::new(),
        octets => {
            let [expected, sent] = [own, other].map(|end| end.cookie_text(octets));
            format!("cookie {sent} peer_cookie {expected}")
        }
    };
    let sublayer = match shape.sublayer {
        Sublayer::None => "none",
        Sublayer::Default => "default",
        Sublayer::Sequenced => "default seq both",
    };
    guest.run(&format!(
        "ip l2tp add session name l2t0 tunnel_id 1 session_id {} peer_session_id {} {cookies} \
         l2spec_type {sublayer}",
        own.session, other.session
    ));
    // The same MAC each time: who has it in a table need not forget it.
    let number = own.session & 0xff;
    guest.run(&format!("ip link set l2t0 address 02:00:00:00:09:{number:02x} mtu 1500 up"));
    for address in addresses {
        guest.run(&format!("ip addr add {address} dev l2t0 nodad"));
    }
}

/// Takes the pseudowire away.
pub fn remove(guest: &Guest) {
    guest.run(
        "ip l2tp del session tunnel_id 1 session_id $(ip l2tp show session | \
               sed -n 's/^Session \\([0-9]*\\) in.*/\\1/p')",
    );
    guest.run("ip l2tp del tunnel tunnel_id 1");
}

/// The file that is fetched by HTTP.
pub const FILE: &str = "file";

/// The words that write some hundred full frames to a file, the same everywhere.
pub fn write_file(path: &str) -> String {
    format!("seq 1 60000 >{path}")
}

/// Begins to serve a file to whoever asks by HTTP; its digest.
pub fn serve(guest: &Guest) -> String {
    guest.run(&write_file(&format!("/www/{FILE}")));
    guest.run("httpd -p 80 -h /www");
    guest.run(&format!("sha256sum </www/{FILE}"))
}
