//! The hostile frames again, each as the body of a request to `callgate serve`.
//!
//! It refuses to be kinder than the suite over stdio: the same cases, the same judgement of what reached the server.
//!
//! Invariant: each case has a session and a server of its own; the face is shared by all cases of a policy, so what one
//! case does to it, the next one meets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callgate::store::Scope;
use serde_json::{Value, json};

use crate::support::corpus::{self, Case, Direction};
use crate::support::face::{Coming, Face, HttpClient, Request, Response, key};
use crate::support::frames::{self, Observed, Report};
use crate::support::home::Home;
use crate::support::parsers::denied_calls_seen;
use crate::support::parts;
use crate::support::process::PATIENCE;
use crate::support::record::Record;

/// How long an answer may take; the recorder leaves long frames and what is to stay pending unanswered.
const ANSWER_TIME: Duration = Duration::from_secs(5);

#[test]
fn as_bodies_every_strict_case_passes_and_no_parser_sees_a_denied_call() {
    let test = "as_bodies_every_strict_case_passes_and_no_parser_sees_a_denied_call";
    for mut cases in [Some(corpus::own()), corpus::shared()].into_iter().flatten() {
        cases.retain(|case| case.direction == Direction::ClientToServer);
        let stages = stages(&cases, str::to_owned);
        let reports = frames::side_by_side(&cases, |case| Some(stages.get(&case.policy)?.run(case)));
        let failures = frames::failures(&cases, &reports);
        assert!(failures.is_empty(), "{failures}");
        assert!(reports.len() > 40, "{} cases were tried", reports.len());
        let seen = denied_calls_seen(test, &reports);
        assert!(seen.values().all(|&denied| denied == 0), "{seen:?}");
    }
}

#[test]
fn as_bodies_in_shadow_denied_calls_arrive_and_every_parser_sees_them() {
    let test = "as_bodies_in_shadow_denied_calls_arrive_and_every_parser_sees_them";
    let mut cases = corpus::own();
    cases.retain(|case| case.id == "escaped-denied-name" || case.id == "members-turned-round-denied");
    let stages = stages(&cases, |rules| rules.replace("mode = \"enforce\"", "mode = \"shadow\""));
    let reports = frames::side_by_side(&cases, |case| Some(stages.get(&case.policy)?.run(case)));
    let outcomes: Vec<_> = reports.iter().map(|report| (report.outcome, report.ok)).collect();
    assert_eq!(outcomes, [("forwarded_unchanged", false); 2], "{reports:?}");
    let seen = denied_calls_seen(test, &reports);
    assert!(seen.values().all(|&denied| denied > 0), "{seen:?}");
}

/// `callgate serve` under one of the corpus's policies, with a server for each case.
struct Stage {
    home: Home,
    face: Face,
    key: String,
}

/// A stage for each policy that the repository has.
fn stages(cases: &[Case], rules: impl Fn(&str) -> String) -> BTreeMap<String, Stage> {
    let policies: BTreeSet<&str> = cases.iter().map(|case| case.policy.as_str()).collect();
    let made = policies.into_iter().filter_map(|policy| {
        let file = parts::fixture("frames/policies").join(format!("{policy}.toml"));
        let rules = rules(&fs::read_to_string(file).ok()?);
        let stage = Stage::new(rules, cases.iter().filter(|case| case.policy == policy));
        Some((policy.to_owned(), stage))
    });
    made.collect()
}

impl Stage {
    fn new<'c>(rules: String, cases: impl Iterator<Item = &'c Case>) -> Self {
        let home = Home::new();
        let tables = cases.map(|case| table(case, &folder(&home, case)));
        home.write_policy(&tables.fold(rules, |policy, table| policy + &table));
        let key = key(&home, "hostile", None, &[Scope::Call]);
        let face = Face::start(&home, &[]);
        Self { home, face, key }
    }

    /// Posts the case to a server of its own, and looks what arrived there.
    fn run(&self, case: &Case) -> Report {
        let folder = folder(&self.home, case);
        fs::create_dir(&folder).unwrap();
        let record = Record::listen(&folder);
        let client = self.greet(case, &record);
        let pending = case.pending();
        let pending = client.as_ref().filter(|_| !pending.is_empty()).map(|client| {
            let waiting = self.face.open(&client.bytes(pending.trim_ascii()));
            record.await_bytes(pending.trim_ascii(), PATIENCE);
            waiting
        });
        let before = record.len();
        let sent = case.bytes();
        let body = sent.strip_suffix(b"\n").unwrap_or(&sent);
        let exchange = self.face.open(&self.request(case, client.as_ref(), body));
        let reply = exchange.within(ANSWER_TIME).try_head().map(Coming::response);
        let survived = client.as_ref().map(|client| answers(client, case));
        if let Some(client) = client {
            self.face.ask(&client.plain("DELETE"));
            record.await_end(PATIENCE);
        }
        drop(pending);
        let arrived = without_sentinel(&record.bytes_from(before));
        let outcome = frames::arrived_as(case, &one_line(body), &arrived);
        Observed { outcome, arrived, reply: told(reply), survived, ..Observed::default() }.judged(case)
    }

    /// The session of a case, once its handshake has reached the server. `None` where the case has no handshake.
    fn greet(&self, case: &Case, record: &Record) -> Option<HttpClient<'_>> {
        let handshake = case.handshake();
        let (hello, last) = (handshake.first()?, handshake.last()?);
        let client = HttpClient::greet(&self.face, &case.id, &self.key, hello.trim_ascii(), &case.negotiated);
        record.await_bytes(last.trim_ascii(), PATIENCE);
        Some(client)
    }

    /// The case as a request; where it stands alone, with what 2026-07-28 asks for beside the body.
    fn request(&self, case: &Case, client: Option<&HttpClient<'_>>, body: &[u8]) -> Request {
        let Some(client) = client else {
            let request = Request::bytes_post(&format!("/mcp/{}", case.id), &self.key, body);
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            let (method, name) = (body["method"].as_str(), body["params"]["name"].as_str());
            let request = request.with("MCP-Protocol-Version", "2026-07-28");
            return request.with("Mcp-Method", method.unwrap_or("")).with("Mcp-Name", name.unwrap_or(""));
        };
        client.bytes(body)
    }
}

/// What arrived but for the sentinel, wherever it stands: requests of their own may overtake each other.
fn without_sentinel(arrived: &[u8]) -> Vec<u8> {
    let lines = arrived.split_inclusive(|&byte| byte == b'\n');
    lines.filter(|line| !line.starts_with(frames::SENTINEL_START)).flatten().copied().collect()
}

/// One message is one line behind the face.
fn one_line(body: &[u8]) -> Vec<u8> {
    let mut line = body.to_vec();
    line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    line.push(b'\n');
    line
}

/// Where the recorder of a case finds its socket. Its name is short, for a socket's path must be.
fn folder(home: &Home, case: &Case) -> PathBuf {
    home.path(&case.id)
}

fn table(case: &Case, folder: &Path) -> String {
    let hold = if case.pending().is_empty() { "" } else { ", CALLGATE_HOLD = \"1\"" };
    let record = json!(folder.join("record"));
    let recorder = json!(parts::example("recorder"));
    format!(
        "\n[servers.{}]\ncommand = {recorder}\nenv = {{ CALLGATE_RECORD = {record}{hold} }}\n",
        json!(case.id)
    )
}

/// Whether a later call in the session is still answered.
fn answers(client: &HttpClient<'_>, case: &Case) -> bool {
    let sentinel = client.bytes(case.sentinel().trim_ascii());
    let head = client.face.open(&sentinel).try_head();
    head.is_some_and(|head| head.status == 200 && head.response().json()["id"] == "sentinel")
}

fn told(reply: Option<Response>) -> String {
    let Some(reply) = reply else { return "nothing".to_owned() };
    let body = &reply.body[..reply.body.len().min(300)];
    format!("{}: {}", reply.status, String::from_utf8_lossy(body))
}
