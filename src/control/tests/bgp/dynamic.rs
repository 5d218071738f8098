//! Neighbours that come by themselves.

use super::*;

/// Edge 0 names nobody.
fn open(most: u16) -> Config {
    let mut config = config_of(0, "");
    let bgp = config.bgp.as_mut().unwrap();
    let named = bgp.neighbors.remove(0);
    bgp.dynamics.push(crate::config::schema::BgpDynamic {
        prefix: "2001:db8:f::/64".parse().unwrap(),
        description: Some("whoever comes".to_owned()),
        group: None,
        max_neighbors: most,
        keys: named.keys,
    });
    config
}

fn edges() -> Edges {
    let mut edges = Edges::new("");
    edges.configure(0, open(1));
    edges.reach(0, true);
    edges
}

#[test]
fn who_comes_from_the_prefix_is_a_neighbor_and_who_stays_away_is_none_any_more() {
    let mut edges = edges();
    edges.run(SOON);
    let row = edges.summary(0).neighbors[0].clone();
    assert_eq!((row.name.as_str(), row.state.as_str()), ("2001:db8:f::2", "Established"));
    assert_eq!(row.description.as_deref(), Some("whoever comes"));
    assert_eq!(edges.paths(1).len(), 1);
    // A configuration that changes nothing for it leaves it alone.
    edges.configure(0, open(5));
    assert_eq!(edges.summary(0).neighbors[0].lost_count, 0);
    edges.run(Duration::from_secs(300));
    assert_eq!(edges.summary(0).neighbors[0].state, "Established");
    edges.tell(1, Input::Shutdown);
    edges.run(Duration::from_secs(300));
    assert!(edges.summary(0).neighbors.is_empty());
}

#[test]
fn who_had_too_many_routes_is_not_forgotten() {
    let mut edges = Edges::new("");
    let mut config = open(1);
    config.bgp.as_mut().unwrap().dynamics[0].keys.max_prefix = Some(2);
    edges.configure(0, config);
    edges.reach(0, true);
    edges.run(SOON);
    edges.originate(1, 3);
    edges.run(Duration::from_secs(600));
    let neighbors = edges.summary(0).neighbors;
    assert_eq!((neighbors.len(), neighbors[0].state.as_str()), (1, "Idle"));
    assert_eq!(edges.said(0, "bgp.refused").len(), 1);
}

#[test]
fn more_than_may_come_are_turned_away_and_that_is_said_once() {
    let mut edges = edges();
    edges.run(SOON);
    for number in 0..2 {
        let socket = SocketId::incoming(1000 + number);
        let local = "[2001:db8:f::1]:179".parse().unwrap();
        let remote = "[2001:db8:f::9]:4000".parse().unwrap();
        edges.planes[0]
            .handle(edges.now, Input::Bgp(Box::new(Report::Accepted { socket, local, remote })));
        let mut is_closed = false;
        while let Some(action) = edges.planes[0].poll_action() {
            match action {
                Action::Bgp(Order::Close { socket: closed }) => is_closed |= closed == socket,
                Action::Event(event) => edges.events.push((0, event)),
                _ => {}
            }
        }
        assert!(is_closed);
    }
    assert_eq!(edges.said(0, "bgp.dynamic").len(), 1);
    assert_eq!(edges.summary(0).neighbors.len(), 1);
}

#[test]
fn who_is_named_after_all_is_expected_as_its_own_block_says() {
    let mut edges = edges();
    edges.run(SOON);
    let mut config = open(1);
    let named = config_of(0, "").bgp.unwrap().neighbors.remove(0);
    config.bgp.as_mut().unwrap().neighbors.push(named);
    edges.configure(0, config);
    let wanted = &edges.planes[0].bgp.listeners;
    let hosts = wanted.iter().flat_map(|listener| &listener.peers);
    let other = Ipv6Prefix::host("2001:db8:f::2".parse().unwrap());
    assert_eq!(hosts.filter(|expected| expected.peers == other).count(), 1);
    assert_eq!(edges.planes[0].bgp.dynamic.addresses().count(), 0);
}

#[test]
fn who_came_by_itself_is_waited_for_when_the_control_plane_restarts() {
    let mut edges = Edges::new("");
    edges.configure(0, open(1));
    edges.reach(1, true);
    edges.run(SOON);
    let is_forwarded =
        |edges: &Edges| matches!(edges.group(0, "fd00:0:2::5"), NextHopGroup::Forward { .. });
    assert!(is_forwarded(&edges));
    edges.fail(0);
    for _ in 0..3000 {
        edges.run(STEP);
        assert!(is_forwarded(&edges), "{:?}", edges.now);
    }
    assert_eq!(edges.summary(0).neighbors[0].state, "Established");
}

#[test]
fn the_session_ends_with_its_block() {
    let mut edges = edges();
    edges.run(SOON);
    let mut config = open(1);
    config.bgp.as_mut().unwrap().dynamics.clear();
    edges.configure(0, config);
    edges.run(Duration::from_secs(1));
    assert!(edges.summary(0).neighbors.is_empty() && edges.paths(1).is_empty());
}
