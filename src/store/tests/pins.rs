//! Which definitions are pinned, by whom, and what two processes make of it.

use super::*;
use crate::guard::{Elsewhere, Pinned};
use crate::policy::Imprint;
use crate::record::{Listed, Listing, Page};

const A: &str = r#"{"name":"a","description":"one"}"#;
const A_CHANGED: &str = r#"{"name":"a","description":"two"}"#;
const B: &str = r#"{"name":"b"}"#;

fn page(page: Page, is_last: bool, definitions: &[&str]) -> Record {
    let tools = definitions
        .iter()
        .map(|definition| Listed { name: definition[9..10].to_owned(), definition: (*definition).into() });
    Record::Tools(Listing { unix_ms: 7, page, is_last, tools: tools.collect() })
}

fn whole(definitions: &[&str]) -> Record {
    page(Page::First, true, definitions)
}

fn listed(path: &Path, session: &str, pages: Vec<Record>) {
    let store = Store::start(Options::new(path.to_owned()), info(session));
    for page in pages {
        store.queue(vec![page]);
    }
    finish(store);
}

fn standings(path: &Path) -> Vec<(String, Standing, Vec<&'static str>)> {
    let tools = Reader::open(path).unwrap().kept_tools().unwrap();
    tools.into_iter().map(|tool| (tool.tool.clone(), tool.standing, tool.differing())).collect()
}

fn pinned(path: &Path, definition: &str) -> Option<Pinned> {
    Others::new(path.to_owned(), "asks".into()).pinned("files", &Imprint::of(definition).hash)
}

#[test]
fn the_first_whole_list_of_a_server_is_pinned_page_by_page_and_no_later_one() {
    let (_folder, path) = folder();
    let begun = page(Page::First, false, &[A]);
    listed(&path, "s", vec![begun.clone()]);
    assert_eq!(pinned(&path, A), Some(Pinned::NothingYet));
    assert_eq!(standings(&path), [("a".into(), Standing::Unpinned, vec![])]);
    listed(&path, "t", vec![page(Page::Next, true, &[B])]);
    assert_eq!(pinned(&path, B), Some(Pinned::NothingYet), "a list that nobody saw begin");
    listed(&path, "u", vec![begun, page(Page::Next, true, &[B])]);
    assert_eq!((pinned(&path, A), pinned(&path, B)), (Some(Pinned::Yes), Some(Pinned::Yes)));
    listed(&path, "v", vec![whole(&[A_CHANGED, r#"{"name":"c"}"#])]);
    assert_eq!(pinned(&path, A_CHANGED), Some(Pinned::No));
    assert_eq!(
        standings(&path),
        [
            ("a".into(), Standing::Changed, vec!["description"]),
            ("b".into(), Standing::Gone, vec![]),
            ("c".into(), Standing::New, vec![])
        ]
    );
    listed(&path, "w", vec![whole(&[A, B])]);
    assert!(standings(&path).iter().all(|(_, standing, _)| *standing == Standing::Pinned));
    let first = &Reader::open(&path).unwrap().kept_tools().unwrap()[0].pins[0];
    assert_eq!((first.origin.as_str(), first.session.as_deref(), first.unix_ms), ("first_use", Some("u"), 7));
}

#[test]
fn an_empty_list_pins_nothing() {
    let (_folder, path) = folder();
    listed(&path, "s", vec![whole(&[])]);
    listed(&path, "t", vec![whole(&[A])]);
    assert_eq!(pinned(&path, A), Some(Pinned::Yes));
}

#[test]
fn of_two_processes_at_once_one_pins_and_both_are_told_so() {
    let (_folder, path) = folder();
    let (mut one, mut other) = (ready(&path, "s"), ready(&path, "t"));
    let race = |store: &mut Store, definition: &str| put(store, vec![whole(&[definition])]);
    thread::scope(|scope| {
        scope.spawn(|| race(&mut one, A));
        scope.spawn(|| race(&mut other, A_CHANGED));
    });
    let told = [A, A_CHANGED].map(|definition| pinned(&path, definition).unwrap());
    assert!(matches!(told, [Pinned::Yes, Pinned::No] | [Pinned::No, Pinned::Yes]), "{told:?}");
    finish(one);
    finish(other);
}

#[test]
fn what_is_accepted_is_pinned_beside_what_was_and_says_by_whom() {
    let (_folder, path) = folder();
    listed(&path, "s", vec![whole(&[A])]);
    listed(&path, "t", vec![whole(&[A_CHANGED])]);
    let hash = Imprint::of(A_CHANGED).hash;
    let by = Acceptance { unix_ms: 9, user: "me", uid: 1_000 };
    assert_eq!(accept(&path, "files", &[("a", &hash)], by).unwrap(), 1);
    assert_eq!(accept(&path, "files", &[("a", &hash), ("never listed", "0")], by).unwrap(), 0);
    assert_eq!((pinned(&path, A), pinned(&path, A_CHANGED)), (Some(Pinned::Yes), Some(Pinned::Yes)));
    let tool = Reader::open(&path).unwrap().kept_tools().unwrap().remove(0);
    let last = tool.pins.last().unwrap();
    assert_eq!((tool.standing, last.origin.as_str()), (Standing::Pinned, "accepted"));
    assert_eq!((last.user.as_deref(), last.unix_ms), (Some("me"), 9));
}

#[test]
fn a_session_reads_what_is_pinned_and_says_so_where_it_cannot() {
    let (_folder, path) = folder();
    let others = Others::new(path.clone(), "asks".into());
    assert_eq!(others.pinned("files", "0"), Some(Pinned::NothingYet));
    listed(&path, "s", vec![whole(&[A, B])]);
    let names = format!("{:?}", others.pins("files").unwrap());
    assert!(names.contains("\"a\"") && names.contains("\"b\""), "{names}");
    assert_eq!(others.pinned("another", &Imprint::of(A).hash), Some(Pinned::NothingYet));
    let broken = path.with_extension("broken");
    std::fs::write(&broken, "no database, but long enough to be looked at as one").unwrap();
    let others = Others::new(broken, "asks".into());
    assert!(others.pins("files").is_none() && others.pinned("files", "0").is_none());
}
