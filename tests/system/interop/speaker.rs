//! A speaker of our own: octets over TCP, said and heard as a test wants them.
//!
//! Owns [`Speaker`]. It speaks `wire::bgp` and nothing of `proto::bgp`: what it does is what the
//! test tells it. A thread hears: it answers each KEEPALIVE with one and keeps the table that the
//! peer has sent.
//!
//! *Invariants*: nothing is said that the test did not say, but OPEN and KEEPALIVEs.

use super::route::{Route, Table};
use super::world::{PATIENCE, World};
use kumiki::base::cursor::Writer;
use kumiki::base::ids::RouterId;
use kumiki::wire::bgp::message::{EXTENDED_OCTETS_MAX, MESSAGE_OCTETS_MAX};
use kumiki::wire::bgp::update::put_announcement;
use kumiki::wire::bgp::{
    AddPathMode, AddressFamily, Agreement, Capability, Message, NextHop, Nlri, Notification, Open,
    RefreshKind, RouteRefresh, Update, frame,
};
use rustix::net::{AddressFamily as AF, SocketType};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddrV6, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const PORT: u16 = 179;
const FAMILY: AddressFamily = AddressFamily::IPV6_UNICAST;
/// Silence that a speaker allows: longer than any test.
const HOLD_TIME_S: u16 = 240;
/// Octets that are left for the attributes of a message.
const ATTRIBUTE_OCTETS: usize = 1200;

/// Who speaks.
#[derive(Clone, Debug)]
pub struct Who {
    pub asn: u32,
    pub identifier: RouterId,
    pub hold_time_s: u16,
    /// Its address, where its namespace has several.
    pub from: Option<Ipv6Addr>,
    /// Beside IPv6 unicast.
    pub capabilities: Vec<Capability>,
}

impl Who {
    /// A speaker of this AS, which can be asked for its routes.
    pub fn of(asn: u32) -> Self {
        Self::old(asn).with(Capability::FourOctetAsn(asn))
    }

    /// The same, whose AS numbers have two octets.
    pub fn old(asn: u32) -> Self {
        let capabilities = vec![Capability::RouteRefresh, Capability::EnhancedRouteRefresh];
        let identifier = RouterId(0x0aff_0000 | asn & 0xffff);
        Self { asn, identifier, hold_time_s: HOLD_TIME_S, from: None, capabilities }
    }

    /// The same, which can do this as well.
    #[must_use]
    pub fn with(mut self, capability: Capability) -> Self {
        self.capabilities.push(capability);
        self
    }

    fn open(&self) -> Open {
        let mut capabilities = vec![Capability::Multiprotocol(FAMILY)];
        capabilities.extend(self.capabilities.iter().cloned());
        let Self { asn, identifier, hold_time_s, .. } = *self;
        Open { asn, hold_time_s, identifier, capabilities }
    }
}

/// What has been heard.
#[derive(Debug, Default)]
pub struct Heard {
    pub open: Option<Open>,
    /// What is announced; of several paths, the one with the least Path Identifier.
    pub table: Table,
    /// Every path, with its Path Identifier.
    pub paths: BTreeMap<Nlri, Route>,
    pub update_count: usize,
    pub withdrawn_count: usize,
    pub end_of_rib_count: usize,
    pub keepalive_count: usize,
    /// Requests and bounds, each with the count of updates before it.
    pub refreshes: Vec<(RefreshKind, usize)>,
    /// The longest message so far.
    pub octets_max: usize,
    pub notification: Option<Notification>,
    /// The connection has ended.
    pub is_over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// A session; the connection ends with it.
#[derive(Debug)]
pub struct Speaker {
    stream: TcpStream,
    shared: Arc<Shared>,
    agreement: Agreement,
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A connection; by the system's choice where no own address is named.
fn connect(from: Option<Ipv6Addr>, to: Ipv6Addr) -> std::io::Result<TcpStream> {
    let socket = rustix::net::socket(AF::INET6, SocketType::STREAM, None)?;
    let own = SocketAddrV6::new(from.unwrap_or(Ipv6Addr::UNSPECIFIED), 0, 0, 0);
    rustix::net::bind(&socket, &own)?;
    rustix::net::connect(&socket, &SocketAddrV6::new(to, PORT, 0, 0))?;
    Ok(TcpStream::from(socket))
}

/// What both can do.
fn agreement(sent: &Open, received: &Open) -> Agreement {
    let both = |capability: &Capability| {
        sent.capabilities.contains(capability) && received.capabilities.contains(capability)
    };
    let has_four = |open: &Open| {
        open.capabilities.iter().any(|capability| matches!(capability, Capability::FourOctetAsn(_)))
    };
    let has_paths = |open: &Open| {
        let mode = AddPathMode { receives: true, sends: true };
        open.capabilities.contains(&Capability::AddPath(vec![(FAMILY, mode)]))
    };
    Agreement {
        has_four_octet_asn: has_four(sent) && has_four(received),
        has_path_ids: has_paths(sent) && has_paths(received),
        has_extended_messages: both(&Capability::ExtendedMessage),
        is_external: sent.asn != received.asn,
    }
}

/// A message as octets.
pub fn octets(message: &Message, agreement: Agreement) -> Vec<u8> {
    let mut writer = Writer::default();
    message.encode(agreement, &mut writer);
    writer.into_vec()
}

/// Hears until the connection ends.
fn listen(mut stream: TcpStream, shared: &Shared, sent: &Open) {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    let mut agreed = Agreement::default();
    loop {
        let count = stream.read(&mut chunk).unwrap_or(0);
        buffer.extend_from_slice(&chunk[..count]);
        let mut at = 0;
        let mut heard = shared.heard.lock().unwrap();
        while let Some((body, octets)) =
            frame(&buffer[at..], agreed.has_extended_messages).expect("no message")
        {
            let message = Message::decode(body, agreed).expect("no message");
            if let Message::Open(open) = &message {
                agreed = agreement(sent, open);
            }
            if message == Message::Keepalive {
                let _ = stream.write_all(&self::octets(&message, agreed));
            }
            heard.octets_max = heard.octets_max.max(octets);
            heard.take(message);
            at += octets;
        }
        buffer.drain(..at);
        heard.is_over |= count == 0;
        shared.changed.notify_all();
        if heard.is_over {
            return;
        }
    }
}

impl Heard {
    fn take(&mut self, message: Message) {
        match message {
            Message::Open(open) => self.open = Some(open),
            Message::Keepalive => self.keepalive_count += 1,
            Message::Notification(notification) => self.notification = Some(notification),
            Message::RouteRefresh(refresh) => {
                self.refreshes.push((refresh.kind, self.update_count));
            }
            Message::Update(update) => self.take_update(*update),
        }
    }

    fn take_update(&mut self, update: Update) {
        assert!(update.faults.is_empty(), "{:?}", update.faults);
        self.update_count += 1;
        self.end_of_rib_count += usize::from(update.is_end_of_rib);
        self.withdrawn_count += update.withdrawn.len();
        for nlri in update.withdrawn {
            self.paths.remove(&nlri);
            self.settle(nlri);
        }
        let Some(announced) = update.announced else { return };
        let next_hop = announced.next_hop.global.or(announced.next_hop.link_local).unwrap();
        for nlri in announced.nlri {
            let route = Route { next_hop, attributes: announced.attributes.clone() };
            self.paths.insert(nlri, route);
            self.settle(nlri);
        }
    }

    fn settle(&mut self, nlri: Nlri) {
        let all = Nlri::of(nlri.prefix)..=Nlri { path_id: u32::MAX, ..nlri };
        match self.paths.range(all).next() {
            Some((_, route)) => self.table.insert(nlri.prefix, route.clone()),
            None => self.table.remove(&nlri.prefix),
        };
    }
}

impl Speaker {
    /// Opens a connection from a peer's namespace and says OPEN; tries until somebody listens.
    pub fn open(world: &World, place: &str, to: Ipv6Addr, who: &Who) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(stream) = world.space(place).run(|| connect(who.from, to)).unwrap() {
                return Self::begin(stream, who);
            }
            assert!(Instant::now() < until, "nobody listens at {to}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn begin(stream: TcpStream, who: &Who) -> Self {
        stream.set_nodelay(true).unwrap();
        let shared = Arc::<Shared>::default();
        let (sent, reader) = (who.open(), stream.try_clone().unwrap());
        let mut speaker = Self { stream, shared, agreement: Agreement::default() };
        speaker.say_octets(&octets(&Message::Open(sent.clone()), Agreement::default()));
        let shared = Arc::clone(&speaker.shared);
        std::thread::spawn(move || listen(reader, &shared, &sent));
        speaker
    }

    /// The same, until the session is up. One that is refused is tried again.
    pub fn establish(world: &World, place: &str, to: Ipv6Addr, who: &Who) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut speaker = Self::open(world, place, to, who);
            speaker.wait_or_end("an OPEN", |heard| heard.open.is_some());
            let open = speaker.ask(|heard| heard.open.clone());
            if let Some(open) = open {
                speaker.agreement = agreement(&who.open(), &open);
                speaker.say(&Message::Keepalive);
                speaker.wait_or_end("a KEEPALIVE", |heard| heard.keepalive_count > 0);
                if speaker.ask(|heard| heard.keepalive_count > 0 && !heard.is_over) {
                    return speaker;
                }
            }
            let why = speaker.ask(|heard| heard.notification.clone());
            assert!(Instant::now() < until, "{to} does not take a session: {why:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What both can do.
    pub const fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// Says octets.
    pub fn say_octets(&mut self, octets: &[u8]) {
        // Who is refused hears why.
        let _ = self.stream.write_all(octets);
    }

    /// Says a message.
    pub fn say(&mut self, message: &Message) {
        let octets = octets(message, self.agreement);
        self.say_octets(&octets);
    }

    /// Asks for all routes.
    pub fn ask_for_routes(&mut self) {
        let refresh = RouteRefresh { family: FAMILY, kind: RefreshKind::Request };
        self.say(&Message::RouteRefresh(refresh));
    }

    /// Announces a table.
    pub fn announce_only(&mut self, table: &Table) {
        let octets = announcement(table, self.agreement);
        self.say_octets(&octets);
    }

    /// The same, and that this was all.
    pub fn announce(&mut self, table: &Table) {
        self.announce_only(table);
        self.say(&Message::Update(Box::new(Update::end_of_rib())));
    }

    /// Withdraws the prefixes of a table.
    pub fn withdraw(&mut self, table: &Table) {
        let all: Vec<Nlri> = table.keys().map(|prefix| Nlri::of(*prefix)).collect();
        for withdrawn in all.chunks(100) {
            let update = Update { withdrawn: withdrawn.to_vec(), ..Update::default() };
            self.say(&Message::Update(Box::new(update)));
        }
    }

    /// Something of what was heard.
    pub fn ask<T>(&self, question: impl FnOnce(&Heard) -> T) -> T {
        question(&self.shared.heard.lock().unwrap())
    }

    /// Waits until something was heard.
    #[track_caller]
    pub fn wait(&self, what: &str, is_so: impl Fn(&Heard) -> bool) {
        self.wait_or_end(what, &is_so);
        let heard = self.shared.heard.lock().unwrap();
        assert!(is_so(&heard), "{what}: the session ended before: {:?}", heard.notification);
    }

    /// Waits until something was heard, or nothing more can be.
    #[track_caller]
    pub fn wait_or_end(&self, what: &str, is_so: impl Fn(&Heard) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut heard = self.shared.heard.lock().unwrap();
        while !is_so(&heard) && !heard.is_over {
            let left = until.saturating_duration_since(Instant::now());
            let counts = (heard.table.len(), heard.update_count, heard.end_of_rib_count);
            assert!(!left.is_zero(), "{what}: not after {PATIENCE:?}; heard were {counts:?}");
            heard = self.shared.changed.wait_timeout(heard, left).unwrap().0;
        }
    }

    /// Waits until the peer ends the session; what it said of it.
    #[track_caller]
    pub fn wait_for_end(&self) -> Option<Notification> {
        self.wait_or_end("the end", |heard| heard.is_over);
        self.ask(|heard| heard.notification.clone())
    }
}

/// A table as messages: prefixes with the same attributes together.
pub fn announcement(table: &Table, agreement: Agreement) -> Vec<u8> {
    let mut writer = Writer::default();
    let octets_max = match agreement.has_extended_messages {
        true => EXTENDED_OCTETS_MAX,
        false => MESSAGE_OCTETS_MAX,
    };
    let mut rest = table.iter().peekable();
    while let Some((prefix, route)) = rest.next() {
        let mut nlri = vec![Nlri::of(*prefix)];
        let mut size = 0;
        while size < octets_max - ATTRIBUTE_OCTETS
            && let Some((prefix, _)) = rest.next_if(|(_, other)| *other == route)
        {
            let next = Nlri::of(*prefix);
            size += next.octets(agreement.has_path_ids);
            nlri.push(next);
        }
        let mut attributes = Writer::default();
        route.attributes.encode(agreement, &mut attributes).expect("attributes of a test fit");
        let next_hop = NextHop { global: Some(route.next_hop), link_local: None };
        put_announcement(&mut writer, (&next_hop, &nlri), attributes.as_slice(), agreement);
    }
    writer.into_vec()
}
