//! What processes tell each other about calls that happened.

use super::*;
use crate::guard::{Elsewhere as _, Written};
use crate::policy::Grade;
use crate::record::{Mark, Spending, Trace};

const KEY: [u8; 32] = [9; 32];

fn spending(slot: i64, until_ms: i64) -> Record {
    let spendings = vec![Spending { key: KEY, slot, until_ms }];
    Record::Trace(Trace { number: 1, spendings, marks: Vec::new() })
}

fn mark(label: &str, grade: Grade, unix_ms: i64, until_ms: Option<i64>) -> Record {
    let mark = Mark { owner: "agent:ci".into(), label: label.into(), grade, unix_ms, until_ms };
    Record::Trace(Trace { number: 1, spendings: Vec::new(), marks: vec![mark] })
}

fn count(path: &Path, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    Connection::open(path).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_session_sees_what_others_have_counted_and_not_its_own() {
    let (_folder, path) = folder();
    let (others, another) = (Others::new(path.clone(), "a".into()), Others::new(path.clone(), "b".into()));
    assert_eq!(others.spent(&KEY, 0), Some(0), "nobody has written yet");
    let mut store = ready(&path, "a");
    let far = i64::MAX;
    put(&mut store, vec![Record::Call(call(1)), spending(5, far), spending(5, far), spending(6, far)]);
    assert_eq!((others.spent(&KEY, 0), another.spent(&KEY, 0)), (Some(0), Some(3)));
    assert_eq!((another.spent(&KEY, 6), another.spent(&KEY, 7)), (Some(1), Some(0)));
    assert_eq!(another.spent(&[1; 32], 0), Some(0));
    finish(store);
    assert_eq!(sound(&path).rows, 2, "it is no part of the log");
}

#[test]
fn a_label_is_as_sure_as_it_was_last_written() {
    let (_folder, path) = folder();
    let others = Others::new(path.clone(), "b".into());
    let mut store = ready(&path, "a");
    let seen = || others.marked("agent:ci", "read").unwrap();
    put(&mut store, vec![mark("read", Grade::Possibly, 10, None)]);
    assert_eq!(seen(), Written { possibly_ms: Some(10), surely_ms: None });
    put(&mut store, vec![mark("read", Grade::Surely, 20, None)]);
    put(&mut store, vec![mark("read", Grade::Possibly, 30, None)]);
    assert_eq!(seen(), Written { possibly_ms: Some(30), surely_ms: Some(20) });
    assert_eq!(others.marked("agent:me", "read"), Some(Written::default()));
    finish(store);
}

#[test]
fn what_nobody_can_ask_for_any_more_goes_at_the_end_of_a_session() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "a");
    let later = clock::now().unix_ms + 3_600_000;
    put(&mut store, vec![Record::Call(call(1)), spending(1, 1_000), mark("old", Grade::Surely, 1, Some(2))]);
    put(
        &mut store,
        vec![spending(100, later), spending(140, later), mark("new", Grade::Surely, 1, Some(later))],
    );
    assert_eq!(count(&path, "budgets"), 2, "two windows later the first slot is gone");
    put(&mut store, vec![mark("ever", Grade::Possibly, 1, None)]);
    finish(store);
    assert_eq!((count(&path, "budgets"), count(&path, "marks")), (2, 2));
}

#[test]
fn a_store_that_cannot_be_read_says_nothing_rather_than_none() {
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "this is no database, and long enough to be seen for what it is: ".repeat(40))
        .unwrap();
    let others = Others::new(path.clone(), "a".into());
    assert_eq!((others.spent(&KEY, 0), others.marked("agent:ci", "read")), (None, None));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(others.spent(&KEY, 0), Some(0), "it is looked for anew");
}

#[test]
fn the_labels_of_a_call_stand_in_its_row() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    store.queue(vec![Record::Call(CallRecord { labels: vec!["read".into(), "sent".into()], ..call(1) })]);
    store.queue(one(2));
    finish(store);
    let labels: Vec<_> = rows(&path).into_iter().map(|row| row.labels).collect();
    assert_eq!(labels, [vec!["read".to_owned(), "sent".to_owned()], vec![]]);
    sound(&path);
}

#[test]
fn a_store_of_the_first_version_is_brought_up_to_date_by_whoever_opens_it() {
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    connection.execute_batch("PRAGMA application_id = 1667329127; PRAGMA user_version = 1;").unwrap();
    let others = Others::new(path.clone(), "a".into());
    assert_eq!(others.marked("agent:ci", "read"), Some(Written::default()));
    assert_eq!(rows(&path), []);
    let mut store = ready(&path, "s");
    put(&mut store, vec![mark("read", Grade::Surely, 20, None)]);
    assert_eq!(others.marked("agent:ci", "read").unwrap().surely_ms, Some(20));
    finish(store);
}
