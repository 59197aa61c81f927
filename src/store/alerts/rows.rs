//! Alerts as they are sent and as people read them.
//!
//! It refuses to write. Invariant: nothing here holds more than the outbox does: names, rules, words.

use rusqlite::{Connection, Row};

/// An alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertRow {
    /// What names it; the same each time that it is sent.
    pub id: String,
    /// When it happened, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// `call`, `policy_refused`, …
    pub topic: String,
    /// `low` to `critical`.
    pub severity: String,
    /// A sentence, where it is about no call.
    pub text: Option<String>,
    /// The session.
    pub session: String,
    /// The call's number in it.
    pub number: Option<i64>,
    /// The agent's key.
    pub agent: Option<String>,
    /// The operating system's user name.
    pub user: Option<String>,
    /// What the client calls itself.
    pub client: Option<String>,
    /// The server's name.
    pub server: String,
    /// The method.
    pub method: Option<String>,
    /// The tool, prompt or URI.
    pub tool: Option<String>,
    /// The id of the acting rule.
    pub rule: Option<String>,
    /// The reason string.
    pub reason: Option<String>,
    /// What the rule's author wrote.
    pub why: Option<String>,
    /// What the policy says.
    pub verdict: Option<String>,
    /// The mode of the acting rule.
    pub mode: Option<String>,
    /// What happened.
    pub outcome: Option<String>,
    /// The revision.
    pub policy: Option<String>,
    /// How often it happened by now.
    pub count: i64,
    /// What became of telling people; empty where that was not asked for.
    pub deliveries: Vec<DeliveryRow>,
}

impl AlertRow {
    /// What answers to agents call `toolCallId`.
    pub fn tool_call_id(&self) -> Option<String> {
        self.number.map(|number| format!("{}-{number}", self.session))
    }
}

/// What became of telling one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its name under `[alerts.to]`.
    pub destination: String,
    /// `waiting`, `delivered`, `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, milliseconds since the Unix epoch; only while it waits.
    pub next_ms: Option<i64>,
    /// When it was delivered or given up, milliseconds since the Unix epoch.
    pub done_ms: Option<i64>,
    /// What went wrong the last time.
    pub error: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is due some time.
    Waiting,
    /// The destination has it.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

const COLUMNS: &str = "SELECT a.id, a.alert, a.ts, a.topic, a.severity, a.text, a.session, a.number, a.agent, a.user, a.client, \
    a.server, a.method, a.tool, a.rule, a.reason, a.why, a.verdict, a.mode, a.outcome, a.policy, 1 + coalesce(r.count, 0) \
    FROM alerts AS a LEFT JOIN repeats AS r ON r.alert = a.id";
const UNDELIVERED: &str =
    "EXISTS (SELECT 1 FROM deliveries AS d WHERE d.alert = a.id AND d.state <> 'delivered')";

/// One alert, without its deliveries.
pub(super) fn alert(connection: &Connection, row: i64) -> rusqlite::Result<AlertRow> {
    let sql = format!("{COLUMNS} WHERE a.id = ?1");
    connection.prepare_cached(&sql)?.query_row([row], read).map(|(_, alert)| alert)
}

/// Those that somebody has not got, oldest first, then so many of the newest others.
pub(super) fn list(connection: &Connection, delivered: usize) -> rusqlite::Result<Vec<AlertRow>> {
    let mut found = Vec::new();
    let open = format!("{COLUMNS} WHERE {UNDELIVERED} AND ?1 = ?1 ORDER BY a.id");
    let rest = format!("{COLUMNS} WHERE NOT {UNDELIVERED} ORDER BY a.id DESC LIMIT ?1");
    for sql in [open, rest] {
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map([i64::try_from(delivered).unwrap_or(i64::MAX)], read)?;
        found.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    let with_deliveries = found.into_iter().map(|(row, alert)| {
        let deliveries = deliveries(connection, row)?;
        Ok(AlertRow { deliveries, ..alert })
    });
    with_deliveries.collect()
}

fn deliveries(connection: &Connection, row: i64) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT destination, state, attempts, iif(state = 'waiting', next_ts, NULL), done_ts, error \
         FROM deliveries WHERE alert = ?1 ORDER BY destination",
    )?;
    let rows = statement.query_map([row], |row| {
        Ok(DeliveryRow {
            destination: row.get(0)?,
            state: row.get(1)?,
            attempts: row.get(2)?,
            next_ms: row.get(3)?,
            done_ms: row.get(4)?,
            error: row.get(5)?,
        })
    })?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, AlertRow)> {
    let alert = AlertRow {
        id: row.get(1)?,
        unix_ms: row.get(2)?,
        topic: row.get(3)?,
        severity: row.get(4)?,
        text: row.get(5)?,
        session: row.get(6)?,
        number: row.get(7)?,
        agent: row.get(8)?,
        user: row.get(9)?,
        client: row.get(10)?,
        server: row.get(11)?,
        method: row.get(12)?,
        tool: row.get(13)?,
        rule: row.get(14)?,
        reason: row.get(15)?,
        why: row.get(16)?,
        verdict: row.get(17)?,
        mode: row.get(18)?,
        outcome: row.get(19)?,
        policy: row.get(20)?,
        count: row.get(21)?,
        deliveries: Vec::new(),
    };
    Ok((row.get(0)?, alert))
}
