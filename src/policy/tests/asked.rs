//! What servers ask, tasks whose tool nobody knows, and what a retry carries.

use Effect::{Allow, Deny, RequireApproval};

use super::sample::{argument, eq, fact, globs, names, policy, rule, when};
use crate::call::{Asker, Call};
use crate::policy::{
    Effect, Fact, Facts, Mode, Names, Policy, Predicate, Rule, ToolMetadata, Verdict, World,
};
use crate::wire::Json;

fn verdict(policy: &Policy, call: &Call<'_>) -> Verdict {
    policy.evaluate(&policy.stance(None, "files"), call, World::of(&Facts::default())).unwrap()
}

fn denies(rule: Rule, call: &Call<'_>) -> bool {
    verdict(&policy(vec![rule]), call).effect == Deny
}

fn update(tool: &'static str) -> Call<'static> {
    Call::new("tasks/update", tool, Json::from_text(r#"{"taskId":"t","inputResponses":{"a":"x"}}"#))
}

fn retry(carried: &'static str) -> Call<'static> {
    let call = Call::new("tools/call", "tool", Json::from_text(r#"{"path":"a"}"#));
    Call { carried: [Json::from_text(carried), None], ..call }
}

#[test]
fn the_default_says_nothing_of_what_servers_ask() {
    for method in ["sampling/createMessage", "elicitation/create", "vendor/ask"] {
        for default in [RequireApproval, Deny] {
            let policy = Policy { default, ..policy(vec![]) };
            let call = Call { asker: Asker::Server, ..Call::new(method, "", None) };
            assert_eq!(verdict(&policy, &call).effect, Allow, "{method}");
        }
    }
}

#[test]
fn a_rule_about_elicitation_chooses_by_mode_and_params() {
    let asks = |params| Call::new("elicitation/create", "", Json::from_text(params));
    let by_url = || Rule { methods: names(&["elicitation/create"]), tools: names(&["url"]), ..rule(Deny) };
    assert!(denies(by_url(), &asks(r#"{"mode":"url"}"#)));
    assert!(!denies(by_url(), &asks(r#"{"message":"?"}"#)));
    let to = Rule { when: Some(vec![argument("/url", vec![eq("https://a")])]), ..by_url() };
    assert!(denies(to, &asks(r#"{"mode":"url","url":"https://a"}"#)));
    assert!(!denies(rule(Deny), &asks("{}")), "rules are about calls of tools unless they say otherwise");
}

#[test]
fn a_task_of_nobody_knows_which_tool_escapes_no_rule_and_is_admitted_by_none() {
    let about = |effect, tools: Names| Rule { methods: names(&["tasks/update"]), tools, ..rule(effect) };
    assert!(denies(about(Deny, names(&["deploy"])), &update("deploy")));
    assert!(!denies(about(Deny, names(&["deploy"])), &update("read")));
    assert!(denies(about(Deny, names(&["deploy"])), &update("")));
    let admitted = |tools: Names, tool| {
        let policy = Policy { default: Deny, ..policy(vec![about(Allow, tools)]) };
        verdict(&policy, &update(tool)).effect == Allow
    };
    assert!(admitted(names(&["deploy"]), "deploy"));
    assert!(!admitted(names(&["deploy"]), ""));
    assert!(admitted(Names::default(), ""));
    let all_but = Names { any_given: false, except: globs(["deploy"]), ..Names::default() };
    assert!(admitted(all_but.clone(), "read"));
    assert!(!admitted(all_but, ""));
}

#[test]
fn what_is_declared_of_tools_is_in_doubt_where_nobody_knows_which() {
    let risky =
        Rule { methods: names(&["tasks/update"]), when: Some(vec![fact(Fact::Risk, "high")]), ..rule(Deny) };
    let declared =
        ToolMetadata { tools: names(&["deploy"]), action: None, resource: None, risk: Some("high".into()) };
    let of = |tools: Vec<ToolMetadata>, tool| {
        verdict(&Policy { tools, ..policy(vec![risky.clone()]) }, &update(tool)).effect == Deny
    };
    assert!(of(vec![declared.clone()], "deploy"));
    assert!(!of(vec![declared.clone()], "read"));
    assert!(of(vec![declared], ""));
    assert!(!of(vec![], ""), "no tool is declared to be anything");
}

#[test]
fn pointers_that_begin_with_any_depth_search_what_a_retry_carries() {
    let finds = |pointer: &str| when(Deny, pointer, vec![eq("x")]);
    assert!(denies(finds("/**"), &retry(r#"{"a":{"b":"x"}}"#)));
    assert!(denies(finds("/**/b"), &retry(r#"{"a":{"b":"x"}}"#)));
    assert!(!denies(finds("/a/b"), &retry(r#"{"a":{"b":"x"}}"#)), "its names are the server's");
    assert!(!denies(finds("/**"), &retry(r#"{"a":{"b":"y"}}"#)));
}

#[test]
fn a_closed_allow_admits_no_retry_whose_burden_it_does_not_name() {
    let closed = |pointer: &str| {
        let rule = Rule { closed: true, ..when(Allow, pointer, vec![Predicate::Exists(true)]) };
        Policy { default: Deny, ..policy(vec![rule]) }
    };
    let plain = Call::new("tools/call", "tool", Json::from_text(r#"{"path":"a"}"#));
    assert_eq!(verdict(&closed("/path"), &plain).effect, Allow);
    assert_eq!(verdict(&closed("/path"), &retry(r#"{"a":"x"}"#)).effect, Deny);
    assert_eq!(verdict(&closed("/**"), &retry(r#"{"a":"x"}"#)).effect, Allow);
}

#[test]
fn a_stance_governs_the_methods_of_its_rules_that_restrict() {
    let about = |effect, method: &str| Rule { methods: names(&[method]), ..rule(effect) };
    let policy = policy(vec![
        about(Allow, "sampling/createMessage"),
        about(Deny, "elicitation/create"),
        Rule { mode: Some(Mode::Off), ..about(Deny, "vendor/ask") },
    ]);
    let stance = policy.stance(None, "files");
    assert!(stance.governs(&policy, "elicitation/create"));
    assert!(!stance.governs(&policy, "sampling/createMessage"));
    assert!(!stance.governs(&policy, "vendor/ask"));
}
