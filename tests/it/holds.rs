//! Calls that wait for people, through the binary: who lets them through, what flows past them, what a restart keeps.
//!
//! It refuses to rule otherwise than people do: by the store, from another process, or in the host.
//!
//! Invariant: no test waits for a clock where it can wait for what the clock brings about.

mod clients;
mod over_http;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use callgate::store::{Approvals, Decision, QuestionRow, QuestionState, Ruled, Ruler, Which};
use serde_json::{Value, json};

use crate::support::home::{Home, until};
use crate::support::process::{McpClient, PATIENCE};

/// One rule that asks about `delete_file`, under these settings.
pub(crate) fn asks(settings: &str) -> String {
    format!(
        "version = 1\nmode = \"enforce\"\n[[rule]]\nid = \"ask\"\ntools = [\"delete_file\"]\n\
         action = \"require_approval\"\nreason = \"files do not come back\"\n[approval]\n{settings}\n"
    )
}

/// The questions of a home, as another process sees them.
pub(crate) fn desk(home: &Home) -> Approvals {
    Approvals::open(&home.store()).unwrap()
}

/// Waits for so many open questions.
pub(crate) fn await_open(desk: &Approvals, count: usize) -> Vec<QuestionRow> {
    let look = || Some(desk.list(Which::Open).unwrap()).filter(|open| open.len() == count);
    until(PATIENCE, look).unwrap_or_else(|| panic!("not {count} open: {:#?}", desk.list(Which::All)))
}

pub(crate) fn rule(desk: &Approvals, question: &str, decision: &Decision) -> QuestionRow {
    let by = Ruler { uid: Some(0), pid: Some(std::process::id()), ..Ruler::default() };
    match desk.rule(question, decision, &by, Some("as agreed")).unwrap() {
        Ruled::Taken(question) => *question,
        other @ (Ruled::Closed(_) | Ruled::Unconfirmed(_) | Ruled::Unknown | Ruled::Ambiguous) => {
            panic!("{other:?}")
        }
    }
}

pub(crate) fn send_call(client: &mut McpClient, id: u64, arguments: &Value) {
    let params = json!({"name": "delete_file", "arguments": arguments});
    let frame = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    client.send_raw(format!("{frame}\n").as_bytes());
}

fn outcomes(home: &Home, count: usize) -> Vec<(String, String)> {
    let text = |value: Option<String>| value.unwrap_or_default();
    home.await_rows(count).into_iter().map(|row| (text(row.outcome), text(row.verdict))).collect()
}

#[test]
fn a_call_waits_while_others_pass_until_another_process_lets_it_through() {
    let home = Home::with_policy(&asks(""));
    let (mut client, record) = home.converse(&[]);
    send_call(&mut client, 100, &json!({"path": "/tmp/a\u{202e}b", "n": 1.10}));
    let desk = desk(&home);
    let question = await_open(&desk, 1).remove(0);
    assert_eq!((question.tool.as_str(), question.rule.as_str()), ("delete_file", "ask"));
    assert_eq!(question.why.as_deref(), Some("files do not come back"));
    assert!(client.request("ping", &json!({})).get("result").is_some(), "a ping flows past it");
    assert!(client.call("read_file", &json!({})).get("result").is_some(), "so does another call");
    assert!(!String::from_utf8(record.bytes_from(0)).unwrap().contains("delete_file"));
    let before = Instant::now();
    let ruled = rule(&desk, &question.id, &Decision::Approve(None));
    let answer = client.answer_to(&json!(100));
    eprintln!("from the ruling to the answer: {:?}", before.elapsed());
    assert_eq!(
        (ruled.state, answer["result"]["content"][0]["text"].as_str()),
        (QuestionState::Approved, Some("ran"))
    );
    let reached = String::from_utf8(record.bytes_from(0)).unwrap();
    let held: Vec<&str> = reached.lines().filter(|line| line.contains("delete_file")).collect();
    let sent = json!({"jsonrpc": "2.0", "id": 100, "method": "tools/call",
        "params": {"name": "delete_file", "arguments": {"path": "/tmp/a\u{202e}b", "n": 1.10}}});
    assert_eq!(held, [sent.to_string()], "as it came, once");
    assert!(outcomes(&home, 2).contains(&("approved".into(), "require_approval".into())));
    // The id of the question is the person's alone.
    let told = format!("{answer}{reached}{}", client.server.stderr());
    assert!(!told.contains(&question.id), "{told}");
    let turns = desk.find(&question.id).unwrap().remove(0).turns;
    assert_eq!(turns.iter().map(|turn| turn.kind.as_str()).collect::<Vec<_>>(), ["approved", "used"]);
}

#[test]
fn a_denial_is_passed_on_with_what_the_person_says() {
    let home = Home::with_policy(&asks(""));
    let (mut client, record) = home.converse(&[]);
    send_call(&mut client, 100, &json!({"path": "a"}));
    let desk = desk(&home);
    rule(&desk, &await_open(&desk, 1)[0].id, &Decision::Deny);
    let error = client.answer_to(&json!(100))["error"].clone();
    assert_eq!(
        (error["code"].as_i64(), error["data"]["type"].as_str()),
        (Some(-32001), Some("approval_denied"))
    );
    assert!(error["message"].as_str().unwrap().contains("They say: as agreed."), "{error}");
    assert_eq!(outcomes(&home, 1), [("denied".into(), "require_approval".into())]);
    assert!(!String::from_utf8(record.bytes_from(0)).unwrap().contains("delete_file"));
}

#[test]
fn a_thousand_calls_wait_at_once_while_pings_pass() {
    let home = Home::with_policy(&asks("timeout = \"10m\"\npatience = \"10m\""));
    let (mut client, _record) = home.converse(&[]);
    for id in 1_000..2_000 {
        send_call(&mut client, id, &json!({"path": id.to_string()}));
        if id % 100 == 0 {
            assert!(client.request("ping", &json!({})).get("result").is_some());
        }
    }
    let desk = desk(&home);
    let open = await_open(&desk, 1_000);
    assert!(client.request("ping", &json!({})).get("result").is_some());
    for (index, question) in open.iter().enumerate() {
        rule(&desk, &question.id, &if index % 10 == 0 { Decision::Deny } else { Decision::Approve(None) });
    }
    let mut left: BTreeSet<u64> = (1_000..2_000).collect();
    let mut refused = 0;
    while !left.is_empty() {
        let frame = client.server.json_line();
        assert!(left.remove(&frame["id"].as_u64().unwrap()), "{frame}");
        refused += usize::from(frame.get("error").is_some());
    }
    assert_eq!(refused, 100);
    assert!(desk.list(Which::Open).unwrap().is_empty());
}

#[test]
fn an_answered_call_goes_through_when_it_is_made_again_after_the_approval_and_a_restart_keeps_both() {
    let home = Home::with_policy(&asks("patience = \"200ms\""));
    let arguments = json!({"path": "a", "n": 1.0});
    let call = |client: &mut McpClient| client.call("delete_file", &arguments);
    let as_bot: &[&str] = &["--agent", "bot"];
    let (mut client, _record) = home.converse(as_bot);
    let pending = call(&mut client);
    assert_eq!(pending["error"]["data"]["type"], "approval_pending", "{pending}");
    assert_eq!(pending["error"]["data"]["retryable"], true);
    client.server.kill();
    // A restart loses no question …
    let desk = desk(&home);
    let question = await_open(&desk, 1).remove(0);
    let (mut client, _record) = home.converse(as_bot);
    assert_eq!(call(&mut client)["error"]["data"]["type"], "approval_pending");
    assert_eq!(await_open(&desk, 1)[0].id, question.id, "the same question");
    rule(&desk, &question.id, &Decision::Approve(None));
    client.server.kill();
    // … and no grant, which is good for one call, of this agent, with these arguments.
    let (mut other, _record) = home.converse(&["--agent", "other"]);
    assert_eq!(call(&mut other)["error"]["data"]["type"], "approval_pending");
    let (mut client, record) = home.converse(as_bot);
    let changed = client.call("delete_file", &json!({"path": "a", "n": 1}));
    assert_eq!(changed["error"]["data"]["type"], "approval_pending", "{changed}");
    assert_eq!(call(&mut client)["result"]["content"][0]["text"], "ran");
    assert_eq!(call(&mut client)["error"]["data"]["type"], "approval_pending", "once");
    assert_eq!(String::from_utf8(record.bytes_from(0)).unwrap().matches("delete_file").count(), 1);
    let kinds: Vec<String> = home.await_rows(6).into_iter().filter_map(|row| row.outcome).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "approved").count(), 1, "{kinds:?}");
}

#[test]
fn a_grant_for_a_session_lets_the_same_call_through_as_often_as_it_is_made() {
    let home = Home::with_policy(&asks("grant = \"session\""));
    let (mut client, _record) = home.converse(&[]);
    send_call(&mut client, 100, &json!({"path": "a"}));
    let desk = desk(&home);
    rule(&desk, &await_open(&desk, 1)[0].id, &Decision::Approve(None));
    client.answer_to(&json!(100));
    for _ in 0..3 {
        assert!(client.call("delete_file", &json!({"path": "a"})).get("result").is_some());
    }
    send_call(&mut client, 200, &json!({"path": "b"}));
    await_open(&desk, 1);
}

#[test]
fn nobody_answering_in_time_is_what_on_timeout_says() {
    for (word, passes) in [("deny", false), ("allow", true)] {
        let home = Home::with_policy(&asks(&format!("timeout = \"100ms\"\non_timeout = \"{word}\"")));
        let (mut client, _record) = home.converse(&[]);
        let answer = client.call("delete_file", &json!({"path": "a"}));
        assert_eq!(answer.get("result").is_some(), passes, "{answer}");
        if !passes {
            assert_eq!(answer["error"]["data"]["type"], "approval_expired");
        }
        assert_eq!(outcomes(&home, 1), [("expired".into(), "require_approval".into())]);
        assert_eq!(desk(&home).list(Which::All).unwrap()[0].state, QuestionState::Expired);
    }
}

#[test]
fn a_call_that_is_taken_back_or_whose_session_ends_leaves_no_open_question() {
    let home = Home::with_policy(&asks(""));
    let (mut client, _record) = home.converse(&[]);
    send_call(&mut client, 100, &json!({"path": "a"}));
    let desk = desk(&home);
    await_open(&desk, 1);
    client.send_raw(
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":100}}\n",
    );
    await_open(&desk, 0);
    send_call(&mut client, 101, &json!({"path": "b"}));
    await_open(&desk, 1);
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).is_some());
    assert!(desk.list(Which::Open).unwrap().is_empty());
    let all = desk.list(Which::All).unwrap();
    assert!(all.iter().all(|question| question.state == QuestionState::Withdrawn), "{all:#?}");
    assert_eq!(outcomes(&home, 2), vec![("withdrawn".into(), "require_approval".into()); 2]);
}

#[test]
fn an_edit_of_the_policy_is_heard_by_calls_that_wait() {
    let home = Home::with_policy(&asks(""));
    let (mut client, _record) = home.converse(&[]);
    send_call(&mut client, 100, &json!({"path": "a"}));
    let desk = desk(&home);
    let first = await_open(&desk, 1).remove(0);
    home.replace_policy(&format!("{}# another revision\n", asks("")));
    let asked_anew = || desk.list(Which::Open).unwrap().into_iter().find(|question| question.id != first.id);
    let second = until(PATIENCE, asked_anew).expect("the call is asked about anew");
    assert!(matches!(
        desk.rule(&first.id, &Decision::Approve(None), &Ruler::default(), None).unwrap(),
        Ruled::Closed(_)
    ));
    home.replace_policy(&asks("").replace("require_approval", "deny"));
    let answer = client.answer_to(&json!(100));
    assert_eq!(answer["error"]["data"]["type"], "policy_denied", "{answer}");
    assert_eq!(desk.find(&second.id).unwrap()[0].state, QuestionState::Withdrawn);
    home.replace_policy(&asks(""));
    let mut last = 200;
    let held = until(PATIENCE, || {
        last += 1;
        send_call(&mut client, last, &json!({"path": "b"}));
        desk.list(Which::Open).unwrap().pop()
    });
    assert!(held.is_some());
    // The brake: one line calms everything, what waits included.
    home.replace_policy(&format!("max_mode = \"shadow\"\n{}", asks("")));
    assert!(client.answer_to(&json!(last)).get("result").is_some());
}

#[test]
fn a_client_that_can_be_told_waits_longer_than_its_own_timeout() {
    let home = Home::with_policy(&asks("patience = \"100ms\""));
    let (mut client, _record) = home.converse(&[]);
    client.send_raw(
        b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_file\",\
          \"_meta\":{\"progressToken\":\"t\"}}}\n",
    );
    let told = client.server.json_line();
    assert_eq!(
        (told["method"].as_str(), told["params"]["progressToken"].as_str()),
        (Some("notifications/progress"), Some("t"))
    );
    let desk = desk(&home);
    rule(&desk, &await_open(&desk, 1)[0].id, &Decision::Approve(None));
    assert!(client.answer_to(&json!(9)).get("result").is_some());
    let row = home.await_rows(1).remove(0);
    assert_eq!(row.outcome.as_deref(), Some("approved"));
    let waited = until(Duration::from_secs(5), || home.rows()[0].latency_us);
    assert!(waited.is_some(), "it is completed like any other");
}

#[test]
fn one_yes_lets_one_of_three_alike_go_and_the_others_can_be_answered() {
    let home = Home::with_policy(&asks("on_timeout = \"allow\""));
    let (mut client, record) = home.converse(&["--agent", "bot"]);
    for id in [100, 101, 102] {
        send_call(&mut client, id, &json!({"path": "a"}));
    }
    let desk = desk(&home);
    let mut before = String::new();
    for (left, decision) in [(2, Decision::Approve(None)), (1, Decision::Approve(None)), (0, Decision::Deny)]
    {
        let asked = || desk.list(Which::Open).unwrap().pop().filter(|asked| asked.id != before);
        let question = until(PATIENCE, asked).unwrap_or_else(|| panic!("{left} wait for nobody"));
        rule(&desk, &question.id, &decision);
        before = question.id;
    }
    let refused = client.answer_to(&json!(102));
    assert_eq!(refused["error"]["data"]["type"], "approval_denied", "{refused}");
    let ran = String::from_utf8(record.bytes_from(0)).unwrap().matches("delete_file").count();
    assert_eq!(ran, 2);
}

#[test]
fn a_question_that_one_session_takes_back_is_asked_by_the_other_that_waits() {
    let home = Home::with_policy(&asks(""));
    let mut clients = [home.converse(&["--agent", "bot"]).0, home.converse(&["--agent", "bot"]).0];
    let desk = desk(&home);
    for client in &mut clients {
        send_call(client, 100, &json!({"path": "a"}));
        await_open(&desk, 1);
    }
    let first = await_open(&desk, 1).remove(0);
    let [one, other] = &mut clients;
    one.send_raw(
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":100}}\n",
    );
    let asked = || desk.list(Which::Open).unwrap().pop().filter(|asked| asked.id != first.id);
    let second = until(PATIENCE, asked).expect("who still waits has to ask");
    rule(&desk, &second.id, &Decision::Approve(None));
    assert!(other.answer_to(&json!(100)).get("result").is_some());
}
