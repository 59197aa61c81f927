//! `rate`: how many calls that a rule matches may pass within a time, and who shares that number.
//!
//! It keeps no count of its own and reads no clock. Invariant: two calls fall under one budget exactly when the
//! rule is the same, word for word, and so is everything that `by` names.

use sha2::{Digest, Sha256};

use super::{Facts, Reach, Rule};

/// The most calls that `max` may name: as many moments are remembered for each budget.
pub const MOST_CALLS: u32 = 100_000;

/// `rate = { max, per, by }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// So many calls pass; the next one within `per` matches.
    pub max: u32,
    /// The sliding window, milliseconds.
    pub per_ms: u64,
    /// Who has a budget of their own; never empty, each once, in the order of [`Share`].
    pub by: Vec<Share>,
}

/// What tells one budget of a rule from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// One run of callgate in front of one server.
    Session,
    /// The agent's key.
    Agent,
    /// The operating system's user.
    User,
    /// The tool, prompt or URI.
    Tool,
    /// The server's name.
    Server,
}

impl Share {
    /// Every word by what it means.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("session", Self::Session),
        ("agent", Self::Agent),
        ("user", Self::User),
        ("tool", Self::Tool),
        ("server", Self::Server),
    ];
}

/// What one call draws on: a rule's rate for those who share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The rule's fingerprint, its rate included.
    pub rule: [u8; 32],
    /// The rule and everything that `by` names, as one hash.
    pub key: [u8; 32],
    /// So many calls pass.
    pub max: u32,
    /// The sliding window, milliseconds.
    pub per_ms: u64,
    /// Who counts along.
    pub reach: Reach,
}

impl Rate {
    /// Whether calls of other processes count: where agents or users share a budget, whatever the session.
    pub fn reach(&self) -> Reach {
        let shared = self.by.iter().any(|share| matches!(share, Share::Agent | Share::User));
        if shared && !self.by.contains(&Share::Session) { Reach::Processes } else { Reach::Session }
    }
}

impl Budget {
    /// The budget of a call that the rule matches. `name` is the call's, in NFC.
    pub(super) fn of(rule: &Rule, rate: &Rate, facts: &Facts, name: &str) -> Self {
        let mut hash = Sha256::new_with_prefix(rule.fingerprint);
        for share in &rate.by {
            let value = match share {
                Share::Session => continue,
                Share::Agent => facts.agent.as_deref(),
                Share::User => facts.user.as_deref(),
                Share::Tool => Some(name),
                Share::Server => facts.server.as_deref(),
            };
            // With its length, so that no two lists of values are one text.
            hash.update(value.map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
            hash.update(value.unwrap_or_default());
        }
        Self {
            rule: rule.fingerprint,
            key: hash.finalize().into(),
            max: rate.max,
            per_ms: rate.per_ms,
            reach: rate.reach(),
        }
    }
}
