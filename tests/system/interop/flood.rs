//! Floods of updates, while OSPF goes on as if there were none.

use super::cannot_interoperate;
use super::peer::{Kind, Wish, present};
use super::route::{Half, made};
use super::speaker::{Speaker, Who};
use super::world::{BGP, World};
use std::time::{Duration, Instant};

const OUTSIDE: u32 = 65_001;
const COUNT: u32 = 20_000;
/// How often the whole table comes and goes.
const ROUNDS: u32 = 3;

// The dead interval is three seconds: a hello that waits so long behind routes ends an adjacency.
#[test]
fn a_flood_of_updates_costs_no_adjacency_of_ospf() {
    if present(&[Kind::Bird]).is_empty() || cannot_interoperate(&[]) {
        return;
    }
    let world = World::new(&["bird", "world", "other"]);
    let near = world.neighbor_block("world", OUTSIDE, "passive = true");
    let far = world.neighbor_block("other", 65_002, "passive = true");
    let ospf = "[ospf]\nhello_interval = 1\ndead_interval = 3\n\n[bfd]\nenabled = false\n";
    world.set_fabric("bird");
    world.start_kumiki(&format!("{ospf}\n{BGP}{near}{far}"));
    let _bird = Kind::Bird.start(&world, &Wish { has_ospf: true, ..Wish::default() });
    let neighbor = || world.rows("ospf neighbor").into_iter().next().unwrap_or_default();
    world.wait("an adjacency", || neighbor()["state"] == "Full");
    let began = Instant::now();
    let speak = |name, asn| Speaker::establish(&world, name, world.kumiki(name), &Who::of(asn));
    let (mut near, other) = (speak("world", OUTSIDE), speak("other", 65_002));
    let table = made(Half::Low, COUNT, OUTSIDE, world.address("world"));
    for _ in 0..ROUNDS {
        near.announce(&table);
        near.withdraw(&table);
    }
    near.announce(&table);
    other.wait("the whole table", |heard| heard.table.len() == COUNT as usize);
    // Longer than a dead interval, whatever the machine.
    world.wait("time", || began.elapsed() > Duration::from_secs(4));
    let row = neighbor();
    assert_eq!(row["state"], "Full", "{row:#}");
    let since = began.elapsed().as_millis();
    assert!(u128::from(row["state_age_ms"].as_u64().unwrap()) + 1000 >= since, "{row:#}");
    assert_eq!(world.neighbor("world")["lost_count"], 0);
}
