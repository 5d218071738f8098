//! What two OPENs agree on.
//!
//! Owns [`open`] (the OPEN that settings want sent) and [`negotiate`] (an OPEN that came, held
//! against the one that was sent). What is wrong with an OPEN whoever sent it is found where it is
//! read: AS 0, identifier 0, a hold time of one or two seconds, another version.
//!
//! *Invariants*: what was negotiated was said by both ends; octets are never read or written by
//! what only one end can do.
//! *Standards*: RFC 4271 §4.2 and §6.2, RFC 5492 §3 and §5, RFC 6286 §2.1 and §2.2, RFC 6793 §4,
//! RFC 7607, RFC 4760 §8, RFC 2918, RFC 7313 §4, RFC 4724 §3, RFC 8538 §2, RFC 7911 §4, RFC 8654
//! §4, RFC 9234 §4.2. Deviation: a peer in AS 23456 (AS_TRANS) is refused, because nobody has that
//! AS.

use super::input::Start;
use super::settings::{RemoteAs, RestartMode, RoleMode, Settings};
use crate::base::cursor::Writer;
use crate::base::ids::RouterId;
use crate::base::time::Duration;
use crate::wire::bgp::capability::Capability;
use crate::wire::bgp::open::AS_TRANS;
use crate::wire::bgp::{
    AddPathMode, AddressFamily, Agreement, GracefulRestart, Notification, NotificationCode, Open,
    Role,
};
use serde::{Deserialize, Serialize};

/// RFC 9234 §4.1: the code of a role that has no name.
const ROLE: u8 = 9;
const FAMILY: AddressFamily = AddressFamily::IPV6_UNICAST;

/// RFC 2918, RFC 7313: how routes can be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshSupport {
    /// Not at all.
    None,
    /// The peer sends them again.
    Plain,
    /// And both ends say where the answer begins and ends.
    Enhanced,
}

/// RFC 4724 §3: what the peer says about its restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRestart {
    /// How long it takes.
    pub restart_time: Duration,
    /// R: it has restarted; End-of-RIB is not waited for before it is sent routes.
    pub has_restarted: bool,
    /// It restarts gracefully for IPv6 unicast: its routes may be kept.
    pub keeps_routes: bool,
    /// F: it forwarded packets all the time; where it did not, stale routes go at once.
    pub has_kept_forwarding: bool,
}

/// What holds in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// The peer's AS.
    pub peer_asn: u32,
    /// The peer's BGP identifier.
    pub peer_identifier: RouterId,
    /// Silence after which the peer is dead; zero for never.
    pub hold_time: Duration,
    /// Time between KEEPALIVEs, before jitter; zero for none.
    pub keepalive_time: Duration,
    /// How the peer's messages are read.
    pub receive: Agreement,
    /// How messages to the peer are written.
    pub send: Agreement,
    /// How routes can be asked for again.
    pub refresh: RefreshSupport,
    /// The peer's graceful restart; `None` where it or we have none.
    pub restart: Option<PeerRestart>,
    /// RFC 8538: both ends keep routes over a NOTIFICATION that is no hard reset.
    pub survives_notifications: bool,
    /// Our role, where it was told.
    pub role: Option<Role>,
    /// The peer's role, where it told one.
    pub peer_role: Option<Role>,
}

/// Where this speaker stands as to its own restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnRestart {
    /// How it was started; `Fresh` as soon as a restart is over.
    pub start: Start,
    /// The session was Established before: what was forwarded then still is.
    pub was_established: bool,
}

impl OwnRestart {
    const fn has_restarted(self) -> bool {
        matches!(self.start, Start::Restarted { .. })
    }

    const fn has_kept_forwarding(self) -> bool {
        self.was_established || matches!(self.start, Start::Restarted { has_kept_forwarding: true })
    }
}

/// Whether a peer that `settings` allow can only be in another AS, or only in ours.
const fn may_be_external(settings: &Settings) -> bool {
    use super::settings::RemoteAs;
    match settings.remote_as {
        RemoteAs::Exactly(asn) => asn != settings.local_asn,
        RemoteAs::External => true,
        RemoteAs::Internal => false,
    }
}

/// The OPEN that the peer is sent.
pub fn open(settings: &Settings, own: OwnRestart) -> Open {
    let mut capabilities = vec![
        Capability::Multiprotocol(FAMILY),
        Capability::RouteRefresh,
        Capability::EnhancedRouteRefresh,
    ];
    if settings.has_extended_messages {
        capabilities.push(Capability::ExtendedMessage);
    }
    // RFC 9234 §4.1: only between ASes.
    if let Some(role) = settings.role.filter(|_| may_be_external(settings)) {
        capabilities.push(Capability::Role(role));
    }
    let restart = settings.restart;
    let families = match restart.mode {
        RestartMode::Full => vec![(FAMILY, own.has_kept_forwarding())],
        RestartMode::Off | RestartMode::Helper => Vec::new(),
    };
    if restart.mode != RestartMode::Off {
        capabilities.push(Capability::GracefulRestart(GracefulRestart {
            has_restarted: restart.mode == RestartMode::Full && own.has_restarted(),
            survives_notifications: restart.survives_notifications,
            restart_time_s: restart.restart_time_s,
            families,
        }));
    }
    capabilities.push(Capability::FourOctetAsn(settings.local_asn));
    if settings.add_path != AddPathMode::default() {
        capabilities.push(Capability::AddPath(vec![(FAMILY, settings.add_path)]));
    }
    Open {
        asn: settings.local_asn,
        hold_time_s: settings.hold_time_s,
        identifier: settings.identifier,
        capabilities,
    }
}

/// What `sent` and `received` agree on, or the NOTIFICATION that refuses `received`.
pub fn negotiate(
    settings: &Settings,
    sent: &Open,
    received: &Open,
) -> Result<Negotiated, Notification> {
    let (ours, theirs) = (Offer::of(sent), Offer::of(received));
    let refuse = |code| Err(Notification::new(code));
    if !settings.remote_as.allows(sent.asn, received.asn) || received.asn == u32::from(AS_TRANS) {
        return refuse(NotificationCode::BAD_PEER_AS);
    }
    let is_external = received.asn != sent.asn;
    // RFC 6286 §2.2: "If the BGP Identifier … is the same as the BGP Identifier of the local BGP
    // speaker and the message is from an internal peer, then the Error Subcode is set to 'Bad BGP
    // Identifier'."
    if !is_external && received.identifier == sent.identifier {
        return refuse(NotificationCode::BAD_BGP_IDENTIFIER);
    }
    // RFC 4271 §4.2: the smaller one; zero is the smallest.
    let hold_time_s = sent.hold_time_s.min(received.hold_time_s);
    if received.hold_time_s < settings.hold_time_s_min {
        return refuse(NotificationCode::UNACCEPTABLE_HOLD_TIME);
    }
    if !theirs.has_family {
        // RFC 5492 §5: the Data field lists the capabilities that are missed.
        let mut data = Writer::default();
        Capability::Multiprotocol(FAMILY).encode(&mut data);
        let code = NotificationCode::UNSUPPORTED_CAPABILITY;
        return Err(Notification::with_data(code, data.as_slice()));
    }
    if is_external {
        judge_roles(&ours.roles, &theirs.roles, settings.role_mode)?;
    }
    let hold_time = Duration::from_secs(hold_time_s.into());
    let agreement = |has_path_ids| Agreement {
        has_four_octet_asn: ours.has_four_octet_asn && theirs.has_four_octet_asn,
        has_path_ids,
        // RFC 8654 §4: what a speaker may send, its peer has offered to take. One that takes them
        // without saying so takes none of ours.
        has_extended_messages: ours.has_extended_messages && theirs.has_extended_messages,
        is_external,
    };
    let restart = theirs.restart.filter(|_| settings.restart.mode != RestartMode::Off);
    Ok(Negotiated {
        peer_asn: received.asn,
        peer_identifier: received.identifier,
        hold_time,
        keepalive_time: settings.keepalive_time(hold_time),
        receive: agreement(ours.add_path.receives && theirs.add_path.sends),
        send: agreement(ours.add_path.sends && theirs.add_path.receives),
        refresh: match theirs.refresh {
            RefreshSupport::Enhanced if ours.refresh != RefreshSupport::Enhanced => {
                RefreshSupport::Plain
            }
            refresh => refresh,
        },
        restart: restart.map(peer_restart),
        survives_notifications: both_survive(ours.restart, restart),
        role: ours.roles.first().copied().flatten().filter(|_| is_external),
        peer_role: theirs.roles.first().copied().flatten().filter(|_| is_external),
    })
}

/// Why an OPEN was refused, as far as its code does not say it: what it says, and what it would
/// have to say.
pub fn objection(
    settings: &Settings,
    sent: &Open,
    received: &Open,
    code: NotificationCode,
) -> Option<String> {
    let own = sent.asn;
    Some(match code {
        NotificationCode::BAD_PEER_AS => {
            let wanted = match settings.remote_as {
                RemoteAs::Exactly(asn) => format!("AS {asn}"),
                RemoteAs::External => format!("another AS than ours ({own})"),
                RemoteAs::Internal => format!("our AS ({own})"),
            };
            format!("it says that it is in AS {}, its block says {wanted}", received.asn)
        }
        NotificationCode::ROLE_MISMATCH => {
            let ours = settings.role?;
            let theirs = match Offer::of(received).roles.as_slice() {
                [] => "does not say what it is".to_owned(),
                [Some(role)] => format!("says that it is {}", role_in_words(*role)),
                [None] => "says that it is something unknown".to_owned(),
                _ => "says several things".to_owned(),
            };
            let (ours, wanted) = (role_in_words(ours), role_in_words(ours.counterpart()));
            format!("this router is {ours} and it should be {wanted}, but it {theirs}")
        }
        NotificationCode::UNACCEPTABLE_HOLD_TIME => {
            let (said, least) = (received.hold_time_s, settings.hold_time_s_min);
            format!("it wants a hold time of {said} s, and {} s are the least", least.max(3))
        }
        NotificationCode::UNSUPPORTED_CAPABILITY => "it does not offer IPv6 unicast".to_owned(),
        NotificationCode::BAD_BGP_IDENTIFIER => {
            format!("it has the router id {}, which is ours", received.identifier)
        }
        _ => return None,
    })
}

/// RFC 9234 §3.1: a role as one of the two ends, in the words of the configuration.
pub const fn role_in_words(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::RouteServer => "route_server",
        Role::RouteServerClient => "route_server_client",
        Role::Customer => "customer",
        Role::Peer => "peer",
    }
}

fn both_survive(ours: Option<&GracefulRestart>, theirs: Option<&GracefulRestart>) -> bool {
    let survives = |restart: &GracefulRestart| restart.survives_notifications;
    ours.is_some_and(survives) && theirs.is_some_and(survives)
}

fn peer_restart(restart: &GracefulRestart) -> PeerRestart {
    let family = restart.families.iter().rev().find(|(family, _)| *family == FAMILY);
    PeerRestart {
        restart_time: Duration::from_secs(restart.restart_time_s.into()),
        has_restarted: restart.has_restarted,
        keeps_routes: family.is_some(),
        has_kept_forwarding: family.is_some_and(|(_, has_kept)| *has_kept),
    }
}

/// RFC 9234 §4.2. `None` stands for a role that has no name.
fn judge_roles(
    ours: &[Option<Role>],
    theirs: &[Option<Role>],
    mode: RoleMode,
) -> Result<(), Notification> {
    let mismatch = || Err(Notification::new(NotificationCode::ROLE_MISMATCH));
    let Some(Some(role)) = ours.first() else { return Ok(()) };
    let Some((first, others)) = theirs.split_first() else {
        return match mode {
            RoleMode::Lenient => Ok(()),
            RoleMode::Strict => mismatch(),
        };
    };
    // "If multiple BGP Role Capabilities are received and not all of them have the same value, then
    // the BGP speaker MUST reject the connection".
    if others.iter().any(|other| other != first) || *first != Some(role.counterpart()) {
        return mismatch();
    }
    Ok(())
}

/// What one OPEN offers. RFC 5492 §4: a capability may be there more than once; where its own RFC
/// does not say more, the last one counts.
#[derive(Clone, Debug)]
struct Offer<'a> {
    has_family: bool,
    refresh: RefreshSupport,
    has_extended_messages: bool,
    roles: Vec<Option<Role>>,
    restart: Option<&'a GracefulRestart>,
    has_four_octet_asn: bool,
    add_path: AddPathMode,
}

impl<'a> Offer<'a> {
    fn of(open: &'a Open) -> Self {
        let has = |wanted: &Capability| open.capabilities.contains(wanted);
        let mut offer = Self {
            has_family: has(&Capability::Multiprotocol(FAMILY)),
            refresh: match (has(&Capability::RouteRefresh), has(&Capability::EnhancedRouteRefresh))
            {
                (false, _) => RefreshSupport::None,
                (true, false) => RefreshSupport::Plain,
                (true, true) => RefreshSupport::Enhanced,
            },
            has_extended_messages: has(&Capability::ExtendedMessage),
            roles: Vec::new(),
            restart: None,
            has_four_octet_asn: false,
            add_path: AddPathMode::default(),
        };
        for capability in &open.capabilities {
            match capability {
                Capability::Role(role) => offer.roles.push(Some(*role)),
                Capability::Unknown { code: ROLE, .. } => offer.roles.push(None),
                Capability::GracefulRestart(restart) => offer.restart = Some(restart),
                Capability::FourOctetAsn(_) => offer.has_four_octet_asn = true,
                Capability::AddPath(modes) => {
                    let mode = modes.iter().rev().find(|(family, _)| *family == FAMILY);
                    offer.add_path = mode.map_or(offer.add_path, |(_, mode)| *mode);
                }
                _ => {}
            }
        }
        offer
    }
}
