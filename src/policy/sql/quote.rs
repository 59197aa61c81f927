//! To the end of a string, a quoted name or a long comment.
//!
//! What is inside is passed over unread. Invariant: what does not end reaches to the end of the text and leaves
//! the reading unclear.

use memchr::{memchr, memchr2, memmem};

use super::dialect::{Brackets, Dollars};
use super::lexer::Lexer;

impl<'t> Lexer<'t> {
    /// Passes over what the byte here quotes; two of it inside stand for one. Returns what is inside.
    pub(super) fn quoted(&mut self, quote: u8, backslash: bool) -> &'t str {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let found = if backslash { memchr2(quote, b'\\', rest) } else { memchr(quote, rest) };
            let Some(found) = found.map(|found| at + found) else { return self.unfinished(start) };
            let byte = |at: usize| self.text.as_bytes().get(at).copied();
            if byte(found) == Some(quote) && byte(found + 1) != Some(quote) {
                self.at = found + 1;
                return self.text.get(start..found).unwrap_or_default();
            }
            at = found + 2;
        }
    }

    /// Whether `[` quotes a name here.
    pub(super) fn brackets(&self) -> bool {
        self.lexis.brackets != Brackets::None
    }

    /// Passes over `[…]`.
    pub(super) fn bracketed(&mut self) -> &'t str {
        if self.lexis.brackets == Brackets::Doubling {
            return self.quoted(b']', false);
        }
        let start = self.at + 1;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let Some(length) = memchr(b']', rest) else { return self.unfinished(start) };
        self.at = start + length + 1;
        self.text.get(start..start + length).unwrap_or_default()
    }

    /// Passes over `'''…'''` or `"""…"""`, in which a backslash escapes.
    pub(super) fn triple(&mut self, quote: u8) {
        let mut at = self.at + 3;
        loop {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let Some(found) = memchr2(quote, b'\\', rest).map(|found| at + found) else {
                self.unfinished(self.at);
                return;
            };
            if self.text.as_bytes().get(found..).is_some_and(|rest| rest.starts_with(&[quote; 3])) {
                self.at = found + 3;
                return;
            }
            let escape = self.text.as_bytes().get(found) == Some(&b'\\');
            at = found + if escape { 2 } else { 1 };
        }
    }

    /// Passes over `$$…$$` or `$tag$…$tag$`, where that is what begins here.
    pub(super) fn dollar_quoted(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = match self.lexis.dollars {
            Dollars::None => None,
            Dollars::Plain => rest.starts_with("$$").then_some(2),
            Dollars::Tagged => tag_length(rest),
        };
        let Some(length) = length else { return false };
        let (tag, body) = rest.split_at_checked(length).unwrap_or_default();
        if let Some(end) = memmem::find(body.as_bytes(), tag.as_bytes()) {
            self.at += length + end + length;
        } else {
            self.unfinished(self.at);
        }
        true
    }

    /// Passes over `'[…]'` behind a `q`; any character may stand for the brackets.
    pub(super) fn q_quoted(&mut self) {
        let start = self.at + 1;
        let mut inside = self.text.get(start..).unwrap_or_default().chars();
        let Some(open) = inside.next() else {
            self.unfinished(start);
            return;
        };
        let close = match open {
            '[' => ']',
            '{' => '}',
            '(' => ')',
            '<' => '>',
            same => same,
        };
        let mut end = [0; 5];
        let length = close.encode_utf8(&mut end).len();
        if let Some(quote) = end.get_mut(length) {
            *quote = b'\'';
        }
        let end = end.get(..=length).unwrap_or_default();
        match memmem::find(inside.as_str().as_bytes(), end) {
            Some(found) => self.at = start + open.len_utf8() + found + end.len(),
            None => _ = self.unfinished(start),
        }
    }

    /// Passes over `/* … */`.
    pub(super) fn skip_comment(&mut self, nested: bool) {
        let mut at = self.at + 2;
        let mut open: usize = 1;
        while open > 0 {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let Some(found) = memchr2(b'*', b'/', rest) else {
                self.unfinished(self.at);
                return;
            };
            at += found;
            match rest.get(found..found + 2) {
                Some(b"*/") => {
                    open -= 1;
                    at += 2;
                }
                Some(b"/*") if nested => {
                    open += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        // MySQL goes by the quotes in its hints, even where they hold the end of the comment.
        let comment = self.text.get(self.at..at).unwrap_or_default();
        self.unclear |= comment.starts_with("/*+") && comment.contains(['\'', '"', '`']);
        self.at = at;
    }

    /// What began at `start` does not end: all is inside.
    fn unfinished(&mut self, start: usize) -> &'t str {
        self.at = self.text.len();
        self.unclear = true;
        self.text.get(start..).unwrap_or_default()
    }
}

/// The length of `$tag$` or `$$` at the start of the text.
fn tag_length(text: &str) -> Option<usize> {
    let tag = text.strip_prefix('$')?;
    let end = tag.char_indices().find(|(at, char)| {
        !(char.is_alphabetic() || *char == '_' || !char.is_ascii() || *at > 0 && char.is_ascii_digit())
    });
    end.filter(|(_, char)| *char == '$').map(|(at, _)| at + 2)
}
