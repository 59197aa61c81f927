//! Small policies for the tests of this room. Never compiled into the product.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::Glob;

use crate::call::Call;
use crate::policy::{
    Alerted, Class, Condition, Effect, Fact, Facts, Globs, Mode, Names, Pointer, Policy, Predicate,
    Protected, Regexes, Rule, Scalar, Segment, Severity, Subject, Verdict, World,
};
use crate::wire::{Json, fold};

pub(in crate::policy) fn policy(rules: Vec<Rule>) -> Policy {
    let rules =
        rules.into_iter().enumerate().map(|(index, rule)| Rule { position: index + 1, ..rule }).collect();
    Policy {
        name: "my-policy".into(),
        revision: "abc".into(),
        mode: Mode::Enforce,
        max_mode: None,
        fail_mode: None,
        default: Effect::Allow,
        self_protection: true,
        protected: Protected::default(),
        max_judged: 1 << 20,
        agents: BTreeMap::new(),
        servers: BTreeMap::new(),
        tools: Vec::new(),
        labels: Vec::new(),
        rules,
    }
}

pub(in crate::policy) fn rule(effect: Effect) -> Rule {
    Rule {
        id: Arc::from("a-rule"),
        position: 1,
        effect,
        tools: Names::default(),
        servers: Names::default(),
        methods: names(&["tools/call"]),
        when: None,
        any: Vec::new(),
        unless: None,
        rate: None,
        after: Vec::new(),
        unless_after: Vec::new(),
        closed: false,
        mode: None,
        modes: BTreeMap::new(),
        overrides: Vec::new(),
        reason: None,
        channels: Vec::new(),
        alert: Alerted::default(),
        severity: Severity::Medium,
        class: Class::Normal,
        owner: None,
        examples: Vec::new(),
        fingerprint: [0; 32],
        open_fingerprint: [0; 32],
    }
}

pub(in crate::policy) fn when(effect: Effect, pointer: &str, tests: Vec<Predicate>) -> Rule {
    Rule { when: Some(vec![argument(pointer, tests)]), ..rule(effect) }
}

pub(in crate::policy) fn argument(pointers: &str, tests: Vec<Predicate>) -> Condition {
    let subject = Subject::Arguments(pointers.split(" | ").map(pointer).collect());
    Condition { subject, tests }
}

pub(in crate::policy) fn fact(fact: Fact, word: &str) -> Condition {
    Condition { subject: Subject::Fact(fact), tests: vec![eq(word)] }
}

pub(in crate::policy) fn eq(word: &str) -> Predicate {
    Predicate::Eq(Scalar::String(word.into()))
}

pub(in crate::policy) fn pointer(text: &str) -> Pointer {
    let segment = |part: &str| match part {
        "*" => Segment::One,
        "**" => Segment::Any,
        name => Segment::Key { name: name.into(), folded: fold(name).into_owned() },
    };
    Pointer { text: text.into(), segments: text.split('/').skip(1).map(segment).collect() }
}

pub(in crate::policy) fn names(patterns: &[&str]) -> Names {
    let plain = |pattern: &&&str| !pattern.starts_with('!');
    let globby = |pattern: &&&str| pattern.contains('*');
    Names {
        exact: patterns.iter().filter(plain).filter(|p| !globby(p)).map(|p| (*p).to_owned()).collect(),
        globs: globs(patterns.iter().filter(plain).filter(globby).copied()),
        except: globs(patterns.iter().filter_map(|pattern| pattern.strip_prefix('!'))),
        any_given: patterns.iter().any(|pattern| plain(&pattern)),
    }
}

pub(in crate::policy) fn globs<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Globs {
    Globs::new(patterns.into_iter().map(|pattern| Glob::new(pattern).unwrap()).collect()).unwrap()
}

pub(in crate::policy) fn regexes(patterns: &[&str]) -> Regexes {
    Regexes::new(patterns.iter().map(|pattern| (*pattern).to_owned()).collect()).unwrap()
}

/// The verdict of a policy on a `tools/call`, by an agent without a name in front of `files`.
pub(in crate::policy) fn judge(policy: &Policy, tool: &str, arguments: &str) -> Verdict {
    judge_with(policy, tool, arguments, &Facts::default())
}

pub(in crate::policy) fn judge_with(policy: &Policy, tool: &str, arguments: &str, facts: &Facts) -> Verdict {
    let arguments = (!arguments.is_empty()).then(|| Json::from_text(arguments).unwrap());
    let call = Call::new("tools/call", tool, arguments);
    let stance = policy.stance(facts.agent.as_deref(), "files");
    policy.evaluate(&stance, &call, World::of(facts)).unwrap()
}

/// Whether the only rule matches.
pub(in crate::policy) fn matches(rule: Rule, arguments: &str) -> bool {
    !judge(&policy(vec![rule]), "tool", arguments).matched.is_empty()
}

pub(in crate::policy) fn at_home() -> Facts {
    Facts { root: Some("/home/me/app".into()), home: Some("/home/me".into()), ..Facts::default() }
}
