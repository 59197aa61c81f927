//! The store as its users see it, on real files in a folder of their own.

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
        tool_call_id: format!("s-{number}"),
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
        eval_us: 7,
        completion: None,
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

#[test]
fn what_is_queued_is_there_after_finish() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue((1..=100).map(|number| Record::Call(call(number))).collect());
    finish(store);
    assert_eq!(rows(&path).len(), 100);
    assert_eq!(sound(&path).rows, 101);
}

#[test]
fn a_row_has_exactly_the_columns_of_the_view() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    let mut first = call(1);
    first.completion = Some(completion(1));
    put(&mut store, vec![Record::Call(first)]);
    finish(store);
    let json = serde_json::to_string(&rows(&path)).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"[{"seq":2,"ts":"2026-11-20T13:45:01.124Z","session":"s","agent":"ci-bot","user":"me","#,
            r#""groups":["engineering","ops"],"repo":null,"environment":null,"client":null,"server":"files","#,
            r#""method":"tools/call","tool":"delete_file","arguments":{"path":"/tmp/a","n":1},"verdict":"deny","#,
            r#""mode":"shadow","outcome":"forwarded","rule":"no-deletes","#,
            r#""matched":[{"rule":"no-deletes","effect":"deny","mode":"shadow","acted":false}],"#,
            r#""reason":"(shadow) rule 1 (delete_file) in policy \"p\"","policy":"rev1","tool_call_id":"s-1","#,
            r#""eval_us":7,"status":"ok","latency_us":250,"result_bytes":99}]"#
        )
    );
    let connection = Connection::open(&path).unwrap();
    let view = connection.prepare("SELECT * FROM audit").unwrap();
    assert_eq!(
        view.column_names().collect::<Vec<_>>().join(" "),
        "seq ts session agent user groups repo environment client server method tool arguments verdict mode outcome rule \
         matched reason policy tool_call_id eval_us status latency_us result_bytes"
    );
}

#[test]
fn under_off_verdict_rule_policy_and_matches_are_null() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue(vec![Record::Call(CallRecord {
        arguments: None,
        verdict: None,
        mode: Mode::Off,
        rule: None,
        matched: Vec::new(),
        policy: None,
        ..call(1)
    })]);
    finish(store);
    let row = rows(&path).remove(0);
    assert_eq!(
        (row.verdict, row.rule, row.policy, row.matched, row.arguments),
        (None, None, None, None, None)
    );
    assert_eq!(row.status, None);
}

#[test]
fn a_completion_in_the_same_batch_joins_its_call() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue(vec![Record::Call(call(1)), Record::Call(call(2)), Record::Completion(completion(1))]);
    finish(store);
    assert_eq!(events(&path), 2);
    let status: Vec<_> = rows(&path).into_iter().map(|row| row.status).collect();
    assert_eq!(status, [Some("ok".to_owned()), None]);
}

#[test]
fn a_later_completion_lies_beside_its_call() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    put(&mut store, one(2));
    put(&mut store, vec![Record::Completion(completion(1))]);
    put(&mut store, one(3));
    finish(store);
    let found: Vec<_> = rows(&path).into_iter().map(|row| (row.seq, row.status, row.latency_us)).collect();
    assert_eq!(found, [(2, Some("ok".to_owned()), Some(250)), (4, None, None), (6, None, None)]);
    assert_eq!(events(&path), 4);
    sound(&path);
}

#[test]
fn a_completion_that_completes_no_recorded_call_is_left_out() {
    let (_folder, path) = folder();
    let store = ready(&path, "s");
    store.queue(one(1));
    store.queue(vec![Record::Completion(completion(1)), Record::Completion(completion(1))]);
    store.queue(vec![Record::Completion(completion(77))]);
    finish(store);
    assert_eq!(rows(&path).remove(0).status.as_deref(), Some("ok"));
    assert_eq!(events(&path), 1);
    sound(&path);
}

#[test]
fn a_commit_takes_along_what_is_queued_before_it() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    store.queue(one(1));
    put(&mut store, one(2));
    let numbers: Vec<_> = rows(&path).into_iter().filter_map(|row| row.tool_call_id).collect();
    assert_eq!(numbers, ["s-1", "s-2"]);
    finish(store);
}

#[test]
fn what_becomes_known_later_is_a_new_row_of_the_same_session() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    store.session(SessionInfo { client: Some("editor\u{7}".to_owned()), ..info("s") });
    put(&mut store, one(2));
    finish(store);
    let clients: Vec<_> = rows(&path).into_iter().map(|row| row.client).collect();
    assert_eq!(clients, [None, Some("editor\\u{7}".to_owned())]);
    sound(&path);
}

#[test]
fn a_session_known_before_its_first_record_is_one_row() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    store.session(SessionInfo { client: Some("editor".to_owned()), ..info("s") });
    put(&mut store, one(1));
    finish(store);
    let count: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
}

#[test]
fn names_from_outside_are_cut_and_cannot_move_the_cursor() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue(vec![Record::Call(CallRecord { tool: format!("\u{1b}[2J{}", "x".repeat(100)), ..call(1) })]);
    finish(store);
    let tool = rows(&path).remove(0).tool.unwrap();
    assert!(tool.starts_with("\\u{1b}[2Jxxx"), "{tool}");
    assert!(tool.len() < 80, "{tool}");
}

#[test]
fn another_process_holding_the_lock_delays_nobody() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = clock::now().steady_us;
    store.queue(one(2));
    let back = match store.commit_now(one(3)) {
        Err(NotNow::Busy(records)) => records,
        other => panic!("{other:?}"),
    };
    let took = clock::now().steady_us - began;
    assert!(took < 1_000_000, "{took} µs");
    assert_eq!(back, one(3));
    let late = runtime().block_on(store.commit_by_writer(one(4), Duration::from_millis(30)));
    assert!(matches!(late, Err(StoreError::Busy)), "{late:?}");
    let waiting = store.commit_by_writer(back, PATIENCE);
    let (free, freed) = mpsc::channel();
    thread::spawn(move || {
        // How long the lock is held is what is tested: nobody frees it earlier.
        let (_keep, never) = mpsc::channel::<()>();
        assert!(never.recv_timeout(Duration::from_secs(2)).is_err());
        other.execute_batch("ROLLBACK").unwrap();
        free.send(()).unwrap();
    });
    runtime().block_on(waiting).unwrap();
    assert!(freed.recv_timeout(PATIENCE).is_ok());
    finish(store);
    let ids: Vec<_> = rows(&path).into_iter().filter_map(|row| row.tool_call_id).collect();
    assert_eq!(ids, ["s-1", "s-2", "s-3"]);
    sound(&path);
}

fn crowd(writers: usize, calls: u64) {
    let (_folder, path) = folder();
    thread::scope(|scope| {
        for writer in 0..writers {
            let path = &path;
            scope.spawn(move || {
                let troubles = Arc::new(Mutex::new(Vec::new()));
                let seen = Arc::clone(&troubles);
                let mut options = Options::new(path.clone());
                options.on_trouble = Box::new(move |line| seen.lock().unwrap().push(line.to_owned()));
                let mut store = Store::start(options, info(&format!("w{writer}")));
                for number in 1..=calls {
                    if number % 3 == 0 {
                        store.queue(one(number));
                    } else if let Err(NotNow::Busy(records)) = store.commit_now(one(number)) {
                        runtime().block_on(store.commit_by_writer(records, PATIENCE)).unwrap();
                    }
                    store.queue(vec![Record::Completion(completion(number))]);
                }
                finish(store);
                assert_eq!(*troubles.lock().unwrap(), Vec::<String>::new());
            });
        }
    });
    let all = rows(&path);
    assert_eq!(all.len() as u64, writers as u64 * calls);
    assert!(all.iter().all(|row| row.status.as_deref() == Some("ok")));
    assert_eq!(sound(&path).sessions, writers as u64);
}

#[test]
fn two_writers_lose_nothing() {
    crowd(2, 300);
}

#[test]
fn twenty_writers_on_a_fresh_file_lose_nothing() {
    crowd(20, 30);
}

#[test]
fn what_does_not_fit_is_counted_and_becomes_a_gap() {
    let (_folder, path) = folder();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let mut options = Options::new(path.clone());
    options.queue_bytes = 4_096;
    options.on_trouble = Box::new(move |line| seen.lock().unwrap().push(line.to_owned()));
    let mut store = Store::start(options, info("s"));
    await_open(&store);
    put(&mut store, one(1));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    (2..=100).for_each(|number| store.queue(one(number)));
    other.execute_batch("ROLLBACK").unwrap();
    finish(store);
    let kept = rows(&path).len() as u64;
    let notices = Reader::open(&path).unwrap().notices(0).unwrap();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].kind, "gap");
    assert_eq!(notices[0].missing, Some(i64::try_from(100 - kept).unwrap()));
    assert!(kept > 1 && kept < 100, "{kept}");
    assert_eq!(lines.lock().unwrap().len(), 1);
}

#[test]
fn gaps_and_notices_stand_in_line() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue(vec![
        Record::Notice(Notice { unix_ms: 5, kind: NoticeKind::PolicyLoaded, text: "loaded".to_owned() }),
        Record::Call(call(1)),
        Record::Gap(Gap { unix_ms: 6, missing: 3, why: "disk full".to_owned() }),
    ]);
    finish(store);
    let reader = Reader::open(&path).unwrap();
    let found: Vec<_> = reader
        .notices(0)
        .unwrap()
        .into_iter()
        .map(|row| (row.seq, row.kind, row.missing, row.text.unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            (2, "policy_loaded".to_owned(), None, "loaded".to_owned()),
            (6, "gap".to_owned(), Some(3), "disk full".to_owned())
        ]
    );
    assert_eq!(rows(&path).len(), 1);
}

#[test]
fn the_file_its_log_its_key_and_its_folder_are_for_the_user_alone() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for end in ["", "-wal", "-shm", ".key"] {
        let mut name = path.clone().into_os_string();
        name.push(end);
        assert_eq!(mode(Path::new(&name)), 0o600, "{end}");
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let files: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    finish(store);
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

#[test]
fn a_secret_reaches_no_byte_of_the_file_or_its_log() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    store.policy(policy("rev1", "/p.toml", &format!("# token {SECRET}\nversion = 1\n")), Vec::new());
    store.session(SessionInfo { client: Some(format!("client {SECRET}")), ..info("s") });
    let planted = CallRecord {
        tool: SECRET.to_owned(),
        method: format!("x/{SECRET}"),
        arguments: Some(format!(r#"{{"token":"{SECRET}","path":"/tmp/a"}}"#).into()),
        reason: Some(format!("rule 1 ({SECRET})").into()),
        ..call(1)
    };
    let text = format!("said {SECRET}");
    store.queue(vec![Record::Notice(Notice { unix_ms: 1, kind: NoticeKind::NoiseDiverted, text })]);
    put(&mut store, vec![Record::Call(planted)]);
    let mut bytes = 0;
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().path();
        let content = std::fs::read(&file).unwrap();
        bytes += content.len();
        for part in [&SECRET[..12], &SECRET[20..]] {
            assert!(
                memchr::memmem::find(&content, part.as_bytes()).is_none(),
                "{part} in {}",
                file.display()
            );
        }
    }
    assert!(bytes > 4_096);
    let row = rows(&path).remove(0);
    assert!(row.arguments.unwrap().as_str().contains("/tmp/a"));
    finish(store);
}

#[test]
fn the_last_policy_of_a_path_is_the_one_that_was_loaded_last() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    let change = |to: &str| Assignment {
        unix_ms: 3,
        scope: "file".to_owned(),
        from: None,
        to: Some(to.to_owned()),
        revision: "a".into(),
        origin: "start".to_owned(),
    };
    store.policy(policy("a", "/p", "A"), vec![change("shadow")]);
    store.policy(policy("b", "/p", "B"), vec![change("enforce")]);
    store.policy(policy("a", "/p", "A"), vec![change("shadow")]);
    store.policy(policy("b", "/q", "B"), Vec::new());
    finish(store);
    let reader = Reader::open(&path).unwrap();
    let last = |path| reader.last_policy(path).unwrap().map(|policy| policy.source);
    assert_eq!(last("/p").as_deref(), Some("A"));
    assert_eq!(last("/q").as_deref(), Some("B"));
    assert_eq!(last("/r"), None);
    assert_eq!(sound(&path).rows, 4);
}

#[test]
fn a_policy_that_comes_after_its_call_is_kept_all_the_same() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    store.policy(policy("rev1", "/p", "P"), Vec::new());
    put(&mut store, one(2));
    finish(store);
    assert!(rows(&path).iter().all(|row| row.policy.as_deref() == Some("rev1")));
    assert_eq!(Reader::open(&path).unwrap().last_policy("/p").unwrap().unwrap().source, "P");
    sound(&path);
}

#[test]
fn nothing_can_be_changed_or_deleted_by_a_plain_statement() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    store.policy(policy("rev1", "/p", "P"), Vec::new());
    put(&mut store, one(1));
    finish(store);
    let connection = Connection::open(&path).unwrap();
    for table in ["events", "sessions", "policies", "loads", "checkpoints"] {
        for sql in [format!("DELETE FROM {table}"), format!("UPDATE {table} SET ts = 0")] {
            let error = connection.execute(&sql, []).unwrap_err().to_string();
            assert!(error.contains("append-only"), "{sql}: {error}");
        }
    }
}

/// Three calls, then `tamper` with the triggers out of the way.
fn tampered(tamper: &str) -> Vec<ChainFault> {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    (1..=3).for_each(|number| put(&mut store, one(number)));
    finish(store);
    sound(&path);
    let connection = Connection::open(&path).unwrap();
    let triggers: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for name in triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    connection.execute_batch("PRAGMA foreign_keys = off").unwrap();
    connection.execute_batch(tamper).unwrap();
    Reader::open(&path).unwrap().verify().unwrap().faults
}

#[test]
fn a_changed_row_is_found() {
    let session = "s".to_owned();
    for tamper in [
        "UPDATE events SET verdict = 'allow' WHERE seq = 4",
        "UPDATE events SET arguments = NULL WHERE seq = 4",
        "UPDATE events SET ts = ts + 1 WHERE seq = 4",
        "UPDATE events SET seq = 100 WHERE seq = 4",
    ] {
        assert_eq!(tampered(tamper), [ChainFault::Changed { session: session.clone(), n: 3 }], "{tamper}");
    }
    assert_eq!(
        tampered("UPDATE sessions SET agent = 'other'"),
        [ChainFault::Changed { session: session.clone(), n: 1 }]
    );
    assert!(!tampered("UPDATE policies SET revision = 'other'").is_empty());
}

#[test]
fn a_row_that_is_gone_is_found() {
    let session = "s".to_owned();
    let faults = tampered("DELETE FROM events WHERE seq = 4");
    assert_eq!(faults.first(), Some(&ChainFault::Gone { session: session.clone(), n: 3 }));
    assert_eq!(
        tampered("DELETE FROM events WHERE seq = 6"),
        [ChainFault::CutShort { session: session.clone(), n: 4 }]
    );
    assert!(!tampered("DELETE FROM sessions").is_empty());
}

#[test]
fn a_checkpoint_that_was_not_made_with_the_key_is_found() {
    assert_eq!(tampered("UPDATE checkpoints SET ts = ts + 1"), [ChainFault::Checkpoint { id: 1 }]);
    let forged =
        "INSERT INTO checkpoints (ts, kind, upto_seq, heads, mac) VALUES (1, 'prune', 99, '{}', x'00')";
    assert_eq!(tampered(forged), [ChainFault::Checkpoint { id: 2 }]);
}

/// Calls at every millisecond of `times`, with their completions where the number is even.
fn aged(path: &Path, session: &str, times: std::ops::Range<i64>) {
    let mut store = ready(path, session);
    for (number, unix_ms) in (1..).zip(times) {
        put(&mut store, vec![Record::Call(CallRecord { unix_ms, ..call(number) })]);
        if number > 2 && number % 2 == 0 {
            // Two calls later, so that the order of the chain is not that of the table.
            put(&mut store, vec![Record::Completion(completion(number - 2))]);
        }
    }
    finish(store);
}

fn age(path: &Path, now_ms: i64, act: Act) -> Pruned {
    prune(path, &Prune { now_ms, retention_ms: 100, max_bytes: u64::MAX, act }).unwrap()
}

#[test]
fn old_rows_go_and_the_chain_still_holds() {
    let (_folder, path) = folder();
    aged(&path, "old", 0..50);
    aged(&path, "young", 50..150);
    let told = age(&path, 199, Act::DryRun);
    assert_eq!(rows(&path).len(), 150);
    let done = age(&path, 199, Act::Delete);
    assert_eq!((told.rows, told.upto_seq), (done.rows, done.upto_seq));
    let left = rows(&path);
    assert_eq!(left.len(), 51);
    assert!(left.iter().all(|row| row.session.as_deref() == Some("young")));
    assert_eq!(sound(&path).sessions, 1);
    age(&path, 220, Act::Delete);
    assert_eq!(rows(&path).len(), 30);
    sound(&path);
    // What is left is still guarded.
    assert!(Connection::open(&path).unwrap().execute("DELETE FROM events", []).is_err());
    assert_eq!(age(&path, 220, Act::Delete).rows, 0);
}

#[test]
fn numbers_are_not_given_again_after_everything_went() {
    let (_folder, path) = folder();
    aged(&path, "old", 0..10);
    let done = age(&path, 1 << 50, Act::Delete);
    assert!(rows(&path).is_empty());
    let mut store = ready(&path, "new");
    put(&mut store, one(1));
    finish(store);
    assert!(rows(&path)[0].seq > done.upto_seq.unwrap());
    sound(&path);
}

#[test]
fn a_session_that_lives_goes_on_after_its_rows_went() {
    let (_folder, path) = folder();
    let alive = SessionInfo { pid: std::process::id(), ..info("s") };
    let mut store = Store::start(Options::new(path.clone()), alive);
    await_open(&store);
    put(&mut store, one(1));
    age(&path, 1 << 50, Act::Delete);
    put(&mut store, one(2));
    put(&mut store, vec![Record::Completion(completion(2))]);
    finish(store);
    let left = rows(&path);
    assert_eq!((left.len(), left[0].agent.as_deref()), (1, Some("ci-bot")));
    sound(&path);
}

#[test]
fn the_file_shrinks_to_the_size_asked_for() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue((1..=9_000).map(|number| Record::Call(call(number))).collect());
    finish(store);
    let before = std::fs::metadata(&path).unwrap().len();
    let what = Prune { now_ms: 0, retention_ms: 1, max_bytes: before / 2, act: Act::Delete };
    let done = prune(&path, &what).unwrap();
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after <= before / 2, "{before} to {after}");
    assert_eq!(done.bytes_after, after);
    let left = rows(&path);
    assert_eq!(left.len() as u64 + done.rows, 9_000);
    assert!(left.len() > 1_000);
    assert_eq!(left.last().unwrap().tool_call_id.as_deref(), Some("s-9000"));
    sound(&path);
}

#[test]
fn a_filter_lets_through_what_it_names() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "abcdef");
    let read = CallRecord { tool: "read_file".to_owned(), verdict: Some(Effect::Allow), ..call(2) };
    put(&mut store, vec![Record::Call(call(1)), Record::Call(read)]);
    put(
        &mut store,
        vec![Record::Call(CallRecord { outcome: Outcome::Blocked, mode: Mode::Enforce, ..call(3) })],
    );
    finish(store);
    let reader = Reader::open(&path).unwrap();
    let seqs =
        |filter: Filter| reader.rows(&filter).unwrap().into_iter().map(|row| row.seq).collect::<Vec<_>>();
    let since = call(2).unix_ms;
    assert_eq!(seqs(Filter { tool: Some("*_file".to_owned()), ..Filter::default() }), [2, 4, 6]);
    assert_eq!(seqs(Filter { tool: Some("read_file".to_owned()), ..Filter::default() }), [4]);
    assert_eq!(seqs(Filter { since_ms: Some(since), ..Filter::default() }), [4, 6]);
    assert_eq!(seqs(Filter { until_ms: Some(since), ..Filter::default() }), [2]);
    assert_eq!(seqs(Filter { verdict: Some(Effect::Deny), ..Filter::default() }), [2, 6]);
    assert_eq!(seqs(Filter { outcome: Some(Outcome::Blocked), ..Filter::default() }), [6]);
    assert_eq!(seqs(Filter { session: Some("abc".to_owned()), limit: Some(1), ..Filter::default() }), [2]);
    assert_eq!(seqs(Filter { order: Order::NewestFirst, limit: Some(2), ..Filter::default() }), [6, 4]);
    assert_eq!(seqs(Filter { session: Some("bc".to_owned()), ..Filter::default() }), [0_i64; 0]);
    assert_eq!(seqs(Filter { agent: Some("x' OR 1 --".to_owned()), ..Filter::default() }), [0_i64; 0]);
    assert_eq!(seqs(Filter { server: Some("files".to_owned()), ..Filter::default() }).len(), 3);
    let counts = reader.counts(&Filter::default()).unwrap();
    assert_eq!(counts.iter().map(|count| count.calls).sum::<u64>(), 3);
    assert_eq!(counts.len(), 3);
}

#[test]
fn following_goes_on_where_it_stopped() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    let reader = Reader::open(&path).unwrap();
    let (first, last) = reader.follow(0).unwrap();
    assert_eq!((first.len(), last), (1, 2));
    let version = reader.data_version().unwrap();
    assert_eq!(reader.follow(last).unwrap(), (Vec::new(), last));
    put(&mut store, one(2));
    assert_ne!(reader.data_version().unwrap(), version);
    let (second, last) = reader.follow(last).unwrap();
    assert_eq!((second.len(), last), (1, 4));
    finish(store);
}

#[test]
fn what_is_no_store_of_ours_is_left_alone() {
    let (_folder, path) = folder();
    let absent = Reader::open(&path).unwrap_err();
    assert!(matches!(absent, StoreError::Missing { .. }), "{absent}");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE mine (x)").unwrap();
    let (lines, heard) = mpsc::channel();
    let lines = Mutex::new(lines);
    let mut options = Options::new(path.clone());
    options.on_trouble = Box::new(move |line| lines.lock().unwrap().send(line.to_owned()).unwrap());
    let mut store = Store::start(options, info("s"));
    assert!(heard.recv_timeout(PATIENCE).unwrap().contains("is not an audit store"));
    assert!(matches!(store.commit_now(one(1)), Err(NotNow::Failed(records, _)) if records == one(1)));
    store.queue(one(2));
    assert_eq!(store.finish(PATIENCE), Finished { unwritten: 1 });
    connection.execute_batch("PRAGMA journal_mode = delete; DROP TABLE mine; PRAGMA user_version = 99; PRAGMA application_id = 1667329127;").unwrap();
    let newer = Reader::open(&path).unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 99, .. }), "{newer}");
}
