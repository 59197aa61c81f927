//! How much of a line may be read: wrappers and scripts in each other have the same bytes read again and again.
//!
//! It refuses to guess how long reading takes: it counts. Invariant: what is read in all is linear in the line.

use super::word::Word;
use super::{Doubt, Lexed};

/// Of any line so many bytes may be read, however often each.
const BYTES: usize = 64 << 10;
/// Beyond that, each of its bytes may be read so often.
const TIMES: usize = 6;
/// So many words may be told in all.
const WORDS: usize = 64 << 10;

/// What is left to be read.
#[derive(Debug)]
pub(super) struct Fuel {
    bytes: usize,
    words: usize,
}

impl Fuel {
    /// For a line of this length, bytes.
    pub(super) fn of(length: usize) -> Self {
        Self { bytes: BYTES.saturating_add(length.saturating_mul(TIMES)), words: WORDS }
    }

    /// Takes account of bytes that are about to be read. Once there are too many, what runs is in doubt for good.
    pub(super) fn burn(&mut self, bytes: usize) -> Lexed<()> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        if left.is_some() { Ok(()) } else { Err(Doubt::Hidden) }
    }

    /// Takes account of the words of a command.
    pub(super) fn burn_words(&mut self, words: &[Word]) -> Lexed<()> {
        let left = self.words.checked_sub(words.len());
        self.words = left.unwrap_or(0);
        self.burn(words.iter().map(|word| word.text().len() + 1).sum())?;
        if left.is_some() { Ok(()) } else { Err(Doubt::Hidden) }
    }

    /// Whether nothing more may be read.
    pub(super) fn is_out(&self) -> bool {
        self.bytes == 0 || self.words == 0
    }
}
