//! The hostile frames again, each as the body of a request to `callgate serve`.
//!
//! It refuses to be kinder than the suite over stdio: the same cases, the same judgement of what reached the server.
//!
//! Invariant: each case has a session and a server of its own; the face is shared by all cases of a policy, so what one
//! case does to it, the next one meets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::json;

use crate::support::caller::{Caller, answer_to};
use crate::support::corpus::{self, Case, Direction};
use crate::support::frames::{self, Observed, Report};
use crate::support::home::Home;
use crate::support::http::{Answer, Site};
use crate::support::parsers::denied_calls_seen;
use crate::support::parts;
use crate::support::process::PATIENCE;
use crate::support::record::Record;
use crate::support::serving::{self, Listening};

#[test]
fn as_bodies_every_strict_case_passes_and_no_parser_sees_a_denied_call() {
    let test = "as_bodies_every_strict_case_passes_and_no_parser_sees_a_denied_call";
    for mut cases in [Some(corpus::own()), corpus::shared()].into_iter().flatten() {
        cases.retain(|case| case.direction == Direction::ClientToServer);
        let (_serving, faces) = faces(&cases);
        let reports = frames::side_by_side(&cases, |case| Some(faces.get(&case.policy)?.run(case)));
        let failures = frames::failures(&cases, &reports);
        assert!(failures.is_empty(), "{failures}");
        assert!(reports.len() > 40, "{} cases were tried", reports.len());
        let seen = denied_calls_seen(test, &reports);
        assert!(seen.values().all(|&denied| denied == 0), "{seen:?}");
    }
}

/// `callgate serve` under one of the corpus's policies, with a server for each case.
struct Face {
    home: Home,
    url: String,
    key: String,
}

/// A face for each policy that the repository has, and the processes behind them.
fn faces(cases: &[Case]) -> (Vec<Listening>, BTreeMap<String, Face>) {
    let policies: BTreeSet<&str> = cases.iter().map(|case| case.policy.as_str()).collect();
    let made = policies.into_iter().filter_map(|policy| {
        let (serving, face) = Face::new(policy, cases.iter().filter(|case| case.policy == policy))?;
        Some((serving, (policy.to_owned(), face)))
    });
    made.unzip()
}

impl Face {
    fn new<'c>(policy: &str, cases: impl Iterator<Item = &'c Case>) -> Option<(Listening, Self)> {
        let rules =
            fs::read_to_string(parts::fixture("frames/policies").join(format!("{policy}.toml"))).ok()?;
        let home = Home::new();
        let tables = cases.map(|case| table(case, &folder(&home, case)));
        home.write_policy(&tables.fold(rules, |policy, table| policy + &table));
        let key = home.key("hostile", &[]);
        let serve = Listening::serve(&home, &[]);
        let url = serve.url.clone();
        Some((serve, Self { home, url, key }))
    }

    /// Posts the case to a server of its own, and looks what arrived there.
    fn run(&self, case: &Case) -> Report {
        let folder = folder(&self.home, case);
        fs::create_dir(&folder).unwrap();
        let record = Record::listen(&folder);
        let site = serving::site(&self.url, &case.id, &self.key).within(frames::CASE_TIME);
        let caller = greeted(case, &site, &record);
        let site = caller.as_ref().map_or(site, |caller| caller.site.clone());
        let pending = case.pending();
        if !pending.is_empty() {
            record_pending(&site, &pending, &record);
        }
        let before = record.len();
        let sent = case.bytes();
        let body = sent.strip_suffix(b"\n").unwrap_or(&sent);
        let reply = modern_headers(case, &site).post(body);
        let survived = caller.as_ref().map(|_| answers(&site, case));
        if let Some(caller) = caller {
            caller.close();
            record.await_end(PATIENCE);
        }
        let arrived = frames::without_sentinel(record.bytes_from(before));
        // One message is one line behind the face.
        let mut line = body.to_vec();
        line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        line.push(b'\n');
        let outcome = frames::arrived_as(case, &line, &arrived);
        Observed { outcome, arrived, reply: told(reply), survived, ..Observed::default() }.judged(case)
    }
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

/// The session of a case, once its handshake has reached the server. `None` where the case has no handshake.
fn greeted(case: &Case, site: &Site, record: &Record) -> Option<Caller> {
    let handshake = case.handshake();
    let (hello, last) = (handshake.first()?, handshake.last()?);
    let caller = Caller::greet(site, std::str::from_utf8(hello).unwrap().trim_end(), &case.negotiated);
    record.await_bytes(last.trim_ascii(), PATIENCE);
    Some(caller)
}

/// Under 2026-07-28 the headers say what the body says.
fn modern_headers(case: &Case, site: &Site) -> Site {
    if case.negotiated != "2026-07-28" {
        return site.clone();
    }
    let body: serde_json::Value = serde_json::from_slice(&case.bytes()).unwrap_or_default();
    let site = site.clone().with("MCP-Protocol-Version", "2026-07-28");
    let site = site.with("Mcp-Method", body["method"].as_str().unwrap_or_default());
    site.with("Mcp-Name", body["params"]["name"].as_str().unwrap_or_default())
}

/// Sends what is to be pending, and waits until it has reached the server, which will never answer it.
fn record_pending(site: &Site, pending: &[u8], record: &Record) {
    let (site, frame) = (site.clone(), pending.trim_ascii().to_vec());
    // The connection ends with the session.
    thread::spawn(move || site.post(&frame));
    record.await_bytes(pending.trim_ascii(), PATIENCE);
}

/// Whether a later call in the session is still answered.
fn answers(site: &Site, case: &Case) -> bool {
    site.post(case.sentinel().trim_ascii())
        .is_ok_and(|answer| answer_to(&answer, &json!("sentinel")).is_some())
}

fn told(reply: io::Result<Answer>) -> String {
    match reply {
        Ok(answer) => {
            let body = &answer.body[..answer.body.len().min(300)];
            format!("{}: {}", answer.status, String::from_utf8_lossy(body))
        }
        Err(error) => error.to_string(),
    }
}
