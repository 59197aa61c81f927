//! What rules ask beside their tables: told as it was judged, and unknown where nobody knows.

use std::sync::Arc;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::super::{Before, Change, Explanation, Holds, Inquiry, Lost, Mark, Part, Place, Said, Set};
use super::{any_json, any_policy, call, named, with_any};
use crate::policy::tests::sample::{argument, eq, names, policy, rule, when};
use crate::policy::{
    Claims, Condition, Days, Effect, Fact, Facts, Label, Mode, Names, On, Policy, Predicate, Rate, Reach,
    Rule, Scalar, Share, Subject, Verdict, Window, Windows, World, unix_ms,
};

fn label(id: &str) -> Label {
    Label {
        id: Arc::from(id),
        tools: Names::default(),
        servers: Names::default(),
        methods: names(&["tools/call"]),
        when: None,
        any: Vec::new(),
        unless: None,
        on: On::Request,
        reach: Reach::Session,
        ttl_ms: None,
    }
}

fn rate(max: u32) -> Rate {
    Rate { max, per_ms: 60_000, by: vec![Share::Agent, Share::Tool] }
}

fn with_labels(rules: Vec<Rule>) -> Policy {
    Policy { labels: vec![label("secret-read"), label("tests-passed")], ..policy(rules) }
}

fn explained(policy: &Policy, json: &str, lost: &Lost, before: &Before, world: World<'_>) -> Explanation {
    let call = call(json);
    let stance = policy.stance(None, "files");
    let (shown, guarded) = (call.arguments, Holds::Unknown);
    policy.explain(Inquiry { stance: &stance, call: &call, world, shown, lost, before, guarded })
}

fn judged(policy: &Policy, json: &str, world: World<'_>) -> Verdict {
    policy.evaluate(&policy.stance(None, "files"), &call(json), world).unwrap()
}

fn lines(explanation: &Explanation) -> String {
    let mut lines = vec![match &explanation.said {
        Said::Verdict(verdict) => verdict.effect.to_string(),
        Said::Off => "off".to_owned(),
        Said::OneOf(effects) => format!("one of {effects:?}"),
    }];
    for trace in &explanation.traces {
        lines.push(format!("{:?} {:?}", trace.by, trace.matches));
        let part = |part: &Part| {
            format!(
                "  {:?} {} {}: {} {:?}",
                part.place,
                part.looks_at,
                part.asks.is,
                part.told_values(),
                part.holds
            )
        };
        lines.extend(trace.parts.iter().map(part));
    }
    let step = |change: &Change| format!("- {} ({})", change.text, change.then.map_or("", Effect::as_str));
    lines.extend(explanation.changes.iter().map(step));
    lines.join("\n")
}

fn told(policy: &Policy, json: &str, before: &Before) -> String {
    lines(&explained(policy, json, &Lost::default(), before, World::of(&Facts::default())))
}

#[test]
fn a_rate_that_nobody_counted_leaves_the_verdict_open() {
    let policy = policy(vec![Rule { rate: Some(rate(20)), ..when(Effect::Deny, "/a", vec![eq("x")]) }]);
    assert_snapshot!(told(&policy, r#"{"a":"x"}"#, &Before::default()));
    assert_snapshot!(told(&policy, r#"{"a":"x"}"#, &Before::given(&[], Some(20))));
    // It may be near, but not on this alone.
    assert_snapshot!(told(&policy, r#"{"a":"y"}"#, &Before::default()));
}

#[test]
fn labels_are_told_by_what_set_them() {
    let policy = with_labels(vec![
        named("exits", Rule { after: vec![0], ..rule(Effect::Deny) }),
        named("push", Rule { unless_after: vec![0, 1], ..rule(Effect::Warn) }),
    ]);
    assert_snapshot!(told(&policy, "{}", &Before::default()));
    let mut before = Before::default();
    let mark = |set| Mark { set, by: "(by call x-1)".to_owned() };
    before.labels.insert("secret-read".to_owned(), mark(Set::Possibly));
    assert_snapshot!(told(&policy, "{}", &before));
    before.labels.insert("secret-read".to_owned(), mark(Set::Unknown));
    assert_snapshot!(told(&policy, "{}", &before));
}

#[test]
fn what_became_of_a_rule_settles_what_nobody_knows() {
    let deny = Rule { rate: Some(rate(1)), after: vec![0], ..rule(Effect::Deny) };
    let policy = with_labels(vec![deny]);
    let mut before = Before::default();
    before.labels.insert("secret-read".to_owned(), Mark { set: Set::Unknown, by: String::new() });
    let said = |before: &Before| {
        let explanation = explained(&policy, "{}", &Lost::default(), before, World::of(&Facts::default()));
        let parts = explanation.traces[0].parts.iter().map(|part| part.holds).collect::<Vec<_>>();
        (explanation.traces[0].matches, parts)
    };
    assert_eq!(said(&before), (Holds::Unknown, vec![Holds::Unknown; 2]));
    before.matched.insert(0, true);
    assert_eq!(said(&before), (Holds::Yes, vec![Holds::Yes; 2]));
    // Which of the two it was cannot be told.
    before.matched.insert(0, false);
    assert_eq!(said(&before), (Holds::No, vec![Holds::Unknown; 2]));
    before.labels.clear();
    before.labels.insert("secret-read".to_owned(), Mark { set: Set::Surely, by: String::new() });
    assert_eq!(said(&before), (Holds::No, vec![Holds::Yes, Holds::No]));
}

#[test]
fn a_closed_rule_names_what_it_does_not_name() {
    let allow = Rule { closed: true, overrides: vec![0], ..when(Effect::Allow, "/a", vec![eq("x")]) };
    let policy = policy(vec![rule(Effect::Deny), allow]);
    assert_snapshot!(told(&policy, r#"{"a":"x","b":{"c":1},"d/e":[]}"#, &Before::default()));
    assert_snapshot!(told(&policy, r#"{"a":"x"}"#, &Before::default()));
}

#[test]
fn closed_is_unknown_only_where_something_may_have_been_in_what_was_lost() {
    let holds = |pointer: &str, json: &str, lost: &[&str]| {
        let allow = Rule { closed: true, ..when(Effect::Allow, pointer, vec![Predicate::Exists(true)]) };
        let (policy, world) = (policy(vec![allow]), Facts::default());
        let explanation = explained(&policy, json, &Lost::of(lost), &Before::default(), World::of(&world));
        explanation.traces[0].parts.iter().find(|part| part.place == Place::Closed).unwrap().holds
    };
    let json = r#"{"a":{"b":"‹redacted:value:0123456789ab›"}}"#;
    assert_eq!(holds("/a", json, &["/a/b"]), Holds::Yes);
    assert_eq!(holds("/a/b/c", json, &["/a/b"]), Holds::Unknown);
    assert_eq!(holds("/a/c", r#"{"a":{"b":"‹redacted:value:0123456789ab›"},"d":1}"#, &["/a/b"]), Holds::No);
}

#[test]
fn a_time_is_told_as_clocks_showed_it() {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Rome").unwrap();
    let window = Window { days: Days::Week(0b1_1111), begins: 9 * 60, ends: 18 * 60 };
    let windows = Windows { zone, windows: vec![window] };
    let hours = Condition { subject: Subject::Time(windows), tests: Vec::new() };
    let policy = policy(vec![Rule { unless: Some(vec![hours]), ..rule(Effect::Deny) }]);
    let facts = Facts::default();
    let at = |text| World::of(&facts).at(unix_ms(text).unwrap());
    let told = |text| lines(&explained(&policy, "{}", &Lost::default(), &Before::default(), at(text)));
    assert_snapshot!(told("2026-11-20T19:00:00Z"));
    assert_snapshot!(told("2026-11-20T12:00:00Z"));
}

#[test]
fn a_claim_is_told_or_said_to_be_unlisted() {
    let fact = Condition {
        subject: Subject::Fact(Fact::ClaimedDestructive),
        tests: vec![Predicate::Eq(Scalar::Bool(true))],
    };
    let policy = policy(vec![Rule { when: Some(vec![fact]), ..rule(Effect::Warn) }]);
    let facts = Facts::default();
    let told = |claims| {
        let world = World::of(&facts).with_claims(claims);
        lines(&explained(&policy, "{}", &Lost::default(), &Before::default(), world))
    };
    assert!(told(None).contains("claimed_destructive is true: not listed Yes"), "{}", told(None));
    let said = told(Some(Claims { destructive: false, ..Claims::default() }));
    assert!(said.contains("claimed_destructive is true: false No"), "{said}");
}

/// What came before, as it was; and what is known of it.
fn any_before() -> impl Strategy<Value = Before> {
    let set = prop_oneof![Just(Set::No), Just(Set::Possibly), Just(Set::Surely)];
    (proptest::collection::vec(set, 2), 0_u32..4).prop_map(|(sets, calls)| {
        let ids = ["secret-read", "tests-passed"].map(str::to_owned).into_iter();
        let labels = ids.zip(sets.into_iter().map(|set| Mark { set, by: String::new() })).collect();
        Before { labels, calls: Some(calls), ..Before::default() }
    })
}

/// The policy, some of whose rules look back or are closed.
fn any_backward() -> impl Strategy<Value = Policy> {
    let more = (0_u8..4, 0_u8..4, any::<bool>(), any::<bool>());
    let labels = |bits: u8| (0..2).filter(|at| bits >> at & 1 == 1).collect::<Vec<usize>>();
    (any_policy().prop_map(with_any), proptest::collection::vec(more, 6)).prop_map(move |(policy, more)| {
        let mut rules = policy.rules.clone();
        for (rule, (after, unless, rated, closed)) in rules.iter_mut().zip(more) {
            (rule.after, rule.unless_after) = (labels(after), labels(unless));
            rule.rate = (rated && rule.effect > Effect::Allow).then(|| rate(2));
            rule.closed = closed && rule.effect == Effect::Allow;
        }
        Policy { rules, labels: with_labels(Vec::new()).labels, ..policy }
    })
}

proptest! {
    #[test]
    fn what_looks_back_is_told_as_it_is_judged(policy in any_backward(), json in any_json(), before in any_before()) {
        let facts = Facts::default();
        let explanation = explained(&policy, &json, &Lost::default(), &before, World::of(&facts));
        let verdict = Verdict { traces: crate::policy::Traces::default(), ..judged(&policy, &json, World::of(&facts).with_past(&before)) };
        prop_assert!(explanation.traces.iter().flat_map(|trace| &trace.parts).all(|part| part.place != Place::Elsewhere));
        prop_assert_eq!(explanation.said, Said::Verdict(verdict));
    }

    #[test]
    fn what_nobody_knows_of_the_past_leaves_what_was_so_possible(
        policy in any_backward(), json in any_json(), before in any_before(), forgotten in any::<u8>(), kept in any::<bool>(),
    ) {
        let facts = Facts::default();
        let verdict = judged(&policy, &json, World::of(&facts).with_past(&before));
        let mut known = before.clone();
        known.calls = before.calls.filter(|_| forgotten & 1 == 0);
        for (at, mark) in known.labels.values_mut().enumerate() {
            if forgotten >> (at + 1) & 1 == 1 {
                let somehow = forgotten & 8 == 0 && mark.set != Set::No;
                mark.set = if somehow { Set::Somehow } else { Set::Unknown };
            }
        }
        if kept {
            let numbered = policy.rules.iter().enumerate().filter(|(_, rule)| rule.mode != Some(Mode::Off));
            known.matched = numbered.map(|(at, _)| {
                (at, verdict.matched.iter().any(|found| found.by == crate::policy::By::Rule(at)))
            }).collect();
        }
        match explained(&policy, &json, &Lost::default(), &known, World::of(&facts)).said {
            Said::Verdict(said) => prop_assert_eq!((said.effect, said.by), (verdict.effect, verdict.by)),
            Said::OneOf(effects) => prop_assert!(!kept && effects.contains(&verdict.effect)),
            Said::Off => prop_assert!(false),
        }
    }

    #[test]
    fn closed_is_never_told_otherwise_than_it_was(json in any_json(), pointer in prop_oneof![Just("/a"), Just("/*"), Just("/a/b"), Just("/**/b")]) {
        let allow = Rule { closed: true, when: Some(vec![argument(pointer, vec![Predicate::Exists(true)])]), ..rule(Effect::Allow) };
        let policy = policy(vec![allow]);
        let (kept, lost) = super::without_a(&json);
        let matches = |json: &str, lost: &Lost| explained(&policy, json, lost, &Before::default(), World::of(&Facts::default())).traces[0].matches;
        let (before, after) = (matches(&json, &Lost::default()), matches(&kept, &lost));
        prop_assert!(after == before || after == Holds::Unknown, "{before:?} {after:?}");
    }
}
