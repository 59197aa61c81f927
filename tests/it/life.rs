//! The life of a sidecar and its server: how they start, what passes meanwhile, and what each learns of the other's end.
//!
//! It refuses to time anything closely: a machine that runs many tests is slow, and only orders of magnitude are kept.
//!
//! Invariant: no test leaves a process behind; each looks after those that the sidecar should have ended.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::home::{Home, Told, no_deleting, until};
use crate::support::process::{Line, McpClient, PATIENCE, Piped, peak_memory_kib};

/// A call as a line.
fn call(id: u32, tool: &str) -> Vec<u8> {
    let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    format!("{call}\n").into_bytes()
}

fn enforcing() -> Home {
    Home::with_policy(&no_deleting("enforce"))
}

#[test]
fn the_exit_code_is_the_servers() {
    for (script, code) in
        [("exit 0", 0), ("exit 7", 7), ("exec >&-; exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
    {
        let mut sidecar = enforcing().before_shell(script);
        assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(code), "{script}");
    }
}

#[test]
fn a_server_that_cannot_be_started_is_named() {
    let home = enforcing();
    let told = home.run(&["run", "--", "no-such-program-anywhere", "--flag"]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    assert!(told.err.contains("cannot start the server `no-such-program-anywhere`"), "{}", told.err);
}

#[test]
fn a_command_needs_no_dashes_and_its_flags_are_its_own() {
    let home = enforcing();
    let mut sidecar =
        Piped::start(&mut home.callgate(["run", "sh", "-c", "echo \"$0 $1\" >&2", "--json", "-n"]));
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(0));
    let told = until(PATIENCE, || sidecar.stderr().contains("--json -n\n").then_some(()));
    assert!(told.is_some(), "{}", sidecar.stderr());
}

#[test]
fn without_a_server_to_start_the_command_line_is_wrong() {
    let told = enforcing().run(&["run"]);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert!(told.err.contains("no server to start"), "{}", told.err);
}

#[test]
fn a_server_of_the_policy_file_is_started_with_its_arguments_and_environment() {
    let servers = "[servers.one]\ncommand = \"sh\"\nargs = [\"-c\", \"echo $WORD >&2; cat\"]\nenv = { WORD = \"from the file\" }\n";
    let home = Home::with_policy(&format!("version = 1\n{servers}"));
    let Told { code, err, .. } = {
        let output = home.callgate(["run"]).stdin(Stdio::null()).output().unwrap();
        Told::of(&output)
    };
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("from the file\n"), "{err}");
    home.write_policy(&format!("version = 1\n{servers}{}", servers.replace("one", "two")));
    let told = home.run(&["run"]);
    assert_eq!(told.code, Some(2));
    assert!(told.err.contains("choose one of `one`, `two`"), "{}", told.err);
}

#[test]
fn what_a_server_says_on_stderr_reaches_the_hosts_stderr_as_it_is() {
    let home = enforcing();
    let mut sidecar =
        home.before_shell("head -c 3000000 /dev/zero | tr '\\0' e >&2; printf 'last words' >&2");
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(0));
    let whole = until(PATIENCE, || sidecar.stderr().ends_with("elast words").then(|| sidecar.stderr()));
    assert_eq!(whole.map(|text| text.len()), Some(3_000_010));
}

#[test]
fn an_answer_that_comes_after_the_hosts_last_word_still_arrives() {
    for mode in ["shadow", "enforce"] {
        let home = Home::with_policy(&no_deleting(mode));
        let mut sidecar =
            home.before_shell(r#"read -r line; cat >&2; echo '{"jsonrpc":"2.0","id":1,"result":{}}'"#);
        sidecar.send(&call(1, "read_file")).unwrap();
        sidecar.close_stdin();
        assert_eq!(sidecar.json_line(), json!({"jsonrpc": "2.0", "id": 1, "result": {}}), "{mode}");
        assert_eq!(sidecar.line(PATIENCE), Line::Closed);
        assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(0));
        assert_eq!(home.rows()[0].status.as_deref(), Some("ok"), "{mode}");
    }
}

#[test]
fn a_server_that_dies_with_calls_in_flight_is_answered_for_where_frames_may_be_added() {
    let script = "read -r one; read -r two; exit 7";
    let home = enforcing();
    let mut sidecar = home.before_shell(script);
    sidecar.send(&call(1, "read_file")).unwrap();
    sidecar.send(b"{\"jsonrpc\":\"2.0\",\"id\":\"list\",\"method\":\"tools/list\"}\n").unwrap();
    for id in [json!(1), json!("list")] {
        let answer = sidecar.json_line();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(-32001)), "{answer}");
        assert_eq!(answer["error"]["data"]["type"], "server_exited");
        assert_eq!(answer["error"]["data"]["executed"], Value::Null);
        assert!(answer["error"]["message"].as_str().unwrap().contains("exit status: 7"), "{answer}");
    }
    assert_eq!(sidecar.line(PATIENCE), Line::Closed);
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(7));
    assert_eq!(home.rows()[0].status.as_deref(), Some("no_reply"));

    let home = Home::with_policy(&no_deleting("shadow"));
    let mut sidecar = home.before_shell(script);
    sidecar.send(&call(1, "delete_file")).unwrap();
    sidecar.send(b"\n").unwrap();
    assert_eq!(sidecar.line(PATIENCE), Line::Closed);
    assert_eq!(sidecar.wait(PATIENCE).unwrap().code(), Some(7));
    assert_eq!(home.rows()[0].status.as_deref(), Some("no_reply"));
}

#[test]
fn a_result_of_32_mib_passes_the_gate() {
    let home = enforcing();
    let mut sidecar = home.before_shell(
        r#"read -r line
        printf '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"'
        head -c 33554432 /dev/zero | tr '\0' x
        printf '"}]}}\n'; cat"#,
    );
    sidecar.send(&call(1, "read_file")).unwrap();
    let Line::Said(answer) = sidecar.line(PATIENCE) else { panic!("no answer: {}", sidecar.stderr()) };
    assert!(answer.len() > 32 << 20 && answer.ends_with(b"x\"}]}}\n"), "{} bytes", answer.len());
    assert_eq!(home.await_rows(1)[0].outcome.as_deref(), Some("forwarded"));
}

#[test]
fn a_host_that_reads_slowly_gets_everything_and_costs_little_memory() {
    for mode in ["shadow", "enforce"] {
        let home = Home::with_policy(&no_deleting(mode));
        // 96 MiB, in lines of 1 MiB; the mark tells that the server was stopped by the reader, not by the lack of it.
        let script = r#"line=$(head -c 1048500 /dev/zero | tr '\0' x)
            for n in $(seq 96); do printf '{"jsonrpc":"2.0","method":"n","params":{"n":%d,"x":"%s"}}\n' $n "$line"; echo $n > written; done"#;
        let mut sidecar = home.sidecar(&[], ["sh", "-c", script]);
        let mut child =
            sidecar.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let written = || std::fs::read_to_string(home.path("written")).ok()?.trim().parse::<u32>().ok();
        assert!(until(PATIENCE, || written().filter(|count| *count >= 2)).is_some());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for number in 1..=96 {
            let line = lines.next().unwrap().unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(message["params"]["n"], number, "{mode}");
            if let Some(peak) = peak_memory_kib(child.id()) {
                assert!(peak < 64 << 10, "{mode}: {peak} KiB");
            }
        }
        assert!(lines.next().is_none());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_server_that_reads_nothing_does_not_delay_a_refusal() {
    let home = enforcing();
    let mut sidecar = home.before_shell("exec tail -f /dev/null");
    let filler = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":{{\"x\":\"{}\"}}}}\n",
        "x".repeat(100_000)
    );
    for _ in 0..20 {
        sidecar.send(filler.as_bytes()).unwrap();
    }
    sidecar.send(&call(1, "delete_file")).unwrap();
    let answer = sidecar.json_line();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32001)), "{answer}");
}

#[test]
fn what_is_no_json_goes_to_people_where_frames_can_be_held_back() {
    let script = r#"echo 'Server listening'; echo '{"jsonrpc":"2.0","method":"n"}'; cat"#;
    let home = enforcing();
    let sidecar = home.before_shell(script);
    assert_eq!(sidecar.json_line(), json!({"jsonrpc": "2.0", "method": "n"}));
    let told = until(PATIENCE, || sidecar.stderr().contains("Server listening").then_some(()));
    assert!(told.is_some(), "{}", sidecar.stderr());
    home.await_notices("noise_diverted", 1);

    let sidecar = Home::with_policy(&no_deleting("shadow")).before_shell(script);
    assert_eq!(sidecar.line(PATIENCE), Line::Said(b"Server listening\n".to_vec()));
}

#[test]
fn a_thousand_calls_at_once_are_answered_each_by_its_own() {
    let home = enforcing();
    let (mut client, _record): (McpClient, _) = home.converse(&[]);
    let tools = ["read_file", "delete_file"];
    let mut stdin = client.server.take_stdin().unwrap();
    let writing = std::thread::spawn(move || {
        for id in 1_000..2_000_u32 {
            stdin.write_all(&call(id, tools[id as usize % 2])).unwrap();
        }
        stdin
    });
    let mut blocked = 0;
    for _ in 0..1_000 {
        let answer = client.server.json_line();
        let id = answer["id"].as_u64().unwrap();
        assert_eq!(answer.get("error").is_some(), id % 2 == 1, "{answer}");
        blocked += id % 2;
    }
    assert_eq!(blocked, 500);
    client.server.return_stdin(writing.join().unwrap());
    client.server.close_stdin();
    assert!(client.server.wait(PATIENCE + Duration::from_secs(1)).unwrap().success());
    let rows = home.rows();
    assert_eq!(rows.len(), 1_000);
    assert!(rows.iter().all(|row| row.status.is_some() == (row.outcome.as_deref() == Some("forwarded"))));
}
