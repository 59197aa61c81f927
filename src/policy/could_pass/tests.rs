//! What is hidden for sure, what stays in doubt, and that nothing hidden ever passes.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use crate::call::Call;
use crate::policy::tests::index::{
    self, FACTS, Had, MARKS, NAMES_OF_TOOLS, TOOLS, any_json, any_policy, compiled,
};
use crate::policy::{Claims, Effect, Facts, Mode, World};
use crate::wire::Json;

/// Whether a tool of `files` could pass for an agent `ci` in the group `one`.
fn could_pass(rules: &str, tool: &str) -> bool {
    let policy = compiled(&format!("version = 1\nmode = 'enforce'\n{rules}"));
    let facts = Facts {
        agent: Some("ci".into()),
        groups: vec!["one".into()],
        server: Some("files".into()),
        client: Some("a-client".into()),
        ..Facts::default()
    };
    policy.could_pass(&policy.stance(Some("ci"), "files"), tool, &facts)
}

const DENY: &str = "[[rule]]\nid = 'no'\ntools = 'rm*'\naction = 'deny'\n";

#[test]
fn a_tool_that_is_denied_whatever_the_call_could_not_pass() {
    assert!(!could_pass(DENY, "rm_all"));
    assert!(could_pass(DENY, "ls"));
    for settled in
        ["agent = 'ci'", "group = ['one', 'x']", "server = { glob = 'f*' }", "user = { exists = false }"]
    {
        assert!(!could_pass(&format!("{DENY}when = {{ {settled} }}\n"), "rm_all"), "{settled}");
    }
    for unless in ["agent = 'other'", "group = 'two'"] {
        assert!(!could_pass(&format!("{DENY}unless = {{ {unless} }}\n"), "rm_all"), "{unless}");
    }
    assert!(!could_pass(
        "[[tool]]\nmatch = 'rm*'\nrisk = 'high'\n[[rule]]\nwhen = { risk = 'high' }\naction = 'deny'\n",
        "rm"
    ));
    assert!(!could_pass(&format!("{DENY}any = [{{ agent = 'x' }}, {{ agent = 'ci' }}]\n"), "rm"));
}

#[test]
fn what_depends_on_more_than_the_session_stays() {
    let more = [
        "when = { '/path' = '/etc' }",
        "when = { '/**' = { exists = false } }",
        "when = { time = '00:00-24:00' }",
        "when = { client = 'a-client' }",
        "when = { claimed_destructive = true }",
        "when = { tool_changed = true }",
        "when = { root = { path_under = '/' } }",
        "unless = { '/dry_run' = true }",
        "unless = { agent = 'ci' }",
        "rate = { max = 1, per = '1m' }",
        "after = 'seen'",
        "unless_after = 'seen'",
        "mode = 'shadow'",
        "mode = 'warn'",
        "modes = { ci = 'off' }",
        "methods = 'resources/read'",
    ];
    for more in more {
        let rules = format!("[[label]]\nid = 'seen'\ntools = 'x'\n{DENY}{more}\n");
        assert!(could_pass(&rules, "rm_all"), "{more}");
    }
    let lifted = format!(
        "{DENY}[[rule]]\ntools = 'rm_all'\nwhen = {{ '/dry' = true }}\naction = 'allow'\noverrides = ['no']\n"
    );
    assert!(could_pass(&lifted, "rm_all") && !could_pass(&lifted, "rm_one"));
}

#[test]
fn under_a_default_that_denies_only_what_a_rule_may_admit_stays() {
    let rules = "default = 'deny'\n[[rule]]\ntools = 'ls'\naction = 'allow'\nclosed = true\n\
        [[rule]]\ntools = 'cat'\naction = 'require_approval'\n[[rule]]\ntools = 'rm'\naction = 'warn'\n\
        [[rule]]\ntools = 'cp'\naction = 'require_approval'\nmode = 'shadow'\n\
        [[rule]]\ntools = 'mv'\nwhen = { agent = 'other' }\naction = 'allow'\n";
    assert!(could_pass(rules, "ls") && could_pass(rules, "cat"));
    assert!(!could_pass(rules, "rm") && !could_pass(rules, "cp") && !could_pass(rules, "mv"));
}

#[test]
fn where_nothing_is_enforced_every_tool_could_pass() {
    for mode in ["off", "shadow", "warn"] {
        assert!(could_pass(&format!("max_mode = '{mode}'\ndefault = 'deny'\n{DENY}"), "rm_all"), "{mode}");
    }
}

/// Rules that chance would seldom make: about tools and facts alone.
fn any_plain_rule() -> impl Strategy<Value = String> {
    let effect = select(&["allow", "require_approval", "deny", "deny"][..]);
    let fact = proptest::option::of(select(FACTS));
    (effect, select(TOOLS), fact, any::<bool>()).prop_map(|(effect, tools, fact, exempts)| {
        let mut text = format!("[[rule]]\naction = '{effect}'\n{tools}\n");
        let place = if exempts { "unless" } else { "when" };
        fact.map(|fact| writeln!(text, "{place} = {{ {fact} }}"));
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_tool_of_which_some_call_passes_is_never_hidden(
        source in any_policy(),
        plain in proptest::collection::vec(any_plain_rule(), 0..3),
        lifts in any::<u16>(),
        modes in proptest::collection::vec(select(&[None, None, Some(Mode::Shadow), Some(Mode::Warn)][..]), 8),
        calls in proptest::collection::vec((select(NAMES_OF_TOOLS), proptest::option::of(any_json())), 8),
        agent in proptest::option::of(select(&["ci", "other"][..])),
        placed in any::<bool>(),
        had in proptest::array::uniform3(select(MARKS)),
        unix_ms in 0_i64..2_000_000_000_000,
        changed in any::<Option<bool>>(),
        listed in any::<bool>(),
    ) {
        let source = source.replacen("version = 1\n", "version = 1\nmode = 'enforce'\n", 1);
        let mut policy = compiled(&format!("{source}{}", plain.concat()));
        let count = policy.rules.len();
        for (index, rule) in policy.rules.iter_mut().enumerate() {
            if rule.effect == Effect::Allow {
                rule.overrides = (0..count).filter(|other| lifts >> ((index + other) % 16) & 1 == 1).collect();
            } else {
                rule.mode = modes[index % modes.len()];
            }
        }
        let facts = index::facts(agent, placed);
        let stance = policy.stance(facts.agent.as_deref(), "files");
        let had = Had(had);
        let claims = listed.then(Claims::default);
        let world = World::of(&facts).with_past(&had).at(unix_ms).with_claims(claims).with_changed(changed);
        for (name, arguments) in &calls {
            let arguments = arguments.as_deref().and_then(Json::from_text);
            let call = Call::new("tools/call", *name, arguments);
            let passes = policy.evaluate(&stance, &call, world).is_none_or(|verdict| verdict.acting.effect < Effect::Deny);
            prop_assert!(!passes || policy.could_pass(&stance, name, &facts), "{name}\n{source}");
        }
    }
}
