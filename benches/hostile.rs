//! What the worst text of a page costs each predicate, and that of two pages: what is linear takes twice as long.
//!
//! It prints the ratio of the two for every text and predicate, for long texts too, and what the longest text that is
//! judged costs; far above two is a way to stall the gate, and so is a tenth of a second.

#![allow(clippy::disallowed_methods)] // what is measured here is time

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use callgate::call::Call;
use callgate::policy::{Facts, Policy, Stance, World};
use callgate::settings::{self, Environment};
use callgate::wire::Json;

/// Lengths of text that are compared: a page, as long as most of what a model writes, and a long file. Bytes.
const LENGTHS: [usize; 2] = [4 << 10, 64 << 10];
/// The longest text that is judged. Bytes.
const LONGEST: usize = 1 << 20;
/// A ratio above this is pointed out: twice the text should take twice the time.
const SUSPICIOUS: f64 = 3.0;
/// The longest text should take less than this.
const LONG: Duration = Duration::from_millis(100);

/// What a rule asks, by the name of its predicate.
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
    ("host", r#""/text" = { host = ["api.example.com", "*.corp.example", "127.0.0.1"] }"#),
    ("scheme", r#""/text" = { scheme = "https" }"#),
    ("ip_in", r#""/text" = { ip_in = ["10.0.0.0/8", "169.254.0.0/16", "::1/128"] }"#),
    ("shell_any", r#""/text" = { shell_any = ["rm -r", "git push --force*", "x a*a*b !/tmp/*", "z*"] }"#),
    ("shell_only", r#""/text" = { shell_only = ["ls", "git status", "a a*", "find", "env"] }"#),
    ("sql_any", r#""/text" = { sql_any = ["drop", "delete"] }"#),
    ("sql_any mysql", r#""/text" = { sql_any = ["drop"], dialect = "mysql" }"#),
    ("sql_only", r#""/text" = { sql_only = ["select"] }"#),
    ("time", r#"time = { in = ["Mon-Fri 09:00-18:00"], zone = "Europe/Rome" }"#),
    ("search", r#""/**" = { path_glob = "*.pem", glob = "*secret*" }"#),
    ("search shell", r#""/**" = { shell_any = ["rm -r"] }"#),
    ("search sql", r#""/**" = { sql_any = ["drop"] }"#),
    ("search host", r#""/**" = { host = "x.example" }"#),
];

/// Texts that are hard for something: what begins them, and what is repeated up to the length.
const TEXTS: &[(&str, &str, &str)] = &[
    ("one letter", "", "a"),
    ("steps up", "", "/../a"),
    ("folders", "", "/a"),
    ("commas", "", ",a"),
    ("quotes", "", "\\\""),
    ("apostrophes", "", "'"),
    ("backslashes", "", "\\\\"),
    ("brackets", "", "["),
    ("objects", "", "{\\\"a\\\":"),
    ("accents", "", "e\u{301}\u{323}"),
    ("marks", "e", "\u{301}\u{323}"),
    ("digits", "", "9"),
    ("ones", "", "1 "),
    ("percent codes", "", "%2e%2f"),
    ("newlines", "", "a\\n"),
    ("words", "", "a b=c --d "),
    ("flags", "rm ", "-f "),
    ("stars", "rm ", "a*a*"),
    ("stars and words", "rm ", "*a* /a/../b "),
    ("classes", "x ", "[a"),
    ("gaps", "rm ", "$a "),
    ("shell", "", "$(`a;"),
    ("substitutions", "", "$(a "),
    ("backticks", "", "`"),
    ("escaped backticks", "", "\\\\`a"),
    ("expansions", "", "${a:-"),
    ("double quotes in substitutions", "", "\\\"$("),
    ("arithmetic", "", "$(( "),
    ("parentheses", "", "("),
    ("cases", "", "case a in a) "),
    ("arrays", "", "a=("),
    ("find", "", "find . -exec "),
    ("find over and over", "find . ", "-exec find . "),
    ("find with ends", "find . ", "-exec a {} ; "),
    ("find holding find", "", "find {} -exec find -exec "),
    ("xargs", "", "xargs -I a "),
    ("xargs in place", "xargs -Ia ", "aaaa "),
    ("env", "", "env a=b "),
    ("env scripts", "", "env -S a "),
    ("sudo", "", "sudo -u a "),
    ("timeout", "", "timeout 1 "),
    ("docker", "", "docker run x "),
    ("docker options", "docker ", "-a run "),
    ("bash", "", "bash -c "),
    ("bash options", "bash ", "-oO "),
    ("ssh", "", "ssh a "),
    ("watch", "", "watch "),
    ("parallel", "", "parallel a ::: "),
    ("trap", "", "trap "),
    ("alias", "", "alias a=b "),
    ("alias of alias", "", "alias a=alias "),
    ("cmd", "", "cmd /c "),
    ("here-documents", "", "a <<a "),
    ("here-documents with ends", "", "a <<a\\na\\n"),
    ("here-documents for shells", "", "sh <<a\\nsh <<b\\n"),
    ("continued lines", "a <<a\\n", "\\\\\\n"),
    ("here-strings", "sh ", "<<<a "),
    ("redirections", "a ", ">a "),
    ("assignments", "", "a=b "),
    ("braces", "", "{a,"),
    ("comments", "", "/*--"),
    ("open comments", "", "/*"),
    ("executable comments", "", "/*!1 "),
    ("closed comments", "", "/**/"),
    ("dollar quotes", "", "$a$"),
    ("dollar tags", "", "$a"),
    ("q quotes", "", "q'"),
    ("statements", "", "create x "),
    ("selects", "", "select 1;"),
    ("stacked", "", "select 1 delete a "),
    ("common tables", "with a as (select 1)", ", a as (select 1)"),
    ("parentheses with selects", "", "(select "),
    ("separators", "", "GO\\n"),
    ("slashes", "", "/\\n"),
    ("blank lines", "", "/ "),
    ("hashes", "", "a#"),
    ("hosts", "", "a.a@a:"),
    ("users", "http://", "a@"),
    ("labels", "http://", "a."),
    ("foreign labels", "http://", "\u{e9}."),
    ("long label", "http://", "\u{e9}\u{4e00}"),
    ("colons", "", "::"),
    ("schemes", "", "http://"),
    ("leading slashes", "", "/"),
    ("tabs", "", "\\t"),
];

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |predicate: &str| only.is_empty() || only.iter().any(|word| predicate.contains(word));
    for (predicate, condition) in CONDITIONS.iter().filter(|(predicate, _)| wanted(predicate)) {
        let mut report = String::new();
        match policy(condition) {
            Some(policy) => measure(predicate, &policy, &mut report),
            None => _ = writeln!(report, "{predicate}: the rule cannot be read"),
        }
        let _ = std::io::stdout().write_all(report.as_bytes());
    }
}

fn measure(predicate: &str, policy: &Policy, report: &mut String) {
    let stance = policy.stance(None, "files");
    for (name, start, piece) in TEXTS {
        let _ = write!(report, "{predicate:14} {name:26}");
        let mut mark = "";
        for length in LENGTHS {
            let [one, two] = [length, 2 * length].map(|length| cost(policy, &stance, start, piece, length));
            let ratio = two.as_secs_f64() / one.as_secs_f64();
            if ratio > SUSPICIOUS {
                mark = "  <--";
            }
            let _ = write!(report, "{one:>10.1?} {two:>10.1?} x{ratio:<5.1}");
        }
        let longest = cost(policy, &stance, start, piece, LONGEST);
        if longest > LONG {
            mark = "  <-- long";
        }
        let _ = writeln!(report, "{longest:>10.1?}{mark}");
    }
}

fn policy(condition: &str) -> Option<Policy> {
    let source =
        format!("version = 1\nmode = \"enforce\"\n[[rule]]\naction = \"deny\"\nwhen = {{ {condition} }}\n");
    let read = settings::read(&source, &Environment::default()).ok()?;
    Some(std::sync::Arc::unwrap_or_clone(read.config.policy))
}

/// The least that one judgement took. What takes long is not asked often.
fn cost(policy: &Policy, stance: &Stance, start: &str, piece: &str, length: usize) -> Duration {
    // An escaped character is shorter than it looks.
    let decoded = piece.replace("\\\\", "b").replace('\\', "");
    let times = length.saturating_sub(start.len()) / decoded.len();
    let arguments = format!("{{\"text\":\"{start}{}\"}}", piece.repeat(times));
    let facts = Facts { root: Some("/home/me/app".to_owned()), ..Facts::default() };
    let call = Call::new("tools/call", "tool", Json::from_text(&arguments));
    let one = || {
        let start = Instant::now();
        black_box(policy.evaluate(stance, black_box(&call), World::of(&facts)));
        start.elapsed()
    };
    let first = one();
    let times = if first > Duration::from_millis(5) { 2 } else { 10 };
    (0..times).map(|_| one()).min().unwrap_or(first)
}
