//! The cases under `fixtures/cases`: a policy file, calls, and the verdict on each.

use serde_json::{Value, json};

use super::sample::at_home;
use crate::call::Call;
use crate::policy::{Facts, Policy, World, compile, schema};
use crate::wire::Json;

fn check(source: &str, calls: &str, verdicts: &str) {
    let policy = compiled(source);
    let (calls, verdicts): (Vec<Value>, Vec<Value>) = (lines(calls), lines(verdicts));
    assert_eq!(calls.len(), verdicts.len());
    for (call, expected) in calls.iter().zip(verdicts) {
        assert_eq!(judged(&policy, call), expected, "{call}");
    }
}

fn compiled(source: &str) -> Policy {
    let (document, faults) = schema::parse(source);
    assert!(faults.is_empty());
    let mut reading = schema::Reading::default();
    let mut top = schema::Section::new("", 0..0, document.get_ref());
    let file = schema::file(&mut top, Vec::new(), &mut reading);
    let policy = compile::compile(file, source, compile::Surroundings::default(), &mut reading);
    assert!(
        reading.diagnostics.iter().all(|one| one.severity.as_str() != "fault"),
        "{:?}",
        reading.diagnostics
    );
    policy
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn judged(policy: &Policy, call: &Value) -> Value {
    let facts = Facts { agent: call["agent"].as_str().map(str::to_owned), ..at_home() };
    let arguments = call.get("arguments").map(Value::to_string);
    let arguments = arguments.as_deref().and_then(Json::from_text);
    let asked = Call::new("tools/call", call["tool"].as_str().unwrap(), arguments);
    let stance = policy.stance(facts.agent.as_deref(), "files");
    let verdict = policy.evaluate(&stance, &asked, World::of(&facts)).unwrap();
    json!({
        "verdict": verdict.effect.as_str(),
        "rule": &*policy.rule_id(verdict.by),
        "mode": verdict.mode.as_str(),
        "acting": verdict.acting.effect.as_str(),
        "acting_rule": &*policy.rule_id(verdict.acting.by),
    })
}

macro_rules! case {
    ($name:ident, $folder:literal) => {
        #[test]
        fn $name() {
            check(
                include_str!(concat!("../../../fixtures/cases/", $folder, "/policy.toml")),
                include_str!(concat!("../../../fixtures/cases/", $folder, "/calls.jsonl")),
                include_str!(concat!("../../../fixtures/cases/", $folder, "/verdicts.jsonl")),
            );
        }
    };
}

case!(a_rule_in_shadow_stands_beside_one_that_is_enforced, "shadow-beside-enforce");
case!(a_project_is_open_and_the_rest_is_shut, "project-files");
case!(a_shell_does_nothing_that_cannot_be_undone, "dangerous-shell");
