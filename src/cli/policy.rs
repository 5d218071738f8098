//! `kumiki policy test`: which clause of a policy decides about a route, and what becomes of it.
//!
//! Owns the words of the command and the table; the policy is run by what the router runs it by.
//! No router needs to be there: the configuration is read as `kumiki run` reads it.

use crate::base::community::AnyCommunity;
use crate::base::exit::Exit;
use crate::base::prefix::Ipv6Prefix;
use crate::cli::config::for_people;
use crate::cli::files::load_text;
use crate::cli::output::emit;
use crate::cli::run::IdentityArguments;
use crate::config::schema::{BgpOrigin, RpkiWord};
use crate::sim::policy::{Trial, TrialClause, TrialReport, try_policy};
use clap::{Args, Subcommand, ValueEnum};
use core::fmt::Write;
use core::net::Ipv6Addr;
use std::path::PathBuf;

/// `kumiki policy`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Try a policy on a route that nobody has sent
    Test(TestArguments),
}

/// ORIGIN on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OriginWord {
    /// By an interior protocol
    #[default]
    Igp,
    /// By EGP
    Egp,
    /// By other means
    Incomplete,
}

/// What the RPKI says, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum RpkiArgument {
    /// The route may begin in its AS
    Valid,
    /// It may not
    Invalid,
    /// Nothing is known
    NotFound,
}

/// `kumiki policy test`.
#[derive(Clone, Debug, Args)]
pub struct TestArguments {
    /// Name of the policy
    #[arg(value_name = "NAME")]
    pub policy: String,
    /// Prefix of the route
    #[arg(long, value_name = "PREFIX")]
    pub route: Ipv6Prefix,
    /// Its AS path, the neighbour first, such as "64500 64501"; none begins here
    #[arg(long, value_name = "ASNS", default_value = "", value_parser = as_path)]
    pub as_path: Numbers,
    /// A community, standard, large or by name; may be repeated
    #[arg(long = "community", value_name = "COMMUNITY")]
    pub communities: Vec<AnyCommunity>,
    /// LOCAL_PREF
    #[arg(long, value_name = "NUMBER")]
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC
    #[arg(long, value_name = "NUMBER")]
    pub med: Option<u32>,
    /// ORIGIN
    #[arg(long, value_enum, default_value_t)]
    pub origin: OriginWord,
    /// Its next hop; this router without
    #[arg(long, value_name = "ADDRESS")]
    pub next_hop: Option<Ipv6Addr>,
    /// What the RPKI says of it
    #[arg(long, value_enum)]
    pub rpki: Option<RpkiArgument>,
    /// Configuration file
    #[arg(short, long, default_value = "/etc/kumiki/kumiki.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Name and number.
    #[command(flatten)]
    pub identity: IdentityArguments,
    /// JSON
    #[arg(short = 'j', long)]
    pub json: bool,
}

/// Numbers of ASes in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(pub Vec<u32>);

fn as_path(text: &str) -> Result<Numbers, String> {
    let words = text.split_whitespace();
    let number = |word: &str| match word.parse::<u32>() {
        Ok(asn) if asn != 0 => Ok(asn),
        _ => Err(format!("`{word}` is no AS; write numbers, such as \"64500 64501\"")),
    };
    words.map(number).collect::<Result<_, _>>().map(Numbers)
}

/// Runs the command.
pub fn policy(command: &PolicyCommand) -> Exit {
    let PolicyCommand::Test(arguments) = command;
    test(arguments)
}

fn test(arguments: &TestArguments) -> Exit {
    let file = &arguments.config;
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("kumiki: cannot read {}: {error}", file.display());
            return match error.kind() {
                std::io::ErrorKind::PermissionDenied => Exit::Permission,
                _ => Exit::Configuration,
            };
        }
    };
    let config = match load_text(file, &text, &arguments.identity.overrides()) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{}", for_people(&errors));
            return Exit::Configuration;
        }
    };
    match try_policy(&config, &arguments.policy, &trial(arguments)) {
        Ok(report) => {
            let text = if arguments.json { json(&report) } else { table(&report) };
            emit(&text).err().unwrap_or(Exit::Ok)
        }
        Err(error) => {
            eprintln!("kumiki: {error}");
            Exit::Unknown
        }
    }
}

fn trial(arguments: &TestArguments) -> Trial {
    Trial {
        prefix: arguments.route,
        as_path: arguments.as_path.0.clone(),
        communities: arguments.communities.clone(),
        local_pref: arguments.local_pref,
        med: arguments.med,
        origin: match arguments.origin {
            OriginWord::Igp => BgpOrigin::Igp,
            OriginWord::Egp => BgpOrigin::Egp,
            OriginWord::Incomplete => BgpOrigin::Incomplete,
        },
        next_hop: arguments.next_hop,
        rpki: arguments.rpki.map(|word| match word {
            RpkiArgument::Valid => RpkiWord::Valid,
            RpkiArgument::Invalid => RpkiWord::Invalid,
            RpkiArgument::NotFound => RpkiWord::NotFound,
        }),
    }
}

/// The report for programs.
fn json(report: &TrialReport) -> String {
    let mut value = serde_json::json!({ "schema": "kumiki.policy.test/1" });
    if let (Some(all), Ok(serde_json::Value::Object(fields))) =
        (value.as_object_mut(), serde_json::to_value(report))
    {
        all.extend(fields);
    }
    format!("{value:#}\n")
}

/// The report for people.
fn table(report: &TrialReport) -> String {
    let mut text = String::new();
    for clause in &report.clauses {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line(clause));
    }
    if report.decided_by.is_none() {
        text.push_str("default: no clause has decided\n");
    }
    let fate = if report.is_accepted { "accepted" } else { "rejected" };
    let by = match report.decided_by {
        Some(number) => format!("clause {number}"),
        None => "the default".to_owned(),
    };
    let _ = writeln!(text, "{} is {fate} by {by} of {}", report.prefix, report.policy);
    if !report.is_accepted {
        return text;
    }
    for change in &report.changes {
        let blank = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        let (before, after) = (blank(&change.before), blank(&change.after));
        let _ = writeln!(text, "  {}: {before} → {after}", change.attribute);
    }
    if let Some(in_ospf) = &report.redistribution {
        let tag = in_ospf.tag.map_or_else(String::new, |tag| format!(", tag {tag}"));
        let sentence = match in_ospf.is_taken {
            true => format!("metric {} of type {}{tag}", in_ospf.metric, in_ospf.metric_type),
            false => "left out, as the clause does not name ::/0 itself".to_owned(),
        };
        let _ = writeln!(text, "  in OSPF: {sentence}");
    }
    text
}

fn line(clause: &TrialClause) -> String {
    let name = clause.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let said = match clause.mismatch {
        None => format!("matches: {}", clause.action),
        Some(key) => format!("no match: {key}"),
    };
    format!("clause {}{name}: {said}", clause.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_as_path_is_numbers_of_ases() {
        assert_eq!(as_path("64500  4200000000"), Ok(Numbers(vec![64500, 4_200_000_000])));
        assert_eq!(as_path(""), Ok(Numbers::default()));
        for text in ["AS64500", "0", "64500,64501", "4294967296"] {
            assert!(as_path(text).is_err(), "{text}");
        }
    }
}
