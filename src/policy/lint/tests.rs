//! What is called pointless is: without it every call is judged alike.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use crate::call::Call;
use crate::policy::{By, Effect, Facts, Policy, World, compile, schema};
use crate::wire::Json;

const TOOLS: &[&str] = &["'*'", "'a'", "['a', 'b']", "'a*'", "['*', '!b']", "['b', 'c']"];
const WHENS: &[&str] =
    &["", "", "when = { '/x' = 1 }", "when = { '/x' = 1, '/y' = 2 }", "unless = { '/y' = 2 }"];
const MODES: &[&str] =
    &["", "", "", "mode = 'shadow'", "mode = 'off'", "mode = 'enforce'", "modes = { ci = 'enforce' }"];
const CALLS: &[(&str, &str)] = &[
    ("a", "{}"),
    ("a", r#"{"x":1}"#),
    ("a", r#"{"x":1,"y":2}"#),
    ("b", r#"{"x":1}"#),
    ("b", "{}"),
    ("ab", "{}"),
];

#[derive(Debug, Clone)]
struct Draft {
    effect: &'static str,
    tools: &'static str,
    when: &'static str,
    mode: &'static str,
    overrides: Vec<usize>,
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let effect = select(&["allow", "warn", "require_approval", "deny", "deny"][..]);
    let overrides = proptest::collection::vec(0_usize..6, 0..3);
    (effect, select(TOOLS), select(WHENS), select(MODES), overrides)
        .prop_map(|(effect, tools, when, mode, overrides)| Draft { effect, tools, when, mode, overrides })
}

/// The file without the rule `left_out`. Ids are places in `drafts`.
fn source(top: &str, drafts: &[Draft], left_out: Option<usize>) -> String {
    let mut text = format!("version = 1\n{top}\n");
    for (id, draft) in drafts.iter().enumerate().filter(|(id, _)| Some(*id) != left_out) {
        let (effect, tools, when) = (draft.effect, draft.tools, draft.when);
        let _ = writeln!(text, "[[rule]]\nid = 'r{id}'\naction = '{effect}'\ntools = {tools}\n{when}");
        if effect != "allow" {
            let _ = writeln!(text, "{}", draft.mode);
            continue;
        }
        let lifted = |other: &&usize| {
            Some(**other) != left_out && drafts.get(**other).is_some_and(|other| other.effect != "allow")
        };
        let lifted: Vec<String> =
            draft.overrides.iter().filter(lifted).map(|other| format!("'r{other}'")).collect();
        let _ = writeln!(text, "overrides = [{}]", lifted.join(", "));
    }
    text
}

fn compiled(source: &str) -> (Policy, Vec<String>) {
    let (document, faults) = schema::parse(source);
    assert!(faults.is_empty(), "{faults:?}\n{source}");
    let mut reading = schema::Reading::default();
    let mut top = schema::Section::new("", 0..0, document.get_ref());
    let file = schema::file(&mut top, Vec::new(), &mut reading);
    let policy = compile::compile(file, source, compile::Surroundings::default(), &mut reading);
    (policy, reading.diagnostics.into_iter().map(|note| note.message).collect())
}

/// The rules that a note says never decide.
fn pointless(notes: &[String]) -> Vec<usize> {
    let id = |note: &String| {
        let start = note.split_once(" never decides")?.0;
        start.strip_prefix("`r")?.split('`').next()?.parse().ok()
    };
    notes.iter().filter_map(id).collect()
}

fn said(policy: &Policy, agent: Option<&str>) -> Vec<(Effect, String, Effect, String)> {
    let facts = Facts::default();
    let stance = policy.stance(agent, "files");
    let verdicts = CALLS.iter().filter_map(|(name, arguments)| {
        let arguments = Json::from_text(arguments);
        let call = Call::new("tools/call", *name, arguments);
        policy.evaluate(&stance, &call, World::of(&facts))
    });
    // Who allows is not said to anybody.
    let by = |effect: Effect, by: By| {
        if effect == Effect::Allow { String::new() } else { policy.rule_id(by).to_string() }
    };
    verdicts
        .map(|said| {
            let acting = said.acting;
            (said.effect, by(said.effect, said.by), acting.effect, by(acting.effect, acting.by))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_rule_that_never_decides_can_be_left_out(
        drafts in proptest::collection::vec(any_draft(), 2..6),
        top in select(&["", "mode = 'enforce'", "default = 'deny'\nmode = 'enforce'", "default = 'warn'"][..]),
    ) {
        let (policy, notes) = compiled(&source(top, &drafts, None));
        for rule in pointless(&notes) {
            let (without, _) = compiled(&source(top, &drafts, Some(rule)));
            for agent in [None, Some("ci")] {
                prop_assert_eq!(said(&policy, agent), said(&without, agent), "r{} in {}", rule, source(top, &drafts, None));
            }
        }
    }
}

#[test]
fn many_of_a_kind_are_shown_once() {
    let rules = "[[rule]]\naction = 'deny'\ntools = 'x'\n".repeat(2000);
    let (_, notes) = compiled(&format!("version = 1\n{rules}"));
    assert_eq!(notes.len(), super::MOST);
    assert!(notes.iter().any(|note| note.ends_with("; 1974 more like this")), "{notes:?}");
}
