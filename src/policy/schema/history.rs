//! `rate` and `[[label]]` as written: what makes a rule look back.
//!
//! It refuses words and numbers that mean nothing; which labels there are is for the compiler to know.
//! Invariant: a rate that comes out can be counted: bounded, with a window, shared by someone.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::Condition;
use super::reading::{List, Node, Reading, Section, file_words};
use super::rule::{alternatives, conditions};
use super::values::{did_you_mean, list_words, table};
use crate::policy::{MOST_CALLS, On, Rate, Reach, Share};

/// The longest window and time to live. Milliseconds.
const LONGEST: i64 = 31 * 86_400_000;

/// One `[[label]]`.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) header: Range<usize>,
    pub(crate) id: Option<Spanned<String>>,
    pub(crate) tools: Option<List<String>>,
    pub(crate) servers: Option<List<String>>,
    pub(crate) methods: Option<List<String>>,
    pub(crate) when: Option<Spanned<Vec<Condition>>>,
    pub(crate) any: Option<Spanned<Vec<Spanned<Vec<Condition>>>>>,
    pub(crate) unless: Option<Spanned<Vec<Condition>>>,
    pub(crate) on: Option<Spanned<On>>,
    pub(crate) reach: Option<Spanned<Reach>>,
    /// Milliseconds.
    pub(crate) ttl_ms: Option<u64>,
}

file_words!(On {
    "request" => On::Request,
    "result" => On::Result,
});
file_words!(Reach {
    "session" => Reach::Session,
    "agent" => Reach::Processes,
});

/// Reads one label.
pub(super) fn label(mut section: Section<'_>, reading: &mut Reading) -> Label {
    let title = section.title.clone();
    if !section.has("id") {
        let hint = "`id` is what rules name it by: `after = [\"secret-read\"]`";
        reading.fault_with(section.span.clone(), format!("`id` is missing in {title}"), hint);
    }
    let label = Label {
        header: section.span.clone(),
        id: section.string("id", reading),
        tools: section.strings("tools", reading),
        servers: section.strings("servers", reading),
        methods: section.strings("methods", reading),
        when: section.take("when").and_then(|node| conditions(node, "when", &title, reading)),
        any: section.take("any").and_then(|node| alternatives(node, &title, reading)),
        unless: section.take("unless").and_then(|node| conditions(node, "unless", &title, reading)),
        on: section.word("on", reading),
        reach: section.word("scope", reading),
        ttl_ms: window("ttl", &mut section, reading),
    };
    section.finish(reading);
    label
}

/// Reads `rate`.
pub(super) fn rate(node: Node<'_>, title: &str, reading: &mut Reading) -> Option<Spanned<Rate>> {
    let hint = "a rate is so many calls in so much time: `rate = { max = 20, per = \"1m\" }`";
    if !node.get_ref().is_table() {
        reading.fault_with(node.span(), "`rate` must be a table", hint);
        return None;
    }
    let mut section = table(node, "rate", format!("`rate` of {title}"), reading)?;
    for key in ["max", "per"] {
        if !section.has(key) {
            reading.fault_with(node.span(), format!("`{key}` is missing in `rate` of {title}"), hint);
        }
    }
    let max = section.take("max").and_then(|node| max(node, reading));
    let per_ms = window("per", &mut section, reading);
    let by = match section.take("by") {
        Some(node) => shares(node, reading),
        None => Some(vec![Share::Session]),
    };
    section.finish(reading);
    Some(Spanned::new(node.span(), Rate { max: max?, per_ms: per_ms?, by: by? }))
}

fn max(node: Node<'_>, reading: &mut Reading) -> Option<u32> {
    let Some(integer) = node.get_ref().as_integer() else {
        reading.expected("an integer", node, "max");
        return None;
    };
    let max = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
    let too_few = max.is_some_and(|max| max < 1);
    let max = max.and_then(|max| u32::try_from(max).ok()).filter(|max| (1..=MOST_CALLS).contains(max));
    if max.is_none() {
        let hint = if too_few {
            "a rule without `rate` stops the first call already"
        } else {
            "a smaller `max` in a shorter `per` allows as much"
        };
        reading.fault_with(node.span(), format!("`max` must be between 1 and {MOST_CALLS}"), hint);
    }
    max
}

/// A duration that can be looked back over. Milliseconds.
fn window(key: &'static str, section: &mut Section<'_>, reading: &mut Reading) -> Option<u64> {
    let written = section.duration(key, reading)?;
    let ms = *written.get_ref();
    if !(1_000..=LONGEST).contains(&ms) {
        reading.fault(written.span(), format!("`{key}` must be between `1s` and `31d`"));
        return None;
    }
    u64::try_from(ms).ok()
}

/// One word or several.
fn shares(node: Node<'_>, reading: &mut Reading) -> Option<Vec<Share>> {
    let Some(array) = node.get_ref().as_array() else {
        return share(node, reading).map(|share| vec![share]);
    };
    if array.is_empty() {
        let hint = "leave the key out to count each session for itself";
        reading.fault_with(node.span(), "`by` is empty, so nobody would have a budget", hint);
        return None;
    }
    // Every element is looked at, so that all faults show at once.
    let shares: Vec<_> = array.iter().map(|node| share(node, reading)).collect();
    let mut shares = shares.into_iter().collect::<Option<Vec<_>>>()?;
    shares.sort_unstable();
    shares.dedup();
    Some(shares)
}

fn share(node: Node<'_>, reading: &mut Reading) -> Option<Share> {
    let DeValue::String(text) = node.get_ref() else {
        reading.expected("a word or a list of words", node, "by");
        return None;
    };
    let found = Share::WORDS.iter().find(|(word, _)| word == text).map(|(_, share)| *share);
    if found.is_none() {
        let words = || Share::WORDS.iter().map(|(word, _)| *word);
        let hint = did_you_mean(text, words()).unwrap_or_else(|| format!("words: {}", list_words(words())));
        reading.fault_with(node.span(), format!("unknown word `{text}` for `by`"), hint);
    }
    found
}
