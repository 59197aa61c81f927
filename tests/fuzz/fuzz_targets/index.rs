//! Policies and calls of a small grammar: the index and the evaluator that asks every rule agree.
//!
//! Each byte chooses a piece, so that rules and calls meet often.
#![no_main]

use std::fmt::Write as _;

use callgate::call::Call;
use callgate::policy::{Facts, ResolvePath, World};
use callgate::settings::{Environment, read};
use callgate::wire::Json;
use libfuzzer_sys::fuzz_target;

const TOOLS: &[&str] = &[
    "",
    "'a'",
    "'a'",
    "['a', 'b']",
    "'a*'",
    "['*b', 'x']",
    "'!a'",
    "['*', '!b']",
    "'?'",
    "'{a,b}'",
    "'\u{e9}'",
];
const POINTERS: &[&str] =
    &["/x", "/x", "/x", "/X", "/x/y", "/y", "/x | /y", "/**", "/**/y", "/*", "/x/0", "", "/x/**", "/\u{e9}"];
const TESTS: &[&str] = &[
    "'hit'",
    "'e\u{301}'",
    "''",
    "7",
    "7.5",
    "true",
    "['hit', 7, true]",
    "['hit', '/etc']",
    "{ glob = 'h*' }",
    "{ glob = ['*t', '\u{e9}*'] }",
    "{ glob = '*' }",
    "{ matches = 'i' }",
    "{ matches = '(?i)^HIT' }",
    "{ matches = ['x|y', '7+'] }",
    "{ gt = 3 }",
    "{ ge = 7, le = 7.5 }",
    "{ lt = 0 }",
    "{ bytes_gt = 3 }",
    "{ exists = true }",
    "{ exists = false }",
    "{ path_under = '/etc' }",
    "{ path_under = ['/', '~'] }",
    "{ path_under = '{root}/y' }",
    "{ path_under = '/link' }",
    "{ path_outside = '{root}' }",
    "{ path_glob = '*.pem' }",
    "{ path_glob = '**/y/**' }",
    "{ path_glob = '{root}/*' }",
    "{ eq = 'hit', bytes_gt = 3 }",
    "{ host = 'a.example' }",
    "{ host = ['*.example', '10.1.2.3'] }",
    "{ scheme = 'http' }",
    "{ ip_in = '10.0.0.0/8' }",
    "{ ip_in = ['127.0.0.0/8', '::1/128'] }",
    "{ shell_any = 'git push hit' }",
    "{ shell_any = ['rm -r', 'y'] }",
    "{ shell_any = 'h* x' }",
    "{ shell_any = '> y' }",
    "{ shell_only = 'hit' }",
    "{ shell_only = ['git push', 'rm *'] }",
    "{ sql_any = 'drop' }",
    "{ sql_any = 'create', dialect = 'mysql' }",
    "{ sql_only = 'select' }",
    "{ sql_only = 'read', dialect = 'postgres' }",
];
const NAMES: &[&str] = &["x", "y", "X", "0", "hit", "\u{e9}", "e\u{301}", "/etc"];
const LEAVES: &[&str] = &[
    "\"hit\"",
    "\"HIT\"",
    "\"\u{e9}\"",
    "\"e\\u0301\"",
    "\"\"",
    "\"7\"",
    "7",
    "7.0",
    "75e-1",
    "-0",
    "1e999",
    "true",
    "null",
    "\"true\"",
    "\"/etc/y\"",
    "\"/etc/../etc\"",
    "\"/link/y\"",
    "\"/real/y\"",
    "\"/home/me/app/y\"",
    "\"y\"",
    "\"~/y\"",
    "\"file:///etc\"",
    "\"/e\u{301}/k.pem\"",
    "\"{\\\"y\\\":\\\"hit\\\"}\"",
    "\"[\\\"hit\\\"]\"",
    "\"http://a.example\"",
    "\"b.a.EXAMPLE:80\"",
    "\"10.1.2.3\"",
    "\"http://x@localhost\"",
    "\"git push hit\"",
    "\"git push $x\"",
    "\"rm -fr x\"",
    "\"rm '\"",
    "\"sudo hit > y\"",
    "\"< y\"",
    "[\"git\",\"push\",\"hit\"]",
    "[\"rm -r\",\"y\"]",
    "\"drop table x\"",
    "\"select 1;drop x\"",
    "\"create x '\"",
    "\"a text that is longer than what is judged\"",
    "\"{\\\"y\\\":1,\\\"y\\\":2}\"",
];

/// Where links lead.
struct Links;

impl ResolvePath for Links {
    fn resolve(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix("/link").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(format!("/real{rest}"))
    }
}

/// Choices, one byte each; zero once they are used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn of(&mut self, all: &'static [&'static str]) -> &'static str {
        all[usize::from(self.next()) % all.len()]
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices(bytes);
    let source = policy(&mut choices);
    let environment = Environment { home: Some("/home/me".to_owned()), ..Environment::default() };
    let Ok(read) = read(&source, &environment) else { return };
    let policy = read.config.policy;
    let root = (choices.next() % 2 == 0).then(|| "/home/me/app".to_owned());
    let facts =
        Facts { agent: Some("hit".to_owned()), home: Some("/home/me".to_owned()), root, ..Facts::default() };
    let stance = policy.stance(None, "files");
    for _ in 0..4 {
        let (name, arguments) = (choices.of(&["a", "b", "ab", "e\u{301}", ""]), value(&mut choices, 0));
        let call = Call::new("tools/call", name, Json::from_text(&arguments));
        for world in [World::of(&facts), World::of(&facts).with_links(&Links)] {
            let found = policy.evaluate(&stance, &call, world);
            assert_eq!(found, policy.evaluate_linearly(&stance, &call, world), "{call:?}\n{source}");
        }
    }
});

/// A file with more rules than are asked one by one.
fn policy(choices: &mut Choices<'_>) -> String {
    let mut text = String::from("version = 1\nmax_judged = 30\n");
    for _ in 0..30 + choices.next() % 40 {
        let effect = choices.of(&["allow", "warn", "require_approval", "deny"]);
        let tools = choices.of(TOOLS);
        let _ = writeln!(text, "[[rule]]\naction = '{effect}'");
        if !tools.is_empty() {
            let _ = writeln!(text, "tools = {tools}");
        }
        let shape = choices.next();
        if shape % 8 != 0 {
            let _ = writeln!(text, "when = {}", table(choices));
        }
        if shape % 5 == 0 {
            let _ = writeln!(text, "any = [{}, {}]", table(choices), table(choices));
        }
        if shape % 7 == 0 {
            let _ = writeln!(text, "unless = {}", table(choices));
        }
    }
    text
}

fn table(choices: &mut Choices<'_>) -> String {
    match choices.next() % 8 {
        0 => "{ agent = 'hit' }".to_owned(),
        1 => format!("{{ agent = {{ glob = 'h*' }}, '{}' = {} }}", choices.of(POINTERS), choices.of(TESTS)),
        _ => format!("{{ '{}' = {} }}", choices.of(POINTERS), choices.of(TESTS)),
    }
}

fn value(choices: &mut Choices<'_>, depth: u8) -> String {
    let kind = choices.next() % 8;
    if depth > 0 && kind < 4 || depth > 3 {
        return choices.of(LEAVES).to_owned();
    }
    let count = choices.next() % 4;
    if kind == 4 {
        let elements: Vec<String> = (0..count).map(|_| value(choices, depth + 1)).collect();
        return format!("[{}]", elements.join(","));
    }
    let members: Vec<String> =
        (0..count).map(|_| format!("\"{}\":{}", choices.of(NAMES), value(choices, depth + 1))).collect();
    format!("{{{}}}", members.join(","))
}
