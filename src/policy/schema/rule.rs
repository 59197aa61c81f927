//! One `[[rule]]` as written, with its conditions and its tests.
//!
//! It refuses to guess: a shorthand is spelled out here (`"/a" = 1` is `eq`, `"/a" = [1, 2]` is `in`), so that
//! the compiler knows one form. Invariant: the operand of every test is a list of scalars with places.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use super::reading::{List, Node, Reading, Section, file_words};
use super::values::{list_words, only_strings, scalars, string, table, word};
use crate::policy::{Class, Diagnostic, Effect, Example, Fact, Mode, Number, Scalar, Severity};

/// One `[[rule]]`.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) position: usize,
    pub(crate) id: Option<Spanned<String>>,
    pub(crate) action: Option<Spanned<Effect>>,
    pub(crate) tools: Option<List<String>>,
    pub(crate) servers: Option<List<String>>,
    pub(crate) methods: Option<List<String>>,
    pub(crate) when: Option<Spanned<Vec<Condition>>>,
    pub(crate) any: Option<Spanned<Vec<Spanned<Vec<Condition>>>>>,
    pub(crate) unless: Option<Spanned<Vec<Condition>>>,
    pub(crate) overrides: Option<List<String>>,
    pub(crate) mode: Option<Spanned<Mode>>,
    pub(crate) modes: Option<Spanned<BTreeMap<String, Spanned<Mode>>>>,
    pub(crate) severity: Option<Severity>,
    pub(crate) class: Option<Class>,
    pub(crate) owner: Option<String>,
    pub(crate) reason: Option<Spanned<String>>,
    /// Line 0 stands for "not known yet": the compiler knows the text. The span is the header's.
    pub(crate) examples: Vec<Spanned<Example>>,
}

/// One member of `when`, `any` or `unless`.
#[derive(Debug)]
pub(crate) struct Condition {
    /// A pointer or a fact, as written.
    pub(crate) key: Spanned<String>,
    pub(crate) tests: Vec<Test>,
}

/// One predicate and what it compares with.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) word: Spanned<PredicateWord>,
    pub(crate) values: List<Scalar>,
}

/// The names of the predicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PredicateWord {
    Eq,
    In,
    Glob,
    Matches,
    Gt,
    Ge,
    Lt,
    Le,
    BytesGt,
    Exists,
    PathUnder,
    PathOutside,
    PathGlob,
}

impl PredicateWord {
    /// Every predicate by its word.
    pub(crate) const ALL: &'static [(&'static str, Self)] = &[
        ("eq", Self::Eq),
        ("in", Self::In),
        ("glob", Self::Glob),
        ("matches", Self::Matches),
        ("gt", Self::Gt),
        ("ge", Self::Ge),
        ("lt", Self::Lt),
        ("le", Self::Le),
        ("bytes_gt", Self::BytesGt),
        ("exists", Self::Exists),
        ("path_under", Self::PathUnder),
        ("path_outside", Self::PathOutside),
        ("path_glob", Self::PathGlob),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, word)| *word == self).map_or("", |(text, _)| text)
    }

    /// Whether the operand may be a list.
    pub(crate) fn takes_list(self) -> bool {
        matches!(
            self,
            Self::In | Self::Glob | Self::Matches | Self::PathUnder | Self::PathOutside | Self::PathGlob
        )
    }
}

file_words!(Severity {
    "low" => Severity::Low,
    "medium" => Severity::Medium,
    "high" => Severity::High,
    "critical" => Severity::Critical,
});
file_words!(Class {
    "prohibited" => Class::Prohibited,
    "irreversible" => Class::Irreversible,
    "normal" => Class::Normal,
    "high_traffic" => Class::HighTraffic,
});

/// Reads one rule; `position` counts from 1.
pub(super) fn rule(mut section: Section<'_>, position: usize, reading: &mut Reading) -> Rule {
    if !section.has("action") {
        let hint = "say what the rule does: `action = \"deny\"` (allow, warn, require_approval, deny)";
        reading.fault_with(section.span.clone(), format!("`action` is missing in {}", section.title), hint);
    }
    let title = section.title.clone();
    let rule = Rule {
        position,
        id: section.string("id", reading),
        action: section.word("action", reading),
        tools: section.strings("tools", reading),
        servers: section.strings("servers", reading),
        methods: section.strings("methods", reading),
        when: section.take("when").and_then(|node| conditions(node, "when", &title, reading)),
        any: section.take("any").and_then(|node| alternatives(node, &title, reading)),
        unless: section.take("unless").and_then(|node| conditions(node, "unless", &title, reading)),
        overrides: section.strings("overrides", reading),
        mode: section.word("mode", reading),
        modes: section.take("modes").and_then(|node| modes(node, &title, reading)),
        severity: section.word("severity", reading).map(Spanned::into_inner),
        class: section.word("class", reading).map(Spanned::into_inner),
        owner: section.string("owner", reading).map(Spanned::into_inner),
        reason: section.string("reason", reading),
        examples: examples(&mut section, reading),
    };
    section.finish(reading);
    rule
}

fn modes(
    node: Node<'_>,
    title: &str,
    reading: &mut Reading,
) -> Option<Spanned<BTreeMap<String, Spanned<Mode>>>> {
    let section = table(node, "modes", format!("`modes` of {title}"), reading)?;
    let words = section.entries().filter_map(|(agent, node)| {
        let mode = word(node, agent.get_ref(), reading)?;
        Some(((*agent.get_ref()).to_owned(), mode))
    });
    Some(Spanned::new(node.span(), words.collect()))
}

fn alternatives(
    node: Node<'_>,
    title: &str,
    reading: &mut Reading,
) -> Option<Spanned<Vec<Spanned<Vec<Condition>>>>> {
    let Some(array) = node.get_ref().as_array() else {
        let hint = "write `any = [{ \"/path\" = … }, { \"/source\" = … }]` or [[rule.any]]";
        reading.fault_with(node.span(), format!("`any` of {title} must be a list of tables"), hint);
        return None;
    };
    let tables: Vec<_> = array.iter().map(|node| conditions(node, "any", title, reading)).collect();
    tables.into_iter().collect::<Option<_>>().map(|tables| Spanned::new(node.span(), tables))
}

fn conditions(
    node: Node<'_>,
    key: &str,
    title: &str,
    reading: &mut Reading,
) -> Option<Spanned<Vec<Condition>>> {
    let section = table(node, key, format!("`{key}` of {title}"), reading)?;
    let before = reading.diagnostics.len();
    let conditions: Vec<_> =
        section.entries().filter_map(|(key, node)| condition(&key, node, reading)).collect();
    // Left out when faults emptied it, so that it is not called empty as well.
    let emptied = conditions.is_empty() && reading.diagnostics.len() > before;
    (!emptied).then(|| Spanned::new(node.span(), conditions))
}

fn condition(key: &Spanned<&str>, node: Node<'_>, reading: &mut Reading) -> Option<Condition> {
    let name = *key.get_ref();
    if !name.is_empty() && !name.starts_with('/') && PredicateWord::ALL.iter().any(|(word, _)| *word == name)
    {
        let hint = format!("say what is compared: `\"/path\" = {{ {name} = … }}`");
        reading.fault_with(key.span(), format!("`{name}` is a predicate, not something to look at"), hint);
        return None;
    }
    let tests = match node.get_ref() {
        DeValue::Table(_) => predicates(node, name, reading)?,
        DeValue::Array(_) => vec![test(PredicateWord::In, node.span(), node, name, reading)?],
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => vec![test(PredicateWord::Eq, node.span(), node, name, reading)?],
    };
    Some(Condition { key: Spanned::new(key.span(), name.to_owned()), tests })
}

fn predicates(node: Node<'_>, name: &str, reading: &mut Reading) -> Option<Vec<Test>> {
    let mut section = table(node, name, format!("the condition on `{name}`"), reading)?;
    let mut tests = Vec::new();
    for (key, predicate) in PredicateWord::ALL {
        let span = section.key_span(key);
        if let Some(value) = section.take(key) {
            tests.extend(test(*predicate, span, value, key, reading));
        }
    }
    if section.has("list") {
        let hint = "write `{ in = { list = \"name\" } }`";
        reading.fault_with(section.key_span("list"), "a named list needs a predicate", hint);
        section.take("list");
    } else if section.entries().next().is_none() {
        let hint = format!("predicates: {}", list_words(PredicateWord::ALL.iter().map(|(w, _)| *w)));
        reading.fault_with(node.span(), format!("the condition on `{name}` says nothing"), hint);
    }
    section.finish(reading);
    Some(tests)
}

fn test(
    predicate: PredicateWord,
    span: Range<usize>,
    node: Node<'_>,
    key: &str,
    reading: &mut Reading,
) -> Option<Test> {
    if !predicate.takes_list() && node.get_ref().as_array().is_some() {
        let hint = if predicate == PredicateWord::Eq { "`in` takes a list" } else { "write one value" };
        reading.fault_with(node.span(), format!("`{key}` takes one value, found a list"), hint);
        return None;
    }
    let values = scalars(node, key, reading)?;
    Some(Test { word: Spanned::new(span, predicate), values })
}

fn examples(section: &mut Section<'_>, reading: &mut Reading) -> Vec<Spanned<Example>> {
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
        line: 0,
        name: section.string("name", reading).map(Spanned::into_inner),
        method: method.unwrap_or_else(|| "tools/call".to_owned()),
        tool: section.string("tool", reading).map(Spanned::into_inner).unwrap_or_default(),
        arguments: section.take("arguments").and_then(|node| arguments(node, reading)),
        facts: section.take("facts").map(|node| facts(node, reading)).unwrap_or_default(),
        expect: section.word("expect", reading).map_or(Effect::Deny, Spanned::into_inner),
    };
    section.finish(reading);
    Spanned::new(span, example)
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
            let value = super::scalar(node, "arguments", reading)?;
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
        let values = match node.get_ref().as_array() {
            Some(_) => scalars(node, key.get_ref(), reading)
                .and_then(|values| only_strings(values, key.get_ref(), reading))
                .map(|list| list.into_inner().into_iter().map(Spanned::into_inner).collect()),
            None => string(node, key.get_ref(), reading).map(|text| vec![text.into_inner()]),
        };
        facts.extend(values.map(|values| (*fact, values)));
    }
    facts
}

/// The fault of a key that is neither a pointer nor a fact.
pub(crate) fn unknown_fact(key: &Spanned<&str>) -> Diagnostic {
    let name = key.get_ref();
    let words = || Fact::WORDS.iter().map(|(word, _)| *word);
    let hint = super::later(name).or_else(|| super::did_you_mean(name, words())).unwrap_or_else(|| {
        format!("an argument is named by a pointer, `\"/{name}\"`; facts: {}", list_words(words()))
    });
    Diagnostic::fault(key.span(), format!("unknown fact `{name}`")).with_hint(hint)
}
