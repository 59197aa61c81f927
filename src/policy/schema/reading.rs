//! Walking one TOML document: tables whose keys are taken one by one, and the diagnostics met on the way.
//!
//! It refuses to stop at the first fault. Invariant: a key that nobody took is reported as unknown, so a
//! misspelt key can never be silently without effect.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values::{did_you_mean, list_words, only_strings, scalars, string, table, word};
use crate::policy::{Diagnostic, Effect, FailMode, Mode, Regexes, Scalar};

/// A value of the document and its place.
pub(crate) type Node<'a> = &'a Spanned<DeValue<'a>>;

/// Values written as a list (or as one), and the place of the whole.
pub(crate) type List<T> = Spanned<Vec<Spanned<T>>>;

/// What is collected while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// `[lists]`, as read; `None` for a list that was at fault itself.
    pub(crate) lists: BTreeMap<String, Option<Vec<Spanned<Scalar>>>>,
    /// Regexes by their patterns: those that stand in many rules are checked and compiled once.
    pub(crate) regexes: BTreeMap<Vec<String>, Regexes>,
}

impl Reading {
    pub(crate) fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::fault(span, message));
    }

    pub(crate) fn fault_with(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.diagnostics.push(Diagnostic::fault(span, message).with_hint(hint));
    }

    pub(crate) fn note_with(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.diagnostics.push(Diagnostic::note(span, message).with_hint(hint));
    }

    /// A value of the wrong type. The value itself is never quoted: it may be a secret.
    pub(crate) fn expected(&mut self, what: &str, node: Node<'_>, key: &str) {
        let found = type_name(node.get_ref());
        self.fault(node.span(), format!("`{key}` must be {what}, found {found}"));
    }
}

/// A word of a fixed vocabulary.
pub(crate) trait Word: Sized + Copy + 'static {
    const WORDS: &'static [&'static str];
    fn from_word(word: &str) -> Option<Self>;
}

macro_rules! word {
    ($($type:ty),+) => { $(impl Word for $type {
        const WORDS: &'static [&'static str] = <$type>::WORDS;
        fn from_word(word: &str) -> Option<Self> { <$type>::from_word(word) }
    })+ };
}
word!(Effect, Mode, FailMode);

/// Gives a type its words, for files only.
macro_rules! file_words {
    ($type:ty { $($word:literal => $value:expr),+ $(,)? }) => {
        impl $crate::policy::schema::Word for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];
            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($value),)+ _ => None }
            }
        }
    };
}
pub(crate) use file_words;

/// Keys of a rule that people write behind the header of a table in it, where they mean nothing.
const RULE_KEYS: &[&str] = &[
    "id",
    "action",
    "tools",
    "servers",
    "methods",
    "when",
    "any",
    "unless",
    "rate",
    "unless_after",
    "closed",
    "overrides",
    "mode",
    "modes",
    "severity",
    "class",
    "owner",
    "channels",
    "alert",
    "reason",
];

/// One table of the file. Each key is taken at most once; [`Section::finish`] reports the rest.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// What people call it: `[audit]`, `[[rule]] 2`; empty for the top of the file.
    pub(crate) title: String,
    /// The place of its header.
    pub(crate) span: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
    reported: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(title: impl Into<String>, span: Range<usize>, entries: &'a DeTable<'a>) -> Self {
        Self { title: title.into(), span, entries, known: Vec::new(), reported: Vec::new() }
    }

    /// Every key with its value, for tables whose keys are names of the author's choice.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Spanned<&'a str>, Node<'a>)> + use<'a> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries.into_iter().map(|(key, node)| (Spanned::new(key.span(), key.get_ref().as_ref()), node))
    }

    /// Whether the key is there; does not take it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The place of a key that is there, of the header otherwise.
    pub(crate) fn key_span(&self, key: &str) -> Range<usize> {
        self.entries.get_key_value(key).map_or_else(|| self.span.clone(), |(key, _)| key.span())
    }

    /// Takes a key.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        self.entries.get(key)
    }

    /// Takes a key that is reported already. Not offered as one that is known.
    pub(crate) fn pass(&mut self, key: &'static str) {
        self.reported.push(key);
    }

    /// Takes a string that is not empty.
    pub(crate) fn string(&mut self, key: &'static str, reading: &mut Reading) -> Option<Spanned<String>> {
        let node = self.take(key)?;
        let text = string(node, key, reading)?;
        if text.get_ref().trim().is_empty() {
            reading.fault(node.span(), format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    /// Takes a truth value.
    pub(crate) fn boolean(&mut self, key: &'static str, reading: &mut Reading) -> Option<Spanned<bool>> {
        let node = self.take(key)?;
        let value = node.get_ref().as_bool();
        if value.is_none() {
            reading.expected("`true` or `false`", node, key);
        }
        value.map(|value| Spanned::new(node.span(), value))
    }

    /// Takes a word of a vocabulary.
    pub(crate) fn word<T: Word>(&mut self, key: &'static str, reading: &mut Reading) -> Option<Spanned<T>> {
        self.take(key).and_then(|node| word(node, key, reading))
    }

    /// Takes a word of a vocabulary, or a list of them.
    pub(crate) fn words<T: Word>(&mut self, key: &'static str, reading: &mut Reading) -> Option<List<T>> {
        let node = self.take(key)?;
        let Some(array) = node.get_ref().as_array() else {
            return word(node, key, reading).map(|word| Spanned::new(node.span(), vec![word]));
        };
        let words: Vec<_> = array.iter().map(|node| word(node, key, reading)).collect();
        words.into_iter().collect::<Option<_>>().map(|words| Spanned::new(node.span(), words))
    }

    /// Takes a duration; milliseconds.
    pub(crate) fn duration(&mut self, key: &'static str, reading: &mut Reading) -> Option<Spanned<i64>> {
        self.unit(key, "a duration such as `45s`, `10m`, `2h` or `90d`", super::units::duration_ms, reading)
    }

    /// Takes a size; bytes.
    pub(crate) fn size(&mut self, key: &'static str, reading: &mut Reading) -> Option<Spanned<u64>> {
        self.unit(key, "a size such as `512KiB`, `10MB` or `1GiB`", super::units::size_bytes, reading)
    }

    fn unit<T>(
        &mut self,
        key: &'static str,
        what: &str,
        parse: fn(&str) -> Option<T>,
        reading: &mut Reading,
    ) -> Option<Spanned<T>> {
        let node = self.take(key)?;
        let parsed = match node.get_ref() {
            DeValue::String(text) => parse(text),
            DeValue::Integer(integer) if integer.radix() == 10 => parse(integer.as_str()),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        if parsed.is_none() {
            reading.fault(node.span(), format!("`{key}` must be {what}"));
        }
        parsed.map(|value| Spanned::new(node.span(), value))
    }

    /// Takes a string, a list of strings, or `{ list = "name" }`.
    pub(crate) fn strings(&mut self, key: &'static str, reading: &mut Reading) -> Option<List<String>> {
        let node = self.take(key)?;
        let values = scalars(node, key, reading)?;
        only_strings(values, key, reading)
    }

    /// Takes a table.
    pub(crate) fn table(&mut self, key: &'static str, reading: &mut Reading) -> Option<Section<'a>> {
        let node = self.take(key)?;
        table(node, key, format!("[{key}]"), reading)
    }

    /// Takes a table of tables, such as `[agents.KEY]`.
    pub(crate) fn named(
        &mut self,
        key: &'static str,
        reading: &mut Reading,
    ) -> Vec<(Spanned<String>, Section<'a>)> {
        let Some(outer) = self.table(key, reading) else { return Vec::new() };
        let mut sections = Vec::new();
        for (name, node) in outer.entries() {
            if name.get_ref().trim().is_empty() {
                reading.fault(name.span(), format!("a name in [{key}] is empty"));
            } else if let Some(section) =
                table(node, name.get_ref(), format!("[{key}.{}]", name.get_ref()), reading)
            {
                sections.push((Spanned::new(name.span(), (*name.get_ref()).to_owned()), section));
            }
        }
        sections
    }

    /// Takes an array of tables; they are numbered from 1. `prefix` is what people call the table it is in.
    pub(crate) fn tables(
        &mut self,
        key: &'static str,
        prefix: &str,
        reading: &mut Reading,
    ) -> Vec<Section<'a>> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let Some(array) = node.get_ref().as_array() else {
            let hint = format!("write [[{prefix}{key}]] with double brackets");
            let found = type_name(node.get_ref());
            reading.fault_with(node.span(), format!("`{key}` must be a list of tables, found {found}"), hint);
            return Vec::new();
        };
        let title = |index: usize| format!("[[{prefix}{key}]] {}", index + 1);
        let numbered = array.iter().enumerate();
        numbered.filter_map(|(index, node)| table(node, key, title(index), reading)).collect()
    }

    /// Reports every key that nobody took.
    pub(crate) fn finish(self, reading: &mut Reading) {
        let taken = |key: &str| self.known.contains(&key) || self.reported.contains(&key);
        for (key, _) in self.entries.iter().filter(|(key, _)| !taken(key.get_ref())) {
            let place = if self.title.is_empty() { String::new() } else { format!(" in {}", self.title) };
            let message = format!("unknown key `{}`{place}", key.get_ref());
            match self.hint_for(key.get_ref()) {
                Some(hint) => reading.fault_with(key.span(), message, hint),
                None => reading.fault(key.span(), message),
            }
        }
    }

    /// The title without its number.
    fn header(&self) -> &str {
        self.title.split_once(' ').map_or(self.title.as_str(), |(header, _)| header)
    }

    fn hint_for(&self, key: &str) -> Option<String> {
        if self.title == super::INCLUDED {
            let hint =
                "what is included holds [lists], [[tool]] and [[rule]]; everything else stands in mcp.toml";
            return Some(hint.to_owned());
        }
        if self.title.starts_with("[[rule.") && RULE_KEYS.contains(&key) {
            return Some(format!("`{key}` belongs to the rule: put it above {}", self.header()));
        }
        if !self.title.is_empty() && super::TOP_KEYS.contains(&key) {
            return Some(format!("`{key}` belongs at the top of the file, above the first [table]"));
        }
        did_you_mean(key, self.known.iter().copied())
            .or_else(|| Some(format!("keys here: {}", list_words(self.known.iter().copied()))))
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
