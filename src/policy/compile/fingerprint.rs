//! What a rule matches and does, as one hash: its identity across revisions.
//!
//! It leaves out id, modes, prose and tests. Invariant: two rules with one fingerprint match the same calls
//! with the same effect, so far as the file decides it; the order of list members does not matter.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use crate::policy::lint::Identity;
use crate::policy::schema::{Condition, List, Rule, Tool};
use crate::policy::{Effect, Number, Scalar};

/// The `[[tool]]` entries as canonical text: part of every rule that asks for what they say.
pub(super) fn tools(tools: &[Tool]) -> Value {
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|value| value.get_ref().clone());
    let entry = |tool: &Tool| {
        json!([names(tool.matches.as_ref()), text(&tool.action), text(&tool.resource), text(&tool.risk)])
    };
    sorted(tools.iter().map(entry))
}

/// The fingerprint of each rule; `overrides` gives the indices of the rules that each one lifts.
pub(super) fn rules(rules: &[Rule], overrides: &[Vec<usize>], tools: &Value) -> Vec<Identity> {
    let contents: Vec<Value> = rules.iter().map(|rule| content(rule, tools)).collect();
    let plain: Vec<[u8; 32]> = contents.iter().map(digest).collect();
    let lifted =
        |indices: &Vec<usize>| sorted(indices.iter().filter_map(|i| plain.get(*i)).map(|hash| json!(hash)));
    // Only allow rules lift and only others are lifted, so one more step reaches the end.
    let all = contents.iter().zip(&plain).zip(overrides);
    all.map(|((content, plain), indices)| Identity {
        whole: if indices.is_empty() { *plain } else { digest(&json!([content, lifted(indices)])) },
        matching: matching(content),
        is_plain: is_plain(content),
    })
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

fn content(rule: &Rule, tools: &Value) -> Value {
    let any =
        rule.any.as_ref().map(|any| sorted(any.get_ref().iter().map(|table| conditions(table.get_ref()))));
    json!({
        "action": rule.action.as_ref().map_or(Effect::Deny, |action| *action.get_ref()).as_str(),
        "tools": names(rule.tools.as_ref()),
        "servers": names(rule.servers.as_ref()),
        "methods": names(rule.methods.as_ref()),
        "when": rule.when.as_ref().map(|table| conditions(table.get_ref())),
        "any": any,
        "unless": rule.unless.as_ref().map(|table| conditions(table.get_ref())),
        "metadata": asks_for_metadata(rule).then(|| tools.clone()),
    })
}

fn asks_for_metadata(rule: &Rule) -> bool {
    let any = rule.any.iter().flat_map(Spanned::get_ref);
    let tables = rule.when.iter().chain(any).chain(&rule.unless);
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
            json!([test.word.get_ref().as_str(), values])
        });
        json!([condition.key.get_ref(), sorted(tests)])
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
