//! In which order keys stand, and how words are spelled.
//!
//! It knows the vocabulary of the file and nothing of its layout. Invariant: a key or a word that it does not know stays
//! as it is.

use crate::policy::{Effect, FailMode, Mode};

/// The keys of a rule as people read them: which, what, how hard, why.
const RULE: &[&str] = &[
    "id",
    "tools",
    "servers",
    "methods",
    "when",
    "any",
    "unless",
    "closed",
    "rate",
    "after",
    "unless_after",
    "action",
    "overrides",
    "mode",
    "modes",
    "severity",
    "class",
    "owner",
    "alert",
    "reason",
];
const LABEL: &[&str] = &["id", "tools", "servers", "methods", "when", "any", "unless", "on", "scope", "ttl"];
const EXAMPLE: &[&str] = &["name", "method", "tool", "arguments", "facts", "after", "calls_before", "expect"];

/// The order of the keys of the table at a path; `None` where the author's order stays.
pub(super) fn of_keys(path: &[&str]) -> Option<&'static [&'static str]> {
    match path {
        ["rule"] => Some(RULE),
        ["label"] => Some(LABEL),
        ["rule", "test"] => Some(EXAMPLE),
        _ => None,
    }
}

/// The place of a key in an order; unknown ones come last.
pub(super) fn rank(order: &[&str], key: &str) -> usize {
    order.iter().position(|known| *known == key).unwrap_or(order.len())
}

/// The canonical spelling of a word at a path, where it has another one.
pub(super) fn spelled(path: &[&str], word: &str) -> Option<&'static str> {
    let mode = || Mode::from_word(word).map(Mode::as_str);
    let effect = || Effect::from_word(word).map(Effect::as_str);
    let canonical = match path {
        ["mode" | "max_mode"]
        | ["agents" | "servers", _, "mode" | "max_mode"]
        | ["rule", "mode"]
        | ["rule", "modes", _] => mode(),
        ["fail_mode"] | ["agents" | "servers", _, "fail_mode"] => {
            FailMode::from_word(word).map(FailMode::as_str)
        }
        ["default"] | ["rule", "action"] | ["rule", "test", "expect"] => effect(),
        _ => None,
    };
    canonical.filter(|canonical| *canonical != word)
}
