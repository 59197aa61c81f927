//! From the file as written to a policy that can be evaluated: everything is checked here, once.
//!
//! It refuses rules that can never match and allow rules that can never hold: such a rule looks like
//! protection and is none. Invariant: a policy without faults needs no further check at evaluation.

mod alerted;
mod channels;
mod condition;
mod fingerprint;
mod history;
mod names;
mod notes;
mod path;
mod pointer;
mod references;
mod shell;
mod time;
mod url;

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use toml::Spanned;
use unicode_normalization::UnicodeNormalization;

use super::lint;
use super::parts::Numbered;
use super::schema::{self, Reading};
use super::{
    Alerted, Channel, Diagnostic, Effect, Example, FailMode, Mode, ModeSettings, Policy, Rule, ToolMetadata,
};

use names::What;

/// Strings longer than this are opaque where the file does not say otherwise. Bytes.
const MAX_JUDGED: usize = 1 << 20;
/// The longest rule id and policy name, characters: what fits where people read them.
const LONGEST_NAME: usize = 64;

/// What a policy takes from outside its file.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// `[servers.NAME]`, as far as it is about modes.
    pub(crate) servers: std::collections::BTreeMap<String, ModeSettings>,
    /// The names of them all, those without a word about modes too.
    pub(crate) server_names: BTreeSet<String>,
    /// What `callgate-self` guards.
    pub(crate) protected: Vec<String>,
    /// What holds where the file is silent.
    pub(crate) fail_mode: Option<FailMode>,
    /// Where questions may be answered.
    pub(crate) channels: Vec<Channel>,
    /// The names under `[alerts.to]`.
    pub(crate) destinations: BTreeSet<String>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            servers: std::collections::BTreeMap::new(),
            server_names: BTreeSet::new(),
            protected: Vec::new(),
            fail_mode: None,
            channels: vec![Channel::Local],
            destinations: BTreeSet::new(),
        }
    }
}

/// The policy that holds where there is no file: everything is allowed and seen in shadow.
pub(crate) fn builtin(surroundings: Surroundings) -> Policy {
    let mut reading = Reading::default();
    compile(schema::File::default(), "", surroundings, &mut reading)
}

/// Compiles what was read; faults and notes join those of the reading. With faults the result is of no use.
pub(crate) fn compile(
    file: schema::File,
    source: &str,
    surroundings: Surroundings,
    reading: &mut Reading,
) -> Policy {
    let name = file.name.as_ref().and_then(|name| printable_name(name, "the policy's name", reading));
    notes::about_modes(&file, reading);
    channels::check(&file.rules, &surroundings.channels, reading);
    let ids = references::ids(&file.rules, reading);
    let overrides = references::overrides(&file.rules, &ids, reading);
    let tools_text = fingerprint::tools(&file.tools);
    let identities = fingerprint::rules(&file, &overrides, &tools_text);
    let labels = history::Labels::of(&file, reading);
    let looks_back: Vec<[Vec<usize>; 2]> =
        file.rules.iter().map(|rule| looks_back(rule, &labels, reading)).collect();
    let labels = history::labels(&file.labels, reading);
    let tools = file.tools.iter().map(|tool| tool_metadata(tool, reading)).collect();
    let lines = Numbered::of(source);
    lint::about_patterns(&file.rules, reading);
    let written: Vec<lint::Written> = file.rules.iter().map(lint::Written::of).collect();
    let parts = ids.into_iter().zip(overrides).zip(&identities).zip(looks_back);
    let rules = file.rules.into_iter().zip(parts).map(|(rule, (((id, overrides), identity), looks_back))| {
        let alert = alerted::alerted(&rule, &surroundings.destinations, reading);
        let mut compiled = compile_rule(rule, id, &lines, reading);
        compiled.alert = alert;
        compiled.overrides = overrides;
        compiled.fingerprint = identity.whole;
        compiled.open_fingerprint = identity.open;
        [compiled.after, compiled.unless_after] = looks_back;
        compiled
    });
    let rules = rules.collect();
    let policy = Policy {
        name: name.as_deref().unwrap_or("default").into(),
        revision: revision(source),
        mode: file.mode.map_or(Mode::Shadow, Spanned::into_inner),
        max_mode: file.max_mode.map(Spanned::into_inner),
        fail_mode: file.fail_mode.or(surroundings.fail_mode.filter(|mode| *mode != FailMode::Open)),
        default: file.default.unwrap_or(Effect::Allow),
        self_protection: file.self_protection.unwrap_or(true),
        protected: surroundings.protected.into(),
        max_judged: file.max_judged.map_or(MAX_JUDGED, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        agents: file.agents,
        servers: surroundings.servers,
        tools,
        labels,
        rules,
    };
    let subject = lint::Subject {
        policy: &policy,
        written: &written,
        identities: &identities,
        servers: &surroundings.server_names,
        lines: &lines,
    };
    lint::about_policy(subject, reading);
    policy
}

/// The content hash of a policy file: SHA-256, lower-case hex.
pub fn revision(source: &str) -> Arc<str> {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(source.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex.into()
}

/// The labels that a rule reads: `after`, `unless_after`.
fn looks_back(rule: &schema::Rule, labels: &history::Labels, reading: &mut Reading) -> [Vec<usize>; 2] {
    labels.check_examples(rule, reading);
    let after = labels.named(rule.after.as_ref(), "after", reading);
    [after, labels.named(rule.unless_after.as_ref(), "unless_after", reading)]
}

fn compile_rule(rule: schema::Rule, id: Arc<str>, lines: &Numbered, reading: &mut Reading) -> Rule {
    let effect = rule.action.as_ref().map_or(Effect::Deny, |action| *action.get_ref());
    condition::check_absent_words(&rule, effect, reading);
    history::check_rate(&rule, effect, reading);
    let methods = names::methods(rule.methods.as_ref(), reading);
    Rule {
        id,
        position: rule.position,
        effect,
        tools: names::names(rule.tools.as_ref(), What::Tools, reading),
        servers: names::names(rule.servers.as_ref(), What::Servers, reading),
        methods,
        when: rule.when.as_ref().map(|when| condition::table(when, reading)),
        any: rule.any.as_ref().map(|any| condition::alternatives(any, reading)).unwrap_or_default(),
        unless: rule.unless.as_ref().map(|unless| condition::table(unless, reading)),
        rate: rule.rate.map(Spanned::into_inner),
        after: Vec::new(),
        unless_after: Vec::new(),
        closed: effect == Effect::Allow && rule.closed.is_some_and(Spanned::into_inner),
        mode: rule.mode.map(Spanned::into_inner),
        modes: rule
            .modes
            .map(Spanned::into_inner)
            .unwrap_or_default()
            .into_iter()
            .map(|(agent, mode)| (agent, mode.into_inner()))
            .collect(),
        overrides: Vec::new(),
        reason: rule.reason.as_ref().and_then(|reason| one_line(reason, reading)),
        severity: rule.severity.unwrap_or_default(),
        class: rule.class.unwrap_or_default(),
        owner: rule.owner,
        channels: rule.channels.into_iter().flat_map(Spanned::into_inner).map(Spanned::into_inner).collect(),
        alert: Alerted::default(),
        examples: rule.examples.into_iter().map(|example| placed(example, lines)).collect(),
        fingerprint: [0; 32],
        open_fingerprint: [0; 32],
    }
}

/// With its place.
fn placed(example: Spanned<Example>, lines: &Numbered) -> Example {
    let (file, line) = lines.place(example.span().start);
    Example { file: file.map(Into::into), line, ..example.into_inner() }
}

fn tool_metadata(tool: &schema::Tool, reading: &mut Reading) -> ToolMetadata {
    if tool.action.is_none() && tool.resource.is_none() && tool.risk.is_none() {
        reading.note_with(
            tool.header.clone(),
            "this [[tool]] says nothing about its tools",
            "give it an `action`, a `resource` or a `risk` for rules to ask for",
        );
    }
    let text = |value: &Option<Spanned<String>>| value.as_ref().map(|value| value.get_ref().clone());
    ToolMetadata {
        tools: names::names(tool.matches.as_ref(), What::Match, reading),
        action: text(&tool.action),
        resource: text(&tool.resource),
        risk: text(&tool.risk),
    }
}

/// A name in NFC, if it is fit to stand in a log line.
fn printable_name(name: &Spanned<String>, what: &str, reading: &mut Reading) -> Option<String> {
    let text: String = name.get_ref().nfc().collect();
    let fault = if text.chars().count() > LONGEST_NAME {
        format!("{what} is longer than {LONGEST_NAME} characters")
    } else if text.trim() != text {
        format!("{what} begins or ends with a space")
    } else if crate::wire::has_invisible(&text) {
        format!("{what} holds a control or invisible character")
    } else {
        return Some(text);
    };
    reading.fault(name.span(), fault);
    None
}

/// The reason as it stands in a refusal, which is one line.
fn one_line(reason: &Spanned<String>, reading: &mut Reading) -> Option<Arc<str>> {
    let text = reason.get_ref().split_whitespace().collect::<Vec<_>>().join(" ");
    if crate::wire::has_invisible(&text) {
        reading.fault(reason.span(), "the reason holds a control or invisible character");
        return None;
    }
    Some(text.into())
}

/// A fault at a value, with what to do about it.
fn fault(reading: &mut Reading, at: std::ops::Range<usize>, message: impl Into<String>, hint: &str) {
    reading.diagnostics.push(Diagnostic::fault(at, message).with_hint(hint));
}
