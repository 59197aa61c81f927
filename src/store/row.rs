//! One row of the view `audit`, as scripts get it.
//!
//! It refuses to interpret: nulls stay nulls, JSON stays as it was stored. Invariant: members are the view's columns, in
//! its order.

use rusqlite::Row;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// One call. The columns are those of the view `audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Grows with every call of the store.
    pub seq: i64,
    /// RFC 3339, UTC, milliseconds.
    pub ts: String,
    /// The session.
    pub session: Option<String>,
    /// The agent's key.
    pub agent: Option<String>,
    /// The operating system's user name.
    pub user: Option<String>,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The git remote.
    pub repo: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The client's name, claimed.
    pub client: Option<String>,
    /// The server's name.
    pub server: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The tool, prompt or URI.
    pub tool: Option<String>,
    /// JSON text, redacted.
    pub arguments: Option<JsonText>,
    /// What the policy said.
    pub verdict: Option<String>,
    /// The mode of the row's rule.
    pub mode: Option<String>,
    /// What happened on the wire.
    pub outcome: Option<String>,
    /// The rule that gives the verdict.
    pub rule: Option<String>,
    /// JSON text: every match.
    pub matched: Option<JsonText>,
    /// The reason string.
    pub reason: Option<String>,
    /// The revision of the policy.
    pub policy: Option<String>,
    /// What answers call `toolCallId`.
    pub tool_call_id: Option<String>,
    /// Time the evaluation took, microseconds.
    pub eval_us: Option<i64>,
    /// How the call ended; `None` while it has not.
    pub status: Option<String>,
    /// From call to answer, microseconds.
    pub latency_us: Option<i64>,
    /// Length of the answer's frame, bytes.
    pub result_bytes: Option<i64>,
    /// Ids of the labels that the call set.
    pub labels: Vec<String>,
}

/// The columns of [`AuditRow`], as a query names them.
pub(super) const COLUMNS: &str = "a.seq, a.ts, a.session, a.agent, a.user, a.groups, a.repo, a.environment, a.client, \
    a.server, a.method, a.tool, a.arguments, a.verdict, a.mode, a.outcome, a.rule, a.matched, a.reason, a.policy, \
    a.tool_call_id, a.eval_us, a.status, a.latency_us, a.result_bytes, a.labels";

impl TryFrom<&Row<'_>> for AuditRow {
    type Error = rusqlite::Error;

    fn try_from(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            ts: row.get(1)?,
            session: row.get(2)?,
            agent: row.get(3)?,
            user: row.get(4)?,
            groups: list(row.get(5)?),
            repo: row.get(6)?,
            environment: row.get(7)?,
            client: row.get(8)?,
            server: row.get(9)?,
            method: row.get(10)?,
            tool: row.get(11)?,
            arguments: row.get::<_, Option<_>>(12)?.map(JsonText),
            verdict: row.get(13)?,
            mode: row.get(14)?,
            outcome: row.get(15)?,
            rule: row.get(16)?,
            matched: row.get::<_, Option<_>>(17)?.map(JsonText),
            reason: row.get(18)?,
            policy: row.get(19)?,
            tool_call_id: row.get(20)?,
            eval_us: row.get(21)?,
            status: row.get(22)?,
            latency_us: row.get(23)?,
            result_bytes: row.get(24)?,
            labels: list(row.get(25)?),
        })
    }
}

/// The words of a JSON list.
fn list(text: Option<String>) -> Vec<String> {
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Text that the store keeps as JSON: written out as the value itself, or as text where it is none after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText(String);

impl JsonText {
    /// The text as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}
