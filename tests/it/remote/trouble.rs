//! What is not an answer: refusals of HTTP, redirects, wrong addresses, headers that are not there.

use serde_json::json;

use super::{call, client, host, kind, say, sidecar};
use crate::support::home::Home;
use crate::support::process::{McpClient, PATIENCE, Piped};
use crate::support::web::{Reply, Web, event, text, usual};

const SECRET: &str = "Bearer s3cret-t0ken";

#[test]
fn who_is_not_let_in_learns_how_to_pass_a_token() {
    for (status, words) in [(401, "401"), (403, "403")] {
        let web = Web::start(move |_| {
            Reply::body(status, "application/json", r#"{"error":"invalid_token"}"#)
                .with("www-authenticate", "Bearer resource_metadata=\"https://x.example/\"")
        });
        let home = Home::new();
        let mut host = host(&home, &web);
        say(&mut host, &json!({"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": {}}));
        let answer = host.json_line();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("a"), &json!(-32001)));
        assert_eq!(
            (kind(&answer), &answer["error"]["data"]["executed"]),
            ("server_unauthorized", &json!(false))
        );
        let message = answer["error"]["message"].as_str().unwrap();
        for word in [words, "OAuth", "headers_env = { Authorization = \"VAR\" }", "--header-env", "Bearer"] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}

#[test]
fn a_redirect_is_not_followed_and_told() {
    let elsewhere = Web::start(usual);
    let to = format!("{}?key=s3cret", elsewhere.url());
    let web = Web::start(move |_| Reply::empty(307).with("location", &to));
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &call(1, "read"));
    let answer = host.json_line();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(&elsewhere.url()) && message.contains("redirect"), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
    assert_eq!(kind(&answer), "server_http_error");
    assert!(elsewhere.heard().is_empty());
}

#[test]
fn an_error_of_the_server_itself_is_passed_on_as_it_is() {
    let web = Web::start(|heard| {
        let error =
            json!({"code": -32022, "message": "Unsupported protocol version", "data": {"supported": ["x"]}});
        let id = if heard.json()["id"] == 1 { json!(1) } else { json!(null) };
        let body = json!({"jsonrpc": "2.0", "id": id, "error": error});
        Reply::body(400, "application/json", body.to_string())
    });
    let home = Home::new();
    let mut host = host(&home, &web);
    for id in [1, 2] {
        say(&mut host, &json!({"jsonrpc": "2.0", "id": id, "method": "server/discover"}));
        let answer = host.json_line();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["code"], -32022);
        assert_eq!(answer["error"]["data"]["supported"][0], "x");
    }
}

#[test]
fn a_page_in_place_of_an_answer_is_an_error() {
    let web = Web::start(|_| Reply::body(200, "text/html", "<html>log in</html>"));
    let home = Home::new();
    let mut host = host(&home, &web);
    say(&mut host, &call(1, "read"));
    let answer = host.json_line();
    assert_eq!(kind(&answer), "server_http_error");
    assert!(answer["error"]["message"].as_str().unwrap().contains("`text/html`"), "{answer}");
}

#[test]
fn headers_come_from_the_environment_and_appear_nowhere() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => Reply::empty(500),
        _ => usual(heard),
    });
    let home = Home::new();
    let more = ["--header-env", "Authorization=TOKEN", "--header-env", "X-Team=TEAM"];
    let mut command = sidecar(&home, &web.url(), &more);
    let mut client = McpClient::open(command.env("TOKEN", format!("{SECRET}\n")).env("TEAM", "platform"));
    let answer = client.call("read", &json!({}));
    assert!(!answer.to_string().contains("s3cret"), "{answer}");
    client.server.close_stdin();
    assert_eq!(client.server.wait(PATIENCE).unwrap().code(), Some(0));
    assert!(!client.server.stderr().contains("s3cret"), "{}", client.server.stderr());
    for heard in web.heard() {
        assert_eq!((heard.header("authorization"), heard.header("x-team")), (Some(SECRET), Some("platform")));
    }
    for file in std::fs::read_dir(home.store().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"s3cret"));
    }
}

#[test]
fn headers_of_the_policy_file_are_sent_too() {
    let web = Web::start(usual);
    let home = Home::with_policy(&format!(
        "version = 1\n[servers.tickets]\nurl = \"{}\"\nheaders_env = {{ Authorization = \"TOKEN\" }}\n",
        web.url()
    ));
    let mut client = McpClient::open(home.callgate(["run"]).env("TOKEN", SECRET));
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
    assert!(web.heard().iter().all(|heard| heard.header("authorization") == Some(SECRET)));
    assert_eq!(home.await_rows(1)[0].server.as_deref(), Some("tickets"));
}

#[test]
fn a_header_that_cannot_be_sent_ends_the_start() {
    let home = Home::new();
    let url = "http://127.0.0.1:9/mcp";
    let run = |header: &str, value: Option<&str>| {
        let mut command = sidecar(&home, url, &["--header-env", header]);
        match value {
            Some(value) => command.env("TOKEN", value),
            None => command.env_remove("TOKEN"),
        };
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (header, value, words) in [
        ("Authorization=TOKEN", None, "`TOKEN`, which holds the header `Authorization`, is not set"),
        ("Authorization=TOKEN", Some(" "), "is empty"),
        ("Authorization=TOKEN", Some("s3cret\u{7}x"), "holds what no header may hold"),
        ("Host=TOKEN", Some("s3cret"), "`Host` is a header that callgate writes itself"),
        ("Mcp-Name=TOKEN", Some("s3cret"), "`Mcp-Name` is a header that callgate writes itself"),
        ("Authorization", Some("s3cret"), "environment variable"),
    ] {
        let (code, err) = run(header, value);
        assert_eq!(code, Some(2), "{header}: {err}");
        assert!(err.contains(words) && !err.contains("s3cret"), "{header}: {err}");
    }
}

#[test]
fn an_address_that_is_none_ends_the_start() {
    let home = Home::new();
    for url in ["ftp://a.example/", "not an address", "http://user:s3cret@a.example/"] {
        let told = home.run(&["run", "--url", url]);
        assert_eq!(told.code, Some(2), "{url}: {}", told.err);
        assert!(told.err.contains("the server's url") && !told.err.contains("s3cret"), "{}", told.err);
    }
}

#[test]
fn loopback_is_never_reached_through_a_proxy() {
    let proxy = Web::start(|_| Reply::empty(502));
    let web = Web::start(usual);
    let home = Home::new();
    let mut command = sidecar(&home, &web.url(), &[]);
    let proxy_url = format!("http://{}", proxy.address());
    let mut client = McpClient::open(command.env("HTTP_PROXY", &proxy_url).env("http_proxy", &proxy_url));
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
    assert!(proxy.heard().is_empty());
}

#[test]
fn other_servers_are_reached_through_the_proxy_of_the_environment() {
    let proxy = Web::start(usual);
    let home = Home::new();
    let mut command = sidecar(&home, "http://tickets.example/mcp", &[]);
    let mut client = McpClient::open(command.env("http_proxy", format!("http://{}", proxy.address())));
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
    assert_eq!(proxy.heard()[0].path, "http://tickets.example/mcp");
}

#[test]
fn https_is_trusted_by_the_roots_of_the_system_alone() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let web = Web::start_tls(made.cert.der().clone(), key.into(), usual);
    let url = format!("https://localhost:{}/mcp", web.address().port());
    let home = Home::new();
    let roots = home.path("roots.pem");
    std::fs::write(&roots, made.cert.pem()).unwrap();
    let mut client = McpClient::open(sidecar(&home, &url, &[]).env("SSL_CERT_FILE", &roots));
    assert_eq!(client.call("read", &json!({}))["result"], text("done"));
    let others = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&roots, others.cert.pem()).unwrap();
    let mut stranger = Piped::start(sidecar(&home, &url, &[]).env("SSL_CERT_FILE", &roots));
    say(&mut stranger, &call(1, "read"));
    let answer = stranger.json_line();
    assert_eq!((kind(&answer), &answer["error"]["data"]["executed"]), ("server_unreachable", &json!(false)));
    assert!(answer["error"]["message"].as_str().unwrap().contains("certificate"), "{answer}");
}

/// A server of 2024-11-05 that names this address for messages.
fn legacy(endpoint: &'static str) -> Web {
    Web::start(move |heard| match heard.method.as_str() {
        "GET" => Reply::open_events(format!("event: endpoint\ndata: {endpoint}\n\n")),
        _ => usual(heard),
    })
}

fn legacy_host(home: &Home, web: &Web) -> Piped {
    Piped::start(&mut sidecar(home, &web.url(), &["--transport", "sse"]))
}

#[test]
fn messages_are_not_sent_to_another_origin() {
    let web = legacy("http://evil.example/messages?key=s3cret");
    let home = Home::new();
    let mut host = legacy_host(&home, &web);
    say(&mut host, &call(1, "read"));
    let answer = host.json_line();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("http://evil.example,") && message.contains("another origin"), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
    assert!(web.heard().iter().all(|heard| heard.method == "GET"));
}

#[test]
fn messages_go_where_the_stream_says_in_order_and_answers_come_by_it() {
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": text("done")});
    let events = format!("event: endpoint\ndata: /messages?id=1\n\n{}", event(None, &answer));
    let web = Web::start(move |heard| match heard.method.as_str() {
        "GET" => Reply::open_events(events.clone()),
        _ => Reply::empty(202),
    });
    let home = Home::new();
    let mut host = legacy_host(&home, &web);
    let note = |text: &str| json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"t": text}});
    for message in [note("a"), note("b"), note("c")] {
        say(&mut host, &message);
    }
    assert_eq!(host.json_line()["result"], text("done"));
    web.await_heard("third", |heard| heard.json()["params"]["t"] == "c");
    let posts: Vec<_> = web.heard().into_iter().filter(|heard| heard.method == "POST").collect();
    let said: Vec<_> = posts.iter().map(|heard| heard.json()["params"]["t"].clone()).collect();
    assert_eq!(said, ["a", "b", "c"]);
    assert!(posts.iter().all(|heard| heard.path == "/messages?id=1"));
    host.close_stdin();
    assert_eq!(host.wait(PATIENCE).unwrap().code(), Some(0));
}

#[test]
fn a_legacy_stream_that_is_lost_costs_what_is_pending() {
    let web = legacy("/messages");
    let home = Home::new();
    let mut host = legacy_host(&home, &web);
    say(&mut host, &call(1, "read"));
    web.await_heard("call", |heard| heard.rpc() == "tools/call");
    drop(web);
    let answer = host.json_line();
    assert_eq!((&answer["id"], kind(&answer)), (&json!(1), "server_unreachable"));
    say(&mut host, &call(2, "read"));
    let answer = host.json_line();
    assert_eq!((&answer["id"], kind(&answer)), (&json!(2), "server_unreachable"));
}

#[test]
fn an_unreachable_server_is_an_error_for_each_request_and_no_end() {
    let home = Home::new();
    let web = Web::start(usual);
    let mut host = host(&home, &web);
    drop(web);
    for id in 1..3 {
        say(&mut host, &call(id, "read"));
        let answer = host.json_line();
        assert_eq!((&answer["id"], kind(&answer)), (&json!(id), "server_unreachable"));
        assert_eq!(answer["error"]["data"]["executed"], false);
    }
    host.close_stdin();
    assert_eq!(host.wait(PATIENCE).unwrap().code(), Some(0));
}

#[test]
fn a_client_keeps_its_handshake_when_only_calls_fail() {
    let web = Web::start(|heard| match heard.rpc().as_str() {
        "tools/call" => Reply::body(502, "text/plain", "bad gateway"),
        _ => usual(heard),
    });
    let home = Home::new();
    let mut client = client(&home, &web);
    assert_eq!(kind(&client.call("read", &json!({}))), "server_http_error");
    assert_eq!(client.request("ping", &json!({}))["result"], json!({}));
}
