//! What the server lists as its tools, and what it claims of them.
//!
//! It refuses to judge a list or to hold it back: by the time it is read here it is on its way. Invariant: a tool of
//! which there is any doubt is not in it, so that rules about claims take the worst of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::policy::Claims;
use crate::record::{Listed, Page};
use crate::wire::Json;

/// More tools than any server has; what comes after them counts as not listed.
const MOST_TOOLS: usize = 4_096;
/// Longer names are not kept, bytes. The names of tools in use have some twenty.
const LONGEST_NAME: usize = 1_024;

/// The tools of one session's server, as it last listed them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    tools: HashMap<Box<str>, Claims>,
    /// Of the last list that came whole: a client that asks again and again is told the same.
    last: Option<u64>,
}

/// The answer to `tools/list` (MCP 2025-06-18, server/tools), as far as it is of use here.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(rename = "nextCursor", default, borrow)]
    more: Option<&'a RawValue>,
}

impl Catalog {
    /// What the server claims of a tool; `None` where it did not list it.
    pub(super) fn claims(&self, tool: &str) -> Option<Claims> {
        self.tools.get(tool).copied()
    }

    /// Takes an answer in. The tools in it; `None` where it cannot be read, or the same has just been told.
    pub(super) fn take(&mut self, result: &[u8], page: Page) -> Option<Vec<Listed>> {
        if page == Page::First {
            self.tools.clear();
        }
        // Of a list that cannot be read no tool is known.
        let answer = serde_json::from_slice::<Answer<'_>>(result).ok()?;
        let mut told = Vec::with_capacity(answer.tools.len().min(MOST_TOOLS));
        for definition in answer.tools.iter().map(|raw| raw.get()) {
            let Some((name, claims)) = read(definition) else { continue };
            if self.tools.len() >= MOST_TOOLS && !self.tools.contains_key(&*name) {
                break;
            }
            let known = self.tools.entry(name.as_ref().into()).or_insert(claims);
            *known = known.and(claims);
            told.push(Listed { name: name.into_owned(), definition: definition.into() });
        }
        let whole = page == Page::First && answer.more.is_none_or(|cursor| cursor.get() == "null");
        let digest = whole.then(|| digest(result));
        let again = digest.is_some() && digest == self.last;
        self.last = digest;
        (!again).then_some(told)
    }
}

/// The name and the claims of a definition that has one reading.
fn read(definition: &str) -> Option<(Cow<'_, str>, Claims)> {
    let tool = Json::from_text(definition)?;
    let name = tool.member("name")?.as_str()?;
    (name.len() <= LONGEST_NAME).then(|| (name, Claims::of(tool)))
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(told: Option<Vec<Listed>>) -> Vec<String> {
        told.unwrap().into_iter().map(|tool| tool.name).collect()
    }

    #[test]
    fn a_first_page_replaces_the_list_and_the_next_ones_add_to_it() {
        let mut catalog = Catalog::default();
        catalog.take(br#"{"tools":[{"name":"old"}]}"#, Page::First);
        let first = br#"{"tools":[{"name":"a","annotations":{"readOnlyHint":true}}],"nextCursor":"2"}"#;
        assert_eq!(names(catalog.take(first, Page::First)), ["a"]);
        assert_eq!(names(catalog.take(br#"{"tools":[{"name":"b"}]}"#, Page::Next)), ["b"]);
        assert!(catalog.claims("a").unwrap().read_only);
        assert_eq!(catalog.claims("b"), Some(Claims::default()));
        assert_eq!(catalog.claims("old"), None);
    }

    #[test]
    fn the_same_list_is_told_once_and_again_after_another() {
        let mut catalog = Catalog::default();
        let (one, other) = (br#"{"tools":[{"name":"a"}]}"#, br#"{"tools":[{"name":"b"}]}"#);
        assert!(catalog.take(one, Page::First).is_some());
        assert_eq!(catalog.take(one, Page::First), None);
        assert!(catalog.claims("a").is_some());
        assert!(catalog.take(other, Page::First).is_some());
        assert!(catalog.take(one, Page::First).is_some());
    }

    #[test]
    fn a_tool_that_can_be_read_in_two_ways_is_not_listed() {
        let mut catalog = Catalog::default();
        let twice = r#"{"tools":[
            {"name":"t","annotations":{"readOnlyHint":false,"readOnlyHint":true}},
            {"name":"u","name":"v"}, {"name":7}, {}, 1, null, {"name":"w"}]}"#;
        assert_eq!(names(catalog.take(twice.as_bytes(), Page::First)), ["w"]);
        assert!(["t", "u", "v"].iter().all(|tool| catalog.claims(tool).is_none()));
    }

    #[test]
    fn of_a_tool_that_is_listed_twice_the_worse_claims_hold() {
        let mut catalog = Catalog::default();
        let twice = r#"{"tools":[{"name":"t"},{"name":"t","annotations":{"readOnlyHint":true}}]}"#;
        catalog.take(twice.as_bytes(), Page::First);
        assert_eq!(catalog.claims("t"), Some(Claims::default()));
    }

    #[test]
    fn a_list_has_an_end() {
        let tools: Vec<String> = (0..MOST_TOOLS + 9).map(|n| format!(r#"{{"name":"t{n}"}}"#)).collect();
        let mut catalog = Catalog::default();
        let told = catalog.take(format!(r#"{{"tools":[{}]}}"#, tools.join(",")).as_bytes(), Page::First);
        assert_eq!(told.map(|told| told.len()), Some(MOST_TOOLS));
        assert_eq!(catalog.claims(&format!("t{MOST_TOOLS}")), None);
        let long = format!(r#"{{"tools":[{{"name":"{}"}}]}}"#, "n".repeat(LONGEST_NAME + 1));
        assert_eq!(catalog.take(long.as_bytes(), Page::First), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_is_survived(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}\",:a-ct0-9 ]{0,60}") {
            let mut catalog = Catalog::default();
            catalog.take(&bytes, Page::First);
            let told = catalog.take(format!(r#"{{"tools":[{text}]}}"#).as_bytes(), Page::Next);
            prop_assert!(told.into_iter().flatten().all(|tool| catalog.claims(&tool.name).is_some()));
        }
    }
}
