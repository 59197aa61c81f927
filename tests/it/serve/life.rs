//! How sessions, servers and the face end, and what many do beside each other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::Stage;
use crate::support::face::{BOTH, HttpClient, Request};
use crate::support::home::{lives, pid_in, until};
use crate::support::process::{PATIENCE, peak_memory_kib};

/// Answers initialize, then does what follows on a call.
fn server(then: &str) -> String {
    format!(
        r#"echo $$ > pid; while read -r line; do case "$line" in
*'"initialize"'*) echo '{{"jsonrpc":"2.0","id":0,"result":{{"protocolVersion":"2025-11-25","capabilities":{{}},"serverInfo":{{"name":"s","version":"1"}}}}}}';;
*'tools/call'*) {then};;
esac; done"#
    )
}

#[test]
fn a_server_that_dies_is_answered_for_and_its_session_is_gone() {
    for (mode, status) in [("enforce", 200), ("shadow", 502)] {
        let stage = Stage::script(mode, &server("exit 7"));
        let mut client = HttpClient::open(&stage.face, "one", &stage.key);
        let answer = client.call("read_file", &json!({}));
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["error"]["data"]["type"]),
            (status, &json!("server_exited")),
            "{body}"
        );
        assert_eq!((&body["id"], &body["error"]["data"]["executed"]), (&json!(1), &json!(null)));
        let gone = until(PATIENCE, || (client.call("read_file", &json!({})).status == 404).then_some(()));
        assert!(gone.is_some());
        let ended = || stage.home.await_rows(1)[0].status.clone();
        assert_eq!(until(PATIENCE, ended).as_deref(), Some("no_reply"));
    }
}

#[test]
fn ending_a_session_ends_its_server() {
    let stage = Stage::script("enforce", &server(":"));
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let pid = pid_in(&stage.home.path("pid"));
    assert!(lives(pid));
    let mut listening = stage.face.open(&client.plain("GET")).head();
    assert_eq!(stage.face.ask(&client.plain("DELETE")).status, 204);
    assert_eq!(listening.event(), None);
    assert!(until(PATIENCE, || (!lives(pid)).then_some(())).is_some());
}

#[test]
fn a_server_that_cannot_be_started_is_a_bad_gateway() {
    let stage = Stage::with("version = 1\n[servers.none]\ncommand = \"no-such-program-anywhere\"", &[]);
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    let answer = stage.face.ask(&Request::post("/mcp/none", &stage.key, &hello));
    assert_eq!(
        (answer.status, answer.json()["error"]["data"]["type"].clone()),
        (502, json!("server_unreachable"))
    );
    assert_eq!(answer.json()["id"], 0);
}

#[test]
fn the_face_ends_once_what_is_in_flight_is_answered() {
    let mut stage = Stage::script(
        "enforce",
        &server(
            "touch called; while [ ! -e go ]; do sleep 0.05; done; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}'",
        ),
    );
    let mut client = HttpClient::open(&stage.face, "one", &stage.key);
    let mut listening = stage.face.open(&client.plain("GET")).head();
    let call = stage.face.open(&client.call_request("read_file", &json!({})));
    let called = stage.home.path("called");
    assert!(until(PATIENCE, || called.exists().then_some(())).is_some());
    let pid = pid_in(&stage.home.path("pid"));
    let address = stage.face.address;
    stage.face.terminate();
    assert!(until(PATIENCE, || TcpStream::connect(address).is_err().then_some(())).is_some());
    std::fs::write(stage.home.path("go"), "").unwrap();
    let answer = call.response();
    assert_eq!((answer.status, answer.json()["id"].clone()), (200, json!(1)));
    assert_eq!(listening.event(), None);
    assert_eq!(stage.face.process.wait(PATIENCE).unwrap().code(), Some(0), "{}", stage.face.process.stderr());
    assert!(!lives(pid));
    assert_eq!(stage.home.rows()[0].status.as_deref(), Some("ok"));
}

#[test]
fn a_result_of_32_mib_arrives_whole() {
    let result = r#"printf '{"jsonrpc":"2.0","id":1,"result":{"content":"'; head -c 33554432 /dev/zero | tr '\0' e; printf '"}}\n'"#;
    for mode in ["shadow", "enforce"] {
        let stage = Stage::script(mode, &server(result));
        let mut client = HttpClient::open(&stage.face, "one", &stage.key);
        let answer = client.call("read_file", &json!({}));
        assert_eq!(answer.json()["result"]["content"].as_str().map(str::len), Some(32 << 20), "{mode}");
        let peak = peak_memory_kib(stage.face.process.pid()).unwrap();
        assert!(peak < 512 << 10, "{peak} KiB");
    }
}

#[test]
fn a_reader_that_does_not_read_holds_up_nobody_else_and_little_memory() {
    let flood = r#"i=0; while [ $i -lt 400 ]; do printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"'; head -c 262144 /dev/zero | tr '\0' e; printf '"}}\n'; i=$((i+1)); done; echo '{"jsonrpc":"2.0","id":1,"result":{}}'"#;
    let stage = Stage::script("enforce", &server(flood));
    let mut slow = HttpClient::open(&stage.face, "one", &stage.key);
    let mut flooded = stage.face.open(&slow.call_request("read_file", &json!({}))).head();
    let other = HttpClient::open(&stage.face, "one", &stage.key);
    assert_eq!(stage.face.ask(&other.plain("DELETE")).status, 204);
    let mut seen = 0;
    while let Some(event) = flooded.event() {
        seen += usize::from(event.data.contains("notifications/message"));
    }
    assert_eq!(seen, 400);
    let peak = peak_memory_kib(stage.face.process.pid()).unwrap();
    assert!(peak < 96 << 10, "{peak} KiB");
}

#[test]
fn two_hundred_sessions_do_not_hear_each_other() {
    let echo = r#"id=$(echo "$line" | sed 's/.*"word":"\([^"]*\)".*/\1/'); echo "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"word\":\"$id\"}}""#;
    let stage = Stage::script("enforce", &server(echo));
    let mut clients: Vec<HttpClient<'_>> =
        (0..200).map(|_| HttpClient::open(&stage.face, "one", &stage.key)).collect();
    let words: Vec<String> = (0..clients.len()).map(|at| format!("word-{at}")).collect();
    let asked: Vec<_> = clients
        .iter_mut()
        .zip(&words)
        .map(|(client, word)| stage.face.open(&client.call_request("read_file", &json!({"word": word}))))
        .collect();
    for (exchange, word) in asked.into_iter().zip(&words) {
        assert_eq!(exchange.response().json()["result"]["word"], **word);
    }
    let sessions: std::collections::BTreeSet<_> =
        stage.home.await_rows(200).into_iter().map(|row| row.session).collect();
    assert_eq!(sessions.len(), 200);
}

#[test]
fn a_body_that_comes_piece_by_piece_is_one_message() {
    let stage = Stage::new("enforce");
    let mut stream = TcpStream::connect(stage.face.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST /mcp/one HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nAccept: {BOTH}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        stage.face.address, stage.key
    );
    stream.write_all(head.as_bytes()).unwrap();
    let hello =
        br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    for byte in hello.chunks(7) {
        stream.write_all(format!("{:x}\r\n", byte.len()).as_bytes()).unwrap();
        stream.write_all(byte).unwrap();
        stream.write_all(b"\r\n").unwrap();
        stream.flush().unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"name\":\"recorder\""), "{answer}");
}

#[test]
fn a_server_that_does_not_agree_to_a_session_leaves_none_behind() {
    let no = r#"echo $$ > pid; read -r line; echo '{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}'; cat > /dev/null"#;
    let stage = Stage::script("enforce", no);
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    let answer = stage.face.ask(&Request::post("/mcp/one", &stage.key, &hello));
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (200, json!(-32602)));
    assert_eq!(answer.header("mcp-session-id"), None);
    let pid = pid_in(&stage.home.path("pid"));
    assert!(until(PATIENCE, || (!lives(pid)).then_some(())).is_some());
}
