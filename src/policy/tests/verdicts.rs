//! How verdicts are put together, which mode holds, and how reasons are spelled.

use std::collections::BTreeMap;

use Effect::{Allow, Deny, RequireApproval, Warn};

use super::sample::{judge, names, policy, rule};
use crate::call::Call;
use crate::policy::{By, Effect, Facts, FailMode, Match, Mode, ModeSettings, Policy, Rule, Verdict, World};

fn moded(effect: Effect, mode: Mode) -> Rule {
    Rule { mode: Some(mode), ..rule(effect) }
}

fn acting(verdict: &Verdict) -> (Effect, By, Mode) {
    (verdict.acting.effect, verdict.acting.by, verdict.acting.mode)
}

#[test]
fn without_rules_the_default_speaks() {
    for default in [Allow, Warn, RequireApproval, Deny] {
        let policy = Policy { default, ..policy(vec![]) };
        let verdict = judge(&policy, "tool", "{}");
        assert_eq!((verdict.effect, verdict.by, verdict.mode), (default, By::Default, Mode::Enforce));
        assert_eq!(acting(&verdict), (default, By::Default, Mode::Enforce));
        assert_eq!(verdict.matched.len(), usize::from(default > Allow));
    }
}

#[test]
fn the_strictest_of_all_matches_is_the_verdict_and_the_first_that_gives_it_is_named() {
    let verdict =
        judge(&policy(vec![rule(Warn), rule(Deny), rule(RequireApproval), rule(Deny)]), "tool", "{}");
    assert_eq!((verdict.effect, verdict.by), (Deny, By::Rule(1)));
    assert_eq!(verdict.matched.len(), 4);
}

#[test]
fn an_allow_without_overrides_lifts_nothing() {
    let verdict = judge(&policy(vec![rule(Allow), rule(Deny)]), "tool", "{}");
    assert_eq!((verdict.effect, verdict.by), (Deny, By::Rule(1)));
}

#[test]
fn an_allow_lifts_the_rules_that_it_names_and_no_other() {
    let lifting = Rule { overrides: vec![1], ..rule(Allow) };
    let lifted = judge(&policy(vec![lifting.clone(), rule(Deny)]), "tool", "{}");
    assert_eq!((lifted.effect, lifted.by), (Allow, By::Rule(0)));
    assert_eq!(lifted.matched.iter().map(|found| found.acted).collect::<Vec<_>>(), [true, false]);
    let other = judge(&policy(vec![lifting, rule(Deny), rule(Warn)]), "tool", "{}");
    assert_eq!((other.effect, other.by), (Warn, By::Rule(2)));
}

#[test]
fn an_allow_is_never_lifted() {
    let lifting = Rule { overrides: vec![1], ..rule(Allow) };
    let policy = Policy { default: Deny, ..policy(vec![lifting, rule(Allow)]) };
    assert_eq!(judge(&policy, "tool", "{}").effect, Allow);
}

#[test]
fn a_warning_admits_nothing_under_default_deny_but_allow_and_approval_do() {
    let verdict = |effect| judge(&Policy { default: Deny, ..policy(vec![rule(effect)]) }, "tool", "{}");
    assert_eq!((verdict(Warn).effect, verdict(Warn).by), (Deny, By::Default));
    assert_eq!(verdict(RequireApproval).effect, RequireApproval);
    assert_eq!(verdict(Allow).effect, Allow);
}

#[test]
fn an_approval_that_was_lifted_admits_nothing_but_its_lifter_does() {
    let lifting = Rule { overrides: vec![1], ..rule(Allow) };
    let policy = Policy { default: Deny, ..policy(vec![lifting, rule(RequireApproval)]) };
    assert_eq!(judge(&policy, "tool", "{}").effect, Allow);
}

#[test]
fn modes_decide_what_takes_force_and_never_the_verdict() {
    use Mode::{Enforce, Shadow, Warn as Told};
    // default, base, rules, verdict, acting
    let cases = [
        (
            Allow,
            Shadow,
            vec![(Deny, Shadow), (RequireApproval, Enforce)],
            Deny,
            (RequireApproval, By::Rule(1), Enforce),
        ),
        (Deny, Enforce, vec![(Deny, Shadow)], Deny, (Deny, By::Default, Enforce)),
        (Deny, Enforce, vec![(RequireApproval, Shadow)], RequireApproval, (Deny, By::Default, Enforce)),
        (
            Deny,
            Shadow,
            vec![(RequireApproval, Enforce)],
            RequireApproval,
            (RequireApproval, By::Rule(0), Enforce),
        ),
        (Deny, Shadow, vec![(Warn, Enforce)], Deny, (Warn, By::Rule(0), Enforce)),
        (Deny, Told, vec![], Deny, (Warn, By::Default, Told)),
        (Deny, Shadow, vec![], Deny, (Allow, By::Default, Shadow)),
        (Allow, Shadow, vec![(Deny, Told)], Deny, (Warn, By::Rule(0), Told)),
        (Allow, Shadow, vec![(RequireApproval, Told), (Deny, Told)], Deny, (Warn, By::Rule(1), Told)),
        (Allow, Shadow, vec![(Deny, Told), (Warn, Enforce)], Deny, (Warn, By::Rule(1), Enforce)),
        (Allow, Enforce, vec![(Deny, Shadow)], Deny, (Allow, By::Default, Enforce)),
        (Allow, Enforce, vec![(Deny, Told)], Deny, (Warn, By::Rule(0), Told)),
        (Allow, Enforce, vec![(Deny, Mode::Off)], Allow, (Allow, By::Default, Enforce)),
    ];
    for (default, mode, rules, effect, force) in cases {
        let story = format!("{default} {mode} {rules:?}");
        let rules = rules.into_iter().map(|(effect, mode)| moded(effect, mode)).collect();
        let verdict = judge(&Policy { mode, default, ..policy(rules) }, "tool", "{}");
        assert_eq!(verdict.effect, effect, "{story}");
        assert_eq!(acting(&verdict), force, "{story}");
    }
}

#[test]
fn the_default_is_listed_as_acting_where_only_a_shadow_rule_admits_the_call() {
    let policy = Policy { default: Deny, ..policy(vec![moded(RequireApproval, Mode::Shadow)]) };
    let verdict = judge(&policy, "tool", "{}");
    let default = Match { by: By::Default, effect: Deny, mode: Mode::Enforce, acted: true };
    assert_eq!(verdict.matched.last(), Some(&default));
}

#[test]
fn an_allow_lifts_an_enforced_rule_also_where_all_else_is_shadow() {
    let rules = vec![Rule { overrides: vec![1], ..rule(Allow) }, moded(Deny, Mode::Enforce)];
    let verdict = judge(&Policy { mode: Mode::Shadow, ..policy(rules) }, "tool", "{}");
    assert_eq!((verdict.effect, verdict.acting.effect), (Allow, Allow));
    assert!(verdict.matched[0].acted);
}

#[test]
fn the_default_covers_three_methods_and_under_deny_every_method() {
    let judge = |default, method: &str| {
        let policy = Policy { default, ..policy(vec![]) };
        let call = Call::new(method, "", None);
        policy.evaluate(&policy.stance(None, "files"), &call, World::of(&Facts::default())).unwrap().effect
    };
    for method in ["tools/call", "resources/read", "prompts/get"] {
        assert_eq!(judge(RequireApproval, method), RequireApproval);
    }
    assert_eq!(judge(RequireApproval, "vendor/run"), Allow);
    assert_eq!(judge(Deny, "vendor/run"), Deny);
}

#[test]
fn a_rule_speaks_of_its_methods_tools_and_servers_only() {
    let of_tools = |patterns: &[&str]| Rule { tools: names(patterns), ..rule(Deny) };
    let denies = |rule: Rule, tool: &str| judge(&policy(vec![rule]), tool, "{}").effect == Deny;
    assert!(denies(of_tools(&["delete_*", "!delete_draft"]), "delete_all"));
    assert!(!denies(of_tools(&["delete_*", "!delete_draft"]), "delete_draft"));
    assert!(denies(of_tools(&["!read"]), "write"));
    assert!(!denies(of_tools(&["!read"]), "read"));
    assert!(denies(of_tools(&["caf\u{e9}"]), "cafe\u{301}"));
    assert!(!denies(Rule { methods: names(&["prompts/get"]), ..rule(Deny) }, "x"));
    assert!(!denies(Rule { servers: names(&["tickets"]), ..rule(Deny) }, "x"));
    assert!(denies(Rule { servers: names(&["fi*"]), ..rule(Deny) }, "x"));
}

#[test]
fn a_malformed_frame_is_denied_by_the_strongest_mode() {
    let policy = Policy { mode: Mode::Shadow, ..policy(vec![moded(Deny, Mode::Enforce)]) };
    let verdict = policy.malformed(&policy.stance(None, "files")).unwrap();
    assert_eq!((verdict.effect, verdict.by, verdict.mode), (Deny, By::Malformed, Mode::Enforce));
    assert_eq!(acting(&verdict), (Deny, By::Malformed, Mode::Enforce));
    let calm = Policy { max_mode: Some(Mode::Shadow), ..policy };
    let verdict = calm.malformed(&calm.stance(None, "files")).unwrap();
    assert_eq!((verdict.effect, verdict.acting.effect), (Deny, Allow));
}

#[test]
fn the_most_specific_mode_wins_and_the_ceilings_cap_it() {
    use Mode::{Enforce, Shadow, Warn};
    let agent = |mode, max_mode| ModeSettings { mode, max_mode, fail_mode: None };
    let mut policy = Policy { mode: Mode::Shadow, ..policy(vec![rule(Deny), moded(Deny, Mode::Warn)]) };
    policy.rules[1].modes.insert("ci".into(), Mode::Enforce);
    policy.servers.insert("files".into(), agent(Some(Mode::Warn), None));
    policy.agents.insert("ci".into(), agent(Some(Mode::Enforce), None));
    let modes = |policy: &Policy, key, server| {
        let stance = policy.stance(key, server);
        (stance.base, stance.rules, stance.strictest)
    };
    assert_eq!(modes(&policy, None, "other"), (Shadow, vec![Shadow, Warn], Warn));
    assert_eq!(modes(&policy, None, "files"), (Warn, vec![Warn, Warn], Warn));
    assert_eq!(modes(&policy, Some("ci"), "files"), (Enforce, vec![Enforce, Enforce], Enforce));
    policy.max_mode = Some(Warn);
    assert_eq!(modes(&policy, Some("ci"), "files"), (Warn, vec![Warn, Warn], Warn));
    policy.agents.insert("ci".into(), agent(Some(Enforce), Some(Shadow)));
    assert_eq!(modes(&policy, Some("ci"), "files"), (Shadow, vec![Shadow, Shadow], Shadow));
}

#[test]
fn off_is_absolute_where_the_file_a_server_or_an_agent_says_it() {
    let off = ModeSettings { mode: Some(Mode::Off), ..ModeSettings::default() };
    let enforced = || policy(vec![moded(Deny, Mode::Enforce)]);
    let by_file = Policy { mode: Mode::Off, ..enforced() };
    let by_brake = Policy { max_mode: Some(Mode::Off), ..enforced() };
    let by_server = Policy { servers: BTreeMap::from([("files".into(), off)]), ..enforced() };
    let by_agent = Policy { agents: BTreeMap::from([("ci".into(), off)]), ..enforced() };
    for policy in [by_file, by_brake, by_server, by_agent] {
        let stance = policy.stance(Some("ci"), "files");
        let call = Call::new("tools/call", "x", None);
        assert!(stance.is_off() && !stance.is_strict());
        assert_eq!(policy.evaluate(&stance, &call, World::of(&Facts::default())), None);
        assert_eq!(policy.malformed(&stance), None);
    }
}

#[test]
fn rules_of_other_servers_and_allow_rules_make_nothing_strict() {
    let elsewhere = Rule { servers: names(&["tickets"]), ..moded(Deny, Mode::Enforce) };
    let policy = Policy { mode: Mode::Shadow, ..policy(vec![elsewhere, moded(Allow, Mode::Enforce)]) };
    assert!(!policy.stance(None, "files").is_strict());
    assert!(policy.stance(None, "tickets").is_strict());
}

#[test]
fn the_fail_mode_of_the_agent_wins_over_server_and_file() {
    let says = |fail_mode| ModeSettings { fail_mode: Some(fail_mode), ..ModeSettings::default() };
    let mut policy = policy(vec![]);
    assert_eq!(policy.stance(Some("ci"), "files").fail_mode, FailMode::Open);
    policy.fail_mode = Some(FailMode::Error);
    policy.servers.insert("files".into(), says(FailMode::Open));
    policy.agents.insert("ci".into(), says(FailMode::Closed));
    assert_eq!(policy.stance(None, "other").fail_mode, FailMode::Error);
    assert_eq!(policy.stance(None, "files").fail_mode, FailMode::Open);
    assert_eq!(policy.stance(Some("ci"), "files").fail_mode, FailMode::Closed);
}

#[test]
fn reasons_are_spelled_as_pinned() {
    let policy = policy(vec![rule(Warn), rule(Deny)]);
    let reason = |by, mode| policy.reason(by, mode, "delete_file");
    assert_eq!(reason(By::Rule(1), Mode::Enforce), r#"rule 2 (delete_file) in policy "my-policy""#);
    assert_eq!(reason(By::Rule(1), Mode::Shadow), r#"(shadow) rule 2 (delete_file) in policy "my-policy""#);
    assert_eq!(reason(By::Rule(1), Mode::Warn), r#"(warn) rule 2 (delete_file) in policy "my-policy""#);
    assert_eq!(reason(By::Default, Mode::Enforce), r#"default in policy "my-policy""#);
    assert_eq!(
        reason(By::SelfProtection, Mode::Enforce),
        r#"callgate-self (delete_file) in policy "my-policy""#
    );
    assert_eq!(reason(By::Malformed, Mode::Shadow), r#"(shadow) malformed in policy "my-policy""#);
    assert_eq!(reason(By::Default, Mode::Off), "enforcement off");
}
