//! The audit store under many processes, sudden ends and locks of others.
//!
//! It refuses to read rows by its own SQL where the product's reader will do.
//!
//! Invariant: what reached a server is compared with what the store holds, call by call.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use callgate::store::{Filter, Reader, Verification};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::home::{Home, no_deleting, tamper, until};
use crate::support::parts;
use crate::support::process::{Line, McpClient, PATIENCE, Piped};
use crate::support::record::Record;

/// A call to a tool that is named once in a test.
fn call(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": tool, "method": "tools/call", "params": {"name": tool}}).to_string() + "\n"
}

#[test]
fn every_call_that_reached_the_server_of_a_killed_sidecar_has_its_row() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let mut reached = BTreeSet::new();
    for round in 0..30_u32 {
        let record = Record::listen(&home.fresh_folder());
        let mut command = home.sidecar(&[], [parts::example("recorder")]);
        let mut client = McpClient::open(command.env("CALLGATE_RECORD", record.path()));
        let mut stdin = client.server.take_stdin().unwrap();
        let writing = thread::spawn(move || {
            use std::io::Write;
            // Until the pipe breaks.
            for number in 0.. {
                let lines: String =
                    (0..=number % 4).map(|n| call(&format!("t{round}-{number}-{n}"))).collect();
                if stdin.write_all(lines.as_bytes()).is_err() {
                    return;
                }
            }
        });
        // A different moment in each round: so many answers have come.
        for _ in 0..(round * 7_919) % 97 {
            client.server.json_line();
        }
        client.server.kill();
        writing.join().unwrap();
        assert!(record.await_end(PATIENCE), "the server is still there");
        let bytes = record.bytes_from(0);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let messages = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        reached.extend(messages.filter_map(|message| message["params"]["name"].as_str().map(str::to_owned)));
    }
    let recorded: BTreeSet<String> = home.rows().into_iter().filter_map(|row| row.tool).collect();
    let lost: Vec<&String> = reached.difference(&recorded).collect();
    assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), reached.len());
    assert!(reached.len() > 500, "only {} calls", reached.len());
    assert!(matches!(verified(&home), Verification { faults, .. } if faults.is_empty()));
}

#[test]
fn two_sidecars_share_a_store_without_losing_a_record() {
    many_sidecars(2, 100);
}

#[test]
fn twenty_sidecars_share_a_store_without_losing_a_record() {
    many_sidecars(20, 15);
}

/// So many at once, every other one in shadow.
fn many_sidecars(sidecars: usize, calls: usize) {
    let home = Home::with_policy(&no_deleting("enforce"));
    fs::write(home.path("shadow.toml"), no_deleting("shadow")).unwrap();
    thread::scope(|scope| {
        for number in 0..sidecars {
            let home = &home;
            scope.spawn(move || {
                let agent = format!("sidecar-{number}");
                let config = if number % 2 == 0 { home.policy() } else { home.path("shadow.toml") };
                let options = ["--agent", agent.as_str(), "--config", config.to_str().unwrap()];
                let (mut client, _record) = home.converse(&options);
                for call in 0..calls {
                    let tool = if call % 3 == 0 { "delete_file" } else { "read_file" };
                    client.call(tool, &json!({"call": call}));
                }
                let filter = Filter { agent: Some(agent), ..Filter::default() };
                let own = || Reader::open(&home.store()).and_then(|reader| reader.rows(&filter));
                let all = until(PATIENCE, || own().ok().filter(|rows| rows.len() == calls));
                assert!(all.is_some(), "{:?}", own().map(|rows| rows.len()));
                client.server.close_stdin();
                assert!(client.server.wait(PATIENCE).unwrap().success());
                let told = client.server.stderr();
                assert!(!told.contains("audit"), "{told}");
            });
        }
    });
    let rows = home.rows();
    assert_eq!(rows.len(), sidecars * calls);
    let ids: BTreeSet<_> = rows.iter().map(|row| row.tool_call_id.clone().unwrap()).collect();
    assert_eq!(ids.len(), rows.len());
    assert!(rows.iter().all(|row| row.status.is_some() != (row.outcome.as_deref() == Some("blocked"))));
    assert!(home.notices().iter().all(|notice| notice.kind != "gap"), "{:?}", home.notices());
    assert!(verified(&home).faults.is_empty());
}

/// Another process that holds the store's write lock.
struct Lock(Connection);

impl Lock {
    fn hold(home: &Home) -> Self {
        let connection = Connection::open(home.store()).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    fn release(self) {
        self.0.execute_batch("COMMIT").unwrap();
    }
}

#[test]
fn in_shadow_no_call_waits_for_a_locked_store() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let (mut client, _record) = home.converse(&[]);
    client.call("read_file", &json!({}));
    home.await_rows(1);
    let lock = Lock::hold(&home);
    // That they are answered at all while the lock is held is what is tested.
    for _ in 0..100 {
        assert!(client.call("delete_file", &json!({})).get("result").is_some());
    }
    lock.release();
    let rows = home.await_rows(101);
    assert!(rows[1..].iter().all(|row| row.verdict.as_deref() == Some("deny")));
    assert!(!client.server.stderr().contains("audit"), "{}", client.server.stderr());
}

#[test]
fn under_enforce_a_call_waits_for_the_store_and_is_recorded_before_it_leaves() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, record) = home.converse(&[]);
    client.call("read_file", &json!({}));
    let lock = Lock::hold(&home);
    client.send_raw(call("echo").as_bytes());
    assert!(!record.await_bytes(b"echo", Duration::from_millis(800)), "it left without its record");
    assert_eq!(home.rows().len(), 1);
    lock.release();
    assert!(record.await_bytes(b"echo", PATIENCE));
    assert_eq!(home.rows().len(), 2, "the record comes first");
    assert!(client.answer_to(&json!("echo")).get("result").is_some());
    assert_eq!(home.rows()[1].outcome.as_deref(), Some("forwarded"));
}

#[test]
fn what_is_not_governed_does_not_wait_for_the_store() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, _record) = home.converse(&[]);
    client.call("read_file", &json!({}));
    let lock = Lock::hold(&home);
    assert!(client.request("tools/list", &json!({})).get("result").is_some());
    lock.release();
}

#[test]
fn a_store_that_stays_locked_is_a_store_that_fails() {
    for (fail_mode, code, outcome) in [
        ("open", Value::Null, "fail_open"),
        ("closed", json!(-32001), "fail_closed"),
        ("error", json!(-32603), "fail_closed"),
    ] {
        let policy = no_deleting("enforce").replacen('\n', &format!("\nfail_mode = \"{fail_mode}\"\n"), 1);
        let home = Home::with_policy(&policy);
        let (mut client, record) = home.converse(&[]);
        client.call("read_file", &json!({}));
        let lock = Lock::hold(&home);
        let answer = client.call("echo", &json!({}));
        assert_eq!(answer["error"]["code"], code, "{answer}");
        let patience = if fail_mode == "open" { PATIENCE } else { Duration::ZERO };
        assert_eq!(record.await_bytes(b"echo", patience), fail_mode == "open");
        assert_eq!(client.call("delete_file", &json!({}))["error"]["data"]["type"], "policy_denied");
        lock.release();
        let rows = home.await_rows(3);
        assert_eq!(rows[1].outcome.as_deref(), Some(outcome));
        assert_eq!(rows[2].outcome.as_deref(), Some("blocked"));
        assert!(client.server.stderr().contains(&format!("fail_mode is {fail_mode}")));
    }
}

#[test]
fn a_store_that_cannot_be_made_stops_nothing_in_shadow_and_is_said_once() {
    for (mode, fail_mode, code) in [
        ("shadow", "closed", Value::Null),
        ("enforce", "open", Value::Null),
        ("enforce", "closed", json!(-32001)),
        ("enforce", "error", json!(-32603)),
    ] {
        let home = Home::with_policy(&no_deleting(mode).replacen(
            '\n',
            &format!("\nfail_mode = \"{fail_mode}\"\n"),
            1,
        ));
        fs::write(home.path("data"), "a file where a folder should be").unwrap();
        let (mut client, _record) = home.converse(&[]);
        for _ in 0..3 {
            let answer = client.call("read_file", &json!({}));
            assert_eq!(answer["error"]["code"], code, "{mode}, {fail_mode}: {answer}");
        }
        let told =
            until(PATIENCE, || Some(client.server.stderr()).filter(|told| told.contains("audit store: ")));
        assert_eq!(told.unwrap().matches("callgate: audit store: ").count(), 1, "{}", client.server.stderr());
    }
}

#[test]
fn the_files_of_the_store_are_the_users_alone() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, _record) = home.converse(&[]);
    client.call("read_file", &json!({}));
    let files: Vec<_> =
        fs::read_dir(home.store().parent().unwrap()).unwrap().map(|entry| entry.unwrap()).collect();
    let names: BTreeSet<String> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
    assert!(
        ["audit.db", "audit.db-wal", "audit.db-shm", "audit.db.key"].iter().all(|name| names.contains(*name)),
        "{names:?}"
    );
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
}

#[test]
fn a_plain_database_shell_can_read_the_view() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let (mut client, _record) = home.converse(&[]);
    client.call("delete_file", &json!({"path": "a"}));
    let connection = Connection::open(home.store()).unwrap();
    let row: (String, String, String) = connection
        .query_row("SELECT tool, verdict, outcome FROM audit WHERE arguments ->> 'path' = 'a'", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(row, ("delete_file".into(), "deny".into(), "blocked".into()));
    let told = connection.execute("DELETE FROM events", []).unwrap_err().to_string();
    assert!(told.contains("append-only"), "{told}");
}

#[test]
fn verify_tells_whole_from_tampered_from_cut_short_from_not_to_be_told() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let told = home.run(&["audit", "verify"]);
    assert!(told.code == Some(1) && told.err.contains("there is no audit store"), "{told:?}");
    let (mut client, _record) = home.converse(&[]);
    client.call("read_file", &json!({}));
    client.call("delete_file", &json!({}));
    client.server.close_stdin();
    client.server.wait(PATIENCE).unwrap();
    let told = home.run(&["audit", "verify"]);
    assert!(told.code == Some(0) && told.out.starts_with("whole: "), "{told:?}");

    tamper(&home, "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)");
    let told = home.run(&["audit", "verify"]);
    assert!(told.code == Some(6) && told.out.contains("its last rows are gone"), "{told:?}");

    tamper(&home, "UPDATE sessions SET agent = 'somebody else'");
    let told = home.run(&["audit", "verify", "--json", "--store", home.store().to_str().unwrap()]);
    let faults = &told.json()["faults"];
    assert!(told.code == Some(5) && faults[0]["fault"] == "changed", "{told:?}");

    let key = home.store().with_extension("db.key");
    fs::remove_file(&key).unwrap();
    let told = home.run(&["audit", "verify"]);
    assert!(told.code == Some(5) && told.out.contains("the store's key is not beside it"), "{told:?}");

    for end in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{end}", home.store().display())).ok();
    }
    let (mut client, _record) = home.converse(&[]);
    client.call("read_file", &json!({}));
    client.server.close_stdin();
    client.server.wait(PATIENCE).unwrap();
    fs::remove_file(&key).unwrap();
    let told = home.run(&["audit", "verify"]);
    assert!(told.code == Some(1) && told.out.starts_with("cannot be told: "), "{told:?}");

    for end in ["-wal", "-shm"] {
        fs::remove_file(format!("{}{end}", home.store().display())).ok();
    }
    fs::write(home.store(), "").unwrap();
    let told = home.run(&["audit", "verify"]);
    assert!(told.code == Some(6) && told.err.contains("is empty"), "{told:?}");
    assert_eq!(fs::metadata(home.store()).unwrap().len(), 0, "who looks changes nothing");
}

fn verified(home: &Home) -> Verification {
    Reader::open(&home.store()).unwrap().verify().unwrap()
}

#[test]
fn nothing_is_printed_on_stdout_that_the_server_did_not_say() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let mut command = home.sidecar(&[], ["true"]);
    let mut sidecar = Piped::start(&mut command);
    assert_eq!(sidecar.line(PATIENCE), Line::Closed);
    assert!(sidecar.wait(PATIENCE).unwrap().success());
}
