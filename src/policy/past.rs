//! What happened before a call, as far as rules look back, and what the call leaves behind for later ones.
//!
//! It refuses to remember anything: it only says what is asked and answered. Invariant: what cannot be told is
//! never an exemption and never a permission.

use super::matcher::Polarity;
use super::{Budget, Label};

/// Answers what rules ask of earlier calls. The pure rooms only know this trait.
pub trait Past {
    /// Whether as many calls as the budget has were counted in it within its window, before this one. Where it
    /// cannot be told: yes.
    fn is_spent(&self, budget: &Budget) -> bool;
    /// Whether a label is set.
    fn marked(&self, label: &Label) -> Marked;
}

/// What is known of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// It was not set, or its time is over.
    No,
    /// A call that may be what the label speaks of left for the server.
    Possibly,
    /// What it speaks of has happened.
    Surely,
    /// What happened cannot be told.
    Unknown,
}

impl Marked {
    /// Whether a condition "this label is set" holds, by which way doubt goes.
    pub(super) fn holds(self, polarity: Polarity) -> bool {
        match polarity {
            Polarity::Restrictive => self != Self::No,
            Polarity::Permissive => self == Self::Surely,
        }
    }
}

/// What a judged call leaves behind for rules that look back. Empty where the policy has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// The budgets that it draws on, whatever becomes of it; each once.
    pub spends: Vec<Budget>,
    /// The labels that it sets if it leaves for the server.
    pub labels: Vec<Setting>,
}

impl Traces {
    /// Whether it leaves nothing.
    pub fn is_empty(&self) -> bool {
        self.spends.is_empty() && self.labels.is_empty()
    }
}

/// A label that a call sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its index in [`super::Policy::labels`].
    pub label: usize,
    /// How sure it is that the call is what the label speaks of.
    pub grade: Grade,
}

/// How sure it is that something happened, less sure first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// It may be: doubt counted as a match.
    Possibly,
    /// It is: no doubt was in it.
    Surely,
}

/// A past without events: before the first call, and for questions about calls that nobody makes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingYet;

impl Past for NothingYet {
    fn is_spent(&self, _budget: &Budget) -> bool {
        false
    }

    fn marked(&self, _label: &Label) -> Marked {
        Marked::No
    }
}
