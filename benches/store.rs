//! What a record costs the call that waits for it, and what it costs in a batch.
//!
//! It refuses to measure the opening of the file. Invariant: each round goes through the public way in.

use std::hint::black_box;
use std::time::Duration;

use callgate::policy::{Effect, Mode};
use callgate::record::{CallRecord, Completion, MatchRecord, Outcome, Record, SessionInfo, Status};
use callgate::store::{NotNow, Options, Store};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn call(number: u64) -> Record {
    Record::Call(CallRecord {
        unix_ms: 1_795_182_301_123,
        number,
        method: "tools/call".to_owned(),
        tool: "write_file".to_owned(),
        arguments: Some(r#"{"path":"/home/me/app/src/main.rs","content":"fn main() {}","n":12345}"#.into()),
        verdict: Some(Effect::Allow),
        mode: Mode::Enforce,
        outcome: Outcome::Forwarded,
        rule: None,
        matched: vec![MatchRecord {
            rule: "default".into(),
            effect: Effect::Allow,
            mode: Mode::Enforce,
            acted: true,
        }],
        reason: Some("default in policy \"my-policy\"".into()),
        policy: Some("0123456789abcdef".into()),
        labels: Vec::new(),
        eval_us: 3,
        completion: None,
        telling: None,
    })
}

fn completion(number: u64) -> Record {
    Record::Completion(Completion { number, status: Status::Ok, latency_us: 90, result_bytes: 120 })
}

fn open(folder: &tempfile::TempDir) -> Option<Store> {
    let options = Options::new(folder.path().join("audit.db"));
    let store =
        Store::start(options, SessionInfo { session: "0123456789".to_owned(), ..SessionInfo::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
    runtime.block_on(store.commit_by_writer(Vec::new(), Duration::from_secs(10))).ok()?;
    Some(store)
}

/// Hands a batch back to the store until it is in.
fn commit(store: &mut Store, mut records: Vec<Record>) {
    while let Err(NotNow::Busy(back)) = store.commit_now(records) {
        records = back;
    }
}

fn commits(criterion: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let Some(mut store) = open(&folder) else { return };
    let mut number = 0;
    criterion.bench_function("one call and the completion before it", |bench| {
        bench.iter_batched(
            || {
                number += 1;
                store_records(number)
            },
            |(done, next)| {
                store.queue(done);
                commit(&mut store, next);
            },
            BatchSize::PerIteration,
        );
    });
    criterion.bench_function("64 calls in one commit", |bench| {
        bench.iter_batched(
            || {
                number += 64;
                (number - 63..=number).map(call).collect::<Vec<_>>()
            },
            |records| commit(&mut store, records),
            BatchSize::PerIteration,
        );
    });
    black_box(store.finish(Duration::from_secs(10)));
}

fn store_records(number: u64) -> (Vec<Record>, Vec<Record>) {
    let done = number.checked_sub(1).filter(|before| *before > 0).map(completion);
    (done.into_iter().collect(), vec![call(number)])
}

criterion_group!(benches, commits);
criterion_main!(benches);
