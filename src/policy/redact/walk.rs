//! Arguments, value by value.
//!
//! It writes the JSON again, so the result is never forwarded. Invariant: recursion is bounded by the depth that the
//! strict pass admits, output by [`Limits`] and one value.

use std::borrow::Cow;
use std::fmt::Write;

use super::secrets::{is_telling, is_telling_flag};
use super::{Redactor, quoted};
use crate::policy::pointer::{Reread, reread};
use crate::wire::{Json, JsonKind};

/// How much is kept. Bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Once this much is written, what follows is left out.
    pub(super) most: usize,
    /// Longer strings are cut.
    pub(super) long: usize,
}

/// Of arguments, which come with every call.
pub(super) const ARGUMENTS: Limits = Limits { most: 16 * 1024, long: super::LONG };
/// Of a tool's definition, which is kept once: its text is what a model goes by.
pub(super) const DEFINITION: Limits = Limits { most: 256 * 1024, long: 16 * 1024 };
/// How many strings in strings are opened.
const MAX_NESTED: u8 = 4;

/// One pass over one value.
pub(super) struct Walk<'r> {
    redactor: &'r Redactor,
    values: Values,
    limits: Limits,
    nested: u8,
    out: String,
    /// The pointer to where the walk is.
    at: String,
    lost: Vec<String>,
}

/// What becomes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Redacted,
    /// All become null.
    Dropped,
}

/// What is known of a value from where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Plain,
    /// Its name says that it is a secret.
    Secret,
}

impl<'r> Walk<'r> {
    pub(super) fn redacting(redactor: &'r Redactor) -> Self {
        Self {
            redactor,
            values: Values::Redacted,
            limits: ARGUMENTS,
            nested: 0,
            out: String::new(),
            at: String::new(),
            lost: Vec::new(),
        }
    }

    pub(super) fn only_keys(redactor: &'r Redactor) -> Self {
        Self { values: Values::Dropped, ..Self::redacting(redactor) }
    }

    pub(super) fn definition(redactor: &'r Redactor) -> Self {
        Self { limits: DEFINITION, ..Self::redacting(redactor) }
    }

    /// The value as it may be stored, and what of it was lost. What lost nothing keeps its white space too.
    pub(super) fn run(mut self, value: Json<'_>) -> (String, Vec<String>) {
        self.value(value, Standing::Plain);
        let whole =
            self.values == Values::Redacted && self.lost.is_empty() && value.text().len() <= self.limits.most;
        (if whole { value.text().to_owned() } else { self.out }, self.lost)
    }

    fn value(&mut self, value: Json<'_>, standing: Standing) {
        match value.kind() {
            JsonKind::Object => self.object(value, standing),
            JsonKind::Array => self.array(value, standing),
            JsonKind::String | JsonKind::Number | JsonKind::Bool | JsonKind::Null
                if self.values == Values::Dropped =>
            {
                self.out.push_str("null");
            }
            JsonKind::String => self.string(value, standing),
            JsonKind::Number if standing == Standing::Secret => self.replace("value", value.text()),
            JsonKind::Number if value.text().len() > self.limits.long => self.cut(value),
            JsonKind::Number | JsonKind::Bool | JsonKind::Null => self.out.push_str(value.text()),
        }
    }

    fn object(&mut self, object: Json<'_>, standing: Standing) {
        let pair = names_a_secret(object);
        self.out.push('{');
        for (index, (name, value)) in object.members().enumerate() {
            self.separate(index);
            if self.is_full() {
                self.cut(object);
                self.out.push_str(":null");
                break;
            }
            let told = is_telling(&name) || (pair && name.eq_ignore_ascii_case("value"));
            let standing = if told { Standing::Secret } else { standing };
            let shortened = self.redactor.shortened(&name, self.limits.long);
            let renamed = shortened.is_some();
            let name = shortened.map_or(name, Cow::Owned);
            self.out.push_str(&quoted(&name));
            self.out.push(':');
            self.below(&name, |walk| {
                if renamed {
                    walk.lost.push(walk.at.clone());
                }
                walk.value(value, standing);
            });
        }
        self.out.push('}');
    }

    fn array(&mut self, array: Json<'_>, standing: Standing) {
        let mut flagged = false;
        self.out.push('[');
        for (index, value) in array.elements().enumerate() {
            self.separate(index);
            if self.is_full() {
                self.cut(array);
                break;
            }
            let standing = if flagged { Standing::Secret } else { standing };
            flagged = value.as_str().is_some_and(|word| is_telling_flag(&word));
            self.below(&index.to_string(), |walk| walk.value(value, standing));
        }
        self.out.push(']');
    }

    fn string(&mut self, value: Json<'_>, standing: Standing) {
        let text = value.as_str().unwrap_or_default();
        if standing == Standing::Secret && !text.is_empty() {
            return self.replace("value", &text);
        }
        if text.len() <= self.limits.long && self.nested < MAX_NESTED && self.holding(value, &text) {
            return;
        }
        match self.redactor.shortened(&text, self.limits.long) {
            Some(clean) => self.lose(&clean),
            None => self.out.push_str(value.text()),
        }
    }

    /// A string that holds JSON is walked in its turn. Whether it was one.
    fn holding(&mut self, value: Json<'_>, text: &str) -> bool {
        let Reread::Holds(inner) = reread(text) else { return false };
        let mut walk = Walk {
            nested: self.nested + 1,
            at: self.at.clone(),
            limits: self.limits,
            ..Walk::redacting(self.redactor)
        };
        walk.value(inner, Standing::Plain);
        if walk.lost.is_empty() {
            match self.redactor.clean(text) {
                Some(clean) => self.lose(&clean),
                None => self.out.push_str(value.text()),
            }
        } else {
            self.out.push_str(&quoted(&self.redactor.prose(&walk.out)));
        }
        self.lost.append(&mut walk.lost);
        true
    }

    fn replace(&mut self, kind: &str, secret: &str) {
        let placeholder = self.redactor.placeholder(kind, secret);
        self.lose(&placeholder);
    }

    fn cut(&mut self, whole: Json<'_>) {
        let mark = self.redactor.cut_mark(whole.text());
        self.lose(&mark);
    }

    fn lose(&mut self, left: &str) {
        self.out.push_str(&quoted(left));
        self.lost.push(self.at.clone());
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }

    fn is_full(&self) -> bool {
        self.out.len() > self.limits.most
    }

    fn below(&mut self, step: &str, then: impl FnOnce(&mut Self)) {
        let above = self.at.len();
        // Writing to a string cannot fail.
        let _ = write!(self.at, "/{}", step.replace('~', "~0").replace('/', "~1"));
        then(self);
        self.at.truncate(above);
    }
}

/// `{"name": "API_KEY", "value": …}`, as environments and headers are often listed.
fn names_a_secret(object: Json<'_>) -> bool {
    let is_name = |name: &str| ["name", "key", "header"].iter().any(|word| name.eq_ignore_ascii_case(word));
    object
        .members()
        .any(|(name, value)| is_name(&name) && value.as_str().is_some_and(|named| is_telling(&named)))
}
