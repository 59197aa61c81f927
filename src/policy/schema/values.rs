//! Values of the document: strings, words, scalars and lists of them, named lists included.
//!
//! It never quotes a value of the wrong type, which may be a secret. Invariant: each reader reports a fault
//! whenever it gives nothing.

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::reading::{List, Node, Reading, Section, Word};
use crate::policy::{Number, Scalar};

/// A table, or a fault.
pub(crate) fn table<'a>(
    node: Node<'a>,
    key: &str,
    title: String,
    reading: &mut Reading,
) -> Option<Section<'a>> {
    let entries = node.get_ref().as_table();
    if entries.is_none() {
        reading.expected("a table", node, key);
    }
    entries.map(|entries| Section::new(title, node.span(), entries))
}

/// A string, or a fault.
pub(crate) fn string(node: Node<'_>, key: &str, reading: &mut Reading) -> Option<Spanned<String>> {
    let text = node.get_ref().as_str();
    if text.is_none() {
        reading.expected("a string", node, key);
    }
    text.map(|text| Spanned::new(node.span(), text.to_owned()))
}

/// A word of a vocabulary, or a fault that lists the words.
pub(crate) fn word<T: Word>(node: Node<'_>, key: &str, reading: &mut Reading) -> Option<Spanned<T>> {
    let text = string(node, key, reading)?;
    let word = T::from_word(text.get_ref());
    if word.is_none() {
        let message = format!("unknown word `{}` for `{key}`", text.get_ref());
        let hint = match meant(text.get_ref(), T::WORDS)
            .or_else(|| did_you_mean(text.get_ref(), T::WORDS.iter().copied()))
        {
            Some(hint) => format!("{hint} (words: {})", list_words(T::WORDS.iter().copied())),
            None => format!("words: {}", list_words(T::WORDS.iter().copied())),
        };
        reading.fault_with(node.span(), message, hint);
    }
    word.map(|word| Spanned::new(node.span(), word))
}

/// Words that other tools have for ours.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("require_approval", &["ask", "confirm", "prompt", "approve", "approval", "review"]),
    ("deny", &["reject", "refuse", "forbid", "disallow", "stop"]),
    ("allow", &["permit", "accept", "pass", "grant"]),
    ("enforce", &["enforcing", "enforcement", "on", "active", "block"]),
    ("shadow", &["dry-run", "dry_run", "dryrun", "log", "observe", "report", "permissive", "learn"]),
    ("off", &["disabled", "none", "disable"]),
    ("mysql", &["mariadb"]),
    ("postgres", &["postgresql", "pg", "psql", "redshift", "cockroachdb"]),
    ("mssql", &["sqlserver", "sql-server", "tsql", "t-sql", "sybase"]),
    ("sqlite", &["sqlite3"]),
    ("result", &["response", "answer", "success"]),
    ("critical", &["urgent", "severe", "highest"]),
    ("medium", &["moderate", "normal"]),
    ("low", &["info", "minor"]),
];

/// What a word of another tool is here, where that may stand.
fn meant(word: &str, words: &[&str]) -> Option<String> {
    let word = word.to_lowercase();
    let (ours, _) =
        ELSEWHERE.iter().find(|(ours, theirs)| words.contains(ours) && theirs.contains(&word.as_str()))?;
    Some(format!("did you mean `{ours}`?"))
}

/// A scalar, a list of scalars, or `{ list = "name" }`.
pub(crate) fn scalars(node: Node<'_>, key: &str, reading: &mut Reading) -> Option<List<Scalar>> {
    match node.get_ref() {
        DeValue::Array(array) => Some(Spanned::new(node.span(), elements(array, key, reading)?)),
        DeValue::Table(_) => named_list(node, key, reading),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {
            let value = scalar(node, key, reading)?;
            Some(Spanned::new(node.span(), vec![value]))
        }
    }
}

/// The scalars of an array; `None` when one of them is not a scalar.
pub(crate) fn elements(
    array: &DeArray<'_>,
    key: &str,
    reading: &mut Reading,
) -> Option<Vec<Spanned<Scalar>>> {
    // Every element is looked at, so that all faults show at once.
    let values: Vec<_> = array.iter().map(|node| scalar(node, key, reading)).collect();
    values.into_iter().collect()
}

/// A string, a finite number or a truth value.
pub(crate) fn scalar(node: Node<'_>, key: &str, reading: &mut Reading) -> Option<Spanned<Scalar>> {
    let value = match node.get_ref() {
        DeValue::String(text) => Some(Scalar::String(text.clone().into_owned())),
        DeValue::Boolean(value) => Some(Scalar::Bool(*value)),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(|integer| Scalar::Number(Number::Integer(integer))),
        DeValue::Float(float) => float
            .as_str()
            .parse::<f64>()
            .ok()
            .filter(|float| float.is_finite())
            .map(|float| Scalar::Number(Number::Float(float))),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            reading.expected("a string, a number or a truth value", node, key);
            return None;
        }
    };
    if value.is_none() {
        reading.fault(node.span(), format!("the number for `{key}` does not fit"));
    }
    value.map(|value| Spanned::new(node.span(), value))
}

fn named_list(node: Node<'_>, key: &str, reading: &mut Reading) -> Option<List<Scalar>> {
    let mut section = table(node, key, format!("`{key}`"), reading)?;
    let name = section.string("list", reading);
    let missing = !section.has("list");
    section.finish(reading);
    if missing {
        reading.fault_with(
            node.span(),
            format!("`{key}` must be a value, a list or `{{ list = \"name\" }}`"),
            "a named list stands in [lists]",
        );
    }
    let name = name?;
    let Some(values) = reading.lists.get(name.get_ref()) else {
        let hint = did_you_mean(name.get_ref(), reading.lists.keys().map(String::as_str))
            .unwrap_or_else(|| "define it in [lists]".to_owned());
        reading.fault_with(name.span(), format!("no list is named `{}`", name.get_ref()), hint);
        return None;
    };
    // Faults in an element point at the use: the list itself may be right for other uses.
    let values = values.as_ref()?.iter();
    Some(Spanned::new(name.span(), values.map(|v| Spanned::new(name.span(), v.get_ref().clone())).collect()))
}

/// The values as strings; a fault for each that is none.
pub(crate) fn only_strings(values: List<Scalar>, key: &str, reading: &mut Reading) -> Option<List<String>> {
    let whole = values.span();
    let mut strings = Some(Vec::new());
    for value in values.into_inner() {
        let span = value.span();
        let found = match value.into_inner() {
            Scalar::String(text) => {
                if let Some(strings) = &mut strings {
                    strings.push(Spanned::new(span, text));
                }
                continue;
            }
            Scalar::Number(_) => "a number",
            Scalar::Bool(_) => "a truth value",
        };
        reading.fault(span, format!("`{key}` takes strings, found {found}"));
        strings = None;
    }
    strings.map(|strings| Spanned::new(whole, strings))
}

/// The nearest of some words, when it is near enough to be meant.
pub(crate) fn did_you_mean<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<String> {
    let near = words
        .map(|candidate| {
            (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()?;
    Some(format!("did you mean `{}`?", near.1))
}

/// `a, b, c`
pub(crate) fn list_words<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
