//! The sessions of 2025-03-26 to 2025-11-25.

use std::collections::BTreeSet;

use callgate::store::Scope;
use serde_json::{Value, json};

use super::{Stage, recorder};
use crate::support::face::{Face, HttpClient, Request, key};
use crate::support::home::{Home, no_deleting};

/// Says something, asks something back, and answers once it has been answered.
const TALKER: &str = r#"while read -r line; do case "$line" in
*'"initialize"'*) echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}';;
*'"talk"'*) echo '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}'
echo '{"jsonrpc":"2.0","id":"ask","method":"elicitation/create","params":{"message":"?"}}';;
*'"ask"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
echo '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}';;
esac; done"#;

#[test]
fn a_session_is_opened_used_and_ended() {
    let stage = Stage::new("enforce");
    let mut client = HttpClient::open(&stage.face, "one", &stage.key);
    assert!(client.session.len() >= 22 && client.session.bytes().all(|byte| byte.is_ascii_graphic()));
    let ran = client.call("read_file", &json!({"path": "a"}));
    assert_eq!((ran.status, ran.header("content-type")), (200, Some("application/json")));
    assert_eq!(ran.json()["result"]["content"][0]["text"], "ran");
    let stopped = client.call("delete_file", &json!({"path": "a"}));
    assert_eq!((stopped.status, stopped.json()["error"]["code"].clone()), (200, json!(-32001)));
    let rows = stage.home.await_rows(2);
    assert_eq!(stopped.json()["error"]["data"]["toolCallId"], rows[1].tool_call_id.clone().unwrap());
    assert_eq!(rows[1].outcome.as_deref(), Some("blocked"));
    assert!(stage.reached().contains("read_file") && !stage.reached().contains("delete_file"));
    assert_eq!(stage.face.ask(&client.plain("DELETE")).status, 204);
    let gone = client.call("read_file", &json!({}));
    assert_eq!(
        (gone.status, gone.json()["error"]["data"]["type"].clone()),
        (404, json!("session_not_found"))
    );
    stage.home.await_notices("session_ended", 1);
}

#[test]
fn the_session_of_one_key_is_nobody_elses() {
    let stage = Stage::new("shadow");
    let other = key(&stage.home, "other", None, &[Scope::Call]);
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let ping = client.message(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"}));
    let theirs = ping.clone().with("Authorization", &format!("Bearer {other}"));
    for request in [theirs, client.plain("DELETE").with("Authorization", &format!("Bearer {other}"))] {
        assert_eq!(stage.face.ask(&request).status, 404);
    }
    assert_eq!(stage.face.ask(&ping).status, 200);
}

#[test]
fn one_policy_is_enforced_on_one_key_and_in_shadow_on_another() {
    let home = Home::new();
    let record = home.path("record");
    let agents = "[agents.strict]\nmode = \"enforce\"\n[agents.loose]\nmode = \"shadow\"\n";
    home.write_policy(&format!("{}{agents}{}", no_deleting("off"), recorder(&record)));
    let keys = ["strict", "loose"].map(|agent| key(&home, agent, Some(agent), &[Scope::Call]));
    let face = Face::start(&home, &[]);
    let [strict, loose] = keys.each_ref().map(|key| {
        let answer = HttpClient::open(&face, "one", key).call("delete_file", &json!({}));
        answer.json()["error"]["code"].clone()
    });
    assert_eq!((strict, loose), (json!(-32001), Value::Null));
    let rows = home.await_rows(2);
    let seen: BTreeSet<_> = rows
        .iter()
        .map(|row| (row.agent.as_deref(), row.verdict.as_deref(), row.outcome.as_deref()))
        .collect();
    let wanted =
        [(Some("loose"), Some("deny"), Some("forwarded")), (Some("strict"), Some("deny"), Some("blocked"))];
    assert_eq!(seen, wanted.into());
}

#[test]
fn an_edit_takes_force_in_an_open_session() {
    let stage = Stage::new("shadow");
    let mut client = HttpClient::open(&stage.face, "one", &stage.key);
    assert!(client.call("delete_file", &json!({})).json()["result"].is_object());
    stage.home.replace_policy(&format!("{}{}", no_deleting("enforce"), recorder(&stage.record)));
    // The session and the face.
    stage.home.await_notices("policy_loaded", 2);
    assert_eq!(client.call("delete_file", &json!({})).json()["error"]["code"], -32001);
}

#[test]
fn what_belongs_to_a_request_comes_before_its_answer_and_the_rest_to_whoever_listens() {
    for mode in ["shadow", "enforce"] {
        let stage = Stage::script(mode, TALKER);
        let mut client = HttpClient::open(&stage.face, "one", &stage.key);
        let mut listening = stage.face.open(&client.plain("GET")).head();
        assert_eq!((listening.status, listening.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(stage.face.ask(&client.plain("GET")).status, 409);
        let mut talk = stage.face.open(&client.call_request("talk", &json!({}))).head();
        assert_eq!(talk.header("content-type"), Some("text/event-stream"), "{mode}");
        assert_eq!(talk.message()["method"], "notifications/progress");
        assert_eq!(talk.message()["id"], "ask");
        let answer = client.message(&json!({"jsonrpc": "2.0", "id": "ask", "result": {"action": "accept"}}));
        assert_eq!(stage.face.ask(&answer).status, 202);
        assert_eq!(talk.message()["id"], 1);
        assert_eq!(talk.event(), None, "the stream ends with its answer");
        assert_eq!(listening.message()["method"], "notifications/tools/list_changed");
    }
}

#[test]
fn a_stream_that_was_cut_is_read_on_from_where_it_was() {
    let stage = Stage::script("enforce", TALKER);
    let mut client = HttpClient::open(&stage.face, "one", &stage.key);
    let mut talk = stage.face.open(&client.call_request("talk", &json!({}))).head();
    let first = talk.event().unwrap();
    drop(talk);
    let answer = client.message(&json!({"jsonrpc": "2.0", "id": "ask", "result": {}}));
    assert_eq!(stage.face.ask(&answer).status, 202);
    let again = client.plain("GET").with("Last-Event-ID", first.id.as_deref().unwrap());
    let mut again = stage.face.open(&again).head();
    assert_eq!(again.message()["id"], "ask");
    assert_eq!(again.message()["id"], 1);
    assert_eq!(again.event(), None);
}

#[test]
fn malformed_frames_are_refused_in_a_gate_and_pass_through_a_tee() {
    let hidden = br#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"read_file","name":"delete_file"}}"#;
    let stage = Stage::new("enforce");
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let refused = stage.face.ask(&client.bytes(hidden));
    assert_eq!((refused.status, refused.json()["id"].clone()), (400, json!(5)));
    assert_eq!(refused.json()["error"]["data"]["type"], "malformed_frame");
    assert!(!stage.reached().contains("delete_file"));
    assert_eq!(stage.home.await_rows(1)[0].rule.as_deref(), Some("malformed"));

    let stage = Stage::new("shadow");
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    assert_eq!(stage.face.ask(&client.bytes(hidden)).json()["result"]["content"][0]["text"], "ran");
    assert!(stage.reached().contains(std::str::from_utf8(hidden).unwrap()), "the bytes are as they came");
    assert_eq!(stage.face.ask(&client.bytes(b"{\"jsonrpc\"")).status, 202);
    let rows = stage.home.await_rows(2);
    assert!(
        rows.iter().all(
            |row| row.rule.as_deref() == Some("malformed") && row.outcome.as_deref() == Some("forwarded")
        )
    );
}

#[test]
fn a_body_over_several_lines_is_one_message() {
    let stage = Stage::new("enforce");
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let pretty = "{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 4,\n  \"method\": \"tools/call\",\n  \"params\": {\"name\": \"echo\"}\n}\n";
    assert_eq!(stage.face.ask(&client.bytes(pretty.as_bytes())).json()["id"], 4);
    let sent = pretty.replace('\n', " ") + "\n";
    assert!(stage.reached().ends_with(&sent), "{:?}", stage.reached());
}

#[test]
fn batches_of_2025_03_26_are_answered_together() {
    let stage = Stage::new("enforce");
    let params = json!({"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let answer = stage.face.ask(&Request::post("/mcp/one", &stage.key, &hello));
    let session = answer.header("mcp-session-id").unwrap();
    let call = |id: u32, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    let batch = |two: &str| {
        Request::post("/mcp/one", &stage.key, &json!([call(1, "echo"), call(2, two)]))
            .with("Mcp-Session-Id", session)
    };
    // The recorder does not answer batches; a refusal of one is for all of its members.
    let refused = stage.face.ask(&batch("delete_file"));
    let text = String::from_utf8(refused.body).unwrap();
    assert_eq!((refused.status, text.matches("-32001").count()), (200, 2), "{text}");
    assert!(!stage.reached().contains("delete_file"));
}
