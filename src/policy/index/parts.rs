//! Owners by a piece of text that must stand in theirs: one pass over a text finds those of all pieces.
//!
//! Case of ASCII letters is not looked at, which finds too many at worst. Invariant: the work is linear in the text
//! and the number of owners, whatever either holds.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::Map;

/// Numbers (of rules or of groups) by a piece of text.
#[derive(Debug, Default)]
pub(super) struct Parts {
    searcher: Option<AhoCorasick>,
    /// By the number of the piece.
    owners: Vec<Vec<u32>>,
}

impl Parts {
    /// Pieces are in lower case as far as they are ASCII.
    pub(super) fn new(owners: Map<Vec<u8>, Vec<u32>>) -> Self {
        let (pieces, owners): (Vec<Vec<u8>>, Vec<Vec<u32>>) = owners.into_iter().unzip();
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
        let searcher = if pieces.is_empty() { None } else { builder.build(pieces).ok() };
        Self { searcher, owners }
    }

    /// Adds the owners of every piece that stands in the text, some more than once.
    pub(super) fn find(&self, text: &str, found: &mut Vec<u32>) {
        if self.owners.is_empty() {
            return;
        }
        let pieces =
            self.searcher.as_ref().and_then(|searcher| searcher.try_find_overlapping_iter(text).ok());
        let Some(pieces) = pieces else { return self.all(found) };
        let most = 2 * text.len() + 4 * self.owners.len();
        let mut hit: Vec<usize> = Vec::new();
        for (at, piece) in pieces.enumerate() {
            // Pieces that hold each other, in a text made for them, come up more often than owners could be asked.
            if at > most {
                return self.all(found);
            }
            if hit.last() != Some(&piece.pattern().as_usize()) {
                hit.push(piece.pattern().as_usize());
            }
        }
        hit.sort_unstable();
        hit.dedup();
        found.extend(hit.into_iter().filter_map(|piece| self.owners.get(piece)).flatten());
    }

    fn all(&self, found: &mut Vec<u32>) {
        found.extend(self.owners.iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&str], text: &str) -> Vec<u32> {
        let owners = (0..).zip(pieces).map(|(number, piece)| (piece.as_bytes().to_vec(), vec![number]));
        let mut found = Vec::new();
        Parts::new(owners.collect()).find(text, &mut found);
        found.sort_unstable();
        found
    }

    #[test]
    fn every_piece_that_stands_in_the_text_is_found_in_any_case() {
        assert_eq!(found(&["ab", "b", "cab", "x"], "CAB"), [0, 1, 2]);
        assert!(found(&[], "CAB").is_empty());
    }

    #[test]
    fn pieces_that_hold_each_other_cost_no_more_than_all() {
        let pieces: Vec<String> = (1..500).map(|length| "a".repeat(length)).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        assert_eq!(found(&pieces, &"a".repeat(100_000)).len(), 499);
    }
}
