//! `kumiki debug`: breaks things on purpose, to see what happens.
//!
//! Owns the command. A router obeys only when it was started with `--debug-commands`.

use crate::api::{ReplyBody, RequestBody, ShowQuery};
use crate::base::exit::Exit;
use crate::cli::client::{Client, ClientError};
use crate::cli::config::SocketArguments;
use crate::cli::output::emit;
use crate::cli::show::ask;
use clap::{Subcommand, ValueEnum};
use std::path::Path;
use std::time::{Duration, Instant};

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The control plane: it panics, and the next one goes on.
    Control,
}

/// `kumiki debug`.
#[derive(Clone, Debug, Subcommand)]
pub enum DebugCommand {
    /// Let a part of the router panic
    Panic {
        /// Which.
        part: Part,
        /// Control socket of the router.
        #[command(flatten)]
        socket: SocketArguments,
    },
}

/// Runs the command.
pub fn debug(command: &DebugCommand) -> Exit {
    let DebugCommand::Panic { part: Part::Control, socket } = command;
    let began = match fail(&socket.socket) {
        Ok(began) => began,
        Err(error) => return error.report(),
    };
    // Questions are answered in order: this one by the next control plane.
    match ask(&socket.socket, ShowQuery::Ospf) {
        Ok(_) => match emit(&sentence(began.elapsed())) {
            Ok(()) => Exit::Ok,
            Err(exit) => exit,
        },
        Err(error) => {
            eprintln!("kumiki: the control plane panicked, and no next one answers");
            error.report()
        }
    }
}

fn fail(socket: &Path) -> Result<Instant, ClientError> {
    let began = Instant::now();
    match Client::connect(socket)?.ask(RequestBody::DebugPanicControl)? {
        ReplyBody::Done => Ok(began),
        _ => Err(ClientError::Unexpected),
    }
}

fn sentence(took: Duration) -> String {
    format!(
        "the control plane panicked, and the next one answers after {} ms; workers forwarded on \
         meanwhile. `kumiki monitor` and the log say how its restart goes.\n",
        took.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_said_with_its_time() {
        let text = sentence(Duration::from_millis(12));
        assert!(text.contains("the next one answers after 12 ms; workers forwarded on"), "{text}");
    }
}
