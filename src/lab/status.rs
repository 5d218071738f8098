//! `kumiki lab status`: servers, hosts and cables as a table or as JSON.
//!
//! *Invariants*: a router that does not answer is a row, not an error.

use crate::lab::draw;
use crate::lab::error::LabError;
use crate::lab::fabric::Lab;
use crate::lab::layout;
use crate::lab::report::TABLE_STYLE;
use crate::lab::session::say;
use crate::lab::state::{CableStatus, Place};
use crate::planner::server_name;
use comfy_table::Table;
use serde::Serialize;

/// Name and version of the JSON.
const STATUS_SCHEMA: &str = "kumiki.lab.status/1";

#[derive(Serialize)]
struct Status<'a> {
    schema: &'static str,
    lab: &'a str,
    topology: &'a str,
    driver: &'static str,
    directory: String,
    adjacencies_full: usize,
    adjacencies_expected: usize,
    servers: Vec<ServerRow>,
    cables: Vec<CableRow>,
    provider: Option<ProviderRow>,
}

#[derive(Serialize)]
struct ServerRow {
    name: String,
    kind: &'static str,
    is_running: bool,
    pids: Vec<u32>,
    adjacencies_full: Option<usize>,
    cable_count: usize,
    loopback: String,
    host: String,
    host_address: String,
    log: String,
}

#[derive(Serialize)]
struct CableRow {
    name: String,
    status: CableStatus,
}

#[derive(Serialize)]
struct ProviderRow {
    kind: &'static str,
    is_running: bool,
    edges: Vec<String>,
    log: String,
}

/// Prints the status; returns exit code 0 when every router runs.
pub fn print(lab: &Lab, json: bool) -> Result<u8, LabError> {
    let status = status(lab);
    if json {
        let text = serde_json::to_string_pretty(&status)
            .map_err(|e| LabError::file("write", "standard output", std::io::Error::other(e)))?;
        say(&text);
    } else {
        print_table(lab, &status);
    }
    Ok(u8::from(!status.servers.iter().all(|server| server.is_running)))
}

fn status(lab: &Lab) -> Status<'_> {
    let servers: Vec<ServerRow> = (0..lab.server_count()).map(|server| row(lab, server)).collect();
    Status {
        schema: STATUS_SCHEMA,
        lab: &lab.state.name,
        topology: &lab.state.topology,
        driver: lab.state.driver.name(),
        directory: lab.directory.path().display().to_string(),
        adjacencies_full: servers.iter().filter_map(|row| row.adjacencies_full).sum(),
        adjacencies_expected: lab.adjacencies_expected(),
        servers,
        cables: lab
            .state
            .cables
            .iter()
            .map(|cable| CableRow { name: layout::cable_name(cable.ends), status: cable.status })
            .collect(),
        provider: lab.state.provider.as_ref().map(|provider| ProviderRow {
            kind: provider.kind.name(),
            is_running: lab.is_provider_well(),
            edges: provider.edges.iter().map(|&edge| server_name(edge)).collect(),
            log: lab.directory.log_at(Place::Provider).display().to_string(),
        }),
    }
}

fn row(lab: &Lab, server: usize) -> ServerRow {
    let state = &lab.state.servers[server];
    let numbering = lab.state.numbering;
    ServerRow {
        name: server_name(server),
        kind: state.kind.name(),
        is_running: lab.is_running(server),
        pids: state.processes.iter().map(|process| process.pid).collect(),
        adjacencies_full: lab.full_count(server).ok(),
        cable_count: lab.cables_of(server).len(),
        loopback: numbering.loopback(server).to_string(),
        host: layout::host_name(server),
        host_address: numbering.host_address(server).to_string(),
        log: lab.directory.log(server).display().to_string(),
    }
}

fn print_table(lab: &Lab, status: &Status<'_>) {
    say(format_args!("lab {}: {}, {}", status.lab, status.topology, status.driver));
    for line in draw::cluster(lab.server_count(), &lab.state.cables) {
        say(&line);
    }
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header(["server", "router", "state", "Full", "loopback", "host", "its address"]);
    for row in &status.servers {
        let full = match row.adjacencies_full {
            Some(full) => format!("{full} of {}", row.cable_count),
            None => "no answer".to_owned(),
        };
        let state = match (row.is_running, row.pids.is_empty()) {
            (true, _) => "runs",
            (false, true) => "killed",
            (false, false) => "ended",
        };
        table.add_row([
            &row.name,
            row.kind,
            state,
            &full,
            &row.loopback,
            &row.host,
            &row.host_address,
        ]);
    }
    say(&table);
    if let Some(provider) = &status.provider {
        let state = if provider.is_running { "runs" } else { "ended" };
        let edges = provider.edges.join(", ");
        say(format_args!("isp ({}) {state}, with uplinks of {edges}", provider.kind));
    }
    for cable in status.cables.iter().filter(|cable| cable.status != CableStatus::Connected) {
        let word = if cable.status == CableStatus::Cut { "cut" } else { "silent" };
        say(format_args!("cable {} is {word}", cable.name));
    }
    say(format_args!("logs and configurations: {}", status.directory));
}
