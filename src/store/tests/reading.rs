//! What readers get, row by row.

use super::*;

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
            r#""eval_us":7,"status":"ok","latency_us":250,"result_bytes":99,"labels":[]}]"#
        )
    );
    let connection = Connection::open(&path).unwrap();
    let view = connection.prepare("SELECT * FROM audit").unwrap();
    assert_eq!(
        view.column_names().collect::<Vec<_>>().join(" "),
        "seq ts session agent user groups repo environment client server method tool arguments verdict mode outcome rule \
         matched reason policy tool_call_id eval_us status latency_us result_bytes labels"
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
    assert_eq!(store.finish(PATIENCE), Finished { unwritten: 0 });
    let waiting = std::fs::read_dir(path.parent().unwrap().join("spool")).unwrap();
    assert_eq!(waiting.count(), 1, "it waits for a store of ours");
    connection.execute_batch("PRAGMA journal_mode = delete; DROP TABLE mine; PRAGMA user_version = 99; PRAGMA application_id = 1667329127;").unwrap();
    let newer = Reader::open(&path).unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 99, .. }), "{newer}");
}
