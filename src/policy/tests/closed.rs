//! Allow rules that refuse calls with arguments that they do not name.

use proptest::prelude::*;

use Effect::Allow;

use super::sample::{argument, eq, fact, matches, rule, when};
use crate::policy::{Condition, Effect, Fact, Predicate, Rule};

fn closed(pointers: &str) -> Rule {
    Rule { closed: true, ..when(Allow, pointers, vec![Predicate::BytesGt(0)]) }
}

#[test]
fn each_value_must_be_named_or_lie_below_what_is() {
    for (pointers, arguments, expected) in [
        ("/a", r#"{"a":1}"#, true),
        ("/a", r#"{"a":1,"b":2}"#, false),
        ("/a", r#"{"a":{"x":[1,{"y":2}]}}"#, true),
        ("/a | /b", r#"{"a":1,"b":2}"#, true),
        ("/a | /b", r#"{"a":1}"#, true),
        ("/a/x", r#"{"a":{"x":1}}"#, true),
        ("/a/x", r#"{"a":{"x":1,"y":2}}"#, false),
        ("/a | /b/x", r#"{"a":1,"b":{}}"#, false),
        ("/a | /b/*", r#"{"a":1,"b":[]}"#, false),
        ("/a | /b/*", r#"{"a":1,"b":[2,3]}"#, true),
        ("/l/*/x", r#"{"l":[{"x":1},{"x":2}]}"#, true),
        ("/l/*/x", r#"{"l":[{"x":1},{"x":2,"y":3}]}"#, false),
        ("/l/0", r#"{"l":["a"]}"#, true),
        ("/l/0", r#"{"l":["a","b"]}"#, false),
        ("/*", r#"{"a":1,"b":{"c":2}}"#, true),
        ("/**", r#"{"a":1,"b":{"c":2}}"#, true),
        ("", r#"{"a":1,"b":{"c":2}}"#, true),
        ("/**/x", r#"{"a":{"b":{"x":{"z":1}}}}"#, true),
        ("/**/x", r#"{"a":{"b":{"x":1,"y":2}}}"#, false),
        ("/a", r#"{"a":1,"A":1}"#, false),
        ("/a", r#"{"a":"{\"x\":1}"}"#, true),
        ("/a/x", r#"{"a":"{\"x\":1}"}"#, false),
    ] {
        assert_eq!(matches(closed(pointers), arguments), expected, "{pointers} {arguments}");
    }
}

#[test]
fn without_a_pointer_there_may_be_no_arguments_at_all() {
    let bare = || Rule { closed: true, ..rule(Allow) };
    assert!(matches(bare(), "") && matches(bare(), "{}") && matches(bare(), "null"));
    assert!(!matches(bare(), r#"{"a":null}"#) && !matches(bare(), r#"["a"]"#) && !matches(bare(), "1"));
    let by_fact = Rule { unless: Some(vec![fact(Fact::Agent, "x")]), ..bare() };
    assert!(matches(by_fact.clone(), "{}") && !matches(by_fact, r#"{"a":1}"#));
}

#[test]
fn of_any_only_the_tables_that_hold_name_arguments() {
    let table = |pointer: &str, word| -> Vec<Condition> { vec![argument(pointer, vec![eq(word)])] };
    let rule = Rule { closed: true, any: vec![table("/a", "yes"), table("/b", "yes")], ..rule(Allow) };
    assert!(matches(rule.clone(), r#"{"a":"yes"}"#));
    assert!(matches(rule.clone(), r#"{"a":"yes","b":"yes"}"#));
    assert!(!matches(rule.clone(), r#"{"a":"yes","b":"no"}"#));
    let exempt = Rule { unless: Some(table("/c", "bad")), ..rule };
    assert!(!matches(exempt, r#"{"a":"yes","c":"good"}"#), "`unless` names nothing that is let in");
}

fn any_arguments() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::json!(1)),
        Just(serde_json::json!("{\"a\":2}")),
        Just(serde_json::json!(null))
    ];
    let value = leaf.prop_recursive(3, 16, 3, |inner| {
        let name = prop_oneof![Just("a"), Just("b"), Just("A")];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(name.prop_map(str::to_owned), inner, 0..3)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map("[abA]", value, 0..4)
        .prop_map(|members| serde_json::Value::Object(members.into_iter().collect()))
}

fn any_pointers() -> impl Strategy<Value = String> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("*"), Just("**"), Just("0")];
    let pointer = proptest::collection::vec(segment, 1..4).prop_map(|parts| format!("/{}", parts.join("/")));
    proptest::collection::vec(pointer, 1..3).prop_map(|pointers| pointers.join(" | "))
}

proptest! {
    #[test]
    fn a_closed_rule_allows_no_more_than_an_open_one(pointers in any_pointers(), arguments in any_arguments()) {
        let arguments = arguments.to_string();
        let open = Rule { closed: false, ..closed(&pointers) };
        prop_assert!(!matches(closed(&pointers), &arguments) || matches(open, &arguments));
    }

    #[test]
    fn one_argument_more_that_nothing_names_is_refused(pointers in any_pointers(), mut arguments in any_arguments()) {
        arguments["stranger"] = serde_json::json!({ "c": 1 });
        let named = pointers.split(" | ").any(|pointer| pointer.starts_with("/*") );
        prop_assert!(named || !matches(closed(&pointers), &arguments.to_string()));
    }
}
