//! Rules that look back, through real processes: rates, labels, and what a restart remembers.
//!
//! It refuses to look into tables: what is remembered shows in what is refused.
//!
//! Invariant: every refusal is compared with the row that tells of it.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::process::{McpClient, PATIENCE};
use crate::support::record::Record;

const LABELS: &str = r#"
[[label]]
id = "secret-read"
tools = "read_file"
when = { "/path" = { path_glob = "**/.env" } }
scope = "SCOPE"
ttl = "1h"

[[rule]]
id = "nothing-leaves"
tools = "fetch"
after = "secret-read"
action = "deny"
"#;

const GREEN: &str = r#"
[[label]]
id = "tests-passed"
tools = "run_tests"
on = "result"

[[rule]]
id = "push-when-green"
tools = "push"
unless_after = "tests-passed"
action = "deny"
"#;

/// Answers a call of a tool: with a failure while `failing` is in the arguments, else with success.
const SERVER: &str = r#"while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}\n' "$id" ;;
    *'"failing"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"isError":true,"content":[]}}\n' "$id" ;;
    *'"tools/call"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}\n' "$id" ;;
  esac
done"#;

fn policy(mode: &str, rest: &str) -> String {
    format!("version = 1\nmode = \"{mode}\"\n{rest}")
}

fn searches(max: u32, by: &str) -> String {
    let rate = format!("rate = {{ max = {max}, per = \"1h\", by = \"{by}\" }}");
    policy("enforce", &format!("[[rule]]\nid = \"slowly\"\ntools = \"query\"\n{rate}\naction = \"deny\"\n"))
}

fn labels(mode: &str, scope: &str) -> String {
    policy(mode, &LABELS.replace("SCOPE", scope))
}

fn ran(answer: &Value) -> bool {
    let ran = answer.get("result").is_some();
    assert!(ran || answer["error"]["code"] == -32001, "{answer}");
    ran
}

fn end(mut client: McpClient) {
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).unwrap().success(), "{}", client.server.stderr());
}

fn read_secret(client: &mut McpClient) -> bool {
    ran(&client.call("read_file", &json!({"path": "/app/.env"})))
}

fn fetch(client: &mut McpClient) -> bool {
    ran(&client.call("fetch", &json!({"url": "https://example.com"})))
}

#[test]
fn a_rate_by_session_lets_so_many_pass_and_refuses_the_next() {
    let home = Home::with_policy(&searches(3, "session"));
    let (mut client, record) = home.converse(&[]);
    let passed: Vec<bool> = (0..5).map(|_| ran(&client.call("query", &json!({})))).collect();
    assert_eq!(passed, [true, true, true, false, false]);
    assert!(ran(&client.call("echo", &json!({}))));
    let (mut other, _record) = home.converse(&[]);
    assert!(ran(&other.call("query", &json!({}))), "another session has a budget of its own");
    end(client);
    end(other);
    let reached = String::from_utf8(record.bytes_from(0)).unwrap();
    assert_eq!(reached.matches("\"query\"").count(), 3);
    let rows = home.await_rows(7);
    let refused: Vec<_> = rows.iter().filter(|row| row.outcome.as_deref() == Some("blocked")).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|row| row.rule.as_deref() == Some("slowly")));
}

#[test]
fn a_rate_by_agent_is_shared_by_its_sidecars() {
    let home = Home::with_policy(&searches(3, "agent"));
    let (mut one, _record) = home.converse(&["--agent", "ci", "--server", "a"]);
    let (mut two, _record) = home.converse(&["--agent", "ci", "--server", "b"]);
    let (mut other, _record) = home.converse(&["--agent", "me", "--server", "a"]);
    let query = |client: &mut McpClient| ran(&client.call("query", &json!({})));
    assert!(query(&mut one) && query(&mut two) && query(&mut one));
    assert!(!query(&mut two) && !query(&mut one));
    assert!(query(&mut other), "another agent has a budget of its own");
    [one, two, other].into_iter().for_each(end);
    let (mut later, _record) = home.converse(&["--agent", "ci", "--server", "a"]);
    assert!(!query(&mut later), "a new session does not refill it");
    end(later);
}

#[test]
fn after_a_secret_was_read_nothing_leaves_not_even_beside_it() {
    let home = Home::with_policy(&labels("enforce", "session"));
    let (mut client, record) = home.converse(&[]);
    assert!(fetch(&mut client));
    let call = |id: &str, tool: &str, arguments: Value| {
        let params = json!({"name": tool, "arguments": arguments});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string() + "\n"
    };
    let both =
        call("r", "read_file", json!({"path": "/app/.env"})) + &call("f", "fetch", json!({"url": "x"}));
    client.send_raw(both.as_bytes());
    assert!(!ran(&client.answer_to(&json!("f"))));
    assert!(!fetch(&mut client));
    assert!(read_secret(&mut client));
    end(client);
    assert_eq!(String::from_utf8(record.bytes_from(0)).unwrap().matches("\"fetch\"").count(), 1);
    let rows = home.await_rows(5);
    let seen: Vec<_> =
        rows.iter().map(|row| (row.outcome.as_deref().unwrap(), row.labels.as_slice())).collect();
    let set = &["secret-read".to_owned()][..];
    let expected =
        [("forwarded", &[][..]), ("forwarded", set), ("blocked", &[]), ("blocked", &[]), ("forwarded", set)];
    assert_eq!(seen, expected);
}

#[test]
fn a_push_waits_until_the_tests_have_passed() {
    let home = Home::with_policy(&policy("enforce", GREEN));
    let mut client = McpClient::open(&mut home.sidecar(&[], ["sh", "-c", SERVER]));
    let push = |client: &mut McpClient| ran(&client.call("push", &json!({})));
    assert!(!push(&mut client));
    assert_eq!(client.call("run_tests", &json!({"failing": true}))["result"]["isError"], true);
    assert!(!push(&mut client), "a failure frees nothing");
    assert!(ran(&client.call("run_tests", &json!({}))));
    assert!(push(&mut client));
    end(client);
}

#[test]
fn shadow_says_what_it_would_have_done_and_lets_all_pass() {
    let home = Home::with_policy(&labels("shadow", "session"));
    let (mut client, _record) = home.converse(&[]);
    assert!(read_secret(&mut client) && fetch(&mut client));
    end(client);
    let rows = home.await_rows(2);
    let seen: Vec<_> =
        rows.iter().map(|row| (row.verdict.as_deref().unwrap(), row.outcome.as_deref().unwrap())).collect();
    assert_eq!(seen, [("allow", "forwarded"), ("deny", "forwarded")]);
}

#[test]
fn a_killed_sidecar_forgets_its_session_and_not_what_its_agent_did() {
    for (scope, passes) in [("session", true), ("agent", false)] {
        let home = Home::with_policy(&labels("enforce", scope));
        let (mut client, _record): (_, Record) = home.converse(&["--agent", "ci"]);
        assert!(read_secret(&mut client) && !fetch(&mut client), "{scope}");
        client.server.kill();
        client.server.wait(PATIENCE);
        let (mut next, _record) = home.converse(&["--agent", "ci"]);
        assert_eq!(fetch(&mut next), passes, "{scope}");
        end(next);
        let (mut other, _record) = home.converse(&["--agent", "me"]);
        assert!(fetch(&mut other), "{scope}: another agent");
        end(other);
    }
}

#[test]
fn a_store_that_cannot_be_read_restricts_by_labels_and_says_so() {
    let home = Home::with_policy(&labels("enforce", "agent"));
    std::fs::create_dir_all(home.store().parent().unwrap()).unwrap();
    std::fs::write(home.store(), "no database at all, but long enough to be looked at. ".repeat(99)).unwrap();
    let (mut client, _record) = home.converse(&["--agent", "ci"]);
    assert!(!fetch(&mut client));
    assert!(ran(&client.call("echo", &json!({}))), "fail_mode is open");
    client.server.close_stdin();
    client.server.wait(PATIENCE);
    assert!(client.server.stderr().contains("labels of theirs are taken for possibly set"));
}
