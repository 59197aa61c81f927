//! One `[[rule]]` as written, with its conditions.
//!
//! It refuses to guess: a shorthand is spelled out here (`"/a" = 1` is `eq`, `"/a" = [1, 2]` is `in`), so that
//! the compiler knows one form. Invariant: the operand of every test is a list of scalars with places.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::alert::{self, Alert};
use super::example::examples;
use super::history;
use super::reading::{List, Node, Reading, Section, Word, file_words};
use super::values::{list_words, scalars, table, word};
use crate::policy::{
    Channel, Class, Diagnostic, Dialect, Effect, Example, Fact, Mode, Rate, Scalar, Severity,
};

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
    pub(crate) rate: Option<Spanned<Rate>>,
    pub(crate) after: Option<List<String>>,
    pub(crate) unless_after: Option<List<String>>,
    pub(crate) closed: Option<Spanned<bool>>,
    pub(crate) overrides: Option<List<String>>,
    pub(crate) mode: Option<Spanned<Mode>>,
    pub(crate) modes: Option<Spanned<BTreeMap<String, Spanned<Mode>>>>,
    pub(crate) severity: Option<Severity>,
    pub(crate) class: Option<Class>,
    pub(crate) owner: Option<String>,
    pub(crate) channels: Option<List<Channel>>,
    pub(crate) alert: Option<Alert>,
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
    /// `zone`, which only `time` takes.
    pub(crate) zone: Option<Spanned<String>>,
}

/// One predicate and what it compares with.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) word: Spanned<PredicateWord>,
    pub(crate) values: List<Scalar>,
    /// `dialect`, on the predicates that read SQL.
    pub(crate) dialect: Option<Dialect>,
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
    Host,
    Scheme,
    IpIn,
    SqlAny,
    SqlOnly,
    ShellAny,
    ShellOnly,
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
        ("host", Self::Host),
        ("scheme", Self::Scheme),
        ("ip_in", Self::IpIn),
        ("sql_any", Self::SqlAny),
        ("sql_only", Self::SqlOnly),
        ("shell_any", Self::ShellAny),
        ("shell_only", Self::ShellOnly),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, word)| *word == self).map_or("", |(text, _)| text)
    }

    /// Whether the operand may be a list.
    pub(crate) fn takes_list(self) -> bool {
        matches!(
            self,
            Self::In
                | Self::Glob
                | Self::Matches
                | Self::PathUnder
                | Self::PathOutside
                | Self::PathGlob
                | Self::Host
                | Self::Scheme
                | Self::IpIn
                | Self::SqlAny
                | Self::SqlOnly
                | Self::ShellAny
                | Self::ShellOnly
        )
    }

    /// Whether it reads the value as SQL.
    pub(crate) fn reads_sql(self) -> bool {
        matches!(self, Self::SqlAny | Self::SqlOnly)
    }
}

file_words!(Severity {
    "low" => Severity::Low,
    "medium" => Severity::Medium,
    "high" => Severity::High,
    "critical" => Severity::Critical,
});
file_words!(Channel {
    "local" => Channel::Local,
    "host" => Channel::Host,
});
file_words!(Class {
    "prohibited" => Class::Prohibited,
    "irreversible" => Class::Irreversible,
    "normal" => Class::Normal,
    "high_traffic" => Class::HighTraffic,
});

impl Word for Dialect {
    const WORDS: &'static [&'static str] = Dialect::WORDS;
    fn from_word(word: &str) -> Option<Self> {
        Dialect::named(word)
    }
}

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
        rate: section.take("rate").and_then(|node| history::rate(node, &title, reading)),
        after: section.strings("after", reading),
        unless_after: section.strings("unless_after", reading),
        closed: section.boolean("closed", reading),
        overrides: section.strings("overrides", reading),
        mode: section.word("mode", reading),
        modes: section.take("modes").and_then(|node| modes(node, &title, reading)),
        severity: section.word("severity", reading).map(Spanned::into_inner),
        class: section.word("class", reading).map(Spanned::into_inner),
        owner: section.string("owner", reading).map(Spanned::into_inner),
        channels: section.words("channels", reading),
        alert: alert::alert(&mut section, reading),
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

pub(super) fn alternatives(
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

pub(super) fn conditions(
    node: Node<'_>,
    key: &str,
    title: &str,
    reading: &mut Reading,
) -> Option<Spanned<Vec<Condition>>> {
    if node.get_ref().is_array() {
        let hint = "a list of tables, of which one must hold, is `any`";
        reading.fault_with(node.span(), format!("`{key}` must be a table, found a list"), hint);
        return None;
    }
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
    if name == "time" {
        return time(key, node, reading);
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
    Some(Condition { key: Spanned::new(key.span(), name.to_owned()), tests, zone: None })
}

/// The condition on `time`, which knows no predicate but `in`: its windows are no values to compare with.
fn time(key: &Spanned<&str>, node: Node<'_>, reading: &mut Reading) -> Option<Condition> {
    let name = *key.get_ref();
    let (mut windows, mut zone, mut at) = (Some(node), None, key.span());
    if node.get_ref().is_table() {
        let mut section = table(node, name, format!("the condition on `{name}`"), reading)?;
        at = section.key_span("in");
        windows = section.take("in");
        zone = section.string("zone", reading);
        section.finish(reading);
    }
    let Some(windows) = windows else {
        let hint = "say when: `time = { in = [\"Mon-Fri 09:00-18:00\"], zone = \"Europe/Rome\" }`";
        reading.fault_with(node.span(), "the condition on `time` has no `in`", hint);
        return None;
    };
    let values = scalars(windows, "in", reading)?;
    let tests = vec![Test { word: Spanned::new(at, PredicateWord::In), values, dialect: None }];
    Some(Condition { key: Spanned::new(key.span(), name.to_owned()), tests, zone })
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
    dialect(&mut section, &mut tests, reading);
    said_elsewhere(&mut section, name, reading);
    section.finish(reading);
    Some(tests)
}

/// Words of other tools for what is said otherwise here, and how.
const ELSEWHERE: &[(&str, &str)] = &[
    ("regex", "a regex is `matches`"),
    ("regexp", "a regex is `matches`"),
    ("pattern", "a regex is `matches`, `*` and `?` are for `glob`"),
    ("contains", "write `glob = \"*text*\"`"),
    ("includes", "write `glob = \"*text*\"`"),
    ("starts_with", "write `glob = \"text*\"`"),
    ("startswith", "write `glob = \"text*\"`"),
    ("prefix", "write `glob = \"text*\"`"),
    ("ends_with", "write `glob = \"*text\"`"),
    ("endswith", "write `glob = \"*text\"`"),
    ("suffix", "write `glob = \"*text\"`"),
    ("equals", "equality is `eq`"),
    ("not", "what must not hold stands in `unless`"),
    ("ne", "what must not hold stands in `unless`"),
    ("not_in", "what must not hold stands in `unless`"),
    ("min", "at least is `ge`"),
    ("max", "at most is `le`"),
    ("domain", "the host of a URL is `host`"),
    ("cidr", "networks are for `ip_in`"),
    (
        "zone",
        "only the fact `time` has a zone: `time = { in = [\"Mon-Fri 09:00-18:00\"], zone = \"Europe/Rome\" }`",
    ),
];

/// Reports predicates by the names that other tools have for them.
fn said_elsewhere(section: &mut Section<'_>, name: &str, reading: &mut Reading) {
    for (word, hint) in ELSEWHERE {
        if section.has(word) {
            let message = format!("unknown key `{word}` in the condition on `{name}`");
            reading.fault_with(section.key_span(word), message, *hint);
            section.pass(word);
        }
    }
}

/// Hands `dialect` to the predicates that read SQL.
fn dialect(section: &mut Section<'_>, tests: &mut [Test], reading: &mut Reading) {
    let span = section.key_span("dialect");
    let Some(dialect) = section.word::<Dialect>("dialect", reading).map(Spanned::into_inner) else { return };
    if !PredicateWord::ALL.iter().any(|(key, word)| word.reads_sql() && section.has(key)) {
        let hint = "it stands beside `sql_any` or `sql_only`";
        reading.fault_with(span, "`dialect` says how SQL is read, and nothing here reads SQL", hint);
    }
    for test in tests.iter_mut().filter(|test| test.word.get_ref().reads_sql()) {
        test.dialect = Some(dialect);
    }
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
    Some(Test { word: Spanned::new(span, predicate), values, dialect: None })
}

/// The fault of a key that is neither a pointer nor a fact.
pub(crate) fn unknown_fact(key: &Spanned<&str>) -> Diagnostic {
    let name = key.get_ref();
    let words = || Fact::WORDS.iter().map(|(word, _)| *word);
    let hint = super::did_you_mean(name, words()).unwrap_or_else(|| {
        format!("an argument is named by a pointer, `\"/{name}\"`; facts: {}", list_words(words()))
    });
    Diagnostic::fault(key.span(), format!("unknown fact `{name}`")).with_hint(hint)
}
