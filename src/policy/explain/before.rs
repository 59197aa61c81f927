//! What came before a call, as far as whoever asks knows it.
//!
//! It remembers nothing itself. Invariant: what is not known is never taken for something that did not happen.

use std::collections::BTreeMap;

use super::Holds;
use crate::policy::matcher::Polarity;
use crate::policy::{Budget, Label, Marked, Past};

/// What rules that look back can be told.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Labels by their ids. One that is not here is not set.
    pub labels: BTreeMap<String, Mark>,
    /// How many calls like it each budget has seen; `None` where nobody knows.
    pub calls: Option<u32>,
    /// Whether rules matched the call when it came, by their index: those of which it is known.
    pub matched: BTreeMap<usize, bool>,
}

/// What is known of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whether it is set.
    pub set: Set,
    /// What set it, fit to be shown; empty where there is nothing to say.
    pub by: String,
}

/// Whether a label is set, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// It is not.
    No,
    /// Possibly: a call that may be what it speaks of left for the server.
    Possibly,
    /// It is; whether surely or possibly nobody knows.
    Somehow,
    /// Surely.
    Surely,
    /// Nobody knows.
    Unknown,
}

impl Before {
    /// What is given by hand: these labels are surely set, and so many calls were counted.
    pub fn given(labels: &[String], calls: Option<u32>) -> Self {
        let mark = |id: &String| (id.clone(), Mark { set: Set::Surely, by: String::new() });
        Self { labels: labels.iter().map(mark).collect(), calls, matched: BTreeMap::new() }
    }

    /// What is known of a label.
    pub(super) fn set(&self, label: &Label) -> Set {
        self.labels.get(&*label.id).map_or(Set::No, |mark| mark.set)
    }
}

impl Set {
    /// Whether a condition "this label is set" holds, by which way doubt goes.
    pub(super) fn holds(self, polarity: Polarity) -> Holds {
        match (self, polarity) {
            (Self::Unknown, _) | (Self::Somehow, Polarity::Permissive) => Holds::Unknown,
            (Self::No, _) | (Self::Possibly, Polarity::Permissive) => Holds::No,
            (Self::Possibly | Self::Somehow, Polarity::Restrictive) | (Self::Surely, _) => Holds::Yes,
        }
    }
}

/// For questions that want one answer: what nobody knows of budgets counts as nothing spent.
impl Past for Before {
    fn is_spent(&self, budget: &Budget) -> bool {
        self.calls.is_some_and(|calls| calls >= budget.max)
    }

    fn marked(&self, label: &Label) -> Marked {
        match self.set(label) {
            Set::No => Marked::No,
            Set::Possibly => Marked::Possibly,
            Set::Somehow | Set::Surely => Marked::Surely,
            Set::Unknown => Marked::Unknown,
        }
    }
}
