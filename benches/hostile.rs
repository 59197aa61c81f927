//! What the worst text of a page costs each predicate, and that of two pages: what is linear takes twice as long.
//!
//! It prints the ratio of the two for every text and predicate; far above two is a way to stall the gate.

#![allow(clippy::disallowed_methods)] // what is measured here is time

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use callgate::call::Call;
use callgate::policy::{Facts, Policy, Stance, World};
use callgate::settings::{self, Environment};
use callgate::wire::Json;

/// A page of text, as long as most of what a model writes. Bytes.
const PAGE: usize = 4096;
/// A ratio above this is pointed out: twice the text should take twice the time.
const SUSPICIOUS: f64 = 3.0;

/// What a rule asks of `/text`, by the name of its predicate.
const CONDITIONS: &[(&str, &str)] = &[
    ("eq", r#""/text" = { eq = "x" }"#),
    ("in", r#""/text" = { in = ["x", "y", "z"] }"#),
    ("gt", r#""/text" = { gt = 3 }"#),
    ("bytes_gt", r#""/text" = { bytes_gt = 10 }"#),
    ("glob", r#""/text" = { glob = "*a*a*a*a*b" }"#),
    ("matches", r#""/text" = { matches = '(a+)+$|(a|aa)*b|(.*,){9}x' }"#),
    ("path_under", r#""/text" = { path_under = ["/etc", "{root}"] }"#),
    ("path_outside", r#""/text" = { path_outside = ["/etc", "{root}"] }"#),
    ("path_glob", r#""/text" = { path_glob = ["**/a/**/a/**/b", "*.pem"] }"#),
    ("search", r#""/**" = { path_glob = "*.pem", glob = "*secret*" }"#),
];

/// Texts that are hard for something: each is repeated up to the length.
const TEXTS: &[(&str, &str)] = &[
    ("one letter", "a"),
    ("steps up", "/../a"),
    ("folders", "/a"),
    ("commas", ",a"),
    ("quotes", "\\\""),
    ("brackets", "["),
    ("objects", "{\\\"a\\\":"),
    ("accents", "e\u{301}\u{323}"),
    ("digits", "9"),
    ("percent codes", "%2e%2f"),
    ("shell", "$(`a;"),
    ("words", "a b=c --d "),
    ("comments", "/*--"),
    ("hosts", "a.a@a:"),
];

fn main() {
    let mut report = String::new();
    for (predicate, condition) in CONDITIONS {
        let Some(policy) = policy(condition) else {
            let _ = writeln!(report, "{predicate}: the rule cannot be read");
            continue;
        };
        let stance = policy.stance(None, "files");
        for (text, piece) in TEXTS {
            let [page, two] = [PAGE, 2 * PAGE].map(|length| cost(&policy, &stance, piece, length));
            let ratio = two.as_secs_f64() / page.as_secs_f64();
            let mark = if ratio > SUSPICIOUS { "  <--" } else { "" };
            let _ =
                writeln!(report, "{predicate:14} {text:14} {page:>10.1?} {two:>10.1?}  x{ratio:.1}{mark}");
        }
    }
    let _ = std::io::stdout().write_all(report.as_bytes());
}

fn policy(condition: &str) -> Option<Policy> {
    let source =
        format!("version = 1\nmode = \"enforce\"\n[[rule]]\naction = \"deny\"\nwhen = {{ {condition} }}\n");
    let read = settings::read(&source, &Environment::default()).ok()?;
    Some(std::sync::Arc::unwrap_or_clone(read.config.policy))
}

/// The least that one judgement took.
fn cost(policy: &Policy, stance: &Stance, piece: &str, length: usize) -> Duration {
    let text = piece.repeat(length / piece.len());
    let arguments = format!("{{\"text\":\"{text}\"}}");
    let facts = Facts { root: Some("/home/me/app".to_owned()), ..Facts::default() };
    let call =
        Call { method: "tools/call".into(), name: "tool".into(), arguments: Json::from_text(&arguments) };
    let one = || {
        let start = Instant::now();
        black_box(policy.evaluate(stance, black_box(&call), World::of(&facts)));
        start.elapsed()
    };
    (0..20).map(|_| one()).min().unwrap_or_default()
}
