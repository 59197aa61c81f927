//! Rule ids, and the allow rules that point at them.
//!
//! It refuses an id that two rules could answer to. Invariant: the results have one element per rule, in file
//! order.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use super::{fault, printable_name};
use crate::policy::Effect;
use crate::policy::schema::{Reading, Rule, did_you_mean};

/// Ids of what is built in: records name it by them.
const RESERVED: &[&str] = &["default", "malformed", "callgate-self"];

/// The id of each rule; `rule-N` by its place where the file gives none.
pub(super) fn ids(rules: &[Rule], reading: &mut Reading) -> Vec<Arc<str>> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.id.is_none()) {
        taken.insert(automatic(rule), rule.position);
    }
    rules.iter().map(|rule| id(rule, &mut taken, reading)).collect()
}

fn id(rule: &Rule, taken: &mut BTreeMap<String, usize>, reading: &mut Reading) -> Arc<str> {
    let Some(written) = &rule.id else { return automatic(rule).into() };
    let Some(id) = printable_name(written, "the rule's id", reading) else { return automatic(rule).into() };
    if RESERVED.contains(&id.as_str()) {
        let message = format!("the id `{id}` is taken by what is built in");
        fault(reading, written.span(), message, "choose an id that says what the rule prevents");
    }
    if let Some(other) = taken.insert(id.clone(), rule.position) {
        let message = format!("the id `{id}` is also the id of rule {other}");
        fault(
            reading,
            written.span(),
            message,
            "ids tell rules apart in records; a rule without `id` is `rule-N`",
        );
    }
    id.into()
}

fn automatic(rule: &Rule) -> String {
    format!("rule-{}", rule.position)
}

/// For each rule, the indices of the rules that it lifts.
pub(super) fn overrides(rules: &[Rule], ids: &[Arc<str>], reading: &mut Reading) -> Vec<Vec<usize>> {
    let mut known = Known { rules, by_id: BTreeMap::new() };
    for (index, id) in ids.iter().enumerate() {
        known.by_id.entry(id).or_insert(index);
    }
    rules.iter().enumerate().map(|(index, rule)| lifted(index, rule, &known, reading)).collect()
}

/// The rules of the file, and where each id stands first.
struct Known<'r> {
    rules: &'r [Rule],
    by_id: BTreeMap<&'r str, usize>,
}

fn lifted(index: usize, rule: &Rule, known: &Known<'_>, reading: &mut Reading) -> Vec<usize> {
    let Some(names) = &rule.overrides else { return Vec::new() };
    if rule.action.as_ref().is_some_and(|action| *action.get_ref() != Effect::Allow) {
        fault(
            reading,
            names.span(),
            "only an allow rule overrides others",
            "write `action = \"allow\"`, or remove `overrides`",
        );
        return Vec::new();
    }
    let targets = names.get_ref().iter().filter_map(|name| target(index, name, known, reading));
    let mut targets: Vec<usize> = targets.collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn target(index: usize, name: &Spanned<String>, known: &Known<'_>, reading: &mut Reading) -> Option<usize> {
    let text = name.get_ref().nfc().collect::<String>();
    let text = text.as_str();
    let Some(found) = known.by_id.get(text).copied() else {
        if text == "callgate-self" {
            let hint = "`self_protection = false` at the top of the file takes it away, wholly and visibly";
            fault(reading, name.span(), format!("`{text}` is built in: no rule overrides it"), hint);
            return None;
        }
        let near = did_you_mean(text, known.by_id.keys().copied());
        let hint = near.unwrap_or_else(|| "`overrides` lists ids of rules in this file".to_owned());
        fault(reading, name.span(), format!("no rule has the id `{text}`"), &hint);
        return None;
    };
    let allows = |rule: &Rule| rule.action.as_ref().is_some_and(|action| *action.get_ref() == Effect::Allow);
    if found == index {
        fault(reading, name.span(), "a rule cannot override itself", "name the rule that it should lift");
        return None;
    }
    if known.rules.get(found).is_some_and(allows) {
        let message = format!("`{text}` is an allow rule: there is nothing to lift");
        fault(reading, name.span(), message, "name a rule that warns, asks or denies");
        return None;
    }
    Some(found)
}
