//! Answers byte for byte, and problems that say where they are.

use regex::Regex;

use super::*;
use crate::settings::{Environment, read};

const RULES: &str = r#"
[policy]
name = "my-policy"
[identity]
agent = "somebody"
[agents.ci-bot]
mode = "enforce"
[servers.files]
command = "true"
[[label]]
id = "secret-read"
tools = "read_secret"
[[rule]]
id = "first"
tools = "send"
after = "secret-read"
action = "deny"
[[rule]]
id = "no-deletes"
tools = "delete_file"
action = "deny"
[[rule]]
id = "files-only"
tools = "list"
servers = "!files"
action = "deny"
[[rule]]
id = "often"
tools = "often"
rate = { max = 3, per = "1m" }
action = "deny"
[[rule]]
id = "friday"
tools = "ship"
when = { time = { in = "Fri", zone = "UTC" } }
action = "deny"
"#;

fn config(mode: &str) -> Config {
    let source = format!("version = 1\nmode = \"{mode}\"\n{RULES}");
    read(&source, &Environment::default()).unwrap_or_else(|faults| panic!("{faults:?}")).config
}

/// Status and body; of the body the revision and the id, which nobody can foresee, are taken out.
fn answered(config: &Config, agent: Option<&str>, body: impl AsRef<[u8]>) -> (u16, String) {
    let (status, body) = Check::new(None).answer(config, agent, None, body.as_ref());
    let text = String::from_utf8(body).unwrap().replace(&*config.policy.revision, "REVISION");
    let id = Regex::new(r#""toolCallId":"[0-9a-z]{10}""#).unwrap();
    (status.as_u16(), id.replace(&text, r#""toolCallId":"ID""#).into_owned())
}

fn enforced(body: &str) -> (u16, String) {
    answered(&config("enforce"), None, body)
}

const DELETE: &str = r#"{"tool": "delete_file", "arguments": {"path": "/x"}}"#;

#[test]
fn each_mode_has_its_answer() {
    let literals = [
        (
            "enforce",
            r#"{"decision":"deny","reason":"rule 2 (delete_file) in policy \"my-policy\"","policyId":"REVISION","toolCallId":"ID","verdict":"deny","wouldBlock":true}"#,
        ),
        (
            "shadow",
            r#"{"decision":"allow","reason":"(shadow) rule 2 (delete_file) in policy \"my-policy\"","policyId":"REVISION","toolCallId":"ID","enforcementMode":"shadow","verdict":"deny","wouldBlock":true}"#,
        ),
        (
            "warn",
            r#"{"decision":"allow","reason":"(warn) rule 2 (delete_file) in policy \"my-policy\"","policyId":"REVISION","toolCallId":"ID","enforcementMode":"warn","verdict":"deny","wouldBlock":true}"#,
        ),
        (
            "off",
            r#"{"decision":"allow","reason":"enforcement off","policyId":null,"toolCallId":null,"enforcementMode":"off","verdict":null,"wouldBlock":false}"#,
        ),
    ];
    for (mode, literal) in literals {
        assert_eq!(answered(&config(mode), None, DELETE), (200, literal.to_owned()), "{mode}");
    }
}

#[test]
fn what_no_rule_speaks_about_is_allowed_by_the_default() {
    let literal = r#"{"decision":"allow","reason":"default in policy \"my-policy\"","policyId":"REVISION","toolCallId":"ID","verdict":"allow","wouldBlock":false}"#;
    assert_eq!(enforced(r#"{"name":"read_file"}"#), (200, literal.to_owned()));
}

#[test]
fn the_agent_is_the_one_of_the_key() {
    let shadow = config("shadow");
    let decision = |agent| answered(&shadow, agent, DELETE).1;
    assert!(decision(Some("ci-bot")).starts_with(r#"{"decision":"deny""#));
    assert!(decision(Some("other")).starts_with(r#"{"decision":"allow""#));
    assert!(decision(None).starts_with(r#"{"decision":"allow""#));
    let (status, told) = enforced(r#"{"tool":"t","agent":"ci-bot"}"#);
    assert_eq!(status, 400);
    assert!(told.contains("the key is bound to") && !told.contains("ci-bot"), "{told}");
}

#[test]
fn a_whole_message_is_judged_like_the_call_in_it() {
    let message = "{\"jsonrpc\":\"2.0\",\"id\":7,\n\"method\":\"tools/call\",\n\
        \"params\":{\"name\":\"delete\\u005ffile\",\"arguments\":{}}}\n";
    assert_eq!(enforced(message), enforced(DELETE));
}

#[test]
fn what_run_would_refuse_as_malformed_is_denied() {
    for (body, why) in [
        (r#"{"tool":"t","arguments":[1]}"#.into(), "arguments that are not an object"),
        (r#"{"tool":""}"#.into(), "an empty name"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#.into(),
            "the same key twice",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}"#.into(),
            "ends inside a value",
        ),
        (
            "{\"jsonrpc\":\"2.0\",\r\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\"}}".into(),
            "a carriage return",
        ),
        (
            [br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"#.as_slice(), b"\"\xff\"}}"]
                .concat(),
            "not UTF-8",
        ),
    ] {
        let body: Vec<u8> = body;
        let (status, told) = answered(&config("enforce"), None, &body);
        let is_denied = told.starts_with(r#"{"decision":"deny","reason":"malformed frame: it "#);
        assert!(status == 200 && is_denied && told.contains(why), "{why}: {told}");
        let (_, told) = answered(&config("shadow"), None, &body);
        let is_told = told.starts_with(r#"{"decision":"allow","reason":"(shadow) malformed frame: it "#);
        assert!(is_told && told.ends_with(r#""verdict":"deny","wouldBlock":true}"#), "{told}");
    }
}

#[test]
fn line_ends_between_the_values_of_arguments_are_no_part_of_the_call() {
    let pretty = DELETE.replace(' ', "\r\n  ");
    assert_eq!(enforced(&pretty), enforced(DELETE));
}

#[test]
fn server_time_labels_and_counts_can_be_given() {
    let decision = |body: &str| {
        let (status, told) = enforced(body);
        assert_eq!(status, 200, "{told}");
        told.split('"').nth(3).unwrap().to_owned()
    };
    assert_eq!(decision(r#"{"tool":"list"}"#), "allow", "the only server of the file");
    assert_eq!(decision(r#"{"tool":"list","server":"unheard-of"}"#), "deny");
    assert_eq!(decision(r#"{"tool":"send"}"#), "allow");
    assert_eq!(decision(r#"{"tool":"send","after":"secret-read"}"#), "deny");
    assert_eq!(decision(r#"{"tool":"send","after":["secret-read"]}"#), "deny");
    assert_eq!(decision(r#"{"tool":"often","callsBefore":2}"#), "allow");
    assert_eq!(decision(r#"{"tool":"often","callsBefore":3}"#), "deny");
    assert_eq!(decision(r#"{"tool":"ship","at":"2026-11-20T10:00:00Z"}"#), "deny");
    assert_eq!(decision(r#"{"tool":"ship","at":"2026-11-21T10:00:00Z"}"#), "allow");
    let elsewhere = Check::new(None).answer(&config("enforce"), None, Some("x"), br#"{"tool":"list"}"#).1;
    assert!(elsewhere.starts_with(br#"{"decision":"deny""#), "the server of the address");
}

#[test]
fn a_body_with_a_fault_is_told_where_it_is_and_nothing_of_what_it_holds() {
    for (body, at, what) in [
        ("hunter2", None, "not JSON: expected value at line 1 column 1"),
        ("", None, "not JSON"),
        (r#"["hunter2"]"#, None, "no JSON object"),
        ("{}", None, "`tool` is missing"),
        (r#"{"tool":"hunter2","tool":"x"}"#, None, "in two ways"),
        (r#"{"tool":"hunter2","name":"x"}"#, Some("/name"), "named twice"),
        (r#"{"tool":["hunter2"]}"#, Some("/tool"), "no string"),
        (r#"{"tool":"t","argument":"hunter2"}"#, Some("/argument"), "did you mean `arguments`?"),
        (r#"{"tool":"t","a/b~":"hunter2"}"#, Some("/a~1b~0"), "unknown key `a/b~`"),
        (r#"{"tool":"t","server":7}"#, Some("/server"), "no string"),
        (r#"{"tool":"t","at":"hunter2"}"#, Some("/at"), "2026-11-20T10:00:00Z"),
        (r#"{"tool":"t","after":[7]}"#, Some("/after"), "list of labels"),
        (r#"{"tool":"t","after":"hunter"}"#, Some("/after"), "no label `hunter`: it has secret-read"),
        (r#"{"tool":"t","callsBefore":-1}"#, Some("/callsBefore"), "whole number"),
        (r#"{"tool":"t","callsBefore":1.5}"#, Some("/callsBefore"), "whole number"),
        (r#"{"method":"tools/call","params":{"name":"hunter2"}}"#, Some("/params"), "2.0"),
        (r#"{"tool":"x","method":"resources/read","arguments":{}}"#, Some("/arguments"), "by its URI"),
        (r#"{"method":"tools/list"}"#, None, "they pass"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None, "they pass"),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}]"#, None, "no JSON object"),
    ] {
        let (status, told) = enforced(body);
        let problem: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!((status, problem["error"]["at"].as_str()), (400, at), "{body}: {told}");
        let (message, hint) = (&problem["error"]["message"], &problem["error"]["hint"]);
        let whole = format!("{} {}", message.as_str().unwrap(), hint.as_str().unwrap_or_default());
        assert!(whole.contains(what) && !told.contains("hunter2"), "{body}: {told}");
    }
}
