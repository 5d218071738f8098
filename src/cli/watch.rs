//! What `kumiki capture` and `kumiki trace` share: what is looked at, the stream, its end.
//!
//! Owns [`LookArguments`], the text about filters and [`run`]. Ctrl-C ends the stream in order: the
//! router says how much was lost, files are whole. A second one ends the command at once.

use crate::api::watch::TIME_MS_MAX;
use crate::api::{ReplyBody, WatchEnd, WatchRequest};
use crate::base::exit::Exit;
use crate::cli::client::{Client, ClientError, SOCKET_DEFAULT};
use crate::filter::expression::{Expression, Test};
use crate::filter::{self, Filter};
use clap::Args;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What a shell gives for a command that ctrl-c ended.
const INTERRUPTED: i32 = 130;

/// What a filter may say.
pub const FILTER_HELP: &str = "\
A filter is made of these tests, with `and`, `or`, `not` and parentheses:
  host ADDRESS, src ADDRESS, dst ADDRESS        an address
  net PREFIX, src net PREFIX, dst net PREFIX    an address in a prefix
  port N, src port N, dst port N                a port of TCP, UDP or SCTP
  icmp6, tcp, udp, ospf, l2tp, sctp, proto N    the protocol behind the extension headers
  ether host MAC, ether src MAC, ether dst MAC  a MAC
  vlan, vlan N                                  any tag, or this one
  len > N                                       octets of the frame; also < <= = != >=
  reason NAME                                   why it was dropped, as `show errors --all` names it
For example: --filter 'udp and not port 53 and net 2001:db8::/32'";

/// What is looked at.
#[derive(Clone, Debug, Args)]
pub struct LookArguments {
    /// Only this port
    #[arg(short, long)]
    pub port: Option<String>,
    /// Only packets that this filter lets through, see below
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// End after this time
    #[arg(long, default_value_t = 3600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=TIME_MS_MAX / 1000))]
    pub seconds: u64,
    /// One JSON object a line
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Control socket of the router
    #[arg(long, env = "KUMIKI_SOCKET", default_value = SOCKET_DEFAULT, value_name = "PATH")]
    pub socket: PathBuf,
}

impl LookArguments {
    /// The text of the filter.
    pub fn filter(&self) -> &str {
        self.filter.as_deref().unwrap_or("")
    }

    /// The longest time.
    pub const fn time_ms(&self) -> u64 {
        self.seconds * 1000
    }
}

/// Reads a filter; says whether it names reasons to drop, or prints what is wrong with it.
pub fn read_filter(text: &str) -> Result<bool, Exit> {
    let expression = filter::parse(text).map_err(|error| {
        eprintln!("kumiki: {error}");
        Exit::Usage
    })?;
    let filter =
        expression.as_ref().map_or_else(Filter::everything, |e: &Expression| Filter::new(e));
    Ok(filter.tests().any(|test| matches!(test, Test::Reason(_))))
}

/// Asks for packets and hands each reply to `consume`, until the router or the user ends it.
pub fn run(
    socket: &Path,
    request: WatchRequest,
    consume: impl FnMut(&ReplyBody) -> io::Result<()>,
) -> Result<WatchEnd, ClientError> {
    let client = Client::connect(socket)?;
    end_on_signal(client.connection()?)?;
    client.watch(request, consume)
}

/// Has ctrl-c close our direction of the connection, upon which the router ends the stream.
fn end_on_signal(connection: UnixStream) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            // Where the router has gone there is nothing to be closed.
            let _ = connection.shutdown(Shutdown::Write);
        }
        if signals.next().is_some() {
            std::process::exit(INTERRUPTED);
        }
    })?;
    Ok(())
}

/// Says how it ended; `output` is how writing did.
pub fn end(result: Result<WatchEnd, ClientError>, output: io::Result<()>) -> Exit {
    let result = result.and_then(|end| output.map(|()| end).map_err(ClientError::Output));
    match result {
        Ok(end) => {
            let lost = match end.lost_count {
                0 => String::new(),
                lost => format!(", {lost} not shown because reading them took too long"),
            };
            let (count, why) = (end.packet_count, end.reason.text());
            let noun = if count == 1 { "packet" } else { "packets" };
            eprintln!("{count} {noun}{lost}; {why}");
            Exit::Ok
        }
        // Who closes the pipe has seen enough.
        Err(ClientError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(ClientError::Closed) => {
            eprintln!("kumiki: the router has ended");
            Exit::Unreachable
        }
        Err(error) => error.report(),
    }
}

/// Prints a line at once.
pub fn print(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// A row as one JSON object that names its schema.
pub fn json<T: Serialize>(row: &T, schema: &str) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(row)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("schema".to_owned(), schema.into());
    }
    serde_json::to_string(&value)
}
