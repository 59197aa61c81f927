//! A JSON value that has passed the strict pass, kept as the bytes it came in.
//!
//! Refuses to build trees: walking reads the text again. Invariant: every `Json` is valid, so walking never fails, and
//! only strings with escapes are copied.

use std::borrow::Cow;

use super::strict::Scanner;
use super::{skip, string};

/// Borrowed text of one valid JSON value, without surrounding white space. Walking it never fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

/// The kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// An integer or a decimal number.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

impl<'a> Json<'a> {
    /// Reads one value as strictly as a frame is read: grammar, no duplicate keys, no lone surrogates, bounded depth.
    /// White space around it is left out.
    pub fn from_text(text: &'a str) -> Option<Self> {
        let mut scanner = Scanner::over_text(text);
        scanner.space();
        let value = scanner.value().ok()?;
        scanner.end().ok()?;
        scanner.flaw.is_none().then_some(value)
    }

    /// Takes text that the strict pass has just read.
    pub(super) fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// The text as it was written.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// What kind of value it is.
    pub fn kind(self) -> JsonKind {
        match self.0.as_bytes().first() {
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::Array,
            Some(b'"') => JsonKind::String,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'-' | b'0'..=b'9') => JsonKind::Number,
            _ => JsonKind::Null,
        }
    }

    /// The decoded text of a string; `None` for other kinds.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let raw = self.0.strip_prefix('"')?;
        Some(string::decode(raw.strip_suffix('"').unwrap_or(raw)))
    }

    /// The members of an object in their order, keys decoded; nothing for other kinds.
    pub fn members(self) -> Members<'a> {
        Members { text: self.0, at: if self.kind() == JsonKind::Object { 1 } else { self.0.len() } }
    }

    /// The elements of an array in their order; nothing for other kinds.
    pub fn elements(self) -> Elements<'a> {
        Elements { text: self.0, at: if self.kind() == JsonKind::Array { 1 } else { self.0.len() } }
    }

    /// The member of an object with this key.
    pub fn member(self, name: &str) -> Option<Self> {
        self.members().find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// The members of an object, see [`Json::members`].
#[derive(Debug, Clone)]
pub struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = after_separators(bytes, self.at);
        let end = (bytes.get(start)? == &b'"').then(|| skip::string(bytes, start)).flatten()?;
        let key = Json(self.text.get(start..end)?).as_str()?;
        let value = take(self.text, end)?;
        self.at = value.1;
        Some((key, value.0))
    }
}

/// The elements of an array, see [`Json::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (value, end) = take(self.text, self.at)?;
        self.at = end;
        Some(value)
    }
}

/// The next value from `at` on and its end; `None` before a closing bracket and at the end.
fn take(text: &str, at: usize) -> Option<(Json<'_>, usize)> {
    let start = after_separators(text.as_bytes(), at);
    let end = skip::value(text.as_bytes(), start)?;
    Some((Json(text.get(start..end)?), end))
}

/// In valid text white space, commas and colons between values carry nothing.
fn after_separators(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b':') = bytes.get(at) {
        at += 1;
    }
    at
}
