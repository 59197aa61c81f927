//! Calls that wait for people over HTTP, in both eras.

use std::thread;

use callgate::store::{Decision, Scope};
use serde_json::{Value, json};

use super::{asks, await_open, desk, rule};
use crate::support::face::{Face, HttpClient, Request, Response, key};
use crate::support::home::{Home, until};
use crate::support::parts;
use crate::support::process::PATIENCE;

/// A face before a recorder, and a key of the agent `bot`.
fn stage(settings: &str) -> (Home, Face, String) {
    let home = Home::new();
    let (server, record) = (parts::example("recorder"), home.path("record"));
    home.write_policy(&format!(
        "{}[servers.one]\ncommand = '{}'\nenv = {{ CALLGATE_RECORD = '{}' }}\n",
        asks(settings),
        server.display(),
        record.display()
    ));
    let key = key(&home, "caller", Some("bot"), &[Scope::Call]);
    let face = Face::start(&home, &[]);
    (home, face, key)
}

/// Asks, rules once the question is there, and gives the response.
fn ruled(home: &Home, face: &Face, request: &Request, decision: &Decision) -> Response {
    thread::scope(|scope| {
        let response = scope.spawn(|| face.ask(request));
        let desk = desk(home);
        rule(&desk, &await_open(&desk, 1)[0].id, decision);
        response.join().unwrap()
    })
}

/// A call of 2026-07-28 whose client can ask its person.
fn modern(key: &str, id: u32, capabilities: &Value, responses: Option<&Value>) -> Request {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "modern", "version": "1"},
    });
    let mut params = json!({"name": "delete_file", "arguments": {"path": "a"}, "_meta": meta});
    if let Some(responses) = responses {
        params["inputResponses"] = responses.clone();
    }
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    Request::post("/mcp/one", key, &message)
        .with("MCP-Protocol-Version", "2026-07-28")
        .with("Mcp-Method", "tools/call")
        .with("Mcp-Name", "delete_file")
}

#[test]
fn a_response_waits_for_a_person_while_the_session_goes_on() {
    let (home, face, key) = stage("");
    let mut client = HttpClient::open(&face, "one", &key);
    let request = client.call_request("delete_file", &json!({"path": "a"}));
    let ping = client.message(&json!({"jsonrpc": "2.0", "id": "ping", "method": "ping"}));
    let response = thread::scope(|scope| {
        let response = scope.spawn(|| face.ask(&request));
        let desk = desk(&home);
        let question = await_open(&desk, 1).remove(0);
        assert_eq!(question.agent.as_deref(), Some("bot"));
        assert_eq!(face.ask(&ping).status, 200);
        let exact = || {
            let listed = home.run(&["approvals", "--json"]).json();
            Some(listed).filter(|listed| listed[0]["arguments_exact"] == true)
        };
        assert_eq!(until(PATIENCE, exact).unwrap()[0]["arguments"], json!({"path": "a"}));
        rule(&desk, &question.id, &Decision::Approve(None));
        response.join().unwrap()
    });
    assert_eq!(response.json()["result"]["content"][0]["text"], "ran", "{response:?}");
    let request = client.call_request("delete_file", &json!({"path": "b"}));
    let denied = ruled(&home, &face, &request, &Decision::Deny);
    assert_eq!(denied.json()["error"]["data"]["type"], "approval_denied", "{denied:?}");
}

#[test]
fn a_client_that_closes_the_response_takes_the_question_back() {
    let (home, face, key) = stage("");
    let open = face.open(&modern(&key, 1, &json!({}), None));
    let desk = desk(&home);
    await_open(&desk, 1);
    drop(open);
    await_open(&desk, 0);
}

#[test]
fn a_call_of_2026_07_28_is_made_again_with_the_persons_word() {
    let (home, face, key) = stage("channels = [\"local\", \"host\"]\nhost_agents = [\"bot\"]");
    let can = json!({"elicitation": {}});
    let asked = face.ask(&modern(&key, 1, &can, None)).json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let (name, what) = asked["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(what["method"], "elicitation/create");
    let yes = json!({name: {"action": "accept", "content": {"approve": true}}});
    let ran = face.ask(&modern(&key, 2, &can, Some(&yes))).json();
    assert_eq!((&ran["id"], &ran["result"]["content"][0]["text"]), (&json!(2), &json!("ran")), "{ran}");
    let record = std::fs::read_to_string(home.path("record")).unwrap();
    assert!(
        record.contains("delete_file") && !record.contains("approve") && !record.contains(name.as_str()),
        "{record}"
    );
    // The word was about one call.
    let again = face.ask(&modern(&key, 3, &can, Some(&yes))).json();
    assert_eq!(again["result"]["resultType"], "input_required", "{again}");
    let desk = desk(&home);
    rule(&desk, &await_open(&desk, 1)[0].id, &Decision::Deny);
    await_open(&desk, 0);
    // Whoever makes the call again is told, once.
    let told = face.ask(&modern(&key, 4, &can, None)).json();
    assert_eq!(told["error"]["data"]["type"], "approval_denied", "{told}");
    // Who cannot ask its person waits for another.
    let denied = ruled(&home, &face, &modern(&key, 5, &json!({}), None), &Decision::Deny);
    assert_eq!(denied.json()["error"]["data"]["type"], "approval_denied", "{denied:?}");
}
