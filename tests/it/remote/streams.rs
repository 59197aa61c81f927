//! Streams of events: data of several lines, resumption, polling, ends, size.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{call, client, host, kind, say};
use crate::support::home::{Home, until};
use crate::support::process::{Line, PATIENCE, peak_memory_kib};
use crate::support::web::{Heard, Reply, Web, event, text, usual};

#[test]
fn data_of_several_lines_is_one_line_for_the_host() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => {
            let id = &heard.json()["id"];
            Reply::events(format!(
                ": hello\n\ndata: {{\"jsonrpc\": \"2.0\",\r\ndata:  \"id\": {id},\rdata: \"result\": {}}}\n\n",
                text("done")
            ))
        }
        "ping" => {
            let answer = serde_json::to_string_pretty(&heard.result(&json!({}))).unwrap();
            Reply::body(200, "application/json; charset=utf-8", answer.replace('\n', "\r\n"))
        }
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
    assert_eq!(client.request("ping", &json!({}))["result"], json!({}));
}

#[test]
fn what_comes_before_the_answer_reaches_the_host_before_it() {
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
    let web = Web::start(move |heard| match heard.rpc().as_str() {
        "tools/call" => Reply::events(event(None, &progress) + &event(None, &heard.result(&text("done")))),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &call(1, "read"));
    assert_eq!(host.json_line()["method"], "notifications/progress");
    assert_eq!(host.json_line()["result"], text("done"));
}

/// Answers a call bit by bit: each stream ends before the answer, and the next goes on where it ended.
fn resumable(heard: &Heard, id: &Value, gets: &AtomicU32) -> Reply {
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": text("done")});
    match (heard.method.as_str(), heard.rpc().as_str(), heard.header("last-event-id")) {
        // 2025-11-25: an event without data to resume from, and when to come back.
        ("POST", "tools/call", _) => Reply::events("id: e-0\nretry: 10\ndata:\n\n"),
        ("GET", _, Some("e-0")) => Reply::events(event(Some("e-1"), &progress)),
        // The server is not ready, then it is.
        ("GET", _, Some("e-1")) if gets.fetch_add(1, Ordering::SeqCst) == 0 => Reply::empty(503),
        ("GET", _, Some("e-1")) => Reply::events(event(Some("e-2"), &answer)),
        _ => usual(heard),
    }
}

#[test]
fn a_stream_that_ends_before_its_answer_is_resumed_where_it_ended() {
    let gets = AtomicU32::new(0);
    let web = Web::start(move |heard| resumable(heard, &json!(2), &gets));
    let home = Home::new();
    let mut client = client(&home, &web);
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
    let ids: Vec<_> = web
        .heard()
        .into_iter()
        .filter_map(|heard| heard.header("last-event-id").map(str::to_owned))
        .collect();
    assert_eq!(ids, ["e-0", "e-1", "e-1"]);
}

#[test]
fn the_servers_own_stream_is_taken_up_again_where_it_ended() {
    let note =
        |text: &str| json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": text}});
    let (one, two) = (note("one"), note("two"));
    let web = Web::start(move |heard| match (heard.method.as_str(), heard.header("last-event-id")) {
        ("GET", None) => Reply::events(format!("retry: 10\n{}", event(Some("7"), &one))),
        ("GET", Some("7")) => Reply::open_events(event(Some("8"), &two)),
        _ => usual(heard),
    });
    let home = Home::new();
    let client = client(&home, &web);
    assert_eq!(client.server.json_line()["params"]["data"], "one");
    assert_eq!(client.server.json_line()["params"]["data"], "two");
}

#[test]
fn a_stream_without_ids_that_ends_early_is_an_error_for_its_request() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => Reply::events(": working\n\n"),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    let answer = client.call("read", &json!({}));
    assert_eq!((kind(&answer), &answer["error"]["data"]["executed"]), ("server_unreachable", &Value::Null));
    assert_eq!(web.heard().iter().filter(|heard| heard.rpc() == "tools/call").count(), 1);
}

#[test]
fn a_request_gets_one_answer_whichever_stream_it_comes_by() {
    let both_answered = AtomicU32::new(0);
    let web = Web::start(move |heard| match heard.json()["params"]["name"].as_str() {
        // Its stream ends without its answer, which another has brought.
        Some("cut") => {
            until(PATIENCE, || (both_answered.load(Ordering::SeqCst) > 0).then_some(())).unwrap();
            Reply::events(": nothing\n\n")
        }
        Some("both") => {
            let (own, other) = (heard.result(&text("own")), json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
            both_answered.fetch_add(1, Ordering::SeqCst);
            Reply::events(event(None, &other) + &event(None, &own) + &event(None, &own))
        }
        Some("late") => Reply::empty(202),
        Some("again") => {
            let late = json!({"jsonrpc": "2.0", "id": 3, "result": text("late")});
            Reply::events(event(None, &late) + &event(None, &heard.result(&text("own"))))
        }
        _ => usual(heard),
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &call(1, "cut"));
    web.await_heard("call", |heard| heard.rpc() == "tools/call");
    say(&mut host, &call(2, "both"));
    assert_eq!([host.json_line()["id"].clone(), host.json_line()["id"].clone()], [json!(1), json!(2)]);
    say(&mut host, &call(3, "late"));
    let refused = host.json_line();
    assert_eq!((&refused["id"], kind(&refused)), (&json!(3), "server_http_error"));
    say(&mut host, &call(4, "again"));
    assert_eq!(host.json_line()["id"], 4);
}

#[test]
fn a_server_killed_in_mid_stream_costs_its_requests_and_is_used_again_when_it_is_back() {
    let script = |heard: &Heard| match heard.json()["params"]["name"].as_str() {
        Some("slow") => Reply::open_events(": working\n\n"),
        _ => usual(heard),
    };
    let web = Web::start(script);
    let address = web.address();
    let home = Home::new();
    let mut client = client(&home, &web);
    client.send_raw(format!("{}\n", call(70, "slow")).as_bytes());
    web.await_heard("call", |heard| heard.rpc() == "tools/call");
    drop(web);
    let lost = client.answer_to(&json!(70));
    assert_eq!((kind(&lost), &lost["error"]["data"]["executed"]), ("server_unreachable", &Value::Null));
    let refused = client.call("read", &json!({}));
    assert_eq!(
        (kind(&refused), &refused["error"]["data"]["executed"]),
        ("server_unreachable", &json!(false))
    );
    let _web = Web::start_at(address, script);
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
}

#[test]
fn a_server_that_never_answers_can_be_told_to_stop_and_does_not_hold_the_end() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => Reply::never(),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    client.send_raw(format!("{}\n", call(70, "read")).as_bytes());
    web.await_heard("call", |heard| heard.rpc() == "tools/call");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 70}});
    say(&mut client.server, &cancel);
    web.await_heard("cancellation", |heard| heard.rpc() == "notifications/cancelled");
    client.server.close_stdin();
    let status = client.server.wait(Duration::from_secs(10));
    assert_eq!(status.unwrap().code(), Some(0), "{}", client.server.stderr());
    web.await_heard("DELETE", |heard| heard.method == "DELETE");
}

#[test]
fn a_server_that_does_not_even_answer_the_handshake_does_not_hold_the_end() {
    let web = Web::start(|_| Reply::never());
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}));
    say(&mut host, &call(1, "read"));
    web.await_heard("initialize", |heard| heard.rpc() == "initialize");
    host.close_stdin();
    assert_eq!(host.wait(Duration::from_secs(10)).unwrap().code(), Some(0));
    assert_eq!(web.heard().len(), 1);
}

#[test]
fn a_result_of_32_mebibytes_passes_whole_by_either_way() {
    let large = "x".repeat(32 << 20);
    let length = large.len();
    let web = Web::start(move |heard| match heard.json()["params"]["name"].as_str() {
        Some("json") => Reply::json(&heard.result(&text(&large))),
        Some("events") => Reply::events(event(None, &heard.result(&text(&large)))),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    for way in ["json", "events"] {
        let answer = client.call(way, &json!({}));
        assert_eq!(answer["result"]["content"][0]["text"].as_str().map(str::len), Some(length), "{way}");
    }
}

#[test]
fn a_host_that_does_not_read_makes_no_memory_grow() {
    let piece = "x".repeat(1 << 20);
    let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": piece}});
    let many = event(None, &note).repeat(200);
    let web = Web::start(move |heard| match heard.rpc().as_str() {
        "tools/call" => Reply::events(many.clone() + &event(None, &heard.result(&text("done")))),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut command = super::sidecar(&home, &web.url(), &[]);
    let mut sidecar =
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = sidecar.stdin.take().unwrap();
    writeln!(stdin, "{}", call(1, "read")).unwrap();
    web.await_heard("call", |heard| heard.rpc() == "tools/call");
    // Nobody reads; the sidecar is asked something else meanwhile, and sends it on.
    writeln!(stdin, "{}", json!({"jsonrpc": "2.0", "method": "notifications/other"})).unwrap();
    web.await_heard("notification", |heard| heard.rpc() == "notifications/other");
    let mut read = 0;
    let mut stdout = std::io::BufReader::new(sidecar.stdout.take().unwrap());
    let mut line = Vec::new();
    while read <= 200 && std::io::BufRead::read_until(&mut stdout, b'\n', &mut line).unwrap() > 0 {
        read += 1;
        line.clear();
    }
    assert_eq!(read, 201);
    let peak = peak_memory_kib(sidecar.id()).unwrap();
    assert!(peak < 128 << 10, "{peak} KiB of 200 MiB");
    drop(stdin);
    assert!(sidecar.wait().unwrap().success());
}

#[test]
fn a_batch_and_its_answer_are_one_line_each() {
    let web = Web::start(|heard| {
        let Some(asked) = heard.json().as_array().cloned() else { return usual(heard) };
        let answers = asked.iter().map(|one| json!({"jsonrpc": "2.0", "id": one["id"], "result": {}}));
        Reply::json(&answers.collect())
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    let ping = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    say(&mut host, &json!([ping(1), ping(2)]));
    let Line::Said(line) = host.line(PATIENCE) else { panic!("no answer; {}", host.stderr()) };
    let answers: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(answers[1]["id"], 2);
}
