//! What a file says that its author can hardly mean: rules without effect, patterns that match nothing or everything.
//!
//! It refuses to guess: what is not plainly so is left unsaid, since a note that is wrong once is never read again.
//! Invariant: the work is linear in the file, near enough, and no kind of note floods the others.

mod between;
mod names;
mod patterns;
mod permissions;

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;

use super::parts::Numbered;
use super::schema::{self, Reading};
use super::{Diagnostic, Policy};

pub(super) use patterns::about_patterns;

/// So many notes of a kind are shown.
const MOST: usize = 25;

/// Where the parts of a rule stand in the file.
#[derive(Debug)]
pub(super) struct Written {
    /// Its id, or else its action.
    at: Range<usize>,
    tools: Option<Range<usize>>,
    servers: Vec<Spanned<String>>,
    overrides: Vec<Range<usize>>,
    modes: Vec<(String, Range<usize>)>,
}

/// What its text says about what a rule is, apart from its modes and prose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    /// What it matches and does.
    pub(super) whole: [u8; 32],
    /// The same without `closed`.
    pub(super) open: [u8; 32],
    /// What it matches.
    pub(super) matching: [u8; 32],
    /// Whether nothing but tools, servers and methods decides.
    pub(super) is_plain: bool,
}

/// A compiled policy with what only its text knows, an element per rule.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) policy: &'a Policy,
    pub(super) written: &'a [Written],
    pub(super) identities: &'a [Identity],
    /// The names of all `[servers.NAME]`.
    pub(super) servers: &'a BTreeSet<String>,
    pub(super) lines: &'a Numbered,
}

impl Written {
    pub(super) fn of(rule: &schema::Rule) -> Self {
        let id = rule.id.as_ref().map(Spanned::span);
        let modes = rule.modes.iter().flat_map(Spanned::get_ref);
        Self {
            at: id.or_else(|| rule.action.as_ref().map(Spanned::span)).unwrap_or_default(),
            tools: rule.tools.as_ref().map(Spanned::span),
            servers: rule.servers.iter().flat_map(Spanned::get_ref).cloned().collect(),
            overrides: rule.overrides.iter().flat_map(Spanned::get_ref).map(Spanned::span).collect(),
            modes: modes.map(|(agent, mode)| (agent.clone(), mode.span())).collect(),
        }
    }
}

/// Notes on what rules are to each other and to the rest of the file.
pub(super) fn about_policy(subject: Subject<'_>, reading: &mut Reading) {
    for notes in [
        between::duplicates(subject),
        between::shadowed(subject),
        between::overrides(subject),
        permissions::wide(subject),
        names::near(subject),
    ] {
        reading.diagnostics.extend(capped(notes));
    }
}

/// The first of some notes; the last of them says how many were left out.
fn capped(mut notes: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let more = notes.len().saturating_sub(MOST);
    notes.truncate(MOST);
    if let (Some(last), true) = (notes.last_mut(), more > 0) {
        last.message = format!("{}; {more} more like this", last.message);
    }
    notes
}

impl Subject<'_> {
    /// A rule as notes name it: with its line.
    fn named(&self, index: usize) -> String {
        let id = self.policy.rules.get(index).map_or("", |rule| &rule.id);
        let start = self.written.get(index).map_or(0, |written| written.at.start);
        match self.lines.place(start) {
            (None, line) => format!("`{id}` (line {line})"),
            (Some(file), line) => format!("`{id}` (line {line} of {file})"),
        }
    }

    fn note(&self, index: usize, message: String, hint: &str) -> Diagnostic {
        let at = self.written.get(index).map_or(0..0, |written| written.at.clone());
        Diagnostic::note(at, message).with_hint(hint)
    }

    fn is_plain(&self, index: usize) -> bool {
        self.identities.get(index).is_some_and(|identity| identity.is_plain)
    }
}

#[cfg(test)]
mod tests;
