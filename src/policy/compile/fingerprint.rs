//! What a rule matches and does, as one hash: its identity across revisions.
//!
//! It leaves out id, modes, prose and tests. Invariant: two rules with one fingerprint match the same calls
//! with the same effect, so far as the file decides it; the order of list members does not matter.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use crate::policy::lint::Identity;
use crate::policy::schema::{Condition, File, Label, List, Rule, Tool};
use crate::policy::{Effect, Number, On, Rate, Reach, Scalar, Share};

/// `when` or `unless`.
type Conditions = Option<Spanned<Vec<Condition>>>;
/// `any`.
type Alternatives = Option<Spanned<Vec<Spanned<Vec<Condition>>>>>;

/// The `[[tool]]` entries as canonical text: part of every rule that asks for what they say.
pub(super) fn tools(tools: &[Tool]) -> Value {
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|value| value.get_ref().clone());
    let entry = |tool: &Tool| {
        json!([names(tool.matches.as_ref()), text(&tool.action), text(&tool.resource), text(&tool.risk)])
    };
    sorted(tools.iter().map(entry))
}

/// The identity of each rule; `overrides` gives the indices of the rules that each one lifts.
pub(super) fn rules(file: &File, overrides: &[Vec<usize>], tools: &Value) -> Vec<Identity> {
    let open: Vec<Value> = file.rules.iter().map(|rule| content(rule, &file.labels, tools)).collect();
    let is_closed = |rule: &Rule| rule.closed.as_ref().is_some_and(|closed| *closed.get_ref());
    let open_hashes = hashes(&open, overrides);
    let whole_hashes = if file.rules.iter().any(is_closed) {
        let closed = file.rules.iter().zip(&open);
        let closed: Vec<Value> = closed
            .map(|(rule, open)| if is_closed(rule) { json!([open, "closed"]) } else { open.clone() })
            .collect();
        hashes(&closed, overrides)
    } else {
        // A large file is hashed once.
        open_hashes.clone()
    };
    let all = file.rules.iter().zip(&open).zip(whole_hashes.into_iter().zip(open_hashes));
    all.map(|((rule, content), (whole, open))| Identity {
        whole,
        open,
        matching: if is_closed(rule) { whole } else { matching(content) },
        is_plain: !is_closed(rule) && is_plain(content),
    })
    .collect()
}

fn hashes(contents: &[Value], overrides: &[Vec<usize>]) -> Vec<[u8; 32]> {
    let plain: Vec<[u8; 32]> = contents.iter().map(digest).collect();
    let lifted =
        |indices: &Vec<usize>| sorted(indices.iter().filter_map(|i| plain.get(*i)).map(|hash| json!(hash)));
    // Only allow rules lift and only others are lifted, so one more step reaches the end.
    let all = contents.iter().zip(&plain).zip(overrides);
    all.map(
        |((content, plain), indices)| {
            if indices.is_empty() { *plain } else { digest(&json!([content, lifted(indices)])) }
        },
    )
    .collect()
}

/// The hash of what a rule matches, whatever it does then: that comes first, and nothing in it has a comma.
fn matching(content: &Value) -> [u8; 32] {
    let text = content.to_string();
    Sha256::digest(text.split_once(',').map_or("", |(_, matched)| matched)).into()
}

/// Whether a rule has nothing but names to go by. A key that is new here counts as something else.
fn is_plain(content: &Value) -> bool {
    let names = ["action", "tools", "servers", "methods"];
    let says_nothing =
        |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || *value == json!([]);
    let mut members = content.as_object().into_iter().flatten();
    members.all(|(key, value)| names.contains(&key.as_str()) || says_nothing(value))
}

fn digest(value: &Value) -> [u8; 32] {
    Sha256::digest(value.to_string().as_bytes()).into()
}

fn content(rule: &Rule, labels: &[Label], tools: &Value) -> Value {
    let any =
        rule.any.as_ref().map(|any| sorted(any.get_ref().iter().map(|table| conditions(table.get_ref()))));
    let mut content = json!({
        "action": rule.action.as_ref().map_or(Effect::Deny, |action| *action.get_ref()).as_str(),
        "tools": names(rule.tools.as_ref()),
        "servers": names(rule.servers.as_ref()),
        "methods": names(rule.methods.as_ref()),
        "when": rule.when.as_ref().map(|table| conditions(table.get_ref())),
        "any": any,
        "unless": rule.unless.as_ref().map(|table| conditions(table.get_ref())),
        "metadata": asks_for_metadata(&rule.when, &rule.any, &rule.unless).then(|| tools.clone()),
    });
    // Rules that do not look back keep the hash that they had before there was a past.
    if (&rule.rate, &rule.after, &rule.unless_after) != (&None, &None, &None)
        && let Some(members) = content.as_object_mut()
    {
        let rate = rule.rate.as_ref().map(Spanned::get_ref);
        members.insert("rate".to_owned(), json!(rate.map(|rate| (rate.max, rate.per_ms, by(rate)))));
        members.insert("after".to_owned(), named(rule.after.as_ref(), labels, tools));
        members.insert("unless_after".to_owned(), named(rule.unless_after.as_ref(), labels, tools));
    }
    content
}

fn by(rate: &Rate) -> Vec<&'static str> {
    let words = Share::WORDS.iter().filter(|(_, share)| rate.by.contains(share));
    words.map(|(word, _)| *word).collect()
}

/// The labels that a rule reads, with all that sets them.
fn named(list: Option<&List<String>>, labels: &[Label], tools: &Value) -> Value {
    let Some(list) = list else { return Value::Null };
    let is_named = |label: &&Label| {
        let same = |name: &Spanned<String>| {
            label.id.as_ref().is_some_and(|id| id.get_ref().nfc().eq(name.get_ref().nfc()))
        };
        list.get_ref().iter().any(same)
    };
    sorted(labels.iter().filter(is_named).map(|label| self::label(label, tools)))
}

fn label(label: &Label, tools: &Value) -> Value {
    let any =
        label.any.as_ref().map(|any| sorted(any.get_ref().iter().map(|table| conditions(table.get_ref()))));
    json!({
        "id": label.id.as_ref().map(Spanned::get_ref),
        "tools": names(label.tools.as_ref()),
        "servers": names(label.servers.as_ref()),
        "methods": names(label.methods.as_ref()),
        "when": label.when.as_ref().map(|table| conditions(table.get_ref())),
        "any": any,
        "unless": label.unless.as_ref().map(|table| conditions(table.get_ref())),
        "metadata": asks_for_metadata(&label.when, &label.any, &label.unless).then(|| tools.clone()),
        "on_result": label.on.as_ref().is_some_and(|on| *on.get_ref() == On::Result),
        "shared": label.reach.as_ref().is_some_and(|reach| *reach.get_ref() == Reach::Processes),
        "ttl": label.ttl_ms,
    })
}

fn asks_for_metadata(when: &Conditions, any: &Alternatives, unless: &Conditions) -> bool {
    let any = any.iter().flat_map(Spanned::get_ref);
    let tables = when.iter().chain(any).chain(unless);
    let mut keys = tables.flat_map(Spanned::get_ref).map(|condition| condition.key.get_ref().as_str());
    keys.any(|key| matches!(key, "risk" | "action" | "resource"))
}

fn names(list: Option<&List<String>>) -> Value {
    list.map_or(Value::Null, |list| {
        sorted(list.get_ref().iter().map(|name| Value::from(name.get_ref().nfc().collect::<String>())))
    })
}

fn conditions(table: &[Condition]) -> Value {
    sorted(table.iter().map(|condition| {
        let tests = condition.tests.iter().map(|test| {
            let values = sorted(test.values.get_ref().iter().map(|value| scalar(value.get_ref())));
            match test.dialect {
                Some(dialect) => json!([test.word.get_ref().as_str(), values, dialect.as_str()]),
                None => json!([test.word.get_ref().as_str(), values]),
            }
        });
        let (key, tests) = (condition.key.get_ref(), sorted(tests));
        match &condition.zone {
            Some(zone) => json!([key, tests, zone.get_ref().to_lowercase()]),
            None => json!([key, tests]),
        }
    }))
}

fn scalar(value: &Scalar) -> Value {
    match value {
        Scalar::String(text) => Value::from(text.as_str()),
        Scalar::Bool(value) => Value::from(*value),
        Scalar::Number(Number::Integer(integer)) => Value::from(*integer),
        Scalar::Number(Number::Float(float)) => Value::from(*float),
    }
}

fn sorted(values: impl Iterator<Item = Value>) -> Value {
    let values: Vec<Value> = values.collect();
    if values.len() < 2 {
        return Value::Array(values);
    }
    let mut values: Vec<(String, Value)> =
        values.into_iter().map(|value| (value.to_string(), value)).collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values.dedup_by(|a, b| a.0 == b.0);
    Value::Array(values.into_iter().map(|(_, value)| value).collect())
}
