//! What a verdict depends on outside the policy and the call.
//!
//! It holds answers and asks nothing of its own. Invariant: two calls judged in the same world by the same
//! policy get the same verdict.

use super::{Claims, Fact, Facts, NoLinks, NothingYet, Past, ResolvePath};

/// The circumstances of one call.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// Who calls.
    pub facts: &'a Facts,
    /// Where paths lead.
    pub links: &'a dyn ResolvePath,
    /// When it was read, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// What happened before.
    pub past: &'a dyn Past,
    /// What the server claims of the tool that is called; `None` where it did not list it.
    pub claims: Option<Claims>,
    /// Whether the tool's definition is another one than those that are pinned, or the tool is new; `None` where the
    /// server did not list it, or it cannot be told what is pinned.
    pub changed: Option<bool>,
}

impl<'a> World<'a> {
    /// A world at the epoch in which only these facts are known and nothing has happened yet.
    pub fn of(facts: &'a Facts) -> Self {
        Self { facts, links: &NoLinks, unix_ms: 0, past: &NothingYet, claims: None, changed: None }
    }

    /// The same world with symbolic links.
    #[must_use]
    pub fn with_links(self, links: &'a dyn ResolvePath) -> Self {
        Self { links, ..self }
    }

    /// The same world after these events.
    #[must_use]
    pub fn with_past(self, past: &'a dyn Past) -> Self {
        Self { past, ..self }
    }

    /// The same world in front of a server that claims this of the tool; `None` where it did not list it.
    #[must_use]
    pub fn with_claims(self, claims: Option<Claims>) -> Self {
        Self { claims, ..self }
    }

    /// The same world where this is known of the tool's definition, see [`Self::changed`].
    #[must_use]
    pub fn with_changed(self, changed: Option<bool>) -> Self {
        Self { changed, ..self }
    }

    /// The same world at this time, milliseconds since the Unix epoch.
    #[must_use]
    pub fn at(self, unix_ms: i64) -> Self {
        Self { unix_ms, ..self }
    }

    /// What is known of a fact that is true or false; `None` where that cannot be told.
    pub(super) fn truth(&self, fact: Fact) -> Option<bool> {
        if fact == Fact::ToolChanged { self.changed } else { self.claims?.says(fact) }
    }
}
