//! `kumiki show`: every state, as a table for people and as JSON for programs.
//!
//! Read [`words`] (what can be asked), then one file a table: [`version`], [`port`], [`neighbor`],
//! [`ospf`], [`bfd`], [`bgp`], [`bgp_neighbor`],
//! [`bgp_exchange`], [`bmp`], [`rpki`], [`tenant`] (segments, tunnels and MACs), [`route`] (RIB
//! and FIB), [`runtime`], [`mempool`], [`errors`], [`config`]. [`look`] has columns and colours,
//! [`narrow`] picks one port or route, [`json`] is the form for programs.
//!
//! Rows come in, text goes out; only [`show`] talks to the router and the terminal.

pub mod bfd;
pub mod bgp;
pub mod bgp_exchange;
pub mod bgp_neighbor;
pub mod bmp;
pub mod config;
pub mod errors;
pub mod json;
pub mod look;
pub mod mempool;
pub mod narrow;
pub mod neighbor;
pub mod ospf;
pub mod port;
pub mod route;
pub mod rpki;
pub mod runtime;
pub mod tenant;
pub mod version;
pub mod words;

use crate::api::show::ShowReply;
use crate::api::{ReplyBody, RequestBody, ShowQuery};
use crate::base::exit::Exit;
use crate::cli::client::{Client, ClientError, SOCKET_DEFAULT};
use crate::cli::output::emit;
use clap::Args;
use look::Look;
use narrow::Narrow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use words::ShowWords;

/// `kumiki show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArguments {
    /// What to show.
    #[command(subcommand)]
    pub words: ShowWords,
    /// JSON, with a `schema` and `rows`
    #[arg(short = 'j', long, global = true)]
    pub json: bool,
    /// Everything that is known of each row
    #[arg(long, global = true)]
    pub detail: bool,
    /// Again every so many seconds
    #[arg(long, global = true, value_name = "SECONDS", num_args = 0..=1,
          default_missing_value = "2",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub watch: Option<u32>,
    /// Control socket of the router
    #[arg(long, global = true, env = "KUMIKI_SOCKET", default_value = SOCKET_DEFAULT,
          value_name = "PATH")]
    pub socket: PathBuf,
}

/// Runs the command.
pub fn show(arguments: &ShowArguments) -> Exit {
    let query = arguments.words.query();
    let narrow = arguments.words.narrow();
    // Who names one wants to know all of it.
    let is_named = match query {
        ShowQuery::BgpNeighbor => narrow.neighbor.is_some(),
        ShowQuery::Tenant => narrow.tenant.is_some(),
        ShowQuery::L2tpv3 => narrow.session.is_some(),
        _ => false,
    };
    let look = Look { has_detail: arguments.detail || is_named, ..Look::of_terminal() };
    loop {
        let answer = ask_all(&arguments.socket, &query, &narrow).map(|mut reply| {
            narrow.pick(&mut reply);
            reply
        });
        let stranger =
            answer.as_ref().ok().and_then(|reply| stranger(&arguments.socket, &narrow, reply));
        let is_stranger = stranger.is_some();
        let missing =
            stranger.or_else(|| answer.as_ref().ok().and_then(|reply| narrow.missing(reply)));
        let text = match answer {
            // An empty list would say that there is a session and nothing goes over it.
            Ok(_) if arguments.json && is_stranger => String::new(),
            Ok(reply) if arguments.json => json::text(&reply, arguments.watch.is_none()),
            Ok(reply) => missing.as_ref().map_or_else(|| table(&reply, look), |_| String::new()),
            // Who watches a router wants to see it come back.
            Err(error @ ClientError::Unreachable { .. })
                if arguments.watch.is_some() && !arguments.json =>
            {
                format!("{error}\n")
            }
            Err(error) => return error.report(),
        };
        let is_cleared = arguments.watch.is_some() && !arguments.json && look.width.is_some();
        let text = if is_cleared { format!("\x1b[H\x1b[2J{text}") } else { text };
        if let Err(exit) = emit(&text) {
            return exit;
        }
        if let Some(sentence) = &missing {
            eprintln!("kumiki: {sentence}");
        }
        let Some(seconds) = arguments.watch else {
            return if missing.is_some() { Exit::Failed } else { Exit::Ok };
        };
        std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    }
}

/// Why a BGP neighbour was named and nothing is exchanged with it, where it is not the routes.
fn stranger(socket: &Path, narrow: &Narrow, reply: &ShowReply) -> Option<String> {
    let is_empty = match reply {
        ShowReply::BgpAdvertised(rows) => rows.is_empty(),
        ShowReply::BgpReceived(rows) => rows.is_empty(),
        ShowReply::BgpNeighbor(rows) => rows.is_empty(),
        _ => false,
    };
    let name = narrow.neighbor.as_deref().filter(|_| is_empty)?;
    match ask(socket, ShowQuery::BgpNeighbor) {
        Ok(ShowReply::BgpNeighbor(rows)) => bgp::why_silent(name, &rows),
        _ => None,
    }
}

/// Asks a router what a line of words means, in several questions where the answer has pages that
/// the client puts together.
fn ask_all(socket: &Path, query: &ShowQuery, narrow: &Narrow) -> Result<ShowReply, ClientError> {
    match query {
        ShowQuery::BridgeMac(_) => {
            let page = tenant::macs(socket, narrow.tenant.as_deref())?;
            // Without such a tenant the answer is that there is none.
            Ok(page.map_or_else(|| ShowReply::Tenant(Vec::new()), ShowReply::BridgeMac))
        }
        _ => ask(socket, query.clone()),
    }
}

/// Asks a router one thing.
pub fn ask(socket: &Path, query: ShowQuery) -> Result<ShowReply, ClientError> {
    match Client::connect(socket)?.ask(RequestBody::Show(query))? {
        ReplyBody::Show(reply) => Ok(*reply),
        _ => Err(ClientError::Unexpected),
    }
}

/// A reply for people.
pub fn table(reply: &ShowReply, look: Look) -> String {
    match reply {
        ShowReply::Version(row) => version::table(row, look),
        ShowReply::Port(rows) => port::table(rows, look),
        ShowReply::Neighbor(rows) => neighbor::table(rows, look),
        ShowReply::Ospf(row) => ospf::summary(row, look),
        ShowReply::OspfNeighbor(rows) => ospf::neighbor_table(rows, look),
        ShowReply::OspfInterface(rows) => ospf::interface_table(rows, look),
        ShowReply::OspfDatabase(rows) => ospf::database_table(rows, look),
        ShowReply::OspfRoute(rows) => ospf::route_table(rows, look),
        ShowReply::OspfRepair(repairs) => ospf::repair_table(repairs, look),
        ShowReply::SelfCheck(row) => super::verify::sentence(row),
        ShowReply::OspfSpf(row) => ospf::spf_table(row, look),
        ShowReply::Bfd(rows) => bfd::table(rows, look),
        ShowReply::Bgp(row) => bgp::summary(row, look),
        ShowReply::BgpNeighbor(rows) => bgp::neighbor_table(rows, look),
        ShowReply::BgpRoute(rows) => bgp::route_table(rows, look),
        ShowReply::BgpAdvertised(rows) => bgp_exchange::advertised_table(rows, look),
        ShowReply::BgpReceived(rows) => bgp_exchange::received_table(rows, look),
        ShowReply::BgpPolicy(rows) => bgp_exchange::policy_text(rows, look),
        ShowReply::BgpCleared(cleared) => super::clear::sentences(cleared),
        ShowReply::BgpTable(page) => format!("{} paths.\n", page.paths.len()),
        ShowReply::Tenant(rows) => tenant::table(rows, look),
        ShowReply::L2tpv3(rows) => tenant::pseudowire_table(rows, look),
        ShowReply::BridgeMac(page) => tenant::mac_table(page, look),
        ShowReply::TenantCleared(cleared) => tenant::cleared(*cleared),
        ShowReply::Bmp(rows) => bmp::table(rows, look),
        ShowReply::Rpki(row) => rpki::summary(row, look),
        ShowReply::RpkiVrp(rows) => rpki::vrp_table(rows, look),
        ShowReply::RpkiPrefix(row) => rpki::prefix_table(row, look),
        ShowReply::Route(rows) => route::rib_table(rows, look),
        ShowReply::Fib(rows) => route::fib_table(rows, look),
        ShowReply::Runtime(rows) => runtime::table(rows, look),
        ShowReply::Mempool(rows) => mempool::table(rows, look),
        ShowReply::Errors(rows) => errors::table(rows, look),
        ShowReply::Config(row) => config::text(row),
    }
}

#[cfg(test)]
mod tests;
