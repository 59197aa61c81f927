//! `[[label]]`: a name for something that happened, which later calls are judged by.
//!
//! It does not know whether a label is set: that is the [`Past`](super::Past). Invariant: a label matches calls
//! by the same keys as a rule, once in each reading.

use std::sync::Arc;

use super::{Names, Table};

/// One `[[label]]`.
#[derive(Debug, Clone)]
pub struct Label {
    /// `id`: its identity across revisions.
    pub id: Arc<str>,
    /// `tools`.
    pub tools: Names,
    /// `servers`.
    pub servers: Names,
    /// `methods`; `["tools/call"]` where the file gives none.
    pub methods: Names,
    /// `when`.
    pub when: Option<Table>,
    /// `any`.
    pub any: Vec<Table>,
    /// `unless`.
    pub unless: Option<Table>,
    /// `on`.
    pub on: On,
    /// `scope`.
    pub reach: Reach,
    /// `ttl`: how long it stays set, milliseconds; `None` for as long as its scope lasts.
    pub ttl_ms: Option<u64>,
}

/// From when on a label is surely set. Possibly set it is from the request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum On {
    /// `request`: as soon as the call leaves for the server.
    #[default]
    Request,
    /// `result`: when the server has answered with success.
    Result,
}

/// How far something that happened is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// In its session alone.
    #[default]
    Session,
    /// In every process that shares the store: `scope = "agent"`, or a rate by agent or user.
    Processes,
}
