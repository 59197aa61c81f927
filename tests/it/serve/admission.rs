//! Who comes in: names, keys, scopes, shapes of requests.

use std::io::{Read, Write};
use std::net::TcpStream;

use callgate::store::{Keys, Scope};
use serde_json::{Value, json};

use super::Stage;
use crate::support::face::{Face, HttpClient, Request, key};
use crate::support::home::{Home, Told, no_deleting};
use crate::support::process::PATIENCE;

fn hello() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}})
}

/// Refused with this status and kind, for a reason that is told.
fn refused(stage: &Stage, request: &Request, status: u16, kind: &str) {
    let response = stage.face.ask(request);
    assert_eq!(response.status, status, "{request:?}: {response:?}");
    let body = response.json();
    assert_eq!(body["error"]["data"]["type"], kind, "{request:?}: {body}");
    assert!(body["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{body}");
    assert!(response.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{response:?}");
}

/// What has reached the server once it has answered, and so has taken everything before.
fn settled(stage: &Stage, client: &HttpClient<'_>) -> String {
    let ping = client.message(&json!({"jsonrpc": "2.0", "id": "settled", "method": "ping"}));
    assert_eq!(stage.face.ask(&ping).status, 200);
    stage.reached()
}

#[test]
fn requests_of_others_are_refused_and_recorded_and_reach_nothing() {
    let stage = Stage::new("enforce");
    let request = Request::post("/mcp/one", &stage.key, &hello());
    let port = stage.face.address.port();
    refused(&stage, &request.clone().with("Host", &format!("evil.example:{port}")), 403, "host_not_allowed");
    refused(&stage, &request.clone().with("Host", "localhost"), 403, "host_not_allowed");
    refused(&stage, &request.clone().with("Origin", "http://evil.example"), 403, "origin_not_allowed");
    refused(&stage, &request.clone().with("Origin", "null"), 403, "origin_not_allowed");
    refused(&stage, &request.clone().without("Authorization"), 401, "key_required");
    refused(&stage, &request.clone().with("Authorization", "Bearer cg_wrong"), 401, "key_required");
    refused(
        &stage,
        &request.clone().with("Authorization", &format!("Basic {}", stage.key)),
        401,
        "key_required",
    );
    refused(
        &stage,
        &Request::new("OPTIONS", "/mcp/one").with("Origin", &format!("http://localhost:{port}")),
        405,
        "method_not_allowed",
    );
    refused(&stage, &Request::post("/mcp/two", &stage.key, &hello()), 404, "not_found");
    for kind in ["host_not_allowed", "origin_not_allowed", "key_required", "method_not_allowed", "not_found"]
    {
        let told = stage.home.await_notices("request_refused", 9);
        assert!(
            told.iter().any(|notice| notice.text.as_deref().is_some_and(|text| text.starts_with(kind))),
            "{kind}: {told:#?}"
        );
        assert!(
            told.iter().all(|notice| !notice.text.as_deref().unwrap_or_default().contains(&stage.key)),
            "{told:#?}"
        );
    }
    assert_eq!((stage.reached().as_str(), stage.home.rows().len()), ("", 0));
    shown_by_log_and_tail(&stage.home);
}

/// People see them unasked; programs, which know the columns of calls, have to ask for them; who asks for calls has none.
fn shown_by_log_and_tail(home: &Home) {
    for command in [&["log"][..], &["tail", "--no-follow", "-n", "50"]] {
        let told = home.run(command);
        assert_eq!(told.out.matches("REFUSED      (http)  ").count(), 9, "{told:?}");
        assert_eq!(home.run(&[command, &["--json"]].concat()).out, "");
        let lines =
            home.run(&[command, &["--json", "--notices", "--server", "(http)"]].concat()).json_lines();
        assert_eq!((lines.len(), &lines[8]["notice"]), (9, &json!("request_refused")), "{lines:#?}");
        for about_calls in [["--verdict", "deny"], ["--tool", "*"], ["--server", "one"]] {
            assert_eq!(
                home.run(&[command, &about_calls[..], &["--notices"]].concat()).out,
                "",
                "{about_calls:?}"
            );
        }
    }
}

#[test]
fn a_missing_key_is_asked_for_by_name() {
    let stage = Stage::new("shadow");
    let response = stage.face.ask(&Request::post("/mcp/one", &stage.key, &hello()).without("Authorization"));
    assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    assert!(
        response.json()["error"]["message"].as_str().unwrap().contains("callgate keys add"),
        "{response:?}"
    );
}

#[test]
fn names_of_this_machine_and_allowed_ones_come_in() {
    let stage = Stage::with(
        &no_deleting("shadow"),
        &["--allow-host", "gate.example", "--allow-origin", "https://app.example"],
    );
    let port = stage.face.address.port();
    let request = Request::post("/mcp/one", &stage.key, &hello());
    for host in [format!("localhost:{port}"), format!("[::1]:{port}"), "gate.example".to_owned()] {
        assert_eq!(stage.face.ask(&request.clone().with("Host", &host)).status, 200, "{host}");
    }
    for origin in [format!("http://localhost:{port}"), "https://app.example".to_owned()] {
        let response = stage.face.ask(&request.clone().with("Origin", &origin));
        assert_eq!(response.status, 200, "{origin}");
        assert!(response.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{response:?}");
    }
}

#[test]
fn a_request_has_the_shape_that_the_transport_asks_for() {
    let stage = Stage::new("enforce");
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let ping = client.message(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"}));
    let before = settled(&stage, &client);
    refused(&stage, &ping.clone().with("Content-Type", "text/plain"), 415, "unsupported_media_type");
    refused(&stage, &ping.clone().with("Accept", "application/json"), 406, "not_acceptable");
    refused(
        &stage,
        &ping.clone().with("MCP-Protocol-Version", "1999-01-01"),
        400,
        "unsupported_protocol_version",
    );
    refused(&stage, &ping.clone().without("Mcp-Session-Id"), 400, "session_required");
    refused(&stage, &ping.clone().with("Mcp-Session-Id", "unknown"), 404, "session_not_found");
    refused(&stage, &client.bytes(b" \n"), 400, "body_empty");
    refused(&stage, &client.plain("PUT"), 405, "method_not_allowed");
    refused(&stage, &client.plain("GET").with("Accept", "application/json"), 406, "not_acceptable");
    refused(&stage, &client.plain("GET").without("Mcp-Session-Id"), 405, "method_not_allowed");
    refused(&stage, &client.plain("DELETE").without("Mcp-Session-Id"), 405, "method_not_allowed");
    refused(&stage, &client.plain("GET").with("Last-Event-ID", "77-3"), 400, "event_not_found");
    assert_eq!(stage.reached(), before);
    assert_eq!(stage.face.ask(&ping).status, 200);
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let stage = Stage::with(&format!("max_frame = \"64KiB\"\n{}", no_deleting("shadow")), &[]);
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let before = settled(&stage, &client);
    refused(&stage, &client.bytes(&vec![b' '; (64 << 10) + 1]), 413, "too_large");
    refused(&stage, &client.bytes(b"{").with("Content-Length", "99999999999"), 413, "too_large");
    assert_eq!(stage.reached(), before);
}

#[test]
fn headers_without_end_are_refused() {
    let stage = Stage::new("shadow");
    let many =
        (0..200).fold(Request::new("GET", "/healthz"), |request, at| request.and(&format!("X-{at}"), "1"));
    assert_eq!(stage.face.ask(&many).status, 431);
    assert_eq!(stage.face.ask(&Request::new("GET", "/healthz")).status, 200);
}

#[test]
fn connections_on_which_nothing_is_asked_end_and_one_that_listens_stays() {
    let stage = Stage::new("shadow");
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let mut listening = stage.face.open(&client.plain("GET")).head();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let silent = [b"".as_slice(), b"P", preface].map(|begin| {
        let mut stream = TcpStream::connect(stage.face.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(begin).unwrap();
        stream
    });
    for mut stream in silent {
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    let spoken = listening.piece().zip(listening.piece()).zip(listening.piece());
    assert!(spoken.is_some(), "it is told every fifteen seconds that we are alive");
}

#[test]
fn a_flood_of_refusals_is_counted_and_not_written_out() {
    let mut stage = Stage::new("shadow");
    let request = Request::post("/mcp/one", &stage.key, &hello()).with("Host", "evil.example");
    (0..40).for_each(|_| assert_eq!(stage.face.ask(&request).status, 403));
    stage.face.terminate();
    assert!(stage.face.process.wait(crate::support::process::PATIENCE).unwrap().success());
    let told = stage.home.await_notices("request_refused", 11);
    assert_eq!(told.len(), 11, "{told:#?}");
    assert!(told[10].text.as_deref().unwrap().contains("30 more"), "{told:#?}");
}

#[test]
fn a_key_is_good_for_its_scopes_until_it_is_revoked() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let check = key(&home, "checker", None, &[Scope::Check]);
    let call = key(&home, "caller", None, &[Scope::Call]);
    let face = Face::start(&home, &[]);
    assert_eq!(face.ask(&Request::post("/mcp/one", &check, &hello())).status, 403);
    assert_eq!(face.ask(&Request::post("/v1/check", &call, &json!({}))).status, 403);
    assert_eq!(face.ask(&Request::post("/api/v1/agents/x", &call, &json!({}))).status, 403);
    assert_eq!(face.ask(&Request::post("/mcp/one", &call, &hello())).status, 404);
    Keys::open(&home.store()).unwrap().revoke("caller").unwrap();
    assert_eq!(face.ask(&Request::post("/mcp/one", &call, &hello())).status, 401);
}

#[test]
fn the_face_does_not_open_to_everybody() {
    let home = Home::with_policy(&no_deleting("shadow"));
    let told = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.err.contains("callgate keys add"), "{told:?}");
    key(&home, "caller", None, &[Scope::Call]);
    let Told { code, err, .. } = home.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--tls-cert") && err.contains("--allow-plaintext"), "{err}");
}

#[test]
fn what_could_let_nobody_in_is_wrong_usage() {
    for wrong in [
        ["--allow-host", "http://gate.example"],
        ["--allow-origin", "app.example"],
        ["--listen", "localhost:0"],
    ] {
        let told = Home::new().run(&[&["serve"], &wrong[..]].concat());
        assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{told:?}");
        assert!(told.err.contains("such as"), "{told:?}");
    }
}
