//! `mcp.toml` as written: its policy part in typed, spanned structures, before anything is compiled.
//!
//! It refuses to judge meaning: globs, pointers and references between rules are checked by the compiler.
//! Invariant: every value that comes out has the type its key asks for, and everything that did not is a
//! fault with a place. The parts of the file that are not policy are read by the settings, with the same
//! [`Section`].

mod alert;
mod example;
mod history;
mod reading;
mod rule;
pub(crate) mod units;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::{Diagnostic, Effect, FailMode, Mode, ModeSettings, Part, parts};

pub(crate) use alert::Alert;
pub(crate) use history::Label;
pub(crate) use reading::{List, Reading, Section, Word, file_words};
pub(crate) use rule::{Condition, PredicateWord, Rule, Test, unknown_fact};
pub(crate) use values::{did_you_mean, elements, list_words, only_strings, string};

/// Keys at the top of the file, for hints.
pub(crate) const TOP_KEYS: &[&str] = &[
    "version",
    "include",
    "mode",
    "max_mode",
    "fail_mode",
    "default",
    "block_response",
    "self_protection",
    "max_frame",
    "filter_tools",
    "max_judged",
];

/// What people call an included file.
const INCLUDED: &str = "an included file";

/// No more syntax errors than this are shown: the first ones explain the rest.
const MOST_SYNTAX_ERRORS: usize = 20;

/// The policy part of a file.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) mode: Option<Spanned<Mode>>,
    pub(crate) max_mode: Option<Spanned<Mode>>,
    pub(crate) fail_mode: Option<FailMode>,
    pub(crate) default: Option<Effect>,
    pub(crate) self_protection: Option<bool>,
    pub(crate) max_judged: Option<u64>,
    pub(crate) agents: BTreeMap<String, ModeSettings>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) labels: Vec<Label>,
    pub(crate) rules: Vec<Rule>,
    /// Whether the file says anything about rules, if only `rule = []`.
    pub(crate) rules_written: bool,
}

/// One `[[tool]]`.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) header: Range<usize>,
    pub(crate) matches: Option<List<String>>,
    pub(crate) action: Option<Spanned<String>>,
    pub(crate) resource: Option<Spanned<String>>,
    pub(crate) risk: Option<Spanned<String>>,
}

/// The document's tables and the syntax errors around them.
pub(crate) fn parse(source: &str) -> (Spanned<DeTable<'_>>, Vec<Diagnostic>) {
    let (document, mut found) = DeTable::parse_recoverable(source);
    found.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let (mut errors, mut lines) = (Vec::new(), BTreeSet::new());
    for error in found {
        let message = format!("not valid TOML: {}", error.message().replace('\n', ", "));
        let span = error.span().unwrap_or(0..0);
        let hint = toml_hint(source.get(span.start..).unwrap_or_default(), error.message());
        let error = Diagnostic::fault(span, message);
        let error = if let Some(hint) = hint { error.with_hint(hint) } else { error };
        // One per line: the others follow from the first.
        if lines.insert(error.place(source).line) {
            errors.push(error);
        }
        if errors.len() == MOST_SYNTAX_ERRORS {
            break;
        }
    }
    (document, errors)
}

/// What to write instead of what people write that know other formats; `text` is what the error points at.
fn toml_hint(text: &str, message: &str) -> Option<&'static str> {
    const TYPOGRAPHIC: [char; 4] = ['“', '”', '‘', '’'];
    if message.starts_with("missing escaped value") {
        return Some("between single quotes a backslash is itself: '\\d+'");
    }
    if message.starts_with("duplicate key") {
        return Some(
            "a key stands once in a table: put several values into one list, or begin another [[rule]]",
        );
    }
    if text.starts_with('/') {
        return Some("a pointer stands in quotes: `\"/path\"`");
    }
    if text.starts_with(TYPOGRAPHIC) {
        return Some("write plain quotes: \"");
    }
    if text.starts_with("null") || text.starts_with("None") {
        return Some("TOML has no null: leave the key out; `{ exists = false }` asks for what is absent");
    }
    (text.starts_with("True") || text.starts_with("False")).then_some("truth values are `true` and `false`")
}

/// The tables of one file.
pub(crate) fn top<'a>(document: &'a Spanned<DeTable<'a>>, part: &Part) -> Section<'a> {
    let title = if part.file.is_some() { INCLUDED } else { "" };
    Section::new(title, part.span.start..part.span.start, document.get_ref())
}

/// The policy of a joined text as it is written, for those who have seen its faults.
pub(crate) fn written(source: &str) -> File {
    let parts = parts(source);
    let texts: Vec<_> = parts.iter().map(|part| part.in_place(source)).collect();
    let documents: Vec<_> = texts.iter().map(|text| parse(text).0).collect();
    let mut sections = documents.iter().zip(&parts).map(|(document, part)| top(document, part));
    let Some(mut main) = sections.next() else { return File::default() };
    file(&mut main, sections.collect(), &mut Reading::default())
}

/// Reads what is policy at the top of the file; the caller takes the other keys and finishes the section. What is
/// `included` adds its tools and rules behind those of the file, and its lists.
pub(crate) fn file(top: &mut Section<'_>, included: Vec<Section<'_>>, reading: &mut Reading) -> File {
    version(top, reading);
    lists(top, reading);
    let mut included = included;
    for section in &mut included {
        lists(section, reading);
    }
    include(top, reading);
    let mut file = File {
        mode: top.word("mode", reading),
        max_mode: top.word("max_mode", reading),
        fail_mode: top.word("fail_mode", reading).map(Spanned::into_inner),
        default: top.word("default", reading).map(Spanned::into_inner),
        self_protection: top.boolean("self_protection", reading).map(Spanned::into_inner),
        max_judged: top.size("max_judged", reading).map(Spanned::into_inner),
        ..File::default()
    };
    if let Some(mut policy) = top.table("policy", reading) {
        file.name = policy.string("name", reading);
        policy.finish(reading);
    }
    for (name, mut section) in top.named("agents", reading) {
        let mut modes = mode_settings(&mut section, reading);
        modes.max_mode = section.word("max_mode", reading).map(Spanned::into_inner);
        section.finish(reading);
        file.agents.insert(name.into_inner(), modes);
    }
    tools_and_rules(&mut file, top, reading);
    for mut section in included {
        if section.has("version") {
            version(&mut section, reading);
        }
        tools_and_rules(&mut file, &mut section, reading);
        section.finish(reading);
    }
    file
}

/// What an included file has in common with the one that includes it.
fn tools_and_rules(file: &mut File, section: &mut Section<'_>, reading: &mut Reading) {
    file.rules_written |= section.has("rule");
    file.tools.extend(section.tables("tool", "", reading).into_iter().map(|section| tool(section, reading)));
    let labels = section.tables("label", "", reading).into_iter();
    file.labels.extend(labels.map(|section| history::label(section, reading)));
    for section in section.tables("rule", "", reading) {
        let position = file.rules.len() + 1;
        file.rules.push(rule::rule(section, position, reading));
    }
}

/// `include` as the file writes it, for whoever reads files; its faults are told when the whole is read.
pub(crate) fn includes(top: &mut Section<'_>) -> Vec<Spanned<String>> {
    let entries =
        top.strings("include", &mut Reading::default()).map(Spanned::into_inner).unwrap_or_default();
    entries.into_iter().filter(|entry| !entry.get_ref().starts_with(PACK)).collect()
}

/// What an entry of `include` begins with that names no file but a pack.
const PACK: &str = "pack:";

fn include(top: &mut Section<'_>, reading: &mut Reading) {
    for entry in top.strings("include", reading).into_iter().flat_map(Spanned::into_inner) {
        let name = entry.get_ref();
        if name.trim().is_empty() {
            reading.fault_with(
                entry.span(),
                "an empty name in `include`",
                "write a path such as `rules/*.toml`",
            );
        } else if name.starts_with(PACK) {
            let message = format!("packs such as `{name}` are not in this version of callgate");
            reading.fault_with(
                entry.span(),
                message,
                "copy the rules that you want into a file, and include that",
            );
        }
    }
}

/// The `mode` and `fail_mode` that an agent and a server may have.
pub(crate) fn mode_settings(section: &mut Section<'_>, reading: &mut Reading) -> ModeSettings {
    ModeSettings {
        mode: section.word("mode", reading).map(Spanned::into_inner),
        max_mode: None,
        fail_mode: section.word("fail_mode", reading).map(Spanned::into_inner),
    }
}

fn version(top: &mut Section<'_>, reading: &mut Reading) {
    let Some(node) = top.take("version") else {
        reading.fault_with(0..0, "`version` is missing", "write `version = 1` at the top of the file");
        return;
    };
    match node.get_ref().as_integer().map(|integer| (integer.as_str(), integer.radix())) {
        Some(("1", _)) => {}
        Some(_) => reading.fault_with(
            node.span(),
            "this version of callgate reads only `version = 1`",
            "a newer file needs a newer callgate",
        ),
        None => reading.expected("the integer 1", node, "version"),
    }
}

fn lists(top: &mut Section<'_>, reading: &mut Reading) {
    let Some(section) = top.table("lists", reading) else { return };
    for (name, node) in section.entries() {
        let values = if let Some(array) = node.get_ref().as_array() {
            elements(array, name.get_ref(), reading)
        } else {
            reading.expected("a list", node, name.get_ref());
            None
        };
        if reading.lists.insert((*name.get_ref()).to_owned(), values).is_some() {
            let message = format!("another file has a list named `{}`", name.get_ref());
            reading.fault_with(name.span(), message, "lists are shared by all files: give it another name");
        }
    }
}

fn tool(mut section: Section<'_>, reading: &mut Reading) -> Tool {
    if !section.has("match") {
        let hint = "`match` says which tools it is about: `match = \"deploy*\"`";
        reading.fault_with(section.span.clone(), format!("`match` is missing in {}", section.title), hint);
    }
    let tool = Tool {
        header: section.span.clone(),
        matches: section.strings("match", reading),
        action: section.string("action", reading),
        resource: section.string("resource", reading),
        risk: section.string("risk", reading),
    };
    section.finish(reading);
    tool
}
