//! What servers list, and files from before lists were kept.

use super::*;
use crate::record::{Listed, Listing, Page};
use crate::store::ToolRow;

fn list(page: Page, unix_ms: i64, tools: &[(&str, &str)]) -> Vec<Record> {
    let tools = tools
        .iter()
        .map(|(name, more)| Listed {
            name: (*name).to_owned(),
            definition: format!(r#"{{"name":"{name}"{more}}}"#).into(),
        })
        .collect();
    vec![Record::Tools(Listing { unix_ms, page, is_last: true, tools })]
}

fn kept(path: &Path, session: &str, lists: Vec<Record>) {
    let store = Store::start(Options::new(path.to_owned()), info(session));
    for list in lists {
        store.queue(vec![list]);
    }
    finish(store);
}

fn tools(path: &Path) -> Vec<ToolRow> {
    Reader::open(path).unwrap().tools().unwrap()
}

fn count(path: &Path, table: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_definition_is_kept_once_and_a_changed_one_beside_it() {
    let (_folder, path) = folder();
    kept(&path, "s", list(Page::First, 1, &[("a", ""), ("b", "")]));
    kept(&path, "t", list(Page::First, 2, &[("a", ""), ("b", r#","description":"other""#)]));
    assert_eq!((count(&path, "tools"), count(&path, "listings")), (3, 2));
    let now = tools(&path);
    let seen: Vec<_> =
        now.iter().map(|row| (row.tool.as_str(), row.first_seen_ms, row.last_seen_ms)).collect();
    assert_eq!(seen, [("a", 1, 2), ("b", 2, 2)]);
    assert_eq!(now[1].definition.as_deref(), Some(r#"{"name":"b","description":"other"}"#));
    assert_ne!(now[0].definition_hash, now[1].definition_hash);
}

#[test]
fn a_list_goes_on_over_pages_and_ends_with_the_next_one_that_begins() {
    let (_folder, path) = folder();
    let pages = [
        list(Page::First, 1, &[("gone", "")]),
        list(Page::First, 2, &[("a", "")]),
        list(Page::Next, 3, &[("b", "")]),
    ];
    kept(&path, "s", pages.concat());
    let names = || tools(&path).into_iter().map(|row| row.tool).collect::<Vec<_>>();
    assert_eq!(names(), ["a", "b"]);
    kept(&path, "t", list(Page::First, 4, &[]));
    assert_eq!(names(), [""; 0]);
}

#[test]
fn a_secret_in_a_definition_does_not_reach_the_file() {
    let (_folder, path) = folder();
    let secret = format!(r#","inputSchema":{{"properties":{{"token":{{"default":"{SECRET}"}}}}}}"#);
    kept(&path, "s", list(Page::First, 1, &[("a", &secret)]));
    let definition = tools(&path).remove(0).definition.unwrap();
    assert!(definition.contains("token") && !definition.contains(SECRET), "{definition}");
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert_eq!(memchr::memmem::find(&bytes, SECRET.as_bytes()), None);
    }
}

#[test]
fn a_list_without_end_does_not_fill_the_disk() {
    let (_folder, path) = folder();
    let long = format!(r#","description":"{}""#, "x".repeat(3 << 20));
    kept(&path, "s", list(Page::First, 1, &[("a", ""), ("b", &long), ("c", &long)]));
    let lengths: Vec<_> =
        tools(&path).into_iter().map(|row| row.definition.map(|text| text.len() < 4_096)).collect();
    assert_eq!(lengths, [Some(true), Some(true), None]);
}

#[test]
fn what_tools_were_called_with_is_read_back_newest_first() {
    let (_folder, path) = folder();
    let silent = CallRecord { arguments: None, ..call(2) };
    let prompt = CallRecord { method: "prompts/get".into(), ..call(3) };
    kept(&path, "s", [one(1), vec![Record::Call(silent)], vec![Record::Call(prompt)]].concat());
    let called = Reader::open(&path).unwrap().called_with(9).unwrap();
    let arguments: Vec<_> = called.iter().map(|call| call.arguments.as_deref()).collect();
    assert_eq!(arguments, [None, Some(r#"{"path":"/tmp/a","n":1}"#)]);
    let (_folder, path) = folder();
    let none = Options { arguments: KeepArguments::None, ..Options::new(path.clone()) };
    let store = Store::start(none, info("s"));
    store.queue(one(1));
    finish(store);
    assert_eq!(Reader::open(&path).unwrap().called_with(9).unwrap(), []);
}

#[test]
fn a_file_of_the_first_version_is_read_verified_and_written_on() {
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    connection.execute_batch("PRAGMA application_id = 1667329127; PRAGMA user_version = 1").unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.tools().unwrap(), []);
    assert_eq!(reader.verify().unwrap().faults, []);
    drop(connection);
    kept(&path, "s", one(1));
    let known = SessionInfo { process: Some("boot:7".into()), ..info("t") };
    let store = Store::start(Options::new(path.clone()), known);
    store.queue(one(1));
    finish(store);
    assert_eq!(sound(&path).rows, 4);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "DROP TRIGGER sessions_stay; UPDATE sessions SET process = 'boot:8' WHERE session = 't'",
        )
        .unwrap();
    assert_eq!(
        Reader::open(&path).unwrap().verify().unwrap().faults,
        [ChainFault::Changed { session: "t".to_owned(), n: 1 }]
    );
}

#[test]
fn a_list_that_waits_is_not_the_work_of_a_call() {
    let queue = queue::Queue::new(1 << 20);
    queue.push([one(1), list(Page::First, 1, &[("a", "")]), one(2)].concat());
    let taken = queue.take(9);
    assert_eq!((taken.loan.records, queue.records()), (2, 1));
    let (lists, loan) = queue.take_lists();
    assert_eq!((lists.len(), loan.records, queue.unwritten()), (1, 1, 3));
    queue.release(taken.loan);
    queue.release(loan);
    assert_eq!(queue.unwritten(), 0);
}
