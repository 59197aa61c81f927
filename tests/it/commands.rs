//! The command line as people and scripts meet it: words, JSON, exit codes.
//!
//! It refuses to start servers but where a store has to be filled.
//!
//! Invariant: stdout holds the answer and nothing else; everything for people goes to stderr.

use std::io::Read;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::home::{Home, no_deleting, until};
use crate::support::process::{PATIENCE, Piped};

/// The second rule denies `delete_file`; the policy has a name.
fn named(mode: &str) -> String {
    format!(
        "version = 1\nmode = \"{mode}\"\n[policy]\nname = \"my-policy\"\n\
         [[rule]]\nid = \"first\"\ntools = [\"x\"]\naction = \"allow\"\n\
         [[rule]]\nid = \"second\"\ntools = [\"delete_file\"]\naction = \"deny\"\n"
    )
}

/// The answer to `check`, with the revision and the call's id, which nobody can foresee, taken out.
fn check(home: &Home, tool: &str) -> (Value, Value, Value) {
    let told = home.run(&["check", "--tool", tool, "--json"]);
    assert_eq!((told.code, told.err.as_str(), told.out.lines().count()), (Some(0), "", 1), "{told:?}");
    let mut answer = told.json();
    let members = answer.as_object_mut().unwrap();
    let (policy, id) = (members.remove("policyId").unwrap(), members.remove("toolCallId").unwrap());
    (answer, policy, id)
}

#[test]
fn check_answers_in_the_words_that_scripts_compare() {
    let reason = "rule 2 (delete_file) in policy \"my-policy\"";
    for (mode, expected) in [
        ("enforce", json!({"decision": "deny", "reason": reason, "verdict": "deny", "wouldBlock": true})),
        (
            "shadow",
            json!({"decision": "allow", "reason": format!("(shadow) {reason}"), "enforcementMode": "shadow",
                "verdict": "deny", "wouldBlock": true}),
        ),
        (
            "warn",
            json!({"decision": "allow", "reason": format!("(warn) {reason}"), "enforcementMode": "warn",
                "verdict": "deny", "wouldBlock": true}),
        ),
    ] {
        let home = Home::with_policy(&named(mode));
        let (answer, policy, id) = check(&home, "delete_file");
        assert_eq!(answer, expected, "{mode}");
        assert!(policy.as_str().is_some_and(|policy| policy.len() == 64), "{policy}");
        assert!(id.as_str().is_some_and(|id| id.len() == 10), "{id}");
        assert!(!home.store().exists(), "check records nothing");
    }
    let (answer, policy, id) = check(&Home::with_policy(&named("off")), "delete_file");
    assert_eq!(
        answer,
        json!({"decision": "allow", "reason": "enforcement off", "enforcementMode": "off",
            "verdict": null, "wouldBlock": false})
    );
    assert_eq!((policy, id), (Value::Null, Value::Null));
}

#[test]
fn check_names_the_default_where_no_rule_speaks() {
    let home = Home::with_policy(&named("enforce"));
    let (answer, ..) = check(&home, "read_file");
    assert_eq!(
        answer,
        json!({"decision": "allow", "reason": "default in policy \"my-policy\"", "verdict": "allow", "wouldBlock": false})
    );
}

#[test]
fn check_without_a_policy_file_asks_the_built_in_one() {
    let (answer, policy, _) = check(&Home::new(), "delete_file");
    assert_eq!((&answer["verdict"], &answer["enforcementMode"]), (&json!("allow"), &json!("shadow")));
    assert!(policy.is_string());
}

#[test]
fn check_takes_arguments_as_strictly_as_a_frame() {
    let home = Home::with_policy(&named("enforce"));
    for wrong in ["{", "{\"a\":1,\"a\":2}"] {
        let told = home.run(&["check", "--tool", "t", "--arguments", wrong]);
        assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{wrong}");
        assert!(told.err.contains("--arguments is not JSON"), "{}", told.err);
    }
}

#[test]
fn check_judges_what_run_would_judge() {
    let rule = "[[rule]]\nid = \"r\"\nmethods = [\"resources/read\"]\naction = \"deny\"\n\
                when = { \"/uri\" = { glob = \"file:*\" } }\n";
    let home = Home::with_policy(&format!("version = 1\nmode = \"enforce\"\n{rule}"));
    let told = home.run(&["check", "--method", "resources/read", "--tool", "file:///etc/passwd", "--json"]);
    assert_eq!(told.json()["decision"], "deny", "{told:?}");
    for (malformed, why) in [
        (&["--tool", "t", "--arguments", "[1]"][..], "arguments that are not an object"),
        (&["--tool", ""], "an empty name"),
        (&["--tool", "t", "--method", "Tools/call"], "looks like a governed one"),
    ] {
        let told = home.run(&[&["check", "--json"], malformed].concat());
        assert_eq!(told.code, Some(0), "a refusal is an answer: {told:?}");
        let answer = told.json();
        assert_eq!(
            (&answer["decision"], &answer["verdict"]),
            (&json!("deny"), &json!("deny")),
            "{malformed:?}"
        );
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.starts_with("malformed frame: it ") && reason.contains(why), "{reason}");
    }
    let told = home.run(&["check", "--tool", "t", "--method", "tools/list"]);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert!(told.err.contains("not judged"), "{}", told.err);
}

#[test]
fn check_for_people_says_what_is_and_what_would_be() {
    let told = Home::with_policy(&named("shadow")).run(&["check", "--tool", "delete_file"]);
    assert_eq!(
        told.out,
        "DENY delete_file on default\n  (shadow) rule 2 (delete_file) in policy \"my-policy\"\n  \
         in shadow: the call would pass, and the verdict would be recorded\n"
    );
    let told = Home::with_policy(&named("enforce")).run(&["check", "--tool", "delete_file"]);
    assert!(told.out.contains("enforced: the call would be blocked"), "{}", told.out);
}

#[test]
fn wrong_command_lines_end_with_2_and_help_with_0() {
    let home = Home::new();
    for wrong in [
        &["check"][..],
        &["--no-such-flag"],
        &["check", "--tool", "x", "--colour"],
        &["nonsense"],
        &[],
        &["log", "--tool", "["],
        &["tail", "--tool", "["],
    ] {
        let told = home.run(wrong);
        assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(!told.err.is_empty());
    }
    for right in [&["--help"][..], &["--version"], &["run", "--help"], &["policy", "check", "--help"]] {
        let told = home.run(right);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{right:?}");
    }
    let told = home.run(&["check", "--tool", "x", "--config", "nowhere.toml"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.err.contains("nowhere.toml"), "{}", told.err);
}

#[test]
fn policy_check_shows_every_fault_on_stderr_with_its_place() {
    let home = Home::new();
    let file = crate::support::parts::fixture("policies/invalid/ten-faults.toml");
    let file = file.to_str().unwrap();
    let told = home.run(&["policy", "check", file]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""));
    assert!(told.err.matches(&format!("{file}:")).count() >= 11, "{}", told.err);
    assert!(told.err.contains("11 faults in"), "{}", told.err);
    assert!(!told.err.contains('\u{1b}'), "no colour where no terminal reads");

    let told = home.run(&["policy", "check", "--json", file]);
    assert_eq!((told.code, told.err.as_str()), (Some(3), ""));
    let answer = told.json();
    assert_eq!((&answer["ok"], &answer["revision"]), (&json!(false), &Value::Null));
    assert_eq!(answer["diagnostics"].as_array().map(Vec::len), Some(11), "{answer}");
}

#[test]
fn policy_check_of_a_right_file_says_ok() {
    let home = Home::with_policy(&named("shadow"));
    let told = home.run(&["policy", "check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(
        told.out.starts_with("ok ") && told.out.contains("mode shadow, 2 rules, revision "),
        "{}",
        told.out
    );
    let answer = home.run(&["policy", "check", "--json"]).json();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["revision"].as_str().map(str::len), Some(64));
    assert_eq!(Home::new().run(&["policy", "check"]).code, Some(2));
}

#[test]
fn policy_test_fails_with_4_where_an_expectation_fails() {
    let tests = |expect: &str| {
        named("shadow")
            + &format!(
                "[[rule.test]]\ntool = \"delete_file\"\nexpect = \"deny\"\n[[rule.test]]\ntool = \"x\"\nexpect = \"{expect}\"\n"
            )
    };
    let home = Home::with_policy(&tests("allow"));
    let told = home.run(&["policy", "test"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("2 passed, 0 failed"), "{}", told.out);
    home.write_policy(&tests("deny"));
    let told = home.run(&["policy", "test"]);
    assert_eq!(told.code, Some(4), "{told:?}");
    assert!(told.out.contains("FAIL second") && told.out.contains("1 passed, 1 failed"), "{}", told.out);
    let told = home.run(&["policy", "test", "--json"]);
    assert_eq!(told.code, Some(4));
    let answer = told.json();
    assert_eq!((&answer["passed"], &answer["failed"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&answer["tests"][1]["verdict"], &answer["tests"][1]["passed"]),
        (&json!("allow"), &json!(false))
    );
}

/// A home whose store holds four calls: two of an agent, two of nobody; one of each denied, in shadow.
fn filled() -> Home {
    let home = Home::with_policy(&no_deleting("shadow"));
    for options in [&[][..], &["--agent", "ci-bot", "--server", "files"]] {
        let (mut client, _record) = home.converse(options);
        client.call("read_file", &json!({"path": "a"}));
        client.call("delete_file", &json!({"path": "b"}));
        client.server.close_stdin();
        assert!(client.server.wait(PATIENCE).unwrap().success());
    }
    assert_eq!(home.rows().len(), 4);
    home
}

#[test]
fn log_shows_what_its_filters_let_through() {
    let home = filled();
    let session = home.rows()[2].session.clone().unwrap();
    for (filter, count) in [
        (&[][..], 4),
        (&["--tool", "delete_file"], 2),
        (&["--tool", "*_file"], 4),
        (&["--tool", "delete"], 0),
        (&["--agent", "ci-bot"], 2),
        (&["--server", "files"], 2),
        (&["--server", "default", "--verdict", "deny"], 1),
        (&["--session", &session[..6]], 2),
        (&["--verdict", "allow"], 2),
        (&["--outcome", "forwarded"], 4),
        (&["--outcome", "blocked"], 0),
        (&["--since", "1h"], 4),
        (&["--until", "1h"], 0),
        (&["--limit", "3"], 3),
    ] {
        let told = home.run(&[&["log", "--json"], filter].concat());
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{filter:?}");
        assert_eq!(told.json_lines().len(), count, "{filter:?}");
    }
    let last = home.run(&["log", "--json", "-n", "1"]).json();
    assert_eq!((&last["tool"], &last["arguments"]), (&json!("delete_file"), &json!({"path": "b"})));
    assert_eq!((&last["agent"], &last["server"]), (&json!("ci-bot"), &json!("files")));
}

#[test]
fn log_for_people_never_says_blocked_of_what_has_passed() {
    let home = filled();
    let told = home.run(&["log"]);
    assert_eq!(told.out.lines().count(), 4, "{}", told.out);
    assert!(told.out.contains("WOULD DENY") && !told.out.to_lowercase().contains("blocked"), "{}", told.out);
    let told = home.run(&["log", "--outcome", "blocked"]);
    assert_eq!((told.code, told.out.as_str()), (Some(0), ""));
    assert!(told.err.contains("no calls match"), "{}", told.err);
}

#[test]
fn log_without_a_store_fails_and_wrong_filters_are_wrong_usage() {
    let told = Home::new().run(&["log"]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    assert!(told.err.contains("no audit store"), "{}", told.err);
    for wrong in [["--verdict", "no"], ["--outcome", "no"], ["--since", "yesterday-ish"]] {
        let told = Home::new().run(&[&["log"], &wrong[..]].concat());
        assert_eq!(told.code, Some(2), "{wrong:?}: {told:?}");
    }
}

#[test]
fn tail_prints_the_last_calls_and_then_each_new_one() {
    let home = filled();
    let told = home.run(&["tail", "--no-follow", "--json", "-n", "3"]);
    assert_eq!((told.code, told.json_lines().len()), (Some(0), 3), "{told:?}");
    let following = Piped::start(&mut home.callgate(["tail", "--json", "-n", "1", "--tool", "*_file"]));
    assert_eq!(following.json_line()["tool"], "delete_file");
    let (mut client, _record) = home.converse(&[]);
    client.call("echo", &json!({}));
    client.call("write_file", &json!({}));
    assert_eq!(following.json_line()["tool"], "write_file");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = filled();
    for arguments in [&["log", "--json"][..], &["tail", "--no-follow"], &["policy", "check"], &["--help"]] {
        let mut command = home.callgate(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn prune_takes_away_what_is_old_and_only_when_it_is_meant() {
    let home = filled();
    // The calls must be older than the retention of one second.
    let old = until(PATIENCE, || {
        home.run(&["audit", "prune", "--retention", "1s", "--dry-run", "--json"]).json()["rows"]
            .as_u64()
            .filter(|rows| *rows >= 4)
    });
    assert!(old.is_some());
    assert_eq!(home.rows().len(), 4, "a dry run takes nothing away");
    let told = home.run(&["audit", "prune"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(home.rows().len(), 4, "nothing is 90 days old");
    let told = home.run(&["audit", "prune", "--retention", "1s"]);
    assert!(told.code == Some(0) && told.out.contains("are gone"), "{told:?}");
    assert_eq!(home.rows().len(), 0);
    let found = callgate::store::Reader::open(&home.store()).unwrap().verify().unwrap();
    assert!(found.faults.is_empty(), "{found:?}");
}
