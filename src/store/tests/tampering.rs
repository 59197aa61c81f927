//! What is changed, deleted or forged is found.

use super::*;
use crate::record::{Listed, Listing, Page};

#[test]
fn nothing_can_be_changed_or_deleted_by_a_plain_statement() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    store.policy(policy("rev1", "/p", "P"), Vec::new());
    put(&mut store, one(1));
    let tools = vec![Listed { name: "a".into(), definition: r#"{"name":"a"}"#.into() }];
    put(&mut store, vec![Record::Tools(Listing { unix_ms: 1, page: Page::First, is_last: true, tools })]);
    finish(store);
    let connection = Connection::open(&path).unwrap();
    for table in [
        "events",
        "sessions",
        "judgements",
        "policies",
        "loads",
        "checkpoints",
        "adoptions",
        "tools",
        "listings",
        "pins",
    ] {
        for sql in [
            format!("DELETE FROM {table}"),
            format!("UPDATE {table} SET id = 0").replace("events SET id", "events SET ts"),
        ] {
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
        "UPDATE events SET status = 2 WHERE seq = 4",
        "UPDATE events SET judgement = NULL WHERE seq = 4",
        "UPDATE events SET judgement = 99 WHERE seq = 4",
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
}

#[test]
fn a_changed_judgement_is_a_fault_of_every_call_that_it_was_given_to() {
    let faults = [2, 3, 4].map(|n| ChainFault::Changed { session: "s".to_owned(), n });
    for tamper in [
        "UPDATE judgements SET verdict = 'allow'",
        "UPDATE judgements SET reason = NULL",
        "UPDATE judgements SET policy = NULL",
        "UPDATE judgements SET hash = zeroblob(32)",
        "UPDATE policies SET revision = 'other'",
        "DELETE FROM judgements",
    ] {
        assert_eq!(tampered(tamper), faults, "{tamper}");
    }
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
