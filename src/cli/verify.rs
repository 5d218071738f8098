//! `kumiki verify`: whether a router forwards as it believes.
//!
//! Owns the command and its sentence; what is compared is the router's business.

use crate::api::ShowQuery;
use crate::api::show::{SelfCheckRow, ShowReply};
use crate::base::exit::Exit;
use crate::cli::client::{ClientError, SOCKET_DEFAULT};
use crate::cli::output::emit;
use crate::cli::show::ask;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `kumiki verify`.
#[derive(Clone, Debug, Subcommand)]
pub enum VerifyCommand {
    /// Compare database, routes, table and forwarding, and set right what differs
    #[command(name = "self")]
    Itself(VerifyArguments),
}

/// The words of `kumiki verify self`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArguments {
    /// JSON, with what was found
    #[arg(short = 'j', long)]
    pub json: bool,
    /// Control socket of the router
    #[arg(long, env = "KUMIKI_SOCKET", default_value = SOCKET_DEFAULT, value_name = "PATH")]
    pub socket: PathBuf,
}

/// Runs the command; fails where something was wrong, although it is set right by then.
pub fn verify(command: &VerifyCommand) -> Exit {
    let VerifyCommand::Itself(arguments) = command;
    let row = match ask(&arguments.socket, ShowQuery::SelfCheck) {
        Ok(ShowReply::SelfCheck(row)) => row,
        Ok(_) => return ClientError::Unexpected.report(),
        Err(error) => return error.report(),
    };
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&row).map(|text| text + "\n"),
        false => Ok(sentence(&row)),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => return ClientError::Syntax(error).report(),
    };
    match emit(&text) {
        Err(exit) => exit,
        Ok(()) if !row.is_complete || row.wrong_count() > 0 => Exit::Failed,
        Ok(()) => Exit::Ok,
    }
}

/// What was found, in words.
pub fn sentence(row: &SelfCheckRow) -> String {
    if !row.is_complete {
        return "nothing was compared: routes are changing; try again\n".to_owned();
    }
    let Some(first) = row.first_wrong.filter(|_| row.wrong_count() > 0) else {
        let count = row.prefix_count;
        return format!("{count} prefixes: database, routes, table and forwarding agree\n");
    };
    format!(
        "of {} prefixes {} had a wrong route, {} were wrong in the table, {} in forwarding; the \
         first is {first}. They are set right; the log has the time, please report it\n",
        row.prefix_count, row.wrong_route_count, row.wrong_table_count, row.wrong_forwarding_count,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrong_is_said_with_the_first_prefix() {
        let agreed = SelfCheckRow { is_complete: true, prefix_count: 9, ..SelfCheckRow::default() };
        assert!(sentence(&agreed).starts_with("9 prefixes: database,"));
        let first_wrong = Some("fd00::1/128".parse().unwrap());
        let wrong = SelfCheckRow { wrong_table_count: 2, first_wrong, ..agreed };
        assert!(sentence(&wrong).contains("2 were wrong in the table"));
        assert!(sentence(&wrong).contains("the first is fd00::1/128"));
        assert!(sentence(&SelfCheckRow::default()).contains("try again"));
    }
}
