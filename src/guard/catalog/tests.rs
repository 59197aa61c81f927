//! Lists as servers write them, and what is pinned before and after.

use proptest::prelude::*;

use super::*;

/// A catalog in front of a store that says what is pinned.
#[derive(Default)]
struct Listing {
    catalog: Catalog,
    pins: Option<Pins>,
}

impl Listing {
    /// In front of a store in which nothing is pinned.
    fn new() -> Self {
        Self { catalog: Catalog::default(), pins: Some(Pins::default()) }
    }

    fn take(&mut self, result: &str, page: Page) -> Option<Told> {
        let pins = self.pins.clone();
        self.catalog.take(result.as_bytes(), page, &|| pins.clone())
    }

    fn names(&mut self, result: &str, page: Page) -> Vec<String> {
        self.take(result, page).unwrap().tools.into_iter().map(|tool| tool.name).collect()
    }

    /// What there is to tell of a first page.
    fn changes(&mut self, result: &str) -> Vec<(String, Difference)> {
        let told = self.take(result, Page::First).unwrap();
        told.changes.into_iter().map(|change| (change.tool, change.difference)).collect()
    }

    fn changed(&self, tool: &str) -> Option<bool> {
        self.catalog.changed(tool, &|hash| {
            let pins = self.pins.as_ref()?;
            Some(match (pins.holds(hash), pins.is_empty()) {
                (true, _) => Pinned::Yes,
                (false, true) => Pinned::NothingYet,
                (false, false) => Pinned::No,
            })
        })
    }
}

/// A pin of each of these definitions.
fn pins(definitions: &[&str]) -> Pins {
    let mut pins = Pins::default();
    for definition in definitions {
        let (name, _) = read(definition).unwrap();
        pins.add(&shown(&name), Imprint::of(definition));
    }
    pins
}

const A: &str = r#"{"name":"a","description":"one"}"#;
const A_CHANGED: &str = r#"{"name":"a","description":"two"}"#;
const B: &str = r#"{"name":"b"}"#;

fn list(definitions: &[&str]) -> String {
    format!(r#"{{"tools":[{}]}}"#, definitions.join(","))
}

fn changed_a() -> (String, Difference) {
    ("a".to_owned(), Difference::In(vec!["description"]))
}

#[test]
fn a_first_page_replaces_the_list_and_the_next_ones_add_to_it() {
    let mut listing = Listing::new();
    listing.take(&list(&[r#"{"name":"old"}"#]), Page::First);
    let first = r#"{"tools":[{"name":"a","annotations":{"readOnlyHint":true}}],"nextCursor":"2"}"#;
    assert_eq!(listing.names(first, Page::First), ["a"]);
    assert_eq!(listing.names(&list(&[B]), Page::Next), ["b"]);
    assert!(listing.catalog.claims("a").unwrap().read_only);
    assert_eq!(listing.catalog.claims("b"), Some(Claims::default()));
    assert_eq!(listing.catalog.claims("old"), None);
}

#[test]
fn the_same_list_is_told_once_and_again_after_another() {
    let mut listing = Listing::new();
    assert!(listing.take(&list(&[A]), Page::First).is_some());
    assert_eq!(listing.take(&list(&[A]), Page::First), None);
    assert!(listing.catalog.claims("a").is_some());
    assert!(listing.take(&list(&[B]), Page::First).is_some());
    assert!(listing.catalog.claims("a").is_none());
    assert!(listing.take(&list(&[A]), Page::First).is_some());
    assert!(listing.take("[]", Page::First).is_none() && listing.catalog.claims("a").is_none());
    assert!(listing.take(&list(&[A]), Page::First).is_some());
}

#[test]
fn a_tool_that_can_be_read_in_two_ways_is_not_listed() {
    let mut listing = Listing::new();
    let twice = r#"{"tools":[
        {"name":"t","annotations":{"readOnlyHint":false,"readOnlyHint":true}},
        {"name":"u","name":"v"}, {"name":7}, {}, 1, null, {"name":"w"}]}"#;
    assert_eq!(listing.names(twice, Page::First), ["w"]);
    assert!(["t", "u", "v"].iter().all(|tool| listing.catalog.claims(tool).is_none()));
    assert!(["t", "u", "v"].iter().all(|tool| listing.changed(tool).is_none()));
}

#[test]
fn of_a_tool_that_is_listed_twice_the_worse_claims_hold() {
    let mut listing = Listing::new();
    listing.take(
        &list(&[r#"{"name":"t"}"#, r#"{"name":"t","annotations":{"readOnlyHint":true}}"#]),
        Page::First,
    );
    assert_eq!(listing.catalog.claims("t"), Some(Claims::default()));
}

#[test]
fn a_list_has_an_end() {
    let tools: Vec<String> = (0..MOST_TOOLS + 9).map(|n| format!(r#"{{"name":"t{n}"}}"#)).collect();
    let mut listing = Listing::new();
    let told = listing.take(&format!(r#"{{"tools":[{}]}}"#, tools.join(",")), Page::First);
    assert_eq!(told.map(|told| told.tools.len()), Some(MOST_TOOLS));
    assert_eq!(listing.catalog.claims(&format!("t{MOST_TOOLS}")), None);
    let long = format!(r#"{{"tools":[{{"name":"{}"}}]}}"#, "n".repeat(LONGEST_NAME + 1));
    assert!(listing.names(&long, Page::First).is_empty());
}

#[test]
fn what_differs_from_its_pin_or_has_none_has_changed_and_is_told_once() {
    let mut listing = Listing { pins: Some(pins(&[A])), ..Listing::new() };
    assert_eq!(listing.changes(&list(&[A_CHANGED, B])), [changed_a(), ("b".into(), Difference::New)]);
    assert_eq!((listing.changed("a"), listing.changed("b")), (Some(true), Some(true)));
    assert!(listing.changes(&list(&[A])).is_empty());
    assert_eq!(listing.changed("a"), Some(false));
    assert!(listing.changes(&list(&[A_CHANGED])).is_empty(), "this session has told it");
    assert_eq!(listing.changed("a"), Some(true));
    assert_eq!(listing.changed("never listed"), None);
}

#[test]
fn the_first_whole_list_is_trusted_page_by_page_and_what_follows_is_compared_with_it() {
    let mut listing = Listing::new();
    let first = format!(r#"{{"tools":[{A}],"nextCursor":"2"}}"#);
    assert!(listing.take(&first, Page::First).unwrap().changes.is_empty());
    assert_eq!(listing.changed("a"), Some(false));
    let last = listing.take(&list(&[B]), Page::Next).unwrap();
    assert!(last.is_last && last.changes.is_empty());
    assert_eq!((listing.changed("a"), listing.changed("b")), (Some(false), Some(false)));
    // The store has not written it yet: the session knows by itself.
    assert_eq!(
        listing.changes(&list(&[A_CHANGED, r#"{"name":"c"}"#])),
        [changed_a(), ("c".into(), Difference::New)]
    );
    assert_eq!((listing.changed("a"), listing.changed("c")), (Some(true), Some(true)));
}

#[test]
fn a_list_without_tools_is_no_first_use() {
    let mut listing = Listing::new();
    assert!(listing.changes(&list(&[])).is_empty());
    assert!(listing.changes(&list(&[A])).is_empty());
    assert_eq!(listing.changed("a"), Some(false));
}

#[test]
fn of_two_processes_the_one_that_pinned_first_is_right() {
    let mut late = Listing::new();
    late.take(&list(&[A]), Page::First);
    assert_eq!(late.changed("a"), Some(false));
    late.pins = Some(pins(&[A_CHANGED]));
    assert_eq!(late.changed("a"), Some(true));
}

#[test]
fn what_people_accept_holds_in_the_running_session_and_for_good() {
    let mut listing = Listing { pins: Some(pins(&[A])), ..Listing::new() };
    listing.take(&list(&[A_CHANGED]), Page::First);
    assert_eq!(listing.changed("a"), Some(true));
    listing.pins = Some(pins(&[A, A_CHANGED]));
    assert_eq!(listing.changed("a"), Some(false));
    listing.pins = None;
    assert_eq!(listing.changed("a"), Some(false), "a pin stays, so nobody is asked again");
}

#[test]
fn where_pins_cannot_be_read_nothing_is_known_and_people_are_told_once() {
    let mut listing = Listing { pins: None, ..Listing::new() };
    assert!(listing.changes(&list(&[A])).is_empty());
    assert_eq!(listing.changed("a"), None);
    assert!(listing.catalog.goes_blind() && !listing.catalog.goes_blind());
    listing.pins = Some(Pins::default());
    assert_eq!(listing.changed("a"), None, "it may have been pinned, or not");
    listing.pins = Some(pins(&[A]));
    assert_eq!(listing.changed("a"), Some(false));
}

#[test]
fn a_tool_that_is_listed_in_two_ways_is_as_pinned_only_if_both_are() {
    let mut listing = Listing { pins: Some(pins(&[A])), ..Listing::new() };
    assert_eq!(listing.changes(&list(&[A, A_CHANGED])), [changed_a()]);
    assert_eq!(listing.changed("a"), Some(true));
    listing.pins = Some(pins(&[A, A_CHANGED]));
    assert_eq!(listing.changed("a"), Some(false));
    let many: Vec<String> =
        (0..=MOST_DEFINITIONS).map(|n| format!(r#"{{"name":"a","title":"{n}"}}"#)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    listing.pins = Some(pins(&many));
    listing.take(&list(&many), Page::First);
    assert_eq!(listing.changed("a"), Some(true), "nobody looks through so many");
}

proptest! {
    #[test]
    fn whatever_a_server_says_is_survived(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}\",:a-ct0-9 ]{0,60}") {
        let mut listing = Listing::new();
        listing.catalog.take(&bytes, Page::First, &|| Some(Pins::default()));
        let told = listing.take(&format!(r#"{{"tools":[{text}]}}"#), Page::Next);
        let tools = told.into_iter().flat_map(|told| told.tools);
        prop_assert!(tools.into_iter().all(|tool| listing.catalog.claims(&tool.name).is_some()));
    }
}
