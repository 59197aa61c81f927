//! What a process could not write before its end: in the file once another one can.

use std::fs;

use super::*;

/// A store whose folder cannot be made, for a file is in its place.
fn blocked(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap().to_owned();
    fs::write(&folder, "").unwrap();
    folder
}

#[test]
fn what_could_not_be_written_is_taken_in_once_by_the_next_process() {
    let (_folder, path) = folder();
    let in_the_way = blocked(&path);
    let store = Store::start(Options::new(path.clone()), info("lost"));
    let mut secret = call(1);
    secret.arguments = Some(format!(r#"{{"token":"{SECRET}"}}"#).into());
    let done = Completion { number: 2, status: Status::ToolError, latency_us: 7, result_bytes: 9 };
    let notice = Notice { unix_ms: 5, kind: NoticeKind::ReplyDropped, text: "dropped".into() };
    let gap = Gap { unix_ms: 6, missing: 3, why: "full".into() };
    let source = PolicySource {
        revision: "0123456789abcdef".into(),
        name: "p".into(),
        path: None,
        source: "version = 1".into(),
        unix_ms: 1,
    };
    store.policy(source, Vec::new());
    store.queue(vec![
        Record::Call(secret),
        Record::Call(call(2)),
        Record::Completion(done),
        Record::Notice(notice),
        Record::Gap(gap),
    ]);
    assert_eq!(store.finish(PATIENCE).unwritten, 0, "all of it waits");
    fs::remove_file(in_the_way).unwrap();
    for round in ["next", "another"] {
        let said = Arc::new(Mutex::new(Vec::<String>::new()));
        let listening = Arc::clone(&said);
        let on_recovery = Box::new(move |line: &str| listening.lock().unwrap().push(line.to_owned()));
        let store = Store::start(Options { on_recovery, ..Options::new(path.clone()) }, info(round));
        store.queue(vec![Record::Call(call(1))]);
        assert_eq!(store.finish(PATIENCE).unwritten, 0);
        let took_in = said.lock().unwrap().iter().any(|line| line.contains("took in 4 records"));
        assert_eq!(took_in, round == "next", "{:?}", said.lock().unwrap());
    }
    let reader = Reader::open(&path).unwrap();
    let rows = reader.rows(&Filter { session: Some("lost".into()), ..Filter::default() }).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[1].status.as_deref(), rows[1].latency_us), (Some("tool_error"), Some(7)));
    assert_eq!(rows[0].policy.as_deref(), Some("rev1"));
    assert!(!format!("{rows:?}").contains(SECRET) && rows[0].arguments.is_some());
    let notices = reader.notices(0).unwrap();
    let of_lost: Vec<_> = notices.iter().filter(|notice| notice.session.as_deref() == Some("lost")).collect();
    assert_eq!(of_lost.len(), 2, "{of_lost:?}");
    assert_eq!(reader.verify().unwrap().faults, []);
}
