//! Alerts as those hear of them who are told: over HTTP, by mail, by syslog; and what becomes of them meanwhile.
//!
//! It refuses to look into the outbox but through `callgate alerts list`.
//!
//! Invariant: receivers are real servers on loopback, and what they were given is what is judged.

mod outbox;
mod real;
mod webhook;

use serde_json::{Value, json};

use crate::support::home::{Home, until};
use crate::support::process::{McpClient, PATIENCE};
use crate::support::record::Record;

/// Enforce, one rule that denies `delete_*`, and these destinations.
fn policy(mode: &str, alerts: &str) -> String {
    format!(
        "version = 1\nmode = \"{mode}\"\n[servers.files]\ncommand = \"true\"\n\n[[rule]]\nid = \"no-deleting\"\n\
         tools = [\"delete_*\"]\naction = \"deny\"\nseverity = \"high\"\nreason = \"gone is gone\"\n\n{alerts}"
    )
}

/// A session in which these tools are called, with an argument that nobody may hear of.
fn session(home: &Home, environment: &[(&str, &str)], tools: &[&str]) -> McpClient {
    let record = Record::listen(&home.fresh_folder());
    let mut command =
        home.sidecar(&["--server", "files", "--agent", "ci"], [crate::support::parts::example("recorder")]);
    command.env("CALLGATE_RECORD", record.path()).envs(environment.iter().copied());
    let mut client = McpClient::open(&mut command);
    for tool in tools {
        client.call(tool, &json!({"path": "/srv/canary-value", "token": "canary-value"}));
    }
    client
}

/// What `callgate alerts list` has, once it is as wanted.
fn await_list(home: &Home, what: &str, is_it: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let list = || home.run(&["alerts", "list", "--all", "--json"]).json().as_array().cloned().unwrap();
    let found = until(PATIENCE, || Some(list()).filter(|alerts| is_it(alerts)));
    found.unwrap_or_else(|| panic!("not {what}: {:#?}", list()))
}

/// The states of all deliveries.
fn states(alerts: &[Value]) -> Vec<&str> {
    let deliveries = alerts.iter().flat_map(|alert| alert["deliveries"].as_array().unwrap());
    deliveries.map(|delivery| delivery["state"].as_str().unwrap()).collect()
}
