//! SQL as a gate needs to see it: which kinds of statement a text holds.
//!
//! It builds no tree and calls itself on nothing, so that no text makes it slow or large; it never says that a query
//! is right, only what kinds of statement are in it. What is in doubt, because servers read it differently or
//! because code stands in code, stays in doubt. Invariant: what one of the known servers would run as a statement
//! is never overlooked in a reading that is clear.

mod context;
mod dialect;
mod effect;
mod kind;
mod lexer;
mod quote;
mod stacked;
mod statement;
#[cfg(test)]
mod tests;
mod word;

pub use dialect::Dialect;
pub use kind::Kinds;

use self::dialect::readings;
use self::statement::Found;

/// Kinds of statement that a rule names, and whose SQL it speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlKinds {
    /// The kinds.
    pub kinds: Kinds,
    /// How the text is read; `None` reads it as each known server would.
    pub dialect: Option<Dialect>,
}

impl SqlKinds {
    /// Whether a statement of one of these kinds is in the text; `None` where that cannot be told.
    pub fn any(&self, text: &str) -> Option<bool> {
        self.agreed(text, |found| found.any(self.kinds))
    }

    /// Whether the text is one statement or more, all of these kinds; `None` where that cannot be told.
    pub fn only(&self, text: &str) -> Option<bool> {
        self.agreed(text, |found| found.only(self.kinds))
    }

    /// Whether a text that may be anything is plainly SQL in some reading: more than a first word says so.
    pub(super) fn is_evident(&self, text: &str) -> bool {
        readings(text, self.dialect).into_iter().any(|lexis| Found::read(text, lexis).evident)
    }

    /// What all readings say; `None` where they differ.
    fn agreed(&self, text: &str, ask: impl Fn(&Found) -> Option<bool>) -> Option<bool> {
        let mut answers =
            readings(text, self.dialect).into_iter().map(|lexis| ask(&Found::read(text, lexis)));
        let first = answers.next().flatten()?;
        answers.all(|answer| answer == Some(first)).then_some(first)
    }
}
