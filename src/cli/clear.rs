//! `kumiki clear`: sessions of BGP begun anew, or their routes exchanged again; ports of tenants
//! that are blocked for a loop opened again.
//!
//! Owns the words, those of FRR among them, and what is said of the outcome. Who is meant and what
//! is done is the router's.
//!
//! *Invariants*: exit 0 only where everything that was asked of everybody who was named is on its
//! way.

use crate::api::request::{ClearBgp, ClearWhat};
use crate::api::show::ShowReply;
use crate::api::show_bgp::BgpCleared;
use crate::api::{ReplyBody, RequestBody};
use crate::base::exit::Exit;
use crate::cli::client::{Client, ClientError};
use crate::cli::config::SocketArguments;
use crate::cli::output::emit;
use clap::{Args, Subcommand, ValueEnum};

/// `kumiki clear`.
#[derive(Clone, Debug, Subcommand)]
pub enum ClearCommand {
    /// Sessions of BGP: end one and begin it anew, or exchange its routes again
    Bgp(ClearBgpArguments),
    /// Tenants: let ports forward again that are blocked for a loop
    Tenant(ClearTenantArguments),
}

/// `kumiki clear tenant`.
#[derive(Clone, Debug, Args)]
pub struct ClearTenantArguments {
    /// Name of the tenant, or `all`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Control socket of the router.
    #[command(flatten)]
    pub socket: SocketArguments,
}

/// `kumiki clear bgp`.
#[derive(Clone, Debug, Args)]
pub struct ClearBgpArguments {
    /// `neighbor NAME` with a name or an address, or `all`
    #[arg(required = true, num_args = 1.., value_name = "WORDS")]
    pub words: Vec<String>,
    /// Leave the session up; ask for all routes (in), announce all again (out), or both
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "both")]
    pub soft: Option<SoftWord>,
    /// Control socket of the router.
    #[command(flatten)]
    pub socket: SocketArguments,
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SoftWord {
    /// Ask the neighbour for all its routes (RFC 2918)
    In,
    /// Tell the neighbour all routes again
    Out,
    /// Both
    Both,
}

/// Words that name a part of BGP of which there is only one here, or lead to a name.
const LEADING_WORDS: &[&str] =
    &["ipv6", "unicast", "neighbor", "neighbors", "neighbour", "neighbours"];

/// Which requests a line of words makes.
fn requests(words: &[String], soft: Option<SoftWord>) -> Result<Vec<ClearBgp>, String> {
    let is_leading = |word: &&String| LEADING_WORDS.contains(&word.as_str());
    let leading = words.iter().take_while(is_leading).count();
    // A neighbour may have such a name.
    let leading = leading.min(words.len().saturating_sub(1));
    let mut rest = words.iter().skip(leading);
    let name = rest.next().ok_or("whose session? `kumiki clear bgp neighbor NAME`, or `all`")?;
    let mut soft = soft;
    for word in rest {
        soft = Some(match (word.as_str(), soft) {
            ("soft", soft) => soft.unwrap_or(SoftWord::Both),
            ("in", _) => SoftWord::In,
            ("out", _) => SoftWord::Out,
            (other, _) => return Err(format!("`{other}` is not known behind `{name}`")),
        });
    }
    let neighbor = (!["all", "*"].contains(&name.as_str())).then(|| name.clone());
    let whats: &[ClearWhat] = match soft {
        None => &[ClearWhat::Session],
        Some(SoftWord::In) => &[ClearWhat::In],
        Some(SoftWord::Out) => &[ClearWhat::Out],
        Some(SoftWord::Both) => &[ClearWhat::In, ClearWhat::Out],
    };
    Ok(whats.iter().map(|what| ClearBgp { neighbor: neighbor.clone(), what: *what }).collect())
}

/// Runs the command.
pub fn clear(command: &ClearCommand) -> Exit {
    match command {
        ClearCommand::Bgp(arguments) => clear_bgp(arguments),
        ClearCommand::Tenant(arguments) => clear_tenant(arguments),
    }
}

fn clear_tenant(arguments: &ClearTenantArguments) -> Exit {
    let name = Some(&arguments.name).filter(|name| *name != "all").cloned();
    let asked = Client::connect(&arguments.socket.socket)
        .and_then(|mut client| client.ask(RequestBody::ClearTenant { name }));
    let reply = match asked {
        Ok(ReplyBody::Show(reply)) => *reply,
        Ok(_) => return ClientError::Unexpected.report(),
        Err(error) => return error.report(),
    };
    match reply {
        ShowReply::TenantCleared(cleared) if !cleared.is_known => {
            eprintln!("kumiki: there is no tenant `{}`", arguments.name);
            Exit::Unknown
        }
        ShowReply::TenantCleared(cleared) => match emit(&super::show::tenant::cleared(cleared)) {
            Ok(()) => Exit::Ok,
            Err(failed) => failed,
        },
        _ => ClientError::Unexpected.report(),
    }
}

fn clear_bgp(arguments: &ClearBgpArguments) -> Exit {
    let asked = match requests(&arguments.words, arguments.soft) {
        Ok(asked) => asked,
        Err(sentence) => {
            eprintln!("kumiki: {sentence}");
            return Exit::Usage;
        }
    };
    let mut exit = Exit::Ok;
    for request in asked {
        let what = request.what;
        let cleared = match ask(arguments, request) {
            Ok(cleared) => cleared,
            Err(error) => return error.report(),
        };
        if let Some(refusal) = &cleared.refusal {
            eprintln!("kumiki: {refusal}");
            exit = Exit::Unknown;
            continue;
        }
        if let Err(failed) = emit(&done(&cleared, what)) {
            return failed;
        }
        let failed = sentences(&BgpCleared { refusal: None, ..cleared });
        if !failed.is_empty() {
            eprint!("{failed}");
            exit = Exit::Failed;
        }
    }
    exit
}

fn ask(arguments: &ClearBgpArguments, asked: ClearBgp) -> Result<BgpCleared, ClientError> {
    let mut client = Client::connect(&arguments.socket.socket)?;
    match client.ask(RequestBody::ClearBgp(asked))? {
        ReplyBody::Show(reply) => match *reply {
            ShowReply::BgpCleared(cleared) => Ok(cleared),
            _ => Err(ClientError::Unexpected),
        },
        _ => Err(ClientError::Unexpected),
    }
}

/// What is on its way, a line each.
fn done(cleared: &BgpCleared, what: ClearWhat) -> String {
    let what = match what {
        ClearWhat::Session => "its session begins anew",
        ClearWhat::In => "it is asked for all its routes",
        ClearWhat::Out => "it is told of all routes again",
    };
    let rows = cleared.neighbors.iter().filter(|row| row.problem.is_none());
    rows.map(|row| format!("{}: {what}\n", row.name)).collect()
}

/// What was not done and why, a line each.
pub fn sentences(cleared: &BgpCleared) -> String {
    let refusal = cleared.refusal.iter().map(|refusal| format!("kumiki: {refusal}\n"));
    let problem = |row: &crate::api::show_bgp::BgpClearedRow| {
        Some(format!("kumiki: {}: {}\n", row.name, row.problem.as_ref()?))
    };
    refusal.chain(cleared.neighbors.iter().filter_map(problem)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::show_bgp::BgpClearedRow;

    fn asked(line: &str, soft: Option<SoftWord>) -> Vec<(Option<String>, ClearWhat)> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let all = requests(&words, soft).unwrap();
        all.into_iter().map(|request| (request.neighbor, request.what)).collect()
    }

    #[test]
    fn words_of_frr_are_understood() {
        use ClearWhat::{In, Out, Session};
        let isp = || Some("isp".to_owned());
        assert_eq!(asked("neighbor isp", None), [(isp(), Session)]);
        assert_eq!(asked("isp", None), [(isp(), Session)]);
        assert_eq!(asked("ipv6 unicast isp soft in", None), [(isp(), In)]);
        assert_eq!(asked("* soft", None), [(None, In), (None, Out)]);
        assert_eq!(asked("neighbor all", Some(SoftWord::Out)), [(None, Out)]);
        assert_eq!(asked("neighbor", None), [(Some("neighbor".to_owned()), Session)]);
        let words = ["isp".to_owned(), "hard".to_owned()];
        assert_eq!(requests(&words, None).unwrap_err(), "`hard` is not known behind `isp`");
    }

    #[test]
    fn what_was_done_and_what_was_not_are_told_apart() {
        let row = |name: &str, problem: Option<&str>| BgpClearedRow {
            name: name.to_owned(),
            problem: problem.map(str::to_owned),
        };
        let neighbors = vec![row("isp", None), row("ixp", Some("its session is not up"))];
        let cleared = BgpCleared { refusal: None, neighbors };
        assert_eq!(done(&cleared, ClearWhat::In), "isp: it is asked for all its routes\n");
        assert_eq!(sentences(&cleared), "kumiki: ixp: its session is not up\n");
    }
}
