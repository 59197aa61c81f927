//! Calls that wait for people: which there are, when each is due, and what they may go through by.
//!
//! It refuses to rule, and to know a clock. Invariant: a call is held once, its bytes are kept as they came, and what is
//! held is bounded in number and bytes.

use std::collections::BTreeSet;

use crate::record::{Channel, Confirm, Grant};

/// `[approval]`, as a session needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// After so long a question closes, milliseconds.
    pub timeout_ms: i64,
    /// So long a call waits that its client cannot be kept waiting for, milliseconds.
    pub patience_ms: i64,
    /// What then becomes of its call.
    pub on_timeout: OnTimeout,
    /// What an approval asks of whoever gives it.
    pub confirm: Confirm,
    /// What an approval is good for, where nobody says otherwise.
    pub grant: Grant,
    /// Where questions may be answered.
    pub channels: Vec<Channel>,
    /// Agents whose hosts may ask the person at hand.
    pub host_agents: BTreeSet<String>,
}

impl Default for Approval {
    fn default() -> Self {
        Self {
            timeout_ms: 600_000,
            patience_ms: 45_000,
            on_timeout: OnTimeout::Deny,
            confirm: Confirm::None,
            grant: Grant::Once,
            channels: vec![Channel::Local],
            host_agents: BTreeSet::new(),
        }
    }
}

/// `[approval] on_timeout`: what becomes of a call about which nobody rules, or can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTimeout {
    /// It is refused.
    #[default]
    Deny,
    /// It passes.
    Allow,
}

/// A person's word on a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The question.
    pub question: Box<str>,
    /// Whether it is a yes.
    pub approves: bool,
    /// What they said of it.
    pub said: Option<String>,
}

/// A call like which there may have been a question.
#[derive(Debug, Clone, Copy)]
pub struct Like<'a> {
    /// SHA-256 of what an approval is bound to.
    pub binding: &'a [u8; 32],
    /// Who asks: `agent:KEY` or `session:ID`.
    pub owner: &'a str,
    /// The revision of the policy.
    pub policy: &'a str,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What there is of questions like it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Earlier {
    /// Nothing that helps.
    #[default]
    Nothing,
    /// One is open.
    Open {
        /// Which.
        question: Box<str>,
        /// When it closes, milliseconds since the Unix epoch.
        until_ms: i64,
    },
    /// One was approved, and a call may go through by it.
    Granted {
        /// Which.
        question: Box<str>,
    },
}

/// Whether a call went through by an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It did.
    Yes,
    /// There is none any more.
    No,
}
