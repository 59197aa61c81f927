//! Leaving tools out of a server's list of which no call could pass: so that a model does not try what it may not.
//!
//! It refuses to be an authorization: a tool that was left out and is called all the same is judged like any other. It
//! refuses to write a list anew: one in a batch (2025-03-26), or one that could be read in two ways, passes whole. Invariant: what is left of a list are bytes of the server's, in their order.

use std::ops::Range;

use super::effect::Outbox;
use super::session::{Session, notice};
use crate::record::{NoticeKind, Now};
use crate::wire::{Glance, Json, JsonKind, Line, fold, shown};

/// How many of the tools that were left out are named.
const MOST_NAMED: usize = 50;

impl Session {
    /// The answer to `tools/list` without the tools of which no call could pass; `None` where it passes as it came: where
    /// nothing is to be left out, or the list could be read in another way.
    pub(super) fn filtered(
        &mut self,
        line: Line<'_>,
        seen: &Glance<'_>,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Vec<u8>> {
        let server = &self.info.server;
        let applies =
            self.is_gated() && self.unguarded.is_none() && self.terms.filter_tools.applies_to(server);
        let result = seen.result.filter(|_| applies)?;
        let could_pass = |tool: &str| self.terms.policy.could_pass(&self.stance, tool, &self.facts);
        let cut = if line.ahead == 0 { cut(result, could_pass) } else { None };
        let Some(cut) = cut else {
            let why =
                if line.ahead == 0 { "it can be read in two ways" } else { "its beginning had left before" };
            self.tell_hidden(format!("a list of tools passed whole: {why}"), now, out);
            return None;
        };
        let start = result.as_ptr().addr().checked_sub(line.bytes.as_ptr().addr())?;
        if cut.names.is_empty() {
            return None;
        }
        let mut left = line.bytes.get(..start)?.to_vec();
        left.extend(without(result, &cut.ranges));
        left.extend_from_slice(line.bytes.get(start + result.len()..)?);
        self.tell_hidden(in_words(&cut.names), now, out);
        Some(left)
    }

    /// Records it, unless it says of one list after the other the same.
    fn tell_hidden(&mut self, text: String, now: Now, out: &mut Outbox) {
        if self.hidden != text {
            out.records.push(notice(now, NoticeKind::ToolsHidden, text.clone()));
            out.say.push(text.clone());
            self.hidden = text;
        }
    }
}

fn in_words(hidden: &[String]) -> String {
    let mut names: Vec<String> =
        hidden.iter().take(MOST_NAMED).map(|name| format!("`{}`", shown(name))).collect();
    if hidden.len() > MOST_NAMED {
        names.push(format!("{} more", hidden.len() - MOST_NAMED));
    }
    let (count, s) = (hidden.len(), if hidden.len() == 1 { "" } else { "s" });
    format!("left {count} tool{s} out of the list, of which no call could pass: {}", names.join(", "))
}

/// What to take out of a list.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    /// Ascending, apart from each other.
    ranges: Vec<Range<usize>>,
    names: Vec<String>,
}

/// What to take out of the `result` of a `tools/list`; `None` where it cannot be read in one way.
fn cut(result: &[u8], could_pass: impl Fn(&str) -> bool) -> Option<Cut> {
    let text = std::str::from_utf8(result).ok()?;
    let list = Json::from_text(text)?;
    if list.members().any(|(name, _)| name != "tools" && fold(&name) == "tools") {
        return None;
    }
    let tools = list.member("tools").filter(|tools| tools.kind() == JsonKind::Array)?;
    let mut names = Vec::new();
    let mut elements = Vec::new();
    for tool in tools.elements() {
        let start = tool.text().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        let hidden = name(tool).filter(|name| !could_pass(name));
        elements.push((start..start + tool.text().len(), hidden.is_some()));
        names.extend(hidden);
    }
    Some(Cut { ranges: ranges(&elements), names })
}

/// The name of a tool that has one; a tool that some reader may call otherwise has none, and stays.
fn name(tool: Json<'_>) -> Option<String> {
    let is_other = |name: &str| name != "name" && fold(name) == "name";
    if tool.members().any(|(name, _)| is_other(&name)) {
        return None;
    }
    tool.member("name")?.as_str().map(std::borrow::Cow::into_owned)
}

/// The hidden elements of an array with as many commas as that leaves one too many.
fn ranges(elements: &[(Range<usize>, bool)]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut last_kept: Option<usize> = None;
    let mut open: Option<usize> = None;
    for (place, is_hidden) in elements {
        match (is_hidden, open) {
            (true, None) => open = Some(place.start),
            (true, Some(_)) | (false, None) => {}
            (false, Some(start)) => {
                ranges.push(start..place.start);
                open = None;
            }
        }
        if !is_hidden {
            last_kept = Some(place.end);
        }
    }
    if let (Some(start), Some((last, _))) = (open, elements.last()) {
        ranges.push(last_kept.unwrap_or(start)..last.end);
    }
    ranges
}

fn without(bytes: &[u8], ranges: &[Range<usize>]) -> Vec<u8> {
    let mut left = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for range in ranges {
        left.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    left.extend_from_slice(bytes.get(at..).unwrap_or_default());
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn left(result: &str) -> Option<(String, Vec<String>)> {
        let cut = cut(result.as_bytes(), |name| !name.starts_with("rm"))?;
        Some((String::from_utf8(without(result.as_bytes(), &cut.ranges)).unwrap(), cut.names))
    }

    fn left_of(result: &str) -> String {
        left(result).unwrap().0
    }

    #[test]
    fn hidden_tools_go_with_one_comma_each_and_the_rest_stays_as_it_was() {
        let (a, b, rm) = (r#"{"name":"a"}"#, r#"{ "name" : "b" }"#, r#"{"name":"rm","x":[1,{}]}"#);
        for (tools, expected) in [
            (format!("[{rm} , {a}]"), format!("[{a}]")),
            (format!("[{a} , {rm}]"), format!("[{a}]")),
            (format!("[ {a} ,{rm},{rm} , {b} ]"), format!("[ {a} ,{b} ]")),
            (format!("[{a},{rm} , {rm} ]"), format!("[{a} ]")),
            (format!("[ {rm} , {rm} ]"), "[  ]".to_owned()),
            (format!("[{rm},{a},{rm},{b},{rm}]"), format!("[{a},{b}]")),
            (format!("[{a}, {b}]"), format!("[{a}, {b}]")),
            ("[]".to_owned(), "[]".to_owned()),
        ] {
            let (before, after) = (r#"{"_meta":{"tools":1}, "tools" : "#, r#" ,"nextCursor":"x"}"#);
            assert_eq!(left_of(&format!("{before}{tools}{after}")), format!("{before}{expected}{after}"));
        }
        assert_eq!(left(r#"{"tools":[{"name":"r\u006d -rf"}]}"#).unwrap().1, ["rm -rf"]);
    }

    #[test]
    fn what_can_be_read_in_two_ways_stays() {
        for list in [
            r#"{"tools":[{"name":"rm"}],"tools":[]}"#,
            r#"{"tools":[{"name":"rm"}],"Tools":[]}"#,
            r#"{"tools":[{"name":"rm","name":"a"}]}"#,
            r#"{"tools":{"name":"rm"}}"#,
            r#"{"tool":[]}"#,
            r#"[{"name":"rm"}]"#,
            "{\"tools\":[{\"name\":\"rm\"}]",
        ] {
            assert_eq!(left(list), None, "{list}");
        }
        for tool in [r#"{"name":"rm","Name":"a"}"#, r#"{"name":7}"#, r#""rm""#, "null", "[]"] {
            let list = format!(r#"{{"tools":[{tool}]}}"#);
            assert_eq!(left(&list).unwrap(), (list.clone(), Vec::new()));
        }
    }

    fn any_element() -> impl Strategy<Value = String> {
        let tool = prop_oneof![Just("rm"), Just("a"), Just("b\\\"]"), Just("r\\u006d")];
        prop_oneof![
            6 => (tool, "[ ]{0,2}").prop_map(|(name, space)| format!("{{{space}\"name\"{space}:\"{name}\"}}")),
            1 => Just("1".to_owned()),
            1 => Just("[{\"name\":\"rm\"}, 2]".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_left_are_the_other_elements_between_the_same_bytes(
            elements in proptest::collection::vec(any_element(), 0..8),
            spaces in proptest::collection::vec("[ \t]{0,2}", 18),
        ) {
            let spaced: Vec<String> = elements.iter().zip(&spaces)
                .map(|(element, space)| format!("{space}{element}{space}")).collect();
            let (before, after) = (format!("{{\"a\":[1],{}\"tools\":[", spaces[16]), format!("{}],\"z\":{{}}}}", spaces[17]));
            let list = format!("{before}{}{after}", spaced.join(","));
            let (text, names) = left(&list).unwrap();
            prop_assert!(text.starts_with(&before));
            let end = "],\"z\":{}}";
            prop_assert!(text.ends_with(end));
            let mut expected: Value = serde_json::from_str(&list).unwrap();
            let tools = expected["tools"].as_array_mut().unwrap();
            let all = tools.len();
            tools.retain(|tool| tool["name"] != "rm");
            prop_assert_eq!(names.len(), all - tools.len());
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
            if names.is_empty() {
                prop_assert_eq!(text, list);
            }
        }
    }
}
