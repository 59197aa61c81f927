//! The index against the evaluator that asks every rule: whatever the policy and the call, they agree.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use super::sample::at_home;
use crate::call::Call;
use crate::policy::{Budget, Facts, Label, Marked, Past, Policy, ResolvePath, World, compile, schema};
use crate::wire::Json;

pub(in crate::policy) const TOOLS: &[&str] = &[
    "",
    "tools = \"write\"",
    "tools = \"write\"",
    "tools = [\"read\", \"write\"]",
    "tools = \"wr*\"",
    "tools = [\"*e\", \"x\"]",
    "tools = \"*i*\"",
    "tools = [\"!wr*\"]",
    "tools = [\"*\", \"!read\"]",
    "tools = \"{read,write}\"",
    "tools = \"?rite\"",
    "tools = \"caf\u{e9}\"",
    "tools = \"cafe\u{301}*\"",
    "methods = [\"tools/call\", \"resources/read\"]",
    "methods = \"resources/*\"\ntools = \"write\"",
    "servers = [\"files\", \"x\"]\ntools = \"write\"",
    "servers = \"!files\"",
];

const POINTERS: &[&str] = &[
    "/a",
    "/a",
    "/a",
    "/A",
    "/a/b",
    "/b",
    "/a | /b",
    "/a | ",
    "/**",
    "/**/b",
    "/*",
    "/*/b",
    "/a/0",
    "/a/*",
    "",
    "/a/**",
    "/caf\u{e9}",
];

const TESTS: &[&str] = &[
    "'hit'",
    "'Hit'",
    "'cafe\u{301}'",
    "'caf\u{e9}'",
    "''",
    "7",
    "7.0",
    "0",
    "9007199254740993",
    "9007199254740992.0",
    "true",
    "['hit', 'a', '/etc/x']",
    "['hit', 7]",
    "[true, 1, 'x']",
    "{ eq = 'hit', bytes_gt = 3 }",
    "{ glob = 'h*' }",
    "{ glob = ['*t', 'c?f*'] }",
    "{ glob = '*caf\u{e9}*' }",
    "{ glob = '*cafe\u{301}' }",
    "{ glob = '*' }",
    "{ glob = '{hit,7}' }",
    "{ glob = ['hit', '*'] }",
    "{ matches = 'i' }",
    "{ matches = '(?i)^HIT$' }",
    "{ matches = ['^a', 'true|null'] }",
    "{ matches = ['x', '.'] }",
    "{ matches = '(?i)k' }",
    "{ matches = '7+', glob = '?' }",
    "{ gt = 3 }",
    "{ ge = 7, lt = 8 }",
    "{ le = 0 }",
    "{ lt = 7.5 }",
    "{ bytes_gt = 3 }",
    "{ exists = true }",
    "{ exists = false }",
    "{ path_under = '/etc' }",
    "{ path_under = ['/etc/x', '/'] }",
    "{ path_under = ['{root}', '/tmp'] }",
    "{ path_under = '{root}/src' }",
    "{ path_under = '~' }",
    "{ path_under = '/link' }",
    "{ path_under = '/caf\u{e9}' }",
    "{ path_outside = ['{root}'] }",
    "{ path_glob = '*.pem' }",
    "{ path_glob = ['**/.ssh/**', '/etc/*'] }",
    "{ path_glob = '{root}/**/x' }",
    "{ path_glob = '~/*' }",
    "{ path_glob = '*' }",
    "{ host = ['hit.example', '*.corp.example'] }",
    "{ host = 'hit.example', scheme = 'https' }",
    "{ ip_in = ['10.0.0.0/8', '::1'] }",
    "{ shell_any = ['rm -r', 'hit'] }",
    "{ shell_any = 'rm', glob = '*hit*' }",
    "{ shell_only = ['ls', 'hit'] }",
    "{ sql_any = 'write' }",
    "{ sql_only = 'select', dialect = 'postgres' }",
    "{ host = 'api.example.com' }",
    "{ host = ['*.example.com', 'x.example:8443'] }",
    "{ host = '127.0.0.1:*' }",
    "{ host = ['0.0.0.7', '*.com'], scheme = 'https' }",
    "{ scheme = ['http', 'data'] }",
    "{ ip_in = '127.0.0.0/8' }",
    "{ ip_in = ['10.1.0.0/16', '::1/128', '0.0.0.0/29'] }",
    "{ shell_any = 'rm -r' }",
    "{ shell_any = 'git push !x' }",
    "{ shell_any = ['git push hit', 'HIT'] }",
    "{ shell_any = ['git push --force*', 'cat *'] }",
    "{ shell_any = 'g* push' }",
    "{ shell_any = '> /etc/x' }",
    "{ shell_any = '/bin/hit' }",
    "{ shell_any = 'caf\u{e9}' }",
    "{ shell_any = '7' }",
    "{ shell_only = 'hit' }",
    "{ shell_only = ['git push', 'rm'] }",
    "{ shell_only = ['git * hit', 'cat'] }",
    "{ sql_any = 'drop' }",
    "{ sql_any = ['delete', 'create'], dialect = 'mysql' }",
    "{ sql_only = 'select' }",
    "{ sql_only = ['read', 'drop'], dialect = 'postgres' }",
];

pub(in crate::policy) const FACTS: &[&str] = &[
    "agent = 'ci'",
    "agent = { glob = 'c*' }",
    "group = ['one', 'two']",
    "group = { matches = 'o$' }",
    "risk = 'high'",
    "risk = ['low', 'high']",
    "user = { exists = true }",
    "root = { path_under = '/home' }",
    "server = 'files'",
    "time = 'mon-fri 09:00-18:00'",
    "claimed_destructive = true",
    "claimed_read_only = false",
    "tool_changed = true",
    "tool_changed = false",
];

/// What makes a rule look back, or at the rest of the arguments.
const MORE: &[&str] = &[
    "",
    "",
    "",
    "after = 'seen'\n",
    "after = ['one']\n",
    "after = ['two', 'three']\n",
    "unless_after = ['seen', 'hit']\n",
    "rate = { max = 1, per = '1m', by = ['tool', 'agent'] }\n",
    "closed = true\n",
];

const LABELS: &str = "[[label]]\nid = 'seen'\ntools = 'wr*'\nwhen = { '/a' = { glob = 'h*' } }\n\
    [[label]]\nid = 'hit'\non = 'result'\nany = [{ '/**' = 'hit' }]\n\
    [[label]]\nid = 'one'\ntools = 'read'\n[[label]]\nid = 'two'\ntools = 'read'\n\
    [[label]]\nid = 'three'\ntools = 'read'\n";

const LEAVES: &[&str] = &[
    "\"hit\"",
    "\"Hit\"",
    "\"HIT\"",
    "\"caf\u{e9}\"",
    "\"cafe\\u0301\"",
    "\"x cafe\u{301}\"",
    "\"\"",
    "\"7\"",
    "\" 7 \"",
    "\"true\"",
    "\"null\"",
    "\"\u{212a}\"",
    "7",
    "7.0",
    "70e-1",
    "-0",
    "9007199254740993",
    "1e999",
    "true",
    "false",
    "null",
    "\"/etc\"",
    "\"/etc/x/../x\"",
    "\"/etcx\"",
    "\"/link/x\"",
    "\"/real/y\"",
    "\"/home/me/app/src/x\"",
    "\"src/x\"",
    "\"~/.ssh/id\"",
    "\"file:///etc/x\"",
    "\"/cafe\u{301}/x\"",
    "\"/x/key.pem\"",
    "\"/proc/self/root\"",
    "\"C:\\\\etc\"",
    "\"{\\\"b\\\":\\\"hit\\\"}\"",
    "\"[\\\"hit\\\",7]\"",
    "\"\\\"hit\\\"\"",
    "\"{\\\"a\\\":1,\\\"a\\\":2}\"",
    "\"https://hit.example/\"",
    "\"http://HIT.example.:80\"",
    "\"http://10.1\"",
    "\"//[::1]\"",
    "\"ls; rm -r x\"",
    "\"hit $(x\"",
    "[\"ls\", \"rm -r hit\"]",
    "\"select 1\"",
    "\"drop hit\"",
    "\"select '\"",
    "\"https://api.example.com/x\"",
    "\"API.example.com\"",
    "\"http://u@a.example.com\"",
    "\"x.example:8443\"",
    "\"http://10.1.2.3/\"",
    "\"localhost\"",
    "\"[::ffff:127.0.0.1]\"",
    "\"data:x\"",
    "\"http:\\\\\\\\x\"",
    "\"rm -fr x\"",
    "\"rm $x\"",
    "\"git push hit\"",
    "\"/bin/git push x/../hit\"",
    "\"GIT.exe push\"",
    "\"git push *\"",
    "\"git log; hit\"",
    "\"sudo hit\"",
    "\"find -exec git {}\"",
    "\"bash -c 'hit'\"",
    "\"echo 'hit\"",
    "\"cat < x\"",
    "\"< x\"",
    "\"hit > /etc/x\"",
    "\"$x push\"",
    "\"./hit a\"",
    "\"caf\u{e9} e\u{301}\"",
    "[\"git\",\"push\",\"hit\"]",
    "[\"rm -r\",\"hit\"]",
    "[\"sh\",\"-c\"]",
    "[\"echo\",\"it's\"]",
    "\"select 1\"",
    "\"drop table x\"",
    "\"select 1;drop x\"",
    "\"/*!1 drop */ x\"",
    "\"delete from x\"",
    "\"select '\"",
    "\"\"",
    "\"a text that is longer than what is judged\"",
    "\"{\\\"b\\\":\\\"a text that is longer than what is judged\\\"}\"",
];

const NAMES: &[&str] = &["a", "b", "A", " a", "0", "hit", "caf\u{e9}", "cafe\u{301}", "7", "/etc/x"];

/// Where links lead.
struct Table;

impl ResolvePath for Table {
    fn resolve(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix("/link").filter(|rest| rest.is_empty() || rest.starts_with('/'));
        rest.map(|rest| format!("/real{rest}"))
            .or_else(|| (path == "/home/me/app").then(|| "/real/app".to_owned()))
    }
}

/// What was said of the labels before: the first, the second, the third.
pub(in crate::policy) struct Had(pub(in crate::policy) [Marked; 3]);

impl Past for Had {
    fn is_spent(&self, _budget: &Budget) -> bool {
        false
    }

    fn marked(&self, label: &Label) -> Marked {
        let [one, two, three] = self.0;
        match &*label.id {
            "one" => one,
            "two" => two,
            _ => three,
        }
    }
}

fn any_condition() -> impl Strategy<Value = String> {
    let argument =
        (select(POINTERS), select(TESTS)).prop_map(|(pointer, test)| format!("'{pointer}' = {test}"));
    prop_oneof![6 => argument, 1 => select(FACTS).prop_map(str::to_owned)]
}

fn any_table() -> impl Strategy<Value = String> {
    (any_condition(), proptest::option::weighted(0.3, any_condition())).prop_map(|(one, other)| match other {
        // A key stands once in a table.
        Some(other) if other.split(" = ").next() != one.split(" = ").next() => {
            format!("{{ {one}, {other} }}")
        }
        Some(_) | None => format!("{{ {one} }}"),
    })
}

fn any_rule() -> impl Strategy<Value = String> {
    let effect = select(&["allow", "warn", "require_approval", "deny"][..]);
    let any = proptest::option::weighted(0.2, proptest::collection::vec(any_table(), 1..3));
    let when = proptest::option::weighted(0.9, any_table());
    let unless = proptest::option::weighted(0.2, any_table());
    (effect, select(TOOLS), select(MORE), when, any, unless).prop_map(
        |(effect, tools, more, when, any, unless)| {
            let mut text = format!("[[rule]]\naction = '{effect}'\n{tools}\n{more}");
            when.map(|when| writeln!(text, "when = {when}"));
            any.map(|any| writeln!(text, "any = [{}]", any.join(", ")));
            unless.map(|unless| writeln!(text, "unless = {unless}"));
            text
        },
    )
}

pub(in crate::policy) fn any_policy() -> impl Strategy<Value = String> {
    let top = select(&["", "max_judged = 30\n", "default = 'deny'\n"][..]);
    (top, proptest::collection::vec(any_rule(), 2..40)).prop_map(|(top, rules)| {
        let tools = "[[tool]]\nmatch = 'wr*'\nrisk = 'high'\n[[tool]]\nmatch = '*e'\nrisk = 'low'\n";
        format!("version = 1\n{top}{tools}{LABELS}{}", rules.concat())
    })
}

/// What is at fault in it is left out: a generator may write what the compiler refuses.
pub(in crate::policy) fn compiled(source: &str) -> Policy {
    let (document, faults) = schema::parse(source);
    assert!(faults.is_empty(), "{faults:?}\n{source}");
    let mut reading = schema::Reading::default();
    let mut top = schema::Section::new("", 0..0, document.get_ref());
    let file = schema::file(&mut top, Vec::new(), &mut reading);
    compile::compile(file, source, compile::Surroundings::default(), &mut reading)
}

pub(in crate::policy) fn any_json() -> impl Strategy<Value = String> {
    let leaf = select(LEAVES).prop_map(str::to_owned);
    let inner = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|all| format!("[{}]", all.join(","))),
            any_object(inner),
        ]
    });
    prop_oneof![8 => any_object(inner.clone()), 1 => inner]
}

fn any_object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::collection::btree_map(select(NAMES), inner, 0..4).prop_map(|all| {
        let members: Vec<_> = all.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

pub(in crate::policy) fn facts(agent: Option<&str>, is_placed: bool) -> Facts {
    Facts {
        agent: agent.map(str::to_owned),
        groups: if is_placed { vec!["two".to_owned(), "x".to_owned()] } else { Vec::new() },
        server: Some("files".to_owned()),
        ..if is_placed { at_home() } else { Facts::default() }
    }
}

/// Every test at every kind of place against every kind of value, which chance would take long to bring together.
#[test]
fn every_test_meets_every_value() {
    let places = ["/a", "/a/b", "/b | /a", "/**", "/**/b"];
    let pairs = places.iter().flat_map(|place| TESTS.iter().map(move |test| (place, test)));
    let rules: Vec<String> = pairs
        .map(|(place, test)| format!("[[rule]]\naction = 'deny'\nwhen = {{ '{place}' = {test} }}\n"))
        .collect();
    let policy = compiled(&format!("version = 1\nmax_judged = 30\n{}", rules.concat()));
    let (at_work, lost) = (facts(None, true), facts(None, false));
    let stance = policy.stance(None, "files");
    for leaf in LEAVES {
        for arguments in
            [format!("{{\"a\":{leaf}}}"), format!("{{\"a\":{{\"b\":[{leaf}]}}}}"), (*leaf).to_owned()]
        {
            let arguments = Json::from_text(&arguments);
            let call = Call::new("tools/call", "write", arguments);
            let changed = World::of(&at_work).with_links(&Table).with_changed(Some(true));
            for world in [World::of(&at_work), changed, World::of(&lost)] {
                let found = policy.evaluate(&stance, &call, world);
                assert_eq!(found, policy.evaluate_linearly(&stance, &call, world), "{call:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn the_index_agrees_with_the_linear_evaluator(
        source in any_policy(),
        calls in proptest::collection::vec((select(NAMES_OF_TOOLS), proptest::option::weighted(0.95, any_json())), 8),
        agent in proptest::option::of(select(&["ci", "other"][..])),
        placed in any::<bool>(),
        method in select(&["tools/call", "tools/call", "tools/call", "resources/read", "x/y", "tasks/update"][..]),
        carries in any::<bool>(),
        linked in any::<bool>(),
        had in proptest::array::uniform3(select(MARKS)),
    ) {
        let (policy, facts) = (compiled(&source), facts(agent, placed));
        let stance = policy.stance(facts.agent.as_deref(), "files");
        let had = Had(had);
        let world = World::of(&facts).with_past(&had);
        let world = if linked { world.with_links(&Table) } else { world };
        for (name, arguments) in &calls {
            let arguments = arguments.as_deref().and_then(Json::from_text);
            let call = Call::new(method, *name, arguments);
            let call = if carries { Call { arguments: None, carried: [arguments, None], ..call } } else { call };
            let (found, expected) =
                (policy.evaluate(&stance, &call, world), policy.evaluate_linearly(&stance, &call, world));
            prop_assert_eq!(found, expected, "{:?}", call);
        }
    }
}

pub(in crate::policy) const MARKS: &[Marked] =
    &[Marked::No, Marked::Possibly, Marked::Surely, Marked::Unknown];

pub(in crate::policy) const NAMES_OF_TOOLS: &[&str] =
    &["write", "write", "read", "WRITE", "caf\u{e9}", "cafe\u{301}", "cafe\u{301}x", "", "xie"];
