//! What `status` says of processes that run, of files that changed under them, and of those that were killed.
//!
//! It refuses to wait a fixed time: what a test waits for is asked of `status` until it is so.
//!
//! Invariant: what is said of a process comes from what that process wrote, not from the file.

use std::fs;

use serde_json::{Value, json};

use crate::support::home::{Home, Told, no_deleting, until};
use crate::support::process::PATIENCE;

fn status(home: &Home, options: &[&str]) -> Vec<Value> {
    let told = home.run(&[&["status", "--json"], options].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    told.json().as_array().unwrap().clone()
}

/// The sessions, once they are as wanted.
fn await_status(home: &Home, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let found = until(PATIENCE, || Some(status(home, &[])).filter(|sessions| wanted(sessions)));
    found.unwrap_or_else(|| panic!("{:#?}", status(home, &[])))
}

fn of<'v>(sessions: &'v [Value], server: &str) -> &'v Value {
    sessions.iter().find(|session| session["server"] == server).unwrap_or_else(|| panic!("{sessions:#?}"))
}

#[test]
fn nobody_runs_where_nothing_was_started() {
    let home = Home::new();
    let told = home.run(&["status"]);
    assert_eq!(told.code, Some(0));
    assert!(told.out.contains("no callgate is running") && told.out.contains("callgate run --"), "{told:?}");
    assert_eq!(status(&home, &[]), Vec::<Value>::new());
}

#[test]
fn each_process_is_told_by_what_it_has_loaded() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let other = home.path("other.toml");
    fs::write(&other, no_deleting("enforce")).unwrap();
    let other_path = other.to_str().unwrap();
    let (mut one, _one) = home.converse(&["--server", "one", "--agent", "ci-bot"]);
    let (mut two, _two) = home.converse(&["--server", "two", "--config", other_path]);

    // They show before there is any call.
    let begun = await_status(&home, |sessions| sessions.len() == 2);
    let (first, second) = (of(&begun, "one"), of(&begun, "two"));
    assert_eq!((&first["mode"], &second["mode"]), (&json!("shadow"), &json!("enforce")));
    assert_eq!(
        (&first["agent"], &first["calls"], &first["stale"]),
        (&json!("ci-bot"), &json!(0), &json!(false))
    );
    assert_ne!(first["revision"], second["revision"]);
    assert_eq!(second["path"], other_path);
    assert_eq!(first["pid"], one.server.pid());

    for client in [&mut one, &mut two] {
        client.call("delete_file", &json!({}));
    }
    let counted = await_status(&home, |sessions| sessions.iter().all(|session| session["calls"] == 1));
    assert_eq!((&of(&counted, "one")["would_stop"], &of(&counted, "one")["blocked"]), (&json!(1), &json!(0)));
    assert_eq!((&of(&counted, "two")["would_stop"], &of(&counted, "two")["blocked"]), (&json!(0), &json!(1)));
    let rule = &of(&counted, "one")["rules"][0];
    assert_eq!(
        (&rule["rule"], &rule["mode"], &rule["would_stop"]),
        (&json!("no-deleting"), &json!("shadow"), &json!(1))
    );
    assert!(rule["oldest_would_stop"].is_string());

    // One reloads, the other refuses: both are told by what is in force.
    home.replace_policy(&(no_deleting("shadow") + "modes = { ci-bot = \"enforce\" }\n"));
    fs::write(&other, "version = 1\nmode = \"of\"\n").unwrap();
    let reloaded = await_status(&home, |sessions| {
        of(sessions, "one")["revision"] != first["revision"] && of(sessions, "two")["refused"].is_string()
    });
    let (first, second) = (of(&reloaded, "one"), of(&reloaded, "two"));
    assert_eq!(
        (&first["stale"], &first["mode"], &first["rules"][0]["mode"]),
        (&json!(false), &json!("shadow"), &json!("enforce"))
    );
    assert_eq!((&second["stale"], &second["mode"]), (&json!(true), &json!("enforce")));
    let told = home.run(&["status"]);
    assert!(told.out.contains("stale") && told.out.contains("stays in force"), "{told:?}");

    // Killed, it is gone; the other one ends in order.
    two.server.kill();
    let left = await_status(&home, |sessions| sessions.len() == 1);
    assert_eq!(left[0]["server"], "one");
    let all = status(&home, &["--all"]);
    assert_eq!((all.len(), &of(&all, "two")["running"]), (2, &json!(false)));
    assert!(home.run(&["status", "--all"]).out.contains("ended without a word"));
    one.server.close_stdin();
    assert!(one.server.wait(PATIENCE).is_some());
    await_status(&home, <[Value]>::is_empty);
    assert_eq!(status(&home, &["--all"]).len(), 1);
}

#[test]
fn a_rule_that_sees_nothing_is_told_and_a_broken_file_hides_no_process() {
    let home = Home::with_policy(
        "version = 1\n[[rule]]\nid = \"blind\"\ntools = \"read_file\"\nwhen = { \"/path\" = \"x\" }\naction = \"deny\"\n",
    );
    let (mut client, _record) = home.converse(&[]);
    client.request("tools/list", &json!({}));
    for _ in 0..3 {
        client.call("read_file", &json!({"file": "x"}));
    }
    let told = await_status(&home, |sessions| sessions.iter().any(|session| session["calls"] == 3));
    assert_eq!(told[0]["rules"][0]["blind_on"], json!(["read_file"]));
    assert_eq!(told[0]["client"], "callgate-tests 1");
    home.replace_policy("version = 2\n");
    let words: Told = home.run(&["status", "--verbose"]);
    assert_eq!((words.code, words.err.as_str()), (Some(0), ""), "{words:?}");
    assert!(words.out.contains("blind on read_file"), "{words:?}");
}

#[test]
fn without_a_file_the_built_in_policy_is_told() {
    let home = Home::new();
    let (_client, _record) = home.converse(&[]);
    let told = await_status(&home, |sessions| sessions.len() == 1);
    assert_eq!(
        (&told[0]["mode"], &told[0]["path"], &told[0]["rules"]),
        (&json!("shadow"), &Value::Null, &json!([]))
    );
}
