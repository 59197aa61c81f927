//! The strict pass: RFC 8259 without its liberties, once over the text, from left to right.
//!
//! Refuses to build a tree and to call itself. Invariant: memory grows with the keys of the objects that are open at
//! one time and with nothing else, and no input costs more than sorting them.

use std::borrow::Cow;

use super::json::Json;
use super::string::{self, Broken};
use super::{Fault, MAX_DEPTH};

/// What the pass gives: a value, or the fault after which nothing can be read.
pub(super) type Step<T> = Result<T, Fault>;

/// Up to so many keys of one object are compared pair by pair; above, they are sorted. Arbitrary: sorting starts to
/// win about there.
const PAIRWISE: usize = 12;

/// What `serde_json` puts before the names of its own pseudo-structs, with `raw_value` or `arbitrary_precision`.
const PRIVATE: &str = "$serde_json::private::";

/// A place in a text and the containers that are open there.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The innermost open container, as an index into `open`.
    top: usize,
    open: Vec<Slot<'a>>,
    /// The first fault after which reading could go on.
    pub(super) flaw: Option<Fault>,
    /// What a carriage return among the white space is.
    at_cr: Option<Fault>,
}

/// An open container, or a key of the object that opened last before it.
enum Slot<'a> {
    Object { parent: usize },
    Array { parent: usize },
    Key(Cow<'a, str>),
}

impl Slot<'_> {
    fn key(&self) -> &str {
        match self {
            Self::Key(key) => key,
            Self::Object { .. } | Self::Array { .. } => "",
        }
    }
}

impl<'a> Scanner<'a> {
    /// Starts at the first character of a text, where carriage returns are white space as RFC 8259 has it.
    pub(super) fn over_text(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, top: 0, open: Vec::new(), flaw: None, at_cr: None }
    }

    /// Starts at the first character of a line, in which a carriage return would end another line for some readers.
    pub(super) fn over_line(text: &'a str) -> Self {
        Self { at_cr: Some(Fault::BareCr), open: Vec::with_capacity(16), ..Self::over_text(text) }
    }

    /// Notes a fault after which reading goes on; the first one stays.
    pub(super) fn flawed(&mut self, fault: Fault) {
        self.flaw = self.flaw.or(Some(fault));
    }

    /// The next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over white space.
    pub(super) fn space(&mut self) {
        while let Some(b @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            if b == b'\r' {
                self.flaw = self.flaw.or(self.at_cr);
            }
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Step<()> {
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(0) => Err(Fault::Nul),
            Some(_) => Err(Fault::TrailingData),
        }
    }

    /// Reads one value of any kind; the place must be its first byte.
    pub(super) fn value(&mut self) -> Step<Json<'a>> {
        let (start, outside) = (self.at, self.depth);
        let mut before_value = true;
        while before_value || self.depth > outside {
            before_value = if before_value { self.begin()? } else { self.proceed()? };
        }
        Ok(Json::trusted(self.text.get(start..self.at).unwrap_or_default()))
    }

    /// Reads an object, giving each member's key to `each`, which must read the value.
    pub(super) fn members(&mut self, mut each: impl FnMut(&mut Self, &str) -> Step<()>) -> Step<Json<'a>> {
        let start = self.at;
        let mut more = self.open_object();
        while more {
            let key = self.key()?;
            each(self, &key)?;
            self.open.push(Slot::Key(key));
            self.space();
            more = self.comma_or(b'}')?;
        }
        self.close();
        Ok(Json::trusted(self.text.get(start..self.at).unwrap_or_default()))
    }

    /// Reads an array, calling `each` before each element, which must read it.
    pub(super) fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Step<()>) -> Step<()> {
        self.enter(Slot::Array { parent: self.top });
        let mut more = self.first_or(b']');
        while more {
            each(self)?;
            self.space();
            more = self.comma_or(b']')?;
            self.space();
        }
        self.close();
        Ok(())
    }

    /// Reads a key and its colon, up to the first byte of the value.
    #[inline]
    fn key(&mut self) -> Step<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let raw = self.text.get(start..self.at - 1).unwrap_or_default();
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.space();
        if escaped {
            let key = string::decode(raw);
            self.look_at_key(&key);
            return Ok(key);
        }
        self.look_at_key(raw);
        Ok(Cow::Borrowed(raw))
    }

    fn look_at_key(&mut self, key: &str) {
        if key.starts_with(PRIVATE) {
            self.flawed(Fault::PrivateKey);
        }
    }

    /// Begins a value. `true` means that a container was opened and the place is its first value.
    fn begin(&mut self) -> Step<bool> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| false),
            Some(b'{' | b'[') if self.depth == MAX_DEPTH => self.leap().map(|()| false),
            Some(b'{') => {
                let more = self.open_object();
                if more {
                    self.keep_key()?;
                } else {
                    self.close();
                }
                Ok(more)
            }
            Some(b'[') => {
                self.enter(Slot::Array { parent: self.top });
                let more = self.first_or(b']');
                if !more {
                    self.close();
                }
                Ok(more)
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            _ => self.word().map(|()| false),
        }
    }

    /// Goes on after a value inside a container. `true` means that the place is the next value.
    fn proceed(&mut self) -> Step<bool> {
        self.space();
        let more = if matches!(self.open.get(self.top), Some(Slot::Array { .. })) {
            let more = self.comma_or(b']')?;
            self.space();
            more
        } else {
            let more = self.comma_or(b'}')?;
            if more {
                self.keep_key()?;
            }
            more
        };
        if !more {
            self.close();
        }
        Ok(more)
    }

    fn keep_key(&mut self) -> Step<()> {
        let key = self.key()?;
        self.open.push(Slot::Key(key));
        Ok(())
    }

    /// Opens the object that begins here; whether it has members.
    fn open_object(&mut self) -> bool {
        self.enter(Slot::Object { parent: self.top });
        self.first_or(b'}')
    }

    fn enter(&mut self, slot: Slot<'a>) {
        self.at += 1;
        self.depth += 1;
        self.top = self.open.len();
        self.open.push(slot);
    }

    /// After an opening bracket: whether something else than `close` follows. Passes over `close`.
    fn first_or(&mut self, close: u8) -> bool {
        self.space();
        let empty = self.peek() == Some(close);
        self.at += usize::from(empty);
        !empty
    }

    /// Passes over a comma (`true`, up to the next byte that is not space) or `close` (`false`).
    fn comma_or(&mut self, close: u8) -> Step<bool> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            Some(b) if b == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Leaves the innermost container and looks for keys that it had twice.
    fn close(&mut self) {
        if self.flaw.is_none() && has_duplicates(self.open.get_mut(self.top + 1..).unwrap_or_default()) {
            self.flaw = Some(Fault::DuplicateKey);
        }
        let parent = match self.open.get(self.top) {
            Some(Slot::Object { parent } | Slot::Array { parent }) => *parent,
            Some(Slot::Key(_)) | None => 0,
        };
        self.open.truncate(self.top);
        self.top = parent;
        self.depth -= 1;
    }

    /// Passes over a container that is too deep, by its brackets alone: the frame is lost, its id may stand behind.
    fn leap(&mut self) -> Step<()> {
        self.flawed(Fault::TooDeep);
        self.at = super::skip::container(self.text.as_bytes(), self.at).ok_or(Fault::TooDeep)?;
        Ok(())
    }

    /// Passes over a string; whether it has escapes.
    #[inline]
    fn string(&mut self) -> Step<bool> {
        let end = string::plain(self.text.as_bytes(), self.at + 1);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return self.string_with_escapes(end);
        }
        self.at = end + 1;
        Ok(false)
    }

    /// The rest of a string that is plain up to `end`. Apart, because most strings never come here.
    #[cold]
    fn string_with_escapes(&mut self, end: usize) -> Step<bool> {
        let literal = string::pass(self.text.as_bytes(), end).map_err(|broken| match broken {
            Broken::Open => Fault::Truncated,
            Broken::Control(0) => Fault::Nul,
            Broken::Control(b'\r') => Fault::BareCr,
            Broken::Control(_) => Fault::ControlCharacter,
            Broken::Escape => Fault::Syntax,
        })?;
        self.at = literal.end;
        if literal.lone_surrogate {
            self.flawed(Fault::LoneSurrogate);
        }
        Ok(literal.escaped)
    }

    fn number(&mut self) -> Step<()> {
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Step<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected()) } else { Ok(()) }
    }

    fn word(&mut self) -> Step<()> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let word = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word));
        self.at += word.ok_or_else(|| self.unexpected())?.len();
        Ok(())
    }

    /// The fault of a byte that cannot stand here.
    fn unexpected(&self) -> Fault {
        match self.peek() {
            None => Fault::Truncated,
            Some(0) => Fault::Nul,
            Some(_) => Fault::Syntax,
        }
    }
}

/// Whether two of these keys are equal. Compares as decoded text; the order of the slice is lost.
fn has_duplicates(keys: &mut [Slot<'_>]) -> bool {
    if keys.len() > PAIRWISE {
        keys.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        return keys.windows(2).any(|pair| matches!(pair, [a, b] if a.key() == b.key()));
    }
    let mut rest = &*keys;
    while let [first, others @ ..] = rest {
        if others.iter().any(|other| other.key() == first.key()) {
            return true;
        }
        rest = others;
    }
    false
}
