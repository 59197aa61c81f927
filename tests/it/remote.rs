//! Remote servers through the sidecar: real ones, and scripted ones that do what real ones do on bad days.
//!
//! It refuses to look inside: what counts is what reaches the host, and what the server was sent.
//!
//! Invariant: every server listens on loopback, on a port of its own.

mod modern;
mod real;
mod sessions;
mod streams;
mod trouble;

use std::process::Command;

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::process::{McpClient, Piped};
use crate::support::web::Web;

/// A sidecar before a server, with nothing in the environment that could send it elsewhere.
fn sidecar(home: &Home, url: &str, more: &[&str]) -> Command {
    let mut command = home.callgate(["run", "--url", url].iter().chain(more));
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(variable);
    }
    command
}

/// A client that has shaken hands with a server through a sidecar.
fn client(home: &Home, web: &Web) -> McpClient {
    McpClient::open(&mut sidecar(home, &web.url(), &[]))
}

/// A host that speaks no handshake.
fn host(home: &Home, web: &Web) -> Piped {
    Piped::start(&mut sidecar(home, &web.url(), &[]))
}

/// Sends a message as a line.
fn say(host: &mut Piped, message: &Value) {
    host.send(format!("{message}\n").as_bytes()).unwrap();
}

/// A request to call a tool.
fn call(id: u32, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
}

/// The `data.type` of an error.
fn kind(frame: &Value) -> &str {
    frame["error"]["data"]["type"].as_str().unwrap_or_default()
}
