//! Which places a value may have, as far as a schema or the values that were seen tell.
//!
//! It refuses to validate: a schema only says here what a pointer could lead to. Invariant: where a place cannot be told
//! to be missing, it may be there; and the work is bounded whatever the schema says of itself.

use std::collections::BTreeMap;

use super::pointer::{Reread, reread};
use super::{Pointer, Segment};
use crate::wire::{Json, JsonKind, fold};

/// Nodes of one shape; what comes after them may have anything.
const MOST_NODES: usize = 10_000;
/// More members than these are data, not names.
const MOST_MEMBERS: usize = 256;
/// Deeper schemas may have anything there.
const DEEPEST: usize = 64;
/// How many strings in strings are opened.
const MAX_NESTED: u8 = 4;
/// Pointers with more steps may lead anywhere.
const MAX_STEPS: usize = 127;
/// What stands where redaction took something away begins with this.
const TAKEN_AWAY: char = '‹';

/// The places of a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// It may have anything.
    open: bool,
    /// It may be text, a number, a truth value or null.
    scalar: bool,
    members: BTreeMap<String, Self>,
    elements: Option<Box<Self>>,
}

/// Whether a pointer leads to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leads {
    /// To nothing.
    Nowhere,
    /// It cannot be told.
    Perhaps,
    /// To a place.
    Somewhere,
}

/// What is left of [`MOST_NODES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MOST_NODES)
    }
}

impl Budget {
    fn take(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

impl Shape {
    /// The values that a JSON Schema (2020-12) describes. An object with `properties` is taken to have no others, unless
    /// it says so.
    pub fn of_schema(schema: Json<'_>) -> Self {
        Described { root: schema, budget: Budget::default() }.shape(schema, 0)
    }

    /// Adds what a value has, as it was kept in the store.
    pub(super) fn add(&mut self, value: Json<'_>, budget: &mut Budget) {
        self.add_nested(value, 0, budget);
    }

    fn add_nested(&mut self, value: Json<'_>, nested: u8, budget: &mut Budget) {
        if budget.take().is_none() {
            self.open = true;
            return;
        }
        match value.kind() {
            JsonKind::Object => {
                for (name, value) in value.members() {
                    let known = self.members.contains_key(&*name);
                    if name.starts_with(TAKEN_AWAY) || !known && self.members.len() >= MOST_MEMBERS {
                        self.open = true;
                        continue;
                    }
                    self.members.entry(name.into_owned()).or_default().add_nested(value, nested, budget);
                }
            }
            JsonKind::Array => {
                let elements = self.elements.get_or_insert_default();
                value.elements().for_each(|element| elements.add_nested(element, nested, budget));
            }
            JsonKind::String => {
                self.scalar = true;
                let text = value.as_str().unwrap_or_default();
                match reread(&text) {
                    Reread::Holds(inner) if nested < MAX_NESTED => self.add_nested(inner, nested + 1, budget),
                    Reread::Holds(_) | Reread::Ambiguous => self.open = true,
                    Reread::Text => self.open |= text.contains(TAKEN_AWAY),
                }
            }
            JsonKind::Number | JsonKind::Bool | JsonKind::Null => self.scalar = true,
        }
    }

    /// Whether a pointer leads to something, names compared as rules compare them. What is in the way and could be seen
    /// through leads somewhere, perhaps.
    pub fn leads(&self, pointer: &Pointer) -> Leads {
        if pointer.segments.len() > MAX_STEPS {
            return Leads::Perhaps;
        }
        Walk(&pointer.segments).visit(self, 1)
    }

    /// The names of its members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Pointers to its members and theirs.
    pub(super) fn pointers(&self) -> Vec<String> {
        let escaped = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let below = |name: &String, shape: &Self| {
            let own = escaped(name);
            let inner = shape.members.keys().map(|inner| own.clone() + &escaped(inner)).collect::<Vec<_>>();
            [vec![own], inner].concat()
        };
        self.members.iter().flat_map(|(name, shape)| below(name, shape)).collect()
    }

    fn anything() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// What either may have.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.merge(other);
        self
    }

    fn merge(&mut self, other: Self) {
        self.open |= other.open;
        self.scalar |= other.scalar;
        for (name, shape) in other.members {
            self.members.entry(name).or_default().merge(shape);
        }
        if let Some(elements) = other.elements {
            self.elements.get_or_insert_default().merge(*elements);
        }
    }
}

/// A schema being read.
struct Described<'a> {
    root: Json<'a>,
    budget: Budget,
}

impl<'a> Described<'a> {
    fn shape(&mut self, schema: Json<'a>, depth: usize) -> Shape {
        if schema.text() == "false" {
            return Shape::default();
        }
        if schema.kind() != JsonKind::Object || depth > DEEPEST || self.budget.take().is_none() {
            return Shape::anything();
        }
        let mut shape = Shape::default();
        let beside = if schema.member("properties").is_some() { Beside::Properties } else { Beside::Nothing };
        let mut says = beside == Beside::Properties;
        for (key, value) in schema.members() {
            says |= match &*key {
                "anyOf" | "oneOf" | "allOf" => {
                    value.elements().for_each(|inner| self.join(inner, beside, depth, &mut shape));
                    true
                }
                "then" | "else" => {
                    self.join(value, beside, depth, &mut shape);
                    true
                }
                key => self.keyword(key, value, depth, &mut shape),
            };
        }
        let kinds = Kinds::of(schema.member("type"));
        shape.scalar |= kinds.scalar;
        let closed = schema.member("additionalProperties").is_some_and(|more| more.text() == "false");
        let silent = !says && (kinds.object || !kinds.any);
        shape.open |= kinds.strange || silent && !closed;
        if kinds.array && shape.elements.is_none() {
            shape.elements = Some(Box::new(Shape::anything()));
        }
        shape
    }

    /// Takes in an alternative. Beside `properties`, one that lists nothing (`{ "required": … }`) adds nothing.
    fn join(&mut self, schema: Json<'a>, beside: Beside, depth: usize, shape: &mut Shape) {
        let inner = self.shape(schema, depth + 1);
        if beside == Beside::Nothing || inner != Shape::anything() {
            shape.merge(inner);
        }
    }

    /// Takes in one keyword; whether it says what the value may be.
    fn keyword(&mut self, key: &str, value: Json<'a>, depth: usize, shape: &mut Shape) -> bool {
        match key {
            "properties" => {
                for (name, schema) in value.members() {
                    let inner = self.shape(schema, depth + 1);
                    shape.members.entry(name.into_owned()).or_default().merge(inner);
                }
                return false;
            }
            "additionalProperties" | "unevaluatedProperties" => {
                // Null is what some generators write for nothing.
                shape.open |= value.text() != "false" && value.kind() != JsonKind::Null;
                return false;
            }
            "items" | "prefixItems" | "contains" | "additionalItems" => {
                let each: Vec<Json<'_>> =
                    if value.kind() == JsonKind::Array { value.elements().collect() } else { vec![value] };
                for schema in each {
                    let inner = self.shape(schema, depth + 1);
                    shape.elements.get_or_insert_default().merge(inner);
                }
                return false;
            }
            "$ref" => {
                let target = value.as_str().and_then(|place| self.at(&place));
                shape.merge(target.map_or_else(Shape::anything, |schema| self.shape(schema, depth + 1)));
            }
            "patternProperties" | "dependentSchemas" | "$dynamicRef" | "$recursiveRef" => shape.open = true,
            "enum" | "const" => shape.scalar = true,
            _ => return false,
        }
        true
    }

    /// The schema at a place of this document: `#/$defs/NAME`.
    fn at(&self, place: &str) -> Option<Json<'a>> {
        let steps = place.strip_prefix('#')?.split('/').skip(1);
        steps
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .try_fold(self.root, |at, step| at.member(&step))
    }
}

/// What an alternative stands beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Properties,
}

/// What `type` says.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // types that occur in any combination
struct Kinds {
    any: bool,
    object: bool,
    array: bool,
    scalar: bool,
    /// A word that is no type: redaction may have taken the true one away.
    strange: bool,
}

impl Kinds {
    fn of(kinds: Option<Json<'_>>) -> Self {
        let mut all = Self::default();
        let Some(kinds) = kinds else { return all };
        let words: Vec<Json<'_>> =
            if kinds.kind() == JsonKind::Array { kinds.elements().collect() } else { vec![kinds] };
        for word in words {
            all.any = true;
            match word.as_str().as_deref() {
                Some("object") => all.object = true,
                Some("array") => all.array = true,
                Some("string" | "number" | "integer" | "boolean" | "null") => all.scalar = true,
                Some(_) | None => all.strange = true,
            }
        }
        all
    }
}

/// A pointer on its way through a shape. Positions in it are bits, so that each node is visited once.
struct Walk<'p>(&'p [Segment]);

impl Walk<'_> {
    fn visit(&self, shape: &Shape, steps: u128) -> Leads {
        let open = self.open(steps);
        let end = 1 << self.0.len();
        let empty = !shape.open && !shape.scalar && shape.members.is_empty() && shape.elements.is_none();
        if steps & end != 0 || open & end != 0 && !empty {
            return Leads::Somewhere;
        }
        let searches = |segment: &Segment| matches!(segment, Segment::Any);
        let beside = |segment: &Segment| matches!(segment, Segment::Key { name, .. } if !is_index(name));
        let perhaps = shape.open
            || shape.scalar && self.wants(steps, |segment| !searches(segment))
            || shape.elements.is_some() && self.wants(steps, beside);
        let mut leads = if perhaps { Leads::Perhaps } else { Leads::Nowhere };
        let members = shape.members.iter().map(|(name, inner)| {
            let folded = fold(name);
            (self.next(open, |key, key_folded| key == name || key_folded == folded), inner)
        });
        let elements = shape.elements.iter().map(|inner| (self.next(open, |key, _| is_index(key)), &**inner));
        for (next, inner) in members.chain(elements).filter(|(next, _)| *next != 0) {
            leads = leads.max(self.visit(inner, next));
        }
        leads
    }

    /// With every `**` also taken as nothing.
    fn open(&self, steps: u128) -> u128 {
        self.0.iter().enumerate().fold(steps, |open, (step, segment)| match segment {
            Segment::Any if open & 1 << step != 0 => open | 1 << (step + 1),
            Segment::Any | Segment::Key { .. } | Segment::One => open,
        })
    }

    fn next(&self, open: u128, is_it: impl Fn(&str, &str) -> bool) -> u128 {
        let at = self.0.iter().enumerate().filter(|(step, _)| open & 1 << step != 0);
        at.fold(0, |next, (step, segment)| match segment {
            Segment::Any => next | 1 << step,
            Segment::One => next | 1 << (step + 1),
            Segment::Key { name, folded } if is_it(name, folded) => next | 1 << (step + 1),
            Segment::Key { .. } => next,
        })
    }

    fn wants(&self, steps: u128, what: impl Fn(&Segment) -> bool) -> bool {
        self.0.iter().enumerate().any(|(step, segment)| steps & 1 << step != 0 && what(segment))
    }
}

fn is_index(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
