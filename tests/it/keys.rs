//! Keys from the command line: shown once, listed without themselves, gone when revoked.
//!
//! It refuses to look into the store by other means than its bytes.
//!
//! Invariant: a test that expects a key to be nowhere has seen it somewhere before.

use std::fs;
use std::path::Path;

use memchr::memmem;
use serde_json::json;

use crate::support::home::{Home, Told, no_deleting};

const POLICY: &str = "version = 1\n[identity]\nagent = \"somebody\"\n[agents.ci-bot]\nmode = \"enforce\"\n";

/// The key that a successful `keys add` prints.
fn key(told: &Told) -> &str {
    assert_eq!(told.code, Some(0), "{told:?}");
    let key = told.out.strip_suffix('\n').unwrap();
    assert!(key.starts_with("cg_") && key.len() == 55, "{key}");
    assert!(key[3..].bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{key}");
    key
}

#[test]
fn a_key_is_shown_once_and_stands_alone_on_stdout() {
    let home = Home::with_policy(POLICY);
    let told = home.run(&["keys", "add", "ci", "--agent", "ci-bot", "--scope", "check,call"]);
    let key = key(&told);
    assert!(
        told.err.starts_with("This is `ci` (id ") && told.err.contains("good for call,check"),
        "{}",
        told.err
    );
    assert!(told.err.contains("It is not shown again") && !told.err.contains("note:"), "{}", told.err);
    for listed in [home.run(&["keys", "list"]), home.run(&["keys", "list", "--json"])] {
        assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
        assert!(listed.out.contains("ci-bot") && !listed.out.contains(&key[3..20]), "{}", listed.out);
    }
}

#[test]
fn a_list_tells_everything_but_the_key() {
    let home = Home::with_policy(POLICY);
    let empty = home.run(&["keys", "list"]);
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), ""));
    assert!(
        empty.err.contains("`callgate keys add NAME` makes one") && !home.store().exists(),
        "{}",
        empty.err
    );
    assert_eq!(home.run(&["keys", "list", "--json"]).out, "[]\n");
    key(&home.run(&["keys", "add", "ci", "--agent", "ci-bot"]));
    key(&home.run(&["keys", "add", "ops", "--scope", "admin"]));
    assert_eq!(home.run(&["keys", "revoke", "ci"]).code, Some(0));
    let mut keys = home.run(&["keys", "list", "--json"]).json();
    let mut taken = |index: usize, name: &str| keys[index].as_object_mut().unwrap().remove(name).unwrap();
    let (created, revoked) = (taken(0, "created"), taken(0, "revoked"));
    assert!(
        created.as_str() <= revoked.as_str() && created.as_str().unwrap().ends_with('Z'),
        "{created} {revoked}"
    );
    let ids = [taken(0, "id"), taken(1, "id")];
    taken(1, "created");
    assert_eq!(
        keys,
        json!([
            {"name": "ci", "agent": "ci-bot", "scopes": ["call"]},
            {"name": "ops", "agent": null, "scopes": ["admin"], "revoked": null},
        ])
    );
    let table = home.run(&["keys", "list"]).out;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "NAME", "AGENT", "SCOPES", "CREATED", "REVOKED"]);
    assert_eq!((rows[1][0], rows[2][0]), (ids[0].as_str().unwrap(), ids[1].as_str().unwrap()));
    assert_eq!((&rows[1][1..4], &rows[2][1..4]), (&["ci", "ci-bot", "call"][..], &["ops", "-", "admin"][..]));
    assert_eq!(rows[2].last(), Some(&"-"));
}

#[test]
fn a_script_gets_the_key_with_what_belongs_to_it() {
    let home = Home::with_policy(POLICY);
    let added = home.run(&["keys", "add", "ci", "--agent", "ci-bot", "--json"]).json();
    assert!(added["key"].as_str().unwrap().starts_with("cg_"), "{added}");
    assert_eq!((&added["name"], &added["scopes"]), (&json!("ci"), &json!(["call"])));
    let revoked = home.run(&["keys", "revoke", added["id"].as_str().unwrap(), "--json"]).json();
    assert_eq!((&revoked["id"], revoked["revoked"].is_string()), (&added["id"], true));
    assert_eq!(revoked.get("key"), None);
}

#[test]
fn a_name_in_use_is_not_given_twice_and_a_revoked_one_is() {
    let home = Home::with_policy(POLICY);
    let first = home.run(&["keys", "add", "ci", "--agent", "ci-bot"]);
    let again = home.run(&["keys", "add", "ci"]);
    assert_eq!((again.code, again.out.as_str()), (Some(1), ""));
    assert!(
        again.err.contains("a key named `ci` is in use") && again.err.contains("keys revoke"),
        "{}",
        again.err
    );
    let revoked = home.run(&["keys", "revoke", key(&first)]);
    assert!(
        revoked.code == Some(0) && revoked.out.contains("revoked"),
        "a key can be given itself: {revoked:?}"
    );
    assert_ne!(key(&home.run(&["keys", "add", "ci", "--agent", "ci-bot"])), key(&first));
}

#[test]
fn what_cannot_be_done_comes_with_a_way_out() {
    let home = Home::with_policy(POLICY);
    let nothing = home.run(&["keys", "revoke", "ci"]);
    assert!(nothing.code == Some(1) && !home.store().exists(), "{nothing:?}");
    let leaked = key(&home.run(&["keys", "add", "ci-runner", "--agent", "ci-bot"])).replace("cg_", "cg_0");
    for (arguments, code, way_out) in [
        (&["revoke", "ci-runer"][..], 1, "did you mean `ci-runner`?"),
        (&["revoke", "somebody-else"], 1, "see `callgate keys list`"),
        (&["revoke", &leaked], 1, "that key is not in this store"),
        (&["add", "x", "--scope", "cal"], 2, "[possible values: call, check, admin]"),
        (&["add", "x", "--scope", "call,root"], 2, "'root'"),
        (&["add", ""], 2, "empty"),
        (&["add", "a\u{200b}b"], 2, "nobody can see"),
        (&["add", "x", "--agent", &"y".repeat(65)], 2, "64"),
        (&["add", &leaked], 2, "as keys do"),
    ] {
        let told = home.run(&[&["keys"], arguments].concat());
        assert_eq!((told.code, told.out.as_str()), (Some(code), ""), "{arguments:?} {told:?}");
        assert!(told.err.contains(way_out), "{arguments:?}: {}", told.err);
        assert!(arguments[0] == "add" || !told.err.contains(&leaked), "{}", told.err);
    }
    let again = home.run(&["keys", "revoke", "ci-runner"]);
    assert!(
        again.code == Some(0)
            && home.run(&["keys", "revoke", "ci-runner"]).out.contains("was revoked before")
    );
}

#[test]
fn what_may_not_be_meant_is_said_and_done() {
    let home = Home::with_policy(POLICY);
    for (arguments, note) in [
        (&["a", "--agent", "ci-bto"][..], "the policy file has no [agents.ci-bto]"),
        (&["b"], "it comes in as `somebody`"),
        (&["c", "--agent", "ci-bot", "--scope", "call", "--scope", "admin"], "two keys keep that apart"),
    ] {
        let told = home.run(&[&["keys", "add"], arguments].concat());
        key(&told);
        assert!(told.err.contains("note:") && told.err.contains(note), "{}", told.err);
    }
}

#[test]
fn keys_are_in_the_store_that_the_policy_file_names() {
    let home = Home::new();
    let elsewhere = home.path("elsewhere/mine.db");
    home.write_policy(&format!("version = 1\n[audit]\npath = {:?}\n", elsewhere.to_str().unwrap()));
    key(&home.run(&["keys", "add", "ci", "--agent", "ci-bot"]));
    assert!(elsewhere.exists() && !home.store().exists());
    home.write_policy("version = 1\nmood = \"shadow\"\n");
    let broken = home.run(&["keys", "revoke", "ci"]);
    assert_eq!(broken.code, Some(3), "which store is meant cannot be told: {broken:?}");
    let named = home.run(&["keys", "revoke", "ci", "--store", elsewhere.to_str().unwrap()]);
    assert_eq!(named.code, Some(0), "{named:?}");
}

#[test]
fn a_key_is_in_no_byte_that_callgate_writes() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let told = home.run(&["keys", "add", "visible-name", "--agent", "visible-agent"]);
    let key = key(&told).to_owned();
    // The store goes on to be used, also by those who send the key where it does not belong.
    let (mut client, _record) = home.converse(&[]);
    client.call("fetch", &json!({ "note": format!("it is {key}"), "visible": "visible-argument" }));
    client.call(&key, &json!({}));
    home.await_rows(2);
    home.run(&["keys", "revoke", &key]);
    for visible in ["visible-name", "visible-agent", "visible-argument"] {
        assert!(holds(&home.path(""), visible), "{visible} is nowhere");
    }
    for part in [&key[3..15], &key[20..32], &key[43..]] {
        assert!(!holds(&home.path("data"), part), "{part}");
    }
}

/// Whether any file below the folder holds this text.
fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        // A named pipe would be waited for.
        path.is_file() && fs::read(&path).is_ok_and(|bytes| memmem::find(&bytes, text.as_bytes()).is_some())
    })
}
