//! What judging and redacting one call costs, by the number of rules.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use callgate::call::Call;
use callgate::policy::{Facts, Keep, Policy, Redactor, World};
use callgate::settings::{self, Environment};
use callgate::wire::Json;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

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

/// How many rules a file has, from the usual to the unheard-of.
const SIZES: [usize; 3] = [10, 1000, 10_000];
/// So many tools share the rules of a dense file.
const TOOLS: usize = 6;
/// What the rules of a dense file ask for; `N` is the rule's number. The call has what one of them asks for.
const DENSE: &[(&str, &str)] = &[
    ("eq", r#""/repo" = "name-N""#),
    ("in", r#""/repo" = ["name-N", "fork-N"]"#),
    ("number", r#""/id" = N"#),
    ("bound", r#""/mode" = { gt = 1000N }"#),
    ("path_under", r#""/path" = { path_under = ["/srv/N"] }"#),
    ("path_under root", r#""/path" = { path_under = ["{root}/N"] }"#),
    ("path_glob", r#""/path" = { path_glob = "**/N/*.rs" }"#),
    ("glob", r#""/repo" = { glob = "*-N" }"#),
    ("prefix", r#""/repo" = { glob = "name-N*" }"#),
    ("matches", r#""/command" = { matches = '\bgit\s+push\s+name-N\b' }"#),
    ("two conditions", r#""/branch" = "main", "/repo" = "name-N""#),
    ("a pointer each", r#""/argument_N" = "x""#),
    ("search", r#""/**" = { glob = "name-N" }"#),
    ("host", r#""/url" = { host = "api-N.example.com" }"#),
    ("host below", r#""/url" = { host = ["*.N.example", "*.api-N.example.com"] }"#),
    ("ip_in", r#""/url" = { ip_in = ["10.B.0/24"] }"#),
    ("shell_any", r#""/command" = { shell_any = ["git push name-N"] }"#),
    ("shell_any, two", r#""/command" = { shell_any = ["git push name-N", "rm -rf /srv/N"] }"#),
    ("shell_only", r#""/command" = { shell_only = ["git push name-N *", "tool-N"] }"#),
    ("sql_any", r#""/sql" = { sql_any = ["drop", "delete"] }"#),
    ("sql_only", r#""/sql" = { sql_only = ["drop", "delete"], dialect = "postgres" }"#),
    ("sql_any and eq", r#""/sql" = { sql_any = ["select"] }, "/repo" = "name-N""#),
    ("sql_any and bytes", r#""/sql" = { sql_any = ["select"] }, "/content" = { bytes_gt = 1000N }"#),
];
/// The same, as what follows the effect of a rule.
const WHOLE: &[(&str, &str)] = &[
    (
        "unless",
        r#"when = { "/repo" = "name-N" }
unless = { "/command" = { shell_only = ["ls", "git status"] } }"#,
    ),
    (
        "any",
        r#"any = [{ "/url" = { host = "api-N.example.com" } }, { "/command" = { shell_any = ["git push name-N"] } }]"#,
    ),
    (
        "rate",
        r#"when = { "/command" = { shell_any = ["git push name-N"] } }
rate = { max = 20, per = "1m" }"#,
    ),
    (
        "after",
        r#"when = { "/url" = { host = "*.api-N.example.com" } }
after = ["secret-read"]"#,
    ),
    ("after alone", r#"after = ["secret-read"]"#),
];
const LABEL: &str = "[[label]]\nid = \"secret-read\"\ntools = \"read_secret\"\n";
const DENSE_CALL: &str = r#"{"path":"/srv/7/src/main.rs","repo":"name-7","command":"git push name-7 main","url":"https://api-7.example.com/v1","sql":"SELECT name FROM people WHERE id = 7","branch":"main","id":7,"mode":420,"content":"fn main() {}\n"}"#;

fn read(source: &str) -> Option<Policy> {
    Some(Arc::unwrap_or_clone(settings::read(source, &Environment::default()).ok()?.config.policy))
}

/// Each rule is about a tool of its own.
fn spread(rules: usize) -> String {
    let mut source = String::from("version = 1\nmode = \"enforce\"\n");
    for number in 0..rules {
        let _ = write!(
            source,
            "[[rule]]\ntools = [\"tool_{number}\"]\naction = \"deny\"\nwhen = {{ \"/path\" = {{ path_under = [\"/srv/{number}\"] }} }}\n"
        );
    }
    source
}

/// All rules are about a few tools, and each asks for something else there.
fn dense(rules: usize, keys: &str) -> String {
    let mut source = format!("version = 1\nmode = \"enforce\"\n{LABEL}");
    for number in 0..rules {
        let address = format!("{}.{}", number / 256, number % 256);
        let (tool, keys) = (number % TOOLS, keys.replace('N', &number.to_string()).replace('B', &address));
        let _ = write!(source, "[[rule]]\ntools = [\"tool_{tool}\"]\naction = \"deny\"\n{keys}\n");
    }
    source
}

/// Every shape of a dense file, by name: what follows the effect of a rule.
fn shapes() -> impl Iterator<Item = (&'static str, String)> {
    let when = DENSE.iter().map(|(name, when)| (*name, format!("when = {{ {when} }}")));
    when.chain(WHOLE.iter().map(|(name, keys)| (*name, (*keys).to_owned())))
}

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    let facts = Facts { root: Some("/srv".to_owned()), ..Facts::default() };
    let shapes = shapes().map(|(name, keys)| (name, Some(keys)));
    for (name, keys) in std::iter::once(("spread", None)).chain(shapes) {
        for rules in SIZES {
            let source = keys.as_ref().map_or_else(|| spread(rules), |keys| dense(rules, keys));
            let Some(policy) = read(&source) else { continue };
            let stance = policy.stance(None, "files");
            let call = Call::new("tools/call", "tool_1", Json::from_text(DENSE_CALL));
            group.bench_function(BenchmarkId::new(name, rules), |bencher| {
                bencher.iter(|| policy.evaluate(&stance, black_box(&call), World::of(&facts)));
            });
        }
    }
    group.finish();
}

/// What it takes until a large file can judge: reading, and making the index for one server.
fn opening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open 10,000 rules");
    group.sample_size(10);
    let shapes = shapes().map(|(name, keys)| (name, dense(10_000, &keys)));
    for (name, source) in std::iter::once(("spread", spread(10_000))).chain(shapes) {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let policy = read(black_box(&source));
                policy.map(|policy| policy.stance(None, "files").prepare(&policy))
            });
        });
    }
    group.finish();
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
        let call = Call::new("tools/call", "echo", Json::from_text(ECHO));
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

criterion_group!(benches, judging, opening, small, loading, redacting);
criterion_main!(benches);
