//! What is kept of questions to people: what was asked, and what became of it.
//!
//! It refuses to hold anything by which an agent could answer. Invariant: a question's id is random and stands in no
//! frame that leaves for a client or a server.

use std::fmt;
use std::sync::Arc;

use super::{Now, Telling};
use crate::policy::{Class, Severity, duration_ms, duration_text};

pub use crate::policy::Channel;

/// A question to people: whether one call may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Random; what `callgate approvals approve` takes.
    pub id: Box<str>,
    /// When it was asked, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// When it closes by itself, milliseconds since the Unix epoch.
    pub until_ms: i64,
    /// The call's number in its session.
    pub number: u64,
    /// Who may use a grant: `agent:KEY` or `session:ID`.
    pub owner: Arc<str>,
    /// The method.
    pub method: String,
    /// The tool, prompt or URI, not cut.
    pub tool: String,
    /// The arguments as JSON text, not redacted.
    pub arguments: Option<Box<str>>,
    /// The id of the acting rule.
    pub rule: Arc<str>,
    /// The reason string.
    pub reason: Arc<str>,
    /// What the rule's author wrote.
    pub why: Option<Arc<str>>,
    /// How bad it would be.
    pub severity: Severity,
    /// What kind of damage it would be.
    pub class: Class,
    /// The revision that asks.
    pub policy: Arc<str>,
    /// What an approval is good for.
    pub grant: Grant,
    /// What an approval asks of whoever gives it.
    pub confirm: Confirm,
    /// Where it may be answered.
    pub channels: Vec<Channel>,
    /// SHA-256 of what an approval is bound to; the store keeps a keyed hash of it.
    pub binding: [u8; 32],
    /// What people are told of it.
    pub telling: Option<Box<Telling>>,
}

/// How long an approval is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Grant {
    /// For one call.
    #[default]
    Once,
    /// For calls like it until the session ends.
    Session,
    /// For calls like it for so many milliseconds.
    For(i64),
}

impl Grant {
    /// The grant that a word stands for: `once`, `session`, or a duration.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "once" => Some(Self::Once),
            "session" => Some(Self::Session),
            duration => duration_ms(duration).filter(|ms| *ms > 0).map(Self::For),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => f.write_str("once"),
            Self::Session => f.write_str("session"),
            Self::For(ms) => f.write_str(&duration_text(ms.unsigned_abs())),
        }
    }
}

/// `[approval] confirm`: what an approval asks of whoever gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confirm {
    /// Nothing.
    #[default]
    None,
    /// To come from an interactive terminal.
    Tty,
}

impl Confirm {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tty => "tty",
        }
    }
}

/// Something that happened to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The question.
    pub question: Box<str>,
    /// When, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// The number of the call that it is about, in the session that writes it.
    pub number: Option<u64>,
    /// What.
    pub kind: TurnKind,
    /// What the person said of it.
    pub reason: Option<String>,
}

impl Turn {
    /// One that a session writes by itself, now.
    pub fn new(question: &str, number: Option<u64>, kind: TurnKind, now: Now) -> Self {
        Self { question: question.into(), unix_ms: now.unix_ms, number, kind, reason: None }
    }
}

/// Kinds of [`Turn`] that a session writes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnKind {
    /// The person in the host said yes.
    ApprovedInHost,
    /// The person in the host said no.
    DeniedInHost,
    /// Its call was answered, and it stays open.
    Pending,
    /// Nobody answered in time.
    Expired,
    /// Its call was taken back, or is gone with its session or its server; or the policy is another one.
    Withdrawn,
    /// Whoever made the call again was told of the no.
    Told,
}

impl TurnKind {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApprovedInHost => "approved",
            Self::DeniedInHost => "denied",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Told => "told",
        }
    }

    /// The channel that it came by, where a person spoke.
    pub fn channel(self) -> Option<Channel> {
        match self {
            Self::ApprovedInHost | Self::DeniedInHost => Some(Channel::Host),
            Self::Pending | Self::Expired | Self::Withdrawn | Self::Told => None,
        }
    }
}
