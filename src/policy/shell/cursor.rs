//! A place in the text of a line.
//!
//! It refuses to step back. Invariant: it never leaves the text, and the bytes that it stops at are ASCII or whole
//! characters.

/// Reads forward. A backslash before a newline is taken away as shells do, but for the `raw` readings.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.at = self.joined(self.at);
        self.raw()
    }

    /// The byte after the next one.
    pub(super) fn second(&mut self) -> Option<u8> {
        self.peek()?;
        self.text.as_bytes().get(self.joined(self.at + 1)).copied()
    }

    /// Takes the next byte, which is ASCII.
    pub(super) fn bump(&mut self) {
        self.at = (self.joined(self.at) + 1).min(self.text.len());
    }

    /// Takes the next byte if it is this one.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.bump();
        }
        found
    }

    /// The next byte as it stands.
    pub(super) fn raw(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes one whole character as it stands.
    pub(super) fn raw_char(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes the next character, whatever it is.
    pub(super) fn bump_char(&mut self) {
        self.peek();
        self.raw_char();
    }

    /// Takes text as it stands up to one of these ASCII bytes, or the end.
    pub(super) fn raw_until(&mut self, ends: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Takes blanks.
    pub(super) fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.bump();
        }
    }

    /// Where it stands, to tell whether it moved.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn joined(&self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while bytes.get(at) == Some(&b'\\') && bytes.get(at + 1) == Some(&b'\n') {
            at += 2;
        }
        at
    }
}
