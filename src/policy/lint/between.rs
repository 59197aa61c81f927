//! Rules that another rule makes pointless.
//!
//! A milder rule that matches only where a stricter one does never decides; neither does the second of two that say
//! the same. Invariant: what is called pointless can be removed, and no call is judged differently.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;
use crate::policy::{Diagnostic, Effect, Mode, Names, Rule};

/// So many rules without conditions are held against each rule.
const MOST_COMPARED: usize = 16;

/// Rules that are written twice.
pub(super) fn duplicates(subject: Subject<'_>) -> Vec<Diagnostic> {
    let mut first: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    let mut notes = Vec::new();
    for (index, identity) in subject.identities.iter().enumerate() {
        let earlier = *first.entry(identity.whole).or_insert(index);
        if earlier != index && !is_off(subject, index) && !is_off(subject, earlier) {
            let message = format!("{} says the same as {}", subject.named(index), subject.named(earlier));
            notes.push(subject.note(index, message, "remove one of them"));
        }
    }
    notes
}

/// Restrictive rules that another one is always at least as strict as.
pub(super) fn shadowed(subject: Subject<'_>) -> Vec<Diagnostic> {
    let lifters = lifters(subject);
    let covers = Covers::of(subject);
    let mut notes = Vec::new();
    for (index, rule) in restrictive(subject) {
        let stricter = covers.candidates(subject, index, rule).into_iter().find(|other| {
            subject.policy.rules.get(*other).is_some_and(|stricter| {
                decides_over((*other, stricter), (index, rule))
                    && holds_as_long(stricter, rule)
                    && is_subset(lifters.get(other), lifters.get(&index))
            })
        });
        let Some(other) = stricter else { continue };
        let effect = subject.policy.rules.get(other).map_or(Effect::Deny, |rule| rule.effect);
        let message = format!(
            "`{}` never decides: {} says {effect} wherever it matches",
            rule.id,
            subject.named(other)
        );
        let hint = "remove it, or narrow the other one: the order of rules does not matter";
        notes.push(subject.note(index, message, hint));
    }
    notes
}

/// Names in `overrides` that lift nothing, and rules that are always lifted.
pub(super) fn overrides(subject: Subject<'_>) -> Vec<Diagnostic> {
    let mut notes = Vec::new();
    for (index, rule) in subject.policy.rules.iter().enumerate() {
        // Several spellings of one id leave fewer targets than places.
        let places =
            subject.written.get(index).map(|written| written.overrides.as_slice()).unwrap_or_default();
        for target in &rule.overrides {
            let Some(lifted) = subject.policy.rules.get(*target) else { continue };
            let place = if let ([place], [_]) = (places, rule.overrides.as_slice()) {
                place.clone()
            } else {
                subject.written.get(index).map_or(0..0, |written| written.at.clone())
            };
            if let Some(what) = disjoint(rule, lifted) {
                let message = format!(
                    "`{}` lifts nothing of {}: they have no {what} in common",
                    rule.id,
                    subject.named(*target)
                );
                notes.push(Diagnostic::note(place, message).with_hint("remove it from `overrides`"));
            } else if subject.is_plain(index) && covers(rule, lifted) {
                let message = format!(
                    "{} never decides: `{}` lifts it wherever it matches",
                    subject.named(*target),
                    rule.id
                );
                let hint = "say with `when` which calls are the exception, or remove both";
                notes.push(Diagnostic::note(place, message).with_hint(hint));
            }
        }
    }
    notes
}

fn restrictive(subject: Subject<'_>) -> impl Iterator<Item = (usize, &Rule)> {
    let rules = subject.policy.rules.iter().enumerate();
    rules.filter(|(_, rule)| rule.effect > Effect::Allow && rule.mode != Some(Mode::Off))
}

fn is_off(subject: Subject<'_>, index: usize) -> bool {
    subject.policy.rules.get(index).is_some_and(|rule| rule.mode == Some(Mode::Off))
}

/// The rules that may be as strict as another wherever it matches.
struct Covers {
    /// Rules without conditions by the tools that they name.
    by_tool: BTreeMap<String, Vec<usize>>,
    /// Those whose tools are globs.
    open: Vec<usize>,
    /// The strictest of those that match the same.
    alike: BTreeMap<[u8; 32], usize>,
}

impl Covers {
    fn of(subject: Subject<'_>) -> Self {
        let mut covers = Self { by_tool: BTreeMap::new(), open: Vec::new(), alike: BTreeMap::new() };
        for (index, rule) in restrictive(subject) {
            let Some(identity) = subject.identities.get(index) else { continue };
            let strictest = covers.alike.entry(identity.matching).or_insert(index);
            if subject.policy.rules.get(*strictest).is_some_and(|known| known.effect < rule.effect) {
                *strictest = index;
            }
            if !identity.is_plain {
                continue;
            }
            if is_exact(&rule.tools) {
                for tool in &rule.tools.exact {
                    covers.by_tool.entry(tool.clone()).or_default().push(index);
                }
            } else {
                covers.open.push(index);
            }
        }
        // Those that cover most are compared first.
        let is_narrow =
            |index: &usize| subject.policy.rules.get(*index).is_none_or(|rule| !takes_all(&rule.tools));
        covers.open.sort_by_key(is_narrow);
        covers
    }

    fn candidates(&self, subject: Subject<'_>, index: usize, rule: &Rule) -> Vec<usize> {
        let mut found: Vec<usize> = subject
            .identities
            .get(index)
            .and_then(|identity| self.alike.get(&identity.matching))
            .copied()
            .into_iter()
            .collect();
        let named = rule.tools.exact.first().and_then(|tool| self.by_tool.get(tool));
        let plain = named.into_iter().flatten().chain(&self.open).take(MOST_COMPARED);
        found.extend(
            plain.filter(|other| subject.policy.rules.get(**other).is_some_and(|other| covers(other, rule))),
        );
        found.retain(|other| *other != index);
        found
    }
}

/// Whether the first one gives the verdict, and the name in it, where both match. Duplicates are told elsewhere.
fn decides_over(stricter: (usize, &Rule), rule: (usize, &Rule)) -> bool {
    let named_first = stricter.1.effect == rule.1.effect && stricter.0 < rule.0;
    (stricter.1.effect > rule.1.effect || named_first) && stricter.1.fingerprint != rule.1.fingerprint
}

/// Whether the first one acts for everyone for whom the second does.
fn holds_as_long(stricter: &Rule, rule: &Rule) -> bool {
    let always = stricter.mode == Some(Mode::Enforce) && stricter.modes.is_empty();
    always || stricter.mode == rule.mode && stricter.modes == rule.modes
}

/// For each rule, the allow rules that lift it.
fn lifters(subject: Subject<'_>) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut lifters: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (index, rule) in subject.policy.rules.iter().enumerate() {
        for target in &rule.overrides {
            lifters.entry(*target).or_default().insert(index);
        }
    }
    lifters
}

fn is_subset(small: Option<&BTreeSet<usize>>, large: Option<&BTreeSet<usize>>) -> bool {
    small.is_none_or(|small| large.is_some_and(|large| small.is_subset(large)))
}

/// Whether a rule without conditions matches wherever the other does.
fn covers(wide: &Rule, narrow: &Rule) -> bool {
    covers_names(&wide.tools, &narrow.tools)
        && covers_names(&wide.servers, &narrow.servers)
        && covers_names(&wide.methods, &narrow.methods)
}

fn covers_names(wide: &Names, narrow: &Names) -> bool {
    if takes_all(wide) || is_same(wide, narrow) {
        return true;
    }
    let lists = |glob: &str| wide.except.is_empty() && wide.globs.patterns().any(|other| other == glob);
    narrow.any_given
        && narrow.exact.iter().all(|name| wide.contains(name))
        && narrow.globs.patterns().all(lists)
}

/// Whether the list takes every name.
pub(super) fn takes_all(names: &Names) -> bool {
    names.except.is_empty() && (!names.any_given || names.globs.patterns().any(|glob| glob == "*"))
}

fn is_exact(names: &Names) -> bool {
    names.any_given && names.globs.is_empty() && names.except.is_empty()
}

fn is_same(one: &Names, other: &Names) -> bool {
    one.any_given == other.any_given
        && one.exact == other.exact
        && one.globs.patterns().eq(other.globs.patterns())
        && one.except.patterns().eq(other.except.patterns())
}

/// What two rules plainly do not share.
fn disjoint(one: &Rule, other: &Rule) -> Option<&'static str> {
    let apart = |one: &Names, other: &Names| {
        is_exact(one) && !one.exact.iter().any(|name| other.contains(name))
            || is_exact(other) && !other.exact.iter().any(|name| one.contains(name))
    };
    let pairs = [
        (&one.tools, &other.tools, "tool"),
        (&one.servers, &other.servers, "server"),
        (&one.methods, &other.methods, "method"),
    ];
    pairs.into_iter().find(|(one, other, _)| apart(one, other)).map(|(_, _, what)| what)
}
