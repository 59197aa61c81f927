//! Pairs of files and the direction between them.

use proptest::prelude::*;

use super::*;
use crate::policy::compile::{Surroundings, compile};
use crate::policy::schema::{self, Reading, Section};

/// Compiles the policy part of a file, which must be without faults.
fn policy(source: &str) -> Policy {
    let (document, syntax) = schema::parse(source);
    let mut reading = Reading::default();
    let mut top = Section::new("", 0..0, document.get_ref());
    let file = schema::file(&mut top, Vec::new(), &mut reading);
    let policy = compile(file, source, Surroundings::default(), &mut reading);
    let faults =
        reading.diagnostics.iter().filter(|one| one.severity == crate::policy::diagnostic::Severity::Fault);
    let faults: Vec<_> = syntax.iter().chain(faults).map(|fault| fault.render("f", source)).collect();
    assert!(faults.is_empty(), "{}", faults.concat());
    policy
}

fn file(head: &str, rules: &[&str]) -> Policy {
    policy(&format!(
        "version = 1\n{head}\n{}",
        rules.iter().flat_map(|rule| ["[[rule]]\n", rule, "\n"]).collect::<String>()
    ))
}

const DENY: &str = "tools = \"a\"\naction = \"deny\"";
const WARN: &str = "tools = \"b\"\naction = \"warn\"";
const ASK: &str = "tools = \"c\"\naction = \"require_approval\"";
const ALLOW: &str = "tools = \"d\"\naction = \"allow\"";

#[track_caller]
fn one_way(weak: &Policy, strict: &Policy) {
    assert!(weakens(strict, weak), "this way is weaker");
    assert!(!weakens(weak, strict), "and this way is not");
}

#[test]
fn a_file_does_not_weaken_itself() {
    let policy = file("default = \"deny\"", &[DENY, WARN, ASK, ALLOW]);
    assert!(!weakens(&policy, &policy));
}

#[test]
fn closing_an_allow_rule_tightens_and_opening_it_weakens() {
    let (open, closed) = (ALLOW.to_owned(), format!("{ALLOW}\nclosed = true"));
    one_way(&file("default = \"deny\"", &[&open]), &file("default = \"deny\"", &[&closed]));
    let lifts =
        |allow: &str| file("", &[&format!("id = \"x\"\n{DENY}"), &format!("{allow}\noverrides = [\"x\"]")]);
    one_way(&lifts(&open), &lifts(&closed));
    let never = file("default = \"deny\"", &[&format!("{ALLOW}\nclosed = false")]);
    assert!(!weakens(&never, &file("default = \"deny\"", &[&open])));
}

#[test]
fn settings_of_the_whole_file_have_a_direction() {
    for (weak, strict) in [
        ("mode = \"shadow\"", "mode = \"enforce\""),
        ("max_mode = \"warn\"\nmode = \"enforce\"", "mode = \"enforce\""),
        ("default = \"allow\"", "default = \"deny\""),
        ("default = \"require_approval\"", "default = \"deny\""),
        ("fail_mode = \"open\"", "fail_mode = \"closed\""),
        ("", "fail_mode = \"error\""),
        ("self_protection = false", ""),
        ("max_judged = \"2MiB\"", ""),
        ("mode = \"enforce\"\nagents.ci.mode = \"shadow\"", "mode = \"enforce\""),
        ("mode = \"enforce\"\nagents.ci.max_mode = \"shadow\"", "mode = \"enforce\""),
        ("agents.ci.fail_mode = \"open\"\nfail_mode = \"closed\"", "fail_mode = \"closed\""),
        ("mode = \"warn\"", "mode = \"warn\"\nagents.ci.mode = \"enforce\""),
    ] {
        one_way(&file(weak, &[DENY]), &file(strict, &[DENY]));
    }
}

#[test]
fn closed_and_error_both_stop_so_neither_weakens_the_other() {
    let (closed, error) = (file("fail_mode = \"closed\"", &[]), file("fail_mode = \"error\"", &[]));
    assert!(!weakens(&closed, &error) && !weakens(&error, &closed));
}

#[test]
fn rules_have_a_direction() {
    one_way(&file("", &[DENY]), &file("", &[DENY, WARN]));
    one_way(&file("", &[DENY, ALLOW]), &file("", &[DENY]));
    one_way(&file("", &[&format!("mode = \"off\"\n{DENY}")]), &file("", &[DENY]));
    one_way(&file("", &[DENY]), &file("", &[&format!("modes = {{ ci = \"enforce\" }}\n{DENY}")]));
    let narrower = "tools = \"a\"\nunless = { \"/x\" = 1 }\naction = \"deny\"";
    assert!(weakens(&file("", &[DENY]), &file("", &[narrower])));
}

#[test]
fn what_a_rule_looks_back_on_is_part_of_it() {
    let with = |labels: &str, rule: &str| {
        policy(&format!("version = 1\n{labels}\n[[rule]]\ntools = \"a\"\naction = \"deny\"\n{rule}"))
    };
    let label = "[[label]]\nid = \"l\"\ntools = \"x\"";
    let plain = with(label, "");
    let rules = ["after = \"l\"", "unless_after = \"l\"", "rate = { max = 2, per = \"1m\" }"];
    for looking_back in rules {
        assert!(weakens(&plain, &with(label, looking_back)), "{looking_back}");
        assert!(!weakens(&with(label, looking_back), &with(label, looking_back)), "{looking_back}");
    }
    for changed in ["tools = \"y\"", "ttl = \"1h\"\ntools = \"x\"", "tools = \"x\"\non = \"result\""] {
        let other = format!("[[label]]\nid = \"l\"\n{changed}");
        assert!(weakens(&with(label, rules[0]), &with(&other, rules[0])), "{changed}");
        assert!(!weakens(&plain, &with(&other, "")), "{changed}: no rule reads it");
    }
    let more = with(label, "rate = { max = 3, per = \"1m\" }");
    assert!(weakens(&with(label, rules[2]), &more));
    let by_default = with(label, "rate = { max = 2, per = \"1m\", by = \"session\" }");
    assert!(!weakens(&with(label, rules[2]), &by_default));
}

#[test]
fn an_override_is_a_permission() {
    let rule = format!("id = \"x\"\n{DENY}");
    let lift = format!("{ALLOW}\noverrides = [\"x\"]");
    one_way(&file("", &[&rule, &lift]), &file("", &[&rule]));
    assert!(weakens(&file("", &[&rule, ALLOW]), &file("", &[&rule, &lift])));
}

#[test]
fn a_question_under_a_default_that_stops_is_a_permission() {
    let head = "default = \"deny\"\nmode = \"enforce\"";
    assert!(weakens(&file(head, &[]), &file(head, &[ASK])));
    assert!(!weakens(&file("", &[]), &file("", &[ASK])));
    let shadowed = format!("mode = \"shadow\"\n{ASK}");
    assert!(weakens(&file(head, &[&shadowed]), &file(head, &[ASK])));
}

#[test]
fn prose_and_ids_and_the_order_of_members_do_not_matter() {
    let old =
        file("", &["tools = [\"a\", \"b\"]\nwhen = { \"/x\" = [1, 2], agent = \"y\" }\naction = \"deny\""]);
    let new = file(
        "",
        &[
            "id = \"new\"\nreason = \"why\"\ntools = [\"b\", \"a\"]\nwhen = { agent = \"y\", \"/x\" = { in = [2, 1] } }\naction = \"block\"",
        ],
    );
    assert!(!weakens(&old, &new) && !weakens(&new, &old));
}

#[test]
fn metadata_counts_where_a_rule_asks_for_it() {
    let asks = "when = { risk = \"high\" }\naction = \"deny\"";
    let tool = |risk: &str| format!("[[tool]]\nmatch = \"a\"\nrisk = \"{risk}\"");
    assert!(weakens(&file(&tool("high"), &[asks]), &file(&tool("low"), &[asks])));
    assert!(!weakens(&file(&tool("high"), &[DENY]), &file(&tool("low"), &[DENY])));
}

#[test]
fn a_named_list_counts_by_what_is_in_it() {
    let rule = "tools = { list = \"bad\" }\naction = \"deny\"";
    assert!(weakens(&file("lists.bad = [\"a\", \"b\"]", &[rule]), &file("lists.bad = [\"a\"]", &[rule])));
}

#[test]
fn assignments_list_what_moved() {
    let old = file("mode = \"shadow\"\nagents.ci.mode = \"warn\"", &[&format!("id = \"x\"\n{DENY}")]);
    let new = file(
        "mode = \"enforce\"\nmax_mode = \"warn\"",
        &[&format!("id = \"x\"\nmode = \"off\"\nmodes = {{ ci = \"enforce\" }}\n{DENY}")],
    );
    let listed = |changes: Vec<Change>| -> Vec<String> {
        let word = |word: Option<String>| word.unwrap_or_else(|| "-".to_owned());
        changes.into_iter().map(|c| format!("{} {} {}", c.scope, word(c.from), word(c.to))).collect()
    };
    assert_eq!(
        listed(assignments(Some(&old), &new)),
        ["agent:ci warn -", "file shadow enforce", "max_mode - warn", "rule:x - off", "rule:x:ci - enforce"]
    );
    assert_eq!(listed(assignments(None, &old)), ["agent:ci - warn", "default - allow", "file - shadow"]);
    assert!(assignments(Some(&old), &old).is_empty());
}

fn any_rule() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["deny", "warn", "require_approval"]);
    let tool = prop::sample::select(vec!["a", "b*", "!c"]);
    let mode = prop::sample::select(vec![
        "",
        "mode = \"shadow\"",
        "mode = \"enforce\"",
        "modes = { ci = \"warn\" }",
    ]);
    let when = prop::sample::select(vec!["", "when = { \"/p\" = 1 }", "unless = { agent = \"x\" }"]);
    (effect, tool, mode, when).prop_map(|(effect, tool, mode, when)| {
        format!("action = \"{effect}\"\ntools = \"{tool}\"\n{mode}\n{when}")
    })
}

fn any_head() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "mode = \"enforce\"",
        "mode = \"off\"",
        "mode = \"warn\"\nagents.s.mode = \"enforce\"",
    ])
}

fn written(head: &str, rules: &[String]) -> Policy {
    file(head, &rules.iter().map(String::as_str).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn adding_a_restrictive_rule_never_weakens(head in any_head(), rules in prop::collection::vec(any_rule(), 0..5), extra in any_rule()) {
        let mut more = rules.clone();
        more.push(extra);
        prop_assert!(!weakens(&written(head, &rules), &written(head, &more)));
    }

    #[test]
    fn removing_the_only_copy_of_a_rule_weakens_unless_it_was_off(head in any_head(), rules in prop::collection::vec(any_rule(), 1..5)) {
        let old = written(head, &rules);
        let mut fewer = rules.clone();
        fewer.remove(0);
        let new = written(head, &fewer);
        let gone = old.rules.first().is_some_and(|first| new.rules.iter().all(|rule| rule.fingerprint != first.fingerprint));
        // With every agent's base off, nothing was judged and nothing is lost.
        prop_assert!(!gone || old.mode == Mode::Off || weakens(&old, &new));
    }

    #[test]
    fn reordering_rules_never_weakens(head in any_head(), rules in prop::collection::vec(any_rule(), 0..6)) {
        let turned: Vec<String> = rules.iter().rev().cloned().collect();
        prop_assert!(!weakens(&written(head, &rules), &written(head, &turned)));
    }
}
