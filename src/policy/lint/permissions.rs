//! Allow rules that are wider than they look.
//!
//! Only where the default stops: elsewhere an allow rule without `overrides` has a note of its own. Invariant: what is
//! called wide admits every call of a tool that it says nothing about.

use super::Subject;
use super::between::takes_all;
use crate::policy::{Diagnostic, Effect};

/// Allow rules that take the default's say away.
pub(super) fn wide(subject: Subject<'_>) -> Vec<Diagnostic> {
    if subject.policy.default == Effect::Allow {
        return Vec::new();
    }
    let mut notes = Vec::new();
    for (index, rule) in subject.policy.rules.iter().enumerate() {
        let is_about_tools = rule.methods.contains("tools/call");
        let is_wide = rule.effect == Effect::Allow && subject.is_plain(index) && takes_all(&rule.tools);
        if !is_wide || !is_about_tools {
            continue;
        }
        let servers = if takes_all(&rule.servers) { "" } else { " of these servers" };
        let message = format!(
            "`{}` allows every tool{servers}: `default = \"{}\"` decides nothing there",
            rule.id, subject.policy.default
        );
        let mut note = subject.note(index, message, "name the tools: `tools = [\"read_*\"]`");
        if let Some(tools) = subject.written.get(index).and_then(|written| written.tools.clone()) {
            note.span = tools;
        }
        notes.push(note);
    }
    notes
}
