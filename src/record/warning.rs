//! What is kept of warnings: that the agent was told, and what it did next.
//!
//! It refuses to keep what was said: that follows from rule and policy. Invariant: a warning has one consequence at most.

use std::sync::Arc;

use crate::policy::{Effect, Severity};

/// A warning about one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarningRecord {
    /// When it was told, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// The call's number in its session.
    pub number: u64,
    /// The acting rule's id.
    pub rule: Arc<str>,
    /// What the rule says.
    pub effect: Effect,
    /// How bad it is.
    pub severity: Severity,
    /// Of rule, tool and the names of the arguments.
    pub shape: [u8; 32],
    /// How the agent was told.
    pub shown: Shown,
}

/// How an agent was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// By a text at the end of the call's result.
    Result,
    /// By `notifications/message` alone.
    Notification,
    /// Not at all: its answer had no place for it, and the server does not log.
    Nowhere,
}

impl Shown {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Notification => "notification",
            Self::Nowhere => "nowhere",
        }
    }
}

/// What came after a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseRecord {
    /// When, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// The number of the call that was warned about.
    pub of: u64,
    /// The number of the next call; `None` where there was none.
    pub next: Option<u64>,
    /// What that was.
    pub course: Course,
    /// What the policy said of it.
    pub verdict: Option<Effect>,
}

/// What an agent does after a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Something else.
    Changed,
    /// The same again: the rule warned about the same tool with the same arguments' names.
    Repeated,
    /// Nothing more.
    Stopped,
}

impl Course {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Repeated => "repeated",
            Self::Stopped => "stopped",
        }
    }
}
