//! What is worth keeping of a session and is no call.
//!
//! It refuses to hold what a call said. Invariant: a kind has one word in the store, for ever.

/// Something about the session that is worth keeping and is no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// What kind.
    pub kind: NoticeKind,
    /// A sentence for people; no argument values.
    pub text: String,
}

/// Kinds of [`Notice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A new revision took force.
    PolicyLoaded,
    /// A new revision was refused; the last good one stays.
    PolicyRefused,
    /// A server's answer to an id that was not in flight was dropped.
    ReplyDropped,
    /// A line from the server that is not JSON was kept from the client.
    NoiseDiverted,
    /// What other processes have done could not be read.
    PastUnreadable,
    /// The server sent something with a method that no server is known to send.
    UnknownMethod,
    /// A call carried answers to what the server asked, or a state that the server gave.
    InputCarried,
    /// A tool's definition is another one than those that are pinned, or the tool is new.
    ToolChanged,
    /// Tools were left out of a list, or were to be and could not.
    ToolsHidden,
    /// The session ended.
    SessionEnded,
    /// A request over HTTP was refused before anything of it was read as a message.
    RequestRefused,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::PolicyLoaded,
        Self::PolicyRefused,
        Self::ReplyDropped,
        Self::NoiseDiverted,
        Self::PastUnreadable,
        Self::UnknownMethod,
        Self::InputCarried,
        Self::ToolChanged,
        Self::ToolsHidden,
        Self::SessionEnded,
        Self::RequestRefused,
    ];

    /// The kind that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PolicyLoaded => "policy_loaded",
            Self::PolicyRefused => "policy_refused",
            Self::ReplyDropped => "reply_dropped",
            Self::NoiseDiverted => "noise_diverted",
            Self::PastUnreadable => "past_unreadable",
            Self::UnknownMethod => "unknown_method",
            Self::InputCarried => "input_carried",
            Self::ToolChanged => "tool_changed",
            Self::ToolsHidden => "tools_hidden",
            Self::SessionEnded => "session_ended",
            Self::RequestRefused => "request_refused",
        }
    }
}
