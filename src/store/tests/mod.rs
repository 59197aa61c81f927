//! The store as its users see it, on real files in a folder of their own.

mod alerts;
mod approvals;
mod crowds;
mod keys;
mod listing;
mod past;
mod pins;
mod pruning;
mod reading;
mod running;
mod secrecy;
mod spooling;
mod tampering;
mod together;
mod writing;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::policy::{Effect, Mode};
use crate::record::{
    Assignment, CallRecord, Completion, Gap, MatchRecord, Notice, NoticeKind, Outcome, PolicySource, Record,
    SessionInfo, Status,
};

const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data").join("audit.db");
    (folder, path)
}

fn info(session: &str) -> SessionInfo {
    SessionInfo {
        session: session.to_owned(),
        unix_ms: 1_000,
        agent: Some("ci-bot".to_owned()),
        user: Some("me".to_owned()),
        uid: Some(1_000),
        groups: vec!["engineering".to_owned(), "ops".to_owned()],
        server: "files".to_owned(),
        // No process has it, so that `prune` may take the session.
        pid: i32::MAX.unsigned_abs(),
        ..SessionInfo::default()
    }
}

fn call(number: u64) -> CallRecord {
    CallRecord {
        unix_ms: 1_795_182_301_123 + i64::try_from(number).unwrap(),
        number,
        method: "tools/call".to_owned(),
        tool: "delete_file".to_owned(),
        arguments: Some(r#"{"path":"/tmp/a","n":1}"#.into()),
        verdict: Some(Effect::Deny),
        mode: Mode::Shadow,
        outcome: Outcome::Forwarded,
        rule: Some("no-deletes".into()),
        matched: vec![MatchRecord {
            rule: "no-deletes".into(),
            effect: Effect::Deny,
            mode: Mode::Shadow,
            acted: false,
        }],
        reason: Some("(shadow) rule 1 (delete_file) in policy \"p\"".into()),
        policy: Some("rev1".into()),
        labels: Vec::new(),
        eval_us: 7,
        completion: None,
        telling: None,
    }
}

fn completion(number: u64) -> Completion {
    Completion { number, status: Status::Ok, latency_us: 250, result_bytes: 99 }
}

fn one(number: u64) -> Vec<Record> {
    vec![Record::Call(call(number))]
}

/// Opened, so that `commit_now` finds the file ready.
fn ready(path: &Path, session: &str) -> Store {
    let store = Store::start(Options::new(path.to_owned()), info(session));
    await_open(&store);
    store
}

fn await_open(store: &Store) {
    runtime().block_on(store.commit_by_writer(Vec::new(), PATIENCE)).unwrap();
}

/// As the call path does it, but that it tries again by itself.
fn put(store: &mut Store, mut records: Vec<Record>) {
    let until = clock::now().steady_us + 30_000_000;
    loop {
        records = match store.commit_now(records) {
            Ok(()) => return,
            Err(NotNow::Busy(back)) => back,
            Err(NotNow::Failed(_, error)) => panic!("{error}"),
        };
        assert!(clock::now().steady_us < until, "busy for too long");
        thread::yield_now();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn finish(store: Store) {
    assert_eq!(store.finish(PATIENCE), Finished { unwritten: 0 });
}

fn rows(path: &Path) -> Vec<AuditRow> {
    Reader::open(path).unwrap().rows(&Filter::default()).unwrap()
}

fn sound(path: &Path) -> Verification {
    let found = Reader::open(path).unwrap().verify().unwrap();
    assert_eq!(found.faults, []);
    found
}

fn events(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap()
}

fn policy(revision: &str, path: &str, source: &str) -> PolicySource {
    PolicySource {
        revision: revision.into(),
        name: "p".to_owned(),
        path: Some(path.to_owned()),
        source: source.to_owned(),
        unix_ms: 9,
    }
}
