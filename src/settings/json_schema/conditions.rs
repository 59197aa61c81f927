//! What `when`, `any` and `unless` take.
//!
//! Invariant: one row for each predicate, and one for each fact.

use serde_json::{Map, Value, json};

use super::{boolean, described, reference, scalar, string};
use crate::policy::{Dialect, Fact, Kinds};

/// What a predicate is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    Scalar,
    Scalars,
    Strings,
    Number,
    Bytes,
    Truth,
    Kinds,
    Dialect,
}

const PREDICATES: &[(&str, Operand, &str)] = &[
    ("eq", Operand::Scalar, "Equal, of the same type."),
    ("in", Operand::Scalars, "Equal to one of these."),
    ("glob", Operand::Strings, "The whole string fits one of these globs; `*` also crosses `/`."),
    (
        "matches",
        Operand::Strings,
        "One of these regexes is found in the string. Linear time: no look-around.",
    ),
    ("gt", Operand::Number, "Greater than."),
    ("ge", Operand::Number, "Greater than or equal."),
    ("lt", Operand::Number, "Less than."),
    ("le", Operand::Number, "Less than or equal."),
    ("bytes_gt", Operand::Bytes, "Longer than this: bytes, or a size such as \"4KiB\"."),
    ("exists", Operand::Truth, "Whether it is there at all."),
    ("path_under", Operand::Strings, "A path at or below one of these; `{root}`, `~/` and `/` begin them."),
    ("path_outside", Operand::Strings, "A path at or below none of these."),
    ("path_glob", Operand::Strings, "A path that fits one of these globs; `**` crosses folders."),
    (
        "host",
        Operand::Strings,
        "A URL leads to one of these hosts: exact, or `*.example.com`; with `:8443` or `:*` for other ports.",
    ),
    ("scheme", Operand::Strings, "A URL has one of these schemes."),
    (
        "ip_in",
        Operand::Strings,
        "A URL leads to an address, written as one, in one of these networks: `10.0.0.0/8`.",
    ),
    (
        "shell_any",
        Operand::Strings,
        "A shell line runs one of these: a program (a glob) and words that must each match an argument, or with `!` \
         an argument that must be another: `rm -r !/tmp/*`.",
    ),
    (
        "shell_only",
        Operand::Strings,
        "A shell line runs nothing but these: a program and words that must each match an argument.",
    ),
    ("sql_any", Operand::Kinds, "SQL has a statement of one of these kinds or groups of kinds."),
    ("sql_only", Operand::Kinds, "SQL has no statement but of these kinds or groups of kinds."),
    (
        "dialect",
        Operand::Dialect,
        "How `sql_any` and `sql_only` beside it read the text; left out, as each database would.",
    ),
];
/// Predicates that facts take.
const OF_FACTS: &[&str] = &["eq", "in", "glob", "matches", "exists"];
/// Predicates that facts take which are true or false.
const OF_TRUTHS: &[&str] = &["eq", "in", "exists"];
/// Predicates that the fact `root` takes as well.
const OF_ROOT: &[&str] = &["path_under", "path_outside", "path_glob"];

/// The definitions that the schema refers to.
pub(super) fn definitions() -> Value {
    let named = json!({
        "type": "object", "properties": { "list": string() }, "required": ["list"], "additionalProperties": false,
        "description": "A list of [lists].",
    });
    json!({
        "named": named,
        "strings": { "anyOf": [string(), { "type": "array", "items": string() }, reference("named")] },
        "scalars": { "anyOf": [scalar(), { "type": "array", "items": scalar() }, reference("named")] },
        "kinds": { "anyOf": [kind(), { "type": "array", "items": kind() }, reference("named")] },
        "table": table(),
        "argument": {
            "anyOf": [scalar(), { "type": "array", "items": scalar() }, predicates(|_| true)],
            "description": "A value for `eq`, a list for `in`, or a table of predicates that must all hold.",
        },
        "fact": {
            "anyOf": [string(), { "type": "array", "items": string() }, predicates(|word| OF_FACTS.contains(&word))],
        },
        "time": {
            "anyOf": [string(), { "type": "array", "items": string() }, {
                "type": "object",
                "properties": { "in": reference("strings"), "zone": string() },
                "required": ["in"], "additionalProperties": false,
            }],
            "description": "Windows; without a `zone` they are in UTC.",
        },
        "truth": {
            "anyOf": [boolean(), { "type": "array", "items": boolean() },
                predicates(|word| OF_TRUTHS.contains(&word))],
        },
        "root": {
            "anyOf": [string(), { "type": "array", "items": string() },
                predicates(|word| OF_FACTS.contains(&word) || OF_ROOT.contains(&word))],
        },
    })
}

/// A table of conditions: pointers into the arguments, and facts.
fn table() -> Value {
    let mut facts = Map::new();
    for (word, fact) in Fact::WORDS {
        let takes = if *fact == Fact::Root {
            "root"
        } else if *fact == Fact::Time {
            "time"
        } else if fact.is_truth() {
            "truth"
        } else {
            "fact"
        };
        facts.insert((*word).to_owned(), described(about(*fact), reference(takes)));
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "properties": facts,
        "patternProperties": { "^(/.*)?$": reference("argument") },
        "additionalProperties": false,
    })
}

fn predicates(wanted: impl Fn(&str) -> bool) -> Value {
    let words = PREDICATES.iter().filter(|(word, ..)| wanted(word));
    let words: Map<String, Value> =
        words.map(|(word, operand, what)| ((*word).to_owned(), described(what, operand.schema()))).collect();
    json!({ "type": "object", "minProperties": 1, "properties": words, "additionalProperties": false })
}

impl Operand {
    fn schema(self) -> Value {
        match self {
            Self::Scalar => scalar(),
            Self::Scalars => reference("scalars"),
            Self::Strings => reference("strings"),
            Self::Number => json!({ "type": "number" }),
            Self::Bytes => json!({ "type": ["integer", "string"], "minimum": 0 }),
            Self::Truth => boolean(),
            Self::Kinds => reference("kinds"),
            Self::Dialect => json!({ "enum": Dialect::WORDS }),
        }
    }
}

/// A kind of statement. Editors offer the names; the words that databases have beside them, in any letters, are taken too.
fn kind() -> Value {
    let mut any_case = String::new();
    for word in Kinds::words().chain(Kinds::synonyms()) {
        any_case.push(if any_case.is_empty() { '(' } else { '|' });
        for letter in word.chars() {
            any_case.extend(['[', letter.to_ascii_lowercase(), letter.to_ascii_uppercase(), ']']);
        }
    }
    json!({ "anyOf": [
        { "enum": Kinds::words().collect::<Vec<_>>() },
        { "type": "string", "pattern": format!("^{any_case})$") },
    ]})
}

fn about(fact: Fact) -> &'static str {
    match fact {
        Fact::Agent => "The agent's key.",
        Fact::User => "The operating system's user name.",
        Fact::Group => "A group the user is in.",
        Fact::Repo => "The git remote; claimed, so it can only tighten.",
        Fact::Client => "The client's own name; claimed, so it can only tighten.",
        Fact::Environment => "`environment` of [identity].",
        Fact::Server => "The server's name.",
        Fact::Root => "What {root} means.",
        Fact::Risk => "`risk` of the [[tool]] entries that match.",
        Fact::Action => "`action` of the [[tool]] entries that match.",
        Fact::Resource => "`resource` of the [[tool]] entries that match.",
        Fact::Time => "When: `{ in = [\"Mon-Fri 09:00-18:00\"], zone = \"Europe/Rome\" }`.",
        Fact::ClaimedReadOnly
        | Fact::ClaimedDestructive
        | Fact::ClaimedIdempotent
        | Fact::ClaimedOpenWorld => "What the server says of the tool; it can only tighten.",
        Fact::ToolChanged => "Whether the tool is new or its definition another one than the pinned.",
    }
}
