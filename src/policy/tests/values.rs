//! What a rule sees in arguments and facts, and which way doubt goes.

use Effect::{Allow, Deny};

use super::sample::{
    argument, eq, fact, globs, judge, judge_with, matches, names, policy, regexes, rule, when,
};
use crate::policy::{
    Effect, Fact, Facts, HostItem, HostName, HostPort, Number, Policy, Predicate, Rule, Scalar, ToolMetadata,
};

#[test]
fn each_predicate_tells_satisfied_from_not_from_opaque() {
    let number = |value| Scalar::Number(Number::Integer(value));
    let float = |value| Scalar::Number(Number::Float(value));
    let (yes, no, opaque) = ((true, true), (false, false), (true, false));
    let cases: Vec<(Predicate, &str, (bool, bool))> = vec![
        (eq("a"), r#""a""#, yes),
        (eq("a"), r#""\u0061""#, yes),
        (eq("caf\u{e9}"), "\"cafe\u{301}\"", yes),
        (eq("a"), r#""A""#, no),
        (eq("1"), "1", opaque),
        (eq("null"), "null", opaque),
        (Predicate::Eq(number(9_007_199_254_740_993)), "9007199254740993", yes),
        (Predicate::Eq(number(9_007_199_254_740_993)), "9007199254740992", no),
        (Predicate::Eq(number(1)), "1.0", yes),
        (Predicate::Eq(number(1)), r#""1""#, opaque),
        (Predicate::Eq(float(0.5)), "5e-1", yes),
        (Predicate::Eq(Scalar::Bool(true)), "true", yes),
        (Predicate::Eq(Scalar::Bool(true)), "false", no),
        (Predicate::Eq(Scalar::Bool(true)), "1", opaque),
        (Predicate::In(vec![Scalar::String("a".into()), number(2)]), "2", yes),
        (Predicate::In(vec![Scalar::String("a".into()), number(2)]), "3", no),
        (Predicate::In(vec![Scalar::String("a".into())]), "[]", opaque),
        (Predicate::Glob(globs(["*.env"])), r#""a/b.env""#, yes),
        (Predicate::Glob(globs(["*.env"])), r#""a""#, no),
        (Predicate::Glob(globs(["*"])), "{}", opaque),
        (Predicate::Matches(regexes(&["rm", "dd"])), r#""sudo dd""#, yes),
        (Predicate::Matches(regexes(&["rm"])), r#""ls""#, no),
        (Predicate::Matches(regexes(&["1"])), "1", opaque),
        (Predicate::Gt(Number::Integer(10)), "11", yes),
        (Predicate::Gt(Number::Integer(10)), "10", no),
        (Predicate::Gt(Number::Integer(10)), "10.5", yes),
        (Predicate::Gt(Number::Integer(10)), "170141183460469231731687303715884105728", yes),
        (Predicate::Gt(Number::Integer(10)), r#""11""#, opaque),
        (Predicate::Ge(Number::Float(10.5)), "10.5", yes),
        (Predicate::Ge(Number::Integer(10)), "9", no),
        (Predicate::Lt(Number::Integer(0)), "-1", yes),
        (Predicate::Lt(Number::Integer(0)), "-0", no),
        (Predicate::Le(Number::Integer(0)), "0", yes),
        (Predicate::Le(Number::Integer(0)), "1e400", no),
        (Predicate::BytesGt(2), r#""\u00e9\u00e9""#, yes),
        (Predicate::BytesGt(4), r#""\u00e9\u00e9""#, no),
        (Predicate::BytesGt(4), "[1,2]", yes),
    ];
    for (predicate, value, (restrictive, permissive)) in cases {
        let story = format!("{predicate:?} on {value}");
        let arguments = format!(r#"{{"x":{value}}}"#);
        assert_eq!(matches(when(Deny, "/x", vec![predicate.clone()]), &arguments), restrictive, "{story}");
        assert_eq!(matches(when(Allow, "/x", vec![predicate]), &arguments), permissive, "{story}, allow");
    }
}

#[test]
fn a_decomposed_spelling_slips_past_no_pattern() {
    let tests = [Predicate::Glob(globs(["caf\u{e9}*"])), Predicate::Matches(regexes(&["^caf\u{e9}$"]))];
    for test in tests {
        let of = |effect, value: &str| matches(when(effect, "/x", vec![test.clone()]), value);
        let (composed, decomposed) = ("{\"x\":\"caf\u{e9}\"}", "{\"x\":\"cafe\u{301}\"}");
        assert!(of(Deny, composed) && of(Deny, decomposed), "{test:?}");
        assert!(of(Allow, composed) && !of(Allow, decomposed), "{test:?}");
    }
}

#[test]
fn an_absent_value_matches_nothing() {
    for arguments in ["", "{}", r#"{"y":"a"}"#] {
        assert!(!matches(when(Deny, "/x", vec![eq("a")]), arguments));
        assert!(!matches(when(Allow, "/x", vec![eq("a")]), arguments));
    }
}

#[test]
fn exists_sees_values_and_doubts_what_is_in_the_way() {
    let exists =
        |effect, wanted, arguments| matches(when(effect, "/x/y", vec![Predicate::Exists(wanted)]), arguments);
    for (arguments, there, deny, allow) in [
        (r#"{"x":{"y":null}}"#, true, true, true),
        (r#"{"x":{}}"#, false, true, true),
        (r#"{"x":"z"}"#, true, true, false),
        (r#"{"x":"z"}"#, false, true, false),
        (r#"{"x":null}"#, false, true, false),
        ("", false, true, true),
    ] {
        assert_eq!(exists(Deny, there, arguments), deny, "{arguments} {there}");
        assert_eq!(exists(Allow, there, arguments), allow, "{arguments} {there}, allow");
    }
}

#[test]
fn any_value_tightens_and_only_all_loosen() {
    let arguments = r#"{"x":["good","bad"]}"#;
    assert!(matches(when(Deny, "/x/*", vec![eq("bad")]), arguments));
    assert!(!matches(when(Allow, "/x/*", vec![eq("good")]), arguments));
    assert!(matches(when(Allow, "/x/*", vec![eq("good")]), r#"{"x":["good","good"]}"#));
    assert!(!matches(when(Allow, "/x/*", vec![eq("good")]), r#"{"x":[]}"#));
}

#[test]
fn unless_reverses_who_gets_the_doubt() {
    let unless = |effect| Rule { unless: Some(vec![argument("/x", vec![eq("ok")])]), ..rule(effect) };
    assert!(!matches(unless(Deny), r#"{"x":"ok"}"#));
    assert!(matches(unless(Deny), r#"{"x":5}"#));
    assert!(matches(unless(Deny), r#"{"x":"ok","X":"bad"}"#));
    assert!(!matches(unless(Allow), r#"{"x":5}"#));
    assert!(matches(unless(Allow), r#"{"x":"no"}"#));
}

#[test]
fn members_of_a_table_are_anded_and_tables_of_any_are_ored() {
    let both =
        Rule { when: Some(vec![argument("/x", vec![eq("a")]), argument("/y", vec![eq("b")])]), ..rule(Deny) };
    assert!(matches(both.clone(), r#"{"x":"a","y":"b"}"#));
    assert!(!matches(both, r#"{"x":"a"}"#));
    let any = vec![vec![argument("/x", vec![eq("a")])], vec![argument("/y", vec![eq("b")])]];
    let either = Rule { any, ..rule(Deny) };
    assert!(matches(either.clone(), r#"{"y":"b"}"#));
    assert!(!matches(either, r#"{"y":"c"}"#));
}

#[test]
fn a_claimed_fact_tightens_and_never_loosens() {
    let facts = Facts { client: Some("cursor".into()), user: Some("me".into()), ..Facts::default() };
    let speaks = |rule| !judge_with(&policy(vec![rule]), "tool", "{}", &facts).matched.is_empty();
    let by = |effect, subject, word| Rule { when: Some(vec![fact(subject, word)]), ..rule(effect) };
    let except = |effect, subject, word| Rule { unless: Some(vec![fact(subject, word)]), ..rule(effect) };
    assert!(speaks(by(Deny, Fact::Client, "cursor")));
    assert!(!speaks(by(Allow, Fact::Client, "cursor")));
    assert!(speaks(except(Deny, Fact::Client, "cursor")));
    assert!(!speaks(except(Allow, Fact::Client, "cursor")));
    assert!(speaks(by(Allow, Fact::User, "me")));
    assert!(!speaks(except(Deny, Fact::User, "me")));
    assert!(!speaks(by(Deny, Fact::Agent, "x")));
}

#[test]
fn a_person_is_in_each_of_their_groups_and_a_tool_has_its_worst_risk() {
    let facts = Facts { groups: vec!["staff".into(), "admins".into()], ..Facts::default() };
    let by = |effect, subject, word| Rule { when: Some(vec![fact(subject, word)]), ..rule(effect) };
    let tool = |risk: &str| ToolMetadata {
        tools: names(&["to*"]),
        action: None,
        resource: None,
        risk: Some(risk.into()),
    };
    let policy = |rule| Policy { tools: vec![tool("low"), tool("high")], ..policy(vec![rule]) };
    let speaks = |rule| !judge_with(&policy(rule), "tool", "{}", &facts).matched.is_empty();
    assert!(speaks(by(Allow, Fact::Group, "admins")));
    assert!(!speaks(by(Allow, Fact::Group, "other")));
    assert!(speaks(by(Deny, Fact::Risk, "high")));
    assert!(!speaks(by(Allow, Fact::Risk, "low")));
}

#[test]
fn long_strings_are_opaque_but_their_length_is_known() {
    let short = |rule| Policy { max_judged: 4, ..policy(vec![rule]) };
    let matched = |effect, test| {
        !judge(&short(when(effect, "/x", vec![test])), "t", r#"{"x":"12345"}"#).matched.is_empty()
    };
    assert!(matched(Deny, eq("a")));
    assert!(!matched(Allow, eq("12345")));
    assert!(matched(Allow, Predicate::BytesGt(4)));
    assert!(!matched(Deny, Predicate::BytesGt(5)));
    assert!(matched(Allow, Predicate::Exists(true)));
}

#[test]
fn a_pointer_finds_what_some_server_would_read() {
    for (pointer, arguments) in [
        ("/x", r#"{"X":"hit"}"#),
        ("/x", r#"{"x":"ok","x ":"hit"}"#),
        ("/a/b", r#"{"a":"{\"b\":\"hit\"}"}"#),
        ("/a/b", r#"{"a":" {\"b\":\"hit\"} "}"#),
        ("/a/b", r#"{"a":"\"{\\\"b\\\":\\\"hit\\\"}\""}"#),
        ("/a", r#"{"a":"{\"b\":[\"hit\"]}"}"#),
        ("/a/1", r#"{"a":["no","hit"]}"#),
        ("/*/b", r#"{"z":{"b":"hit"}}"#),
        ("/**", r#"{"a":[1,{"b":"hit"}]}"#),
        ("/**", r#"{"a":{"hit":1}}"#),
        ("/**/b", r#"{"b":"hit"}"#),
        ("/**/b", r#"{"a":[[{"b":"hit"}]]}"#),
        ("/**/b", r#"{"a":"[{\"b\":\"hit\"}]"}"#),
        ("/**/b/**/c", r#"{"b":{"b":{"x":{"c":"hit"}}}}"#),
        ("/a | /c", r#"{"c":"hit"}"#),
        ("/0", r#"["hit"]"#),
    ] {
        assert!(matches(when(Deny, pointer, vec![eq("hit")]), arguments), "{pointer} {arguments}");
    }
}

#[test]
fn a_search_is_not_stopped_by_values_that_cannot_hold_a_match() {
    for (pointer, arguments) in [
        ("/**", r#"{"a":5,"b":null,"c":{"d":true}}"#),
        ("/**/b", r#"{"a":5,"c":"text"}"#),
        ("/a/b", r#"{"a":{"c":1}}"#),
        ("/content", r#"{"content":"{\"n\":1}"}"#),
        ("/a/01", r#"{"b":["hit"]}"#),
    ] {
        assert!(!matches(when(Deny, pointer, vec![eq("hit")]), arguments), "{pointer} {arguments}");
    }
}

#[test]
fn a_search_doubts_what_a_server_could_convert() {
    assert!(matches(when(Deny, "/**", vec![Predicate::Gt(Number::Integer(10))]), r#"{"a":"11"}"#));
    assert!(!matches(when(Deny, "/**", vec![Predicate::Gt(Number::Integer(10))]), r#"{"a":"9"}"#));
    assert!(matches(when(Deny, "/**", vec![eq("5")]), r#"{"a":5}"#));
    assert!(!matches(when(Allow, "/a/**", vec![eq("5")]), r#"{"a":5}"#));
}

#[test]
fn a_search_for_hosts_passes_over_texts_that_are_no_urls() {
    let item = |name: &str| HostItem { name: HostName::Exact(name.into()), port: HostPort::Any };
    let net = || Predicate::IpIn(vec!["10.0.0.0/8".parse().unwrap()]);
    let evil = || Predicate::Host(vec![item("evil.test")]);
    for (test, arguments, found) in [
        (evil(), r#"{"a":{"b":["https://evil.test/x"]}}"#, true),
        (evil(), r#"{"a":"evil.test"}"#, true),
        (evil(), r#"{"a":"{\"u\":\"http://evil.test\"}"}"#, true),
        (evil(), r#"{"https://evil.test/":1}"#, true),
        (evil(), r#"{"a":"https:\\\\evil.test"}"#, true),
        (evil(), r#"{"a":" https://evil.test"}"#, true),
        (
            evil(),
            r#"{"a":"https://good.example/","b":"some words, 5 @ 3: ok","c":"a/b","d":7,"e":null,"f":""}"#,
            false,
        ),
        (net(), r#"{"a":"http://0x0a.1/"}"#, true),
        (net(), r#"{"a":"10.1.2.3"}"#, true),
        (net(), r#"{"version":"10.1","n":167772161,"t":"10:30"}"#, false),
        (Predicate::Scheme(vec!["ftp".into()]), r#"{"a":"ftp://x/"}"#, true),
        (Predicate::Scheme(vec!["ftp".into()]), r#"{"a":"note: x","b":"localhost:80"}"#, false),
    ] {
        assert_eq!(matches(when(Deny, "/**", vec![test]), arguments), found, "{arguments}");
    }
    assert!(matches(when(Deny, "/url", vec![evil()]), r#"{"url":"some words"}"#));
    assert!(matches(when(Deny, "/url", vec![evil()]), r#"{"url":5}"#));
    assert!(!matches(when(Allow, "/url", vec![evil()]), r#"{"url":5}"#));
}

#[test]
fn what_stands_in_the_way_is_opaque_and_never_absent() {
    for (pointer, arguments) in [
        ("/a/b", r#"{"a":"text"}"#),
        ("/a/b", r#"{"a":7}"#),
        ("/a/b", r#"{"a":null}"#),
        ("/a/b", r#"{"a":["x"]}"#),
        ("/a", "5"),
        ("/a", "[]"),
        ("/a", "null"),
        ("/**/b", r#"{"a":"{\"b\":1,\"b\":\"hit\"}"}"#),
        ("/a", r#""text""#),
    ] {
        assert!(matches(when(Deny, pointer, vec![eq("hit")]), arguments), "{pointer} {arguments}");
        assert!(!matches(when(Allow, pointer, vec![eq("hit")]), arguments), "{pointer} {arguments}");
    }
}

#[test]
fn a_name_in_other_letters_can_veto_a_permission_and_not_give_one() {
    let allowed = |arguments: &str| matches(when(Allow, "/path", vec![eq("ok")]), arguments);
    assert!(allowed(r#"{"path":"ok"}"#));
    assert!(allowed(r#"{"path":"ok","Path":"ok"}"#));
    assert!(!allowed(r#"{"Path":"ok"}"#));
    assert!(!allowed(r#"{"path":"ok","Path":"no"}"#));
    let denied = |arguments: &str| {
        let dry_run = vec![argument("/dry_run", vec![Predicate::Eq(Scalar::Bool(true))])];
        matches(Rule { unless: Some(dry_run), ..rule(Deny) }, arguments)
    };
    assert!(!denied(r#"{"dry_run":true}"#));
    assert!(denied(r#"{"Dry_Run":true}"#));
    assert!(denied(r#"{"dry_run":true,"DRY_RUN":false}"#));
    let given = |arguments: &str| matches(when(Allow, "/path", vec![Predicate::Exists(true)]), arguments);
    assert!(given(r#"{"path":1}"#) && !given(r#"{"Path":1}"#));
}

#[test]
fn strings_in_strings_are_opened_four_times_and_then_opaque() {
    let wrap = |depth: usize| {
        (0..depth).fold(r#"{"b":"hit"}"#.to_owned(), |text, _| {
            format!(r#""{}""#, text.replace('\\', r"\\").replace('"', r#"\""#))
        })
    };
    let arguments = |depth| format!(r#"{{"a":{}}}"#, wrap(depth));
    assert!(matches(when(Allow, "/a/b", vec![eq("hit")]), &arguments(4)));
    assert!(!matches(when(Allow, "/a/b", vec![eq("hit")]), &arguments(5)));
    assert!(matches(when(Deny, "/a/b", vec![eq("other")]), &arguments(5)));
}

#[test]
fn many_searches_in_one_pointer_stay_linear_in_the_arguments() {
    let deep = format!("{}1{}", r#"{"a":["#.repeat(60), "]}".repeat(60));
    let rule = when(Deny, "/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/nowhere", vec![eq("hit")]);
    assert!(!matches(rule, &deep));
}
