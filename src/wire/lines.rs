//! The newline codec of stdio: cuts a stream into lines, bounded in memory.
//!
//! It splits on `\n` and on nothing else (MCP, stdio transport). It remembers how much of an unfinished line
//! has already been forwarded, so that the gate can close in the middle of one.
//!
//! Invariant: every byte fed is in exactly one line, or in the unfinished rest.

use memchr::memchr;

/// Room that a buffer may keep once its line is done; larger ones are given back.
const KEPT_CAPACITY: usize = 256 * 1024;

/// Collects one direction of a stream into lines.
#[derive(Debug)]
pub struct Lines {
    partial: Vec<u8>,
    length: usize,
    ahead: usize,
    limit: usize,
}

/// One line with its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes, `\n` included; only the first `limit` of them where the line is too long.
    pub bytes: &'a [u8],
    /// Whether it is longer than the limit, so that `bytes` is not the whole.
    pub too_long: bool,
    /// How many of its first bytes were forwarded before it was complete.
    pub ahead: usize,
}

impl<'a> Line<'a> {
    /// The line without its newline: what is judged.
    pub fn content(&self) -> &'a [u8] {
        self.bytes.strip_suffix(b"\n").unwrap_or(self.bytes)
    }
}

impl Lines {
    /// Lines whose content is longer than `limit` bytes are cut, and say so.
    pub fn new(limit: usize) -> Self {
        Self { partial: Vec::new(), length: 0, ahead: 0, limit }
    }

    /// Changes the limit for lines that are not complete yet.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes the next bytes of the stream and hands over each line that they complete.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = chunk;
        while let Some(at) = memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(at + 1);
            if self.length == 0 && at <= self.limit {
                each(Line { bytes: head, too_long: false, ahead: 0 });
            } else {
                self.keep(head);
                self.finish(&mut each);
            }
            rest = tail;
        }
        self.keep(rest);
    }

    /// Says that everything fed so far has been forwarded.
    pub fn mark_forwarded(&mut self) {
        self.ahead = self.length;
    }

    /// The bytes of the unfinished line that have not been forwarded.
    pub fn withheld(&self) -> &[u8] {
        self.partial.get(self.ahead..).unwrap_or_default()
    }

    /// Whether bytes of the unfinished line have neither been forwarded nor kept.
    pub fn has_gap(&self) -> bool {
        self.length > self.partial.len().max(self.ahead)
    }

    /// Whether a part of an unfinished line has been forwarded: what is written now would stand inside it.
    pub fn is_ahead(&self) -> bool {
        self.ahead > 0
    }

    /// Whether a line has begun and not ended.
    pub fn is_unfinished(&self) -> bool {
        self.length > 0
    }

    /// Ends the stream: the unfinished rest, if there is one.
    pub fn end(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.is_unfinished() {
            self.finish(&mut each);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        // One byte more than the limit: the newline of a line that just fits.
        let room = (self.limit + 1).saturating_sub(self.partial.len()).min(bytes.len());
        self.partial.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn finish(&mut self, each: &mut impl FnMut(Line<'_>)) {
        let too_long = self.length > self.partial.len()
            || self.partial.len() > self.limit && !self.partial.ends_with(b"\n");
        each(Line { bytes: &self.partial, too_long, ahead: self.ahead });
        self.length = 0;
        self.ahead = 0;
        self.partial.clear();
        self.partial.shrink_to(KEPT_CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::Lines;

    fn cut(limit: usize, chunks: &[&[u8]]) -> (Vec<(Vec<u8>, bool)>, Vec<u8>) {
        let mut lines = Lines::new(limit);
        let mut out = Vec::new();
        for chunk in chunks {
            lines.feed(chunk, |line| out.push((line.bytes.to_vec(), line.too_long)));
        }
        (out, lines.withheld().to_vec())
    }

    #[test]
    fn only_a_newline_ends_a_line() {
        let (lines, rest) = cut(100, &[b"a\rb\x0b\n\xe2\x80\xa8c\n", b"d"]);
        assert_eq!(lines, [(b"a\rb\x0b\n".to_vec(), false), ("\u{2028}c\n".as_bytes().to_vec(), false)]);
        assert_eq!(rest, b"d");
    }

    #[test]
    fn a_line_of_the_limit_passes_and_one_byte_more_is_cut() {
        assert_eq!(cut(3, &[b"abc\n"]).0, [(b"abc\n".to_vec(), false)]);
        assert_eq!(cut(3, &[b"ab", b"c\n"]).0, [(b"abc\n".to_vec(), false)]);
        assert_eq!(cut(3, &[b"abcd\nef\n"]).0, [(b"abcd".to_vec(), true), (b"ef\n".to_vec(), false)]);
        assert_eq!(cut(3, &[b"ab", b"cd", b"efgh\n"]).0, [(b"abcd".to_vec(), true)]);
    }

    #[test]
    fn an_endless_line_keeps_memory_bounded() {
        let mut lines = Lines::new(1000);
        for _ in 0..10_000 {
            lines.feed(&[b'x'; 100], |_| panic!("no line ended"));
        }
        assert!(lines.partial.capacity() < 4096);
    }

    #[test]
    fn a_line_knows_how_much_of_it_went_ahead() {
        let mut lines = Lines::new(100);
        lines.feed(b"abc", |_| ());
        lines.mark_forwarded();
        lines.feed(b"de", |_| ());
        assert_eq!(lines.withheld(), b"de");
        let mut seen = Vec::new();
        lines.feed(b"f\ng\n", |line| seen.push((line.bytes.to_vec(), line.ahead)));
        assert_eq!(seen, [(b"abcdef\n".to_vec(), 3), (b"g\n".to_vec(), 0)]);
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(
            bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\xff".to_vec()), 0..200),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            limit in 1..40_usize,
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            assert_eq!(cut(limit, &[&bytes]), cut(limit, &chunks));
        }

        #[test]
        fn no_byte_is_lost(bytes in prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..200)) {
            let (lines, rest) = cut(1000, &[&bytes]);
            let all: Vec<u8> = lines.into_iter().flat_map(|(line, _)| line).chain(rest).collect();
            assert_eq!(all, bytes);
        }
    }
}
