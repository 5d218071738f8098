//! Claims about every family.

use super::*;

fn build(spec: &str, count: usize) -> Topology {
    spec.parse::<TopologySpec>().unwrap().build(Some(count)).unwrap()
}

fn degrees(topology: &Topology) -> Vec<usize> {
    (0..topology.server_count()).map(|server| topology.neighbors(server).count()).collect()
}

fn diameter(topology: &Topology) -> u32 {
    let all = (0..topology.server_count()).flat_map(|s| topology.distances(s, |_| true));
    all.flatten().max().unwrap()
}

#[test]
fn ring_has_two_cables_a_server() {
    let ring = build("ring", 4);
    assert_eq!(ring.cables(), [(0, 1), (0, 3), (1, 2), (2, 3)]);
    assert_eq!(degrees(&ring), [2; 4]);
    assert_eq!(diameter(&build("ring", 8)), 4);
}

#[test]
fn mesh_is_one_hop_everywhere() {
    let mesh = build("mesh", 5);
    assert_eq!(mesh.cables().len(), 10);
    assert_eq!(diameter(&mesh), 1);
}

#[test]
fn circulant_one_three_of_eight_is_the_complete_bipartite_graph() {
    let circulant = build("circulant:1,3", 8);
    assert_eq!(degrees(&circulant), [4; 8]);
    assert_eq!(circulant.cables().len(), 16);
    assert_eq!(diameter(&circulant), 2);
    assert!(circulant.cables().iter().all(|(a, b)| (a + b) % 2 == 1));
}

#[test]
fn a_step_of_half_the_ring_gives_one_cable_not_two() {
    let wagner = build("circulant:1,4", 8);
    assert_eq!(degrees(&wagner), [3; 8]);
}

#[test]
fn torus_knows_its_number_of_servers() {
    let spec: TopologySpec = "torus:4x3".parse().unwrap();
    let torus = spec.build(None).unwrap();
    assert_eq!(torus.server_count(), 12);
    assert_eq!(degrees(&torus), [4; 12]);
    assert_eq!(diameter(&torus), 3);
    let error = spec.build(Some(11)).unwrap_err();
    assert_eq!(error.to_string(), "a torus needs 12 servers, not 11");
}

#[test]
fn torus_of_twos_is_a_hypercube() {
    assert_eq!(degrees(&build("torus:2x2x2", 8)), [3; 8]);
}

#[test]
fn line_ends_have_one_cable() {
    assert_eq!(degrees(&build("line", 4)), [1, 2, 2, 1]);
}

#[test]
fn file_lists_cables_with_comments_and_doubles() {
    let text = "# three in a row\ns01 s02\n\ns3 s02  # leading zeros do not matter\ns02 s01\n";
    let topology = file::parse(text, None).unwrap();
    assert_eq!(topology.cables(), [(0, 1), (1, 2)]);
    let error = file::parse("s01 s02\ns01 -> s03\n", None).unwrap_err();
    assert!(error.to_string().starts_with("line 2: `s01 -> s03`"));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let refuse = |spec: &str, count| {
        let built = spec.parse::<TopologySpec>().and_then(|spec| spec.build(count));
        built.unwrap_err().to_string()
    };
    let wrong = refuse("circulent:1,3", Some(8));
    assert!(wrong.starts_with("`circulent` is no topology (did you mean `circulant`?); known"));
    let bare = refuse("circulant", Some(8));
    assert!(bare.contains("write it like `circulant:1,3`: server i to i±a"), "{bare}");
    assert!(refuse("star", Some(4)).starts_with("`star` is no topology; known are ring, line"));
    assert_eq!(refuse("ring", Some(2)), "a ring needs at least 3 servers, not 2");
    assert_eq!(refuse("ring", None), "a ring can have any number of servers: say how many");
    assert_eq!(refuse("circulant:2", Some(8)), "s02 cannot be reached from s01");
    assert!(refuse("circulant:1,x", Some(8)).contains("write it like `circulant:1,3`"));
    assert!(refuse("torus:4x", Some(8)).contains("write it like `torus:4x3`"));
    assert!(refuse("mesh", Some(70)).starts_with("s01 has 69 cables"));
    assert!(refuse("ring:3", Some(3)).contains("write it like `ring`"));
    assert_eq!(file::parse("s01 s01\n", None).unwrap_err().to_string(), "s01 is cabled to itself");
}

#[test]
fn distances_avoid_cables_that_are_gone() {
    let ring = build("ring", 4);
    assert_eq!(ring.distances(0, |cable| cable != (0, 1))[1], Some(3));
}

#[test]
fn names_and_indexes_are_inverse() {
    for index in [0, 8, 9, 99, 1023] {
        assert_eq!(server_index(&server_name(index)), Some(index));
    }
    for wrong in ["s00", "s", "07", "s-1", "sx", "s1025"] {
        assert_eq!(server_index(wrong), None);
    }
}
