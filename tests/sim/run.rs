//! One run of a scenario: a world, its name and seed, and what is asked of it.

use kumiki::base::prng::Prng;
use kumiki::base::time::{Duration, Instant};
use kumiki::planner::families::{Topology, TopologySpec};
use kumiki::sim::checkers::{self, Violation};
use kumiki::sim::faults::{ChaosPlan, Fault, chaos};
use kumiki::sim::plan::WorldSetup;
use kumiki::sim::trace::Reproduction;
use kumiki::sim::world::World;

/// How long routers may take to find each other and agree: starts within 2 s, two hellos, a round
/// of retransmissions, and the longest delay before SPF, twice.
pub const START_LIMIT: Duration = Duration::from_secs(15);
/// The same after chaos; neighbours may have to be found dead first.
pub const HEAL_LIMIT: Duration = Duration::from_secs(20);
/// After a convergence: the last acknowledgements and retransmissions are through.
const REST: Duration = Duration::from_secs(10);
/// How long silence is listened to.
const SILENCE: Duration = Duration::from_secs(10);
/// How long pings may take, the resolution of neighbours included.
const PING_PATIENCE: Duration = Duration::from_secs(3);

/// A world under the eyes of a test; says how to see it again when the test fails.
pub struct Run {
    scenario: &'static str,
    seed: u64,
    /// The world.
    pub world: World,
}

/// Runs a scenario with the seeds 1 to `seed_count`, or with that of `KUMIKI_SEED` alone.
pub fn scenario(name: &'static str, seed_count: u64, body: impl Fn(&Start)) {
    let seeds = match std::env::var("KUMIKI_SEED") {
        Ok(text) => {
            let seed = text.parse().unwrap_or_else(|_| panic!("KUMIKI_SEED={text} is no number"));
            seed..=seed
        }
        Err(_) => 1..=seed_count,
    };
    for seed in seeds {
        body(&Start { scenario: name, seed });
    }
}

/// Name and seed of a run that is about to start.
pub struct Start {
    scenario: &'static str,
    /// The seed.
    pub seed: u64,
}

impl Start {
    /// A cluster of `count` routers.
    pub fn cluster(&self, topology: &str, count: usize) -> Run {
        self.run(self.setup(topology, count))
    }

    /// The setup of such a cluster, to be changed.
    pub fn setup(&self, topology: &str, count: usize) -> WorldSetup {
        WorldSetup::new(build(topology, count), self.seed)
    }

    /// A run of a setup.
    pub fn run(&self, setup: WorldSetup) -> Run {
        Run { scenario: self.scenario, seed: self.seed, world: World::new(setup) }
    }
}

/// A topology by its specification.
pub fn build(topology: &str, count: usize) -> Topology {
    let spec: TopologySpec = topology.parse().unwrap();
    spec.build(Some(count)).unwrap()
}

impl Run {
    /// Everything must be right within `limit`; says how long it took.
    #[track_caller]
    pub fn converges(&mut self, limit: Duration) -> Duration {
        match checkers::converge(&mut self.world, limit) {
            Ok(took) => took,
            Err(found) => panic!("not right after {limit:?}:\n{}", list(&found)),
        }
    }

    /// Everything must be right now, and pings must go through.
    #[track_caller]
    pub fn is_right(&mut self) {
        let found = checkers::check(&self.world);
        assert!(found.is_empty(), "not right at {}:\n{}", self.world.now(), list(&found));
        let found = checkers::ping_all(&mut self.world, PING_PATIENCE);
        assert!(found.is_empty(), "pings at {}:\n{}", self.world.now(), list(&found));
        let found = checkers::conservation(&self.world);
        assert!(found.is_empty(), "conservation at {}:\n{}", self.world.now(), list(&found));
        let found = checkers::limits(&self.world);
        assert!(found.is_empty(), "limits at {}:\n{}", self.world.now(), list(&found));
    }

    /// A network that converged must fall silent: hellos, nothing else of OSPF, and no new worlds
    /// for the data planes.
    #[track_caller]
    pub fn falls_silent(&mut self) {
        self.world.run_for(REST);
        let (before, worlds) = (*self.world.traffic(), self.publications());
        self.world.run_for(SILENCE);
        let heard = self.world.traffic().since(&before);
        assert_eq!(heard.unrest(), 0, "unrest up to {}: {heard:?}", self.world.now());
        assert_eq!(self.publications(), worlds, "worlds published up to {}", self.world.now());
    }

    /// From the start to rest: converged, right, silent.
    #[track_caller]
    pub fn settles(&mut self) {
        self.converges(START_LIMIT);
        self.is_right();
        self.falls_silent();
    }

    /// Chaos for some time, then everything whole: must converge and fall silent.
    #[track_caller]
    pub fn survives(&mut self, fault_count: usize, span: Duration) {
        let from = self.world.now();
        let until = from + span;
        let plan = ChaosPlan {
            link_count: self.world.cable_count(),
            router_count: self.world.router_count(),
            fault_count,
            from,
            until,
            quality: self.world.setup().quality,
            edges: self.world.edges(),
        };
        for (at, fault) in chaos(&plan, &mut Prng::new(self.seed ^ 0xfa17)) {
            self.world.schedule(at, fault);
        }
        self.world.run_until(until);
        self.converges(HEAL_LIMIT);
        self.falls_silent();
        self.is_right();
    }

    /// Cuts the cable between two routers.
    pub fn cut(&mut self, a: usize, b: usize) {
        let link = self.link(a, b);
        self.world.apply(Fault::Cut { link });
    }

    /// Heals it.
    pub fn heal(&mut self, a: usize, b: usize) {
        let link = self.link(a, b);
        self.world.apply(Fault::Heal { link });
    }

    /// The cable between two routers.
    #[track_caller]
    pub fn link(&self, a: usize, b: usize) -> usize {
        self.world.link_between(a, b).expect("a cable between these two")
    }

    /// Whether a router said something with this word in its topic or text, since `since`.
    pub fn has_said(&self, router: usize, word: &str, since: Instant) -> bool {
        let mut sayings = self.world.sayings().filter(|saying| saying.router == router);
        sayings.any(|saying| {
            saying.at >= since && (saying.topic.contains(word) || saying.text.contains(word))
        })
    }

    fn publications(&self) -> u64 {
        let nodes = (0..self.world.router_count()).filter_map(|router| self.world.node(router));
        nodes.map(|node| node.publications).sum()
    }
}

fn list(found: &[Violation]) -> String {
    found.iter().map(|violation| format!("  {violation}\n")).collect()
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { scenario, seed, world } = self;
            let reproduction = Reproduction { scenario, seed: *seed };
            eprintln!("{reproduction}\nthe last that happened:\n{}", world.trace());
        }
    }
}
