//! What the store keeps of policies, and of who was under which mode.
//!
//! It refuses to compare: what changed is worked out where policies are. Invariant: a revision names one text for ever.

use std::sync::Arc;

/// A change of who is under which mode, appended whenever a loaded file differs from what was last in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// When, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// What changed: `file`, `max_mode`, `default`, `fail_mode`, `agent:KEY`, `agent:KEY:max_mode`, `server:NAME`, `rule:ID`, `rule:ID:AGENT`.
    pub scope: String,
    /// The word before; `None` where there was none.
    pub from: Option<String>,
    /// The word now; `None` where it was taken away.
    pub to: Option<String>,
    /// The revision that brought it.
    pub revision: Arc<str>,
    /// How it came: `start`, `reload` (an edit by hand), `api:NAME` (by the key of that name), …
    pub origin: String,
}

/// A policy as the store keeps it: immutable, named by its content hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// The content hash.
    pub revision: Arc<str>,
    /// `[policy] name`.
    pub name: String,
    /// The file it came from; `None` for the built-in one.
    pub path: Option<String>,
    /// The exact text; the store takes secrets out.
    pub source: String,
    /// When it was first loaded, milliseconds since the Unix epoch.
    pub unix_ms: i64,
}
