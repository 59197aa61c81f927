//! Rules by the values of one place in the arguments, or of one fact.
//!
//! It reads values as [`crate::policy::predicate`] does, but where that would say "opaque", all are found that this
//! concerns. Invariant: a rule that is not found has a condition here that no value of the call satisfies or is
//! opaque to.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::Map;
use super::access::{Keys, LookedAt, nearest};
use super::commands::Commands;
use super::hosts::Hosts;
use super::parts::Parts;
use super::places::{Look, Places, PlacesDraft};
use super::statements::Statements;
use crate::policy::matcher::{Scene, fact_values};
use crate::policy::pointer::{Readers, Selected, select};
use crate::policy::{Fact, Pointer, Scalar};
use crate::wire::{Json, JsonKind};

/// Rules that look at one place.
#[derive(Debug)]
pub(super) struct Field {
    place: Place,
    all: Vec<u32>,
    scalars: Scalars,
    ranges: Ranges,
    parts: Parts,
    /// Every rule of `parts`.
    with_parts: Vec<u32>,
    places: Places,
    hosts: Hosts,
    commands: Commands,
    /// Every rule but those of `commands`.
    without_commands: Vec<u32>,
    statements: Statements,
    /// By the length that a value must exceed, in its order. Bytes.
    lengths: Vec<(u64, u32)>,
}

#[derive(Debug)]
enum Place {
    Arguments(Vec<Pointer>),
    Fact(Fact),
}

/// Rules by the value that they ask for.
#[derive(Debug, Default)]
struct Scalars {
    /// By a text in NFC.
    texts: Map<Box<str>, Vec<u32>>,
    /// By the bits of a double.
    numbers: Map<u64, Vec<u32>>,
    bools: [Vec<u32>; 2],
    /// Rules that ask for no value of a type: values of it are opaque to them. By [`Type`].
    without: [Vec<u32>; 3],
    all: Vec<u32>,
}

/// Types that can be compared with a value of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Bool,
}

/// Rules by a bound, in its order.
#[derive(Debug, Default)]
struct Ranges {
    from: Vec<(f64, u32)>,
    up_to: Vec<(f64, u32)>,
}

/// A field while rules join it.
#[derive(Debug)]
pub(super) struct Draft {
    field: Field,
    parts: Map<Vec<u8>, Vec<u32>>,
    places: PlacesDraft,
}

impl Field {
    pub(super) fn draft(looked_at: LookedAt<'_>) -> Draft {
        let place = match looked_at {
            LookedAt::Arguments(pointers) => Place::Arguments(pointers.to_vec()),
            LookedAt::Fact(fact) => Place::Fact(fact),
        };
        let field = Self {
            place,
            all: Vec::new(),
            scalars: Scalars::default(),
            ranges: Ranges::default(),
            parts: Parts::default(),
            with_parts: Vec::new(),
            places: Places::default(),
            hosts: Hosts::default(),
            commands: Commands::default(),
            without_commands: Vec::new(),
            statements: Statements::default(),
            lengths: Vec::new(),
        };
        Draft { field, parts: Map::default(), places: PlacesDraft::default() }
    }

    /// Adds the rules that may match by what stands here.
    pub(super) fn find(&self, scene: &Scene<'_>, found: &mut Vec<u32>) {
        let look = &Look::new(scene);
        match &self.place {
            Place::Fact(fact) => {
                for word in fact_values(*fact, scene) {
                    self.text(word, look, found);
                }
            }
            Place::Arguments(pointers) => {
                for pointer in pointers {
                    select(
                        pointer,
                        scene.call.arguments,
                        Readers::All,
                        scene.policy.max_judged,
                        &mut |selected| match selected {
                            Selected::Value(json) => self.value(json, look, found),
                            Selected::Leaf(json) => self.leaf(json, look, found),
                            Selected::Name(name) => self.found_text(&name, look, found),
                            Selected::Opaque => found.extend(&self.all),
                        },
                    );
                }
            }
        }
    }

    /// A value that a pointer names.
    fn value(&self, json: Json<'_>, look: &Look<'_>, found: &mut Vec<u32>) {
        match json.kind() {
            JsonKind::String => self.text(&json.as_str().unwrap_or_default(), look, found),
            JsonKind::Number => {
                self.scalars.lacking(Type::Number, found);
                self.number(json.text(), found);
                self.longer(json.text(), found);
                self.opaque_to_texts(found);
            }
            JsonKind::Bool => {
                self.longer(json.text(), found);
                self.scalars.lacking(Type::Bool, found);
                self.scalars.bool(json.text() == "true", found);
                self.ranges.all(found);
                self.opaque_to_texts(found);
            }
            JsonKind::Array => {
                found.extend(&self.without_commands);
                self.commands.find_words(json, look.scene, found);
            }
            JsonKind::Null | JsonKind::Object => found.extend(&self.all),
        }
    }

    fn text(&self, text: &str, look: &Look<'_>, found: &mut Vec<u32>) {
        if text.len() > look.scene.policy.max_judged {
            return found.extend(&self.all);
        }
        self.longer(text, found);
        self.scalars.lacking(Type::Text, found);
        self.ranges.all(found);
        self.spelled(text, found);
        self.places.find(text, look, found);
        self.hosts.find(text, found);
        self.statements.find(text, look.scene, found);
        for text in spellings(text) {
            self.commands.find(&text, look.scene, found);
        }
    }

    /// A find of a search: of another type, it is opaque only where a conversion would satisfy.
    fn leaf(&self, json: Json<'_>, look: &Look<'_>, found: &mut Vec<u32>) {
        match json.kind() {
            JsonKind::String => self.found_text(&json.as_str().unwrap_or_default(), look, found),
            JsonKind::Number | JsonKind::Bool | JsonKind::Null => {
                self.longer(json.text(), found);
                self.scalar(json, found);
                self.spelled(json.text(), found);
                self.places.guess(json.text(), look, found);
                self.hosts.guess(json.text(), found);
                self.commands.guess(json.text(), look.scene, found);
            }
            JsonKind::Object | JsonKind::Array => found.extend(&self.all),
        }
    }

    fn found_text(&self, text: &str, look: &Look<'_>, found: &mut Vec<u32>) {
        if text.len() > look.scene.policy.max_judged {
            return found.extend(&self.all);
        }
        self.longer(text, found);
        let text_of_scalar = text.trim();
        if text_of_scalar.starts_with(|first: char| first.is_ascii_digit() || "-tf".contains(first))
            && let Some(json) = Json::from_text(text_of_scalar)
        {
            self.scalar(json, found);
        }
        self.spelled(text, found);
        self.places.find_or_guess(text, look, found);
        self.hosts.guess(text, found);
        self.statements.guess(text, look.scene, found);
        for text in spellings(text) {
            self.commands.guess(&text, look.scene, found);
        }
    }

    fn scalar(&self, json: Json<'_>, found: &mut Vec<u32>) {
        match json.kind() {
            JsonKind::Number => self.number(json.text(), found),
            JsonKind::Bool => self.scalars.bool(json.text() == "true", found),
            JsonKind::Null | JsonKind::String | JsonKind::Object | JsonKind::Array => {}
        }
    }

    fn number(&self, text: &str, found: &mut Vec<u32>) {
        match text.parse() {
            Ok(number) => {
                found.extend(self.scalars.numbers.get(&bits(number)).into_iter().flatten());
                self.ranges.find(number, found);
            }
            Err(_) => found.extend(&self.all),
        }
    }

    fn longer(&self, text: &str, found: &mut Vec<u32>) {
        let shorter = self.lengths.iter().take_while(|(length, _)| *length < text.len() as u64);
        found.extend(shorter.map(|(_, rule)| *rule));
    }

    /// What is asked of a text, in both its spellings.
    fn spelled(&self, text: &str, found: &mut Vec<u32>) {
        let composed = nfc(text);
        found.extend(self.scalars.texts.get(&*composed).into_iter().flatten());
        self.parts.find(text, found);
        if let Cow::Owned(composed) = &composed {
            self.parts.find(composed, found);
        }
    }

    fn opaque_to_texts(&self, found: &mut Vec<u32>) {
        found.extend(&self.with_parts);
        self.places.all(found);
        self.hosts.all(found);
        self.commands.all(found);
        self.statements.all(found);
    }
}

impl Draft {
    pub(super) fn add(&mut self, keys: Keys, rule: u32) {
        self.field.all.push(rule);
        if !matches!(keys, Keys::Commands(_)) {
            self.field.without_commands.push(rule);
        }
        match keys {
            Keys::Scalars(scalars) => self.field.scalars.add(&scalars, rule),
            Keys::From(bound) => self.field.ranges.from.push((bound, rule)),
            Keys::UpTo(bound) => self.field.ranges.up_to.push((bound, rule)),
            Keys::Parts(parts) => {
                self.field.with_parts.push(rule);
                for part in parts {
                    self.parts.entry(part).or_default().push(rule);
                }
            }
            Keys::Folders(folders) => self.places.add_folders(folders, rule),
            Keys::PathParts(parts) => self.places.add_parts(parts, rule),
            Keys::Hosts(hosts) => self.field.hosts.add_hosts(hosts, rule),
            Keys::Schemes(schemes) => self.field.hosts.add_schemes(schemes, rule),
            Keys::LongerThan(length) => self.field.lengths.push((length, rule)),
            Keys::Networks(networks) => self.field.hosts.add_networks(networks, rule),
            Keys::Commands(marks) => self.field.commands.add(marks, rule),
            Keys::Statements(sql, among) => self.field.statements.add(sql, among, rule),
        }
    }

    pub(super) fn finish(self) -> Field {
        let mut field = self.field;
        for bounds in [&mut field.ranges.from, &mut field.ranges.up_to] {
            bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        field.lengths.sort_unstable();
        Field { parts: Parts::new(self.parts), places: self.places.finish(), ..field }
    }
}

impl Scalars {
    fn add(&mut self, scalars: &[Scalar], rule: u32) {
        self.all.push(rule);
        let mut types = Vec::new();
        for scalar in scalars {
            types.push(Type::of(scalar));
            match scalar {
                Scalar::String(text) => self.texts.entry(nfc(text).into()).or_default().push(rule),
                Scalar::Number(number) => self.numbers.entry(bits(nearest(*number))).or_default().push(rule),
                Scalar::Bool(value) => self.of_bool(*value).push(rule),
            }
        }
        for (kind, rules) in [Type::Text, Type::Number, Type::Bool].into_iter().zip(&mut self.without) {
            if !types.contains(&kind) {
                rules.push(rule);
            }
        }
    }

    fn of_bool(&mut self, value: bool) -> &mut Vec<u32> {
        let [no, yes] = &mut self.bools;
        if value { yes } else { no }
    }

    fn bool(&self, value: bool, found: &mut Vec<u32>) {
        let [no, yes] = &self.bools;
        found.extend(if value { yes } else { no });
    }

    /// Rules to which a value of this type is opaque.
    fn lacking(&self, kind: Type, found: &mut Vec<u32>) {
        let [text, number, bool] = &self.without;
        found.extend(match kind {
            Type::Text => text,
            Type::Number => number,
            Type::Bool => bool,
        });
    }
}

impl Type {
    fn of(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::String(_) => Self::Text,
            Scalar::Number(_) => Self::Number,
            Scalar::Bool(_) => Self::Bool,
        }
    }
}

impl Ranges {
    fn find(&self, number: f64, found: &mut Vec<u32>) {
        let from = self.from.iter().take_while(|(bound, _)| *bound <= number);
        let up_to = self.up_to.iter().rev().take_while(|(bound, _)| *bound >= number);
        found.extend(from.chain(up_to).map(|(_, rule)| *rule));
    }

    fn all(&self, found: &mut Vec<u32>) {
        found.extend(self.from.iter().chain(&self.up_to).map(|(_, rule)| *rule));
    }
}

/// Equal numbers have equal bits: there is one zero.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

/// A text, and its composed spelling where that is another.
fn spellings(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let composed = nfc(text);
    let other = matches!(composed, Cow::Owned(_)).then_some(composed);
    std::iter::once(Cow::Borrowed(text)).chain(other)
}

fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}
