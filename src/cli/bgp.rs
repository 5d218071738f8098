//! `kumiki bgp dump`: a table of BGP in a file that other people's tools read.
//!
//! Owns the command and how pages become records; the records are `wire::mrt`'s. The table is taken
//! page by page, so that neither end holds more of it than a page.
//!
//! *Invariants*: a file is written under another name and gets its own when it is whole.
//! Gap: the table goes on changing while it is taken; a dump is not of one moment.

use crate::api::request::{BgpTable, BgpTableQuery};
use crate::api::show::ShowReply;
use crate::api::show_bgp::{BgpSummaryRow, BgpTablePage, BgpTablePath};
use crate::api::{ReplyBody, RequestBody, ShowQuery};
use crate::base::cursor::Writer;
use crate::base::exit::Exit;
use crate::base::ids::RouterId;
use crate::cli::client::{Client, ClientError};
use crate::cli::config::SocketArguments;
use crate::cli::output::emit;
use crate::wire::bgp::NextHop;
use crate::wire::mrt::{self, MrtError, Path as MrtPath, Peer};
use clap::{Args, Subcommand, ValueEnum};
use core::net::Ipv6Addr;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `kumiki bgp`.
#[derive(Clone, Debug, Subcommand)]
pub enum BgpCommand {
    /// Write a table of the running router as an MRT file
    Dump(DumpArguments),
}

/// Which table, on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TableWord {
    /// What neighbours sent, before policies
    #[default]
    AdjRibIn,
    /// What the policies let in
    AdjRibInPost,
    /// The best path of each prefix
    LocRib,
}

/// `kumiki bgp dump`.
#[derive(Clone, Debug, Args)]
pub struct DumpArguments {
    /// File to write; compressed where it ends in .gz, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub mrt: PathBuf,
    /// Which table
    #[arg(long, value_enum, default_value_t)]
    pub table: TableWord,
    /// Control socket of the router.
    #[command(flatten)]
    pub socket: SocketArguments,
}

/// Why there is no dump.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    /// The router did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file cannot be written.
    #[error("cannot write {path}: {error}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// BGP is not configured.
    #[error("there is nothing to dump: the router has no [bgp] block")]
    NoBgp,
    /// The list of peers does not fit.
    #[error("{0}")]
    Form(#[from] MrtError),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    prefixes: u64,
    paths: u64,
    /// Paths of neighbours that came after the list of peers was made, or too long for the form.
    left_out: u64,
}

/// Runs the command.
pub fn bgp(command: &BgpCommand) -> Exit {
    let BgpCommand::Dump(arguments) = command;
    match dump(arguments) {
        Ok(tally) if arguments.mrt.as_os_str() == "-" => said(tally),
        Ok(tally) => {
            let file = arguments.mrt.display();
            let text = format!("{} prefixes, {} paths in {file}\n", tally.prefixes, tally.paths);
            emit(&text).map_or_else(|exit| exit, |()| said(tally))
        }
        Err(DumpError::Client(error)) => error.report(),
        Err(error) => {
            eprintln!("kumiki: {error}");
            Exit::Failed
        }
    }
}

fn said(tally: Tally) -> Exit {
    if tally.left_out > 0 {
        let count = tally.left_out;
        eprintln!("kumiki: {count} paths were left out: of neighbours that are new, or too long");
    }
    Exit::Ok
}

fn dump(arguments: &DumpArguments) -> Result<Tally, DumpError> {
    let mut client = Client::connect(&arguments.socket.socket)?;
    let ShowReply::Bgp(summary) = show(&mut client, ShowQuery::Bgp)? else {
        return Err(ClientError::Unexpected.into());
    };
    let table = match arguments.table {
        TableWord::AdjRibIn => BgpTable::AdjRibIn,
        TableWord::AdjRibInPost => BgpTable::AdjRibInPost,
        TableWord::LocRib => BgpTable::LocRib,
    };
    let mut dump = Dump::begin(&summary, (table, now_s()))?;
    let path = arguments.mrt.as_path();
    let unwritten = |error| DumpError::File { path: path.to_owned(), error };
    let mut output = Output::open(path).map_err(unwritten)?;
    output.write(&dump.take_octets()).map_err(unwritten)?;
    let mut from = Some(0);
    while let Some(at) = from {
        let query = ShowQuery::BgpTable(BgpTableQuery { table, from: at });
        let ShowReply::BgpTable(page) = show(&mut client, query)? else {
            return Err(ClientError::Unexpected.into());
        };
        dump.add(&page);
        output.write(&dump.take_octets()).map_err(unwritten)?;
        from = page.next;
    }
    output.finish().map_err(unwritten)?;
    Ok(dump.tally)
}

fn show(client: &mut Client, query: ShowQuery) -> Result<ShowReply, ClientError> {
    match client.ask(RequestBody::Show(query))? {
        ReplyBody::Show(reply) => Ok(*reply),
        _ => Err(ClientError::Unexpected),
    }
}

/// Seconds of UTC; RFC 6396 §2 has 32 bits for them.
fn now_s() -> u32 {
    let span = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// Records of a dump that is under way.
struct Dump {
    at_s: u32,
    sequence: u32,
    /// The place of each neighbour among the peers, by name.
    places: BTreeMap<String, u16>,
    writer: Writer,
    tally: Tally,
}

impl Dump {
    /// Writes who the peers are. The first one is this router, for what it announces itself.
    fn begin(row: &BgpSummaryRow, (table, at_s): (BgpTable, u32)) -> Result<Self, DumpError> {
        let (Some(asn), Some(router_id)) = (row.asn, row.router_id) else {
            return Err(DumpError::NoBgp);
        };
        let own = Peer { router_id, address: Ipv6Addr::UNSPECIFIED, asn };
        let others = row.neighbors.iter().map(|neighbor| Peer {
            router_id: neighbor.router_id.unwrap_or(RouterId(0)),
            address: neighbor.address.unwrap_or(Ipv6Addr::UNSPECIFIED),
            asn: neighbor.asn.unwrap_or(0),
        });
        let peers: Vec<Peer> = core::iter::once(own).chain(others).collect();
        let names = row.neighbors.iter().map(|neighbor| neighbor.name.clone());
        let view = match table {
            BgpTable::AdjRibIn => "adj-rib-in",
            BgpTable::AdjRibInPost => "adj-rib-in-post",
            BgpTable::LocRib => "loc-rib",
        };
        let mut writer = Writer::default();
        mrt::put_peers(&mut writer, at_s, (router_id, view), &peers)?;
        let places = names.zip(1..).collect();
        Ok(Self { at_s, sequence: 0, places, writer, tally: Tally::default() })
    }

    /// Writes what is in a page; the paths of a prefix stand one after the other.
    fn add(&mut self, page: &BgpTablePage) {
        for paths in page.paths.chunk_by(|one, other| one.prefix == other.prefix) {
            let Some(first) = paths.first() else { continue };
            let known: Vec<MrtPath<'_>> =
                paths.iter().filter_map(|path| self.record(path)).collect();
            let at = (self.at_s, self.sequence);
            match mrt::put_prefix(&mut self.writer, at, first.prefix, &known) {
                Ok(count) => {
                    self.sequence = self.sequence.wrapping_add(count);
                    self.tally.prefixes += u64::from(count > 0);
                    self.tally.paths += known.len() as u64;
                    self.tally.left_out += (paths.len() - known.len()) as u64;
                }
                Err(_) => self.tally.left_out += paths.len() as u64,
            }
        }
    }

    fn record<'p>(&self, path: &'p BgpTablePath) -> Option<MrtPath<'p>> {
        let peer = match &path.from {
            None => 0,
            Some(name) => *self.places.get(name)?,
        };
        let next_hop = NextHop { global: path.next_hop, link_local: path.link_local };
        let age_s = u32::try_from(path.age_s).unwrap_or(u32::MAX);
        Some(MrtPath {
            peer,
            path_id: path.path_id,
            since_s: self.at_s.saturating_sub(age_s),
            next_hop: Some(next_hop).filter(NextHop::is_valid),
            attributes: &path.attributes,
        })
    }

    fn take_octets(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.writer).into_vec()
    }
}

/// Where the records go.
enum Output {
    Stream(io::Stdout),
    Plain { file: BufWriter<File>, path: PathBuf },
    Packed { file: Box<flate2::write::GzEncoder<BufWriter<File>>>, path: PathBuf },
}

/// The name of a file that is not whole.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

impl Output {
    fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stream(io::stdout()));
        }
        let file = BufWriter::new(File::create(unfinished(path))?);
        let path = path.to_owned();
        if path.extension().is_none_or(|extension| extension != "gz") {
            return Ok(Self::Plain { file, path });
        }
        let file = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        Ok(Self::Packed { file: Box::new(file), path })
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(octets),
            Self::Plain { file, .. } => file.write_all(octets),
            Self::Packed { file, .. } => file.write_all(octets),
        }
    }

    fn finish(self) -> io::Result<()> {
        let path = match self {
            Self::Stream(mut stream) => return stream.flush(),
            Self::Plain { mut file, path } => {
                file.flush()?;
                path
            }
            Self::Packed { file, path } => {
                file.finish()?.flush()?;
                path
            }
        };
        fs::rename(unfinished(&path), path)
    }
}

#[cfg(test)]
mod tests;
