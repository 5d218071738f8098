//! `kumiki config`: check, diff, apply and schema.
//!
//! Owns the commands; what is right is decided by `config`, what runs and what would change by the
//! router: it alone knows the name and number that it was started with.

use crate::api::show::ShowReply;
use crate::api::{ReplyBody, RequestBody, ShowQuery};
use crate::base::exit::Exit;
use crate::cli::arguments::host_name;
use crate::cli::client::{Client, ClientError, SOCKET_DEFAULT};
use crate::cli::files::{load_text, warnings};
use crate::cli::output::emit;
use crate::cli::run::IdentityArguments;
use crate::cli::show::{ask, look::Look};
use crate::config::{Advice, Config, ConfigErrors, Overrides, document};
use clap::{Args, Subcommand};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// `kumiki config`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a file is right, and if not, where and what would be (exit 0 or 78)
    Check(CheckArguments),
    /// Say what applying a file would change
    Diff(FileArguments),
    /// Let the router run a file from now on; what did not change is left alone
    Apply(FileArguments),
    /// Every key with type, default, unit and reason
    Schema {
        /// JSON instead of Markdown
        #[arg(short = 'j', long)]
        json: bool,
    },
    /// The configuration that runs, with defaults
    Show {
        /// Control socket of the router.
        #[command(flatten)]
        socket: SocketArguments,
    },
}

/// Which router.
#[derive(Clone, Debug, Args)]
pub struct SocketArguments {
    /// Control socket of the router
    #[arg(long, env = "KUMIKI_SOCKET", default_value = SOCKET_DEFAULT, value_name = "PATH")]
    pub socket: PathBuf,
}

/// `kumiki config check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArguments {
    /// Configuration file
    pub file: PathBuf,
    /// Name and number.
    #[command(flatten)]
    pub identity: IdentityArguments,
    /// JSON, with a list of problems
    #[arg(short = 'j', long)]
    pub json: bool,
}

/// `kumiki config diff` and `apply`.
#[derive(Clone, Debug, Args)]
pub struct FileArguments {
    /// Configuration file
    pub file: PathBuf,
    /// Control socket of the router.
    #[command(flatten)]
    pub socket: SocketArguments,
}

/// Runs the command.
pub fn config(command: &ConfigCommand) -> Exit {
    let result = match command {
        ConfigCommand::Check(arguments) => return check(arguments),
        ConfigCommand::Schema { json } => {
            let text = if *json { document::json() } else { document::markdown() };
            Ok(text)
        }
        ConfigCommand::Diff(arguments) => diff(arguments),
        ConfigCommand::Apply(arguments) => {
            return apply(arguments).unwrap_or_else(|failure| failure.report());
        }
        ConfigCommand::Show { socket } => running(&socket.socket),
    };
    match result {
        Ok(text) => emit(&text).err().unwrap_or(Exit::Ok),
        Err(failure) => failure.report(),
    }
}

/// Why a command was not done.
#[derive(Debug)]
enum Failure {
    File(PathBuf, io::Error),
    Config(ConfigErrors),
    Client(ClientError),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

impl Failure {
    fn report(&self) -> Exit {
        match self {
            Self::File(path, error) => {
                eprintln!("kumiki: cannot read {}: {error}", path.display());
                match error.kind() {
                    io::ErrorKind::PermissionDenied => Exit::Permission,
                    _ => Exit::Configuration,
                }
            }
            Self::Config(errors) => {
                eprintln!("{}", for_people(errors));
                Exit::Configuration
            }
            Self::Client(error) => error.report(),
        }
    }
}

/// Errors for standard error as it is.
pub fn for_people(errors: &ConfigErrors) -> String {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match io::stderr().is_terminal() && !no_color {
        true => errors.coloured(),
        false => errors.plain(),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::File(file.to_owned(), error))
}

/// `kumiki config check`, and `kumiki run --check`.
pub fn check(arguments: &CheckArguments) -> Exit {
    let (file, overrides) = (&arguments.file, arguments.identity.overrides());
    let loaded = read(file).and_then(|text| {
        let config = load_text(file, &text, &overrides).map_err(Failure::from)?;
        let warnings = warnings(file, &text, &overrides, &config);
        Ok((config, warnings))
    });
    let (text, exit) = match loaded {
        Ok(right) if arguments.json => (report(file, None, Some(&right)), Exit::Ok),
        Ok(right) => (summary(file, &right), Exit::Ok),
        Err(Failure::Config(errors)) if arguments.json => {
            (report(file, Some(&errors), None), Exit::Configuration)
        }
        Err(failure) => return failure.report(),
    };
    match emit(&text) {
        Ok(()) | Err(Exit::Ok) => exit,
        Err(failed) => failed,
    }
}

/// A configuration without errors, and what is to be said of it.
type Right = (Config, Vec<(Option<usize>, Advice)>);

/// A warning as a line of text.
fn warning(file: &Path, (line, advice): &(Option<usize>, Advice)) -> String {
    match line {
        Some(line) => format!("warning: {}:{line}: {advice}\n", file.display()),
        None => format!("warning: {advice}\n"),
    }
}

fn summary(file: &Path, (config, warnings): &Right) -> String {
    let count = |count: usize, noun: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {noun}{plural}")
    };
    let number = match &config.cluster {
        Some(cluster) => format!(", number {}", cluster.number),
        None => String::new(),
    };
    let prefixes = config.routes.iter().map(|route| route.prefixes.len()).sum();
    let bgp = match &config.bgp {
        Some(bgp) => format!(", {}", count(bgp.neighbors.len(), "BGP neighbour")),
        None => String::new(),
    };
    let right = format!(
        "{}: right; router {}{number}, {}, {}, {}{bgp}\n",
        file.display(),
        config.router.name,
        count(config.ports.len(), "port block"),
        count(prefixes, "static route"),
        count(config.neighbors.len(), "static neighbour"),
    );
    core::iter::once(right).chain(warnings.iter().map(|one| warning(file, one))).collect()
}

/// The result of a check for programs.
fn report(file: &Path, errors: Option<&ConfigErrors>, right: Option<&Right>) -> String {
    let config = right.map(|(config, _)| config);
    let problems = errors.map_or_else(Vec::new, |errors| {
        let problem = |problem: &crate::config::Problem| {
            let place = errors.line_and_column(problem);
            serde_json::json!({
                "line": place.map(|(line, _)| line),
                "column": place.map(|(_, column)| column),
                "key": problem.path.as_ref().map(ToString::to_string),
                "message": problem.message,
                "expected": problem.expected,
                "help": problem.help,
            })
        };
        errors.problems().iter().map(problem).collect()
    });
    let warning = |(line, advice): &(Option<usize>, Advice)| {
        serde_json::json!({
            "line": line,
            "key": advice.path.to_string(),
            "message": advice.message,
            "remedy": advice.remedy,
        })
    };
    let warnings: Vec<_> = right.iter().flat_map(|(_, warnings)| warnings).map(warning).collect();
    let report = serde_json::json!({
        "schema": "kumiki.config.check/1",
        "file": file.display().to_string(),
        "is_right": problems.is_empty(),
        "name": config.map(|config| &config.router.name),
        "number": config.and_then(|config| config.cluster.as_ref()).map(|c| c.number),
        "problems": problems,
        "warnings": warnings,
    });
    format!("{report:#}\n")
}

/// The text of the configuration that runs.
fn running(socket: &Path) -> Result<String, Failure> {
    match ask(socket, ShowQuery::Config)? {
        ShowReply::Config(row) => Ok(crate::cli::show::config::text(&row)),
        _ => Err(ClientError::Unexpected.into()),
    }
}

fn diff(arguments: &FileArguments) -> Result<String, Failure> {
    let (text, file) = (read(&arguments.file)?, place(&arguments.file)?);
    let mut client = Client::connect(&arguments.socket.socket)?;
    match client.ask(RequestBody::ConfigDiff { text, file })? {
        ReplyBody::Difference { changes, needs_restart } => {
            Ok(changes_text(&changes, &needs_restart, "would change"))
        }
        _ => Err(ClientError::Unexpected.into()),
    }
}

fn apply(arguments: &FileArguments) -> Result<Exit, Failure> {
    let (text, file) = (read(&arguments.file)?, place(&arguments.file)?);
    let mut client = Client::connect(&arguments.socket.socket)?;
    let request = RequestBody::ConfigApply { text: text.clone(), file };
    let reply = client.ask(request)?;
    let ReplyBody::Applied { changes, needs_restart, failures } = reply else {
        return Err(ClientError::Unexpected.into());
    };
    let printed = emit(&changes_text(&changes, &needs_restart, "changed"));
    failures.iter().for_each(|failure| eprintln!("kumiki: not done: {failure}"));
    eprint!("{}", warnings_of(&arguments.file, &text));
    Ok(match (printed, failures.is_empty()) {
        (Err(exit), true) => exit,
        (Ok(()), true) => Exit::Ok,
        (_, false) => Exit::Failed,
    })
}

/// What is to be said of a file that a router has taken. Name and number are the router's own; what
/// is probably not meant does not depend on which server it is.
fn warnings_of(file: &Path, text: &str) -> String {
    let overrides = Overrides { name: None, number: Some(1), host_name: host_name() };
    let Ok(config) = load_text(file, text, &overrides) else { return String::new() };
    let all = warnings(file, text, &overrides, &config);
    all.iter().map(|one| warning(file, one)).collect()
}

/// Where a file stands, for a router with another working directory.
fn place(file: &Path) -> Result<Option<String>, Failure> {
    let absolute = std::path::absolute(file);
    let absolute = absolute.map_err(|error| Failure::File(file.to_owned(), error))?;
    Ok(Some(absolute.display().to_string()))
}

fn changes_text(changes: &[String], needs_restart: &[String], verb: &str) -> String {
    if changes.is_empty() && needs_restart.is_empty() {
        return format!("Nothing {verb}.\n");
    }
    let mark = match Look::of_terminal().is_coloured {
        true => "\u{1b}[33mneeds a restart:\u{1b}[0m",
        false => "needs a restart:",
    };
    let now = changes.iter().map(|change| format!("{change}\n"));
    let later = needs_restart.iter().map(|change| format!("{mark} {change}\n"));
    now.chain(later).collect()
}
