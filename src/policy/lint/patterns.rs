//! Patterns that match nothing, everything, or more than their author thinks.
//!
//! It looks at each pattern alone, as it is written. Invariant: a regex that is said never to match matches no text.

use regex_syntax::hir::{Hir, HirKind, Look};
use toml::Spanned;

use super::capped;
use crate::policy::schema::{Condition, List, PredicateWord, Reading, Rule};
use crate::policy::{Diagnostic, Effect, Scalar};

/// Notes on the patterns of the rules.
pub(in crate::policy) fn about_patterns(rules: &[Rule], reading: &mut Reading) {
    let mut notes = Vec::new();
    for rule in rules {
        about_rule(rule, &mut notes);
    }
    reading.diagnostics.extend(capped(notes));
}

fn about_rule(rule: &Rule, notes: &mut Vec<Diagnostic>) {
    notes.extend(rule.tools.as_ref().and_then(regex_for_tools));
    let effect = rule.action.as_ref().map_or(Effect::Deny, |action| *action.get_ref());
    let any = rule.any.iter().flat_map(Spanned::get_ref);
    let holding = rule.when.iter().chain(any).flat_map(Spanned::get_ref);
    for condition in holding {
        about_condition(condition, notes);
        if effect == Effect::Allow {
            about_permission(condition, notes);
        }
    }
    for condition in rule.unless.iter().flat_map(Spanned::get_ref) {
        about_condition(condition, notes);
        if effect != Effect::Allow {
            about_permission(condition, notes);
        }
    }
}

/// A regex where a glob is meant to be.
fn regex_for_tools(tools: &List<String>) -> Option<Diagnostic> {
    let looks_like_regex = |text: &str| {
        text.contains(".*")
            || text.contains(".+")
            || text.starts_with('^')
            || text.ends_with('$')
            || text.contains('|')
    };
    let found = tools.get_ref().iter().find(|tool| looks_like_regex(tool.get_ref()))?;
    let message = format!("`{}` looks like a regex, but `tools` takes globs", found.get_ref());
    Some(
        Diagnostic::note(found.span(), message)
            .with_hint("`*` stands for any text: `delete_*`, `{get,list}_*`"),
    )
}

fn about_condition(condition: &Condition, notes: &mut Vec<Diagnostic>) {
    for (word, text, value) in texts(condition) {
        let note = |message: String, hint: &str| Diagnostic::note(value.span(), message).with_hint(hint);
        if word == PredicateWord::Matches && never_matches(text) {
            let hint = "`^` is the start of the whole text and `$` its end";
            notes.push(note(format!("`{text}` never matches"), hint));
        }
        if word == PredicateWord::Glob && is_anything(text) {
            notes.push(note(
                format!("`{text}` matches every text"),
                "`exists = true` asks whether there is a value",
            ));
        }
    }
}

/// Conditions under which something is let pass: of an allow rule, and of an `unless`.
fn about_permission(condition: &Condition, notes: &mut Vec<Diagnostic>) {
    let key = condition.key.get_ref();
    if key == "/**" || key.ends_with("/**") {
        let message = format!("every value and every name that `{key}` finds must satisfy this");
        let hint = "to let calls pass by one argument, name it: `\"/path\"`";
        notes.push(Diagnostic::note(condition.key.span(), message).with_hint(hint));
    }
    notes.extend(only_one_of_many(condition));
    let is_placed = condition.tests.iter().any(|test| *test.word.get_ref() == PredicateWord::PathUnder);
    for (word, text, value) in texts(condition) {
        if word == PredicateWord::Matches && condition.tests.len() == 1 && is_loose(text) {
            let message =
                format!("`{text}` is looked for anywhere in the value, so much else passes with it");
            notes.push(Diagnostic::note(value.span(), message).with_hint("tie it to the ends: `^…$`"));
        }
        if word == PredicateWord::PathGlob && !text.contains('/') && !is_placed {
            let message = format!("`{text}` says nothing about the folder: such a name passes anywhere");
            let hint = format!("add `path_under = \"{{root}}\"`, or write `{{root}}/**/{text}`");
            notes.push(Diagnostic::note(value.span(), message).with_hint(hint));
        }
    }
}

/// Predicates that one command or statement of a text satisfies, whatever stands beside it.
fn only_one_of_many(condition: &Condition) -> impl Iterator<Item = Diagnostic> {
    const PAIRS: [(PredicateWord, PredicateWord, &str); 2] = [
        (PredicateWord::ShellAny, PredicateWord::ShellOnly, "the line runs"),
        (PredicateWord::SqlAny, PredicateWord::SqlOnly, "the text does"),
    ];
    let has = |wanted| condition.tests.iter().any(|test| *test.word.get_ref() == wanted);
    condition.tests.iter().filter_map(move |test| {
        let (any, only, what) = PAIRS.into_iter().find(|(any, ..)| any == test.word.get_ref())?;
        let message = format!("`{}` admits whatever else {what}", any.as_str());
        let hint = format!("`{}` admits nothing but what it names", only.as_str());
        (!has(only)).then(|| Diagnostic::note(test.word.span(), message).with_hint(hint))
    })
}

/// The texts in a condition that are patterns, with their predicates.
fn texts(condition: &Condition) -> impl Iterator<Item = (PredicateWord, &str, &Spanned<Scalar>)> {
    condition.tests.iter().flat_map(|test| {
        let word = *test.word.get_ref();
        test.values.get_ref().iter().filter_map(move |value| match value.get_ref() {
            Scalar::String(text) => Some((word, text.as_str(), value)),
            Scalar::Number(_) | Scalar::Bool(_) => None,
        })
    })
}

fn is_anything(glob: &str) -> bool {
    !glob.is_empty() && glob.chars().all(|c| c == '*')
}

/// Whether a regex holds on to neither end of the text.
fn is_loose(pattern: &str) -> bool {
    let Ok(parsed) = regex_syntax::parse(pattern) else { return false };
    let ends = parsed.properties();
    !ends.look_set_prefix().contains(Look::Start) && !ends.look_set_suffix().contains(Look::End)
}

/// Whether a regex plainly matches no text at all.
fn never_matches(pattern: &str) -> bool {
    // Parsing is most of the work, and only these can contradict each other.
    if !pattern.contains(['^', '$', '\\', '[']) {
        return false;
    }
    regex_syntax::parse(pattern).is_ok_and(|parsed| walk(&parsed, Reach::default()).is_none())
}

/// What is known at a place of a pattern.
#[derive(Debug, Clone, Copy, Default)]
struct Reach {
    /// Something was read for sure, so that this is not the start.
    has_read: bool,
    /// Nothing can be read any more.
    at_end: bool,
}

/// What is known behind a pattern; `None` where no text gets there.
fn walk(pattern: &Hir, reach: Reach) -> Option<Reach> {
    let reads = pattern.properties().minimum_len();
    match pattern.kind() {
        HirKind::Look(Look::Start) if reach.has_read => None,
        HirKind::Look(Look::End) => Some(Reach { at_end: true, ..reach }),
        HirKind::Empty | HirKind::Look(_) => Some(reach),
        HirKind::Literal(_) | HirKind::Class(_) => {
            // A class of nothing has no length.
            (reads? > 0 && !reach.at_end).then_some(Reach { has_read: true, ..reach })
        }
        HirKind::Capture(capture) => walk(&capture.sub, reach),
        HirKind::Repetition(repetition) if repetition.min == 0 => Some(reach),
        HirKind::Repetition(repetition) => walk(&repetition.sub, reach),
        HirKind::Concat(parts) => parts.iter().try_fold(reach, |reach, part| walk(part, reach)),
        HirKind::Alternation(parts) => {
            let ways: Vec<Reach> = parts.iter().filter_map(|part| walk(part, reach)).collect();
            let all = |know: fn(&Reach) -> bool| !ways.is_empty() && ways.iter().all(know);
            (!ways.is_empty())
                .then(|| Reach { has_read: all(|way| way.has_read), at_end: all(|way| way.at_end) })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn regexes_that_contradict_themselves_are_told() {
        for never in ["^a$b", "$x", r"a\Ab", r"\z.", "a^", r"[^\s\S]", "(a^|b$c)", "(a$)+b", r"x[a&&b]"] {
            assert!(never_matches(never), "{never}");
        }
        for fine in ["^a$", "^$", "$", "a*^b", "(^a|b$)c?", "(?m)a$\n^b", "x?$", r"\b$", "$^", "a|b^"] {
            assert!(!never_matches(fine), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_never_to_match_matches_nothing(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("a"), Just("b"), Just("^"), Just("$"), Just("a*"), Just("(^|a)"), Just("($|b)"), Just("(a$)?"),
                    Just("(?m:$)"), Just("."), Just(r"\b"),
                ], 1..5),
            text in "[ab\n]{0,5}",
        ) {
            let pattern = parts.concat();
            if never_matches(&pattern) {
                prop_assert!(!regex::Regex::new(&pattern).unwrap().is_match(&text), "{pattern} {text:?}");
            }
        }
    }
}
