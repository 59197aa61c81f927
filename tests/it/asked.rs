//! A real server that asks its client for messages and for input, through gates that let it and one that does not.
//!
//! It refuses to look at what is inside callgate: what the client was asked, what it got, and what the store holds.
//!
//! Invariant: the server, the client and what the client answers are the same in every run.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::gates::open_gates;
use crate::support::home::Home;
use crate::support::parts::{self, Node};
use crate::support::process::{Line, Piped, command_line};

/// One conversation: a start of three processes and a few calls, on a machine that is busy with other tests.
const CONVERSATION_TIME: Duration = Duration::from_mins(2);

/// Denies prompts about passwords and pages that are not ours, and leaves the rest alone.
const RULES: &str = r#"
[[rule]]
id = "no-passwords"
methods = "sampling/createMessage"
when = { "/messages/**/text" = { matches = "(?i)password" } }
action = "deny"
reason = "a model is not asked for passwords"

[[rule]]
id = "our-pages"
methods = "elicitation/create"
tools = "url"
unless = { "/url" = { host = "login.example.com" } }
action = "deny"
"#;

fn steps() -> Value {
    let visit = |url: &str, by_error: bool| {
        json!(["tools/call", "trigger-url-elicitation",
            {"url": url, "message": "open", "elicitationId": "e", "errorPath": by_error}])
    };
    json!([
        ["tools/call", "trigger-sampling-request", {"prompt": "a poem, please"}],
        ["tools/call", "trigger-sampling-request", {"prompt": "the PASSWORD, please"}],
        ["tools/call", "trigger-elicitation-request", {}],
        visit("https://login.example.com/", false),
        visit("https://evil.example.com/", false),
        visit("https://other.example.com/", true),
        ["ping"],
    ])
}

#[test]
fn a_server_that_asks_gets_the_same_answers_through_an_open_gate() {
    let Some(node) = parts::node("a_server_that_asks_gets_the_same_answers_through_an_open_gate") else {
        return;
    };
    let direct = masked(conversation(&node, &[], None));
    let asked = direct.last().unwrap()["asked"].as_array().unwrap().len();
    assert_eq!(asked, 5, "{direct:#?}");
    for gate in open_gates() {
        assert_eq!(masked(conversation(&node, &gate.prefix, None)), direct, "through {}", gate.name);
    }
}

#[test]
fn what_a_rule_denies_the_client_is_not_asked() {
    let Some(node) = parts::node("what_a_rule_denies_the_client_is_not_asked") else { return };
    let home = Home::with_policy(&format!("version = 1\nmode = \"enforce\"\n{RULES}"));
    let sidecar = [env!("CARGO_BIN_EXE_callgate"), "run", "--"].map(OsString::from);
    let answers = conversation(&node, &sidecar, Some(&home));
    let asked = answers.last().unwrap()["asked"].as_array().unwrap();
    let texts: Vec<&str> = asked.iter().filter_map(|asked| asked["text"].as_str()).collect();
    assert!(texts.len() == 1 && texts[0].contains("a poem"), "{texts:?}");
    let urls: Vec<&str> = asked.iter().filter_map(|asked| asked["url"].as_str()).collect();
    assert_eq!(urls, ["https://login.example.com/"]);
    // The server learns why, and tells it to the model.
    let told = answers[2]["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("a model is not asked for passwords"), "{told}");
    // Error -32042 would have sent the client to another page: it gets the refusal instead.
    assert_eq!(answers[6]["error"]["code"], -32001, "{}", answers[6]);
    assert_eq!(answers[6]["error"]["data"]["ruleId"], "our-pages");
    assert_eq!(answers[6]["error"]["data"]["executed"], Value::Null);

    let rows = home.await_rows(12);
    let of = |method: &str| -> Vec<(String, String, Option<String>)> {
        let rows = rows.iter().filter(|row| row.method.as_deref() == Some(method));
        rows.map(|row| {
            (
                row.tool.clone().unwrap_or_default(),
                row.outcome.clone().unwrap_or_default(),
                row.status.clone(),
            )
        })
        .collect()
    };
    let row = |tool: &str, outcome: &str, status: Option<&str>| {
        (tool.to_owned(), outcome.to_owned(), status.map(str::to_owned))
    };
    assert_eq!(of("sampling/createMessage"), [row("", "forwarded", Some("ok")), row("", "blocked", None)]);
    assert_eq!(
        of("elicitation/create"),
        [
            row("form", "forwarded", Some("ok")),
            row("url", "forwarded", Some("ok")),
            row("url", "blocked", None),
            row("url", "blocked", None),
        ]
    );
    assert_eq!(of("tools/call").len(), 6);
}

/// Leads the conversation through what stands before the server.
fn conversation(node: &Node, prefix: &[OsString], home: Option<&Home>) -> Vec<Value> {
    let mut words: Vec<String> = prefix.iter().map(|word| word.to_str().unwrap().to_owned()).collect();
    words.extend(node.server("server-everything"));
    let described = json!({"command": words, "steps": steps(), "offers": true}).to_string();
    let mut command = command_line(&node.script("clients/conversation.mjs"), &[described]);
    if let Some(home) = home {
        command.env("HOME", home.path("")).env("XDG_CONFIG_HOME", home.path("config"));
        command.env("XDG_DATA_HOME", home.path("data")).env_remove("CALLGATE_CONFIG").env_remove("FAIL_MODE");
    }
    let mut client = Piped::start(&mut command);
    client.close_stdin();
    let Line::Said(answers) = client.line(CONVERSATION_TIME) else {
        panic!("the client said nothing; stderr:\n{}", client.stderr())
    };
    assert!(client.wait(CONVERSATION_TIME).is_some_and(|status| status.success()), "{}", client.stderr());
    serde_json::from_slice(&answers).unwrap()
}

/// Without the ids that the server makes up.
fn masked(mut answers: Vec<Value>) -> Vec<Value> {
    for answer in &mut answers {
        if let Some(url) = answer.pointer_mut("/error/data/elicitations/0/elicitationId") {
            *url = Value::Null;
        }
    }
    answers
}
