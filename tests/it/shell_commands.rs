//! A sensible policy for shells against commands that others collected.
//!
//! It refuses to ask for perfection: the numbers are pinned from below, and what is wrong is told.
//!
//! Invariant: the policy is the one of the fixtures; nothing here is tuned to a command.

use std::fmt::Write as _;
use std::fs;

use callgate::call::Call;
use callgate::policy::{Effect, Facts, Policy, World};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use serde_json::Value;

use crate::support::parts;

/// Of 165 commands that should be stopped.
const STOPPED: usize = 162;
/// Of 271 commands that should pass.
const PASSED: usize = 262;

#[test]
fn destructive_commands_are_stopped_and_ordinary_ones_pass() {
    let Some(path) = parts::test_data("shell/dcg_commands.jsonl") else { return };
    let source = fs::read_to_string(parts::fixture("cases/dangerous-shell/policy.toml")).unwrap();
    let policy = read(&source, &Environment::default()).unwrap().config.policy;
    let (mut stopped, mut passed, mut wrong) = (0, 0, String::new());
    for line in fs::read_to_string(path).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let (effect, rule) = judged(&policy, &row);
        match (row["expected"].as_str().unwrap(), effect) {
            ("deny", Effect::Deny) => stopped += 1,
            ("allow", Effect::Allow) => passed += 1,
            (expected, _) => writeln!(wrong, "{expected}, {rule}: {}", row["command"]).unwrap(),
        }
    }
    println!("{stopped} stopped that should be, {passed} passed that should; wrong:\n{wrong}");
    assert!(stopped >= STOPPED && passed >= PASSED, "{stopped} stopped, {passed} passed; wrong:\n{wrong}");
}

fn judged(policy: &Policy, row: &Value) -> (Effect, String) {
    let arguments = row["arguments"].to_string();
    let call = Call::new("tools/call", "run_shell", Json::from_text(&arguments));
    let verdict =
        policy.evaluate(&policy.stance(None, "shell"), &call, World::of(&Facts::default())).unwrap();
    (verdict.effect, policy.rule_id(verdict.by).to_string())
}
