//! Secrets that were planted wherever a call can carry one never reach a byte of the store.
//!
//! It refuses to ask the reader: the files themselves are searched, the write-ahead log among them.
//!
//! Invariant: each search is proven able to find, by something beside the secret that must be there.

use std::fs;
use std::path::PathBuf;

use memchr::memmem;
use serde_json::json;

use crate::support::home::{Home, no_deleting, until};
use crate::support::process::PATIENCE;

/// Secrets of many kinds, none of them anybody's; in two parts, so that none stands in this file.
fn secrets() -> Vec<String> {
    [
        ("ghp_", "0123456789abcdefghijABCDEFGHIJ012345"),
        ("AKIA", "ABCDEFGHIJKLMNOP"),
        ("sk_live_", "51Habcdefghijklmnop"),
        ("xoxb-", "123456789012-abcdefghij"),
        ("glpat-", "abcdefghij0123456789"),
        ("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
    ]
    .map(|(start, rest)| format!("{start}{rest}"))
    .to_vec()
}

#[test]
fn planted_secrets_reach_no_byte_of_the_store() {
    for mode in ["shadow", "enforce"] {
        let policy = no_deleting(mode)
            + "[servers.x]\ncommand = \"true\"\nenv = { DEPLOY_KEY = \"correct-horse-battery\" }\n";
        let home = Home::with_policy(&policy);
        let (mut client, _record) = home.converse(&[]);
        let mut planted =
            vec!["correct-horse-battery".to_owned(), "hunter2-hunter2".to_owned(), "tr0ub4dor".to_owned()];
        client.call("visible-tool", &json!({"password": "hunter2-hunter2", "kept": "visible-argument"}));
        client.call(
            "fetch",
            &json!({"url": "https://user:tr0ub4dor@example.com/visible-path?token=hunter2-hunter2"}),
        );
        client.call("run_shell", &json!({"command": "curl -H 'Authorization: Bearer tr0ub4dor' x"}));
        client.request("resources/read", &json!({"uri": "https://user:tr0ub4dor@example.com/x"}));
        for secret in secrets() {
            client
                .call("read_file", &json!({"text": format!("it is {secret}."), "deep": {"list": [secret]}}));
            client.call(&secret, &json!({}));
            client.call("delete_file", &json!({ secret.as_str(): "as a name" }));
            client.request("prompts/get", &json!({"name": "p", "arguments": {"a": secret}}));
            client.send_raw(
                format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{secret}\",\"id\":1,\"method\":\"{secret}\"}}\n")
                    .as_bytes(),
            );
            planted.push(secret);
        }
        home.await_rows(4 + 5 * secrets().len());
        assert_none_of(&planted, &home, mode);
        client.server.close_stdin();
        client.server.wait(PATIENCE).unwrap();
        assert_none_of(&planted, &home, mode);
    }
}

#[test]
fn what_a_server_says_on_stdout_does_not_reach_the_store() {
    let home = Home::with_policy(&no_deleting("enforce"));
    let sidecar = home.before_shell("echo 'password: hunter2-hunter2'; cat");
    home.await_notices("noise_diverted", 1);
    let told = until(PATIENCE, || sidecar.stderr().contains("hunter2-hunter2").then_some(()));
    assert!(told.is_some(), "people are not told: {}", sidecar.stderr());
    assert_eq!(find("hunter2", &home), Vec::<PathBuf>::new());
}

fn assert_none_of(planted: &[String], home: &Home, mode: &str) {
    for visible in ["visible-tool", "visible-argument", "visible-path"] {
        assert!(!find(visible, home).is_empty(), "{mode}: {visible} is nowhere");
    }
    for secret in planted {
        assert_eq!(find(secret, home), Vec::<PathBuf>::new(), "{mode}: {secret}");
    }
}

/// The files of the store that hold this text.
fn find(text: &str, home: &Home) -> Vec<PathBuf> {
    let files = fs::read_dir(home.store().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let holds =
        |file: &PathBuf| fs::read(file).is_ok_and(|bytes| memmem::find(&bytes, text.as_bytes()).is_some());
    files.filter(holds).collect()
}
