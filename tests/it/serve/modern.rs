//! Messages of 2026-07-28: no session, every request by itself.

use serde_json::{Value, json};

use super::Stage;
use crate::support::face::Request;
use crate::support::home::until;
use crate::support::process::PATIENCE;

/// A server that answers the sum of a request's digits only when it is told to go on.
const HOLDER: &str = r#"held=; while read -r line; do
echo "$line" >> "$LOG"
case "$line" in
*'"hold"'*) held="$held $(echo "$line" | sed 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/')";;
*'"release"'*) for id in $held; do echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"of\":$id}}"; done; held=
echo '{"jsonrpc":"2.0","id":99,"result":{}}';;
esac; done"#;

fn message(id: u32, method: &str, name: Option<&str>) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "modern", "version": "1"},
    });
    let params = name
        .map_or_else(|| json!({"_meta": meta}), |name| json!({"name": name, "arguments": {}, "_meta": meta}));
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn request(key: &str, message: &Value) -> Request {
    let request = Request::post("/mcp/one", key, message)
        .with("MCP-Protocol-Version", "2026-07-28")
        .with("Mcp-Method", message["method"].as_str().unwrap());
    match message["params"]["name"].as_str() {
        Some(name) => request.with("Mcp-Name", name),
        None => request,
    }
}

pub fn call(key: &str, id: u32, tool: &str) -> Request {
    request(key, &message(id, "tools/call", Some(tool)))
}

fn holder() -> Stage {
    let stage = Stage::script("enforce", &format!("LOG=log\n{HOLDER}"));
    std::fs::write(stage.home.path("log"), "").unwrap();
    stage
}

fn reached(stage: &Stage, wanted: &str) {
    let log = stage.home.path("log");
    let found = until(PATIENCE, || std::fs::read_to_string(&log).unwrap().contains(wanted).then_some(()));
    assert!(found.is_some(), "{wanted}: {}", std::fs::read_to_string(&log).unwrap());
}

#[test]
fn requests_are_judged_and_answered_without_any_session() {
    let stage = Stage::new("enforce");
    let ran = stage.face.ask(&call(&stage.key, 1, "read_file"));
    assert_eq!((ran.status, ran.header("mcp-session-id")), (200, None), "{ran:?}");
    assert_eq!(ran.json()["result"]["content"][0]["text"], "ran");
    let stopped = stage.face.ask(&call(&stage.key, 1, "delete_file"));
    assert_eq!((stopped.status, stopped.json()["error"]["code"].clone()), (200, json!(-32001)));
    assert_eq!(stage.face.ask(&request(&stage.key, &message(1, "server/discover", None))).status, 200);
    let rows = stage.home.await_rows(2);
    assert_eq!(rows[0].session, rows[1].session, "one key and client is one session");
    assert_eq!(rows[1].client.as_deref().map(|client| client.starts_with("modern")), Some(true));
    assert!(!stage.reached().contains("delete_file"));
}

#[test]
fn headers_that_say_another_thing_than_the_body_go_nowhere() {
    let stage = Stage::new("shadow");
    let good = call(&stage.key, 7, "delete_file");
    for (request, header) in [
        (good.clone().with("Mcp-Name", "read_file"), "mcp-name"),
        (good.clone().without("Mcp-Name"), "mcp-name"),
        (good.clone().with("Mcp-Method", "tools/list"), "mcp-method"),
        (good.clone().without("Mcp-Method"), "mcp-method"),
        (good.clone().with("MCP-Protocol-Version", "2025-11-25"), "mcp-protocol-version"),
        (good.clone().without("MCP-Protocol-Version"), "mcp-protocol-version"),
        (good.clone().and("Mcp-Name", "read_file"), "mcp-name"),
    ] {
        let refused = stage.face.ask(&request);
        let body = refused.json();
        assert_eq!(
            (refused.status, &body["error"]["code"], &body["id"]),
            (400, &json!(-32020), &json!(7)),
            "{body}"
        );
        assert!(body["error"]["message"].as_str().unwrap().contains(header), "{body}");
    }
    assert_eq!(stage.reached(), "");
    stage.home.await_notices("request_refused", 7);
    assert_eq!(stage.face.ask(&good.with("Mcp-Name", "=?base64?ZGVsZXRlX2ZpbGU=?=")).status, 200);
}

#[test]
fn clients_that_share_a_key_and_a_name_may_number_alike() {
    let stage = holder();
    let one = stage.face.open(&call(&stage.key, 5, "hold"));
    reached(&stage, "\"id\":5");
    let two = stage.face.open(&call(&stage.key, 5, "hold"));
    reached(&stage, "\"id\":\"callgate-1\"");
    assert_eq!(stage.face.ask(&call(&stage.key, 99, "release")).json()["id"], 99);
    let (one, two) = (one.response().json(), two.response().json());
    assert_eq!((&one["id"], &one["result"]["of"]), (&json!(5), &json!(5)));
    assert_eq!((&two["id"], &two["result"]["of"]), (&json!(5), &json!("callgate-1")));
}

#[test]
fn closing_the_response_takes_the_request_back() {
    let stage = holder();
    let one = stage.face.open(&call(&stage.key, 6, "hold"));
    reached(&stage, "\"id\":6");
    drop(one);
    reached(&stage, "\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":6,");
    let row = until(PATIENCE, || stage.home.rows().pop().filter(|row| row.status.is_some()));
    assert_eq!(row.and_then(|row| row.status).as_deref(), Some("cancelled"));
}

#[test]
fn the_id_of_a_request_that_was_taken_back_may_be_used_again_and_its_late_answer_reaches_nobody() {
    let stage = holder();
    let one = stage.face.open(&call(&stage.key, 6, "hold"));
    reached(&stage, "\"id\":6");
    drop(one);
    reached(&stage, "\"method\":\"notifications/cancelled\"");
    let again = stage.face.open(&call(&stage.key, 6, "hold"));
    reached(&stage, "\"id\":\"callgate-1\"");
    assert_eq!(stage.face.ask(&call(&stage.key, 99, "release")).json()["id"], 99);
    let again = again.response().json();
    assert_eq!((&again["id"], &again["result"]["of"]), (&json!(6), &json!("callgate-1")));
}

#[test]
fn there_is_only_post() {
    let stage = Stage::new("shadow");
    for method in ["GET", "DELETE"] {
        let request =
            Request::new(method, "/mcp/one").with("Authorization", &format!("Bearer {}", stage.key));
        let response = stage
            .face
            .ask(&request.with("Accept", "text/event-stream").with("MCP-Protocol-Version", "2026-07-28"));
        assert_eq!((response.status, response.header("allow")), (405, Some("POST")));
    }
}
