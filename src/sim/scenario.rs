//! A scenario as a file: who is cabled to whom, the seed, and what goes wrong when.
//!
//! Owns [`Scenario`] and its form in TOML. One that was drawn from a seed can be written down, made
//! smaller by hand and run again; one that somebody wrote runs in the same way. Times are
//! microseconds after the cluster has come to rest for the first time.
//!
//! ```toml
//! topology = "ring"        # or cables = ["s01-s02", "s02-s03"]
//! routers = 8
//! seed = 7                 # jitter, start times, mixed costs
//! costs = "uniform"        # or "mixed"
//! edges = 2                # routers with an uplink; links are then `s01-isp1` as well
//!
//! [[event]]
//! at_us = 500000
//! fault = "silence"        # cut silence heal degrade detach attach, with `link`;
//! link = "s01-s02"         # kill power_off restart stop crash reconfigure refilter, with `router`
//! from = "s01"             # silence: frames of this end only; detach, attach: at this end
//! filter = "half"          # refilter: open half dear closed
//! part = "clean_up"        # how it is counted: fault sequel clean_up; by what it does if unsaid
//! ```

use crate::base::ids::PORT_MAX;
use crate::base::prng::Prng;
use crate::base::time::Duration;
use crate::config::did_you_mean;
use crate::config::problem::line_and_column;
use crate::planner::families::{Topology, TopologyError, TopologySpec, server_index, server_name};
use crate::sim::edges::{EDGES_MAX, Edges, Filter};
use crate::sim::faults::{Death, Fault, Part, Planned, SeasonPlan, season};
use crate::sim::link::{Direction, Quality};
use crate::sim::plan::{Costs, WorldSetup};
use core::ops::Range;
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// Events of a file: the schedule of a thousand faults, several times.
pub const EVENTS_MAX: usize = 10_000;
/// The longest schedule: LSAs are refreshed after half an hour (RFC 2328 appendix B), and a network
/// that refreshes is not silent.
pub const SPAN_MAX: Duration = Duration::from_secs(1200);
/// The cost of every cable where costs are uniform.
const UNIFORM_COST: u16 = 10;

/// Why a scenario cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The text is no TOML, or has keys that there are not.
    #[error("{0}")]
    Text(String),
    /// There is no such topology.
    #[error("topology: {0}")]
    Topology(#[from] TopologyError),
    /// Both a topology and cables, or neither.
    #[error("write either `topology` or `cables`")]
    Shape,
    /// Something is wrong at a line of the file.
    #[error("line {line}: {source}")]
    At {
        /// Counted from 1.
        line: usize,
        /// What.
        source: Box<ScenarioError>,
    },
    /// A cable is not two servers.
    #[error("`{0}` is no cable; write two servers, like `s01-s02`")]
    Cable(String),
    /// There is no such server.
    #[error("event {event}: there is no server `{name}` here")]
    Router {
        /// Counted from 1.
        event: usize,
        /// What was written.
        name: String,
    },
    /// There is no such link.
    #[error("event {event}: there is no cable `{name}` here")]
    Link {
        /// Counted from 1.
        event: usize,
        /// What was written.
        name: String,
    },
    /// The end that is named is none of the cable.
    #[error(
        "event {event}: `from` must be an end of {link}, {} or {}; `{given}` is not",
        .ends.0, .ends.1
    )]
    End {
        /// Counted from 1.
        event: usize,
        /// The cable.
        link: String,
        /// What is right.
        ends: (String, String),
        /// What was written.
        given: String,
    },
    /// The fault has no such name.
    #[error(
        "event {event}: `{fault}` is no fault{meant}; known are {known}",
        meant = did_you_mean(fault, &FAULT_NAMES), known = FAULT_NAMES.join(", ")
    )]
    Fault {
        /// Counted from 1.
        event: usize,
        /// What was written.
        fault: String,
    },
    /// A key is missing that the fault needs.
    #[error("event {event}: `{fault}` needs `{key}`")]
    Missing {
        /// Counted from 1.
        event: usize,
        /// The fault.
        fault: String,
        /// The key.
        key: &'static str,
    },
    /// What an edge cannot let into the cluster.
    #[error(
        "event {event}: only an edge has a `filter`, one of open, half, dear, closed; {router} is \
         none"
    )]
    NoEdge {
        /// Counted from 1.
        event: usize,
        /// Who is no edge.
        router: String,
    },
    /// Too many edges.
    #[error("{given} edges; there may be {most} here")]
    Edges {
        /// What was written.
        given: usize,
        /// What is possible.
        most: usize,
    },
    /// A router has no port left for an uplink.
    #[error("{0} has a cable at every port, and none left for an uplink")]
    NoPort(String),
    /// Too many events.
    #[error("{0} events; at most {EVENTS_MAX} are run")]
    Events(usize),
    /// Too long.
    #[error("the last event is after {0:?}; at most {SPAN_MAX:?} are run")]
    Span(Duration),
}

/// Every fault that a file can name.
const FAULT_NAMES: [&str; 13] = [
    "cut",
    "silence",
    "heal",
    "degrade",
    "detach",
    "attach",
    "kill",
    "power_off",
    "restart",
    "stop",
    "crash",
    "reconfigure",
    "refilter",
];

/// What a campaign runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Routers and cables.
    pub topology: Topology,
    /// The rule behind them, where there is one.
    pub rule: Option<TopologySpec>,
    /// Everything by chance follows from it.
    pub seed: u64,
    /// What links cost.
    pub costs: Costs,
    /// Routers with an uplink to a provider.
    pub edge_count: usize,
    /// What happens when, after the first rest; in order.
    pub events: Vec<Planned>,
}

impl Scenario {
    /// A cluster without faults.
    pub fn new(
        rule: TopologySpec,
        routers: Option<usize>,
        seed: u64,
    ) -> Result<Self, TopologyError> {
        let topology = rule.build(routers)?;
        let costs = Costs::Uniform(UNIFORM_COST);
        let rule = Some(rule);
        Ok(Self { topology, rule, seed, costs, edge_count: 0, events: Vec::new() })
    }

    /// Gives so many routers an uplink.
    pub fn with_edges(mut self, edge_count: usize) -> Result<Self, ScenarioError> {
        let most = usize::from(EDGES_MAX).min(self.topology.server_count());
        if edge_count > most {
            return Err(ScenarioError::Edges { given: edge_count, most });
        }
        self.edge_count = edge_count;
        let edges = self.edges();
        let routers = (0..edge_count).map(|edge| edges.router(edge));
        // One port is for the LAN and one for the uplink.
        let is_full = |router: &usize| self.topology.neighbors(*router).count() + 2 > PORT_MAX;
        match routers.into_iter().find(is_full) {
            Some(router) => Err(ScenarioError::NoPort(server_name(router))),
            None => Ok(self),
        }
    }

    fn edges(&self) -> Edges {
        Edges::new(self.edge_count, self.topology.server_count())
    }

    /// Adds a season of faults that follows from the seed.
    pub fn with_faults(mut self, fault_count: usize, span: Duration) -> Self {
        let plan = SeasonPlan {
            link_count: self.topology.cables().len(),
            router_count: self.topology.server_count(),
            fault_count,
            span: span.min(SPAN_MAX),
            quality: Quality::GOOD,
            edges: self.edges(),
        };
        self.events = season(&plan, &mut Prng::new(self.seed ^ 0xfa17));
        self
    }

    /// The setup of its world.
    pub fn setup(&self) -> WorldSetup {
        let (costs, edge_count) = (self.costs, self.edge_count);
        WorldSetup { costs, edge_count, ..WorldSetup::new(self.topology.clone(), self.seed) }
    }

    /// A fault in words, with names.
    pub fn words(&self, fault: &Fault) -> String {
        let (after, fault, part) = (Duration::ZERO, *fault, Part::Fault);
        let event = self.written(&Planned { after, fault, part });
        let subject = event.link.or(event.router).unwrap_or_default();
        let from = event.from.map(|from| format!(" at {from}")).unwrap_or_default();
        let cost = event.cost.map(|cost| format!(", cost {cost}")).unwrap_or_default();
        let filter = event.filter.map(|filter| format!(", {}", filter.word())).unwrap_or_default();
        format!("{} {subject}{from}{cost}{filter}", event.fault)
    }

    /// Reads a file.
    pub fn read(text: &str) -> Result<Self, ScenarioError> {
        let file: File =
            toml::from_str(text).map_err(|error| ScenarioError::Text(error.to_string()))?;
        let at = |span: Range<usize>, source: ScenarioError| {
            let (line, _) = line_and_column(text, span.start);
            ScenarioError::At { line, source: Box::new(source) }
        };
        let (topology, rule) = match (&file.topology, &file.cables) {
            (Some(written), None) => {
                let rule = written.get_ref().parse::<TopologySpec>();
                let rule = rule.map_err(|error| at(written.span(), error.into()))?;
                let topology = rule.build(file.routers);
                (topology.map_err(|error| at(written.span(), error.into()))?, Some(rule))
            }
            (None, Some(cables)) => {
                let topology = cabled(cables.get_ref(), file.routers);
                (topology.map_err(|error| at(cables.span(), error))?, None)
            }
            _ => return Err(ScenarioError::Shape),
        };
        if file.event.len() > EVENTS_MAX {
            return Err(ScenarioError::Events(file.event.len()));
        }
        let costs = match file.costs {
            CostsWord::Uniform => Costs::Uniform(UNIFORM_COST),
            CostsWord::Mixed => Costs::Mixed,
        };
        let (seed, edge_count) = (file.seed, 0);
        let scenario = Self { topology, rule, seed, costs, edge_count, events: Vec::new() };
        let mut scenario = scenario.with_edges(file.edges)?;
        for (index, spanned) in file.event.iter().enumerate() {
            let reading =
                Reading { scenario: &scenario, number: index + 1, event: spanned.get_ref() };
            let planned = reading.planned().map_err(|error| at(spanned.span(), error))?;
            scenario.events.push(planned);
        }
        scenario.events.sort_by_key(|planned| planned.after);
        Ok(scenario)
    }

    /// Writes the file that [`Self::read`] reads.
    pub fn write(&self) -> String {
        let file = File {
            topology: self.rule.as_ref().map(|rule| unplaced(rule.to_string())),
            cables: self.rule.is_none().then(|| {
                let links = 0..self.topology.cables().len();
                unplaced(links.map(|link| self.link_name(link)).collect())
            }),
            routers: Some(self.topology.server_count()),
            edges: self.edge_count,
            seed: self.seed,
            costs: match self.costs {
                Costs::Uniform(_) => CostsWord::Uniform,
                Costs::Mixed => CostsWord::Mixed,
            },
            event: self.events.iter().map(|planned| unplaced(self.written(planned))).collect(),
        };
        toml::to_string(&file).unwrap_or_else(|error| unreachable!("plain values: {error}"))
    }

    /// The router or provider of this name.
    fn place(&self, name: &str) -> Option<usize> {
        let router = server_index(name).filter(|index| *index < self.topology.server_count());
        router.or_else(|| self.edges().place(name))
    }

    /// The two ends of a link: of a cable, or of the uplink of an edge.
    fn link_ends(&self, link: usize) -> (usize, usize) {
        let (cables, edges) = (self.topology.cables(), self.edges());
        let of_uplink = || {
            let edge = link.checked_sub(cables.len())?;
            Some((edges.router(edge), edges.slot(edges.provider(edge))))
        };
        cables.get(link).copied().or_else(of_uplink).unwrap_or_default()
    }

    fn link_name(&self, link: usize) -> String {
        let (a, b) = self.link_ends(link);
        format!("{}-{}", self.edges().name(a), self.edges().name(b))
    }

    fn end_name(&self, link: usize, end: Direction) -> String {
        let (a, b) = self.link_ends(link);
        self.edges().name(if end == Direction::Forth { a } else { b })
    }

    fn written(&self, planned: &Planned) -> Event {
        let Planned { after, fault, part } = planned;
        let at_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let mut event = Event {
            at_us,
            fault: name(fault).to_owned(),
            link: fault.link().map(|link| self.link_name(link)),
            router: fault.router().map(|router| self.edges().name(router)),
            part: (*part != Part::of(fault)).then_some(*part),
            ..Event::default()
        };
        match *fault {
            Fault::Silence { link, direction } => {
                event.from = direction.map(|end| self.end_name(link, end));
            }
            Fault::Detach { link, end } | Fault::Attach { link, end } => {
                event.from = Some(self.end_name(link, end));
            }
            Fault::Reconfigure { cost, .. } => event.cost = Some(cost),
            Fault::Refilter { filter, .. } => event.filter = Some(filter),
            Fault::Degrade { quality, .. } => event.quality = Some(QualityWords::of(quality)),
            _ => {}
        }
        event
    }
}

/// A link or a router, and why there is none.
struct Reading<'a> {
    scenario: &'a Scenario,
    number: usize,
    event: &'a Event,
}

impl Reading<'_> {
    fn planned(&self) -> Result<Planned, ScenarioError> {
        let after = Duration::from_micros(self.event.at_us);
        if after > SPAN_MAX {
            return Err(ScenarioError::Span(after));
        }
        let fault = self.fault()?;
        let part = self.event.part.unwrap_or_else(|| Part::of(&fault));
        Ok(Planned { after, fault, part })
    }

    fn fault(&self) -> Result<Fault, ScenarioError> {
        let end = |link| self.end(link)?.ok_or_else(|| self.missing("from"));
        Ok(match self.event.fault.as_str() {
            "cut" => Fault::Cut { link: self.link()? },
            "silence" => {
                let link = self.link()?;
                Fault::Silence { link, direction: self.end(link)? }
            }
            "heal" => Fault::Heal { link: self.link()? },
            "degrade" => {
                let quality = self.event.quality.as_ref().map(QualityWords::quality);
                let quality = quality.unwrap_or(Quality::BAD);
                Fault::Degrade { link: self.link()?, quality }
            }
            "detach" => {
                let link = self.link()?;
                Fault::Detach { link, end: end(link)? }
            }
            "attach" => {
                let link = self.link()?;
                Fault::Attach { link, end: end(link)? }
            }
            "kill" => Fault::Kill { router: self.router()?, death: Death::Process },
            "power_off" => Fault::Kill { router: self.router()?, death: Death::Power },
            "restart" => Fault::Restart { router: self.router()? },
            "stop" => Fault::Stop { router: self.router()? },
            "crash" => Fault::Crash { router: self.router()? },
            "reconfigure" => {
                let cost = self.event.cost.ok_or_else(|| self.missing("cost"))?;
                Fault::Reconfigure { router: self.router()?, cost: cost.max(1) }
            }
            "refilter" => {
                let filter = self.event.filter.ok_or_else(|| self.missing("filter"))?;
                let router = self.router()?;
                if self.scenario.edges().edge(router).is_none() {
                    let (event, router) = (self.number, self.scenario.edges().name(router));
                    return Err(ScenarioError::NoEdge { event, router });
                }
                Fault::Refilter { router, filter }
            }
            other => {
                return Err(ScenarioError::Fault { event: self.number, fault: other.to_owned() });
            }
        })
    }

    fn missing(&self, key: &'static str) -> ScenarioError {
        ScenarioError::Missing { event: self.number, fault: self.event.fault.clone(), key }
    }

    fn router(&self) -> Result<usize, ScenarioError> {
        let name = self.event.router.as_ref().ok_or_else(|| self.missing("router"))?;
        self.index(name)
    }

    fn index(&self, name: &str) -> Result<usize, ScenarioError> {
        self.scenario
            .place(name)
            .ok_or_else(|| ScenarioError::Router { event: self.number, name: name.to_owned() })
    }

    fn link(&self) -> Result<usize, ScenarioError> {
        let name = self.event.link.as_ref().ok_or_else(|| self.missing("link"))?;
        let place = |name| self.scenario.place(name);
        let ends = name.split_once('-').and_then(|(a, b)| Some((place(a)?, place(b)?)));
        let count = self.scenario.topology.cables().len() + self.scenario.edge_count;
        let is_it = |(a, b): (usize, usize), link: usize| {
            self.scenario.link_ends(link) == (a.min(b), a.max(b))
        };
        let place = ends.and_then(|ends| (0..count).find(|link| is_it(ends, *link)));
        place.ok_or_else(|| ScenarioError::Link { event: self.number, name: name.clone() })
    }

    /// The end that the event names, as a direction of the link.
    fn end(&self, link: usize) -> Result<Option<Direction>, ScenarioError> {
        let Some(name) = &self.event.from else { return Ok(None) };
        let (a, b) = self.scenario.link_ends(link);
        match self.scenario.place(name) {
            Some(router) if router == a => Ok(Some(Direction::Forth)),
            Some(router) if router == b => Ok(Some(Direction::Back)),
            _ => Err(ScenarioError::End {
                event: self.number,
                link: self.scenario.link_name(link),
                ends: (self.scenario.edges().name(a), self.scenario.edges().name(b)),
                given: name.clone(),
            }),
        }
    }
}

fn ends(name: &str) -> Option<(usize, usize)> {
    let (a, b) = name.split_once('-')?;
    Some((server_index(a)?, server_index(b)?))
}

fn cabled(cables: &[String], routers: Option<usize>) -> Result<Topology, ScenarioError> {
    let read = |name: &String| ends(name).ok_or_else(|| ScenarioError::Cable(name.clone()));
    let cables: Vec<(usize, usize)> = cables.iter().map(read).collect::<Result<_, _>>()?;
    let named = cables.iter().map(|(a, b)| a.max(b) + 1).max().unwrap_or(0);
    let count = routers.unwrap_or(named);
    if count < named || cables.is_empty() {
        let needed = format!("at least {}", named.max(2));
        let error = TopologyError::ServerCount { family: "list of cables", needed, given: count };
        return Err(error.into());
    }
    Ok(Topology::new(count, cables)?)
}

const fn name(fault: &Fault) -> &'static str {
    match fault {
        Fault::Cut { .. } => "cut",
        Fault::Silence { .. } => "silence",
        Fault::Heal { .. } => "heal",
        Fault::Degrade { .. } => "degrade",
        Fault::Kill { death: Death::Process, .. } => "kill",
        Fault::Kill { death: Death::Power, .. } => "power_off",
        Fault::Restart { .. } => "restart",
        Fault::Stop { .. } => "stop",
        Fault::Detach { .. } => "detach",
        Fault::Attach { .. } => "attach",
        Fault::Reconfigure { .. } => "reconfigure",
        Fault::Crash { .. } => "crash",
        Fault::Refilter { .. } => "refilter",
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CostsWord {
    #[default]
    Uniform,
    Mixed,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    topology: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cables: Option<Spanned<Vec<String>>>,
    routers: Option<usize>,
    #[serde(default, skip_serializing_if = "is_none")]
    edges: usize,
    #[serde(default = "first")]
    seed: u64,
    #[serde(default)]
    costs: CostsWord,
    #[serde(default)]
    event: Vec<Spanned<Event>>,
}

/// What is written, and was not read anywhere.
fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

const fn first() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none(count: &usize) -> bool {
    *count == 0
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    at_us: u64,
    fault: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    router: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<QualityWords>,
}

/// How good a link is; what is not said is as on a good one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct QualityWords {
    latency_us: u64,
    jitter_us: u64,
    loss_ppm: u32,
    duplication_ppm: u32,
    reordering_ppm: u32,
    corruption_ppm: u32,
}

impl Default for QualityWords {
    fn default() -> Self {
        Self::of(Quality::GOOD)
    }
}

impl QualityWords {
    fn of(quality: Quality) -> Self {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self {
            latency_us: micros(quality.latency),
            jitter_us: micros(quality.jitter),
            loss_ppm: quality.loss_ppm,
            duplication_ppm: quality.duplication_ppm,
            reordering_ppm: quality.reordering_ppm,
            corruption_ppm: quality.corruption_ppm,
        }
    }

    /// Of at least a microsecond: a frame that takes no time could go in circles at one instant.
    fn quality(&self) -> Quality {
        Quality {
            latency: Duration::from_micros(self.latency_us.max(1)),
            jitter: Duration::from_micros(self.jitter_us),
            loss_ppm: self.loss_ppm,
            duplication_ppm: self.duplication_ppm,
            reordering_ppm: self.reordering_ppm,
            corruption_ppm: self.corruption_ppm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_from_a_seed_is_read_as_it_was_written() {
        let rule: TopologySpec = "torus:3x4".parse().unwrap();
        let scenario = Scenario::new(rule, None, 5).unwrap();
        let scenario =
            Scenario { costs: Costs::Mixed, ..scenario }.with_faults(120, Duration::from_secs(60));
        let text = scenario.write();
        assert_eq!(Scenario::read(&text).unwrap(), scenario);
        let bare = Scenario { rule: None, ..scenario };
        assert_eq!(Scenario::read(&bare.write()).unwrap(), bare);
        let with_edges = bare.with_edges(3).unwrap().with_faults(120, Duration::from_secs(60));
        let text = with_edges.write();
        assert_eq!(Scenario::read(&text).unwrap(), with_edges);
        assert!(text.contains("refilter") && text.contains("s05-isp2"), "{text}");
    }

    #[test]
    fn what_is_wrong_with_edges_is_said() {
        let read = |rest: &str| {
            let text = format!("topology = \"ring\"\nrouters = 4\n{rest}");
            Scenario::read(&text).unwrap_err().to_string()
        };
        assert_eq!(read("edges = 5"), "5 edges; there may be 4 here");
        let event = "\n[[event]]\nat_us = 1\nfault = \"refilter\"\nfilter = \"half\"\n";
        let text = read(&format!("edges = 1{event}router = \"s02\""));
        assert!(text.contains("event 1: only an edge") && text.contains("s02 is none"), "{text}");
        let full: TopologySpec = "mesh".parse().unwrap();
        let full = Scenario::new(full, Some(64), 1).unwrap().with_edges(1).unwrap_err();
        assert_eq!(full.to_string(), "s01 has a cable at every port, and none left for an uplink");
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said_with_its_place() {
        let error = |events: &str| {
            let text = format!("topology = \"ring\"\nrouters = 4\n{events}");
            Scenario::read(&text).unwrap_err().to_string()
        };
        let event = |rest: &str| error(&format!("[[event]]\nat_us = 1\n{rest}"));
        assert!(
            event("fault = \"melt\"").starts_with("line 3: event 1: `melt` is no fault; known")
        );
        assert!(
            event("fault = \"sillence\"").contains("no fault (did you mean `silence`?); known")
        );
        assert!(event("fault = \"cut\"").contains("needs `link`"));
        assert!(event("fault = \"cut\"\nlink = \"s01-s03\"").contains("no cable `s01-s03`"));
        assert!(event("fault = \"kill\"\nrouter = \"s09\"").contains("no server `s09`"));
        assert!(event("fault = \"detach\"\nlink = \"s01-s02\"").contains("needs `from`"));
        assert!(error("colour = 3").contains("colour"));
        assert_eq!(Scenario::read("seed = 1").unwrap_err(), ScenarioError::Shape);
        let cable = Scenario::read("seed = 1\ncables = [\"a\"]").unwrap_err().to_string();
        assert!(cable.starts_with("line 2: `a` is no cable"), "{cable}");
        let topology = Scenario::read("seed = 1\n\ntopology = \"rig\"").unwrap_err().to_string();
        assert!(topology.starts_with("line 3: "), "{topology}");
    }

    #[test]
    fn an_end_that_the_cable_does_not_have_is_answered_with_its_two() {
        let read = |from: &str| {
            let start = "topology = \"ring\"\nrouters = 6\n";
            let good = "[[event]]\nat_us = 1\nfault = \"cut\"\nlink = \"s03-s04\"\n";
            let event = "[[event]]\nat_us = 1\nfault = \"silence\"\nlink = \"s02-s01\"\n";
            Scenario::read(&format!("{start}{good}{event}from = \"{from}\""))
        };
        assert!(read("s02").is_ok());
        for wrong in ["s05", "s99", "x"] {
            let expected = format!(
                "line 7: event 2: `from` must be an end of s01-s02, s01 or s02; `{wrong}` is not"
            );
            assert_eq!(read(wrong).unwrap_err().to_string(), expected);
        }
    }
}
