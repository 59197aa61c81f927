//! What holds for every policy and every call.

use proptest::prelude::*;

use Effect::{Allow, Deny, RequireApproval, Warn};

use super::sample::{argument, eq, globs, judge, policy, rule};
use crate::policy::{Anchor, Base, Condition, Effect, Mode, Number, Policy, Predicate, Rule};

fn any_effect() -> impl Strategy<Value = Effect> {
    prop_oneof![Just(Allow), Just(Warn), Just(RequireApproval), Just(Deny)]
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Shadow), Just(Mode::Warn), Just(Mode::Enforce)]
}

fn any_predicate() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        Just(eq("hit")),
        Just(Predicate::Exists(true)),
        Just(Predicate::Exists(false)),
        Just(Predicate::Gt(Number::Integer(3))),
        Just(Predicate::BytesGt(3)),
        Just(Predicate::Glob(globs(["h*"]))),
        Just(Predicate::PathUnder(vec![Base { anchor: Anchor::Root, components: vec![] }])),
        Just(Predicate::PathOutside(vec![Base { anchor: Anchor::Root, components: vec![] }])),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let pointer = prop_oneof![Just("/a"), Just("/a/b"), Just("/**"), Just("/**/b"), Just("/*/0"), Just("")];
    (pointer, any_predicate()).prop_map(|(pointer, predicate)| argument(pointer, vec![predicate]))
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let table = || proptest::option::of(proptest::collection::vec(any_condition(), 1..3));
    (any_effect(), any_mode(), table(), table()).prop_map(|(effect, mode, when, unless)| {
        let mode = (effect > Allow).then_some(mode);
        Rule { when, unless, mode, ..rule(effect) }
    })
}

pub(in crate::policy) fn any_policy() -> impl Strategy<Value = Policy> {
    (proptest::collection::vec(any_rule(), 0..6), any_effect(), any_mode(), any::<u8>()).prop_map(
        |(mut rules, default, mode, lifts)| {
            let count = rules.len();
            for (index, rule) in rules.iter_mut().enumerate().filter(|(_, rule)| rule.effect == Allow) {
                rule.overrides = (0..count).filter(|other| lifts >> ((index + other) % 8) & 1 == 1).collect();
            }
            Policy { mode, default, ..policy(rules) }
        },
    )
}

pub(in crate::policy) fn any_json() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("hit"),
        Just("a"),
        Just("/etc"),
        Just("/home/me/app/x"),
        Just("{\\\"b\\\":\\\"hit\\\"}")
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i32>().prop_map(|number| number.to_string()),
        word.prop_map(|word| format!("\"{word}\"")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![Just("a"), Just("b"), Just("A"), Just("c")];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            proptest::collection::btree_map(name, inner, 0..4).prop_map(|all| {
                let members: Vec<_> =
                    all.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// The policy with one rule more at the end.
fn with(policy: &Policy, rule: Rule) -> Policy {
    let mut policy = policy.clone();
    policy.rules.push(rule);
    policy
}

proptest! {
    #[test]
    fn the_order_of_rules_does_not_matter(policy in any_policy(), json in any_json(), turn in 0_usize..6) {
        let count = policy.rules.len();
        let turn = if count == 0 { 0 } else { turn % count };
        let mut turned = policy.clone();
        turned.rules.rotate_left(turn);
        for rule in &mut turned.rules {
            for index in &mut rule.overrides {
                *index = (*index + count - turn) % count;
            }
        }
        let (before, after) = (judge(&policy, "tool", &json), judge(&turned, "tool", &json));
        prop_assert_eq!(before.effect, after.effect);
        prop_assert_eq!(before.acting.effect, after.acting.effect);
        prop_assert_eq!(before.matched.len(), after.matched.len());
    }

    /// An approval may admit what a stricter default would refuse; that one case is meant.
    #[test]
    fn a_restrictive_rule_more_never_makes_it_milder(policy in any_policy(), more in any_rule(), json in any_json()) {
        prop_assume!(more.effect > Allow);
        prop_assume!(more.effect != RequireApproval || policy.default <= RequireApproval);
        let (before, after) = (judge(&policy, "tool", &json), judge(&with(&policy, more), "tool", &json));
        prop_assert!(after.effect >= before.effect);
        prop_assert!(after.acting.effect >= before.acting.effect);
    }

    #[test]
    fn every_mode_gives_the_same_verdict(policy in any_policy(), json in any_json(), mode in any_mode()) {
        let mut other = policy.clone();
        other.mode = mode;
        for rule in &mut other.rules {
            rule.mode = rule.mode.map(|_| mode);
        }
        let (before, after) = (judge(&policy, "tool", &json), judge(&other, "tool", &json));
        prop_assert_eq!((before.effect, before.by), (after.effect, after.by));
    }

    /// What takes force is never stricter than the verdict but where a rule in shadow is what admits the call.
    #[test]
    fn all_enforced_the_verdict_is_what_takes_force(policy in any_policy(), json in any_json()) {
        let mut policy = policy;
        policy.mode = Mode::Enforce;
        for rule in &mut policy.rules {
            rule.mode = None;
        }
        let verdict = judge(&policy, "tool", &json);
        prop_assert_eq!((verdict.effect, verdict.by), (verdict.acting.effect, verdict.acting.by));
    }

    /// An approval that starts to act admits what a stricter default refused; that one case is meant.
    #[test]
    fn raising_a_rule_never_makes_what_takes_force_milder(
        policy in any_policy(), more in any_rule(), json in any_json(), modes in (any_mode(), any_mode()),
    ) {
        prop_assume!(more.effect > Allow);
        prop_assume!(more.effect != RequireApproval || policy.default <= RequireApproval);
        let at = |mode| judge(&with(&policy, Rule { mode: Some(mode), ..more.clone() }), "tool", &json).acting.effect;
        let (low, high) = (modes.0.min(modes.1), modes.0.max(modes.1));
        prop_assert!(at(high) >= at(low));
    }

    #[test]
    fn a_rule_in_shadow_never_weakens_another(policy in any_policy(), more in any_rule(), json in any_json()) {
        prop_assume!(more.effect > Allow);
        let shadowed = with(&policy, Rule { mode: Some(Mode::Shadow), ..more });
        let (without, shadowed) = (judge(&policy, "tool", &json), judge(&shadowed, "tool", &json));
        prop_assert_eq!(without.acting.effect, shadowed.acting.effect);
    }
}
