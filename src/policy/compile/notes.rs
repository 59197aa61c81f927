//! What is right but may surprise: rules stronger than their file, rules that are off, the brake.
//!
//! It never makes a file unusable. Invariant: everything here is a note.

use crate::policy::schema::{File, List, PredicateWord, Reading, Rule, did_you_mean};
use crate::policy::{Effect, Fact, Mode, Names};
use crate::wire::mcp;

/// Notes on modes that differ from what the first line of the file suggests.
pub(super) fn about_modes(file: &File, reading: &mut Reading) {
    let base = file.mode.as_ref().map_or(Mode::Shadow, |mode| *mode.get_ref());
    if let Some(brake) = &file.max_mode
        && *brake.get_ref() < base
    {
        let message =
            format!("the brake is on: the file says {base}, nothing goes above {}", brake.get_ref());
        reading.note_with(brake.span(), message, "remove `max_mode` to release it");
    }
    for rule in &file.rules {
        about_rule(rule, base, reading);
        about_tests_in_time(rule, reading);
        about_lists_of_the_harmless(rule, reading);
        if file.default.unwrap_or(Effect::Allow) == Effect::Allow {
            about_allow(rule, reading);
        }
    }
}

/// An allow rule only ever speaks against a default that stops, or against the rules that it overrides.
fn about_allow(rule: &Rule, reading: &mut Reading) {
    let lifts = rule.overrides.as_ref().is_some_and(|names| !names.get_ref().is_empty());
    if let Some(action) = &rule.action
        && *action.get_ref() == Effect::Allow
        && !lifts
    {
        let hint = "name the rules that it should lift: `overrides = [\"…\"]`, or set `default = \"deny\"`";
        reading.note_with(action.span(), "this allow rule changes nothing: all is allowed by default", hint);
    }
}

fn about_rule(rule: &Rule, base: Mode, reading: &mut Reading) {
    let name = rule
        .id
        .as_ref()
        .map_or_else(|| format!("rule {}", rule.position), |id| format!("`{}`", id.get_ref()));
    if let Some(mode) = &rule.mode {
        if *mode.get_ref() == Mode::Off {
            reading.note_with(
                mode.span(),
                format!("{name} is off: it is not evaluated"),
                "shadow keeps the evidence",
            );
        } else if *mode.get_ref() > base {
            let message = format!("{name} is in {}, stronger than the file's {base}", mode.get_ref());
            reading.note_with(mode.span(), message, "this one acts while the rest of the file does not");
        }
    }
    for (agent, mode) in rule.modes.iter().flat_map(toml::Spanned::get_ref) {
        if *mode.get_ref() > base {
            let message =
                format!("{name} is in {} for `{agent}`, stronger than the file's {base}", mode.get_ref());
            reading.note_with(mode.span(), message, "this one acts while the rest of the file does not");
        }
    }
}

/// A rule that stops what it lists as harmless, and lets the rest pass.
fn about_lists_of_the_harmless(rule: &Rule, reading: &mut Reading) {
    if rule.action.as_ref().is_none_or(|action| *action.get_ref() == Effect::Allow) {
        return;
    }
    let any = rule.any.iter().flat_map(toml::Spanned::get_ref);
    let conditions = rule.when.iter().chain(any).flat_map(toml::Spanned::get_ref);
    for test in conditions.flat_map(|condition| &condition.tests) {
        if let PredicateWord::ShellOnly | PredicateWord::SqlOnly = test.word.get_ref() {
            let hint = "to stop all else, write it in `unless`";
            reading.note_with(
                test.word.span(),
                "this stops what is listed here, and lets all else pass",
                hint,
            );
        }
    }
}

/// A test that means another thing at night.
fn about_tests_in_time(rule: &Rule, reading: &mut Reading) {
    let any = rule.any.iter().flat_map(toml::Spanned::get_ref);
    let tables = rule.when.iter().chain(any).chain(&rule.unless);
    let asks = tables.flat_map(toml::Spanned::get_ref).any(|condition| condition.key.get_ref() == "time");
    for example in rule.examples.iter().filter(|one| asks && !one.get_ref().facts.contains_key(&Fact::Time)) {
        let hint = "say when: `facts = { time = \"2026-11-20T10:00:00+01:00\" }`";
        reading.note_with(example.span(), "the rule asks for the time, and this test does not say it", hint);
    }
}

/// A note on a rule whose methods all pass unjudged. Unknown methods are judged, whoever asks.
pub(super) fn about_methods(written: &List<String>, methods: &Names, reading: &mut Reading) {
    let judged = || mcp::GOVERNED.iter().chain(mcp::ASKED).copied();
    for method in written.get_ref().iter().filter(|method| !mcp::is_known(method.get_ref())) {
        if let Some(hint) = did_you_mean(method.get_ref(), judged()) {
            let message = format!("callgate does not know a method `{}`", method.get_ref());
            reading.note_with(method.span(), message, hint);
        }
    }
    let passes = |method: &String| mcp::is_known(method) && !judged().any(|judged| judged == method);
    if !methods.exact.is_empty() && methods.globs.is_empty() && methods.exact.iter().all(passes) {
        let judged: Vec<&str> = judged().collect();
        let hint = format!("judged are {} and methods that callgate does not know", judged.join(", "));
        reading.note_with(written.span(), "these methods are not judged, so the rule never matches", hint);
    }
}
