//! Which sessions run, and what each has loaded.

use super::*;
use crate::store::{RuleRow, Sessions, this_process};

fn own(session: &str) -> SessionInfo {
    SessionInfo { pid: std::process::id(), process: this_process(), ..info(session) }
}

fn sessions(path: &Path, wanted: Sessions) -> Vec<(String, bool)> {
    let rows = Reader::open(path).unwrap().sessions(wanted).unwrap();
    rows.into_iter().map(|row| (row.session, row.is_running)).collect()
}

#[test]
fn a_session_runs_from_its_policy_on_until_it_is_closed() {
    let (_folder, path) = folder();
    let mut store = Store::start(Options::new(path.clone()), own("s"));
    store.policy(policy("rev1", "/p", "P"), Vec::new());
    await_open(&store);
    put(&mut store, Vec::new());
    let found = Reader::open(&path).unwrap().sessions(Sessions::Running).unwrap().remove(0);
    assert_eq!((found.session.as_str(), found.is_running, found.total().calls), ("s", true, 0));
    let loaded = found.loaded.unwrap();
    assert_eq!((loaded.revision.as_str(), loaded.path.as_deref()), ("rev1", Some("/p")));
    finish(store);
    assert_eq!(sessions(&path, Sessions::AllUnclosed), []);
}

#[test]
fn a_process_that_took_over_the_id_is_not_the_one_that_wrote() {
    let (_folder, path) = folder();
    let another = SessionInfo { process: Some("another-boot:1".into()), ..own("reused") };
    let gone = SessionInfo { pid: i32::MAX.unsigned_abs(), process: None, ..own("gone") };
    let mut stores = [another, gone].map(|info| {
        let mut store = Store::start(Options::new(path.clone()), info);
        await_open(&store);
        put(&mut store, one(1));
        store
    });
    let told = sessions(&path, Sessions::AllUnclosed);
    #[cfg(target_os = "linux")]
    assert_eq!(sessions(&path, Sessions::Running), []);
    assert_eq!(told.iter().map(|(session, _)| session.as_str()).collect::<Vec<_>>(), ["reused", "gone"]);
    for store in &mut stores {
        put(store, one(2));
    }
}

#[test]
fn calls_are_counted_by_rule_and_by_what_became_of_them() {
    let (_folder, path) = folder();
    let mut before = Store::start(Options::new(path.clone()), own("before"));
    await_open(&before);
    put(&mut before, one(1));
    let mut store = Store::start(Options::new(path.clone()), own("s"));
    await_open(&store);
    let blocked = CallRecord { outcome: Outcome::Blocked, mode: Mode::Enforce, ..call(2) };
    let passed = CallRecord { verdict: Some(Effect::Allow), rule: None, ..call(3) };
    let open = CallRecord { outcome: Outcome::FailOpen, verdict: None, rule: None, ..call(5) };
    let gap = Gap { unix_ms: 1, missing: 4, why: "the queue was full".into() };
    let notice =
        Notice { unix_ms: 9, kind: NoticeKind::PolicyRefused, text: "policy not reloaded: 1 fault".into() };
    let calls = [call(1), blocked, passed, call(4), open].map(Record::Call);
    put(&mut store, [calls.to_vec(), vec![Record::Gap(gap), Record::Notice(notice)]].concat());
    store.policy(policy("rev1", "/p", "P"), Vec::new());
    put(&mut store, Vec::new());
    let found = Reader::open(&path).unwrap().sessions(Sessions::Running).unwrap();
    assert_eq!(found.len(), 2);
    let found = &found[1];
    let oldest = Some(call(1).unix_ms);
    let by_rule = RuleRow {
        rule: Some("no-deletes".into()),
        calls: 3,
        would_stop: 2,
        blocked: 1,
        fail_open: 0,
        oldest_would_stop_ms: oldest,
    };
    assert_eq!(found.rules[0], by_rule);
    assert_eq!(found.total(), RuleRow { rule: None, calls: 5, fail_open: 1, ..by_rule });
    assert_eq!(found.missing, 4);
    assert_eq!(found.loaded.as_ref().unwrap().refused.as_deref(), Some("policy not reloaded: 1 fault"));
    finish(before);
    finish(store);
}
