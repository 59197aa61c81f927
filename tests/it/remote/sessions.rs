//! Sessions of 2025-03-26 to 2025-11-25: their headers, their loss, their end.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::{call, client, host, kind, say};
use crate::support::home::{Home, no_deleting};
use crate::support::process::{Line, PATIENCE};
use crate::support::web::{Heard, Reply, Web, event, text, usual};

#[test]
fn a_call_passes_both_ways_and_the_session_is_deleted_at_the_end() {
    let web = Web::start(usual);
    let home = Home::with_policy(&no_deleting("enforce"));
    let mut client = client(&home, &web);
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
    let refused = client.call("delete_file", &json!({}));
    assert_eq!(kind(&refused), "policy_denied", "{refused}");
    client.server.close_stdin();
    assert_eq!(client.server.wait(PATIENCE).unwrap().code(), Some(0), "{}", client.server.stderr());
    let deleted = web.await_heard("DELETE", |heard| heard.method == "DELETE");
    assert_eq!(deleted.header("mcp-session-id"), Some("s-1"));
    let heard = web.heard();
    assert!(heard.iter().all(|heard| !heard.body.windows(6).any(|window| window == b"delete")), "{heard:#?}");
    assert_eq!(home.rows().len(), 2);
}

#[test]
fn what_follows_the_handshake_names_session_and_revision() {
    let web = Web::start(usual);
    let home = Home::new();
    let mut client = client(&home, &web);
    client.call("read", &json!({}));
    web.await_heard("GET", |heard| heard.method == "GET");
    let heard = web.heard();
    let first = &heard[0];
    assert_eq!(first.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!((first.header("mcp-session-id"), first.header("mcp-protocol-version")), (None, None));
    let order: Vec<String> = heard.iter().filter(|one| one.method == "POST").map(Heard::rpc).collect();
    assert_eq!(order, ["initialize", "notifications/initialized", "tools/call"]);
    for later in &heard[1..] {
        assert_eq!(later.header("mcp-session-id"), Some("s-1"), "{later:?}");
        assert_eq!(later.header("mcp-protocol-version"), Some("2025-11-25"), "{later:?}");
    }
}

#[test]
fn messages_wait_for_the_answer_to_initialize() {
    let web = Web::start(usual);
    let home = Home::new();
    let mut host = host(&home, &web);
    // All at once, as a host that does not wait would have it.
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    host.send(format!("{hello}\n{ready}\n{}\n", call(1, "read")).as_bytes()).unwrap();
    assert_eq!(host.json_line()["id"], 0);
    assert_eq!(host.json_line()["id"], 1);
    let posts = web.heard().into_iter().filter(|heard| heard.method == "POST");
    let posts: Vec<_> = posts.map(|heard| (heard.rpc(), heard.header("mcp-session-id").is_some())).collect();
    let expected = [("initialize", false), ("notifications/initialized", true), ("tools/call", true)];
    assert_eq!(posts, expected.map(|(method, session)| (method.to_owned(), session)));
}

/// A server that gives each handshake another session, and knows only the last.
fn forgetful(status: u16, words: &'static str) -> Web {
    let (opened, calls) = (AtomicU32::new(0), AtomicU32::new(0));
    Web::start(move |heard| {
        if heard.rpc() == "initialize" {
            let session = format!("s-{}", opened.fetch_add(1, Ordering::SeqCst) + 1);
            let body = heard.result(&json!({"protocolVersion": "2025-11-25", "capabilities": {}}));
            return Reply::json(&body).with("mcp-session-id", &session);
        }
        let known = format!("s-{}", opened.load(Ordering::SeqCst));
        // After the first call the server starts anew.
        let forgotten = heard.rpc() == "tools/call" && calls.fetch_add(1, Ordering::SeqCst) == 1;
        if forgotten || heard.header("mcp-session-id") != Some(&known) {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": words}});
            return Reply::body(status, "application/json", error.to_string());
        }
        usual(heard)
    })
}

#[test]
fn a_session_that_the_server_forgot_is_opened_again_once_and_the_call_repeated() {
    for (status, words) in [(404, "Session not found"), (400, "Bad Request: No valid session ID provided")] {
        let web = forgetful(status, words);
        let home = Home::new();
        let mut client = client(&home, &web);
        assert_eq!(client.call("read", &json!({}))["result"], text("done"));
        assert_eq!(client.call("read", &json!({}))["result"], text("done"));
        let posts = web.heard().into_iter().filter(|heard| heard.method == "POST");
        let posts: Vec<_> =
            posts.map(|heard| (heard.rpc(), heard.header("mcp-session-id").map(str::to_owned))).collect();
        let of = |method: &str, session: Option<&str>| (method.to_owned(), session.map(str::to_owned));
        assert_eq!(
            posts,
            [
                of("initialize", None),
                of("notifications/initialized", Some("s-1")),
                of("tools/call", Some("s-1")),
                of("tools/call", Some("s-1")),
                of("initialize", None),
                of("notifications/initialized", Some("s-2")),
                of("tools/call", Some("s-2")),
            ]
        );
        let handshakes: Vec<_> =
            web.heard().into_iter().filter(|heard| heard.rpc() == "initialize").collect();
        assert_eq!(handshakes[0].body, handshakes[1].body);
        // The answer to the second handshake is not for the host.
        client.send_raw(b"{\"jsonrpc\":\"2.0\",\"id\":\"end\",\"method\":\"ping\"}\n");
        let Line::Said(next) = client.server.line(PATIENCE) else { panic!("no answer") };
        assert!(String::from_utf8_lossy(&next).contains("\"end\""), "{next:?}");
    }
}

#[test]
fn a_session_that_is_lost_over_and_over_is_given_up() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => Reply::empty(404),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    let answer = client.call("read", &json!({}));
    assert_eq!((kind(&answer), &answer["error"]["data"]["executed"]), ("server_http_error", &json!(false)));
    let count = |method: &str| web.heard().iter().filter(|heard| heard.rpc() == method).count();
    assert_eq!((count("initialize"), count("tools/call")), (2, 2));
}

#[test]
fn a_method_that_the_server_does_not_know_is_no_lost_session() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => {
            let error = json!({"code": -32601, "message": "Method not found"});
            let body = json!({"jsonrpc": "2.0", "id": heard.json()["id"], "error": error});
            Reply::body(404, "application/json", body.to_string())
        }
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    assert_eq!(client.call("read", &json!({}))["error"]["code"], -32601);
    assert_eq!(web.heard().iter().filter(|heard| heard.rpc() == "initialize").count(), 1);
}

#[test]
fn the_server_asks_by_its_own_stream_and_the_answer_is_sent() {
    let asking = json!({"jsonrpc": "2.0", "id": "ask", "method": "roots/list"});
    let web = Web::start(move |heard| match heard.method.as_str() {
        "GET" => Reply::open_events(event(None, &asking)),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    // The client answers while it waits for an answer of its own.
    let got = web.await_heard("GET", |heard| heard.method == "GET");
    assert_eq!(got.header("accept"), Some("text/event-stream"));
    assert_eq!(got.header("mcp-session-id"), Some("s-1"));
    let Line::Said(asked) = client.server.line(PATIENCE) else { panic!("it is not asked") };
    assert!(String::from_utf8_lossy(&asked).contains("roots/list"));
    say(&mut client.server, &json!({"jsonrpc": "2.0", "id": "ask", "result": {"roots": []}}));
    web.await_heard("answer", |heard| heard.json()["result"]["roots"].is_array());
}
