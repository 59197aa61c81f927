//! What judging and redacting one call costs, by the number of rules.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use callgate::call::Call;
use callgate::policy::{Facts, Keep, NoLinks, Policy, Redactor};
use callgate::settings::{self, Environment};
use callgate::wire::Json;
use criterion::{Criterion, criterion_group, criterion_main};

const ARGUMENTS: &str = r#"{"path":"/home/me/app/src/main.rs","content":"fn main() {}\n","mode":420}"#;
const PLAIN: &str = r#"{"path":"/home/me/app/src/main.rs","content":"fn main() {}","mode":420}"#;
const SECRET: &str = r#"{"url":"https://example.com/x","token":"not-a-real-token","note":"plain"}"#;

/// Every tenth rule is about the tool of the call; the others are about other tools.
fn policy(rules: usize) -> Option<Policy> {
    let mut source = String::from("version = 1\nmode = \"enforce\"\n");
    for number in 0..rules {
        let tool = if number % 10 == 0 { "write_file".to_owned() } else { format!("tool_{number}") };
        let _ = write!(
            source,
            "[[rule]]\ntools = [\"{tool}\"]\naction = \"deny\"\nwhen = {{ \"/path\" = {{ path_under = [\"/etc/{number}\"] }} }}\n"
        );
    }
    Some(Arc::unwrap_or_clone(settings::read(&source, &Environment::default()).ok()?.config.policy))
}

fn judging(criterion: &mut Criterion) {
    for rules in [10, 1000] {
        let Some(policy) = policy(rules) else { continue };
        let (stance, facts) = (policy.stance(None, "files"), Facts::default());
        let call = Call {
            method: "tools/call".into(),
            name: "write_file".into(),
            arguments: Json::from_text(ARGUMENTS),
        };
        criterion.bench_function(&format!("evaluate, {rules} rules"), |bencher| {
            bencher.iter(|| policy.evaluate(&stance, black_box(&call), &facts, &NoLinks));
        });
    }
}

fn redacting(criterion: &mut Criterion) {
    let redactor = Redactor::new([7; 32]);
    for (name, arguments) in [("plain", PLAIN), ("escaped", ARGUMENTS), ("with a secret", SECRET)] {
        criterion.bench_function(&format!("redact, {name}"), |bencher| {
            bencher.iter(|| redactor.arguments(black_box(arguments), Keep::Redacted));
        });
    }
}

criterion_group!(benches, judging, redacting);
criterion_main!(benches);
