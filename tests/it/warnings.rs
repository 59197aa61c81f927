//! Warnings, through the binary: what the agent is told with its result, and the story of a session that people read.
//!
//! It refuses to compare anything but whole results: what is added must be all that differs.
//!
//! Invariant: in shadow nothing is ever added.

use serde_json::{Value, json};

use crate::support::home::{Home, until};
use crate::support::parts;
use crate::support::process::{Line, PATIENCE, Piped, command_line};

fn policy(mode: &str, tool: &str, rest: &str) -> String {
    format!(
        "version = 1\nmode = \"{mode}\"\n[policy]\nname = \"my-policy\"\n[[rule]]\nid = \"careful\"\ntools = [\"{tool}\"]\n\
         action = \"deny\"\nreason = \"it cannot be undone\"\n{rest}"
    )
}

/// What a client prints of a conversation with a server, behind a sidecar of this home.
fn conversation(home: &Home, script: &[String], server: &[String], steps: &Value) -> Vec<Value> {
    let mut command = vec![env!("CARGO_BIN_EXE_callgate").to_owned(), "run".to_owned(), "--".to_owned()];
    command.extend_from_slice(server);
    let wish = json!({"command": command, "steps": steps});
    let mut client = command_line(script, &[wish.to_string()]);
    home.settle(&mut client);
    let client = Piped::start(&mut client);
    match client.line(PATIENCE) {
        Line::Said(line) => serde_json::from_slice(&line).unwrap(),
        none @ (Line::Closed | Line::Silence) => panic!("{none:?}: {}", client.stderr()),
    }
}

/// That the second result is the first with one more text at the end, which names policy, rule, action and why.
fn only_told(before: &Value, after: &Value) {
    let mut expected = before.clone();
    let contents = after["content"].as_array().unwrap();
    let told = contents.last().unwrap();
    let text = told["text"].as_str().unwrap_or_else(|| panic!("{after}"));
    for part in ["Policy warning", "my-policy", "rule 1", "deny", "it cannot be undone", "The call was run"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    expected["content"].as_array_mut().unwrap().push(told.clone());
    assert_eq!(&expected, after);
}

#[test]
fn the_typescript_client_sees_the_warning_and_the_same_structured_content() {
    let Some(node) = parts::node("the_typescript_client_sees_the_warning_and_the_same_structured_content")
    else {
        return;
    };
    let (script, server) = (node.script("clients/conversation.mjs"), node.server("server-everything"));
    let steps = json!([["tools/call", "get-structured-content", {"location": "Chicago"}]]);
    let told = |mode: &str| {
        let home = Home::with_policy(&policy(mode, "get-structured-content", ""));
        conversation(&home, &script, &server, &steps).remove(1)
    };
    let (shadow, warn) = (told("shadow"), told("warn"));
    assert!(shadow.get("structuredContent").is_some(), "{shadow}");
    only_told(&shadow, &warn);
    assert_eq!(shadow["structuredContent"], warn["structuredContent"]);
}

#[test]
fn the_python_client_sees_the_warning() {
    let Some(python) = parts::python("the_python_client_sees_the_warning") else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "text").unwrap();
    let server = [parts::example("rmcp-server"), folder.path().to_owned()];
    let server = server.map(|path| path.to_str().unwrap().to_owned());
    let script = python.script("clients/conversation.py");
    let steps = json!([["tools/call", "read_file", {"path": "a.txt"}]]);
    let told = |mode: &str| {
        let home = Home::with_policy(&policy(mode, "read_file", ""));
        conversation(&home, &script, &server, &steps).remove(1)
    };
    only_told(&told("shadow"), &told("warn"));
}

#[test]
fn a_warning_is_told_once_recorded_followed_and_acknowledged() {
    let home = Home::with_policy(&policy("warn", "delete_file", ""));
    let (mut client, _record) = home.converse(&[]);
    let first = client.call("delete_file", &json!({"path": "a"}));
    assert_eq!(first["result"]["content"].as_array().unwrap().len(), 2, "{first}");
    let second = client.call("delete_file", &json!({"path": "b"}));
    assert_eq!(second["result"]["content"].as_array().unwrap().len(), 1, "the same shape: {second}");
    client.call("read_file", &json!({}));
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).is_some());
    let rows = home.await_rows(3);
    assert_eq!(rows[0].outcome.as_deref(), Some("warned"));
    let reference = rows[0].tool_call_id.clone().unwrap();
    let waiting = home.run(&["ack", "--json"]).json();
    assert_eq!(waiting.as_array().unwrap().len(), 1, "{waiting}");
    let warning = &waiting[0];
    assert_eq!(
        (&warning["tool_call_id"], &warning["shown"], &warning["course"]),
        (&json!(reference), &json!("result"), &json!("repeated"))
    );
    assert_eq!((&warning["effect"], &warning["next_verdict"]), (&json!("deny"), &json!("deny")));
    let told = home.run(&["ack", &reference, "--note", "expected", "--json"]).json();
    assert_eq!(
        (&told[0]["note"], told[0]["acknowledged_by"].is_string()),
        (&json!("expected"), true),
        "{told}"
    );
    assert_eq!(home.run(&["ack", "--json"]).json(), json!([]));
    assert_eq!(home.run(&["ack", "nobody-1"]).code, Some(1));
}

#[test]
fn the_story_of_a_session_is_told_in_order() {
    let rule = "[[rule]]\nid = \"ask\"\ntools = [\"run_shell\"]\naction = \"require_approval\"\nmode = \"enforce\"\n\
                [approval]\npatience = \"100ms\"\n";
    let home = Home::with_policy(&policy("warn", "delete_file", rule));
    let (mut client, _record) = home.converse(&["--agent", "bot"]);
    client.call("delete_file", &json!({"path": "a"}));
    assert_eq!(client.call("run_shell", &json!({}))["error"]["data"]["type"], "approval_pending");
    let question = home.run(&["approvals", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(home.run(&["approvals", "approve", &question, "--reason", "fine"]).code, Some(0));
    assert!(client.call("run_shell", &json!({})).get("result").is_some());
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).is_some());
    let story = home.run(&["timeline", "last", "--json"]).json();
    let events: Vec<&str> =
        story["events"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    let order = ["call", "warning", "question", "question_closed", "ruling", "grant"];
    let mut left = events.iter();
    for wanted in order {
        assert!(left.any(|event| *event == wanted), "{wanted} is missing or late in {events:?}");
    }
    let session = story["session"].as_str().unwrap();
    let text = home.run(&["timeline", &session[..6]]);
    for part in
        ["WARNED", "told in the result; changed course", "asked", "approved", ": fine", "APPROVED", "used"]
    {
        assert!(text.out.contains(part), "{part}: {}", text.out);
    }
    let unknown = home.run(&["timeline", "nowhere"]);
    assert!(unknown.code == Some(1) && unknown.err.contains(session), "{unknown:?}");
}

#[test]
fn an_enforced_warning_passes_and_tells() {
    let home = Home::with_policy(&policy("enforce", "fetch", "").replace("\"deny\"", "\"warn\""));
    let (mut client, _record) = home.converse(&[]);
    let told = client.call("fetch", &json!({"url": "a"}));
    assert!(told["result"]["content"][1]["text"].as_str().unwrap().contains("says warn"), "{told}");
    let seen = until(PATIENCE, || Some(home.run(&["ack", "--json"]).json()).filter(|all| all[0].is_object()));
    assert_eq!(seen.unwrap()[0]["shown"], "result");
}
