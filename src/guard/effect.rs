//! What a session wants done: effects in the order in which the driver performs them.
//!
//! Invariant: while [`Outbox::commit_first`] holds, nothing in the outbox leaves before its records are
//! committed. A governed frame is in `to_server` only together with its entry in `passing`.

use std::ops::Range;

use crate::record::{Record, SessionInfo};

/// What ends a line whose beginning had already left when the gate closed: no parser completes it.
pub(super) const SPOILED: &[u8] = b"\0\n";

/// What stands for the bytes of a line that was too long to keep, when the gate opens inside it: no parser reads what
/// is left for another message.
pub(super) const GAP: &[u8] = b"\0";

/// The effects of one input.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Whether the records must be committed before any byte leaves.
    pub commit_first: bool,
    /// What the store shall keep.
    pub records: Vec<Record>,
    /// Whole lines for the server.
    pub to_server: Vec<u8>,
    /// Whether the first of them had begun to leave before the gate closed: these are the rest of it.
    pub begun: bool,
    /// Whole lines for the client.
    pub to_client: Vec<u8>,
    /// Governed frames within `to_server`: those that `fail_mode` can still hold back.
    pub passing: Vec<Passing>,
    /// Lines for people, on stderr.
    pub say: Vec<String>,
    /// More has become known about the session.
    pub session: Option<SessionInfo>,
    /// What the client gets in place of the line at hand, which passes.
    pub(super) instead: Option<Vec<u8>>,
}

/// A governed frame that is about to leave, or another member of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passing {
    /// Its call's number, where it is one.
    pub call: Option<u64>,
    /// Where it stands in [`Outbox::to_server`].
    pub bytes: Range<usize>,
    /// Its request's id as it was spelled.
    pub id: Option<String>,
    /// Whether the call's own mode is enforce, so that `fail_mode` governs it.
    pub enforced: bool,
}

impl Outbox {
    /// Appends a line for the server and tells where it stands.
    pub(super) fn forward(&mut self, line: &[u8]) -> Range<usize> {
        let start = self.to_server.len();
        self.to_server.extend_from_slice(line);
        start..self.to_server.len()
    }
}
