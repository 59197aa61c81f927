//! What a rule says for people: how bad it is when it matches, what kind of damage it prevents, where they may be asked.
//!
//! It refuses to weigh: none of it changes a verdict. Invariant: each word has one meaning, in files and in the store.

/// Where a question may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// `callgate approvals`, by the store.
    Local,
    /// The person in the host, by elicitation.
    Host,
}

impl Channel {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Local, Self::Host];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Host => "host",
        }
    }
}

/// How bad it is when the rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Severity {
    /// `low`
    Low,
    /// `medium`
    #[default]
    Medium,
    /// `high`
    High,
    /// `critical`
    Critical,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What kind of damage the rule prevents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// `prohibited`
    Prohibited,
    /// `irreversible`
    Irreversible,
    /// `normal`
    #[default]
    Normal,
    /// `high_traffic`
    HighTraffic,
}

impl Class {
    /// Whether the host may ask the person at hand: hosts can be made to answer by themselves.
    pub fn may_be_asked_in_host(self) -> bool {
        matches!(self, Self::Normal | Self::HighTraffic)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prohibited => "prohibited",
            Self::Irreversible => "irreversible",
            Self::Normal => "normal",
            Self::HighTraffic => "high_traffic",
        }
    }
}
