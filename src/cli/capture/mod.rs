//! `kumiki capture`: frames as they come, go or are dropped, to a file or a line each.
//!
//! Read [`pcapng`] (the file) and [`line`](mod@line) (the line). What is shown is chosen by the
//! router, so that nothing is copied that nobody wants; the filter is read here as well, because
//! its mistakes need no router. What this command shares with `kumiki trace` is in
//! [`crate::cli::watch`].

pub mod line;
pub mod pcapng;

use crate::api::watch::{Direction, PacketRow, WatchKind, WatchRequest};
use crate::api::{ReplyBody, WatchStart};
use crate::base::exit::Exit;
use crate::cli::capture::pcapng::CaptureFile;
use crate::cli::watch::{self, LookArguments};
use clap::Args;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Packets unless told otherwise.
const COUNT_DEFAULT: u64 = 10_000;

/// `kumiki capture`.
#[derive(Clone, Debug, Args)]
#[command(after_help = watch::FILTER_HELP)]
pub struct CaptureArguments {
    /// What is looked at
    #[command(flatten)]
    pub look: LookArguments,
    /// Packets that are dropped, with the reason, instead of those that come and go
    #[arg(long)]
    pub drops: bool,
    /// Write pcapng to this file, `-` for standard output, instead of a line for each packet
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    pub write: Option<PathBuf>,
    /// End after so many packets
    #[arg(short, long, default_value_t = COUNT_DEFAULT, value_name = "PACKETS",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub count: u64,
    /// End before there are more octets of frames
    #[arg(long, default_value_t = 100_000_000, value_name = "OCTETS")]
    pub bytes: u64,
    /// Octets of each frame
    #[arg(long, default_value_t = 9234, value_name = "OCTETS",
          value_parser = clap::value_parser!(u16).range(14..=9234))]
    pub snaplen: u16,
}

/// Runs the command.
pub fn capture(arguments: &CaptureArguments) -> Exit {
    let text = arguments.look.filter();
    let names_reason = match watch::read_filter(text) {
        Ok(names_reason) => names_reason,
        Err(exit) => return exit,
    };
    // Only what is dropped has a reason.
    let kind = match arguments.drops || names_reason {
        true => WatchKind::Drops,
        false => WatchKind::Traffic,
    };
    let request = WatchRequest {
        kind,
        port: arguments.look.port.clone(),
        filter: text.to_owned(),
        snap_octets: arguments.snaplen,
        packets_max: arguments.count,
        bytes_max: arguments.bytes,
        time_ms_max: arguments.look.time_ms(),
    };
    let mut sink = Sink::Closed;
    let result = watch::run(&arguments.look.socket, request, |body| match body {
        ReplyBody::WatchStarted(start) => {
            sink = Sink::open(arguments, start)?;
            Ok(())
        }
        ReplyBody::Packet(row) => sink.write(row),
        _ => Ok(()),
    });
    watch::end(result, sink.finish())
}

/// Where packets go.
enum Sink {
    Closed,
    Lines,
    Json,
    /// A file, and whether somebody reads it while it grows.
    File(CaptureFile<Box<dyn Write>>, bool),
}

impl Sink {
    fn open(arguments: &CaptureArguments, start: &WatchStart) -> io::Result<Self> {
        let Some(path) = &arguments.write else {
            return Ok(if arguments.look.json { Self::Json } else { Self::Lines });
        };
        let is_stdout = path == Path::new("-");
        let output: Box<dyn Write> = match is_stdout {
            true => Box::new(io::stdout()),
            false => Box::new(File::create(path).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
            })?),
        };
        let output: Box<dyn Write> = Box::new(BufWriter::new(output));
        let file = CaptureFile::create(output, &start.router, arguments.snaplen, &start.ports)?;
        Ok(Self::File(file, is_stdout))
    }

    fn write(&mut self, row: &PacketRow) -> io::Result<()> {
        match self {
            Self::Closed => Ok(()),
            Self::Lines => watch::print(&line::line(row)),
            Self::Json => watch::print(&watch::json(row, "kumiki.packet/1")?),
            Self::File(file, is_read) => {
                file.write(row)?;
                if *is_read { file.flush() } else { Ok(()) }
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::File(mut file, _) => file.flush(),
            Self::Closed | Self::Lines | Self::Json => Ok(()),
        }
    }
}

impl Direction {
    /// The bits of `epb_flags` (draft-ietf-opsawg-pcapng §4.3.1), where there are any.
    const fn flags(self) -> Option<u32> {
        match self {
            Self::In => Some(1),
            Self::Out => Some(2),
            Self::Drop => None,
        }
    }
}
