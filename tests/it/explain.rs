//! `callgate policy explain` through the binary: given calls, recorded calls, and ids that nobody recorded.
//!
//! It refuses to compare prose beyond what people search for: the whole texts are pinned beside the code.
//!
//! Invariant: stdout holds the explanation and nothing else.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::process::PATIENCE;

const RULES: &str = r#"
[identity]
root = "/srv/app"

[[rule]]
id = "inside"
tools = "write_file"
when = { "/path" = { path_outside = "{root}" } }
action = "deny"

[[rule]]
id = "keys"
tools = "write_file"
when = { "/path" = { glob = "*.pub" } }
action = "allow"
overrides = ["inside"]

[[rule]]
id = "tokens"
tools = "write_file"
when = { "/token" = { glob = "ghp_*" } }
action = "warn"

[[rule]]
id = "elsewhere"
tools = "drop_table"
action = "deny"
"#;

fn policy(mode: &str) -> String {
    format!("version = 1\nmode = \"{mode}\"\n{RULES}")
}

/// A home in whose store one call is, and its id.
fn recorded(arguments: &Value) -> (Home, String) {
    let home = Home::with_policy(&policy("shadow"));
    let (mut client, _record) = home.converse(&[]);
    client.call("write_file", arguments);
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).unwrap().success());
    let id = home.rows()[0].tool_call_id.clone().unwrap();
    (home, id)
}

/// The text with its lines joined: where they are broken depends on the time of day.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_given_call_is_explained_rule_by_rule() {
    let home = Home::with_policy(&policy("enforce"));
    let told =
        home.run(&["policy", "explain", "--tool", "write_file", "--arguments", r#"{"path":"/etc/hosts"}"#]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    insta::assert_snapshot!(told.out);
    let all = home.run(&["policy", "explain", "--tool", "write_file", "--arguments", "{}", "--all"]);
    assert!(all.out.contains("it is about other tools: drop_table"), "{}", all.out);
}

#[test]
fn scripts_get_every_rule_and_predicate() {
    let home = Home::with_policy(&policy("enforce"));
    let told = home.run(&[
        "policy",
        "explain",
        "--tool",
        "write_file",
        "--arguments",
        r#"{"path":"/etc/a.pub"}"#,
        "--json",
    ]);
    let answer = told.json();
    assert_eq!((&answer["verdict"], &answer["rule"]), (&json!("allow"), &json!("keys")));
    let rules = answer["rules"].as_array().unwrap();
    let inside = rules.iter().find(|rule| rule["id"] == "inside").unwrap();
    assert_eq!((&inside["matches"], &inside["liftedBy"]), (&json!("yes"), &json!(["keys"])));
    let predicate = &inside["decisive"][0];
    assert_eq!((&predicate["on"], &predicate["predicate"]), (&json!("/path"), &json!("path_outside")));
    assert_eq!(predicate["values"], json!([{"value": "\"/etc/a.pub\"", "fits": "yes"}]));
    let elsewhere = rules.iter().find(|rule| rule["id"] == "elsewhere").unwrap();
    assert_eq!(elsewhere["asked"], "other_tools");
}

#[test]
fn arguments_may_come_from_stdin_and_secrets_in_them_are_not_shown() {
    use std::io::Write as _;
    use std::process::Stdio;
    let home = Home::with_policy(&policy("enforce"));
    let mut command = home.callgate(["policy", "explain", "--tool", "write_file", "--arguments", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(br#"{"token":"ghp_0123456789abcdefghijABCDEFGHIJ012345"}"#)
        .unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(out.contains("WARN") && out.contains("tokens") && out.contains("‹redacted:"), "{out}");
    assert!(!out.contains("0123456789abcdefghij"), "{out}");
}

#[test]
fn a_recorded_call_is_explained_by_the_file_of_now_or_the_policy_of_then() {
    let (home, id) = recorded(&json!({"path": "/etc/hosts"}));
    let told = home.run(&["policy", "explain", "--call", &format!("[ref {id}]")]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    assert!(told.out.starts_with("DENY write_file on default"), "{}", told.out);
    assert!(
        told.out.contains(&format!("as {id}: verdict deny by inside, mode shadow, forwarded")),
        "{}",
        told.out
    );
    home.write_policy("version = 1\nmode = \"shadow\"\n");
    let now = home.run(&["policy", "explain", "--call", &id]);
    assert!(
        now.out.starts_with("ALLOW ") && one_line(&now.out).contains("judged then by revision"),
        "{}",
        now.out
    );
    let then = home.run(&["policy", "explain", "--call", &id, "--recorded"]);
    assert!(then.out.starts_with("DENY ") && !then.out.contains("judged then by"), "{then:?}");
    let answer = home.run(&["policy", "explain", "--call", &id, "--recorded", "--json"]).json();
    assert_eq!((&answer["recorded"]["verdict"], &answer["verdict"]), (&json!("deny"), &json!("deny")));
}

#[test]
fn what_redaction_took_is_unknown_beside_the_verdict_of_then() {
    let (home, id) =
        recorded(&json!({"path": "/srv/app/a", "token": "ghp_0123456789abcdefghijABCDEFGHIJ012345"}));
    let told = home.run(&["policy", "explain", "--call", &id]);
    assert!(told.out.starts_with("ALLOW or WARN write_file"), "{}", told.out);
    for said in ["not kept as it was: /token", "unknown whether /token fits ghp_*", "verdict warn by tokens"]
    {
        assert!(one_line(&told.out).contains(said), "{said}: {}", told.out);
    }
    let answer = home.run(&["policy", "explain", "--call", &id, "--json"]).json();
    assert_eq!((&answer["verdict"], &answer["possible"]), (&Value::Null, &json!(["allow", "warn"])));
}

#[test]
fn an_id_that_nobody_recorded_fails_and_names_the_nearest() {
    let (home, id) = recorded(&json!({}));
    let (session, _) = id.split_once('-').unwrap();
    let mistyped = format!("{}{}-1", &session[..9], if session.ends_with('0') { '1' } else { '0' });
    for (asked, said) in [
        (format!("{session}-9"), "calls up to 1".to_owned()),
        (mistyped, format!("did you mean `{id}`?")),
        ("nonsense".to_owned(), "tool_call_id".to_owned()),
    ] {
        let told = home.run(&["policy", "explain", "--call", &asked]);
        assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{told:?}");
        assert!(told.err.contains(&said), "{said}: {}", told.err);
    }
}

#[test]
fn faults_of_the_command_the_file_and_the_store_have_their_codes() {
    let home = Home::with_policy("version = 1\nrulez = 1\n");
    assert_eq!(home.run(&["policy", "explain", "--tool", "t"]).code, Some(3));
    home.write_policy("version = 1\n");
    let told = home.run(&["policy", "explain", "--call", "x-1"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("no audit store"), "{}", told.err);
    for wrong in [
        &["--call", "x-1", "--tool", "t"][..],
        &[],
        &["--tool", "t", "--recorded"],
        &["--tool", "t", "--arguments", "{"],
    ] {
        let told = home.run(&[&["policy", "explain"], wrong].concat());
        assert_eq!(told.code, Some(2), "{wrong:?}: {told:?}");
    }
}

const BACKWARD: &str = r#"version = 1
mode = "enforce"

[[label]]
id = "secret-read"
tools = "read_file"
on = "result"

[[label]]
id = "known"
tools = "read_file"
scope = "agent"

[[rule]]
id = "exits"
tools = "send"
after = "secret-read"
action = "deny"

[[rule]]
id = "often"
tools = "send"
unless = { time = { in = "2001-01-01", zone = "Europe/Rome" } }
rate = { max = 2, per = "1m" }
action = "warn"

[[rule]]
id = "elsewhere"
tools = "send"
unless_after = "known"
action = "warn"

[[rule]]
id = "alone"
tools = "send"
when = { "/to" = "me" }
closed = true
action = "allow"
overrides = ["exits"]
"#;

#[test]
fn a_given_call_may_be_given_a_past_and_a_time() {
    let home = Home::with_policy(&BACKWARD.replace("2001-01-01", "Mon-Fri 09:00-18:00"));
    let arguments = r#"{"to":"me","cc":"x"}"#;
    let at = ["--at", "2026-11-20T20:00:00+01:00"];
    let explain = [&["policy", "explain", "--tool", "send", "--arguments", arguments][..], &at].concat();
    let told = home.run(&explain);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    insta::assert_snapshot!(told.out);
    let given = ["--after", "secret-read", "--after", "known", "--calls-before", "2"];
    let told = home.run(&[&explain[..], &given].concat());
    insta::assert_snapshot!(told.out);
    let answer = home.run(&[&explain[..], &given, &["--json"]].concat()).json();
    assert_eq!(answer["assumed"], json!({"after": ["known", "secret-read"], "callsBefore": 2}));
    // The rule that is built in is the first.
    let part = |rule: usize| &answer["rules"][rule + 1]["predicates"];
    assert_eq!((&part(0)[0]["in"], &part(0)[0]["operands"]), (&json!("after"), &json!(["secret-read"])));
    assert_eq!((&part(1)[1]["in"], &part(1)[1]["holds"]), (&json!("rate"), &json!("yes")));
    assert_eq!((&part(3)[1]["in"], &part(3)[1]["values"][0]["value"]), (&json!("closed"), &json!("/cc")));
    let check = ["check", "--tool", "send", "--json"];
    assert_eq!(home.run(&check).json()["verdict"], "warn");
    assert_eq!(home.run(&[&check[..], &given].concat()).json()["verdict"], "deny");
    let told = home.run(&[&check[..], &["--after", "secret-red"]].concat());
    assert!(told.code == Some(2) && told.err.contains("it has secret-read, known"), "{told:?}");
}

#[test]
fn a_recorded_call_is_explained_by_what_came_before_it() {
    let home = Home::with_policy(BACKWARD);
    let (mut client, _record) = home.converse(&[]);
    for tool in ["send", "read_file", "send"] {
        client.call(tool, &json!({}));
    }
    home.await_rows(3);
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).unwrap().success());
    let rows = home.rows();
    let ids: Vec<&str> = rows.iter().map(|row| row.tool_call_id.as_deref().unwrap()).collect();
    let first = home.run(&["policy", "explain", "--call", ids[0]]);
    let said = one_line(&first.out);
    for words in
        ["WARN send", "after: secret-read is not set", "does not match", "the rule did not match then"]
    {
        assert!(said.contains(words), "{words}: {}", first.out);
    }
    let second = home.run(&["policy", "explain", "--call", ids[2]]);
    let said = one_line(&second.out);
    let by = format!("after: secret-read is set (by call {})", ids[1]);
    for words in ["DENY send", by.as_str(), "unless_after: known is set (by call"] {
        assert!(said.contains(words), "{words}: {}", second.out);
    }
    // The calls that set a label are found by it, and show it.
    for command in [&["log"][..], &["tail", "--no-follow"]] {
        let told = home.run(&[command, &["--label", "secret-read"]].concat());
        assert_eq!(told.out.lines().count(), 1, "{told:?}");
        assert!(told.out.contains("read_file") && told.out.contains("+secret-read +known"), "{told:?}");
    }
    assert_eq!(home.run(&["log", "--label", "secret"]).out, "");
    // A file of now that says less: what a rule of then did says nothing of a rule that is another by now.
    home.write_policy(&BACKWARD.replace("max = 2", "max = 3"));
    let now = home.run(&["policy", "explain", "--call", ids[0]]);
    assert!(one_line(&now.out).contains("how much of it was spent is not known here"), "{}", now.out);
}
