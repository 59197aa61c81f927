//! A policy in several files: what is included counts as if it stood in `mcp.toml`, and its faults name it.
//!
//! It refuses to test the language here: one rule that denies a tool is enough.
//!
//! Invariant: every path in these tests is relative to the folder of `mcp.toml`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::home::{Home, Told, until};
use crate::support::process::{McpClient, PATIENCE};

const MAIN: &str = "version = 1\nmode = \"enforce\"\ninclude = [\"rules/*.toml\", \"lists.toml\"]\n\n\
                    [[rule]]\nid = \"own\"\ntools = \"own_tool\"\naction = \"deny\"\n";
const LISTS: &str = "[lists]\ndangerous = [\"/etc/*\"]\n";

fn deny(tool: &str) -> String {
    format!("[[rule]]\nid = \"no-{tool}\"\ntools = \"{tool}\"\naction = \"deny\"\n")
}

/// A home with a policy of three files.
fn home() -> Home {
    let home = Home::with_policy(MAIN);
    write(&home, "rules/b.toml", &deny("b_tool"));
    write(
        &home,
        "rules/a.toml",
        "version = 1\n[[rule]]\nid = \"a\"\nwhen = { \"/path\" = { glob = { list = \"dangerous\" } } }\naction = \"deny\"\n\
         [[rule.test]]\ntool = \"x\"\narguments = { path = \"/tmp\" }\nexpect = \"deny\"\n",
    );
    write(&home, "lists.toml", LISTS);
    home
}

fn beside(home: &Home, name: &str) -> PathBuf {
    home.policy().with_file_name(name)
}

fn write(home: &Home, name: &str, text: &str) {
    fs::create_dir_all(beside(home, name).parent().unwrap()).unwrap();
    fs::write(beside(home, name), text).unwrap();
}

fn reason(home: &Home, tool: &str, arguments: &Value) -> String {
    let told = home.run(&["check", "--tool", tool, "--arguments", &arguments.to_string(), "--json"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    told.json()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn rules_of_included_files_follow_those_of_the_file_in_the_order_of_their_names() {
    let home = home();
    assert_eq!(reason(&home, "own_tool", &json!({})), "rule 1 (own_tool) in policy \"default\"");
    assert_eq!(reason(&home, "x", &json!({"path": "/etc/x"})), "rule 2 (x) in policy \"default\"");
    assert_eq!(reason(&home, "b_tool", &json!({})), "rule 3 (b_tool) in policy \"default\"");
    let own = beside(&home, "rules/b.toml");
    for guarded in [own, beside(&home, "rules/new.toml")] {
        assert!(reason(&home, "write", &json!({"path": guarded})).contains("callgate-self"));
    }
}

#[test]
fn a_fault_of_an_included_file_is_shown_where_it_stands() {
    let home = home();
    write(&home, "rules/a.toml", "mode = \"off\"\n\n[[rule]]\ntoolz = \"x\"\naction = \"deny\"\n");
    let told = home.run(&["policy", "check"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.err.contains("rules/a.toml:1:1") && told.err.contains("rules/a.toml:4:1"), "{}", told.err);
    assert!(told.err.contains("everything else stands in mcp.toml"), "{}", told.err);
    let json = home.run(&["policy", "check", "--json"]).json();
    let file = json["diagnostics"][0]["file"].as_str().unwrap();
    assert!(file.ends_with("rules/a.toml"), "{json}");
}

#[test]
fn a_test_of_an_included_file_is_run_and_named_with_its_file() {
    let told = home().run(&["policy", "test"]);
    assert_eq!(told.code, Some(4), "{told:?}");
    assert!(told.out.contains("rules/a.toml:6"), "{}", told.out);
}

#[test]
fn what_cannot_be_included_is_a_fault_of_the_line_that_asks_for_it() {
    let expect = |home: &Home, words: &[&str]| {
        let told: Told = home.run(&["policy", "check"]);
        assert_eq!(told.code, Some(3), "{told:?}");
        assert!(words.iter().all(|word| told.err.contains(word)), "{}", told.err);
    };
    let home = home();
    fs::remove_file(beside(&home, "lists.toml")).unwrap();
    expect(&home, &["cannot include", "lists.toml`", "mcp.toml:3:"]);
    write(&home, "lists.toml", "[lists]\nx = [1]\n[lists]\n");
    expect(&home, &["lists.toml:3"]);
    home.write_policy("version = 1\ninclude = \"*/*.toml\"\n");
    expect(&home, &["is a glob of folders", "mcp.toml:2:"]);
    home.write_policy("version = 1\ninclude = \"*.toml\"\n");
    expect(&home, &["a glob beside this file", "a folder of their own", "mcp.toml:2:"]);
    home.write_policy("version = 1\ninclude = \"pack:secrets\"\n");
    expect(&home, &["packs such as `pack:secrets` are not in this version"]);
    let told = home.run(&["run", "--", "true"]);
    assert_eq!(told.code, Some(3), "{told:?}");
}

#[test]
fn a_running_session_follows_every_included_file() {
    let home = home();
    let (mut client, _record) = home.converse(&[]);
    assert!(stops(&mut client, "b_tool") && !stops(&mut client, "c_tool"));
    write(&home, "rules/c.toml", &deny("c_tool"));
    assert!(until(PATIENCE, || stops(&mut client, "c_tool").then_some(())).is_some(), "a new file counts");
    fs::remove_file(beside(&home, "rules/b.toml")).unwrap();
    assert!(until(PATIENCE, || (!stops(&mut client, "b_tool")).then_some(())).is_some(), "a file that went");
    write(&home, "rules/c.toml", "[[rule]]\nid = \"half");
    let refused = || home.notices().into_iter().find(|notice| notice.kind == "policy_refused");
    assert!(until(PATIENCE, refused).is_some(), "{}", client.server.stderr());
    assert!(stops(&mut client, "c_tool"), "the last good revision stays");
}

#[test]
fn an_included_file_that_is_suddenly_empty_leaves_its_rules_in_force() {
    let home = home();
    let (mut client, _record) = home.converse(&[]);
    assert!(stops(&mut client, "b_tool"));
    write(&home, "rules/b.toml", "");
    let refused = || home.notices().into_iter().find(|notice| notice.kind == "policy_refused");
    assert!(until(PATIENCE, refused).is_some(), "{}", client.server.stderr());
    assert!(client.server.stderr().contains("rules/b.toml` is empty"), "{}", client.server.stderr());
    assert!(stops(&mut client, "b_tool"));
    write(&home, "rules/b.toml", "rule = []\n");
    assert!(until(PATIENCE, || (!stops(&mut client, "b_tool")).then_some(())).is_some(), "said so");
}

#[test]
fn fmt_lays_out_the_file_that_is_named_and_reads_the_others() {
    let untidy = "version=1\ninclude = 'lists.toml'\n[[rule]]\naction=\"block\"\n\
                  when={'/path'={glob={list='dangerous'}}}";
    let home = home();
    home.write_policy(untidy);
    let told = home.run(&["policy", "fmt", "--check"]);
    assert_eq!((told.code, told.err.as_str()), (Some(4), ""), "{told:?}");
    assert!(told.out.contains("-version=1") && !told.out.contains("[lists]"), "{}", told.out);
    let told = home.run(&["policy", "fmt"]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{told:?}");
    let tidy = "version = 1\ninclude = \"lists.toml\"\n\n[[rule]]\n\
                when = { \"/path\" = { glob = { list = \"dangerous\" } } }\naction = \"deny\"\n";
    assert_eq!(fs::read_to_string(home.policy()).unwrap(), tidy);
    assert_eq!(fs::read_to_string(beside(&home, "lists.toml")).unwrap(), LISTS);
    assert_eq!(home.run(&["policy", "fmt", "--check"]).code, Some(0));
    write(&home, "lists.toml", "[lists]\ndangerous = 1\n");
    let told = home.run(&["policy", "fmt"]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""), "{told:?}");
    assert!(told.err.contains("lists.toml:2:"), "{}", told.err);
    assert_eq!(fs::read_to_string(home.policy()).unwrap(), tidy);
}

#[test]
fn status_compares_a_process_with_all_of_its_files() {
    let home = home();
    let (_client, _record) = home.converse(&[]);
    let status = || home.run(&["status", "--json"]).json()[0].clone();
    let fresh = until(PATIENCE, || Some(status()).filter(|session| session["running"] == true)).unwrap();
    assert_eq!(
        (&fresh["stale"], &fresh["rules"][2]["rule"]),
        (&json!(false), &json!("no-b_tool")),
        "{fresh:#}"
    );
    // Nobody takes up what has a fault.
    write(&home, "rules/b.toml", "[[rule]]\nid = \"half");
    let stale = status();
    assert_eq!(
        (&stale["stale"], &stale["rules"][2]["rule"]),
        (&json!(true), &json!("no-b_tool")),
        "{stale:#}"
    );
    fs::remove_file(beside(&home, "lists.toml")).unwrap();
    let told = home.run(&["status"]);
    assert!(told.out.contains("cannot include"), "{told:?}");
}

#[test]
fn the_store_keeps_no_secret_of_a_policy_in_several_files() {
    let home = home();
    home.write_policy(&format!(
        "{MAIN}[lists]\nown = [\"x\"]\n[servers.x]\ncommand = \"x\"\nenv = {{ A = \"hunter2\" }}\n"
    ));
    let (mut client, _record) = home.converse(&["--server", "x"]);
    client.call("x", &json!({}));
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE).unwrap().success());
    for file in fs::read_dir(home.store().parent().unwrap()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(7).any(|bytes| bytes == b"hunter2"), "{}", path.display());
    }
}

fn stops(client: &mut McpClient, tool: &str) -> bool {
    client.call(tool, &json!({})).get("result").is_none()
}
