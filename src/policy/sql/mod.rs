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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlKinds {
    /// The kinds.
    pub kinds: Kinds,
    /// How the text is read; `None` reads it as each known server would.
    pub dialect: Option<Dialect>,
}

impl SqlKinds {
    /// Whether a statement of one of these kinds is in the text; `None` where that cannot be told.
    pub fn any(&self, text: &str) -> Option<bool> {
        self.any_in(&Sql::read(text, self.dialect))
    }

    /// Whether the text is one statement or more, all of these kinds; `None` where that cannot be told.
    pub fn only(&self, text: &str) -> Option<bool> {
        self.only_in(&Sql::read(text, self.dialect))
    }

    /// As [`Self::any`], of a text that was read in the dialect.
    pub(super) fn any_in(&self, sql: &Sql) -> Option<bool> {
        sql.agreed(|found| found.any(self.kinds))
    }

    /// As [`Self::only`], of a text that was read in the dialect.
    pub(super) fn only_in(&self, sql: &Sql) -> Option<bool> {
        sql.agreed(|found| found.only(self.kinds))
    }
}

/// A text that was read in each way that a dialect, or all of them, may read it.
#[derive(Debug)]
pub(super) struct Sql(Vec<Found>);

impl Sql {
    /// Reads it.
    pub(super) fn read(text: &str, dialect: Option<Dialect>) -> Self {
        Self(readings(text, dialect).into_iter().map(|lexis| Found::read(text, lexis)).collect())
    }

    /// Whether a text that may be anything is plainly SQL in some reading: more than a first word says so.
    pub(super) fn is_evident(&self) -> bool {
        self.0.iter().any(|found| found.evident)
    }

    /// What all readings say; `None` where they differ.
    fn agreed(&self, ask: impl Fn(&Found) -> Option<bool>) -> Option<bool> {
        let mut answers = self.0.iter().map(ask);
        let first = answers.next().flatten()?;
        answers.all(|answer| answer == Some(first)).then_some(first)
    }
}
