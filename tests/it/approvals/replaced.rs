//! The store's file is taken away while people and calls wait at it.
//!
//! It refuses to start anything anew: whoever was there goes on.
//!
//! Invariant: what is asked after that is answered after that.

use std::fs;

use serde_json::json;

use super::{held, id, listed};
use crate::holds::send_call;
use crate::support::process::Piped;

#[test]
fn who_waits_goes_on_at_the_file_that_takes_its_place() {
    let (home, mut client) = held("", &json!({"path": "before"}));
    let inbox = Piped::start(&mut home.callgate(["approvals", "--watch", "--json"]));
    assert_eq!(inbox.json_line()["arguments"], json!({"path": "before"}));
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", home.store().display()));
    }
    send_call(&mut client, 101, &json!({"path": "after"}));
    let question = listed(&home, 1).remove(0);
    assert_eq!(question["arguments"], json!({"path": "after"}));
    let told = inbox.json_line();
    assert_eq!((&told["id"], &told["state"]), (&question["id"], &json!("open")));
    assert_eq!(home.run(&["approvals", "approve", &id(&question)]).code, Some(0));
    assert!(client.answer_to(&json!(101)).get("result").is_some());
    assert_eq!(inbox.json_line()["state"], "approved");
}
