//! Rules that look back: which way doubt goes, and what a verdict says that the call leaves behind.

use std::sync::Arc;

use proptest::prelude::*;

use Effect::{Allow, Deny};
use Share::{Agent, Session, Tool, User};

use super::sample::{argument, eq, judge, names, policy, rule};
use crate::call::Call;
use crate::policy::{
    Budget, Effect, Facts, Grade, Label, Marked, Mode, Names, On, Past, Policy, Rate, Reach, Rule, Setting,
    Share, Verdict, World,
};
use crate::wire::Json;

/// The same answer to every question.
#[derive(Debug)]
struct Says {
    spent: Spent,
    marked: Marked,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Spent {
    No,
    Yes,
}

impl Past for Says {
    fn is_spent(&self, _budget: &Budget) -> bool {
        self.spent == Spent::Yes
    }

    fn marked(&self, _label: &Label) -> Marked {
        self.marked
    }
}

fn label(tool: &str) -> Label {
    Label {
        id: Arc::from("label"),
        tools: names(&[tool]),
        servers: Names::default(),
        methods: names(&["tools/call"]),
        when: Some(vec![argument("/a", vec![eq("hit")])]),
        any: Vec::new(),
        unless: None,
        on: On::Request,
        reach: Reach::Session,
        ttl_ms: None,
    }
}

fn rate(by: Vec<Share>) -> Rate {
    Rate { max: 2, per_ms: 1_000, by }
}

fn after(policy: &Policy, arguments: &str, past: &dyn Past, facts: &Facts) -> Verdict {
    let call = Call::new("tools/call", "tool", Json::from_text(arguments));
    let stance = policy.stance(None, "files");
    policy.evaluate(&stance, &call, World::of(facts).with_past(past)).unwrap()
}

fn matches(rule: &Rule, spent: Spent, marked: Marked) -> bool {
    let policy = Policy { labels: vec![label("other")], ..policy(vec![rule.clone()]) };
    !after(&policy, "{}", &Says { spent, marked }, &Facts::default()).matched.is_empty()
}

#[test]
fn a_guess_restricts_and_only_certainty_permits() {
    use Marked::{No, Possibly, Surely, Unknown};
    let seen = |rule: Rule| [No, Possibly, Surely, Unknown].map(|marked| matches(&rule, Spent::No, marked));
    let after = |effect| Rule { after: vec![0], ..rule(effect) };
    let unless_after = |effect| Rule { unless_after: vec![0], ..rule(effect) };
    assert_eq!(seen(after(Deny)), [false, true, true, true]);
    assert_eq!(seen(after(Allow)), [false, false, true, false]);
    assert_eq!(seen(unless_after(Deny)), [true, true, false, true]);
    assert_eq!(seen(unless_after(Allow)), [true, false, false, false]);
}

#[test]
fn a_rate_needs_the_rest_of_the_rule_to_match_and_counts_before_it_asks() {
    let limited = Rule { rate: Some(rate(vec![Share::Session])), ..rule(Deny) };
    assert!(!matches(&limited, Spent::No, Marked::No) && matches(&limited, Spent::Yes, Marked::No));
    let other = Rule { tools: names(&["other"]), ..limited.clone() };
    let policy = policy(vec![limited.clone(), other, limited]);
    let verdict = after(&policy, "{}", &Says { spent: Spent::No, marked: Marked::No }, &Facts::default());
    assert_eq!((verdict.effect, verdict.traces.spends.len()), (Allow, 1));
}

#[test]
fn who_shares_a_budget_is_what_by_names() {
    let key = |by: &[Share], tool: &str, facts: &Facts| {
        let limited = Rule { rate: Some(rate(by.to_vec())), ..rule(Deny) };
        let policy = policy(vec![limited]);
        let call = Call::new("tools/call", tool.to_owned(), None);
        let stance = policy.stance(None, "files");
        policy.evaluate(&stance, &call, World::of(facts)).unwrap().traces.spends[0]
    };
    let of = |agent: Option<&str>, user: &str| Facts {
        agent: agent.map(str::to_owned),
        user: Some(user.to_owned()),
        ..Facts::default()
    };
    let (me, ci, none) = (of(Some("me"), "u"), of(Some("ci"), "u"), of(None, "u"));
    assert_eq!(key(&[Session], "a", &me), key(&[Session], "b", &ci));
    assert_ne!(key(&[Tool], "a", &me).key, key(&[Tool], "b", &me).key);
    assert_ne!(key(&[Agent], "a", &me).key, key(&[Agent], "a", &ci).key);
    assert_ne!(key(&[Agent], "a", &none).key, key(&[Agent], "a", &of(Some(""), "u")).key);
    assert_eq!(key(&[User], "a", &me).key, key(&[User], "b", &ci).key);
    assert_eq!(key(&[Agent, Tool], "a", &me).reach, Reach::Processes);
    assert_eq!(key(&[Session, Agent], "a", &me).reach, Reach::Session);
    assert_eq!(key(&[Tool], "a", &me).reach, Reach::Session);
}

#[test]
fn a_call_sets_what_it_may_be_and_surely_what_it_is() {
    let policy = Policy { labels: vec![label("other"), label("tool")], ..policy(vec![]) };
    let sets = |arguments: &str| judge(&policy, "tool", arguments).traces.labels;
    assert_eq!(sets(r#"{"a":"hit"}"#), [Setting { label: 1, grade: Grade::Surely }]);
    assert_eq!(sets(r#"{"a":7}"#), [Setting { label: 1, grade: Grade::Possibly }]);
    assert_eq!(sets(r#"{"a":["hit"]}"#), [Setting { label: 1, grade: Grade::Possibly }]);
    assert_eq!(sets(r#"{"a":"no"}"#), []);
    assert_eq!(sets("{}"), []);
}

#[test]
fn labels_of_other_servers_are_not_set_here() {
    let elsewhere = Label { servers: names(&["web"]), ..label("tool") };
    let policy = Policy { labels: vec![elsewhere], ..policy(vec![]) };
    assert!(judge(&policy, "tool", r#"{"a":"hit"}"#).traces.is_empty());
}

fn any_past() -> impl Strategy<Value = Says> {
    let spent = prop_oneof![Just(Spent::No), Just(Spent::Yes)];
    let marked =
        prop_oneof![Just(Marked::No), Just(Marked::Possibly), Just(Marked::Surely), Just(Marked::Unknown)];
    (spent, marked).prop_map(|(spent, marked)| Says { spent, marked })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let effect = prop_oneof![Just(Allow), Just(Effect::Warn), Just(Effect::RequireApproval), Just(Deny)];
    (effect, any::<[bool; 4]>()).prop_map(|(effect, [limited, waits, frees, narrow])| Rule {
        rate: (limited && effect > Allow).then(|| rate(vec![Share::Session])),
        after: if waits { vec![0] } else { vec![] },
        unless_after: if frees { vec![1] } else { vec![] },
        when: narrow.then(|| vec![argument("/a", vec![eq("hit")])]),
        ..rule(effect)
    })
}

proptest! {
    #[test]
    fn the_same_past_gives_the_same_verdict_in_every_mode(
        rules in proptest::collection::vec(any_rule(), 0..6), past in any_past(), number in any::<bool>(),
    ) {
        let labels = vec![label("tool"), label("other")];
        let arguments = if number { r#"{"a":7}"# } else { r#"{"a":"hit"}"# };
        let said = [Mode::Shadow, Mode::Warn, Mode::Enforce].map(|mode| {
            let policy = Policy { mode, labels: labels.clone(), ..policy(rules.clone()) };
            let verdict = after(&policy, arguments, &past, &Facts::default());
            (verdict.effect, verdict.by, verdict.traces)
        });
        prop_assert_eq!(&said[0], &said[1]);
        prop_assert_eq!(&said[1], &said[2]);
    }

    /// Losing what was known makes no restrictive rule milder.
    #[test]
    fn what_is_unknown_is_never_milder_than_what_is_known(
        rules in proptest::collection::vec(any_rule(), 0..6), past in any_past(),
    ) {
        let rules: Vec<Rule> = rules.into_iter().filter(|rule| rule.effect > Allow).collect();
        let policy = Policy { labels: vec![label("tool"), label("other")], ..policy(rules) };
        let lost = Says { spent: past.spent, marked: Marked::Unknown };
        let (known, lost) =
            (after(&policy, "{}", &past, &Facts::default()), after(&policy, "{}", &lost, &Facts::default()));
        prop_assert!(lost.effect >= known.effect);
    }
}
