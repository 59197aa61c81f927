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
