//! What the commands do to a lab that runs: break, mend, kill, start, ask, end.
//!
//! *Invariants*: every name on the command line is checked before the first thing changes. What
//! changes a lab holds its lock from reading the state to writing it, and hears ctrl-C only between
//! one cable or router and the next.

use crate::lab::cleanup;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::fault::{FaultError, parse_cable, parse_server};
use crate::lab::layout;
use crate::lab::lock::{LabLock, say_and_wait};
use crate::lab::ping::{HostPair, Pinger, pairs_of};
use crate::lab::report::PingReport;
use crate::lab::scenario;
use crate::lab::session::{Narration, Session, complain, say};
use crate::lab::site::Site;
use crate::lab::state::{CableStatus, Driver, LabDirectory, LabState};
use crate::os::namespace::{Namespace, join_user_namespace, mount_own_sys};
use crate::planner::{Topology, server_name};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Tells a program where it runs, so that `kumiki` there can say what to do about a dead router.
const LAB_PLACE: &str = "KUMIKI_LAB_PLACE";
/// Tells it the name of the lab.
const LAB_NAME: &str = "KUMIKI_LAB_NAME";

/// How long one echo of `lab ping` may take.
const ECHO_WAIT: Duration = Duration::from_secs(1);

/// Opens a lab that another command started, to look at it.
pub fn open(name: &str) -> Result<Lab, LabError> {
    let directory = LabDirectory::of(name);
    let state = load_and_enter(name, &directory)?;
    Lab::open(directory, state)
}

/// Opens a lab to change it, when no other command does so any more.
fn open_to_change(name: &str) -> Result<Lab, LabError> {
    let lock = LabLock::take(&LabDirectory::of(name), &mut say_and_wait(name))?;
    let lock = lock.ok_or_else(|| LabError::NotRunning(name.to_owned()))?;
    let state = load_and_enter(name, lock.directory())?;
    Lab::open_locked(lock, state)
}

/// Reads the state of a lab and enters its user namespace, if it has one.
fn load_and_enter(name: &str, directory: &LabDirectory) -> Result<LabState, LabError> {
    let not_running = || LabError::NotRunning(name.to_owned());
    let state = directory.load()?.ok_or_else(not_running)?;
    if let Some(holder) = state.holder {
        if !holder.is_alive() {
            return Err(not_running());
        }
        join_user_namespace(holder.pid)?;
    }
    Ok(state)
}

/// The numbers of cables by their names.
fn cable_numbers(lab: &Lab, names: &[String]) -> Result<Vec<usize>, LabError> {
    let numbers: Result<Vec<usize>, FaultError> = match Site::of(lab) {
        Some(site) => names.iter().map(|name| site.parse_cable(name)).collect(),
        None => {
            let cables = lab.state.cables.iter().map(|cable| cable.ends).collect();
            let topology = Topology::new(lab.server_count(), cables)?;
            names.iter().map(|name| parse_cable(name, &topology)).collect()
        }
    };
    Ok(numbers?)
}

/// Ends the lab.
pub fn down(name: &str) -> Result<u8, LabError> {
    let directory = LabDirectory::of(name);
    if !directory.is_lab() {
        return Err(LabError::NotRunning(name.to_owned()));
    }
    cleanup::end_from_outside(&directory, &mut say_and_wait(name))?;
    say(format_args!("lab {name} ended"));
    Ok(0)
}

/// Cuts, silences or mends the named cables.
pub fn set_cables(name: &str, cables: &[String], status: CableStatus) -> Result<u8, LabError> {
    let mut lab = open_to_change(name)?;
    let cables = cable_numbers(&lab, cables)?;
    check_breakable(lab.state.driver)?;
    set_each(&mut lab, cables, status)
}

fn set_each(lab: &mut Lab, cables: Vec<usize>, status: CableStatus) -> Result<u8, LabError> {
    let word = match status {
        CableStatus::Connected => "connected",
        CableStatus::Cut => "cut",
        CableStatus::Silent => "silent",
    };
    change_each(lab, cables, |lab, _, cable| {
        lab.set_cable(cable, status)?;
        let name = layout::cable_name(lab.state.cables[cable].ends);
        say(format_args!("cable {name} is {word}"));
        Ok(())
    })
}

/// Changes one thing after the other, unless ctrl-C comes in between.
fn change_each(
    lab: &mut Lab,
    things: Vec<usize>,
    mut change: impl FnMut(&mut Lab, &Session, usize) -> Result<(), LabError>,
) -> Result<u8, LabError> {
    let session = Session::start(Narration::Error)?;
    let result = things.into_iter().try_for_each(|thing| {
        session.check()?;
        change(lab, &session, thing)
    });
    session.finish();
    result.map(|()| 0)
}

/// A memif cable is memory shared by two processes: nothing between them can be cut.
pub fn check_breakable(driver: Driver) -> Result<(), LabError> {
    match driver {
        Driver::Memif => Err(LabError::Driver {
            driver: "memif",
            reason: "its cables are shared memory and cannot be cut; `lab kill` a router instead"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Mends the named cables, or all.
pub fn heal(name: &str, cables: &[String]) -> Result<u8, LabError> {
    if !cables.is_empty() {
        return set_cables(name, cables, CableStatus::Connected);
    }
    let mut lab = open_to_change(name)?;
    let cables = lab.state.cables.iter().enumerate();
    let broken = cables.filter(|(_, cable)| cable.status != CableStatus::Connected);
    let broken: Vec<usize> = broken.map(|(number, _)| number).collect();
    if broken.is_empty() {
        say("no cable is broken");
    }
    set_each(&mut lab, broken, CableStatus::Connected)
}

/// Kills the named routers.
pub fn kill(name: &str, servers: &[String]) -> Result<u8, LabError> {
    let mut lab = open_to_change(name)?;
    let count = lab.server_count();
    let servers =
        servers.iter().map(|server| parse_server(server, count)).collect::<Result<Vec<_>, _>>()?;
    let (running, dead): (Vec<usize>, _) =
        servers.into_iter().partition(|server| lab.is_running(*server));
    for server in &dead {
        complain(format_args!("kumiki lab: {} does not run", server_name(*server)));
    }
    let code = change_each(&mut lab, running, |lab, _, server| {
        lab.kill(server)?;
        say(format_args!("{} is killed", server_name(server)));
        Ok(())
    })?;
    Ok(code.max(u8::from(!dead.is_empty())))
}

/// Starts the named routers, or all that do not run.
pub fn start(name: &str, servers: &[String]) -> Result<u8, LabError> {
    let mut lab = open_to_change(name)?;
    let count = lab.server_count();
    let servers: Vec<usize> = match servers {
        [] => (0..count).filter(|server| !lab.is_running(*server)).collect(),
        named => {
            named.iter().map(|server| parse_server(server, count)).collect::<Result<Vec<_>, _>>()?
        }
    };
    if servers.is_empty() {
        say("every router runs");
    }
    change_each(&mut lab, servers, |lab, session, server| {
        lab.start(session, server)?;
        say(format_args!("{} runs", server_name(server)));
        Ok(())
    })
}

/// Becomes a program in a namespace of the lab: a shell that runs there has the terminal, with
/// ctrl-C and all, to itself. On a server, `kumiki show` asks the router there.
pub fn exec(name: &str, place: &str, words: &[String]) -> Result<u8, LabError> {
    let lab = open(name)?;
    let path = lab.directory.namespace(place);
    if !path.exists() {
        let last = server_name(lab.server_count() - 1);
        return Err(LabError::Name {
            given: place.to_owned(),
            expected: format!(
                "no place of this lab; use s01 to {last}, h01 …, fabric, or isp where there is one"
            ),
        });
    }
    let namespace = Namespace::open(&path)?;
    let Some((program, arguments)) = words.split_first() else { return Ok(2) };
    let mut command = Command::new(program);
    command.args(arguments);
    namespace.start_inside(&mut command);
    mount_own_sys(&mut command);
    command.env(LAB_PLACE, place).env(LAB_NAME, name);
    if let Ok(server) = parse_server(place, lab.server_count()) {
        command.env("KUMIKI_SOCKET", lab.directory.socket(server));
    }
    // It comes back only when it could not.
    let source = command.exec();
    Err(LabError::Start { program: program.into(), source, hint: "" })
}

/// Who asks and who answers: all hosts, where none is named.
#[derive(Clone, Debug, Default)]
pub struct Pinged {
    /// Host that asks.
    pub from: Option<String>,
    /// Host that answers.
    pub to: Option<String>,
}

impl Pinged {
    fn pairs(&self, count: usize) -> Result<Vec<HostPair>, LabError> {
        let host =
            |name: &Option<String>| name.as_deref().map(|name| parse_host(name, count)).transpose();
        let (from, to) = (host(&self.from)?, host(&self.to)?);
        if let (Some(from), Some(to)) = (from, to) {
            return Ok(vec![(from, to)]);
        }
        Ok(pairs_of(count, |asks, _| from.is_none_or(|from| from == asks)))
    }
}

/// Echoes between hosts; returns 0 when everybody answered.
pub fn ping(name: &str, pinged: &Pinged, sizes: &[usize]) -> Result<u8, LabError> {
    let lab = open(name)?;
    let pairs = pinged.pairs(lab.server_count())?;
    let defaults = [scenario::SMALL_PING_OCTETS, scenario::large_ping_octets(&lab)];
    let sizes = if sizes.is_empty() { &defaults } else { sizes };
    let mut pinger = Pinger::open(&lab)?;
    let mut is_complete = true;
    for &octets in sizes {
        let round = pinger.round(&pairs, octets, ECHO_WAIT);
        say(PingReport::new(octets, pairs.len(), &round).sentence());
        for (from, to) in &round.missing {
            let (from, to) = (layout::host_name(*from), layout::host_name(*to));
            say(format_args!("  {from} gets no answer from {to}"));
        }
        is_complete &= round.is_complete();
    }
    Ok(u8::from(!is_complete))
}

/// Hosts are called h01 and, for convenience, by their server's name.
fn parse_host(text: &str, count: usize) -> Result<usize, LabError> {
    let as_server = match text.strip_prefix('h') {
        Some(number) => format!("s{number}"),
        None => text.to_owned(),
    };
    let unknown = |_| FaultError::Host(text.to_owned(), count);
    Ok(parse_server(&as_server, count).map_err(unknown)?)
}

/// Ends every lab of this user. One that cannot be ended keeps no other from it.
pub fn down_all() -> Result<u8, LabError> {
    let mut result = Ok(0);
    for (name, directory) in LabDirectory::all() {
        let ended = cleanup::end_from_outside(&directory, &mut say_and_wait(&name));
        result = result.and(ended.map(|()| 0));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_named_alone_asks_all_others() {
        let pairs = |from: Option<&str>, to: Option<&str>| {
            Pinged { from: from.map(str::to_owned), to: to.map(str::to_owned) }.pairs(3)
        };
        assert_eq!(pairs(None, None).unwrap().len(), 6);
        assert_eq!(pairs(Some("h02"), None).unwrap(), [(1, 0), (1, 2)]);
        assert_eq!(pairs(Some("h02"), Some("s01")).unwrap(), [(1, 0)]);
        let error = pairs(Some("h04"), None).unwrap_err().to_string();
        assert_eq!(error, "there is no host h04; they are h01 to h03");
    }
}
