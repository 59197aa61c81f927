//! What people are told of a call, and of callgate itself.
//!
//! It refuses argument values: names, rules and words for what happened are all there is. Invariant: nothing alerts that
//! only passed, or that was only seen.

use std::sync::Arc;

use super::{CallRecord, Outcome};
use crate::policy::{Mode, Severity};

/// Who hears of something: names of destinations.
pub type Recipients = Arc<[Arc<str>]>;

/// What an alert about a call says beside its record; decided with the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// Who hears of it.
    pub to: Recipients,
    /// The severity of the acting rule.
    pub severity: Severity,
    /// The id of the acting rule.
    pub rule: Arc<str>,
    /// The mode that holds for it.
    pub mode: Mode,
    /// The reason string of the acting rule; `None` where the record's own says it.
    pub reason: Option<Arc<str>>,
    /// What the rule's author wrote.
    pub why: Option<Arc<str>>,
    /// The same within this time is one alert. Milliseconds.
    pub repeat_ms: i64,
}

impl CallRecord {
    /// What people are told of it, where there is anything to tell. Asked of the record as it is written: until then its
    /// outcome may change.
    pub fn alert(&self) -> Option<&Telling> {
        match self.outcome {
            Outcome::Forwarded | Outcome::Withdrawn => None,
            Outcome::Warned
            | Outcome::Blocked
            | Outcome::Approved
            | Outcome::Denied
            | Outcome::Expired
            | Outcome::Pending
            | Outcome::FailOpen
            | Outcome::FailClosed => self.telling.as_deref().filter(|telling| !telling.to.is_empty()),
        }
    }
}

/// Something about callgate itself that people must hear of, in every mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// When, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// What kind.
    pub topic: Topic,
    /// A sentence; no argument values.
    pub text: String,
    /// Who hears of it.
    pub to: Recipients,
}

/// Kinds of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A call.
    Call,
    /// A call waits for a person.
    ApprovalAsked,
    /// A new revision was refused; the last good one stays.
    PolicyRefused,
    /// Somebody is under a weaker mode than before.
    ModeLowered,
    /// The audit store cannot be written.
    StoreFailing,
    /// It can be again, or what had waited is in it.
    StoreRecovered,
    /// The audit store was changed by something else.
    ChainBroken,
    /// `callgate alerts test`.
    Test,
}

impl Topic {
    /// The word in the store and in what is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::ApprovalAsked => "approval_asked",
            Self::PolicyRefused => "policy_refused",
            Self::ModeLowered => "mode_lowered",
            Self::StoreFailing => "store_failing",
            Self::StoreRecovered => "store_recovered",
            Self::ChainBroken => "chain_broken",
            Self::Test => "test",
        }
    }

    /// How bad it is, where no rule says so.
    pub fn severity(self) -> Severity {
        match self {
            Self::StoreRecovered | Self::Test => Severity::Low,
            Self::Call | Self::ApprovalAsked => Severity::Medium,
            Self::PolicyRefused | Self::ModeLowered => Severity::High,
            Self::StoreFailing | Self::ChainBroken => Severity::Critical,
        }
    }
}
