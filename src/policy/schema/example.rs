//! `[[rule.test]]` as written: a call, what is known about its caller, and the verdict to expect.
//!
//! It refuses values that JSON cannot hold. Invariant: the arguments that come out are one JSON object, and a time that
//! comes out can be read again.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;
use unicode_normalization::UnicodeNormalization;

use super::reading::{List, Node, Reading, Section};
use super::rule::unknown_fact;
use super::values::{only_strings, scalar, scalars, string, table};
use crate::policy::{Effect, Example, Fact, Number, Scalar, unix_ms};

/// Reads the tests of a rule.
pub(super) fn examples(section: &mut Section<'_>, reading: &mut Reading) -> Vec<Spanned<Example>> {
    let tables = section.tables("test", "rule.", reading);
    tables.into_iter().map(|section| example(section, reading)).collect()
}

fn example(mut section: Section<'_>, reading: &mut Reading) -> Spanned<Example> {
    let span = section.span.clone();
    let method = section.string("method", reading).map(Spanned::into_inner);
    for (key, needed) in [("tool", method.is_none()), ("expect", true)] {
        if needed && !section.has(key) {
            let hint = "a test names a `tool` and the verdict to `expect`";
            reading.fault_with(span.clone(), format!("`{key}` is missing in {}", section.title), hint);
        }
    }
    let example = Example {
        file: None,
        line: 0,
        name: section.string("name", reading).map(Spanned::into_inner),
        method: method.unwrap_or_else(|| "tools/call".to_owned()),
        tool: section.string("tool", reading).map(Spanned::into_inner).unwrap_or_default(),
        arguments: section.take("arguments").and_then(|node| arguments(node, reading)),
        facts: section.take("facts").map(|node| facts(node, reading)).unwrap_or_default(),
        after: section
            .strings("after", reading)
            .map(plain)
            .unwrap_or_default()
            .iter()
            .map(|id| id.nfc().collect())
            .collect(),
        calls_before: section.take("calls_before").and_then(|node| count(node, reading)).unwrap_or_default(),
        expect: section.word("expect", reading).map_or(Effect::Deny, Spanned::into_inner),
    };
    section.finish(reading);
    Spanned::new(span, example)
}

fn plain(list: List<String>) -> Vec<String> {
    list.into_inner().into_iter().map(Spanned::into_inner).collect()
}

fn count(node: Node<'_>, reading: &mut Reading) -> Option<u32> {
    let integer = node.get_ref().as_integer();
    let count = integer.and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
    if count.is_none() {
        reading.expected("a number of calls", node, "calls_before");
    }
    count
}

fn arguments(node: Node<'_>, reading: &mut Reading) -> Option<String> {
    let value = json_value(node, reading)?;
    if !value.is_object() {
        reading.expected("a table", node, "arguments");
    }
    Some(value.to_string())
}

fn json_value(node: Node<'_>, reading: &mut Reading) -> Option<Value> {
    match node.get_ref() {
        DeValue::Array(array) => {
            let values: Vec<_> = array.iter().map(|node| json_value(node, reading)).collect();
            values.into_iter().collect::<Option<_>>().map(Value::Array)
        }
        DeValue::Table(entries) => {
            let members: Vec<_> = entries
                .iter()
                .map(|(key, node)| Some((key.get_ref().clone().into_owned(), json_value(node, reading)?)))
                .collect();
            members.into_iter().collect::<Option<_>>().map(Value::Object)
        }
        DeValue::Datetime(_) => {
            let hint = "JSON has no dates: write it as a string";
            reading.fault_with(node.span(), "`arguments` holds a date", hint);
            None
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
            let value = scalar(node, "arguments", reading)?;
            Some(match value.into_inner() {
                Scalar::String(text) => Value::from(text),
                Scalar::Bool(value) => Value::from(value),
                Scalar::Number(Number::Integer(integer)) => Value::from(integer),
                Scalar::Number(Number::Float(float)) => Value::from(float),
            })
        }
    }
}

fn facts(node: Node<'_>, reading: &mut Reading) -> BTreeMap<Fact, Vec<String>> {
    let mut facts = BTreeMap::new();
    let Some(section) = table(node, "facts", "facts".to_owned(), reading) else { return facts };
    for (key, node) in section.entries() {
        let Some((_, fact)) = Fact::WORDS.iter().find(|(word, _)| word == key.get_ref()) else {
            reading.diagnostics.push(unknown_fact(&key));
            continue;
        };
        if *fact == Fact::Time {
            facts.extend(instant(node, reading).map(|text| (*fact, vec![text])));
            continue;
        }
        if fact.is_truth() {
            match node.get_ref().as_bool() {
                Some(truth) => drop(facts.insert(*fact, vec![truth.to_string()])),
                None => reading.expected("`true` or `false`", node, key.get_ref()),
            }
            continue;
        }
        let values = match node.get_ref().as_array() {
            Some(_) => scalars(node, key.get_ref(), reading)
                .and_then(|values| only_strings(values, key.get_ref(), reading))
                .map(plain),
            None => string(node, key.get_ref(), reading).map(|text| vec![text.into_inner()]),
        };
        facts.extend(values.map(|values| (*fact, values)));
    }
    facts
}

/// A time with its offset, as a string or as TOML writes it.
fn instant(node: Node<'_>, reading: &mut Reading) -> Option<String> {
    let text = match node.get_ref() {
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => string(node, "time", reading)?.into_inner(),
    };
    if unix_ms(&text).is_none() {
        let hint = "write date, time and offset: `2026-11-20T10:00:00Z`, `2026-11-20T11:00:00+01:00`";
        reading.fault_with(node.span(), format!("`{text}` is no time"), hint);
        return None;
    }
    Some(text)
}
