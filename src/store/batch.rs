//! Completions that come together: those of calls that lie near each other are one row, behind all others.
//!
//! It refuses to touch the database. Invariant: the view `audit` finds a batch by the `seq` of each of its calls: it lies at a
//! [`place`] of their [`span`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Serialize, Serializer};

use super::intake::{Ended, Entry, json};

/// Calls share a batch if their `seq` differs in these bits only.
const SPAN: i64 = 0x7f;
/// Fewer completions in a transaction lie beside their calls: those of the calls of late are on one page, and found at once.
const FEWEST: usize = 4;
/// How far behind the span's first `seq` a batch may lie, as powers of two. The view tries each of them.
const REACH: RangeInclusive<u32> = 5..=14;

/// The completions of one transaction that come together, by the span of their calls.
#[derive(Debug)]
pub(super) struct Batches(BTreeMap<i64, Calls>);

/// How calls ended, by their `seq`; none once they are written.
#[derive(Debug, Default)]
struct Calls(Vec<(i64, Ended)>);

impl Serialize for Calls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(call, ended)| (call, ended)))
    }
}

/// Where a completion goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Beside its call.
    Alone,
    /// Into a new row with this `seq` and this note.
    Batch(i64, String),
    /// It is in a row already.
    Gone,
}

impl Batches {
    /// Of what waits to be written.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut spans: BTreeMap<i64, Calls> = BTreeMap::new();
        for (call, ended) in entries.iter().filter_map(Entry::completed) {
            spans.entry(span(call)).or_default().0.push((call, ended));
        }
        let all: usize = spans.values().map(|calls| calls.0.len()).sum();
        Self(if all < FEWEST { BTreeMap::new() } else { spans })
    }

    /// Where the completion of `call` goes, if `last` is the last `seq` that was given.
    pub(super) fn way(&mut self, call: i64, last: i64) -> Way {
        let Some(calls) = self.0.get_mut(&span(call)) else { return Way::Alone };
        if calls.0.is_empty() {
            return Way::Gone;
        }
        if let Some(place) = place(span(call), last) {
            return Way::Batch(place, json(&std::mem::take(calls)));
        }
        self.0.remove(&span(call));
        Way::Alone
    }
}

/// The first `seq` of the span that `call` belongs to.
fn span(call: i64) -> i64 {
    call & !SPAN
}

/// Where a batch of a span goes: behind all that is, and not into the place that is kept beside the last call. `None` where
/// the view would not find it.
fn place(span: i64, last: i64) -> Option<i64> {
    REACH.map(|power| span + (1 << power) + 1).find(|place| *place > last + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_batch_lies_behind_everything_and_beside_no_call(call in 1_i64..1 << 40, after in 0_i64..1 << 16) {
            let last = call + after;
            match place(span(call), last) {
                Some(place) => prop_assert!(place > last + 1 && place & 1 == 1),
                None => prop_assert!(after > 16_000),
            }
        }
    }
}
