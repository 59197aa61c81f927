//! 2026-07-28 over HTTP: headers that mirror the body, and a request that is taken back by leaving.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{host, say};
use crate::support::home::Home;
use crate::support::process::{Line, PATIENCE};
use crate::support::web::{Heard, Reply, Web, event, text, usual};

/// A request of 2026-07-28.
fn request(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// What a header says, its encoding undone.
fn decoded(heard: &Heard, name: &str) -> Option<String> {
    let value = heard.header(name)?;
    let encoded = value.strip_prefix("=?base64?").and_then(|value| value.strip_suffix("?="));
    Some(match encoded {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap(),
        None => value.to_owned(),
    })
}

/// Refuses every request whose headers do not mirror its body, as servers must.
fn strict(heard: &Heard) -> Reply {
    let body = heard.json();
    let params = &body["params"];
    let revision = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
    let name = params["name"].as_str().or(params["uri"].as_str());
    let own = heard.header("mcp-session-id").is_none() && heard.method == "POST";
    let mirrored = heard.header("mcp-protocol-version") == revision
        && heard.header("mcp-method") == body["method"].as_str()
        && decoded(heard, "mcp-name").as_deref() == name;
    if !own || !mirrored {
        return Reply::empty(418);
    }
    let field = |kind: &str, header: &str| json!({"type": kind, "x-mcp-header": header});
    let properties = json!({"region": field("string", "Region"), "at": {"type": "object", "properties":
        {"count": field("integer", "Count")}}, "dry": field("boolean", "Dry"), "plain": {"type": "string"}});
    match heard.rpc().as_str() {
        "tools/list" => Reply::json(&heard.result(&json!({"resultType": "complete", "tools":
            [{"name": "deploy", "inputSchema": {"type": "object", "properties": properties}}]}))),
        _ => Reply::json(&heard.result(&text("done"))),
    }
}

#[test]
fn headers_mirror_the_body_that_is_sent() {
    let web = Web::start(strict);
    let home = Home::new();
    let mut host = host(&home, &web);
    let arguments = json!({"region": "Zürich ", "at": {"count": 3}, "dry": null, "plain": "x"});
    for (id, message) in [
        request(1, "server/discover", json!({})),
        request(2, "tools/list", json!({})),
        request(3, "tools/call", json!({"name": "deploy", "arguments": arguments})),
        request(4, "resources/read", json!({"uri": "file:///\u{e9}"})),
        request(5, "prompts/get", json!({"name": "=?base64?x?="})),
    ]
    .into_iter()
    .enumerate()
    {
        say(&mut host, &message);
        let answer = host.json_line();
        assert!(answer["id"] == id + 1 && answer.get("result").is_some(), "{answer}");
    }
    let called = web.await_heard("call", |heard| heard.rpc() == "tools/call");
    assert_eq!(decoded(&called, "mcp-param-region").as_deref(), Some("Zürich "));
    assert!(called.header("mcp-param-region").unwrap().is_ascii());
    assert_eq!(called.header("mcp-param-count"), Some("3"));
    assert_eq!(called.header("mcp-param-dry"), None);
    let params = called.headers.iter().filter(|(name, _)| name.starts_with("mcp-param-"));
    assert_eq!(params.count(), 2);
}

#[test]
fn a_request_is_taken_back_by_closing_its_stream() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => Reply::open_events(": working\n\n"),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &request(1, "tools/call", json!({"name": "slow", "arguments": {}})));
    web.await_heard("call", |heard| heard.rpc() == "tools/call");
    say(
        &mut host,
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
    );
    web.await_left("the call", |heard| heard.rpc() == "tools/call");
    say(&mut host, &request(2, "tools/list", json!({})));
    assert_eq!(host.json_line()["id"], 2);
    assert!(web.heard().iter().all(|heard| heard.rpc() != "notifications/cancelled"));
    host.close_stdin();
    assert_eq!(host.wait(PATIENCE).unwrap().code(), Some(0));
    // There is no session to delete, and no stream but those of requests.
    assert!(web.heard().iter().all(|heard| heard.method == "POST"));
}

#[test]
fn a_stream_of_2026_is_not_resumed() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => Reply::events("id: 1\nretry: 1\ndata:\n\n"),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &request(1, "tools/call", json!({"name": "t", "arguments": {}})));
    assert_eq!(super::kind(&host.json_line()), "server_unreachable");
    assert!(web.heard().iter().all(|heard| heard.method == "POST"));
}

#[test]
fn a_dual_era_client_falls_back_and_both_eras_share_a_process() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "server/discover" => Reply::body(400, "text/plain", "no session"),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &request(0, "server/discover", json!({})));
    let answer = host.json_line();
    assert!(answer["id"] == 0 && answer["error"]["code"] == -32001, "{answer}");
    say(&mut host, &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}));
    assert_eq!(host.json_line()["id"], 1);
    say(&mut host, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    say(&mut host, &super::call(2, "read"));
    assert_eq!(host.json_line()["id"], 2);
    let called = web.await_heard("call", |heard| heard.rpc() == "tools/call");
    assert_eq!((called.header("mcp-session-id"), called.header("mcp-method")), (Some("s-1"), None));
    say(&mut host, &request(3, "tools/list", json!({})));
    assert_eq!(host.json_line()["id"], 3);
    let listed = web.await_heard("list", |heard| heard.rpc() == "tools/list");
    assert_eq!((listed.header("mcp-session-id"), listed.header("mcp-method")), (None, Some("tools/list")));
}

#[test]
fn a_subscription_is_a_stream_that_stays_open() {
    let note = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    let web = Web::start(move |heard| match heard.rpc().as_str() {
        "subscriptions/listen" => Reply::open_events(event(None, &note)),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &request(1, "subscriptions/listen", json!({})));
    assert_eq!(host.json_line()["method"], "notifications/tools/list_changed");
    host.close_stdin();
    assert_eq!(host.wait(PATIENCE).unwrap().code(), Some(0));
    assert_eq!(host.line(PATIENCE), Line::Closed);
}
