//! Calls without completion, and where their rows are.
//!
//! It refuses to remember more than can be in flight. Invariant: what is forgotten is only a completion that will find
//! nobody.

use std::collections::VecDeque;

/// How many calls without completion are remembered: as many as can be in flight.
const OPEN_CALLS: usize = crate::guard::MOST_IN_FLIGHT;

/// Where a call without completion is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spot {
    /// At this index of [`Ledger::pending`].
    Pending(usize),
    /// In the file, under this `seq`.
    Stored(i64),
}

/// Calls without completion, by number. Numbers grow by one, so that a ring finds them without a search.
#[derive(Debug, Default)]
pub(super) struct OpenCalls {
    /// The number of the first spot.
    first: u64,
    spots: VecDeque<Option<Spot>>,
}

impl OpenCalls {
    /// A call that has begun.
    pub(super) fn insert(&mut self, number: u64, spot: Spot) {
        if self.spots.is_empty() {
            self.first = number;
        }
        // What someone waits for is written ahead of what is queued, so an earlier call may come after a later one.
        while number < self.first && self.spots.len() < OPEN_CALLS {
            self.spots.push_front(None);
            self.first -= 1;
        }
        let Some(index) = self.index(number) else { return };
        if index >= self.spots.len() + OPEN_CALLS {
            self.spots.clear();
            return self.insert(number, spot);
        }
        self.spots.resize(self.spots.len().max(index + 1), None);
        if let Some(place) = self.spots.get_mut(index) {
            *place = Some(spot);
        }
        while self.spots.len() > OPEN_CALLS {
            self.drop_first();
        }
    }

    /// It has ended: where it is.
    pub(super) fn remove(&mut self, number: u64) -> Option<Spot> {
        let spot = self.index(number).and_then(|index| self.spots.get_mut(index)?.take());
        while matches!(self.spots.front(), Some(None)) {
            self.drop_first();
        }
        spot
    }

    /// Where it is.
    pub(super) fn spot(&mut self, number: u64) -> Option<&mut Spot> {
        self.index(number).and_then(|index| self.spots.get_mut(index)?.as_mut())
    }

    /// Forgets the calls that were to be written at `length` or later.
    pub(super) fn forget_pending(&mut self, length: usize) {
        for spot in &mut self.spots {
            *spot = spot.filter(|spot| !matches!(spot, Spot::Pending(index) if *index >= length));
        }
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    fn drop_first(&mut self) {
        self.spots.pop_front();
        self.first += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_call_that_comes_after_a_later_one_can_be_completed_too() {
        let mut open = OpenCalls::default();
        for number in [7, 5, 6] {
            open.insert(number, Spot::Stored(i64::try_from(number).unwrap()));
        }
        for number in [6, 7, 5] {
            assert!(matches!(open.remove(number), Some(Spot::Stored(seq)) if seq.unsigned_abs() == number));
            assert!(open.remove(number).is_none());
        }
    }
}
