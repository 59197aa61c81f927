//! What servers list: kept in the store, asked by rules, compared with the policy.
//!
//! It refuses made-up lists where a real server has one.
//!
//! Invariant: a list that a test waits for stands in the store before the test goes on.

use std::ffi::OsString;

use callgate::store::{Reader, ToolRow};
use serde_json::{Value, json};

use crate::support::home::{Home, until};
use crate::support::parts;
use crate::support::process::{McpClient, PATIENCE};

/// The tools in the store, once there are any.
fn await_tools(home: &Home) -> Vec<ToolRow> {
    let tools = || Reader::open(&home.store()).ok()?.tools().ok().filter(|tools| !tools.is_empty());
    until(PATIENCE, tools).expect("no list of tools in the store")
}

fn list(client: &mut McpClient) -> Value {
    client.request("tools/list", &json!({}))
}

fn filesystem(home: &Home, test: &str) -> Option<Vec<OsString>> {
    let node = parts::node(test)?;
    let folder = home.fresh_folder().canonicalize().unwrap();
    let server = node.server("server-filesystem").into_iter().map(OsString::from);
    Some(server.chain([folder.into_os_string()]).collect())
}

#[test]
fn a_real_servers_list_denies_what_it_calls_destructive_and_names_a_blind_rule() {
    let test = "a_real_servers_list_denies_what_it_calls_destructive_and_names_a_blind_rule";
    let home = Home::with_policy(
        "version = 1\nmode = \"enforce\"\n\
         [[rule]]\nid = \"nothing-destroyed\"\nwhen = { claimed_destructive = true }\naction = \"deny\"\n\
         [[rule]]\nid = \"blind\"\ntools = [\"write_file\", \"writ_file\"]\nwhen = { \"/pth\" = { path_under = \"/etc\" } }\naction = \"deny\"\n",
    );
    let Some(server) = filesystem(&home, test) else { return };
    let folder = server.last().unwrap().to_str().unwrap().to_owned();
    let mut client = McpClient::open(&mut home.sidecar(&["--server", "files"], &server));
    // Nothing is listed yet: the worst is assumed.
    assert_eq!(client.call("list_allowed_directories", &json!({}))["error"]["code"], -32001);
    assert!(list(&mut client)["result"]["tools"].is_array());
    assert!(client.call("list_allowed_directories", &json!({})).get("result").is_some());
    let write = json!({"path": format!("{folder}/a"), "content": ""});
    let refused = client.call("write_file", &write);
    assert_eq!(refused["error"]["data"]["ruleId"], "nothing-destroyed", "{refused}");
    let tools = await_tools(&home);
    assert!(tools.len() > 5 && tools.iter().all(|row| row.server == "files" && row.definition.is_some()));

    let told = home.run(&["policy", "check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.err.contains("`blind` is blind on `write_file` of `files`: it has no `/pth`"), "{told:?}");
    assert!(told.err.contains("did you mean `/path`?"), "{told:?}");
    assert!(told.err.contains("no tool of `files` is called `writ_file`"), "{told:?}");
    assert!(told.out.contains(&format!("known from the store: {} tools of files", tools.len())), "{told:?}");
    let check = |tool: &str| home.run(&["check", "--server", "files", "--json", "--tool", tool]).json();
    assert_eq!(check("list_allowed_directories")["decision"], "allow");
    assert_eq!(check("write_file")["decision"], "deny");
    assert_eq!(check("never_listed")["decision"], "deny");
}

#[test]
fn notes_on_known_tools_are_for_scripts_too_and_can_be_left_out() {
    let home = Home::with_policy(
        "version = 1\n[[rule]]\nid = \"r\"\ntools = \"read_file\"\nwhen = { \"/path\" = \"x\" }\naction = \"deny\"\n",
    );
    assert_eq!(home.run(&["policy", "check", "--json"]).json()["known"], json!({}));
    let (mut client, _record) = home.converse(&[]);
    list(&mut client);
    await_tools(&home);
    // The recorder's schemas tell nothing; what it is called with does.
    assert_eq!(home.run(&["policy", "check", "--json"]).json()["diagnostics"], json!([]));
    for _ in 0..3 {
        client.call("read_file", &json!({"file": "x"}));
    }
    home.await_rows(3);
    let told = home.run(&["policy", "check", "--json"]).json();
    assert_eq!(told["known"], json!({"default": 9}));
    let note = &told["diagnostics"][0];
    assert_eq!((&note["severity"], &note["line"], &note["column"]), (&json!("note"), &json!(5), &json!(10)));
    let message = note["message"].as_str().unwrap();
    assert_eq!(message, "`r` is blind on `read_file` of `default`: none of its 3 recorded calls had `/path`");
    let bare = home.run(&["policy", "check", "--json", "--no-store"]).json();
    assert_eq!((&bare["diagnostics"], &bare["known"]), (&json!([]), &json!({})));
}

#[test]
fn a_store_that_cannot_be_read_is_no_fault_of_the_policy() {
    let home = Home::with_policy("version = 1\n");
    std::fs::create_dir_all(home.store().parent().unwrap()).unwrap();
    std::fs::write(home.store(), "no database, but long enough to be looked at as one").unwrap();
    let told = home.run(&["policy", "check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains("not compared with known tools"), "{told:?}");
}
