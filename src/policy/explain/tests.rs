//! That explanations agree with verdicts, and what they say.

mod beside;

use proptest::prelude::*;

use super::{Before, Explanation, Holds, Inquiry, Lost, Reach, Said};
use crate::call::Call;
use crate::policy::tests::properties::{any_json, any_policy};
use crate::policy::tests::sample::{argument, at_home, eq, globs, policy, rule, when};
use crate::policy::{
    Anchor, Base, By, Effect, Facts, Keep, Mode, Policy, Predicate, Redactor, Rule, Verdict, World,
};
use crate::wire::Json;

/// The explanation of a `tools/call` in front of `files`, and the verdict on what came.
fn explained(policy: &Policy, kept: &str, lost: &Lost, facts: &Facts) -> Explanation {
    let call = call(kept);
    let stance = policy.stance(facts.agent.as_deref(), "files");
    let shown = call.arguments;
    policy.explain(Inquiry {
        stance: &stance,
        call: &call,
        world: World::of(facts),
        shown,
        lost,
        before: &Before::given(&[], Some(0)),
        guarded: Holds::Unknown,
    })
}

fn judged(policy: &Policy, json: &str) -> Verdict {
    let stance = policy.stance(None, "files");
    policy.evaluate(&stance, &call(json), World::of(&Facts::default())).unwrap()
}

fn call(json: &str) -> Call<'_> {
    Call::new("tools/call", "tool", Json::from_text(json))
}

fn by_rules(verdict: &Verdict) -> Vec<By> {
    verdict.matched.iter().map(|found| found.by).filter(|by| matches!(by, By::Rule(_))).collect()
}

/// Every other rule with its tables in `any`.
fn with_any(mut policy: Policy) -> Policy {
    for rule in policy.rules.iter_mut().step_by(2) {
        rule.any = rule.when.take().into_iter().chain(rule.unless.clone()).collect();
    }
    policy
}

proptest! {
    #[test]
    fn an_explanation_is_of_the_verdict(policy in any_policy().prop_map(with_any), json in any_json()) {
        let explanation = explained(&policy, &json, &Lost::default(), &Facts::default());
        let verdict = judged(&policy, &json);
        let matching: Vec<By> =
            explanation.traces.iter().filter(|trace| trace.matches == Holds::Yes).map(|trace| trace.by).collect();
        prop_assert_eq!(matching, by_rules(&verdict));
        for trace in &explanation.traces {
            prop_assert!(trace.matches != Holds::Unknown);
            let conditional = policy.rules.iter().enumerate().any(|(at, rule)| {
                By::Rule(at) == trace.by && (rule.when.is_some() || rule.unless.is_some() || !rule.any.is_empty())
            });
            prop_assert!(trace.matches == Holds::Yes || !trace.decisive().is_empty() || !conditional);
        }
        prop_assert_eq!(explanation.said, Said::Verdict(verdict));
    }

    #[test]
    fn what_was_lost_never_makes_it_say_what_was_not_so(policy in any_policy().prop_map(with_any), json in any_json(), keys in any::<bool>()) {
        let redactor = Redactor::new([7; 32]);
        let verdict = judged(&policy, &json);
        let (kept, lost) = if keys {
            let kept = redactor.arguments(&json, Keep::Keys);
            (kept.text.unwrap(), Lost::of(&kept.lost))
        } else {
            without_a(&json)
        };
        match explained(&policy, &kept, &lost, &Facts::default()).said {
            Said::Verdict(said) => prop_assert_eq!((said.effect, said.by), (verdict.effect, verdict.by)),
            Said::OneOf(effects) => prop_assert!(effects.contains(&verdict.effect)),
            Said::Off => prop_assert!(false),
        }
    }

    /// What a step promises of a rule that nearly matches is weighed, never guessed.
    #[test]
    fn steps_lead_somewhere_else(policy in any_policy(), json in any_json()) {
        let explanation = explained(&policy, &json, &Lost::default(), &Facts::default());
        let Said::Verdict(verdict) = &explanation.said else { panic!("nothing is lost") };
        for change in explanation.changes {
            match change.kind {
                "match" if verdict.effect > Effect::Allow => prop_assert!(change.then.unwrap() < verdict.effect),
                "match" | "lift" if verdict.effect == Effect::Allow => prop_assert!(change.kind == "lift" || change.then.unwrap() > Effect::Allow),
                _ => {}
            }
        }
    }
}

/// The arguments as the store keeps them where the member `a` holds a secret.
fn without_a(json: &str) -> (String, Lost) {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let serde_json::Value::Object(mut members) = value else { return (json.to_owned(), Lost::default()) };
    if !members.contains_key("a") {
        return (json.to_owned(), Lost::default());
    }
    members.insert("a".to_owned(), "‹redacted:value:0123456789ab›".into());
    (serde_json::Value::Object(members).to_string(), Lost::of(["/a"]))
}

fn outside_root() -> Predicate {
    Predicate::PathOutside(vec![Base { anchor: Anchor::Root, components: vec![] }])
}

fn told(policy: &Policy, json: &str, lost: &Lost) -> String {
    let explanation = explained(policy, json, lost, &at_home());
    let mut lines = vec![match &explanation.said {
        Said::Verdict(verdict) => format!("{} by {}", verdict.effect, policy.rule_id(verdict.by)),
        Said::Off => "off".to_owned(),
        Said::OneOf(effects) => format!("one of {effects:?}"),
    }];
    for trace in &explanation.traces {
        lines.push(format!("{} {:?}", policy.rule_id(trace.by), trace.matches));
        for part in trace.decisive() {
            let values: Vec<String> =
                part.values.iter().map(|seen| format!("{} {:?}", seen.text, seen.fits)).collect();
            lines.push(format!(
                "  {:?} {} {}: {}",
                part.place,
                part.looks_at,
                part.asks.brief(),
                values.join(", ")
            ));
        }
    }
    lines.extend(
        explanation
            .changes
            .iter()
            .map(|change| format!("- {} ({})", change.text, change.then.map_or("", Effect::as_str))),
    );
    lines.join("\n")
}

fn named(id: &str, rule: Rule) -> Rule {
    Rule { id: id.into(), ..rule }
}

fn house() -> Policy {
    let deny = named("inside", when(Effect::Deny, "/path | /source", vec![outside_root()]));
    let allow = named(
        "keys",
        Rule { overrides: vec![0], ..when(Effect::Allow, "/path", vec![Predicate::Glob(globs(["*.pub"]))]) },
    );
    let warn = Rule {
        unless: Some(vec![argument("/why", vec![eq("test")])]),
        ..when(Effect::Warn, "/force", vec![Predicate::Exists(true)])
    };
    policy(vec![deny, allow, named("forced", warn)])
}

#[test]
fn a_deny_names_what_would_spare_the_call() {
    insta::assert_snapshot!(told(&house(), r#"{"path":"/etc/hosts"}"#, &Lost::default()));
}

#[test]
fn an_allow_names_the_rules_that_were_near() {
    insta::assert_snapshot!(told(
        &house(),
        r#"{"path":"/home/me/app/a","force":1,"why":"test"}"#,
        &Lost::default()
    ));
}

#[test]
fn a_lifted_rule_says_who_lifted_it() {
    insta::assert_snapshot!(told(&house(), r#"{"path":"/home/me/.ssh/id.pub"}"#, &Lost::default()));
}

#[test]
fn what_was_not_kept_is_unknown_and_the_rest_is_told() {
    let json = r#"{"path":"‹redacted:value:0123456789ab›","force":true}"#;
    insta::assert_snapshot!(told(&house(), json, &Lost::of(["/path"])));
}

#[test]
fn a_default_that_denies_is_lifted_by_any_allow() {
    let policy = Policy {
        default: Effect::Deny,
        ..policy(vec![named("a", when(Effect::Allow, "/a", vec![eq("x")]))])
    };
    insta::assert_snapshot!(told(&policy, r#"{"a":"y"}"#, &Lost::default()));
}

#[test]
fn a_rule_in_shadow_says_what_enforcing_it_would_do() {
    let mut policy = house();
    policy.mode = Mode::Shadow;
    policy.max_mode = Some(Mode::Warn);
    insta::assert_snapshot!(told(&policy, r#"{"path":"/etc/hosts"}"#, &Lost::default()));
}

#[test]
fn rules_about_other_things_are_not_asked() {
    let mut policy = house();
    policy.rules[0].servers = crate::policy::tests::sample::names(&["db"]);
    policy.rules[1].tools = crate::policy::tests::sample::names(&["other"]);
    policy.rules[2].mode = Some(Mode::Off);
    let traces = explained(&policy, r#"{"path":1}"#, &Lost::default(), &at_home()).traces;
    let reaches: Vec<Reach> = traces.iter().map(|trace| trace.reach).collect();
    assert_eq!(reaches, [Reach::Servers, Reach::Tools, Reach::Off]);
}

#[test]
fn secrets_are_judged_and_not_shown() {
    let policy = policy(vec![named(
        "leak",
        when(Effect::Deny, "/password", vec![Predicate::Glob(globs(["hunter*"]))]),
    )]);
    let call = call(r#"{"password":"hunter2\u001b[31m"}"#);
    let kept = Redactor::new([1; 32]).arguments(call.arguments.unwrap().text(), Keep::Redacted).text.unwrap();
    let (facts, lost) = (at_home(), Lost::default());
    let stance = policy.stance(None, "files");
    let shown = Json::from_text(&kept);
    let explanation = policy.explain(Inquiry {
        stance: &stance,
        call: &call,
        world: World::of(&facts),
        shown,
        lost: &lost,
        before: &Before::default(),
        guarded: Holds::Unknown,
    });
    let text = format!("{explanation:?}");
    assert!(!text.contains("hunter2") && text.contains("‹redacted:value:"), "{text}");
    assert_eq!(explanation.traces[0].matches, Holds::Yes);
}

#[test]
fn nothing_is_traced_where_nothing_is_judged() {
    let policy = Policy { mode: Mode::Off, ..policy(vec![rule(Effect::Deny)]) };
    let explanation = explained(&policy, "{}", &Lost::default(), &at_home());
    assert!(explanation.said == Said::Off && explanation.traces.is_empty() && explanation.changes.is_empty());
}
