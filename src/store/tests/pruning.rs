//! What `prune` takes away, and what holds without it.

use super::*;

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
