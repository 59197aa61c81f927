//! What went wrong in comparable products, each tried on this one.
//!
//! It refuses to repeat: what another test holds already is named here, and must exist.
//!
//! Invariant: every test here goes through the real process.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::home::{Home, no_deleting, until};
use crate::support::parts::root;
use crate::support::process::{McpClient, PATIENCE};
use crate::support::record::Record;

/// What went wrong elsewhere, and the tests elsewhere that hold it down here.
const HELD_ELSEWHERE: &[(&str, &[&str])] = &[
    (
        "keys were read without case and the frame written anew: the gateway made the call itself",
        &["behind_callgate_every_strict_case_passes_and_no_parser_sees_a_denied_call"],
    ),
    (
        "a malformed call was taken for no call",
        &["under_enforce_only_lines_that_one_reader_understands_reach_the_server"],
    ),
    (
        "the engine failed and the call was allowed",
        &["any_value_tightens_and_only_all_loosen", "long_strings_are_opaque_but_their_length_is_known"],
    ),
    (
        "a typing error in a mode switched enforcement off",
        &["what_is_no_policy_leaves_the_last_good_one_in_force_and_says_so"],
    ),
    (
        "fail closed was configured and lost on the way to the running process",
        &[
            "a_store_that_stays_locked_is_a_store_that_fails",
            "without_a_policy_and_an_earlier_one_the_environment_decides",
        ],
    ),
    ("the agent edited the policy through a link", &["a_link_into_our_own_files_is_followed"]),
    (
        "a quick look that is not equivalent let through what the whole evaluation stops",
        &["a_search_is_not_stopped_by_values_that_cannot_hold_a_match", "every_telling_name_is_marked"],
    ),
    (
        "shadow lost digits, blank lines, or the session on a long line",
        &[
            "whatever_goes_in_comes_out_in_both_directions",
            "a_line_of_32_mib_without_meaning_passes_from_file_to_file",
        ],
    ),
    ("shadow stored its allow as the verdict", &["the_mode_changes_the_outcome_and_never_the_verdict"]),
    (
        "shadow switched off what was enforced elsewhere",
        &["a_rule_is_enforced_while_the_rest_stays_in_shadow"],
    ),
    ("the screen said blocked of what had passed", &["log_for_people_never_says_blocked_of_what_has_passed"]),
    (
        "hundreds of orphans and zombies",
        &[
            "a_host_that_closes_gets_rid_of_a_server_that_ignores_it",
            "a_server_does_not_outlive_a_sidecar_that_is_killed",
            "what_a_dead_server_leaves_running_is_ended",
        ],
    ),
    ("limits of 64 KiB and 1 MiB broke real results", &["a_result_of_32_mib_passes_the_gate"]),
    (
        "a stalled or grown audit database stopped the gateway",
        &["in_shadow_no_call_waits_for_a_locked_store", "the_file_shrinks_to_the_size_asked_for"],
    ),
    (
        "a reload of half a file disarmed the policy, or a save by rename or link was missed",
        &[
            "a_prefix_of_a_file_that_is_being_written_disarms_nothing",
            "a_save_as_vim_does_it_is_loaded_once",
            "a_mounted_volume_that_turns_its_data_link_is_loaded_once",
        ],
    ),
    (
        "a rule that can never match was accepted without a word",
        &["every_invalid_fixture_shows_all_its_faults"],
    ),
    ("a chain of hashes did not see its tail cut off", &["a_row_that_is_gone_is_found"]),
];

#[test]
fn every_test_that_is_named_exists() {
    let mut sources = String::new();
    for folder in ["src", "tests/it"] {
        read_all(&root().join(folder), &mut sources);
    }
    let absent: Vec<_> = HELD_ELSEWHERE
        .iter()
        .flat_map(|(trap, tests)| tests.iter().map(move |test| (trap, test)))
        .filter(|(_, test)| !sources.contains(&format!("fn {test}(")))
        .collect();
    assert!(absent.is_empty(), "{absent:#?}");
}

#[test]
fn a_batch_does_not_carry_a_denied_call_past_the_policy_or_the_log() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, record) = home.converse(&[]);
    client.send_raw(
        b"[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_file\"}}]\n",
    );
    assert_nothing_ran(&mut client, &record);
    assert_eq!(home.await_rows(1)[0].rule.as_deref(), Some("malformed"));
}

#[test]
fn a_call_without_id_is_judged_and_not_forwarded() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, record) = home.converse(&[]);
    client
        .send_raw(b"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"delete_file\"}}\n");
    assert_nothing_ran(&mut client, &record);
    assert_eq!(home.await_rows(1)[0].rule.as_deref(), Some("no-deleting"));
}

#[test]
fn a_line_that_the_gate_cannot_read_is_not_forwarded() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, record) = home.converse(&[]);
    client.send_raw(b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_file\"}}\n");
    assert_eq!(client.answer_to(&json!(7))["error"]["data"]["type"], "malformed_frame");
    assert_nothing_ran(&mut client, &record);
}

#[test]
fn a_method_that_nobody_knows_is_not_authorised_by_that() {
    let home = Home::with_policy("version = 1\nmode = \"enforce\"\ndefault = \"deny\"\n");
    let (mut client, record) = home.converse(&[]);
    let answer = client.request("tools/run", &json!({"name": "delete_file"}));
    assert_eq!(answer["error"]["code"], -32001, "{answer}");
    assert!(client.request("tools/list", &json!({})).get("result").is_some());
    assert!(!record.await_bytes(b"delete_file", std::time::Duration::ZERO));
}

#[test]
fn a_call_that_nothing_can_judge_by_its_type_is_stopped() {
    let rule = "[[rule]]\nid = \"big\"\ntools = [\"pay\"]\nwhen = { \"/amount\" = { gt = 100 } }\naction = \"deny\"\n";
    let home = Home::with_policy(&format!("version = 1\nmode = \"enforce\"\n{rule}"));
    let (mut client, _record) = home.converse(&[]);
    for (amount, stopped) in
        [(json!(5), false), (json!("500"), true), (json!({"x": 5}), true), (json!(500), true)]
    {
        let answer = client.call("pay", &json!({ "amount": amount }));
        assert_eq!(answer.get("error").is_some(), stopped, "{amount}: {answer}");
    }
}

#[test]
fn a_refusal_tells_the_model_nothing_that_would_help_it_past_the_gate() {
    let rule = "[[rule]]\nid = \"ask\"\ntools = [\"pay\"]\naction = \"require_approval\"\n";
    let approval = "[approval]\npatience = \"100ms\"\n";
    let home = Home::with_policy(&format!("version = 1\nmode = \"enforce\"\n{rule}{approval}"));
    let (mut client, _record) = home.converse(&[]);
    let answer = client.call("pay", &json!({"to": "value-of-an-argument"}));
    assert_eq!(answer["error"]["data"]["type"], "approval_pending", "{answer}");
    let told = answer.to_string();
    let home_path = home.path("");
    for secret in
        ["value-of-an-argument", "callgate approv", "mcp.toml", "--", "token", home_path.to_str().unwrap()]
    {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

#[test]
fn the_agent_cannot_edit_the_policy_that_governs_it() {
    let home = Home::with_policy("version = 1\nmode = \"enforce\"\n");
    let (mut client, _record) = home.converse(&[]);
    let config = home.policy();
    let folder = config.parent().unwrap();
    for path in
        [config.clone(), folder.join("../callgate/./mcp.toml"), home.store(), home.path(".cursor/mcp.json")]
    {
        let answer = client.call("write_file", &json!({"path": path, "content": "version = 1"}));
        assert_eq!(answer["error"]["data"]["ruleId"], "callgate-self", "{}: {answer}", path.display());
    }
    assert!(client.call("write_file", &json!({"path": home.path("notes.txt")})).get("result").is_some());
}

#[test]
fn shadow_keeps_digits_and_blank_lines() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let (mut client, record) = home.converse(&[]);
    let before = record.len();
    let sent = b"\n\r\n{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"ping\",\"params\":{\"n\":1.0,\"m\":1E400}}\n";
    client.send_raw(sent);
    assert!(record.await_bytes(b"1E400}}\n", PATIENCE));
    let arrived = record.bytes_from(before);
    assert!(arrived.ends_with(sent), "{}", arrived.escape_ascii());
}

#[test]
fn what_a_default_would_deny_is_recorded_in_shadow() {
    let home = Home::with_policy("version = 1\nmode = \"shadow\"\ndefault = \"deny\"\n");
    let (mut client, _record) = home.converse(&[]);
    assert!(client.call("read_file", &json!({})).get("result").is_some());
    let row = &home.await_rows(1)[0];
    assert_eq!((row.verdict.as_deref(), row.outcome.as_deref()), (Some("deny"), Some("forwarded")));
    let matched: Value = serde_json::from_str(row.matched.as_ref().unwrap().as_str()).unwrap();
    assert_eq!(matched, json!([{"rule": "default", "effect": "deny", "mode": "shadow", "acted": false}]));
}

#[test]
fn a_denial_is_seen_by_people_on_stderr_and_in_the_log() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, _record) = home.converse(&[]);
    let answer = client.call("delete_file", &json!({}));
    let reference = answer["error"]["data"]["toolCallId"].as_str().unwrap();
    let line = format!(
        "callgate: blocked: delete_file: rule 1 (delete_file) in policy \"default\" [ref {reference}]\n"
    );
    assert!(
        until(PATIENCE, || client.server.stderr().contains(&line).then_some(())).is_some(),
        "{}",
        client.server.stderr()
    );
    let told = home.run(&["log", "--outcome", "blocked", "--json"]).json();
    assert_eq!(told["tool_call_id"], reference);
    assert!(home.run(&["log"]).out.contains("BLOCKED"));
}

#[test]
fn a_second_wrapped_server_finds_nothing_taken_by_the_first() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut one, _one) = home.converse(&["--server", "one"]);
    let (mut two, _two) = home.converse(&["--server", "two"]);
    for client in [&mut one, &mut two] {
        assert_eq!(client.call("delete_file", &json!({}))["error"]["code"], -32001);
    }
    assert_eq!(
        home.await_rows(2).iter().filter_map(|row| row.server.as_deref()).collect::<Vec<_>>(),
        ["one", "two"]
    );
}

/// A later call is answered, and nothing of a denied one has reached the server.
fn assert_nothing_ran(client: &mut McpClient, record: &Record) {
    assert!(client.call("read_file", &json!({})).get("result").is_some());
    assert!(record.await_bytes(b"read_file", PATIENCE));
    assert!(!record.await_bytes(b"delete_file", std::time::Duration::ZERO));
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("regression.rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
