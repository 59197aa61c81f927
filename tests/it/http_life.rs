//! What HTTP brings with it: many sessions at once, servers that vanish, answers that never come, readers that dawdle.
//!
//! It refuses to accept that one session pays for another.
//!
//! Invariant: every wait has an end, and what was killed is back at the same place before it is spoken to again.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use callgate::store::Scope;
use serde_json::{Value, json};

use crate::support::face::{Face, HttpClient, Response, key};
use crate::support::home::{Home, no_deleting, until};
use crate::support::parts::{self, Modern};
use crate::support::process::{McpClient, PATIENCE, command_line};
use crate::support::serving::{Listening, free_port};

/// How many sessions there are at once.
const SESSIONS: usize = 200;

/// Clients escalate after 2 s; a machine that is busy with other tests gets more.
const SOON: Duration = Duration::from_secs(4);

/// Long enough never to pass while a test runs.
const NEVER_MS: u32 = 3_600_000;

/// What the largest answer holds, in bytes.
const LARGE: usize = 32 << 20;

#[test]
fn two_hundred_sessions_at_once_hear_only_their_own() {
    let Some(modern) = parts::modern("two_hundred_sessions_at_once_hear_only_their_own") else { return };
    let server = Talk::start(&modern, 0);
    let (home, face, key) = server.behind_serve();
    thread::scope(|scope| {
        for number in 0..SESSIONS {
            let (face, key) = (&face, &key);
            scope.spawn(move || {
                let mut client = HttpClient::open(face, "it", key);
                for turn in 0..3 {
                    let text = format!("session {number}, turn {turn}");
                    assert_eq!(heard(&client.call("echo", &json!({ "text": text }))), text);
                    let denied = client.call("delete_file", &json!({ "path": text })).json();
                    assert_eq!(denied["error"]["code"], -32001, "{denied}");
                }
                assert!(face.ask(&client.plain("DELETE")).status < 300);
            });
        }
    });
    assert!(face.stop());
    let rows = home.await_rows(SESSIONS * 6);
    for row in rows {
        let blocked = row.tool.as_deref() == Some("delete_file");
        let outcome = if blocked { "blocked" } else { "forwarded" };
        assert_eq!(row.outcome.as_deref(), Some(outcome), "{row:?}");
        assert_eq!(row.status.as_deref(), (!blocked).then_some("ok"), "{row:?}");
    }
    assert!(!server.was_asked("delete_file"));
}

#[test]
fn behind_run_a_server_that_is_killed_in_mid_call_fails_that_call_and_no_later_one() {
    let test = "behind_run_a_server_that_is_killed_in_mid_call_fails_that_call_and_no_later_one";
    let Some(modern) = parts::modern(test) else { return };
    let port = free_port();
    let server = Talk::start(&modern, port);
    let home = Home::with_policy(&no_deleting("enforce"));
    let mut client = McpClient::open(&mut home.callgate(["run", "--url", &server.url()]));
    client.send_raw(&slow_call());
    server.await_asked("slow");
    drop(server);
    assert_lost(&client.answer_to(&json!("slow")));
    let server = Talk::start(&modern, port);
    let answer = client.call("echo", &json!({"text": "back"}));
    assert_eq!(answer["result"]["content"][0]["text"], "back", "{answer}");
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).is_some());
    assert!(server.was_asked("echo"));
}

#[test]
fn behind_serve_a_server_that_is_killed_in_mid_call_fails_that_call_and_no_later_one() {
    let test = "behind_serve_a_server_that_is_killed_in_mid_call_fails_that_call_and_no_later_one";
    let Some(modern) = parts::modern(test) else { return };
    let port = free_port();
    let server = Talk::start(&modern, port);
    let (_home, face, key) = server.behind_serve();
    let mut client = HttpClient::open(&face, "it", &key);
    let slow = face.open(&client.call_request("slow", &json!({ "ms": NEVER_MS })));
    server.await_asked("slow");
    drop(server);
    assert_lost(&slow.response().json());
    let server = Talk::start(&modern, port);
    assert_eq!(heard(&client.call("echo", &json!({"text": "back"}))), "back");
    assert!(server.was_asked("echo"));
}

#[test]
fn a_server_that_never_answers_holds_up_neither_other_calls_nor_the_end() {
    let test = "a_server_that_never_answers_holds_up_neither_other_calls_nor_the_end";
    let Some(modern) = parts::modern(test) else { return };
    let server = Talk::start(&modern, 0);
    let (home, face, key) = server.behind_serve();
    let mut caller = HttpClient::open(&face, "it", &key);
    let _waiting = face.open(&caller.call_request("slow", &json!({ "ms": NEVER_MS })));
    server.await_asked("slow");
    assert_eq!(heard(&caller.call("echo", &json!({"text": "meanwhile"}))), "meanwhile");
    let mut client = McpClient::open(&mut home.callgate(["run", "--url", &server.url()]));
    client.send_raw(&slow_call());
    let answer = client.call("echo", &json!({"text": "meanwhile"}));
    assert_eq!(answer["result"]["content"][0]["text"], "meanwhile", "{answer}");
    let closed = Instant::now();
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).is_some());
    assert!(closed.elapsed() < SOON, "{:?}", closed.elapsed());
    // Whoever is still waiting for an answer is given some time at the end of the face, and not more.
    assert!(face.stop());
}

#[test]
fn a_large_answer_arrives_whole_and_who_reads_it_slowly_holds_up_nobody() {
    let test = "a_large_answer_arrives_whole_and_who_reads_it_slowly_holds_up_nobody";
    let Some(modern) = parts::modern(test) else { return };
    let server = Talk::start(&modern, 0);
    let (home, face, key) = server.behind_serve();
    let mut slow_reader = HttpClient::open(&face, "it", &key);
    let large = face.open(&slow_reader.call_request("big", &json!({ "bytes": LARGE }))).head();
    let mut other = HttpClient::open(&face, "it", &key);
    assert_eq!(heard(&other.call("echo", &json!({"text": "meanwhile"}))), "meanwhile");
    assert_large(&large.response().json());
    let mut client = McpClient::open(&mut home.callgate(["run", "--url", &server.url()]));
    assert_large(&client.call("big", &json!({ "bytes": LARGE })));
}

/// The talking server over Streamable HTTP, and the log of what it was asked.
struct Talk {
    listening: Listening,
    home: Home,
}

impl Talk {
    /// At this port, or any free one for 0.
    fn start(modern: &Modern, port: u16) -> Self {
        let home = Home::new();
        let mut command = command_line(&modern.script("servers/talk.mjs"), &["http", &port.to_string()]);
        command.env("TALK_LOG", home.path("asked"));
        Self { listening: Listening::told(command), home }
    }

    fn url(&self) -> String {
        self.listening.url.clone()
    }

    /// `callgate serve` in front of it, and a key.
    fn behind_serve(&self) -> (Home, Face, String) {
        let table = format!("\n[servers.it]\nurl = {}\n", json!(self.url()));
        let home = Home::with_policy(&(no_deleting("enforce") + &table));
        let key = key(&home, "life", None, &[Scope::Call]);
        let face = Face::start(&home, &[]);
        (home, face, key)
    }

    fn was_asked(&self, tool: &str) -> bool {
        asked(&self.home.path("asked"), tool)
    }

    fn await_asked(&self, tool: &str) {
        let log = self.home.path("asked");
        assert!(until(PATIENCE, || asked(&log, tool).then_some(())).is_some(), "{tool} never arrived");
    }
}

fn asked(log: &Path, tool: &str) -> bool {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    log.lines().any(|line| line == format!("tools/call {tool}"))
}

/// A call that is not answered while a test runs, as a line.
fn slow_call() -> Vec<u8> {
    let params = json!({"name": "slow", "arguments": {"ms": NEVER_MS}});
    let call = json!({"jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": params});
    format!("{call}\n").into_bytes()
}

/// The text that a tool answered.
fn heard(response: &Response) -> String {
    let answer = response.json();
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// The answer to a call whose server vanished: ours, and it does not claim to know what was done.
fn assert_lost(answer: &Value) {
    assert_eq!(answer["error"]["code"], -32001, "{answer}");
    let kind = answer["error"]["data"]["type"].as_str();
    let known = ["server_unreachable", "server_http_error", "server_exited"];
    assert!(kind.is_some_and(|kind| known.contains(&kind)), "{answer}");
    assert_eq!(answer["error"]["data"]["executed"], Value::Null, "{answer}");
}

fn assert_large(answer: &Value) {
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer:.300}"));
    assert!(text.len() == LARGE && text.bytes().step_by(2).all(|byte| byte == 0xc3), "{}", text.len());
}
