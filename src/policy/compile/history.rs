//! Labels and the rules that look back: ids become indices, and what could never hold is refused.
//!
//! It refuses a rule that waits for what nothing can set, since that looks like protection and is none.
//! Invariant: every index that comes out is one of a label of the same file.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use super::names::{self, What};
use super::{condition, fault, printable_name};
use crate::policy::schema::{self, File, List, Reading, did_you_mean};
use crate::policy::{Effect, Label, On, Reach};

/// More labels than anyone tells apart; each call is compared with all of them.
const MOST_LABELS: usize = 256;

/// Where the id of each label of a file stands.
pub(super) struct Labels {
    by_id: BTreeMap<String, usize>,
}

/// Compiles every label.
pub(super) fn labels(written: &[schema::Label], reading: &mut Reading) -> Vec<Label> {
    if let Some(first) = written.get(MOST_LABELS) {
        let message = format!("more than {MOST_LABELS} labels");
        fault(reading, first.header.clone(), message, "one label may speak of many tools");
    }
    written.iter().map(|label| compiled(label, reading)).collect()
}

fn compiled(label: &schema::Label, reading: &mut Reading) -> Label {
    let id = label.id.as_ref().map(|id| id.get_ref().nfc().collect::<String>());
    Label {
        id: Arc::from(id.unwrap_or_default()),
        tools: names::names(label.tools.as_ref(), What::Tools, reading),
        servers: names::names(label.servers.as_ref(), What::Servers, reading),
        methods: names::methods(label.methods.as_ref(), reading),
        when: label.when.as_ref().map(|when| condition::table(when, reading)),
        any: label.any.as_ref().map(|any| condition::alternatives(any, reading)).unwrap_or_default(),
        unless: label.unless.as_ref().map(|unless| condition::table(unless, reading)),
        on: label.on.as_ref().map(|on| *on.get_ref()).unwrap_or_default(),
        reach: label.reach.as_ref().map(|reach| *reach.get_ref()).unwrap_or_default(),
        ttl_ms: label.ttl_ms,
    }
}

impl Labels {
    /// Checks the ids of all labels, and that each is of use.
    pub(super) fn of(file: &File, reading: &mut Reading) -> Self {
        let mut labels = Self { by_id: BTreeMap::new() };
        for (index, label) in file.labels.iter().enumerate() {
            let Some(written) = &label.id else { continue };
            let Some(id) = printable_name(written, "the label's id", reading) else { continue };
            if let Some(other) = labels.by_id.insert(id.clone(), index) {
                let message = format!("the id `{id}` is also the id of [[label]] {}", other + 1);
                fault(
                    reading,
                    written.span(),
                    message,
                    "one label may match several calls: list them in `any`",
                );
            }
        }
        for (index, label) in file.labels.iter().enumerate() {
            labels.about(index, label, file, reading);
        }
        labels
    }

    /// What a rule's `after` or `unless_after` names.
    pub(super) fn named(&self, list: Option<&List<String>>, key: &str, reading: &mut Reading) -> Vec<usize> {
        let Some(list) = list else { return Vec::new() };
        if list.get_ref().is_empty() {
            fault(
                reading,
                list.span(),
                format!("`{key}` is empty"),
                "name a [[label]], or leave the key out",
            );
        }
        let mut found: Vec<usize> =
            list.get_ref().iter().filter_map(|name| self.find(name, reading)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Checks the labels that a rule's tests take as set.
    pub(super) fn check_examples(&self, rule: &schema::Rule, reading: &mut Reading) {
        for example in &rule.examples {
            for id in &example.get_ref().after {
                self.find(&Spanned::new(example.span(), id.clone()), reading);
            }
        }
    }

    fn find(&self, name: &Spanned<String>, reading: &mut Reading) -> Option<usize> {
        let id: String = name.get_ref().nfc().collect();
        let found = self.by_id.get(&id).copied();
        if found.is_none() {
            let near = did_you_mean(&id, self.by_id.keys().map(String::as_str));
            let hint = near.unwrap_or_else(|| "define it in a [[label]]".to_owned());
            fault(reading, name.span(), format!("no label has the id `{id}`"), &hint);
        }
        found
    }

    fn about(&self, index: usize, label: &schema::Label, file: &File, reading: &mut Reading) {
        let Some(id) = &label.id else { return };
        let mut readers = Readers::default();
        for rule in &file.rules {
            readers.add(self, index, label, rule, reading);
        }
        if readers.count == 0 {
            let hint = "a rule reads it by `after` or `unless_after`";
            reading.note_with(id.span(), format!("no rule reads the label `{}`", id.get_ref()), hint);
        }
        let on = label.on.as_ref().map_or(On::Request, |on| *on.get_ref());
        if readers.freed > 0 && readers.freed == readers.count && on == On::Request {
            let message = format!("an attempt is enough to set `{}`, whatever comes of it", id.get_ref());
            reading.note_with(id.span(), message, "`on = \"result\"` waits for success");
        }
        if label.ttl_ms.is_none()
            && let Some(reach) = label.reach.as_ref().filter(|reach| *reach.get_ref() == Reach::Processes)
        {
            let message = format!("once set, `{}` stays set in every later session", id.get_ref());
            reading.note_with(reach.span(), message, "give it a `ttl`, such as `ttl = \"8h\"`");
        }
        if readers.needs_to_be_sure {
            let any = label.any.iter().flat_map(Spanned::get_ref);
            for table in label.when.iter().chain(any) {
                condition::claimed(table, "never makes a label sure, which a rule here waits for", reading);
            }
        }
    }
}

/// Who reads a label, and how.
#[derive(Default)]
struct Readers {
    count: usize,
    /// Those that stop matching once it is set.
    freed: usize,
    /// Whether a guess is of no use to one of them.
    needs_to_be_sure: bool,
}

impl Readers {
    fn add(
        &mut self,
        labels: &Labels,
        index: usize,
        label: &schema::Label,
        rule: &schema::Rule,
        reading: &mut Reading,
    ) {
        let allows = rule.action.as_ref().is_some_and(|action| *action.get_ref() == Effect::Allow);
        for (list, frees) in [(&rule.after, false), (&rule.unless_after, true)] {
            let names = list.iter().flat_map(Spanned::get_ref);
            let is_it = |name: &&Spanned<String>| {
                labels.by_id.get(&name.get_ref().nfc().collect::<String>()) == Some(&index)
            };
            let Some(name) = names.into_iter().find(is_it) else { continue };
            self.count += 1;
            self.freed += usize::from(frees);
            self.needs_to_be_sure |= frees != allows;
            if stays_elsewhere(label, rule) {
                let message = format!("`{}` is never set where this rule is judged", name.get_ref());
                let hint = "a session has one server: `scope = \"agent\"` carries a label to the others";
                fault(reading, name.span(), message, hint);
            }
        }
    }
}

/// Whether label and rule name different servers, and the label stays in its session.
fn stays_elsewhere(label: &schema::Label, rule: &schema::Rule) -> bool {
    let stays = label.reach.as_ref().is_none_or(|reach| *reach.get_ref() == Reach::Session);
    let (Some(set), Some(read)) = (&label.servers, &rule.servers) else { return false };
    let all = || set.get_ref().iter().chain(read.get_ref());
    let plain = |name: &Spanned<String>| !name.get_ref().contains(['*', '?', '[', '{', '!', '\\']);
    let shared =
        |name: &Spanned<String>| read.get_ref().iter().any(|other| other.get_ref() == name.get_ref());
    stays && all().all(plain) && !set.get_ref().iter().any(shared)
}

/// A rate on a rule that allows, which would read as "allow so many".
pub(super) fn check_rate(rule: &schema::Rule, effect: Effect, reading: &mut Reading) {
    if effect == Effect::Allow
        && let Some(rate) = &rule.rate
    {
        let hint = "a rate stops what goes beyond it: write a rule with `action = \"deny\"` and this `rate`";
        fault(reading, rate.span(), "an allow rule has no rate", hint);
    }
}
