//! Any arguments against one rich policy: there is always a verdict, and its effect is the same in every mode.
//!
//! The first line names the tool; the rest is the arguments.
#![no_main]

use std::sync::LazyLock;

use callgate::call::Call;
use callgate::policy::{Facts, Policy, World};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use libfuzzer_sys::fuzz_target;

const RULES: &str = r#"
version = 1
default = "warn"
[[tool]]
match = ["write_*", "delete"]
risk = "high"
[[rule]]
id = "outside"
action = "deny"
tools = ["write_*", "!write_log"]
when = { "/path | /paths/*" = { path_outside = ["{root}", "/tmp"] } }
[[rule]]
id = "keys"
action = "deny"
when = { "/**" = { path_glob = ["*.pem", "~/.ssh/**", "{root}/**/.env"] } }
unless = { "agent" = "trusted", "/force" = true }
[[rule]]
id = "words"
action = "require_approval"
any = [
  { "/**/command" = { matches = ['rm\s+-[a-z]*r', '(?i)drop\s+table'] } },
  { "/**/text | /n/*" = { glob = ["*secret*", "caf\u00e9*"], bytes_gt = 3 } },
]
[[rule]]
id = "numbers"
action = "warn"
when = { "/amount" = { ge = 10, lt = 1e6 }, "/currency" = ["EUR", "USD", 7, true] }
[[rule]]
id = "shape"
action = "deny"
when = { "/a/0/b" = { exists = true }, "/c" = { exists = false } }
[[rule]]
id = "risky"
action = "deny"
when = { "risk" = "high", "/note" = { eq = "" } }
[[rule]]
id = "lift"
action = "allow"
tools = "write_file"
when = { "/path" = { path_under = ["{root}/docs"] } }
overrides = ["outside", "keys"]
"#;

static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| ["shadow", "warn", "enforce"].map(policy).into());

fuzz_target!(|text: &str| {
    let (name, arguments) = text.split_once('\n').unwrap_or(("write_file", text));
    let facts = Facts {
        home: Some("/home/me".to_owned()),
        root: Some("/home/me/app".to_owned()),
        ..Facts::default()
    };
    let call = Call::new("tools/call", name, Json::from_text(arguments));
    let said = POLICIES.iter().map(|policy| {
        let stance = policy.stance(None, "files");
        let verdict = policy.evaluate(&stance, &call, World::of(&facts)).expect("it is not off");
        (verdict.effect, verdict.by, verdict.matched.into_iter().map(|found| found.by).collect::<Vec<_>>())
    });
    let mut said: Vec<_> = said.collect();
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
});

fn policy(mode: &str) -> Policy {
    let environment = Environment {
        home: Some("/home/me".to_owned()),
        protected: vec!["/home/me/.config/callgate".to_owned(), "/home/me/app/.mcp.json".to_owned()],
        ..Environment::default()
    };
    let source = RULES.replace("version = 1\n", &format!("version = 1\nmode = \"{mode}\"\n"));
    let read = read(&source, &environment).unwrap_or_else(|faults| panic!("{faults:?}"));
    std::sync::Arc::unwrap_or_clone(read.config.policy)
}
