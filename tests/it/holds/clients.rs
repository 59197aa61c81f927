//! Official clients whose calls wait for people.

use std::process::Command;
use std::thread;

use callgate::store::Decision;
use serde_json::{Value, json};

use super::{asks, await_open, desk, rule};
use crate::support::home::Home;
use crate::support::parts;
use crate::support::process::command_line;

/// Starts a client that makes one call through a sidecar before a recorder, rules as told, and gives what it tells.
fn patient(home: &Home, script: &[String], more: &Value, decision: Option<&Decision>) -> Value {
    let mut sidecar = vec![env!("CARGO_BIN_EXE_callgate").to_owned()];
    sidecar.extend(["run", "--agent", "patient", "--"].map(str::to_owned));
    sidecar.push(parts::example("recorder").to_str().unwrap().to_owned());
    let mut wish = json!({"command": sidecar, "tool": "delete_file", "arguments": {"path": "a"}});
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut command: Command = command_line(script, &[wish.to_string()]);
    home.settle(command.env("CALLGATE_RECORD", home.path("record")));
    thread::scope(|scope| {
        let told = scope.spawn(|| command.output().unwrap());
        if let Some(decision) = decision {
            let desk = desk(home);
            rule(&desk, &await_open(&desk, 1)[0].id, decision);
        }
        let output = told.join().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    })
}

#[test]
fn the_typescript_client_gets_its_result_by_progress_or_by_making_the_call_again() {
    let Some(node) =
        parts::node("the_typescript_client_gets_its_result_by_progress_or_by_making_the_call_again")
    else {
        return;
    };
    let script = node.script("clients/patient.mjs");
    let home = Home::with_policy(&asks("patience = \"300ms\""));
    let yes = Some(&Decision::Approve(None));
    let told = patient(&home, &script, &json!({"timeout": 60_000, "progress": true}), yes);
    assert_eq!(told["result"]["content"][0]["text"], "ran", "{told}");
    assert!(told["told"].as_u64().unwrap() >= 1, "{told}");
    let told = patient(&home, &script, &json!({"timeout": 60_000, "retries": 600, "pause": 50}), yes);
    assert_eq!(told["result"]["content"][0]["text"], "ran", "{told}");
    let told = patient(&home, &script, &json!({"timeout": 60_000, "progress": true}), Some(&Decision::Deny));
    assert_eq!(told["error"]["data"]["type"], "approval_denied", "{told}");
}

#[test]
fn the_python_client_gets_its_result_by_making_the_call_again() {
    let Some(python) = parts::python("the_python_client_gets_its_result_by_making_the_call_again") else {
        return;
    };
    let script = python.script("clients/patient.py");
    let home = Home::with_policy(&asks("patience = \"300ms\""));
    let again = json!({"timeout": 60, "retries": 600, "pause": 0.05});
    let told = patient(&home, &script, &again, Some(&Decision::Approve(None)));
    assert_eq!(told["result"]["content"][0]["text"], "ran", "{told}");
}

/// What a person in the host answers, and what comes of it.
const ANSWERS: [(&str, Option<&str>); 3] = [
    (r#"{"action": "accept", "content": {"approve": true}}"#, None),
    (r#"{"action": "accept", "content": {"approve": false}}"#, Some("approval_denied")),
    (r#"{"action": "decline"}"#, Some("approval_denied")),
];

fn in_host(script: &[String], timeout: u32) {
    let settings = "channels = [\"local\", \"host\"]\nhost_agents = [\"patient\"]";
    for (answer, refused) in ANSWERS {
        let home = Home::with_policy(&asks(settings));
        let answer: Value = serde_json::from_str(answer).unwrap();
        let told = patient(&home, script, &json!({"timeout": timeout, "elicitation": answer}), None);
        assert_eq!(told["error"]["data"]["type"].as_str(), refused, "{told}");
        assert_eq!(
            told["result"]["content"][0]["text"].as_str(),
            refused.is_none().then_some("ran"),
            "{told}"
        );
        let asked = told["asked"][0].as_str().unwrap();
        assert!(asked.contains("`delete_file`") && asked.contains("files do not come back"), "{asked}");
        let record = std::fs::read_to_string(home.path("record")).unwrap();
        assert!(!record.contains("approve") && !record.contains("decline"), "{record}");
    }
    // Whoever sends the form away has not ruled, and neither has anybody on a host that is not to ask.
    let home = Home::with_policy(&asks(settings));
    let away = json!({"timeout": timeout, "elicitation": {"action": "cancel"}});
    let told = patient(&home, script, &away, Some(&Decision::Deny));
    assert_eq!(told["error"]["data"]["type"], "approval_denied", "{told}");
    let home = Home::with_policy(&asks(&settings.replace("patient", "another")));
    let yes = json!({"timeout": timeout, "elicitation": {"action": "accept", "content": {"approve": true}}});
    let told = patient(&home, script, &yes, Some(&Decision::Deny));
    assert_eq!(
        (&told["error"]["data"]["type"], told["asked"].as_array().unwrap().len()),
        (&json!("approval_denied"), 0)
    );
}

#[test]
fn the_person_behind_the_typescript_client_is_asked_where_that_is_wanted() {
    let Some(node) = parts::node("the_person_behind_the_typescript_client_is_asked_where_that_is_wanted")
    else {
        return;
    };
    in_host(&node.script("clients/patient.mjs"), 60_000);
}

#[test]
fn the_person_behind_the_python_client_is_asked_where_that_is_wanted() {
    let Some(python) = parts::python("the_person_behind_the_python_client_is_asked_where_that_is_wanted")
    else {
        return;
    };
    in_host(&python.script("clients/patient.py"), 60);
}
