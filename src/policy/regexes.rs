//! The regexes of a predicate: checked when the file is read, compiled when the first value meets them.
//!
//! It refuses patterns that do not run in linear time and those that compile to too much. Invariant: what
//! was checked compiles, so that nothing is left to go wrong when a call is judged.

use std::sync::{Arc, OnceLock};

use regex::{RegexSet, RegexSetBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use super::{Policy, Predicate};

/// What the regexes of one predicate may compile to, bytes: what the regex crate allows by default.
const MOST_BYTES: usize = 10 << 20;
/// What is estimated above this is above [`MOST_BYTES`] for sure, and not worth the attempt. The estimate is too
/// high by twenty times at most. Bytes.
const HOPELESS: usize = 32 * MOST_BYTES;
/// What the lazy automaton of one predicate may keep, bytes.
const CACHE_BYTES: usize = 4 << 20;

/// So many predicates are compiled before a call needs them: each takes a tenth of a megabyte or so.
const MOST_WARM: usize = 256;

/// Regexes of which any may be found. Clones share what is compiled.
#[derive(Debug, Clone)]
pub struct Regexes(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    patterns: Vec<String>,
    compiled: OnceLock<Option<RegexSet>>,
}

/// Why patterns cannot be used.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Each pattern, by its place, that is no regex, and why.
    Syntax(Vec<(usize, regex_syntax::Error)>),
    /// The first that compiles to too much by itself; `None` where they do together.
    TooLarge(Option<usize>),
}

impl Regexes {
    /// Checks patterns. Only those that may be too large are compiled now: that takes a thousand times as long.
    pub(super) fn new(patterns: Vec<String>) -> Result<Self, Unfit> {
        let (mut sizes, mut wrong) = (Vec::with_capacity(patterns.len()), Vec::new());
        for (at, pattern) in patterns.iter().enumerate() {
            match regex_syntax::parse(pattern) {
                Ok(parsed) => sizes.push(at_most(&parsed)),
                Err(error) => wrong.push((at, error)),
            }
        }
        if !wrong.is_empty() {
            return Err(Unfit::Syntax(wrong));
        }
        if let Some(at) = sizes.iter().position(|size| *size > HOPELESS) {
            return Err(Unfit::TooLarge(Some(at)));
        }
        let compiled = OnceLock::new();
        if sizes.iter().fold(0, |sum: usize, size| sum.saturating_add(*size)) > MOST_BYTES {
            let Some(set) = compile(&patterns) else {
                let mut suspects = patterns.iter().zip(&sizes).enumerate();
                let large = suspects.find(|(_, (pattern, size))| {
                    **size > MOST_BYTES
                        && (sizes.len() == 1 || compile(std::slice::from_ref(pattern)).is_none())
                });
                return Err(Unfit::TooLarge(large.map(|(at, _)| at)));
            };
            let _ = compiled.set(Some(set));
        }
        Ok(Self(Arc::new(Checked { patterns, compiled })))
    }

    /// The patterns as they were given.
    pub fn patterns(&self) -> &[String] {
        &self.0.patterns
    }

    /// Whether one of them is found in the text.
    pub fn is_match(&self, text: &str) -> Option<bool> {
        let compiled = self.0.compiled.get_or_init(|| compile(&self.0.patterns));
        compiled.as_ref().map(|set| set.is_match(text))
    }
}

impl Policy {
    /// Compiles the regexes that the first call would have to wait for. For a thread that nobody waits for; of a file
    /// with very many only the first, as a call meets few of those.
    pub fn warm(&self) {
        let rules = self.rules.iter().flat_map(|rule| rule.when.iter().chain(&rule.any).chain(&rule.unless));
        let labels =
            self.labels.iter().flat_map(|label| label.when.iter().chain(&label.any).chain(&label.unless));
        let tests = rules.chain(labels).flatten().flat_map(|condition| &condition.tests);
        let regexes = tests
            .filter_map(|test| if let Predicate::Matches(regexes) = test { Some(regexes) } else { None });
        for regexes in regexes.take(MOST_WARM) {
            regexes.is_match("");
        }
    }
}

fn compile(patterns: &[String]) -> Option<RegexSet> {
    RegexSetBuilder::new(patterns).size_limit(MOST_BYTES).dfa_size_limit(CACHE_BYTES).build().ok()
}

/// More bytes than the pattern compiles to. Within three times of it for Unicode classes, which are what makes
/// a regex large: each becomes a state for every sequence of UTF-8 that it takes.
fn at_most(pattern: &Hir) -> usize {
    const STATE: usize = 320;
    let below = match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len().saturating_mul(48),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len() * 16,
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().map(|range| bytes_of_sequences(range.start(), range.end()) * 40).sum()
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            at_most(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => at_most(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(0, |sum: usize, part| sum.saturating_add(at_most(part)))
        }
    };
    below.saturating_add(STATE)
}

/// How many bytes the UTF-8 sequences have that a range of characters takes.
fn bytes_of_sequences(start: char, end: char) -> usize {
    // Most ranges of a class differ in the last byte alone.
    if u32::from(start) >> 6 == u32::from(end) >> 6 || end.is_ascii() {
        return end.len_utf8();
    }
    Utf8Sequences::new(start, end).map(|sequence| sequence.len()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn new(patterns: &[&str]) -> Result<Regexes, Unfit> {
        Regexes::new(patterns.iter().map(|pattern| (*pattern).to_owned()).collect())
    }

    fn size_limit_that_suffices(pattern: &str) -> usize {
        at_most(&regex_syntax::parse(pattern).unwrap())
    }

    #[test]
    fn ordinary_patterns_fit() {
        for (pattern, text) in [
            (r"\w{30}", "abcdefghijabcdefghijabcdefghij"),
            (r"\b[\w.]{1,64}@\w+\b", "to me@example.org"),
            (r"(?i)drop\s+table", "DROP\tTABLE x"),
        ] {
            assert_eq!(new(&[pattern, "^$"]).unwrap().is_match(text), Some(true), "{pattern}");
        }
    }

    #[test]
    fn what_is_too_large_is_told_apart_from_what_is_too_much() {
        let large = |patterns: &[&str]| match new(patterns) {
            Err(Unfit::TooLarge(which)) => Some(which),
            Ok(_) | Err(Unfit::Syntax(_)) => None,
        };
        assert_eq!(large(&["a", r"(?:\w{100}){1000}"]), Some(Some(1)));
        assert_eq!(large(&[r"\w{90}", r"\pL{90}", r"\w{91}", r"\w{92}"]), Some(None));
        assert!(matches!(new(&["a", "(", "b", "(?=x)"]), Err(Unfit::Syntax(wrong)) if wrong.len() == 2));
    }

    #[test]
    fn small_ones_wait_and_clones_share_them() {
        let regexes = new(&["rm"]).unwrap();
        let clone = regexes.clone();
        assert!(regexes.0.compiled.get().is_none());
        assert_eq!(clone.is_match("rm -r"), Some(true));
        assert!(regexes.0.compiled.get().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_judged_to_fit_compiles(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just(r"\w"), Just(r"\d+"), Just("a"), Just("(?i)straße"), Just(r"\p{Han}"), Just("."),
                    Just("[^x]"), Just(r"\b"), Just("(a|bc|)"), Just("(?-u:[a-z])"), Just("$"), Just("(x*)*"),
                ], 1..4),
            min in 0_u32..20, more in 0_u32..20,
        ) {
            let pattern = format!("(?:{}){{{min},{}}}", parts.concat(), min + more);
            let limit = size_limit_that_suffices(&pattern);
            prop_assert!(RegexSetBuilder::new([&pattern]).size_limit(limit).build().is_ok(), "{}", pattern);
        }
    }
}
