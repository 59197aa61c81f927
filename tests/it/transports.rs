//! One conversation over every transport and in both eras: the same answers, the same verdicts, the same record.
//!
//! It refuses to know what a transport does: it compares what the client heard, what the server was asked, and what
//! stands in the store.
//!
//! Invariant: every way begins with a server, a home and a store of its own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use callgate::store::{AuditRow, Scope};
use regex::Regex;
use serde_json::{Value, json};

use crate::support::face::{Face, key};
use crate::support::home::{Home, Told, until};
use crate::support::parts::{self, Modern};
use crate::support::process::{Line, PATIENCE, Piped, command_line};
use crate::support::serving::Listening;

/// One conversation: up to three processes and a dozen calls, on a machine that is busy with other tests.
const CONVERSATION_TIME: Duration = Duration::from_mins(2);

/// A rule for each governed method of a client.
const RULES: &str = r#"
[[rule]]
id = "no-deleting"
tools = ["delete_file"]
action = "deny"

[[rule]]
id = "no-secrets"
methods = ["resources/read"]
tools = ["vault://*"]
action = "deny"

[[rule]]
id = "no-leaks"
methods = ["prompts/get"]
tools = ["leak"]
action = "deny"
"#;

/// The steps that [`RULES`] deny, by method and name.
const DENIED: [(&str, &str); 3] =
    [("tools/call", "delete_file"), ("resources/read", "vault://two"), ("prompts/get", "leak")];

#[test]
fn the_typescript_client_hears_the_same_over_every_transport() {
    let test = "the_typescript_client_hears_the_same_over_every_transport";
    let Some(modern) = parts::modern(test) else { return };
    let client = Client { words: modern.script("clients/conversation.mjs"), sdk: 1 };
    compare(&client, &talk_ways(&modern), &talk_steps());
}

#[test]
fn the_python_client_hears_the_same_over_every_transport() {
    let test = "the_python_client_hears_the_same_over_every_transport";
    let (Some(modern), Some(python)) = (parts::modern(test), parts::python(test)) else { return };
    let client = Client { words: python.script("clients/conversation.py"), sdk: 1 };
    compare(&client, &talk_ways(&modern), &talk_steps());
}

#[test]
fn the_client_of_2026_07_28_hears_the_same_over_every_transport() {
    let test = "the_client_of_2026_07_28_hears_the_same_over_every_transport";
    let Some(modern) = parts::modern(test) else { return };
    let client = Client { words: modern.script("clients/conversation.mjs"), sdk: 2 };
    let servers = [Server::Child(talk(&modern, "stdio")), Server::Http(talk(&modern, "modern"))];
    compare(&client, &ways(&servers), &talk_steps());
}

#[test]
fn the_rust_sdk_server_is_heard_the_same_over_every_transport_in_both_eras() {
    let test = "the_rust_sdk_server_is_heard_the_same_over_every_transport_in_both_eras";
    let Some(modern) = parts::modern(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "eins – one\n").unwrap();
    let server = |more: &[&str]| {
        let folder = folder.path().to_str().unwrap();
        let program = parts::example("rmcp-server").to_str().unwrap().to_owned();
        [&[program.as_str(), folder], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let ways = ways(&[Server::Child(server(&[])), Server::Http(server(&["--listen"]))]);
    let steps = json!([
        ["tools/list"],
        ["tools/call", "echo", {"text": "una frase \u{2028} e \u{1f980}"}],
        ["tools/call", "read_file", {"path": "a"}],
        ["tools/call", "add", {"a": "forty", "b": 2}],
        ["tools/call", "no_such_tool", {}],
        ["tools/call", "delete_file", {"path": "none"}],
    ]);
    for sdk in [1, 2] {
        let client = Client { words: modern.script("clients/conversation.mjs"), sdk };
        compare(&client, &ways, &steps);
    }
}

#[test]
fn the_inspector_lists_and_calls_through_serve() {
    let Some(modern) = parts::modern("the_inspector_lists_and_calls_through_serve") else { return };
    let home = Home::with_policy(&policy("enforce", &child_table(&talk(&modern, "stdio"))));
    let authorization = format!("Authorization: Bearer {}", key(&home, "inspector", None, &[Scope::Call]));
    let face = Face::start(&home, &[]);
    let endpoint = format!("{}/mcp/it", face.url());
    let inspect = |more: &[&str]| {
        let words = modern.package("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
        let options = ["--cli", &endpoint, "--transport", "http", "--header", &authorization, "--method"];
        let mut command = command_line(&words, &options);
        home.settle(command.args(more));
        Told::of(&command.output().unwrap())
    };
    let listed = inspect(&["tools/list"]).json();
    assert_eq!(listed["tools"][0]["name"], "echo", "{listed}");
    let called = inspect(&["tools/call", "--tool-name", "echo", "--tool-arg", "text=caf\u{e9}"]).json();
    assert_eq!(called["content"][0]["text"], "caf\u{e9}", "{called}");
    let denied = inspect(&["tools/call", "--tool-name", "delete_file", "--tool-arg", "path=a"]);
    assert!(
        denied.code != Some(0) && (denied.out + &denied.err).contains("Blocked by policy"),
        "{}",
        denied.err
    );
}

/// How the client reaches callgate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// As the command of its server.
    Run,
    /// Over HTTP.
    Serve,
}

/// How callgate reaches the server, with the server's command.
#[derive(Clone, Debug)]
enum Server {
    Child(Vec<String>),
    Http(Vec<String>),
    Sse(Vec<String>),
}

/// One way from client to server.
#[derive(Clone, Debug)]
struct Way {
    door: Door,
    server: Server,
}

/// The command of a client, and which of its SDKs it is to use.
struct Client {
    words: Vec<String>,
    sdk: u8,
}

/// What came of a conversation.
#[derive(Debug)]
struct Conversed {
    /// One member for each step; what initialize brought is left out, for it tells of the server's SDK.
    answers: Vec<Value>,
    /// What the server was asked, one line each; empty where the server keeps no log.
    asked: Vec<String>,
    /// What stands in the store of the governed steps: method, name, verdict, outcome, rule, status.
    rows: Vec<[Option<String>; 6]>,
}

fn talk(modern: &Modern, way: &str) -> Vec<String> {
    [modern.script("servers/talk.mjs"), vec![way.to_owned()]].concat()
}

/// All ways to the talking server in the revisions before 2026-07-28.
fn talk_ways(modern: &Modern) -> Vec<Way> {
    let [child, http, sse] = ["stdio", "http", "sse"].map(|way| talk(modern, way));
    ways(&[Server::Child(child), Server::Http(http), Server::Sse(sse)])
}

/// Through both doors to each of the servers.
fn ways(servers: &[Server]) -> Vec<Way> {
    let through = |door| servers.iter().cloned().map(move |server| Way { door, server });
    [Door::Run, Door::Serve].into_iter().flat_map(through).collect()
}

fn talk_steps() -> Value {
    json!([
        ["tools/list"],
        ["tools/call", "echo", {"text": "caf\u{e9} \u{1f980} \u{2028} \"quoted\" \\ \u{0} \r\n"}],
        ["tools/call", "delete_file", {"path": "a"}],
        ["resources/list"],
        ["resources/read", "note://one"],
        ["resources/read", "vault://two"],
        ["resources/read", "note://none"],
        ["prompts/list"],
        ["prompts/get", "greet", {"name": "Ada"}],
        ["prompts/get", "leak", {}],
        ["tools/call", "fail", {}],
        ["tools/call", "no_such_tool", {}],
        ["tools/call", "big", {"bytes": 3_000_000}],
    ])
}

/// Leads the conversation every way, under enforce and in shadow, and expects the same of all.
fn compare(client: &Client, ways: &[Way], steps: &Value) {
    let steps = steps.as_array().unwrap();
    for mode in ["enforce", "shadow"] {
        let mut first: Option<Conversed> = None;
        for way in ways {
            let conversed = converse(client, way, mode, steps);
            assert_fates(&conversed, mode, steps, way);
            let Some(first) = &first else {
                first = Some(conversed);
                continue;
            };
            assert_eq!(conversed.answers, first.answers, "{mode}, {way:?}");
            assert_eq!(conversed.rows, first.rows, "{mode}, {way:?}");
        }
    }
}

/// What is denied is refused and never asked of the server; everything else is neither.
fn assert_fates(conversed: &Conversed, mode: &str, steps: &[Value], way: &Way) {
    assert_eq!(conversed.answers.len(), steps.len(), "{mode}, {way:?}: {conversed:?}");
    for (step, answer) in steps.iter().zip(&conversed.answers) {
        let refused = answer["error"]["code"] == -32001;
        assert_eq!(refused, mode == "enforce" && denied(step), "{mode}, {way:?}, {step}: {answer}");
    }
    let asked = |step: &&Value| mode == "shadow" || !denied(step);
    let asked: Vec<String> = steps.iter().filter(asked).map(line_of).collect();
    assert!(conversed.asked.is_empty() || conversed.asked == asked, "{mode}, {way:?}: {:?}", conversed.asked);
    let governed = steps.iter().filter(|step| !line_of(step).contains("/list"));
    for (step, row) in governed.zip(&conversed.rows) {
        let verdict = if denied(step) { "deny" } else { "allow" };
        let outcome = if denied(step) && mode == "enforce" { "blocked" } else { "forwarded" };
        let [method, name, seen, happened, ..] = row.each_ref().map(Option::as_deref);
        assert_eq!([method, name], [step[0].as_str(), step[1].as_str()], "{mode}, {way:?}");
        assert_eq!([seen, happened], [Some(verdict), Some(outcome)], "{mode}, {way:?}, {step}");
    }
}

fn denied(step: &Value) -> bool {
    DENIED.iter().any(|(method, name)| step[0] == *method && step[1] == *name)
}

/// How the server's log tells of a step.
fn line_of(step: &Value) -> String {
    format!("{} {}", step[0].as_str().unwrap(), step[1].as_str().unwrap_or_default())
}

fn converse(client: &Client, way: &Way, mode: &str, steps: &[Value]) -> Conversed {
    let home = Home::new();
    let log = home.path("asked");
    let remote = way.server.listen(&log);
    let url = remote.as_ref().map(|remote| remote.url.as_str());
    home.write_policy(&policy(mode, &way.server.table(url)));
    let serve = (way.door == Door::Serve).then(|| {
        let mut command = home.callgate(["serve", "--listen", "127.0.0.1:0"]);
        let key = key(&home, "conversation", None, &[Scope::Call]);
        (Face::of(command.env("TALK_LOG", &log)), key)
    });
    let mut described = match &serve {
        Some((face, key)) => {
            let url = format!("{}/mcp/it", face.url());
            json!({"url": url, "headers": {"Authorization": format!("Bearer {key}")}})
        }
        None => json!({"command": way.server.run(url)}),
    };
    described["sdk"] = json!(client.sdk);
    described["steps"] = json!(steps);
    let mut command = command_line(&client.words, &[described.to_string()]);
    home.settle(command.env("TALK_LOG", &log));
    let answers = answers(&mut command);
    if let Some((face, _)) = serve {
        assert!(face.stop(), "{way:?} did not end");
    }
    let asked = fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect();
    Conversed { answers, asked, rows: rows(&home, steps) }
}

impl Server {
    /// The server, if it is one that listens.
    fn listen(&self, log: &Path) -> Option<Listening> {
        let (Self::Http(words) | Self::Sse(words)) = self else { return None };
        let mut command = command_line::<_, &str>(words, &[]);
        command.env("TALK_LOG", log);
        Some(Listening::told(command))
    }

    /// What `mcp.toml` says of it.
    fn table(&self, url: Option<&str>) -> String {
        match (self, url) {
            (Self::Child(words), _) => child_table(words),
            (Self::Sse(_), url) => format!("[servers.it]\nurl = {}\ntransport = \"sse\"\n", json!(url)),
            (Self::Http(_), url) => format!("[servers.it]\nurl = {}\n", json!(url)),
        }
    }

    /// The command by which a client reaches it through `callgate run`.
    fn run(&self, url: Option<&str>) -> Vec<String> {
        let callgate = env!("CARGO_BIN_EXE_callgate");
        let words: Vec<&str> = match self {
            Self::Child(words) => {
                [callgate, "run", "--"].into_iter().chain(words.iter().map(String::as_str)).collect()
            }
            Self::Http(_) => [callgate, "run", "--url"].into_iter().chain(url).collect(),
            Self::Sse(_) => [callgate, "run", "--transport", "sse", "--url"].into_iter().chain(url).collect(),
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

fn policy(mode: &str, servers: &str) -> String {
    format!("version = 1\nmode = \"{mode}\"\n{RULES}\n{servers}")
}

fn child_table(words: &[String]) -> String {
    format!("[servers.it]\ncommand = {}\nargs = {}\n", json!(words[0]), json!(words[1..]))
}

/// What the client heard of each step.
fn answers(command: &mut Command) -> Vec<Value> {
    let mut client = Piped::start(command);
    client.close_stdin();
    let Line::Said(answers) = client.line(CONVERSATION_TIME) else {
        panic!("the client said nothing; stderr:\n{}", client.stderr())
    };
    assert!(client.wait(CONVERSATION_TIME).is_some_and(|status| status.success()), "{}", client.stderr());
    // Refusals name their record, which is of this session.
    let reference = Regex::new(r"\[ref [^\]]+\]").unwrap();
    let answers = reference.replace_all(std::str::from_utf8(&answers).unwrap(), "[ref]");
    let answers: Vec<Value> = serde_json::from_str(&answers).unwrap();
    answers[1..].to_vec()
}

/// The rows of the governed steps, once all of them are complete.
fn rows(home: &Home, steps: &[Value]) -> Vec<[Option<String>; 6]> {
    let governed = steps.iter().filter(|step| !line_of(step).contains("/list")).count();
    let complete = |row: &AuditRow| row.status.is_some() || row.outcome.as_deref() == Some("blocked");
    let mut rows = Vec::new();
    let all = until(PATIENCE, || {
        rows = home.rows();
        rows.retain(|row| row.tool.is_some());
        (rows.len() >= governed && rows.iter().all(complete)).then_some(())
    });
    assert!(all.is_some() && rows.len() == governed, "{rows:#?}");
    let seen = |row: AuditRow| [row.method, row.tool, row.verdict, row.outcome, row.rule, row.status];
    rows.into_iter().map(seen).collect()
}
