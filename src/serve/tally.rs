//! How often the face refused, so that a flood is counted and not written out.
//!
//! It refuses to keep anything of a request. Invariant: however many are refused, at most [`MOST_WRITTEN`] and one more
//! are written for each kind in [`WINDOW_US`].

use std::collections::BTreeMap;

/// How many refusals of one kind are told one by one before the rest is only counted.
const MOST_WRITTEN: u32 = 10;
/// For how long, steady microseconds.
const WINDOW_US: u64 = 60_000_000;

/// Refusals of late, by kind.
#[derive(Debug, Default)]
pub(super) struct Tally {
    kinds: BTreeMap<&'static str, Window>,
}

#[derive(Debug, Default)]
struct Window {
    since_us: u64,
    written: u32,
    silent: u64,
}

/// What is to be written of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It itself.
    Whole,
    /// It is counted.
    Counted,
}

impl Tally {
    /// One more.
    pub fn count(&mut self, kind: &'static str, now_us: u64) -> Told {
        let window = self.kinds.entry(kind).or_insert(Window { since_us: now_us, ..Window::default() });
        if window.written < MOST_WRITTEN {
            window.written += 1;
            return Told::Whole;
        }
        window.silent += 1;
        Told::Counted
    }

    /// What was only counted in windows that are over; they begin anew.
    pub fn settle(&mut self, now_us: u64) -> Vec<(&'static str, u64)> {
        let is_over = |window: &Window| now_us.saturating_sub(window.since_us) >= WINDOW_US;
        self.close(is_over)
    }

    /// The same for all, at the end.
    pub fn end(&mut self) -> Vec<(&'static str, u64)> {
        self.close(|_| true)
    }

    fn close(&mut self, is_over: impl Fn(&Window) -> bool) -> Vec<(&'static str, u64)> {
        let mut counted = Vec::new();
        self.kinds.retain(|kind, window| {
            let over = is_over(window);
            if over && window.silent > 0 {
                counted.push((*kind, window.silent));
            }
            !over
        });
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted() {
        let mut tally = Tally::default();
        let whole = (0..1_000).filter(|at| tally.count("host", *at) == Told::Whole).count();
        assert_eq!(whole, 10);
        assert_eq!(tally.count("origin", 1_000), Told::Whole);
        assert_eq!(tally.settle(2_000), []);
        assert_eq!(tally.settle(WINDOW_US), [("host", 990)]);
        assert_eq!(tally.settle(3 * WINDOW_US), []);
        assert_eq!(tally.count("host", 3 * WINDOW_US), Told::Whole);
    }

    #[test]
    fn what_was_counted_is_told_at_the_end() {
        let mut tally = Tally::default();
        for _ in 0..12 {
            tally.count("key", 0);
        }
        assert_eq!(tally.end(), [("key", 2)]);
        assert_eq!(tally.end(), []);
    }
}
