//! `kumiki debug`: breaks things on purpose, to see what happens.
//!
//! Owns the command. A router obeys only when it was started with `--debug-commands`.

use crate::api::{ReplyBody, RequestBody};
use crate::base::exit::Exit;
use crate::cli::client::{Client, ClientError};
use crate::cli::config::SocketArguments;
use clap::{Subcommand, ValueEnum};

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
    let asked = Client::connect(&socket.socket)
        .and_then(|mut client| client.ask(RequestBody::DebugPanicControl));
    match asked {
        Ok(ReplyBody::Done) => Exit::Ok,
        Ok(_) => ClientError::Unexpected.report(),
        Err(error) => error.report(),
    }
}
