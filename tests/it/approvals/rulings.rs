//! Rulings: who is recorded, what several of them do to each other, and the yes that must be typed.
//!
//! It refuses to take an exit code for what became of a call.
//!
//! Invariant: each test looks at what the agent got.

use std::time::{Duration, Instant};

use callgate::record::{Channel, Confirm, Grant, Question, Record, SessionInfo};
use callgate::store::{Options, Store};
use serde_json::{Value, json};

use super::{at_a_terminal, held, id, listed, listed_exactly, on_a_terminal};
use crate::holds::send_call;
use crate::support::home::Home;
use crate::support::process::{Deadline, Line, PATIENCE, Piped};

/// Reads on until a line has this in it: that line.
fn read_to(terminal: &Piped, wanted: &str) -> String {
    let deadline = Deadline::within(PATIENCE);
    let mut all = String::new();
    loop {
        match terminal.line(deadline.left()) {
            Line::Said(line) if String::from_utf8_lossy(&line).contains(wanted) => {
                return String::from_utf8_lossy(&line).into_owned();
            }
            Line::Said(line) => all += &String::from_utf8_lossy(&line),
            end @ (Line::Closed | Line::Silence) => panic!("{end:?} before `{wanted}`:\n{all}"),
        }
    }
}

fn reason(told: &Value) -> &str {
    told["error"]["message"].as_str().unwrap_or_default()
}

#[test]
fn who_holds_back_a_yes_or_has_no_terminal_is_told_which_and_sees_what_would_run() {
    let secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let (home, mut client) = held("confirm = \"tty\"", &json!({"token": secret}));
    let question = id(&listed_exactly(&home, 1)[0]);
    let told = on_a_terminal(&home, &["approvals", "approve", &question], "y\n");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.out.contains("yes was not typed") && told.out.contains(secret), "{told:?}");
    let told = on_a_terminal(&home, &["approvals", "deny", &question, "--reason", "not now"], "");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(reason(&client.answer_to(&json!(100))).contains("They say: not now."));
    let turn = &home.run(&["approvals", "--all", "--json"]).json()[0]["turns"][0];
    assert!(turn["tty"].as_str().unwrap().starts_with("/dev/"), "{turn}");
    assert!(turn["uid"].is_u64() && turn["pid"].is_u64() && turn["user"].is_string(), "{turn}");
}

#[test]
fn an_inbox_takes_the_yes_for_itself_after_it_has_shown_what_it_is_for() {
    let (home, mut client) = held("confirm = \"tty\"", &json!({"path": "/tmp/wanted"}));
    listed(&home, 1);
    let mut inbox = Piped::start(&mut at_a_terminal(&home, &["approvals", "--watch"]));
    read_to(&inbox, "1 waiting");
    inbox.send(b"a 1\n").unwrap();
    read_to(&inbox, "/tmp/wanted");
    read_to(&inbox, "Type yes");
    inbox.send(b"no\n").unwrap();
    read_to(&inbox, "yes was not typed");
    inbox.send(b"a 1\n").unwrap();
    read_to(&inbox, "Type yes");
    inbox.send(b"yes\n").unwrap();
    assert!(read_to(&inbox, "[1]").contains("approved"));
    assert!(client.answer_to(&json!(100)).get("result").is_some());
    inbox.send(b"q\n").unwrap();
    assert!(inbox.wait(PATIENCE).unwrap().success());
}

#[test]
fn what_was_ruled_before_a_mistake_holds_and_is_told() {
    let (home, mut client) = held("", &json!({"path": "a"}));
    let question = id(&listed(&home, 1)[0]);
    let told = home.run(&["approvals", "approve", &question, "nosuchid", &question]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.out.contains(&question) && told.out.contains("approved"), "{told:?}");
    let whys: Vec<&str> = told.err.lines().collect();
    assert!(whys.len() == 2 && whys[0].contains("`nosuchid`") && whys[1].contains("approved"), "{told:?}");
    assert!(client.answer_to(&json!(100)).get("result").is_some());
}

#[test]
fn a_beginning_that_two_ids_share_names_neither() {
    let home = Home::new();
    let info = SessionInfo { session: "0123456789".into(), server: "bank".into(), ..SessionInfo::default() };
    let store = Store::start(Options::new(home.store()), info);
    store.queue(["abcd1111", "abcd2222"].map(|id| Record::Question(Box::new(asked(id)))).into());
    assert_eq!(store.finish(PATIENCE).unwritten, 0);
    let told = home.run(&["approvals", "deny", "abcd"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.err.contains("write more of it"), "{told:?}");
    assert_eq!(listed(&home, 2).len(), 2);
    assert_eq!(home.run(&["approvals", "deny", "abcd2"]).code, Some(0));
    assert_eq!(id(&listed(&home, 1)[0]), "abcd1111");
}

fn asked(id: &str) -> Question {
    let now = callgate::clock::unix_ms();
    Question {
        id: id.into(),
        unix_ms: now,
        until_ms: now + 600_000,
        number: 3,
        owner: "agent:bot".into(),
        method: "tools/call".into(),
        tool: "pay".into(),
        arguments: Some("{}".into()),
        rule: "money".into(),
        reason: "rule 1 (pay) in policy \"p\"".into(),
        why: None,
        severity: callgate::policy::Severity::High,
        class: callgate::policy::Class::Normal,
        policy: "revision".into(),
        grant: Grant::Once,
        confirm: Confirm::None,
        channels: vec![Channel::Local],
        binding: [7; 32],
        telling: None,
    }
}

#[test]
fn of_two_people_who_disagree_at_once_the_call_knows_one_and_both_know_which() {
    let (home, mut client) = held("", &json!({"round": 0}));
    for round in 1..=8_u64 {
        let question = id(&listed(&home, 1)[0]);
        let both = ["approve", "deny"].map(|verb| {
            let mut command = home.callgate(["approvals", verb, &question]);
            Piped::start(&mut command)
        });
        let [approved, denied] = both.map(|mut ruling| ruling.wait(PATIENCE).unwrap().success());
        let answer = client.answer_to(&json!(99 + round));
        let ran = answer.get("result").is_some();
        // An approval may come first, and a denial then stop its call; a call that ran was denied by nobody.
        assert!(if ran { approved && !denied } else { denied }, "{approved} {denied} {answer}");
        let state = home.run(&["approvals", "--all", "--json"]).json();
        let state = &state.as_array().unwrap().last().unwrap()["state"];
        assert_eq!(state, if ran { "approved" } else { "denied" });
        // Nobody is asked again about what has been answered.
        listed(&home, 0);
        send_call(&mut client, 100 + round, &json!({"round": round}));
    }
}

#[test]
fn the_call_goes_as_soon_as_the_command_has_said_so() {
    let (home, mut client) = held("", &json!({"round": 0}));
    let mut waits: Vec<Duration> = Vec::new();
    for round in 1..=10_u64 {
        let question = id(&listed(&home, 1)[0]);
        assert_eq!(home.run(&["approvals", "approve", &question]).code, Some(0));
        let ruled = Instant::now();
        assert!(client.answer_to(&json!(99 + round)).get("result").is_some());
        waits.push(ruled.elapsed());
        send_call(&mut client, 100 + round, &json!({"round": round}));
    }
    waits.sort();
    eprintln!("from the end of the command to the result: {waits:?}");
    assert!(waits[waits.len() / 2] < Duration::from_secs(2), "{waits:?}");
}
