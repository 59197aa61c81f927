//! The reference server over both of its remote transports.

use std::net::TcpListener;
use std::process::Command;

use serde_json::json;

use super::{kind, sidecar};
use crate::support::home::{Home, until};
use crate::support::parts;
use crate::support::process::{McpClient, PATIENCE, Piped};

/// A reference server on a port of its own, once it listens.
fn everything(test: &str, transport: &str) -> Option<(Piped, u16)> {
    // Free now, and soon taken again; the server cannot tell which port it got.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    everything_at(test, transport, port).map(|server| (server, port))
}

fn everything_at(test: &str, transport: &str, port: u16) -> Option<Piped> {
    let words = parts::node(test)?.server("server-everything");
    let mut command = Command::new(&words[0]);
    let server = Piped::start(command.args(&words[1..]).arg(transport).env("PORT", port.to_string()));
    let listens = until(PATIENCE, || server.stderr().contains(&port.to_string()).then_some(()));
    assert!(listens.is_some(), "{}", server.stderr());
    Some(server)
}

fn converse(home: &Home, url: &str, more: &[&str]) {
    let mut client = McpClient::open(&mut sidecar(home, url, more));
    let tools = client.request("tools/list", &json!({}));
    assert!(tools["result"]["tools"].as_array().unwrap().len() > 5, "{tools}");
    let echo = client.call("echo", &json!({"message": "héllo"}));
    assert_eq!(echo["result"]["content"][0]["text"], "Echo: héllo", "{echo}");
    let sum = client.call("get-sum", &json!({"a": 1, "b": 2}));
    assert_eq!(kind(&sum), "policy_denied", "{sum}");
    client.server.close_stdin();
    assert_eq!(client.server.wait(PATIENCE).unwrap().code(), Some(0), "{}", client.server.stderr());
    assert_eq!(home.await_rows(2).len(), 2);
}

fn policy() -> Home {
    Home::with_policy("version = 1\nmode = \"enforce\"\n[[rule]]\ntools = [\"get-sum\"]\naction = \"deny\"\n")
}

#[test]
fn server_everything_is_governed_over_streamable_http() {
    let Some((_server, port)) = everything("server-everything over HTTP", "streamableHttp") else { return };
    converse(&policy(), &format!("http://127.0.0.1:{port}/mcp"), &[]);
}

#[test]
fn server_everything_is_governed_over_sse() {
    let Some((_server, port)) = everything("server-everything over SSE", "sse") else { return };
    converse(&policy(), &format!("http://127.0.0.1:{port}/sse"), &["--transport", "sse"]);
}

#[test]
fn server_everything_killed_and_restarted_is_used_again() {
    for (transport, more) in [("streamableHttp", [].as_slice()), ("sse", &["--transport", "sse"])] {
        let test = "server-everything restarted";
        let Some((mut server, port)) = everything(test, transport) else { return };
        let path = if more.is_empty() { "mcp" } else { "sse" };
        let home = Home::new();
        let url = format!("http://127.0.0.1:{port}/{path}");
        let mut client = McpClient::open(&mut sidecar(&home, &url, more));
        assert!(client.call("echo", &json!({"message": "a"})).get("result").is_some());
        server.kill();
        assert_eq!(kind(&client.call("echo", &json!({"message": "b"}))), "server_unreachable");
        let _again = everything_at(test, transport, port);
        // The session of before is opened once more, and the host knows nothing of it.
        let answer = client.call("echo", &json!({"message": "c"}));
        assert_eq!(answer["result"]["content"][0]["text"], "Echo: c", "{transport}: {answer}");
    }
}
