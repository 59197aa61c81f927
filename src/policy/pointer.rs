//! Finding in the arguments what a pointer of a rule may mean to some server.
//!
//! Some servers read member names without case, some parse a string that holds JSON. Whatever one of them
//! would read is selected. One walk per pointer, linear in the input; it builds no tree and decides nothing.
//! Invariant: what could hide the value is reported as opaque, never as absent.

mod cover;

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::{Pointer, Segment};
use crate::wire::{Json, JsonKind, fold};

pub(super) use cover::{covers, uncovered};

/// Pointers with more steps than this select nothing clear: steps are kept as bits.
const MAX_STEPS: usize = 127;
/// How many strings in strings are opened.
const MAX_NESTED: u8 = 4;

/// One thing that a pointer leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selected<'v> {
    /// A value that the pointer names.
    Value(Json<'v>),
    /// A leaf that a trailing `**` came across, or that a selected string holds.
    Leaf(Json<'v>),
    /// A member name that a trailing `**` came across.
    Name(Cow<'v, str>),
    /// Something in the way that some server could see through.
    Opaque,
}

/// Receives what is selected.
pub(super) type Sink<'s> = dyn FnMut(Selected<'_>) + 's;

/// Who reads the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Every server that there may be.
    All,
    /// Those that read names as they are spelled, as most do.
    Exact,
}

/// Walks the arguments. Strings over `max_judged` bytes are not opened.
pub(super) fn select(
    pointer: &Pointer,
    arguments: Option<Json<'_>>,
    readers: Readers,
    max_judged: usize,
    sink: &mut Sink<'_>,
) {
    let Some(arguments) = arguments else { return };
    if pointer.segments.len() > MAX_STEPS {
        return sink(Selected::Opaque);
    }
    let walk = Walk { segments: &pointer.segments, readers, max_judged };
    walk.visit(Steps::at(0), arguments, 0, sink);
}

/// What a string says when it is read as JSON again.
pub(super) enum Reread<'t> {
    /// An object, an array or a string.
    Holds(Json<'t>),
    /// JSON to some readers, or not the same JSON to all.
    Ambiguous,
    /// Just text, or a scalar.
    Text,
}

/// Reads the text of a string again.
pub(super) fn reread(text: &str) -> Reread<'_> {
    let trimmed = text.trim();
    if !trimmed.starts_with(['{', '[', '"']) {
        return Reread::Text;
    }
    match Json::from_text(trimmed) {
        Some(inner) => Reread::Holds(inner),
        None if serde_json::from_str::<IgnoredAny>(trimmed).is_ok() => Reread::Ambiguous,
        None => Reread::Text,
    }
}

/// A set of positions in the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Steps(u128);

impl Steps {
    const NONE: Self = Self(0);

    fn at(step: usize) -> Self {
        Self(1 << step)
    }

    fn has(self, step: usize) -> bool {
        self.0 & (1 << step) != 0
    }

    fn with(self, step: usize) -> Self {
        Self(self.0 | 1 << step)
    }
}

/// The parts of the walk that do not change.
struct Walk<'p> {
    segments: &'p [Segment],
    readers: Readers,
    max_judged: usize,
}

impl Walk<'_> {
    fn visit(&self, steps: Steps, value: Json<'_>, nested: u8, sink: &mut Sink<'_>) {
        let open = self.open(steps);
        let (named, searched) = (steps.has(self.segments.len()), open.has(self.segments.len()));
        if named {
            sink(Selected::Value(value));
        }
        match value.kind() {
            JsonKind::Object => self.members(steps, value, nested, sink),
            JsonKind::Array => self.elements(steps, value, nested, sink),
            JsonKind::String => self.string(steps, value, nested, sink),
            JsonKind::Number | JsonKind::Bool | JsonKind::Null => self.stopped(steps, sink),
        }
        let leaf = !matches!(value.kind(), JsonKind::Object | JsonKind::Array);
        if leaf && searched && !named {
            sink(Selected::Leaf(value));
        }
    }

    /// With every `**` also taken as nothing.
    fn open(&self, steps: Steps) -> Steps {
        self.numbered().fold(steps, |open, (step, segment)| match segment {
            Segment::Any if open.has(step) => open.with(step + 1),
            Segment::Any | Segment::Key { .. } | Segment::One => open,
        })
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Segment)> {
        self.segments.iter().enumerate()
    }

    fn members(&self, steps: Steps, object: Json<'_>, nested: u8, sink: &mut Sink<'_>) {
        let open = self.open(steps);
        let folds = self.readers == Readers::All
            && self
                .numbered()
                .any(|(step, segment)| open.has(step) && matches!(segment, Segment::Key { .. }));
        let searching = open.has(self.segments.len()) && !steps.has(self.segments.len());
        for (name, value) in object.members() {
            let folded = if folds { fold(&name) } else { Cow::Borrowed("") };
            let next = self
                .next(open, |wanted, wanted_folded| *wanted == *name || folds && *wanted_folded == *folded);
            if next != Steps::NONE {
                self.visit(next, value, nested, sink);
            }
            if searching {
                sink(Selected::Name(name));
            }
        }
    }

    fn elements(&self, steps: Steps, array: Json<'_>, nested: u8, sink: &mut Sink<'_>) {
        if self.wants(steps, |segment| matches!(segment, Segment::Key { name, .. } if index(name).is_none()))
        {
            sink(Selected::Opaque);
        }
        let open = self.open(steps);
        for (at, value) in array.elements().enumerate() {
            let next = self.next(open, |wanted, _| index(wanted) == Some(at));
            if next != Steps::NONE {
                self.visit(next, value, nested, sink);
            }
        }
    }

    /// The steps below a member or element, where `is_it` compares a key with it.
    fn next(&self, open: Steps, is_it: impl Fn(&str, &str) -> bool) -> Steps {
        self.numbered().filter(|(step, _)| open.has(*step)).fold(Steps::NONE, |next, (step, segment)| {
            match segment {
                Segment::Any => next.with(step),
                Segment::One => next.with(step + 1),
                Segment::Key { name, folded } if is_it(name, folded) => next.with(step + 1),
                Segment::Key { .. } => next,
            }
        })
    }

    /// A string may hold JSON: then the walk goes on inside. Where the pointer ends here, what it holds is
    /// searched for leaves.
    fn string(&self, steps: Steps, value: Json<'_>, nested: u8, sink: &mut Sink<'_>) {
        let Some(text) = value.as_str() else { return };
        let begins = text.trim_start().starts_with(['{', '[', '"']);
        if text.len() > self.max_judged || (begins && nested >= MAX_NESTED) {
            let hides = begins && (nested >= MAX_NESTED || self.open(steps) != self.end());
            return if hides { sink(Selected::Opaque) } else { self.stopped(steps, sink) };
        }
        let inner = match reread(&text) {
            Reread::Holds(inner) => inner,
            Reread::Ambiguous => return sink(Selected::Opaque),
            Reread::Text => return self.stopped(steps, sink),
        };
        let onward = Steps(steps.0 & !self.end().0);
        if onward != Steps::NONE {
            self.visit(onward, inner, nested + 1, sink);
        }
        if onward != steps {
            leaves(inner, nested + 1, sink);
        }
    }

    fn end(&self) -> Steps {
        Steps::at(self.segments.len())
    }

    /// A scalar where the pointer goes on: opaque, but for a search, which has just found nothing.
    fn stopped(&self, steps: Steps, sink: &mut Sink<'_>) {
        if self.wants(steps, |segment| !matches!(segment, Segment::Any)) {
            sink(Selected::Opaque);
        }
    }

    fn wants(&self, steps: Steps, what: impl Fn(&Segment) -> bool) -> bool {
        self.numbered().any(|(step, segment)| steps.has(step) && what(segment))
    }
}

/// The scalars of what a string holds.
fn leaves(value: Json<'_>, nested: u8, sink: &mut Sink<'_>) {
    match value.kind() {
        JsonKind::Object => value.members().for_each(|(_, member)| leaves(member, nested, sink)),
        JsonKind::Array => value.elements().for_each(|element| leaves(element, nested, sink)),
        JsonKind::String => {
            sink(Selected::Leaf(value));
            let text = value.as_str().unwrap_or_default();
            match reread(&text) {
                Reread::Holds(inner) if nested < MAX_NESTED => leaves(inner, nested + 1, sink),
                Reread::Holds(_) | Reread::Ambiguous => sink(Selected::Opaque),
                Reread::Text => {}
            }
        }
        JsonKind::Number | JsonKind::Bool | JsonKind::Null => sink(Selected::Leaf(value)),
    }
}

/// An array index as RFC 6901, section 4 spells it.
fn index(name: &str) -> Option<usize> {
    let plain = name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
    plain.then(|| name.parse().ok()).flatten()
}
