//! What the store keeps of a call, before redaction: the store redacts on the way in.
//!
//! Nothing here is ever shown to the agent.

mod alert;
mod notice;
mod policy;
mod question;
mod warning;

use std::sync::Arc;

use crate::policy::{Effect, Grade, Mode};

pub use alert::{Alarm, Recipients, Telling, Topic};
pub use notice::{Notice, NoticeKind};
pub use policy::{Assignment, PolicySource};
pub use question::{Channel, Confirm, Grant, Question, Turn, TurnKind};
pub use warning::{Course, CourseRecord, Shown, WarningRecord};

/// A moment: wall time for people, steady time for durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds since the Unix epoch; may jump when the clock is set.
    pub unix_ms: i64,
    /// Microseconds since this process first asked; never goes back.
    pub steady_us: u64,
}

/// One row of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A governed frame and what became of it.
    Call(CallRecord),
    /// Its second half: how the server answered.
    Completion(Completion),
    /// Calls that were not recorded.
    Gap(Gap),
    /// Something about the session that is worth keeping and is no call.
    Notice(Notice),
    /// Tools that the server listed.
    Tools(Listing),
    /// What other processes are to know of a call; no row of the log.
    Trace(Trace),
    /// A question to people.
    Question(Box<Question>),
    /// What became of one.
    Turn(Turn),
    /// What the agent was told about a call that passed.
    Warning(Box<WarningRecord>),
    /// What it did next.
    Course(CourseRecord),
}

/// A governed frame and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// When it was read, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// Number of the call in its session, from 1. With the session it is what answers call `toolCallId`.
    pub number: u64,
    /// The method; empty for a malformed frame whose method cannot be told.
    pub method: String,
    /// The tool, prompt or URI, not cut.
    pub tool: String,
    /// The arguments as JSON text, not redacted; `None` where absent, or under off.
    pub arguments: Option<Box<str>>,
    /// What the policy said; `None` under off.
    pub verdict: Option<Effect>,
    /// The mode that holds for the row's rule; the base mode where no rule spoke.
    pub mode: Mode,
    /// What happened on the wire.
    pub outcome: Outcome,
    /// The id of the first rule in file order that gives the verdict; `None` for the default and under off.
    pub rule: Option<Arc<str>>,
    /// Every match.
    pub matched: Vec<MatchRecord>,
    /// The reason string.
    pub reason: Option<Arc<str>>,
    /// The revision of the policy; `None` under off.
    pub policy: Option<Arc<str>>,
    /// Ids of the labels that it set.
    pub labels: Vec<Arc<str>>,
    /// Time the evaluation took, microseconds.
    pub eval_us: u64,
    /// The completion, where it is known before the row is written (shadow merges the two).
    pub completion: Option<Completion>,
    /// What people are told should it not merely have passed; `None` where nobody would hear of it.
    pub telling: Option<Box<Telling>>,
}

/// One member of the `matched` column: `{rule, effect, mode, acted}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchRecord {
    /// The rule's id; `default`, `callgate-self` and `malformed` for those that are built in.
    pub rule: Arc<str>,
    /// What it says.
    pub effect: Effect,
    /// The mode that holds for it.
    pub mode: Mode,
    /// Whether it had a part in the outcome.
    pub acted: bool,
}

/// What happened on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The bytes went to the server.
    Forwarded,
    /// The bytes went to the server and a warning was raised.
    Warned,
    /// A refusal went to the client (a call without id: nothing did).
    Blocked,
    /// A person said yes.
    Approved,
    /// A person said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The question lost its call.
    Withdrawn,
    /// Answered, the question still open.
    Pending,
    /// Forwarded without a verdict or a record.
    FailOpen,
    /// Blocked for want of a verdict or a record.
    FailClosed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: &'static [Self] = &[
        Self::Forwarded,
        Self::Warned,
        Self::Blocked,
        Self::Approved,
        Self::Denied,
        Self::Expired,
        Self::Withdrawn,
        Self::Pending,
        Self::FailOpen,
        Self::FailClosed,
    ];

    /// The word in the `outcome` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Warned => "warned",
            Self::Blocked => "blocked",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Pending => "pending",
            Self::FailOpen => "fail_open",
            Self::FailClosed => "fail_closed",
        }
    }
}

/// How the server answered a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The call's number in its session.
    pub number: u64,
    /// How it ended.
    pub status: Status,
    /// From the call's bytes read to the answer's bytes read, microseconds.
    pub latency_us: u64,
    /// Length of the answer's frame, bytes.
    pub result_bytes: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// A result.
    Ok,
    /// A result with `isError: true`.
    ToolError,
    /// A JSON-RPC error.
    RpcError,
    /// The client cancelled it.
    Cancelled,
    /// The session ended first.
    NoReply,
}

impl Status {
    /// Every status.
    pub const ALL: &'static [Self] =
        &[Self::Ok, Self::ToolError, Self::RpcError, Self::Cancelled, Self::NoReply];

    /// The status that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == word)
    }

    /// The word in the `status` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::RpcError => "rpc_error",
            Self::Cancelled => "cancelled",
            Self::NoReply => "no_reply",
        }
    }
}

/// Calls that were not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// When it was noticed, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// How many records are missing.
    pub missing: u64,
    /// Why, in a few words.
    pub why: String,
}

/// Tools that the server listed: the answer to one `tools/list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// When it came, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// Whether the list begins with it.
    pub page: Page,
    /// Whether the list ends with it.
    pub is_last: bool,
    /// The tools, as far as they could be read.
    pub tools: Vec<Listed>,
}

/// A page of a list that may be long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Asked for without a cursor: what was listed before no longer holds.
    First,
    /// Asked for with one: it adds to what was listed before.
    Next,
}

/// One tool of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, not cut.
    pub name: String,
    /// Its definition as JSON text, not redacted.
    pub definition: Box<str>,
}

/// What a call leaves behind for rules that look back, in the processes that share the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The call's number in its session.
    pub number: u64,
    /// The budgets that it drew on.
    pub spendings: Vec<Spending>,
    /// The labels that it set.
    pub marks: Vec<Mark>,
}

impl Trace {
    /// Whether it tells nothing.
    pub fn is_empty(&self) -> bool {
        self.spendings.is_empty() && self.marks.is_empty()
    }
}

/// One call counted in a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The budget's key: a hash.
    pub key: [u8; 32],
    /// In which part of its time, counted from the Unix epoch.
    pub slot: i64,
    /// When nobody will ask for it any more, milliseconds since the Unix epoch.
    pub until_ms: i64,
}

/// One label set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// For whom: `agent:KEY`, or `user:NAME` where no agent is named.
    pub owner: Arc<str>,
    /// The label's id.
    pub label: Arc<str>,
    /// How sure it is.
    pub grade: Grade,
    /// When, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// When it is no longer set, milliseconds since the Unix epoch; `None` for never.
    pub until_ms: Option<i64>,
}

/// Who is at work: one run of the process in front of one server. Written again when more becomes known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionInfo {
    /// Random, 10 characters of Crockford base 32, lower case.
    pub session: String,
    /// When it began, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// The agent's key.
    pub agent: Option<String>,
    /// The operating system's user name.
    pub user: Option<String>,
    /// The operating system's user id.
    pub uid: Option<u32>,
    /// `[identity] groups`.
    pub groups: Vec<String>,
    /// The git remote, without credentials.
    pub repo: Option<String>,
    /// `[identity] environment`.
    pub environment: Option<String>,
    /// `clientInfo.name`, claimed.
    pub client: Option<String>,
    /// `clientInfo.version`, claimed.
    pub client_version: Option<String>,
    /// The server's name.
    pub server: String,
    /// The MCP revision that the two ends speak, once known.
    pub protocol: Option<String>,
    /// The process id of callgate.
    pub pid: u32,
    /// What `{root}` means in this session.
    pub root: Option<String>,
    /// When the process began, in the system's own terms: with its id it names one process for ever.
    pub process: Option<String>,
}
