//! The frame that says no, in words that are enough by themselves: some hosts show the model nothing but
//! `message`, and two SDKs use the same code for timeouts.
//!
//! Invariant: no argument value is in it, and nothing that would help a call past the gate.

use serde::Serialize;

use crate::policy::Mode;
use crate::wire::{Fault, refusal, shown_within, tool_result};

/// The code of every refusal that is no fault of the frame: the product's contract, taken from the range that
/// JSON-RPC 2.0 (section 5.1) leaves to servers.
pub const REFUSED: i32 = -32001;
/// JSON-RPC 2.0, internal error: what `fail_mode = "error"` answers.
const INTERNAL: i32 = -32603;
/// How much of what a person says is passed on, characters.
const SAID: usize = 500;

/// Why a frame is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A rule or the default denies it.
    Denied,
    /// It needs a person, and none can be asked.
    ApprovalUnavailable,
    /// A person said no.
    ApprovalDenied,
    /// Nobody ruled in time.
    ApprovalExpired,
    /// Nobody has ruled yet, and the client could not be kept waiting.
    ApprovalPending,
    /// The server ended while people were asked.
    ApprovalWithdrawn,
    /// It has no single meaning.
    Malformed(Fault),
    /// It came in one batch with a call that is refused.
    Batch,
    /// It could not be judged or recorded, and `fail_mode` is `closed`.
    FailClosed,
    /// It could not be judged or recorded, and `fail_mode` is `error`.
    GuardError,
    /// The server ended before it answered.
    ServerExited,
}

impl Cause {
    /// `data.type`
    fn word(self) -> &'static str {
        match self {
            Self::Denied | Self::Batch => "policy_denied",
            Self::ApprovalUnavailable => "approval_unavailable",
            Self::ApprovalDenied => "approval_denied",
            Self::ApprovalExpired => "approval_expired",
            Self::ApprovalPending => "approval_pending",
            Self::Malformed(_) => "malformed_frame",
            Self::FailClosed => "fail_closed",
            Self::GuardError => "guard_error",
            Self::ServerExited | Self::ApprovalWithdrawn => "server_exited",
        }
    }

    fn code(self) -> i32 {
        match self {
            Self::Malformed(fault) => fault.code(),
            Self::GuardError => INTERNAL,
            Self::Denied
            | Self::ApprovalUnavailable
            | Self::ApprovalDenied
            | Self::ApprovalExpired
            | Self::ApprovalPending
            | Self::ApprovalWithdrawn
            | Self::Batch
            | Self::FailClosed
            | Self::ServerExited => REFUSED,
        }
    }

    fn decision(self) -> &'static str {
        match self {
            Self::ApprovalUnavailable | Self::ApprovalPending | Self::ApprovalWithdrawn => "require_approval",
            Self::Denied
            | Self::ApprovalDenied
            | Self::ApprovalExpired
            | Self::Malformed(_)
            | Self::Batch
            | Self::FailClosed
            | Self::GuardError
            | Self::ServerExited => "deny",
        }
    }

    /// What the client may do about it, in a sentence; `None` for what every refusal says.
    fn advice(self) -> Option<&'static str> {
        (self == Self::ApprovalPending).then_some(
            "The tool was not run; not a timeout. Go on with something else; once a person has approved it, the same \
             call made again will run.",
        )
    }
}

/// What is refused, and so whom the refusal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A request of the client: it learns it.
    Call,
    /// A request of the server: it learns it.
    Asked,
    /// What an answer of the server asks: the client learns it instead of the answer.
    Within,
}

impl About {
    /// What came of it, in a sentence.
    fn closing(self) -> &'static str {
        match self {
            Self::Call => "The tool was not run; not a timeout, do not retry.",
            Self::Asked => "The client was not asked; not a timeout, do not retry.",
            Self::Within => {
                "The server's answer was kept back; what was done until then is not known, do not retry."
            }
        }
    }
}

/// Everything that a refusal tells.
#[derive(Debug, Clone)]
pub struct Refusal<'a> {
    /// What is refused.
    pub about: About,
    /// Why.
    pub cause: Cause,
    /// The reason string.
    pub reason: &'a str,
    /// What the rule's author wrote for the reader.
    pub explanation: Option<&'a str>,
    /// What a person said who denied it.
    pub said: Option<&'a str>,
    /// The acting rule.
    pub rule_id: Option<&'a str>,
    /// The revision.
    pub policy_id: Option<&'a str>,
    /// The row in the audit store, where there is one.
    pub tool_call_id: Option<&'a str>,
    /// The mode that acts.
    pub mode: Mode,
}

/// `block_response`: how refusals of tool calls travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockResponse {
    /// A JSON-RPC error, -32001.
    #[default]
    Error,
    /// A result with `isError: true`.
    ToolResult,
}

/// How one refusal travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A JSON-RPC error.
    Error,
    /// A tool result with `isError: true`, as servers of 2024-11-05 to 2025-11-25 write it.
    ToolResult,
    /// The same with `resultType`, which 2026-07-28 requires.
    ModernToolResult,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    r#type: &'static str,
    /// `null` where nobody knows.
    executed: Option<bool>,
    retryable: bool,
    decision: &'static str,
    reason: &'a str,
    rule_id: Option<&'a str>,
    policy_id: Option<&'a str>,
    tool_call_id: Option<&'a str>,
    enforcement_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
}

impl Refusal<'_> {
    /// The one line that must suffice.
    pub fn message(&self) -> String {
        let reason = self.reason;
        let explanation = match self.explanation.map(|text| text.trim().trim_end_matches('.')) {
            Some(text) if !text.is_empty() => format!(": {text}"),
            _ => String::new(),
        };
        let reference = self.tool_call_id.map(|id| format!(" [ref {id}]")).unwrap_or_default();
        let opening = match self.cause {
            Cause::Denied => format!("Blocked by policy: {reason}{explanation}."),
            Cause::ApprovalUnavailable => {
                format!(
                    "Blocked by policy: {reason}{explanation}. A person would have to approve it, and none can be asked."
                )
            }
            Cause::ApprovalDenied => {
                match self.said.map(|said| shown_within(said.trim().trim_end_matches('.'), SAID)) {
                    Some(said) if !said.is_empty() => {
                        format!("Denied by a person: {reason}{explanation}. They say: {said}.")
                    }
                    Some(_) | None => format!("Denied by a person: {reason}{explanation}."),
                }
            }
            Cause::ApprovalExpired => {
                format!(
                    "Blocked by policy: {reason}{explanation}. A person was asked and did not answer in time."
                )
            }
            Cause::ApprovalPending => {
                format!(
                    "Waiting for approval: {reason}{explanation}. A person was asked and has not answered yet."
                )
            }
            Cause::ApprovalWithdrawn => {
                format!(
                    "Blocked by policy: {reason}{explanation}. The server ended while a person was asked."
                )
            }
            Cause::Malformed(_) => format!("Blocked by policy: {reason}."),
            Cause::Batch => format!("Blocked by policy: {reason}; a batch passes whole or not at all."),
            Cause::FailClosed | Cause::GuardError => format!("Blocked by callgate: {reason}."),
            Cause::ServerExited => {
                return format!("{reason}. Whether the tool was run is not known.{reference}");
            }
        };
        let closing = self.cause.advice().unwrap_or_else(|| self.about.closing());
        format!("{opening} {closing}{reference}")
    }

    /// The frame, newline included. `id` is the request's id as it was spelled.
    pub fn frame(&self, id: Option<&str>, shape: Shape) -> Vec<u8> {
        match (shape, id) {
            (Shape::ToolResult, Some(id)) => tool_result(id, &self.message(), false),
            (Shape::ModernToolResult, Some(id)) => tool_result(id, &self.message(), true),
            (Shape::Error | Shape::ToolResult | Shape::ModernToolResult, _) => {
                refusal(id, self.cause.code(), &self.message(), &self.data())
            }
        }
    }

    fn data(&self) -> Data<'_> {
        Data {
            r#type: self.cause.word(),
            executed: (self.cause != Cause::ServerExited && self.about != About::Within).then_some(false),
            retryable: self.cause == Cause::ApprovalPending,
            decision: self.cause.decision(),
            reason: self.reason,
            rule_id: self.rule_id,
            policy_id: self.policy_id,
            tool_call_id: self.tool_call_id,
            enforcement_mode: self.mode.as_str(),
            fault: match self.cause {
                Cause::Malformed(fault) => Some(fault.as_str()),
                Cause::Denied
                | Cause::ApprovalUnavailable
                | Cause::ApprovalDenied
                | Cause::ApprovalExpired
                | Cause::ApprovalPending
                | Cause::ApprovalWithdrawn
                | Cause::Batch
                | Cause::FailClosed
                | Cause::GuardError
                | Cause::ServerExited => None,
            },
        }
    }
}
