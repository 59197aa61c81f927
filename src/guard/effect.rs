//! What a session wants done: effects in the order in which the driver performs them.
//!
//! Invariant: while [`Outbox::commit_first`] holds, nothing in the outbox leaves before its records are
//! committed. A governed frame is in `to_server` or `to_client` only together with its entry in `passing`.

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
    /// The same of `to_client`.
    pub begun_to_client: bool,
    /// Governed frames within `to_server` and `to_client`: those that `fail_mode` can still hold back.
    pub passing: Vec<Passing>,
    /// Lines for people, on stderr.
    pub say: Vec<String>,
    /// More has become known about the session.
    pub session: Option<SessionInfo>,
}

/// A governed frame that is about to leave, or another member of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passing {
    /// Its call's number, where it is one.
    pub call: Option<u64>,
    /// Which way it goes.
    pub way: Way,
    /// Where it stands in [`Outbox::to_server`], or in [`Outbox::to_client`].
    pub bytes: Range<usize>,
    /// Its request's id as it was spelled.
    pub id: Option<String>,
    /// Whether the call's own mode is enforce, so that `fail_mode` governs it.
    pub enforced: bool,
}

/// Which way a governed frame goes, and whom its refusal would reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A request of the client, to the server.
    ToServer,
    /// A request of the server, to the client.
    ToClient,
    /// What an answer to the client asks of it.
    InAnswer,
}

impl Outbox {
    /// Puts the effects of a later input behind these.
    pub(super) fn join(&mut self, later: Self) {
        self.commit_first |= later.commit_first;
        self.records.extend(later.records);
        let (server, client) = (self.to_server.len(), self.to_client.len());
        self.to_server.extend(later.to_server);
        self.to_client.extend(later.to_client);
        self.passing.extend(later.passing.into_iter().map(|passing| {
            let before = if passing.way == Way::ToServer { server } else { client };
            let bytes = passing.bytes.start + before..passing.bytes.end + before;
            Passing { bytes, ..passing }
        }));
        self.say.extend(later.say);
        self.session = later.session.or_else(|| self.session.take());
    }

    /// Appends a line for the server and tells where it stands.
    pub(super) fn forward(&mut self, line: &[u8]) -> Range<usize> {
        let start = self.to_server.len();
        self.to_server.extend_from_slice(line);
        start..self.to_server.len()
    }
}
