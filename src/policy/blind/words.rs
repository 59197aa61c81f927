//! Blind rules in words: which tools, what they have instead, what may have been meant.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;

use super::{At, Blind};
use crate::policy::schema::{self, did_you_mean};
use crate::policy::{Diagnostic, KnownTool, Pointer, Sight};

/// How many names are listed before the rest is counted.
const SHOWN: usize = 6;

/// A note for each condition of a rule that is blind on some of the tools that the rule covers; `covered` is how many
/// those are.
pub(super) fn about_blindness(
    written: &schema::Rule,
    spots: &[Blind<'_>],
    covered: usize,
) -> Vec<Diagnostic> {
    let mut by_place: BTreeMap<At, Vec<&Blind<'_>>> = BTreeMap::new();
    for spot in spots {
        by_place.entry(spot.at).or_default().push(spot);
    }
    let rule = written
        .id
        .as_ref()
        .map_or_else(|| format!("rule {}", written.position), |id| format!("`{}`", id.get_ref()));
    let mut notes = Vec::new();
    for (at, spots) in by_place {
        let (Some(span), Some(first)) = (place(written, at), spots.first()) else { continue };
        let all = spots.len() == covered;
        let tools = on_servers(&spots);
        let pointers = first.pointers.iter().map(|pointer| format!("`{}`", pointer.text));
        let pointers = pointers.collect::<Vec<_>>().join(" or ");
        let why = match (first.sight, spots.as_slice()) {
            (Sight::Unused(calls), [_]) => format!("none of its {calls} recorded calls had {pointers}"),
            (Sight::Unused(_), _) => format!("no recorded call of them had {pointers}"),
            (Sight::Undeclared | Sight::There | Sight::Unclear, [_]) => format!("it has no {pointers}"),
            (Sight::Undeclared | Sight::There | Sight::Unclear, _) => format!("they have no {pointers}"),
        };
        let message = format!("{rule} is blind on {tools}: {why}");
        notes.push(Diagnostic::note(span, message).with_hint(way_out(first, all)));
    }
    notes
}

/// A pointer that no tool of the rule has, beside one that some have.
pub(super) fn about_alternative(
    pointer: &Pointer,
    span: &Range<usize>,
    near: &BTreeSet<String>,
) -> Diagnostic {
    let message = format!("no tool that the rule covers has `{}`", pointer.text);
    let hint = did_you_mean(&pointer.text, near.iter().map(String::as_str));
    Diagnostic::note(span.clone(), message).with_hint(hint.unwrap_or_else(|| "leave it out".to_owned()))
}

/// `` `a`, `b` of `files`, `c` of `db` ``
fn on_servers(spots: &[&Blind<'_>]) -> String {
    let mut by_server: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for spot in spots {
        by_server.entry(spot.server).or_default().push(spot.tool);
    }
    let each = by_server.iter().map(|(server, tools)| format!("{} of `{server}`", listed(tools)));
    each.collect::<Vec<_>>().join(", ")
}

/// `` `a`, `b` and 3 more ``
pub(super) fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(SHOWN).map(|name| format!("`{}`", crate::wire::shown(name)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn way_out(spot: &Blind<'_>, all: bool) -> String {
    let has = has(spot.tool, spot.known);
    let pointers = spot.known.pointers();
    let meant = spot.pointers.iter().find_map(|pointer| near(pointer, &pointers));
    match (meant, all) {
        (Some(meant), _) => format!("{has}; {meant}"),
        (None, true) => format!("{has}: name what the rule is about"),
        (None, false) => format!("{has}: name that too, or leave such tools out of `tools`"),
    }
}

fn has(tool: &str, known: &KnownTool) -> String {
    let arguments = known.arguments();
    let tool = crate::wire::shown(tool);
    if arguments.is_empty() {
        format!("`{tool}` takes no arguments")
    } else {
        format!("`{tool}` has {}", listed(&arguments))
    }
}

/// The pointer that may have been meant: of the same spelling but for a slip, or of the same last name elsewhere.
fn near(pointer: &Pointer, pointers: &[String]) -> Option<String> {
    let last = pointer.text.rsplit('/').next().unwrap_or_default();
    let same_end = || pointers.iter().find(|other| !last.is_empty() && other.ends_with(&format!("/{last}")));
    did_you_mean(&pointer.text, pointers.iter().map(String::as_str))
        .or_else(|| same_end().map(|other| format!("did you mean `{other}`?")))
}

fn place(written: &schema::Rule, at: At) -> Option<Range<usize>> {
    let (table, index) = match at {
        At::When(index) => (written.when.as_ref()?, index),
        At::Any(table, index) => (written.any.as_ref()?.get_ref().get(table)?, index),
    };
    table.get_ref().get(index).map(|condition: &schema::Condition| Spanned::span(&condition.key))
}
