//! A call that waits for people: how they are asked, what is heard of it, and what it may go through by.
//!
//! It refuses to rule, and to know a clock. Invariant: its bytes are kept as they came.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::policy::Budget;
use crate::record::{Channel, Confirm, Grant, Now};
use crate::wire::IdKey;

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

/// What is heard of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The question.
    pub question: Box<str>,
    /// What.
    pub heard: Heard,
    /// What they said of it.
    pub said: Option<String>,
}

/// What is heard of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A person said yes.
    Yes,
    /// A person said no.
    No,
    /// Another session took it back: who still waits has to ask.
    TakenBack,
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
    /// A person denied one after its call was answered: whoever makes the call again has yet to be told.
    Denied {
        /// Which.
        question: Box<str>,
        /// What they said of it.
        said: Option<String>,
    },
}

/// Whether a call went through by an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It did.
    Yes,
    /// There is none any more.
    No,
    /// A person has denied it: their word is on its way, and says why.
    Denied,
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Hold {
    /// Its number in the session.
    pub number: u64,
    /// Its line as it came, newline included.
    pub line: Vec<u8>,
    /// Its id.
    pub id: IdKey,
    /// What people are asked.
    pub question: Box<str>,
    /// Whether an earlier call asked it.
    pub joined: bool,
    /// What an approval of it is bound to.
    pub binding: [u8; 32],
    /// The revision that asks.
    pub policy: Arc<str>,
    /// Why it asks, in words for people.
    pub why: Box<str>,
    /// When it was read.
    pub since: Now,
    /// The budgets that it drew on, and which were spent.
    pub spends: Vec<(Budget, bool)>,
    /// When the question closes, steady microseconds.
    pub closes_us: u64,
    /// When its client has to be answered, steady microseconds; later than `closes_us` where it can be kept waiting.
    pub answer_us: u64,
    /// How its client is kept waiting.
    pub progress: Option<Progress>,
    /// What is to be said to the host, and its answer waited for.
    pub in_host: InHost,
}

/// What a client is told while it waits.
#[derive(Debug)]
pub(super) struct Progress {
    /// Its token as it was spelled.
    pub token: Box<str>,
    /// How often it was told.
    pub told: u32,
    /// When it is told next, steady microseconds.
    pub next_us: u64,
}

/// Whether the person in the host is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InHost {
    /// Not.
    No,
    /// As soon as the question is in the store.
    Due,
    /// It is, under this id.
    Asked(IdKey),
}

impl Hold {
    /// When something is next to be done about it, steady microseconds.
    pub fn due_us(&self) -> u64 {
        if self.in_host == InHost::Due {
            return 0;
        }
        let told = self.progress.as_ref().map_or(u64::MAX, |progress| progress.next_us);
        self.closes_us.min(self.answer_us).min(told)
    }
}
