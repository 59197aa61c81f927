//! What judging and redacting one call costs, by the number of rules.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use callgate::call::Call;
use callgate::policy::{Facts, Keep, Policy, Redactor, World};
use callgate::settings::{self, Environment};
use callgate::wire::Json;
use criterion::{Criterion, criterion_group, criterion_main};

const ARGUMENTS: &str = r#"{"path":"/home/me/app/src/main.rs","content":"fn main() {}\n","mode":420}"#;
const PLAIN: &str = r#"{"path":"/home/me/app/src/main.rs","content":"fn main() {}","mode":420}"#;
const SECRET: &str = r#"{"url":"https://example.com/x","token":"not-a-real-token","note":"plain"}"#;

const ECHO: &str = r#"{"message":"The quick brown fox jumps over the lazy dog, and then it does so once more","count":12345}"#;
/// As many places as are usually guarded.
const PROTECTED: &[&str] = &[
    ".config/callgate/mcp.toml",
    ".config/callgate",
    ".local/share/callgate",
    ".claude.json",
    ".claude/settings.json",
    ".codeium/windsurf/mcp_config.json",
    ".codex/config.toml",
    ".config/zed/settings.json",
    ".cursor/mcp.json",
    ".gemini/settings.json",
    "app/.mcp.json",
    "app/.cursor/mcp.json",
    "app/.vscode/mcp.json",
    "app/.claude/settings.json",
    "app/.gemini/settings.json",
];

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
            bencher.iter(|| policy.evaluate(&stance, black_box(&call), World::of(&facts)));
        });
    }
}

/// The usual small file, in front of a call that it says nothing about.
fn small(criterion: &mut Criterion) {
    let home = "/home/me";
    let protected = PROTECTED.iter().map(|below| format!("{home}/{below}")).collect();
    let environment = Environment { home: Some(home.to_owned()), protected, ..Environment::default() };
    for (name, rules) in [("one rule", 1), ("ten rules", 10)] {
        let mut source = String::from("version = 1\nmode = \"enforce\"\n");
        for number in 0..rules {
            let _ =
                write!(source, "[[rule]]\ntools = [\"drop_{number}\", \"delete_*\"]\naction = \"deny\"\n");
        }
        let Ok(read) = settings::read(&source, &environment) else { continue };
        let policy = read.config.policy;
        let facts =
            Facts { home: Some(home.to_owned()), root: Some("/home/me/app".to_owned()), ..Facts::default() };
        let stance = policy.stance(None, "files");
        let call =
            Call { method: "tools/call".into(), name: "echo".into(), arguments: Json::from_text(ECHO) };
        criterion.bench_function(&format!("evaluate an echo, {name}"), |bencher| {
            bencher.iter(|| policy.evaluate(&stance, black_box(&call), World::of(&facts)));
        });
    }
}

/// What reading a large file costs, with something to compile in each rule.
fn loading(criterion: &mut Criterion) {
    let conditions = [
        ("plain", String::new as fn() -> String),
        ("a glob each", || r#"when = { "/path" = { glob = "*.N.pem" } }"#.to_owned()),
        ("a regex each", || r"when = { '/command' = { matches = '\brm\s+-\w*N' } }".to_owned()),
        ("one regex", || r"when = { '/command' = { matches = '\brm\s+-\w*r' } }".to_owned()),
    ];
    let mut group = criterion.benchmark_group("read 10,000 rules");
    group.sample_size(10);
    for (name, condition) in conditions {
        let mut source = String::from("version = 1\n");
        for number in 0..10_000 {
            let when = condition().replace('N', &number.to_string());
            let _ = write!(
                source,
                "[[rule]]\nid = \"r{number}\"\ntools = [\"tool_{number}\", \"db_{number}_*\"]\naction = \"deny\"\n{when}\n"
            );
        }
        group.bench_function(name, |bencher| {
            bencher.iter(|| settings::read(black_box(&source), &Environment::default()).is_ok());
        });
    }
    group.finish();
}

fn redacting(criterion: &mut Criterion) {
    let redactor = Redactor::new([7; 32]);
    for (name, arguments) in [("plain", PLAIN), ("escaped", ARGUMENTS), ("with a secret", SECRET)] {
        criterion.bench_function(&format!("redact, {name}"), |bencher| {
            bencher.iter(|| redactor.arguments(black_box(arguments), Keep::Redacted));
        });
    }
}

criterion_group!(benches, judging, small, loading, redacting);
criterion_main!(benches);
