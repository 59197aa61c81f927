//! No secret that was planted comes out, and what comes out is JSON.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::policy::{Included, join, parts};

const PLANTED: &[&str] = &[
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "cg_4gq8z1c0vn7m2k5x9r3t6w8y0b1d2f3g4h5j6k7m8n9p0q1r2s3t",
    "glpat-abcdefghij0123456789",
    "xoxb-123456789012-abcdefghijkl",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\n-----END RSA PRIVATE KEY-----",
];

fn redactor() -> &'static Redactor {
    static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new([7; 32]));
    &REDACTOR
}

fn redact(text: &str) -> Redacted {
    redactor().arguments(text, Keep::Redacted)
}

fn text(text: &str) -> String {
    redact(text).text.unwrap()
}

#[test]
fn harmless_arguments_keep_every_byte() {
    for harmless in
        [r#"{"path": "/home/me/app/x", "n" : 1.50}"#, "{}", "[1, 2]", "5", r#"{"max_tokens" : "\n"}"#]
    {
        assert_eq!(
            redact(harmless),
            Redacted { text: Some(harmless.into()), lost: vec![], hash: redactor().hash(harmless) }
        );
    }
}

#[test]
fn each_known_shape_is_replaced_and_its_pointer_listed() {
    for secret in PLANTED {
        let arguments = serde_json::json!({"a": {"b/c": format!("say {secret} twice")}, "n": 1}).to_string();
        let redacted = redact(&arguments);
        let out = redacted.text.unwrap();
        assert!(!out.contains(&secret[10..20]), "{out}");
        assert!(out.contains("say ‹redacted:") && out.contains("› twice"), "{out}");
        assert_eq!(redacted.lost, ["/a/b~1c"], "{out}");
    }
}

#[test]
fn values_in_context_are_replaced_and_what_is_around_them_stays() {
    for (line, secret) in [
        ("curl -H 'Authorization: Bearer abcdef123456' x", "abcdef123456"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("git clone https://me:hunter2@example.com/x", "hunter2"),
        ("postgres://app:p?ss#word@db/x", "p?ss#word"),
        ("https://sometoken@example.com/x", "sometoken"),
        ("mysql --password hunter2 -h db", "hunter2"),
        ("login --password='hunter 2' now", "hunter 2"),
        ("PGPASSWORD=hunter2 psql", "hunter2"),
        ("curl -u me:hunter2 x", "hunter2"),
        ("Cookie: session=abc; id=hunter2", "hunter2"),
        ("https://x.example/?sig=hunter2&a=b", "hunter2"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
        (r#"{"password": "hunter2" broken"#, "hunter2"),
        (r#"{\"password\":\"hunter2\"}"#, "hunter2"),
    ] {
        let clean = redactor().prose(line);
        assert!(!clean.contains(secret), "{clean}");
        assert!(clean.contains("‹redacted:"), "{clean}");
    }
    assert!(redactor().prose("mysql --password hunter2 -h db").ends_with(" -h db"));
    assert!(redactor().prose("git clone https://me:hunter2@example.com/x").contains("//me:‹redacted:"));
}

#[test]
fn ordinary_text_is_left_alone() {
    for line in [
        "the risk-management-system-of-the-company",
        "max_tokens=500",
        "git@github.com:me/x.git",
        "ssh://git@github.com/me/x",
        "https://example.com/a?page=2",
        "a basic functionality",
        "http://localhost:8080/x",
    ] {
        assert_eq!(redactor().prose(line), line);
    }
}

#[test]
fn a_telling_name_takes_its_whole_value_away() {
    let out = text(
        r#"{"Password":"hunter2","pin":1,"api_key":12345,"credentials":{"user":"me","n":[77]},"token":null}"#,
    );
    for secret in ["hunter2", "12345", "\"me\"", "77"] {
        assert!(!out.contains(secret), "{out}");
    }
    assert!(out.contains(r#""pin":1"#) && out.contains(r#""token":null"#), "{out}");
}

#[test]
fn flags_in_lists_and_named_pairs_take_their_value_away() {
    let redacted =
        redact(r#"{"args":["--token","hunter2","x"],"env":[{"name":"API_KEY","value":"hunter3"}]}"#);
    let out = redacted.text.unwrap();
    assert!(!out.contains("hunter") && out.contains(r#""x"]"#), "{out}");
    assert_eq!(redacted.lost, ["/args/1", "/env/0/value"]);
}

#[test]
fn equal_secrets_look_equal_and_others_do_not() {
    let out: Value =
        serde_json::from_str(&text(r#"{"x":[{"secret":"a"},{"secret":"a"},{"secret":"b"}]}"#)).unwrap();
    assert_eq!(out["x"][0], out["x"][1]);
    assert_ne!(out["x"][0], out["x"][2]);
    assert_ne!(Redactor::new([8; 32]).prose("password=a"), redactor().prose("password=a"));
}

#[test]
fn escapes_and_strings_in_strings_hide_nothing() {
    assert!(!text(r#"{"x":"\u0041KIAIOSFODNN7EXAMPLE"}"#).contains("KIAIOSFODNN7"));
    assert!(!text(r#"{"p\u0061ssword":"hunter2"}"#).contains("hunter2"));
    assert!(!text(r#"{"x":"{\"api_key\":\"hunter 2\"}"}"#).contains("hunter"));
    assert_eq!(redact(r#"{"x":"{\"api_key\":\"hunter 2\"}"}"#).lost, ["/x/api_key"]);
    assert!(!text(r#"{"x":"\u0041KIAIOSFODNN7EXAMPLE","x":1}"#).contains("KIAIOSFODNN7"));
}

#[test]
fn a_secret_in_a_name_is_replaced_there_and_in_the_pointers() {
    let redacted = redact(r#"{"ghp_16C7e42F292c6912E7710c838347Ae178B4a":{"password":"x"}}"#);
    assert!(!redacted.text.unwrap().contains("ghp_"));
    assert_eq!(redacted.lost.len(), 2);
    assert!(redacted.lost.iter().all(|pointer| !pointer.contains("ghp_")));
}

#[test]
fn long_strings_are_cut_and_say_how_long_they_were() {
    let long = "é".repeat(1000);
    let redacted = redact(&format!(r#"{{"content":"{long}"}}"#));
    let out = redacted.text.unwrap();
    assert!(out.contains("‹cut:2000 bytes:") && out.len() < 400, "{out}");
    assert_eq!(redacted.lost, ["/content"]);
    let straddling =
        format!("{}ghp_16C7e42F292c6912E7710c838347Ae178B4a{}", "x ".repeat(123), " y".repeat(600));
    assert!(!text(&format!(r#"{{"content":"{straddling}"}}"#)).contains("ghp_"));
}

#[test]
fn the_whole_is_bounded() {
    let many = (0..100_000).map(|n| format!("{{\"k{n}\":{n}}}")).collect::<Vec<_>>().join(",");
    let redacted = redact(&format!("[{many}]"));
    let out = redacted.text.unwrap();
    assert!(out.len() < 20_000, "{}", out.len());
    assert!(Json::from_text(&out).is_some());
    assert_eq!(redacted.lost, [""]);
    let names = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(",");
    assert!(text(&format!("{{{names}}}")).len() < 20_000);
}

#[test]
fn text_that_is_no_json_is_kept_as_one_string() {
    let redacted = redact("{\"password\": \"hunter2\"");
    let out = redacted.text.unwrap();
    assert!(!out.contains("hunter2") && out.starts_with('"'), "{out}");
    assert_eq!(redacted.lost, [""]);
}

#[test]
fn keys_keep_members_only_and_none_nothing() {
    let arguments = r#"{"path":"/x","list":[{"a":1}],"password":"hunter2"}"#;
    let keys = redactor().arguments(arguments, Keep::Keys);
    assert_eq!(keys.text.as_deref(), Some(r#"{"path":null,"list":[{"a":null}],"password":null}"#));
    let none = redactor().arguments(arguments, Keep::None);
    assert_eq!((none.text, none.lost), (None, vec![String::new()]));
    assert_eq!(redactor().arguments(arguments, Keep::Full).text.as_deref(), Some(arguments));
    assert_eq!(none.hash, keys.hash);
}

#[test]
fn a_policy_is_stored_without_what_its_servers_are_given() {
    let source = r#"
mode = "shadow"  # a comment
[servers.a]
command = "x"
args = ["--token", "hunter1", "/home/me"]
env = { LEVEL = "hunter2", "B" = 'hunter3' }
[servers.b]
url = "https://x.example/hook?id=hunter4"
headers_env = { Authorization = "TICKETS_AUTH" }
[servers.b.headers]
X-Thing = "hunter5"
[[rule]]
id = "no-shell"
reason = "key AKIAIOSFODNN7EXAMPLE leaked"
"#;
    let stored = redactor().policy_source(source);
    assert!(!stored.contains("hunter") && !stored.contains("AKIA"), "{stored}");
    assert!(
        stored.contains("TICKETS_AUTH") && stored.contains("# a comment") && stored.contains("/home/me"),
        "{stored}"
    );
    assert_eq!(stored.lines().count(), source.lines().count());
    assert!(stored.parse::<toml::Table>().is_ok(), "{stored}");
}

#[test]
fn a_policy_with_conditions_on_secrets_is_stored_as_a_policy() {
    let source = r#"
[[rule]]
when = { "/token" = { glob = "ghp_*" }, "/api_key" = { exists = true } } # not like token=hunter2hunter2
any = [{ "/password" = { bytes_gt = 8 } }]
reason = "key AKIAIOSFODNN7EXAMPLE leaked, token=hunter3hunter3"
[servers.a]
env = { A = "hunter4" }
"#;
    let stored = redactor().policy_source(source);
    assert!(!stored.contains("hunter") && !stored.contains("AKIA"), "{stored}");
    let (before, after) = (source.parse::<toml::Table>().unwrap(), stored.parse::<toml::Table>().unwrap());
    for key in ["when", "any"] {
        assert_eq!(after["rule"][0][key], before["rule"][0][key], "{stored}");
    }
}

#[test]
fn files_that_are_no_toml_together_lose_their_secrets_one_by_one() {
    let main = "[lists]\na = [1]\n[servers.x.env]\nLEVEL = \"hunter2\"\n";
    let file = |path: &str| Included { path: path.to_owned(), leads_to: None };
    let included = [
        (file("/rules/a.toml"), "[lists]\nb = [2]\n".to_owned()),
        (file("/rules/b.toml"), "[lists]\n[servers.y]\nenv = { B = 'hunter3' }".to_owned()),
    ];
    let joined = join(main, &included);
    let stored = redactor().policy_source(&joined);
    assert!(!stored.contains("hunter"), "{stored}");
    assert_eq!((parts(&stored).len(), stored.lines().count()), (3, joined.lines().count()), "{stored}");
}

fn any_value(secret: &'static str) -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z {}\\[\\]\"\\\\:,=‹›é-]{0,20}".prop_map(String::from),
        ("[ -~]{0,300}", "[ -~]{0,900}")
            .prop_map(move |(before, after)| format!("{before} {secret} {after}")),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z ~/\"]{0,8}", inner.clone(), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

proptest! {
    #[test]
    fn no_planted_secret_survives_and_the_rest_is_json(
        (secret, value) in (0..PLANTED.len()).prop_flat_map(|at| (Just(PLANTED[at]), any_value(PLANTED[at]))),
    ) {
        let redacted = redact(&value.to_string());
        let out = redacted.text.unwrap();
        prop_assert!(Json::from_text(&out).is_some(), "{}", out);
        prop_assert!(!out.contains(&secret[12..20]), "{}", out);
        if value.to_string().contains(&secret[12..20]) {
            prop_assert!(!redacted.lost.is_empty());
        }
    }

    #[test]
    fn arguments_that_were_read_before_come_out_the_same(
        value in prop_oneof![any_value(PLANTED[1]), any_value("plain")],
    ) {
        let text = value.to_string();
        for keep in [Keep::Full, Keep::Redacted, Keep::Keys, Keep::None] {
            prop_assert_eq!(redactor().read_arguments(text.as_str().into(), keep), redactor().arguments(&text, keep));
        }
    }

    #[test]
    fn arbitrary_text_never_breaks_it(text in ".{0,200}") {
        for keep in [Keep::Full, Keep::Redacted, Keep::Keys, Keep::None] {
            let redacted = redactor().arguments(&text, keep);
            if keep != Keep::Full {
                prop_assert!(redacted.text.is_none_or(|out| Json::from_text(&out).is_some()));
            }
        }
        redactor().prose(&text);
        redactor().policy_source(&text);
    }
}
