//! One value against the predicates of a condition.
//!
//! It does not know how the value was found nor what follows from the answer. Invariant: a value of another
//! type than the predicate speaks of is opaque, never "not": a server may convert it.

use std::borrow::Cow;
use std::cmp::Ordering;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::matcher::{Polarity, Scene};
use super::paths::{Places, Standing, guess};
use super::readings::Form;
use super::shell::{Doubt, Given, Reading, Told};
use super::{Base, Number, PathGlob, Predicate, Scalar, SqlKinds, url};
use crate::wire::{Json, JsonKind};

/// What one value is to one predicate, or to all of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It satisfies.
    Satisfied,
    /// It does not.
    Not,
    /// It cannot be told.
    Opaque,
}

/// What is judged.
#[derive(Debug, Clone)]
pub(super) enum Value<'v> {
    /// A value that a pointer names.
    Json(Json<'v>),
    /// A leaf that a search came across. That its type is another one means little here: it is opaque only
    /// where a conversion would satisfy.
    Found(Json<'v>),
    /// A member name that a search came across, in the same way.
    Name(&'v str),
    /// A fact.
    Word(&'v str),
    /// A fact that is true or false.
    Truth(bool),
}

/// Judges values for one condition.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    /// Which way doubt goes: only paths with several places need it.
    pub(super) polarity: Polarity,
    /// For the facts and links that paths need.
    pub(super) scene: &'a Scene<'a>,
}

/// A value as the predicates see it, decoded once.
enum Seen<'v> {
    Text(Cow<'v, str>),
    /// A string over the limit, by its length.
    Long(usize),
    Number(&'v str),
    Bool(bool),
    /// Null and containers.
    Other,
}

impl Outcome {
    pub(super) fn of(satisfied: bool) -> Self {
        if satisfied { Self::Satisfied } else { Self::Not }
    }
}

impl From<Told> for Outcome {
    fn from(told: Told) -> Self {
        match told {
            Told::Satisfied => Self::Satisfied,
            Told::Not => Self::Not,
            Told::Doubtful(_) => Self::Opaque,
        }
    }
}

impl Judge<'_> {
    /// The outcome of all predicates together; `exists` is not about values and always satisfied.
    pub(super) fn all(self, tests: &[Predicate], value: &Value<'_>) -> Outcome {
        let seen = self.see(value);
        let mut all = Outcome::Satisfied;
        for predicate in tests {
            match self.one(predicate, value, &seen) {
                Outcome::Satisfied => {}
                Outcome::Not => return Outcome::Not,
                Outcome::Opaque => all = Outcome::Opaque,
            }
        }
        all
    }

    fn see<'v>(self, value: &'v Value<'v>) -> Seen<'v> {
        match value {
            Value::Word(word) | Value::Name(word) => self.text(Cow::Borrowed(word)),
            Value::Truth(truth) => Seen::Bool(*truth),
            Value::Json(json) | Value::Found(json) => match json.kind() {
                JsonKind::String => json.as_str().map_or(Seen::Other, |text| self.text(text)),
                JsonKind::Number => Seen::Number(json.text()),
                JsonKind::Bool => Seen::Bool(json.text() == "true"),
                JsonKind::Null | JsonKind::Object | JsonKind::Array => Seen::Other,
            },
        }
    }

    fn text(self, text: Cow<'_, str>) -> Seen<'_> {
        if text.len() > self.scene.policy.max_judged { Seen::Long(text.len()) } else { Seen::Text(text) }
    }

    fn one(self, predicate: &Predicate, value: &Value<'_>, seen: &Seen<'_>) -> Outcome {
        if let (Value::Found(_) | Value::Name(_), Some(sql)) = (value, sql_of(predicate))
            && !self.is_evident(*sql, seen)
        {
            return Outcome::Not;
        }
        let outcome = self.strict(predicate, value, seen);
        match value {
            Value::Found(_) | Value::Name(_) if outcome == Outcome::Opaque && sql_of(predicate).is_none() => {
                self.converted(predicate, value, seen)
            }
            Value::Found(_) | Value::Name(_) | Value::Json(_) | Value::Word(_) | Value::Truth(_) => outcome,
        }
    }

    fn strict(self, predicate: &Predicate, value: &Value<'_>, seen: &Seen<'_>) -> Outcome {
        match (predicate, seen) {
            (Predicate::Exists(_), _) => Outcome::Satisfied,
            (Predicate::BytesGt(limit), _) => Outcome::of(length(value, seen) as u64 > *limit),
            (Predicate::Eq(scalar), _) => equals(scalar, seen),
            (Predicate::In(scalars), _) => equals_any(scalars, seen),
            (Predicate::Glob(globs), Seen::Text(text)) => {
                self.spelled(text, |text| Some(globs.is_match(text)))
            }
            (Predicate::Matches(regexes), Seen::Text(text)) => {
                self.spelled(text, |text| regexes.is_match(text))
            }
            (Predicate::Gt(bound), Seen::Number(text)) => compares(text, *bound, Ordering::is_gt),
            (Predicate::Ge(bound), Seen::Number(text)) => compares(text, *bound, Ordering::is_ge),
            (Predicate::Lt(bound), Seen::Number(text)) => compares(text, *bound, Ordering::is_lt),
            (Predicate::Le(bound), Seen::Number(text)) => compares(text, *bound, Ordering::is_le),
            (Predicate::PathUnder(bases), Seen::Text(text)) => self.stands(text, bases, Standing::Inside),
            (Predicate::PathOutside(bases), Seen::Text(text)) => self.stands(text, bases, Standing::Outside),
            (Predicate::PathGlob(globs), Seen::Text(text)) => self.path_glob(text, globs),
            (Predicate::ShellAny(_) | Predicate::ShellOnly(_), _) => {
                self.shell(predicate, value, seen).into()
            }
            (Predicate::Host(items), Seen::Text(text)) => url::host(text, items),
            (Predicate::Scheme(schemes), Seen::Text(text)) => url::scheme(text, schemes),
            (Predicate::IpIn(nets), Seen::Text(text)) => url::ip_in(text, nets),
            (Predicate::SqlAny(sql), Seen::Text(text)) => {
                sql.any_in(&self.scene.readings.sql(text, sql.dialect)).map_or(Outcome::Opaque, Outcome::of)
            }
            (Predicate::SqlOnly(sql), Seen::Text(text)) => {
                sql.only_in(&self.scene.readings.sql(text, sql.dialect)).map_or(Outcome::Opaque, Outcome::of)
            }
            (_, Seen::Text(_) | Seen::Long(_) | Seen::Number(_) | Seen::Bool(_) | Seen::Other) => {
                Outcome::Opaque
            }
        }
    }

    /// A find of another type, read as a server might convert it.
    fn converted(self, predicate: &Predicate, value: &Value<'_>, seen: &Seen<'_>) -> Outcome {
        let other = match (seen, value) {
            (Seen::Long(_), _) => return Outcome::Opaque,
            (Seen::Text(text), _) if is_path(predicate) => return self.guessed(predicate, value, text),
            // A text that is no shell line is most likely none; what hides in one that is stays in doubt.
            (Seen::Text(_), _) if is_shell(predicate) => {
                let is_no_line = self.shell(predicate, value, seen) == Told::Doubtful(Doubt::Syntax);
                return if is_no_line { Outcome::Not } else { Outcome::Opaque };
            }
            (_, Value::Found(json)) if is_path(predicate) => {
                return self.guessed(predicate, value, json.text());
            }
            // Most texts are no URL and mean none.
            (Seen::Text(text), _) if is_about_urls(predicate) => {
                return if url::looks_like_url(text) { Outcome::Opaque } else { Outcome::Not };
            }
            (Seen::Text(text), _) => match Json::from_text(text.trim()) {
                Some(json) if json.kind() == JsonKind::Number => Seen::Number(json.text()),
                Some(json) if json.kind() == JsonKind::Bool => Seen::Bool(json.text() == "true"),
                Some(_) | None => return Outcome::Not,
            },
            (_, Value::Found(json)) => Seen::Text(Cow::Borrowed(json.text())),
            (_, Value::Json(_) | Value::Name(_) | Value::Word(_) | Value::Truth(_)) => {
                return Outcome::Opaque;
            }
        };
        match self.strict(predicate, value, &other) {
            Outcome::Satisfied => Outcome::Opaque,
            Outcome::Not | Outcome::Opaque => Outcome::Not,
        }
    }

    /// A test of a text, also of its composed spelling: two spellings that look alike are one name to many servers.
    fn spelled(self, text: &str, holds: impl Fn(&str) -> Option<bool>) -> Outcome {
        let composed = nfc(text);
        let spellings = [Some(text), matches!(composed, Cow::Owned(_)).then_some(&*composed)];
        let outcomes =
            spellings.into_iter().flatten().map(|text| holds(text).map_or(Outcome::Opaque, Outcome::of));
        self.together(outcomes)
    }

    /// A find that is no plain path, read as the path that a server might take it for.
    fn guessed(self, predicate: &Predicate, value: &Value<'_>, text: &str) -> Outcome {
        let Some(place) = guess(text, self.scene.world.facts) else {
            // What begins like a path and cannot be guessed leads anywhere.
            return if text.starts_with('/') { Outcome::Opaque } else { Outcome::Not };
        };
        match self.strict(predicate, value, &Seen::Text(Cow::Owned(place))) {
            Outcome::Satisfied | Outcome::Opaque => Outcome::Opaque,
            Outcome::Not => Outcome::Not,
        }
    }

    /// A line, or a list of words, against the items of a shell predicate.
    fn shell(self, predicate: &Predicate, value: &Value<'_>, seen: &Seen<'_>) -> Told {
        let tell = |reading: &Reading| {
            if let Predicate::ShellAny(items) = predicate {
                items.any(reading)
            } else if let Predicate::ShellOnly(items) = predicate {
                items.only(reading)
            } else {
                Told::Doubtful(Doubt::Hidden)
            }
        };
        let line = |text: &str| tell(&self.scene.readings.shell(text, Form::Line, &Given::Line(text)));
        let worst = |told: Told, other: Told| match (self.polarity, told) {
            (Polarity::Restrictive, Told::Not) | (Polarity::Permissive, Told::Satisfied) => other,
            _ => told,
        };
        match (seen, value) {
            (Seen::Text(text), _) if is_nfc(text) => line(text),
            (Seen::Text(text), _) => worst(line(&nfc(text)), line(text)),
            (Seen::Other, Value::Json(json)) if json.text().len() <= self.scene.policy.max_judged => {
                words(*json).map_or(Told::Doubtful(Doubt::Hidden), |words| {
                    tell(&self.scene.readings.shell(json.text(), Form::Words, &Given::Words(words)))
                })
            }
            (Seen::Other | Seen::Long(_) | Seen::Number(_) | Seen::Bool(_), _) => {
                Told::Doubtful(Doubt::Hidden)
            }
        }
    }

    /// Whether something that a search came across is SQL: much prose begins with a word that is also a statement's.
    fn is_evident(self, sql: SqlKinds, seen: &Seen<'_>) -> bool {
        match seen {
            Seen::Text(text) => self.scene.readings.sql(text, sql.dialect).is_evident(),
            Seen::Long(_) => true,
            Seen::Number(_) | Seen::Bool(_) | Seen::Other => false,
        }
    }

    fn stands(self, text: &str, bases: &[Base], wanted: Standing) -> Outcome {
        let Some(places) = Places::of(text, self.scene.world.links) else { return Outcome::Opaque };
        self.together(places.standings(bases, self.scene.world.facts, self.scene.world.links).map(
            |standing| match standing {
                Standing::Unknown => Outcome::Opaque,
                Standing::Inside | Standing::Outside => Outcome::of(standing == wanted),
            },
        ))
    }

    fn path_glob(self, text: &str, globs: &[PathGlob]) -> Outcome {
        let Some(places) = Places::of(text, self.scene.world.links) else { return Outcome::Opaque };
        let matches = places.glob_matches(globs, self.scene.world.facts, self.scene.world.links);
        self.together(matches.map(|hit| hit.map_or(Outcome::Opaque, Outcome::of)))
    }

    /// Several places of one path, or spellings of one text: one is enough to tighten, all are needed to loosen.
    fn together(self, outcomes: impl Iterator<Item = Outcome>) -> Outcome {
        let weight = |outcome: &Outcome| match (outcome, self.polarity) {
            (Outcome::Satisfied, Polarity::Restrictive) | (Outcome::Not, Polarity::Permissive) => 2,
            (Outcome::Opaque, _) => 1,
            (Outcome::Satisfied, Polarity::Permissive) | (Outcome::Not, Polarity::Restrictive) => 0,
        };
        outcomes.max_by_key(weight).unwrap_or(Outcome::Opaque)
    }
}

/// The elements of a list of strings.
pub(super) fn words(json: Json<'_>) -> Option<Vec<Cow<'_, str>>> {
    (json.kind() == JsonKind::Array).then(|| json.elements().map(Json::as_str).collect())?
}

fn is_shell(predicate: &Predicate) -> bool {
    matches!(predicate, Predicate::ShellAny(_) | Predicate::ShellOnly(_))
}

fn is_path(predicate: &Predicate) -> bool {
    matches!(predicate, Predicate::PathUnder(_) | Predicate::PathOutside(_) | Predicate::PathGlob(_))
}

fn is_about_urls(predicate: &Predicate) -> bool {
    matches!(predicate, Predicate::Host(_) | Predicate::Scheme(_) | Predicate::IpIn(_))
}

fn sql_of(predicate: &Predicate) -> Option<&SqlKinds> {
    if let Predicate::SqlAny(sql) | Predicate::SqlOnly(sql) = predicate { Some(sql) } else { None }
}

/// UTF-8 length of a string, length of the JSON text of anything else. Bytes.
fn length(value: &Value<'_>, seen: &Seen<'_>) -> usize {
    match (seen, value) {
        (Seen::Text(text), _) => text.len(),
        (Seen::Long(length), _) => *length,
        (Seen::Number(_) | Seen::Bool(_) | Seen::Other, Value::Json(json) | Value::Found(json)) => {
            json.text().len()
        }
        (Seen::Number(_) | Seen::Bool(_) | Seen::Other, Value::Word(word) | Value::Name(word)) => word.len(),
        (Seen::Number(_) | Seen::Bool(_) | Seen::Other, Value::Truth(truth)) => truth.to_string().len(),
    }
}

fn equals_any(scalars: &[Scalar], seen: &Seen<'_>) -> Outcome {
    let mut answer = Outcome::Opaque;
    for scalar in scalars {
        match equals(scalar, seen) {
            Outcome::Satisfied => return Outcome::Satisfied,
            Outcome::Not => answer = Outcome::Not,
            Outcome::Opaque => {}
        }
    }
    answer
}

fn equals(scalar: &Scalar, seen: &Seen<'_>) -> Outcome {
    match (scalar, seen) {
        (Scalar::String(wanted), Seen::Text(text)) => Outcome::of(wanted == text || nfc(wanted) == nfc(text)),
        (Scalar::Number(wanted), Seen::Number(text)) => compares(text, *wanted, Ordering::is_eq),
        (Scalar::Bool(wanted), Seen::Bool(value)) => Outcome::of(wanted == value),
        (Scalar::String(_) | Scalar::Number(_) | Scalar::Bool(_), _) => Outcome::Opaque,
    }
}

fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

fn compares(text: &str, bound: Number, wanted: fn(Ordering) -> bool) -> Outcome {
    order(text, bound).map_or(Outcome::Opaque, |order| Outcome::of(wanted(order)))
}

/// How a JSON number stands to a bound. Integers exactly, others as the nearest double.
#[allow(clippy::cast_precision_loss)] // a double is what servers read such a number as
fn order(text: &str, bound: Number) -> Option<Ordering> {
    let exact = text.parse::<i128>().ok();
    match (exact, bound) {
        (Some(value), Number::Integer(bound)) => Some(value.cmp(&i128::from(bound))),
        (Some(value), Number::Float(bound)) => (value as f64).partial_cmp(&bound),
        (None, Number::Integer(bound)) => text.parse::<f64>().ok()?.partial_cmp(&(bound as f64)),
        (None, Number::Float(bound)) => text.parse::<f64>().ok()?.partial_cmp(&bound),
    }
}
