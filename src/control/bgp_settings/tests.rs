//! What a configuration comes to on one server.

use super::*;
use crate::base::time::{Duration, Instant};
use crate::config::{Config, Overrides, Source, load};
use crate::proto::bgp::ribs::{
    ExportSettings, Gateway, MemberSettings, PolicyId, Resolution, RibPeer, Ribs, Route, Work,
};
use crate::wire::bgp::update::Announcement;
use crate::wire::bgp::{Agreement, AsPath, Nlri, PathAttributes, Update};

const BASE: &str = r#"
    [router]
    name = "s07"
    [cluster]
    ula = "fd4b:756d:696b::/48"
    number = 7
    [bgp]
    asn = 64512
    aggregates = ["2001:db8:4000::/48"]
    [[policy]]
    name = "in"
    [[policy.clause]]
    match.prefixes = ["::/0", "2000::/3 le 48"]
    set.local_pref = 200
    action = "accept"
    [[policy]]
    name = "out"
    [[policy.clause]]
    match.as_path = ""
    action = "accept"
    [[port]]
    name = "up"
    device = "af_packet:up"
    role = "uplink"
    address = "2001:db8:ffff::2/64"
"#;

fn config(more: &str) -> Config {
    let text = format!("{BASE}{more}");
    let overrides = Overrides::default();
    let files = |_: &str| Ok::<_, crate::config::FileError>("secret\n".to_owned());
    let source = Source { origin: "t", text: &text, overrides: &overrides, files: &files };
    load(&source).unwrap_or_else(|errors| panic!("{errors}"))
}

fn uplink() -> Link {
    Link {
        port: PortId(3),
        name: "up".to_owned(),
        scope_id: 9,
        link_local: address("fe80::2"),
        found: None,
        addresses: vec![("2001:db8:ffff::/64".parse().unwrap(), address("2001:db8:ffff::2"))],
    }
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn here(config: &Config, links: &[Link]) -> Vec<Neighbor> {
    let mut table = PolicyTable::default();
    table.apply(config);
    let loopback = Some(address("fd4b:756d:696b::7"));
    let site = Site { router_id: RouterId(7), loopback, links };
    neighbors(config.bgp.as_ref().unwrap(), &site, &table)
}

fn only(more: &str) -> Result<Box<ActiveNeighbor>, Inactive> {
    here(&config(more), &[uplink()]).remove(0).state
}

fn active(more: &str) -> ActiveNeighbor {
    *only(more).unwrap()
}

#[test]
fn a_neighbor_on_the_link_has_the_usual_settings() {
    let peer = active(
        "[[bgp.neighbor]]\naddress = \"2001:db8:ffff::1\"\nasn = 64500\nimport = \"in\"\n\
         export = \"out\"",
    );
    let settings = peer.settings;
    assert_eq!(settings.remote, "[2001:db8:ffff::1]:179".parse().unwrap());
    assert_eq!(settings.local, address("2001:db8:ffff::2"));
    assert_eq!((settings.kind, settings.port), (PeerKind::External, Some(PortId(3))));
    assert_eq!((settings.import, settings.export), (Some(PolicyId(0)), Some(PolicyId(1))));
    assert_eq!(
        settings.session,
        Settings { hold_time_s: 90, ..Settings::new(64512, RouterId(7), RemoteAs::Exactly(64500)) }
    );
    let hop_limits = (settings.security.hop_limit_sent, settings.security.hop_limit_least);
    assert_eq!(hop_limits, (Some(1), 0));
    assert_eq!((settings.next_hop, settings.first_as), (NextHopMode::Own, FirstAs::Enforced));
    assert_eq!(
        settings.own_next_hop,
        NextHop { global: Some(address("2001:db8:ffff::2")), link_local: Some(address("fe80::2")) }
    );
    assert_eq!((peer.shutdown, peer.has_bfd, settings.paths_warning), (None, false, None));
}

#[test]
fn what_a_block_says_reaches_the_session() {
    let peer = active(
        "[[bgp.group]]\nname = \"isp\"\nasn = \"external\"\nttl_security_hops = 1\n\
         password = \"file:k\"\nrole = \"customer\"\nrole_strict = true\nmax_prefix = 1000\n\
         [[bgp.neighbor]]\naddress = \"2001:db8:ffff::1\"\ngroup = \"isp\"\npassive = true\n\
         hold_time = 9\nsend_hold_time = 30\nkeepalive_time = 2\nconnect_retry_time = 5\n\
         graceful_restart = \"off\"\nadd_path = \"receive\"\nmax_prefix_warning_percent = 50\n\
         max_prefix_restart_time = 60\n\
         blackhole = true\nallow_own_as = 1\nbfd = true\nshutdown = \"moving\"",
    );
    let settings = peer.settings;
    let hop_limits = (settings.security.hop_limit_sent, settings.security.hop_limit_least);
    assert_eq!(hop_limits, (Some(255), 255));
    assert_eq!(settings.security.key, Some(Key(b"secret".to_vec())));
    let session = settings.session;
    assert_eq!((session.role, session.role_mode), (Some(Role::Customer), RoleMode::Strict));
    assert_eq!((session.remote_as, session.opening), (RemoteAs::External, Opening::Passive));
    assert_eq!(session.hold_time_s, 9);
    assert_eq!(session.keepalive_time.map(|time| time.as_secs()), Some(2));
    assert_eq!(session.send_hold_time.map(|time| time.as_secs()), Some(30));
    assert_eq!(session.connect_retry_time.as_secs(), 5);
    assert_eq!(session.restart.mode, RestartMode::Off);
    assert_eq!(session.add_path, AddPathMode { receives: true, sends: false });
    assert_eq!((settings.paths_max, settings.paths_warning), (Some(1000), Some(500)));
    assert_eq!(settings.paths_restart.map(|time| time.as_secs()), Some(60));
    assert_eq!((settings.blackhole, settings.own_as_max), (Blackhole::Honoured, 1));
    assert!(peer.has_bfd);
    assert_eq!(peer.shutdown.as_deref(), Some("moving"));
}

#[test]
fn packets_from_beyond_the_hops_of_gtsm_are_refused() {
    let least = |hops: u8| {
        let more = format!(
            "[[bgp.neighbor]]\naddress = \"2001:db8:ffff::1\"\nasn = 1\nttl_security_hops = {hops}"
        );
        active(&more).settings.security.hop_limit_least
    };
    // RFC 5082 §3: a packet that crossed no router has 255, each router takes one.
    assert_eq!((least(1), least(2), least(254)), (255, 254, 2));
}

#[test]
fn internal_neighbors_are_spoken_with_from_the_loopback() {
    let more = "[[bgp.neighbor]]\naddress = \"fd4b:756d:696b::8\"\nasn = \"internal\"\n";
    let plain = active(more).settings;
    assert_eq!(plain.local, address("fd4b:756d:696b::7"));
    assert_eq!((plain.kind, plain.next_hop), (PeerKind::Internal, NextHopMode::Unchanged));
    assert_eq!((plain.port, plain.security), (None, Security::default()));
    let client =
        active(&format!("{more}route_reflector_client = true\nnext_hop_self = true")).settings;
    assert_eq!((client.kind, client.next_hop), (PeerKind::Client, NextHopMode::Own));
    let by_number = active(&more.replace("\"internal\"", "64512")).settings;
    assert_eq!(by_number.kind, PeerKind::Internal);
}

#[test]
fn a_route_server_stays_out_of_paths_and_its_client_takes_what_it_says() {
    let more = "[[bgp.neighbor]]\naddress = \"2001:db8:ffff::1\"\nasn = 1\nrole = ";
    let server = active(&format!("{more}\"route_server\"")).settings;
    let modes = (server.as_path, server.next_hop, server.first_as);
    assert_eq!(modes, (AsPathMode::Transparent, NextHopMode::Unchanged, FirstAs::Enforced));
    let client = active(&format!("{more}\"route_server_client\"")).settings;
    let modes = (client.as_path, client.next_hop, client.first_as);
    assert_eq!(modes, (AsPathMode::Prepend, NextHopMode::Own, FirstAs::Free));
}

#[test]
fn a_link_local_neighbor_is_on_its_port() {
    let more = "[[bgp.neighbor]]\naddress = \"fe80::1\"\nport = \"up\"\nasn = \"external\"";
    let settings = active(more).settings;
    assert_eq!(settings.remote, SocketAddrV6::new(address("fe80::1"), BGP_PORT, 0, 9));
    assert_eq!(settings.local, address("fe80::2"));
    assert_eq!(settings.own_next_hop.global, Some(address("2001:db8:ffff::2")));
}

#[test]
fn a_block_for_another_server_is_inactive_with_the_reason() {
    let neighbor = |keys: &str| format!("[[bgp.neighbor]]\nasn = 64500\n{keys}");
    let on_link = neighbor("address = \"2001:db8:ffff::1\"");
    let gone = |more: &str| here(&config(more), &[]).remove(0).state.unwrap_err();
    assert_eq!(gone(&on_link), Inactive::NotOnLink);
    assert_eq!(gone(&neighbor("address = \"fe80::1\"\nport = \"up\"")), Inactive::PortAbsent);
    let refused = |keys: &str| only(&neighbor(keys)).unwrap_err();
    assert_eq!(refused("address = \"2001:db8:ffff::2\""), Inactive::Itself);
    assert_eq!(refused("address = \"fd4b:756d:696b::7\"\nmultihop = 4"), Inactive::Itself);
    let local = "address = \"2001:db8:ffff::1\"\nlocal_address = \"2001:db8::1\"";
    assert_eq!(refused(local), Inactive::LocalAddressAbsent);
    assert!(only(&neighbor("address = \"2001:db8::1\"\nmultihop = 4")).is_ok());
    assert!(only(&neighbor("address = \"2001:db8::1\"\nttl_security_hops = 2")).is_ok());
}

#[test]
fn a_neighbor_without_an_address_is_whoever_was_found_on_its_port() {
    let more = "[[bgp.neighbor]]\nport = \"up\"\nasn = \"external\"";
    let config = config(more);
    let on = |link: Link| here(&config, &[link]).remove(0);
    let nobody = on(uplink());
    assert_eq!((nobody.name.as_str(), nobody.address), ("up", None));
    assert_eq!(nobody.state, Err(Inactive::NobodyHeard));
    let somebody = on(Link { found: Some(address("fe80::7")), ..uplink() });
    assert_eq!(somebody.id, nobody.id, "it is the same neighbour, whatever its address");
    let settings = somebody.state.unwrap().settings;
    assert_eq!(settings.remote, SocketAddrV6::new(address("fe80::7"), BGP_PORT, 0, 9));
    assert_eq!((settings.local, settings.port), (address("fe80::2"), Some(PortId(3))));
    let both =
        NextHop { global: Some(address("2001:db8:ffff::2")), link_local: Some(address("fe80::2")) };
    assert_eq!(settings.own_next_hop, both);
    assert_eq!(here(&config, &[]).remove(0).state, Err(Inactive::PortAbsent));
}

#[test]
fn on_a_link_without_addresses_the_next_hop_is_that_of_the_link_alone() {
    let more = "[[bgp.neighbor]]\nport = \"up\"\nasn = \"external\"";
    let link = Link { found: Some(address("fe80::7")), addresses: Vec::new(), ..uplink() };
    let settings = here(&config(more), &[link]).remove(0).state.unwrap().settings;
    let alone = NextHop { global: None, link_local: Some(address("fe80::2")) };
    assert_eq!((settings.own_next_hop, settings.on_link), (alone, Vec::new()));
}

#[test]
fn everybody_on_the_link_may_connect_where_a_neighbor_is_looked_for() {
    let more = "[[bgp.neighbor]]\nport = \"up\"\nasn = 64500\nttl_security_hops = 1\n\
                [[bgp.neighbor]]\nport = \"away\"\nasn = 64500\nshutdown = \"\"\n";
    let config = config(&format!(
        "{more}[[port]]\nname = \"away\"\ndevice = \"af_packet:a\"\nrole = \"routed\"\n"
    ));
    let away = Link { port: PortId(4), name: "away".to_owned(), scope_id: 5, ..uplink() };
    let links = [uplink(), away];
    let site = Site { router_id: RouterId(7), loopback: None, links: &links };
    let found = link_listeners(config.bgp.as_ref().unwrap(), &site);
    let [(local, Expected { peers, security })] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(*local, SocketAddrV6::new(address("fe80::2"), BGP_PORT, 0, 9));
    assert_eq!((peers.to_string().as_str(), security.hop_limit_least), ("fe80::/10", 255));
}

#[test]
fn numbers_of_neighbors_stay_while_others_come_and_go() {
    let block =
        |last: u8| format!("[[bgp.neighbor]]\naddress = \"2001:db8:ffff::{last}\"\nasn = 64500\n");
    let mut numbers = PeerNumbers::default();
    let mut assign = |blocks: &[u8]| {
        let text: String = blocks.iter().map(|last| block(*last)).collect();
        numbers.assign(&here(&config(&text), &[uplink()]));
        let number = |last: &u8| {
            let id = NeighborId {
                address: Some(address(&format!("2001:db8:ffff::{last}"))),
                port: None,
            };
            numbers.number(&id).map(|PeerId(number)| number)
        };
        [3, 5, 4].iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(assign(&[3, 5]), [Some(0), Some(1), None]);
    assert_eq!(assign(&[5]), [None, Some(1), None]);
    assert_eq!(assign(&[4, 5]), [None, Some(1), Some(0)]);
    assert_eq!(assign(&[3]), [Some(2), None, None], "not one that goes at the same time");
}

#[test]
fn only_policies_that_answer_differently_are_said_to_have_changed() {
    let mut table = PolicyTable::default();
    let first = config("");
    assert_eq!(table.apply(&first), [PolicyId(0), PolicyId(1)]);
    assert_eq!(table.apply(&first), []);
    let mut second = first.clone();
    second.policies[0].clauses[0].set.local_pref = Some(300);
    assert_eq!(table.apply(&second), [PolicyId(0)]);
    let gone = second.policies.remove(0);
    assert_eq!(table.apply(&second), []);
    assert_eq!(table.number("in"), None);
    second.policies.push(gone);
    assert_eq!(table.apply(&second), [PolicyId(2)], "a number is not used twice");
}

#[test]
fn a_prefix_list_that_changes_changes_who_names_it() {
    let list = |entry: &str| {
        format!(
            "[[prefix_list]]\nname = \"l\"\nentries = [\"{entry}\"]\n[[policy]]\nname = \"by\"\n\
             [[policy.clause]]\nmatch.prefix_list = \"l\"\naction = \"accept\"\n"
        )
    };
    let mut table = PolicyTable::default();
    table.apply(&config(&list("2000::/3")));
    assert_eq!(table.apply(&config(&list("2000::/3 le 48"))), [PolicyId(2)]);
}

#[test]
fn redistribution_has_the_number_of_its_policy() {
    let mut table = PolicyTable::default();
    table.apply(&config(""));
    assert_eq!(table.redistribution(), None);
    table.apply(&config("[ospf.redistribute]\npolicy = \"in\"\nmetric_type = 1\ntag = 5"));
    let expected = Redistribution {
        policy: PolicyId(0),
        metric: 20,
        metric_type: crate::config::schema::MetricType::Type1,
        tag: Some(5),
        prefixes_max: 1000,
        damping_max: Duration::from_secs(60),
    };
    assert_eq!(table.redistribution(), Some(&expected));
}

fn trial(prefix: &str) -> Trial {
    Trial {
        prefix: prefix.parse().unwrap(),
        as_path: vec![64500],
        communities: Vec::new(),
        local_pref: None,
        med: None,
        origin: crate::config::schema::BgpOrigin::Igp,
        next_hop: Some(address("2001:db8:ffff::1")),
        rpki: None,
    }
}

#[test]
fn a_trial_names_the_clause_and_what_changed() {
    let config = config("[ospf.redistribute]\npolicy = \"in\"");
    let report = try_policy(&config, "in", &trial("2001:db8::/32")).unwrap();
    assert!(report.is_accepted && report.decided_by == Some(1));
    let changes: Vec<_> = report.changes.iter().map(|it| (it.attribute, &*it.after)).collect();
    assert_eq!(changes, [("local_pref", "200")]);
    let in_ospf = report.redistribution.unwrap();
    assert_eq!((in_ospf.is_taken, in_ospf.metric, in_ospf.metric_type), (true, 20, 2));
    let report = try_policy(&config, "in", &trial("2001:db8::/64")).unwrap();
    assert!(!report.is_accepted && report.decided_by.is_none());
    assert_eq!(report.clauses[0].mismatch, Some("prefixes"));
    assert!(!report.redistribution.unwrap().is_taken);
}

#[test]
fn a_trial_of_no_policy_says_which_there_are() {
    let refused =
        |name: &str| try_policy(&config(""), name, &trial("::/0")).unwrap_err().to_string();
    assert_eq!(refused("exits"), "there is no policy `exits`; there are in, out");
    assert_eq!(refused("outt"), "there is no policy `outt` (did you mean `out`?)");
}

#[test]
fn tables_decide_as_the_configuration_says() {
    let config = config("");
    let mut bgp = config.bgp.unwrap();
    let site = Site { router_id: RouterId(7), loopback: None, links: &[] };
    let settings = rib_settings(&bgp, &site, 1);
    assert_eq!(
        (settings.asn, settings.router_id, settings.cluster_id),
        (64512, RouterId(7), RouterId(7))
    );
    assert_eq!(settings.decision.external_paths_max, 8);
    assert_eq!(settings.decision.multipath_neighbor, MultipathNeighbor::Any);
    bgp.router_id = Some(RouterId(9));
    bgp.multipath_any_as = false;
    bgp.always_compare_med = true;
    let settings = rib_settings(&bgp, &site, 1);
    assert_eq!((settings.router_id, settings.cluster_id), (RouterId(9), RouterId(9)));
    assert_eq!(settings.decision.med, MedComparison::Always);
    assert_eq!(settings.decision.multipath_neighbor, MultipathNeighbor::Same);
}

/// Tables with a neighbour that speaks and one that hears, both as the configuration has them.
struct Tables {
    ribs: Ribs,
    policies: PolicyTable,
}

const SPEAKER: PeerId = PeerId(0);
const LISTENER: PeerId = PeerId(1);

impl Tables {
    fn new(config: &Config) -> Self {
        let bgp = config.bgp.as_ref().unwrap();
        let mut policies = PolicyTable::default();
        policies.apply(config);
        let links = [uplink()];
        let site = Site { router_id: RouterId(7), loopback: None, links: &links };
        let mut ribs = Ribs::new(rib_settings(bgp, &site, 1));
        for (neighbor, id) in neighbors(bgp, &site, &policies).into_iter().zip([SPEAKER, LISTENER])
        {
            let settings = neighbor.state.unwrap().settings;
            let RemoteAs::Exactly(asn) = settings.session.remote_as else { panic!("a number") };
            let peer = RibPeer {
                kind: settings.kind,
                asn,
                router_id: RouterId(asn),
                address: *settings.remote.ip(),
                port: settings.port,
                on_link: settings.on_link,
                role: None,
                import: settings.import,
                own_as_max: settings.own_as_max,
                first_as: settings.first_as,
                blackhole: settings.blackhole,
                paths_max: settings.paths_max,
            };
            let export = ExportSettings {
                kind: settings.kind,
                role: None,
                policy: settings.export,
                next_hop: settings.next_hop,
                as_path: settings.as_path,
                paths_max: 1,
            };
            let own_next_hop = settings.own_next_hop;
            let member = MemberSettings { agreement: Agreement::default(), own_next_hop };
            ribs.peer_up(id, peer).and_then(|()| ribs.join(id, export, member)).unwrap();
        }
        Self { ribs, policies }
    }

    fn hear(&mut self, prefixes: &[&str]) {
        let nlri = prefixes.iter().map(|prefix| Nlri::of(prefix.parse().unwrap())).collect();
        let next_hop = NextHop { global: Some(address("2001:db8:ffff::1")), link_local: None };
        let attributes =
            PathAttributes { as_path: AsPath::sequence(&[64500]), ..PathAttributes::default() };
        let announced = Some(Announcement { nlri, next_hop, attributes });
        let update = Update { announced, ..Update::default() };
        self.ribs.receive(Instant::ZERO, SPEAKER, update, self.policies.engine()).unwrap();
        let gateway = Gateway::new(next_hop, Some(PortId(3)));
        self.ribs.resolve(gateway, Resolution::Reachable { cost: 0 });
        self.settle();
    }

    fn settle(&mut self) {
        while self.ribs.process(100, self.policies.engine()) == Work::More {}
        while self.ribs.poll_change().is_some() {}
    }

    fn best(&self, prefix: &str) -> Option<Option<u32>> {
        let best = self.ribs.best(prefix.parse().unwrap());
        best.map(|(_, route)| route.attributes.local_pref)
    }

    fn told(&self, prefix: &str) -> usize {
        self.ribs.advertised(LISTENER, prefix.parse().unwrap()).len()
    }
}

const TWO: &str = "[[bgp.neighbor]]\naddress = \"2001:db8:ffff::1\"\nasn = 64500\n\
                   import = \"in\"\n[[bgp.neighbor]]\naddress = \"2001:db8:ffff::9\"\n\
                   asn = 64501\nexport = \"out\"\n";

#[test]
fn tables_take_and_tell_what_the_policies_of_the_configuration_let_pass() {
    let mut tables = Tables::new(&config(TWO));
    tables.hear(&["2001:db9::/32", "2001:db9::/64"]);
    assert_eq!(tables.best("2001:db9::/32"), Some(Some(200)));
    assert_eq!(tables.best("2001:db9::/64"), None, "longer than the policy takes");
    assert_eq!(tables.told("2001:db9::/32"), 0, "it did not begin here");
    let aggregate = Route { next_hop: None, attributes: PathAttributes::default() };
    let prefix = "2001:db8:4000::/48";
    tables.ribs.originate(Instant::ZERO, prefix.parse().unwrap(), &aggregate).unwrap();
    tables.settle();
    assert_eq!(tables.told(prefix), 1);
}

#[test]
fn a_policy_that_changed_is_asked_again_about_what_was_heard() {
    let mut tables = Tables::new(&config(TWO));
    tables.hear(&["2001:db9::/32", "2001:db9::/64"]);
    let mut wider = config(TWO);
    let clause = &mut wider.policies[0].clauses[0];
    clause.when.prefixes = Some(vec!["2000::/3 le 64".parse().unwrap()]);
    clause.set.local_pref = Some(50);
    let changed = tables.policies.apply(&wider);
    assert_eq!(changed, [PolicyId(0)]);
    tables.ribs.reimport(SPEAKER, Some(changed[0]));
    tables.settle();
    assert_eq!(tables.best("2001:db9::/32"), Some(Some(50)));
    assert_eq!(tables.best("2001:db9::/64"), Some(Some(50)));
}

#[test]
fn without_policies_nothing_passes_to_or_from_another_as() {
    let silent = TWO.replace("import = \"in\"\n", "").replace("export = \"out\"\n", "");
    let mut tables = Tables::new(&config(&silent));
    tables.hear(&["2001:db9::/32"]);
    assert_eq!(tables.best("2001:db9::/32"), None);
    let aggregate = Route { next_hop: None, attributes: PathAttributes::default() };
    let prefix = "2001:db8:4000::/48";
    tables.ribs.originate(Instant::ZERO, prefix.parse().unwrap(), &aggregate).unwrap();
    tables.settle();
    assert_eq!(tables.told(prefix), 0);
}
