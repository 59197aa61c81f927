//! The two ways in, and what joins what.

use super::*;

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
fn a_call_with_arguments_larger_than_the_queue_is_cut_and_not_lost() {
    let (_folder, path) = folder();
    let store = Store::start(Options { queue_bytes: 4_096, ..Options::new(path.clone()) }, info("s"));
    let large = format!(r#"{{"content":"{}"}}"#, "x".repeat(100_000));
    store.queue(vec![Record::Call(CallRecord { arguments: Some(large.into()), ..call(1) })]);
    finish(store);
    let kept = rows(&path).remove(0).arguments.unwrap();
    assert!(kept.as_str().starts_with(r#"{"content":"xxx"#) && kept.as_str().len() < 1_000);
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
fn calls_that_are_judged_alike_share_what_is_said_of_them() {
    let (_folder, path) = folder();
    for session in ["s", "t"] {
        let mut store = ready(&path, session);
        put(&mut store, one(1));
        let tool = "read_file".to_owned();
        put(&mut store, vec![Record::Call(CallRecord { tool, ..call(2) }), Record::Call(call(3))]);
        let reason = Some("another".into());
        store.queue(vec![Record::Call(CallRecord { reason, ..call(4) }), Record::Call(call(5))]);
        finish(store);
    }
    let said: Vec<_> = rows(&path).into_iter().map(|row| (row.tool.unwrap(), row.reason.unwrap())).collect();
    let usual = ("delete_file".to_owned(), call(1).reason.unwrap().to_string());
    let read = ("read_file".to_owned(), usual.1.clone());
    let other = (usual.0.clone(), "another".to_owned());
    let each = [&usual, &read, &usual, &other, &usual];
    assert!(said.iter().eq(each.into_iter().chain(each)), "{said:?}");
    let judgements: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM judgements", [], |row| row.get(0))
        .unwrap();
    assert_eq!(judgements, 3);
    sound(&path);
}

#[test]
fn more_judgements_than_are_remembered_are_all_kept() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    let tool = |number: u64| format!("tool-{}", number % 1_500);
    store.queue(
        (0..3_000)
            .map(|number| Record::Call(CallRecord { tool: tool(number), ..call(number + 1) }))
            .collect(),
    );
    finish(store);
    let tools: Vec<_> = rows(&path).into_iter().filter_map(|row| row.tool).collect();
    assert!(tools.into_iter().eq((0..3_000).map(tool)));
    sound(&path);
}

#[test]
fn a_row_tells_how_its_call_ended_in_words() {
    let (_folder, path) = folder();
    let store = Store::start(Options::new(path.clone()), info("s"));
    let all = [Status::Ok, Status::ToolError, Status::RpcError, Status::Cancelled, Status::NoReply];
    for (number, status) in (1..).zip(all) {
        store.queue(one(number));
        store.queue(vec![Record::Completion(Completion { status, ..completion(number) })]);
    }
    finish(store);
    let words: Vec<_> = rows(&path).into_iter().filter_map(|row| row.status).collect();
    assert_eq!(words, all.map(Status::as_str));
}

#[test]
fn a_completion_whose_call_is_not_there_is_no_record_that_waits() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    store.queue(vec![Record::Completion(completion(7))]);
    // Once it has been taken.
    put(&mut store, one(1));
    store.queue(vec![Record::Completion(completion(8))]);
    let until = clock::now().steady_us + 30_000_000;
    while store.shared.queue.unwritten() > 0 {
        assert!(clock::now().steady_us < until, "it waits for ever");
        thread::yield_now();
    }
    finish(store);
    assert_eq!(events(&path), 1);
}
