//! Any text as a shell line: there is an answer, a line after it hides nothing, and what is admitted is not in doubt.
#![no_main]

use std::sync::LazyLock;

use callgate::call::Call;
use callgate::policy::{Effect, Facts, Policy, World};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use libfuzzer_sys::fuzz_target;

const ANY: &str = r#"shell_any = ["rm -r !/tmp/*", "git push --force", "> /etc/*", "* */.ssh/*"]"#;
const ONLY: &str = r#"shell_only = ["ls", "cat", "git status", "A="]"#;

/// One deny rule, with what the line is compared with.
fn policy(condition: &str) -> Policy {
    let source = format!(
        "version = 1\nmode = \"enforce\"\n[[rule]]\nwhen = {{ \"/c\" = {{ {condition} }} }}\naction = \"deny\"\n"
    );
    let read = read(&source, &Environment::default()).unwrap_or_else(|faults| panic!("{faults:?}"));
    std::sync::Arc::unwrap_or_clone(read.config.policy)
}

/// One deny rule that the line is excused from.
fn admitting(condition: &str) -> Policy {
    let source = format!(
        "version = 1\nmode = \"enforce\"\n[[rule]]\nunless = {{ \"/c\" = {{ {condition} }} }}\naction = \"deny\"\n"
    );
    let read = read(&source, &Environment::default()).unwrap_or_else(|faults| panic!("{faults:?}"));
    std::sync::Arc::unwrap_or_clone(read.config.policy)
}

/// Stops what does one of these things or may, what may do anything, all but what does one of these things for
/// certain, and all but what is admitted.
static POLICIES: LazyLock<[Policy; 4]> = LazyLock::new(|| {
    [policy(ANY), policy(r#"shell_any = ["no-such-program"]"#), admitting(ANY), admitting(ONLY)]
});

fuzz_target!(|text: &str| {
    let [any, doubt, certain, only] = &*POLICIES;
    assert!(denies(any, &format!("rm -rf /\n{text}")), "hidden by what follows");
    if !denies(certain, text) {
        assert!(denies(any, text));
        assert!(denies(any, &format!("true; {text}")), "hidden by what is in front");
        assert!(denies(any, &format!("{text}\ntrue")), "hidden by a line behind it");
    }
    if !denies(only, text) {
        assert!(!denies(doubt, text), "admitted in doubt");
        assert!(denies(only, &format!("{text}\nother")), "another command admitted");
    }
});

fn denies(policy: &Policy, line: &str) -> bool {
    let arguments = serde_json::json!({ "c": line }).to_string();
    let call = Call::new("tools/call", "run_shell", Json::from_text(&arguments));
    let stance = policy.stance(None, "files");
    let verdict = policy.evaluate(&stance, &call, World::of(&Facts::default())).expect("it is not off");
    verdict.effect == Effect::Deny
}
