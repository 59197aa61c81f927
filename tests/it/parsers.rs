//! What other parsers make of frames: the witnesses that a gate is tried by.
//!
//! It refuses to call a witness on trust: each must first see the calls that its language is known to see.
//!
//! Invariant: a witness that cannot see a denied call in plain sight proves nothing by seeing none.

use crate::support::parsers::{Sightings, seen_calls};

/// The witnesses that must testify where everything is installed.
const WITNESSES: [&str; 7] = [
    "go encoding/json",
    "go encoding/json, streaming",
    "node JSON.parse",
    "orjson",
    "pydantic-core",
    "python json",
    "python json, streaming",
];

#[test]
fn every_parser_sees_a_plain_call_and_a_call_in_a_batch() {
    let test = "every_parser_sees_a_plain_call_and_a_call_in_a_batch";
    let frames = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"plain"}}"#,
        "\n",
        r#"[{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"batched"}}]"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#,
        "\nnoise\n",
        r#"{"jsonrpc":"2.0","id":4,"method":"tools/c\u0061ll","params":{"name":["no name"]}}"#,
        "\n",
    );
    let seen = seen_calls(test, &[frames.as_bytes()]);
    let expected = [("tools/call", "plain"), ("tools/call", "batched"), ("ping", ""), ("tools/call", "")]
        .map(owned)
        .to_vec();
    for (witness, calls) in &seen {
        assert_eq!(calls, &expected, "{witness}");
    }
    let complete = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!complete || seen.keys().eq(&WITNESSES), "{:?}", seen.keys());
}

#[test]
fn parsers_differ_where_they_are_known_to_differ() {
    let test = "parsers_differ_where_they_are_known_to_differ";
    let twice = br#"{"method":"tools/call","params":{"name":"first","name":"last"}}"#;
    agree(&seen_calls(test, &[twice]), &WITNESSES, "last");

    let folded = br#"{"method":"tools/call","params":{"name":"exact","NAME":"folded"}}"#;
    let seen = seen_calls(test, &[folded]);
    agree(&seen, &["go encoding/json"], "folded");
    agree(&seen, &["node JSON.parse", "orjson", "pydantic-core", "python json"], "exact");

    let two_on_a_line = br#"{"method":"ping"}{"method":"tools/call","params":{"name":"second"}}"#;
    agree(
        &seen_calls(test, &[two_on_a_line]),
        &["go encoding/json, streaming", "python json, streaming"],
        "second",
    );

    let carriage_return =
        b"{\"method\":\"ping\"}\r{\"method\":\"tools/call\",\"params\":{\"name\":\"second\"}}\n";
    agree(
        &seen_calls(test, &[carriage_return]),
        &["node JSON.parse", "orjson", "pydantic-core", "python json"],
        "second",
    );

    let not_a_number = br#"{"method":"tools/call","params":{"name":"nan","arguments":NaN}}"#;
    let seen = seen_calls(test, &[not_a_number]);
    agree(&seen, &["python json", "pydantic-core"], "nan");
    for witness in ["node JSON.parse", "orjson", "go encoding/json"] {
        assert!(seen.get(witness).is_none_or(Vec::is_empty), "{witness}");
    }
}

/// Each of the witnesses that ran saw a call of the tool, and of none other among its tool calls.
fn agree(seen: &Sightings, witnesses: &[&str], tool: &str) {
    for witness in witnesses {
        let Some(calls) = seen.get(*witness) else { continue };
        let tools: Vec<&str> = calls
            .iter()
            .filter(|(method, _)| method == "tools/call")
            .map(|(_, tool)| tool.as_str())
            .collect();
        assert_eq!(tools, [tool], "{witness}: {seen:?}");
    }
}

fn owned((method, tool): (&str, &str)) -> (String, String) {
    (method.to_owned(), tool.to_owned())
}
