//! Policies beside what is known of the tools they are about.

use insta::assert_snapshot;

use super::*;
use crate::settings::{Config, Environment, read};

const WRITE: &str =
    r#"{"inputSchema":{"properties":{"path":{"type":"string"},"content":{"type":"string"}}}}"#;
const MOVE: &str =
    r#"{"inputSchema":{"properties":{"source":{"type":"string"},"destination":{"type":"string"}}}}"#;
const NOTHING: &str = r#"{"inputSchema":{"type":"object","properties":{}}}"#;
const SILENT: &str = r#"{"inputSchema":{"type":"object"}}"#;

fn files() -> Known {
    let mut known = Known::default();
    known.list("files", "write_file", Some(WRITE));
    known.list("files", "edit_file", Some(WRITE));
    known.list("files", "move_file", Some(MOVE));
    known.list("files", "list_roots", Some(NOTHING));
    known.list("files", "anything", Some(SILENT));
    known
}

fn config(rules: &str) -> (String, Config) {
    let source = format!("version = 1\n{rules}");
    let config = read(&source, &Environment::default()).unwrap_or_else(|faults| panic!("{faults:?}")).config;
    (source, config)
}

/// The notes as people read them, without the drawing.
fn notes(known: &Known, rules: &str) -> String {
    let (source, config) = config(rules);
    let servers: Vec<&str> = config.settings.servers.keys().map(String::as_str).collect();
    let notes = notes_on_known(&source, &config.policy, known, &servers);
    let line = |note: &Diagnostic| {
        let quoted = source.get(note.span.clone()).unwrap_or_default();
        format!("{quoted}: {}\n  {}", note.message, note.hint.as_deref().unwrap_or_default())
    };
    notes.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn rule(rest: &str) -> String {
    format!("[[rule]]\nid = \"r\"\naction = \"deny\"\n{rest}\n")
}

#[test]
fn a_pointer_that_no_tool_of_the_rule_has_is_told_with_what_was_meant() {
    let found =
        notes(&files(), &rule("tools = \"write_file\"\nwhen = { \"/pth\" = { path_under = \"/etc\" } }"));
    assert_snapshot!(found, @r#"
    "/pth": `r` is blind on `write_file` of `files`: it has no `/pth`
      `write_file` has `content`, `path`; did you mean `/path`?
    "#);
    let found =
        notes(&files(), &rule("tools = [\"write_file\", \"edit_file\"]\nwhen = { \"/uri\" = \"x\" }"));
    assert_snapshot!(found, @r#"
    "/uri": `r` is blind on `edit_file`, `write_file` of `files`: they have no `/uri`
      `edit_file` has `content`, `path`: name what the rule is about
    "#);
}

#[test]
fn a_rule_that_is_blind_on_some_of_its_tools_names_those() {
    let found =
        notes(&files(), &rule("tools = \"*_file\"\nwhen = { \"/path\" = { path_under = \"/etc\" } }"));
    assert_snapshot!(found, @r#"
    "/path": `r` is blind on `move_file` of `files`: it has no `/path`
      `move_file` has `destination`, `source`: name that too, or leave such tools out of `tools`
    "#);
    let all = "tools = \"*_file\"\nwhen = { \"/path | /source\" = { path_under = \"/etc\" } }";
    assert_eq!(notes(&files(), &rule(all)), "");
}

#[test]
fn a_rule_without_tools_chooses_them_by_what_it_looks_at() {
    assert_eq!(notes(&files(), &rule("when = { \"/path\" = { path_under = \"/etc\" } }")), "");
    assert_eq!(notes(&files(), &rule("tools = \"*\"\nwhen = { \"/path\" = { path_under = \"/etc\" } }")), "");
    let mut known = files();
    known.list("files", "anything", Some(NOTHING));
    // Two definitions of one name: what neither has is missing, and the first leaves all open.
    assert_eq!(notes(&known, &rule("when = { \"/nowhere\" = \"x\" }")), "");
}

#[test]
fn alternatives_are_blind_together_and_a_dead_one_is_told_alone() {
    let found = notes(
        &files(),
        &rule("tools = \"write_file\"\nany = [{ \"/path\" = \"x\" }, { \"/pat | /content\" = \"x\" }]"),
    );
    assert_snapshot!(found, @r#"
    "/pat | /content": no tool that the rule covers has `/pat`
      did you mean `/path`?
    "#);
    let found = notes(
        &files(),
        &rule("tools = \"list_roots\"\nany = [{ \"/path\" = \"x\" }, { \"/root\" = \"x\" }]"),
    );
    assert_snapshot!(found, @r#"
    "/path": `r` is blind on `list_roots` of `files`: it has no `/path`
      `list_roots` takes no arguments: name what the rule is about
    "#);
}

#[test]
fn what_asks_for_absence_or_only_exempts_is_not_blind() {
    for rest in [
        "when = { \"/pth\" = { exists = false } }",
        "unless = { \"/pth\" = \"x\" }",
        "when = { agent = \"x\" }",
        "methods = \"resources/read\"\nwhen = { \"/uri\" = \"x\" }",
    ] {
        assert_eq!(notes(&files(), &rule(&format!("tools = \"write_file\"\n{rest}"))), "", "{rest}");
    }
}

#[test]
fn calls_tell_where_a_schema_does_not() {
    let mut known = files();
    let look = rule("tools = \"anything\"\nwhen = { \"/path\" = \"x\" }");
    assert_eq!(notes(&known, &look), "");
    (0..7).for_each(|_| known.call("files", "anything", Some(r#"{"location":{"path":"x"}}"#)));
    assert_snapshot!(notes(&known, &look), @r#"
    "/path": `r` is blind on `anything` of `files`: none of its 7 recorded calls had `/path`
      `anything` has `location`; did you mean `/location/path`?
    "#);
}

#[test]
fn a_name_that_no_tool_or_server_has_is_told_with_the_nearest() {
    let rules = rule(
        "tools = [\"write_fil\", \"*_database\", \"!move_*\", \"move_file\"]\nservers = [\"file\", \"files\"]",
    ) + "[[tool]]\nmatch = \"delete_*\"\nrisk = \"high\"\n";
    assert_snapshot!(notes(&files(), &rules), @r#"
    "file": no server that is known is called `file`
      did you mean `files`?
    "write_fil": no tool of `files` is called `write_fil`
      did you mean `write_file`?
    "*_database": no tool of `files` is called `*_database`
      there are `anything`, `edit_file`, `list_roots`, `move_file`, `write_file`
    "delete_*": no tool of `files` is called `delete_*`
      there are `anything`, `edit_file`, `list_roots`, `move_file`, `write_file`
    "#);
}

#[test]
fn no_tool_is_called_unknown_while_a_server_of_the_rule_is() {
    let db = "[servers.db]\ncommand = \"db\"\n";
    assert_eq!(notes(&files(), &(rule("tools = \"query\"") + db)), "");
    assert_eq!(notes(&files(), &(rule("tools = \"query\"\nservers = \"db\"") + db)), "");
    assert_ne!(notes(&files(), &(rule("tools = \"query\"\nservers = \"files\"") + db)), "");
    assert_eq!(notes(&Known::default(), &rule("tools = \"query\"")), "");
}

#[test]
fn spots_are_those_of_one_server() {
    let mut known = files();
    known.list("other", "write_file", Some(NOTHING));
    let (_, config) = config(&rule("tools = \"write_file\"\nwhen = { \"/path\" = \"x\" }"));
    let blind =
        |server| blind_spots(&config.policy, &known, server).iter().map(|spot| spot.tool).collect::<Vec<_>>();
    assert_eq!((blind("files"), blind("other"), blind("none")), (vec![], vec!["write_file"], vec![]));
}
