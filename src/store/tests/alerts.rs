//! The outbox: repeats, leases, and what outlasts a process.

use super::*;
use crate::policy::Severity;
use crate::record::{Alarm, Telling, Topic};
use crate::store::{AlertRow, Alerts, Came, Claimed};

const LEASE: Duration = Duration::from_mins(1);

/// A blocked call of this tool at this moment, of which these hear.
fn blocked(number: u64, unix_ms: i64, tool: &str, to: &[&str]) -> Vec<Record> {
    let telling = Telling {
        to: to.iter().map(|name| Arc::from(*name)).collect(),
        severity: Severity::High,
        rule: "no-deletes".into(),
        mode: Mode::Enforce,
        reason: None,
        why: None,
        repeat_ms: 1_000,
    };
    vec![Record::Call(CallRecord {
        unix_ms,
        tool: tool.to_owned(),
        outcome: Outcome::Blocked,
        mode: Mode::Enforce,
        telling: Some(Box::new(telling)),
        ..call(number)
    })]
}

fn claim(alerts: &Alerts, to: &str) -> Vec<Claimed> {
    alerts.claim(to, 10, LEASE).unwrap()
}

fn tools(alerts: &[AlertRow]) -> Vec<(String, i64)> {
    alerts.iter().map(|alert| (alert.tool.clone().unwrap_or_default(), alert.count)).collect()
}

#[test]
fn the_same_within_a_time_is_one_alert_with_a_count() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, blocked(1, 10_000, "a", &["x"]));
    put(&mut store, blocked(2, 10_999, "a", &["x"]));
    put(&mut store, blocked(3, 10_999, "b", &["x"]));
    put(&mut store, blocked(4, 11_000, "a", &["x"]));
    let told = Alerts::open(&path).unwrap().list(0).unwrap();
    let expected = [("a", 2), ("b", 1), ("a", 1)].map(|(tool, count)| (tool.to_owned(), count));
    assert_eq!(tools(&told), expected);
    assert_eq!(told.iter().map(|alert| &alert.id).collect::<std::collections::BTreeSet<_>>().len(), 3);
    finish(store);
    sound(&path);
}

#[test]
fn what_one_process_is_sending_no_other_sends_until_it_must_have_died() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, blocked(1, 10_000, "a", &["x", "y"]));
    let (one, other) = (Alerts::open(&path).unwrap(), Alerts::open(&path).unwrap());
    let first = claim(&one, "x");
    assert_eq!((first.len(), claim(&other, "x").len(), claim(&other, "y").len()), (1, 0, 1));
    // Its time is over: the other takes it, under the same id.
    one.settle("x", &[(first[0].clone(), Came::Again(0, "down".to_owned()))]).unwrap();
    let second = claim(&other, "x");
    assert_eq!((&second[0].alert.id, second[0].attempts), (&first[0].alert.id, 2));
    // What the first says of it now does not count, unless it was delivered after all.
    one.settle("x", &[(first[0].clone(), Came::Failed("late".to_owned()))]).unwrap();
    assert_eq!(state(&one, "x"), "waiting");
    one.settle("x", &[(first[0].clone(), Came::Delivered)]).unwrap();
    other.settle("x", &[(second[0].clone(), Came::Again(0, "down".to_owned()))]).unwrap();
    assert_eq!((state(&one, "x").as_str(), claim(&one, "x").len()), ("delivered", 0));
}

fn state(alerts: &Alerts, to: &str) -> String {
    let told = alerts.list(1).unwrap().remove(0);
    told.deliveries.into_iter().find(|delivery| delivery.destination == to).unwrap().state
}

#[test]
fn of_two_claims_that_end_at_one_moment_the_later_counts() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, blocked(1, 10_000, "a", &["x"]));
    let alerts = Alerts::open(&path).unwrap();
    // Both end at the last moment there is, as two within one millisecond end together.
    let claim = || alerts.claim("x", 1, Duration::MAX).unwrap().remove(0);
    let first = claim();
    alerts.settle("x", &[(first.clone(), Came::Again(0, "down".to_owned()))]).unwrap();
    let second = claim();
    alerts.settle("x", &[(first, Came::Failed("late".to_owned()))]).unwrap();
    assert_eq!(state(&alerts, "x"), "waiting");
    alerts.settle("x", &[(second, Came::Failed("gone".to_owned()))]).unwrap();
    assert_eq!(state(&alerts, "x"), "failed");
}

#[test]
fn what_was_given_up_can_be_revived_and_what_waits_is_never_pruned() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, blocked(1, 10_000, "a", &["x"]));
    put(&mut store, blocked(2, 10_000, "b", &["x"]));
    finish(store);
    let alerts = Alerts::open(&path).unwrap();
    let [a, b] = claim(&alerts, "x").try_into().unwrap();
    alerts.settle("x", &[(a, Came::Failed("gone".to_owned())), (b, Came::Delivered)]).unwrap();
    assert_eq!((claim(&alerts, "x").len(), alerts.revive(&[]).unwrap()), (0, 1));
    let before = Prune { now_ms: i64::MAX, retention_ms: 0, max_bytes: u64::MAX, act: Act::Delete };
    prune(&path, &before).unwrap();
    let left = alerts.list(10).unwrap();
    assert_eq!(tools(&left), [("a".to_owned(), 1)]);
    assert_eq!(claim(&alerts, "x").len(), 1);
    let tampered = Connection::open(&path).unwrap().execute("DELETE FROM alerts", []);
    assert!(tampered.unwrap_err().to_string().contains("an alert that waits is kept"));
}

#[test]
fn an_alarm_that_every_process_raises_is_one() {
    let (_folder, path) = folder();
    let alarm = |unix_ms| Alarm {
        unix_ms,
        topic: Topic::PolicyRefused,
        text: "policy not reloaded".to_owned(),
        to: ["x".into()].into(),
    };
    for (session, at) in [("s", 10_000), ("t", 10_400), ("u", 60_000)] {
        let store = ready(&path, session);
        store.alarm(alarm(at));
        finish(store);
    }
    let told = Alerts::open(&path).unwrap().list(0).unwrap();
    assert_eq!(told.iter().map(|alert| alert.count).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((&*told[0].topic, &*told[0].severity), ("policy_refused", "high"));
}
