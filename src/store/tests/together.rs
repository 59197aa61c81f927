//! Completions that come together, and what readers see of them.

use std::ops::RangeInclusive;

use super::*;

fn calls(numbers: RangeInclusive<u64>) -> Vec<Record> {
    numbers.map(|number| Record::Call(call(number))).collect()
}

/// Each tells which call it is of.
fn completions(numbers: RangeInclusive<u64>) -> Vec<Record> {
    let of = |number| Completion { latency_us: number, result_bytes: number + 1_000, ..completion(number) };
    numbers.map(|number| Record::Completion(of(number))).collect()
}

/// Every call in `numbers` and no other ended, and each as its own completion says.
fn ended(path: &Path, numbers: RangeInclusive<i64>) {
    for row in rows(path) {
        let number: i64 =
            row.tool_call_id.as_deref().and_then(|id| id.split('-').nth(1)).unwrap().parse().unwrap();
        let (status, times) = if numbers.contains(&number) {
            (Some("ok".to_owned()), (Some(number), Some(number + 1_000)))
        } else {
            (None, (None, None))
        };
        assert_eq!((row.status, (row.latency_us, row.result_bytes)), (status, times), "call {number}");
    }
    sound(path);
}

fn kinds(path: &Path, kind: i64) -> i64 {
    let sql = "SELECT count(*) FROM events WHERE kind = ?1";
    Connection::open(path).unwrap().query_row(sql, [kind], |row| row.get(0)).unwrap()
}

#[test]
fn completions_that_come_together_are_few_rows_and_each_call_has_its_own() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, calls(1..=64));
    for first in (65..=641).step_by(64) {
        store.queue(completions(first - 64..=first - 1));
        put(&mut store, calls(first..=first + 63));
    }
    finish(store);
    ended(&path, 1..=640);
    assert_eq!((kinds(&path, 1), kinds(&path, 2)), (704, 0));
    assert!(kinds(&path, 5) <= 20, "{}", kinds(&path, 5));
}

#[test]
fn completions_of_a_few_calls_lie_beside_them() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, calls(1..=3));
    put(&mut store, completions(1..=3));
    finish(store);
    ended(&path, 1..=3);
    assert_eq!((kinds(&path, 2), kinds(&path, 5)), (3, 0));
}

#[test]
fn however_much_lies_between_calls_and_their_completions_they_are_found() {
    for between in [1, 2, 10, 30, 60, 100, 250, 500, 1_000, 2_000, 4_000, 7_500, 9_000] {
        let (_folder, path) = folder();
        let mut store = ready(&path, "s");
        put(&mut store, calls(1..=8));
        put(&mut store, calls(9..=8 + between));
        put(&mut store, completions(1..=8));
        // What follows takes no place that the batch has.
        put(&mut store, calls(9 + between..=20 + between));
        finish(store);
        ended(&path, 1..=8);
        assert_eq!(kinds(&path, 2) == 0, between < 9_000, "{between}");
    }
}

#[test]
fn calls_that_end_in_several_goes_are_found_in_several_batches() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, calls(1..=60));
    for first in [41, 1, 21] {
        put(&mut store, completions(first..=first + 19));
    }
    put(&mut store, calls(61..=70));
    finish(store);
    ended(&path, 1..=60);
    assert!(kinds(&path, 5) >= 3);
}

#[test]
fn sessions_that_write_at_once_complete_their_own_calls() {
    let (_folder, path) = folder();
    let (mut one, mut other) = (ready(&path, "s"), ready(&path, "t"));
    for first in [1, 9] {
        put(&mut one, calls(first..=first + 7));
        put(&mut other, calls(first..=first + 7));
    }
    put(&mut other, completions(1..=16));
    put(&mut one, completions(1..=16));
    finish(one);
    finish(other);
    assert_eq!(rows(&path).len(), 32);
    ended(&path, 1..=16);
}

#[test]
fn a_batch_outlives_the_calls_that_were_pruned_and_the_chain_holds() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    let at =
        |number: u64| Record::Call(CallRecord { unix_ms: i64::try_from(number).unwrap(), ..call(number) });
    for first in (1..=161).step_by(32) {
        put(&mut store, (first..first + 32).map(at).collect());
        put(&mut store, completions(first..=first + 31));
    }
    finish(store);
    for before_ms in [20, 33, 100] {
        let what = Prune { now_ms: before_ms, retention_ms: 0, max_bytes: u64::MAX, act: Act::Delete };
        assert!(prune(&path, &what).unwrap().rows > 0);
        assert_eq!(i64::try_from(rows(&path).len()), Ok(193 - before_ms));
        ended(&path, 1..=192);
    }
}

#[test]
fn a_changed_batch_is_found() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, calls(1..=8));
    put(&mut store, completions(1..=8));
    finish(store);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("DROP TRIGGER events_stay").unwrap();
    connection.execute_batch("UPDATE events SET note = replace(note, '[1,', '[2,') WHERE kind = 5").unwrap();
    let faults = Reader::open(&path).unwrap().verify().unwrap().faults;
    assert_eq!(faults, [ChainFault::Changed { session: "s".to_owned(), n: 10 }]);
}

#[test]
fn a_file_from_before_batches_is_read_and_goes_on() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, calls(1..=2));
    put(&mut store, completions(1..=2));
    finish(store);
    let (_, view) = include_str!("../migrations/0001.sql").split_once("CREATE VIEW audit").unwrap();
    let old = format!(
        "DROP VIEW audit; CREATE VIEW audit{view}; DROP TABLE revocations; DROP TABLE keys; DROP TABLE pins; \
         DROP TABLE turns; DROP TABLE approvals; DROP TABLE deliveries; DROP TABLE repeats; DROP TABLE alerts; ALTER TABLE tools DROP COLUMN parts; PRAGMA user_version = 3;"
    );
    Connection::open(&path).unwrap().execute_batch(&old).unwrap();
    ended(&path, 1..=2);
    let mut store = ready(&path, "t");
    put(&mut store, calls(1..=8));
    put(&mut store, completions(1..=8));
    finish(store);
    assert_eq!(rows(&path).len(), 10);
    ended(&path, 1..=8);
    assert_eq!(kinds(&path, 5), 1);
}
