//! Words for what a policy says: effect, mode, verdict. A verdict is never an error.

use std::fmt;
use std::sync::Arc;

use super::Traces;

/// What a rule or the default says about a call, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Pass silently.
    Allow,
    /// Pass, and tell the agent.
    Warn,
    /// Wait for a person.
    RequireApproval,
    /// Do not run.
    Deny,
}

/// How much of a verdict takes force, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// No evaluation.
    Off,
    /// Evaluated and recorded; every byte passes.
    Shadow,
    /// Nothing is blocked; people and agent are told.
    Warn,
    /// The verdict takes force.
    Enforce,
}

/// What happens under enforce to a call that has no verdict or whose passing verdict cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailMode {
    /// Forward, and record a gap.
    Open,
    /// Block with -32001, `type: "fail_closed"`.
    Closed,
    /// Answer -32603, `type: "guard_error"`.
    Error,
}

macro_rules! words {
    ($type:ty { $($variant:ident = $word:literal $(| $other:literal)*),+ $(,)? }) => {
        impl $type {
            /// The word for it, as files, records and answers spell it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            /// Reads a word, the accepted words of other products included.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word $(| $other)* => Some(Self::$variant),)+ _ => None }
            }
            /// Every canonical word, weakest or mildest first.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
            /// The accepted words of other products.
            pub const OTHER_WORDS: &'static [&'static str] = &[$($($other,)*)+];
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Effect {
    Allow = "allow",
    Warn = "warn" | "alert",
    RequireApproval = "require_approval" | "hold",
    Deny = "deny" | "block",
});
words!(Mode {
    Off = "off",
    Shadow = "shadow" | "monitor" | "audit",
    Warn = "warn" | "alert",
    Enforce = "enforce",
});
words!(FailMode {
    Open = "open" | "fail_open",
    Closed = "closed" | "fail_closed",
    Error = "error" | "throw",
});

/// Who in the policy spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// The rule at this index of [`super::Policy::rules`].
    Rule(usize),
    /// `default`.
    Default,
    /// The built-in rule `callgate-self`.
    SelfProtection,
    /// The built-in rule `malformed`.
    Malformed,
}

/// One rule (or the default) that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Who matched.
    pub by: By,
    /// What it says.
    pub effect: Effect,
    /// The mode that holds for it here.
    pub mode: Mode,
    /// Whether it had a part in the outcome: its mode acts and no acting allow rule lifted it.
    pub acted: bool,
}

/// What takes force: the strictest effect among the rules whose own mode acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acting {
    /// `Allow` passes, `Warn` passes and tells, the others stop.
    pub effect: Effect,
    /// The first in file order that gives this effect.
    pub by: By,
    /// Its mode: `Enforce`, or `Warn` where the call passes but would have been stopped or warned about.
    pub mode: Mode,
}

/// What the policy says of one call were everything enforced, and what takes force as things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The strictest effect of all that matched and was not lifted.
    pub effect: Effect,
    /// The first in file order that gives [`Self::effect`].
    pub by: By,
    /// The mode that holds for [`Self::by`].
    pub mode: Mode,
    /// What happens.
    pub acting: Acting,
    /// Every match, in file order, built-in rules first and the default last; lifted ones too.
    pub matched: Vec<Match>,
    /// The revision that was asked: the content hash of the policy file.
    pub revision: Arc<str>,
    /// What the call leaves behind for rules that look back.
    pub traces: Traces,
}
