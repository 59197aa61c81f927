//! `callgate approvals`, typed by a person beside a sidecar whose call waits.
//!
//! It refuses to know ids otherwise than people do: from the list.
//!
//! Invariant: no test approves anything by what an agent has seen.

mod exact;
mod replaced;
mod rulings;

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::holds::{asks, send_call};
use crate::support::home::{Home, Told, until};
use crate::support::process::{Line, McpClient, PATIENCE, Piped};

/// A home in which a call waits.
fn held(settings: &str, arguments: &Value) -> (Home, McpClient) {
    let home = Home::with_policy(&asks(settings));
    let (mut client, _record) = home.converse(&["--agent", "bot"]);
    send_call(&mut client, 100, arguments);
    (home, client)
}

/// The open questions, once there are so many.
fn listed(home: &Home, count: usize) -> Vec<Value> {
    let look = || {
        let told = home.run(&["approvals", "list", "--json"]);
        assert_eq!(told.code, Some(0), "{told:?}");
        Some(told.json().as_array().unwrap().clone()).filter(|all| all.len() == count)
    };
    until(PATIENCE, look).unwrap_or_else(|| panic!("not {count} open"))
}

/// The same, once the processes that hold their calls have been heard: a question is written down before its call waits,
/// and a busy machine may be slower than who asks is patient.
fn listed_exactly(home: &Home, count: usize) -> Vec<Value> {
    let look = || {
        let all = listed(home, count);
        Some(all).filter(|all| all.iter().all(|question| question["arguments_exact"] == true))
    };
    until(PATIENCE, look).unwrap_or_else(|| panic!("not exact: {:#?}", listed(home, count)))
}

fn id(question: &Value) -> String {
    question["id"].as_str().unwrap().to_owned()
}

/// A command on a terminal of its own: what is sent to it is typed there.
fn at_a_terminal(home: &Home, arguments: &[&str]) -> Command {
    let line: Vec<String> = std::iter::once(env!("CARGO_BIN_EXE_callgate").to_owned())
        .chain(arguments.iter().map(|argument| format!("'{argument}'")))
        .collect();
    let mut command = Command::new("script");
    home.settle(command.args(["-qec", &line.join(" "), "/dev/null"]));
    command
}

/// The same to its end, to which all of this is typed at once.
fn on_a_terminal(home: &Home, arguments: &[&str], typed: &str) -> Told {
    let mut command = at_a_terminal(home, arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    Told::of(&child.wait_with_output().unwrap())
}

#[test]
fn a_question_is_shown_as_it_will_run_with_nothing_hidden_and_answered() {
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let (home, mut client) =
        held("", &json!({"path": "/tmp/\u{202e}\u{1b}[2Jx", "token": secret, "n": 1.10}));
    let question = listed_exactly(&home, 1).remove(0);
    assert_eq!(question["arguments"], json!({"path": "/tmp/\u{202e}\u{1b}[2Jx", "token": secret, "n": 1.10}));
    assert_eq!((&question["arguments_exact"], &question["state"]), (&json!(true), &json!("open")));
    assert_eq!(
        (&question["agent"], &question["tool"], &question["rule"]),
        (&json!("bot"), &json!("delete_file"), &json!("ask"))
    );
    assert!(question["seconds_left"].as_i64().unwrap() > 500, "{question}");
    let raw = home.run(&["approvals", "list", "--json"]).out;
    assert!(raw.contains("\\u202e") && !raw.contains('\u{202e}'), "{raw}");
    let text = home.run(&["approvals"]);
    assert!(text.out.contains("\\u{202e}") && !text.out.contains(['\u{202e}', '\u{1b}']), "{text:?}");
    assert!(text.out.contains(secret) && text.out.contains("files do not come back"), "{text:?}");
    let told = home.run(&["approvals", "approve", &id(&question), "--reason", "as agreed"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(client.answer_to(&json!(100)).get("result").is_some());
    let again = home.run(&["approvals", "approve", &id(&question)]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains("the call has gone"), "{again:?}");
    let all = home.run(&["approvals", "--all", "--json"]).json();
    let approved = &all[0]["turns"][0];
    assert_eq!(
        (&all[0]["state"], &approved["reason"], &approved["channel"]),
        (&json!("approved"), &json!("as agreed"), &json!("local"))
    );
    assert!(approved["ancestry"].as_str().unwrap().starts_with("callgate "), "{approved}");
    // What is over is shown as it was stored.
    assert!(!all.to_string().contains(secret) && all[0]["arguments_exact"] == false, "{all}");
}

#[test]
fn a_denial_carries_its_reason_and_nothing_that_the_agent_has_seen_names_a_question() {
    let (home, mut client) = held("patience = \"100ms\"", &json!({"path": "a"}));
    let pending = client.answer_to(&json!(100));
    let reference = pending["error"]["data"]["toolCallId"].as_str().unwrap().to_owned();
    let question = listed(&home, 1).remove(0);
    assert_eq!(question["tool_call_id"], json!(reference));
    assert!(
        !pending.to_string().contains(&id(&question)) && !client.server.stderr().contains(&id(&question))
    );
    for wrong in [reference.as_str(), "100", "ask", &id(&question)[..3]] {
        let told = home.run(&["approvals", "approve", wrong]);
        assert_eq!(told.code, Some(2), "{wrong}: {told:?}");
        assert!(told.err.contains("callgate approvals"), "{told:?}");
    }
    let denied = home.run(&["approvals", "deny", &id(&question)[..6], "--reason", "no"]);
    assert_eq!(denied.code, Some(0), "{denied:?}");
    assert!(listed(&home, 0).is_empty());
}

#[test]
fn what_was_approved_can_be_denied_until_the_call_has_gone() {
    let (home, mut client) = held("patience = \"100ms\"", &json!({"path": "a"}));
    client.answer_to(&json!(100));
    let question = id(&listed(&home, 1)[0]);
    assert_eq!(home.run(&["approvals", "approve", &question, "--grant", "30m", "--json"]).code, Some(0));
    assert_eq!(home.run(&["approvals", "deny", &question]).code, Some(0));
    let refused = client.call("delete_file", &json!({"path": "a"}));
    assert_eq!(refused["error"]["data"]["type"], "approval_denied", "it was not told yet: {refused}");
    let refused = client.call("delete_file", &json!({"path": "a"}));
    assert_eq!(refused["error"]["data"]["type"], "approval_pending", "it is asked about anew: {refused}");
    assert_ne!(id(&listed(&home, 1)[0]), question);
    assert_eq!(home.run(&["approvals", "approve", &question, "--grant", "always"]).code, Some(2));
}

#[test]
fn what_lets_many_calls_go_can_be_taken_back() {
    for grant in ["session", "30m"] {
        let (home, mut client) = held("patience = \"100ms\"", &json!({"path": "a"}));
        let question = id(&listed(&home, 1)[0]);
        client.answer_to(&json!(100));
        assert_eq!(home.run(&["approvals", "approve", &question, "--grant", grant]).code, Some(0));
        assert!(client.call("delete_file", &json!({"path": "a"})).get("result").is_some(), "{grant}");
        assert_eq!(home.run(&["approvals", "deny", &question]).code, Some(0), "{grant}");
        let refused = client.call("delete_file", &json!({"path": "a"}));
        assert_eq!(refused["error"]["data"]["type"], "approval_pending", "{refused}");
        let again = home.run(&["approvals", "deny", &question]);
        assert!(again.code == Some(1) && again.err.contains("denied already"), "{again:?}");
    }
}

#[test]
fn a_policy_file_with_a_fault_hides_no_question_and_a_store_that_is_not_there_is_told() {
    let home = Home::new();
    let store = home.path("elsewhere/audit.db");
    let audit = format!("[audit]\npath = \"{}\"\n", store.display());
    home.write_policy(&(asks("") + &audit));
    let (mut client, _record) = home.converse(&[]);
    send_call(&mut client, 100, &json!({"path": "a"}));
    listed(&home, 1);
    home.replace_policy(&format!("version = 1\nmoed = 1\n{audit}"));
    listed(&home, 1);
    let told = home.run(&["approvals", "--store", "typo.db"]);
    assert!(told.code == Some(1) && told.err.contains("there is no audit store at `typo.db`"), "{told:?}");
    let told = home.run(&["approvals", "--config", "typo.toml"]);
    assert!(told.code == Some(2) && told.err.contains("typo.toml"), "{told:?}");
}

#[test]
fn where_a_terminal_is_asked_for_a_script_cannot_approve() {
    let (home, mut client) = held("confirm = \"tty\"", &json!({"path": "a"}));
    let question = id(&listed(&home, 1)[0]);
    let told = home.run(&["approvals", "approve", &question]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.err.contains("terminal"), "{told:?}");
    let told = on_a_terminal(&home, &["approvals", "approve", &question], "no\n");
    assert_ne!(told.code, Some(0), "{told:?}");
    assert_eq!(listed(&home, 1).len(), 1);
    let told = on_a_terminal(&home, &["approvals", "approve", &question], "yes\n");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(client.answer_to(&json!(100)).get("result").is_some());
}

#[test]
fn an_inbox_tells_of_questions_as_they_come_and_close() {
    let (home, mut client) = held("", &json!({"path": "a"}));
    let inbox = Piped::start(&mut home.callgate(["approvals", "--watch", "--json"]));
    let first = inbox.json_line();
    assert_eq!(first["state"], "open");
    send_call(&mut client, 101, &json!({"path": "b"}));
    let second = inbox.json_line();
    assert_eq!((&second["arguments"], &second["state"]), (&json!({"path": "b"}), &json!("open")));
    assert_eq!(home.run(&["approvals", "deny", &id(&first)]).code, Some(0));
    let closed = inbox.json_line();
    assert_eq!((&closed["id"], &closed["state"]), (&first["id"], &json!("denied")));
    assert_eq!(inbox.line(std::time::Duration::from_millis(100)), Line::Silence);
}

#[test]
fn an_inbox_on_a_terminal_takes_answers() {
    let (home, mut client) = held("", &json!({"path": "a"}));
    listed(&home, 1);
    let told = on_a_terminal(&home, &["approvals", "--watch"], "x\na 7\nd 1 not today\nq\n");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("[1]") && told.out.contains("no open question has that number"), "{told:?}");
    let refused = client.answer_to(&json!(100));
    assert!(refused["error"]["message"].as_str().unwrap().contains("They say: not today."), "{refused}");
}

#[test]
fn without_a_store_nothing_waits() {
    let home = Home::new();
    assert_eq!(home.run(&["approvals", "--json"]).json(), json!([]));
    assert_eq!(home.run(&["approvals", "approve", "abcdef"]).code, Some(2));
    assert!(!home.store().exists());
}
