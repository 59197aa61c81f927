//! One recorded call with all that it was judged by, as far as the store has kept it.
//!
//! It refuses to guess: an id that nobody recorded gives nothing, and what is near is asked for apart. Invariant:
//! writers are never made to wait.

use rusqlite::{Connection, OptionalExtension};

use super::row::{AuditRow, COLUMNS};
use super::{Reader, StoreError};

/// Ids that are near are looked for among the newest sessions. Arbitrary: as many as people may mean.
const SESSIONS_COMPARED: u32 = 1_000;
/// Ids that differ in more characters are other ids.
const NEAR: usize = 2;

/// A recorded call and what the view `audit` does not show of it.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// The row.
    pub row: AuditRow,
    /// When the call was read, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// What `{root}` meant.
    pub root: Option<String>,
    /// JSON Pointers to what of the arguments was not kept as it was; `""` is all.
    pub lost: Vec<String>,
}

/// What is known of the calls before one, in its session.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// Whether all of them are in the store.
    pub is_whole: bool,
    /// Those that set labels, oldest first.
    pub calls: Vec<EarlierCall>,
}

/// A call that set labels.
#[derive(Debug, Clone)]
pub struct EarlierCall {
    /// Its id.
    pub tool_call_id: String,
    /// When it was read, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// Ids of the labels.
    pub labels: Vec<String>,
    /// When the server had answered with success, milliseconds since the Unix epoch; `None` where it had not.
    pub succeeded_ms: Option<i64>,
}

/// What is known of an id that no call has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nearest {
    /// The session is there and has calls up to this number.
    CallsUpTo(u64),
    /// This call has an id that looks like it.
    Call(String),
    /// Nothing looks like it.
    Nothing,
}

impl Reader {
    /// The call that answers and records name by this `toolCallId`.
    pub fn recall(&self, tool_call_id: &str) -> Result<Option<Recalled>, StoreError> {
        let Some((session, number)) = parts(tool_call_id) else { return Ok(None) };
        // The events of a session come after its row: without that, all of the file would be read.
        let sql = format!(
            "SELECT {COLUMNS}, e.ts AS unix_ms, s.root, e.lost FROM sessions AS s JOIN events AS e ON e.session = s.id \
             JOIN audit AS a ON a.seq = e.seq WHERE s.session = ?1 AND e.seq > s.seq AND e.number = ?2 AND e.kind = 1"
        );
        let mut statement = self.connection().prepare_cached(&sql)?;
        let found = statement.query_row((session, number), |row| {
            let lost: Option<String> = row.get("lost")?;
            Ok(Recalled {
                row: AuditRow::try_from(row)?,
                unix_ms: row.get("unix_ms")?,
                root: row.get("root")?,
                lost: lost.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            })
        });
        Ok(found.optional()?)
    }

    /// The calls before this one in its session that set labels.
    pub fn earlier(&self, recalled: &Recalled) -> Result<Earlier, StoreError> {
        let id = recalled.row.tool_call_id.as_deref();
        let Some((session, number)) = id.and_then(parts) else { return Ok(Earlier::default()) };
        let before = "sessions AS s JOIN events AS e ON e.session = s.id WHERE s.session = ?1 AND e.seq > s.seq \
            AND e.kind = 1 AND e.number < ?2";
        let count = format!("SELECT count(DISTINCT e.number) FROM {before}");
        let known: i64 = self.connection().query_row(&count, (session, number), |row| row.get(0))?;
        let mut statement = self.connection().prepare_cached(&format!(
            "SELECT a.tool_call_id, e.ts, a.labels, a.status, a.latency_us FROM audit AS a \
             JOIN (SELECT e.seq, e.ts FROM {before} AND e.note IS NOT NULL) AS e ON a.seq = e.seq ORDER BY a.seq"
        ))?;
        let calls = statement.query_map((session, number), |row| {
            let (unix_ms, labels): (i64, String) = (row.get(1)?, row.get(2)?);
            let (status, latency_us): (Option<String>, Option<i64>) = (row.get(3)?, row.get(4)?);
            let succeeded = status.as_deref() == Some("ok");
            Ok(EarlierCall {
                tool_call_id: row.get(0)?,
                unix_ms,
                labels: serde_json::from_str(&labels).unwrap_or_default(),
                succeeded_ms: succeeded.then(|| unix_ms + latency_us.unwrap_or_default() / 1_000),
            })
        })?;
        Ok(Earlier { is_whole: known == number - 1, calls: calls.collect::<Result<_, _>>()? })
    }

    /// What an id that [`Self::recall`] does not know may have been meant for.
    pub fn nearest(&self, tool_call_id: &str) -> Result<Nearest, StoreError> {
        let connection = self.connection();
        if let Some((session, _)) = parts(tool_call_id)
            && let Some(last) = last_number(connection, session)?
        {
            return Ok(Nearest::CallsUpTo(last));
        }
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT session FROM (SELECT session FROM sessions ORDER BY id DESC LIMIT ?1)",
        )?;
        let sessions = statement.query_map([SESSIONS_COMPARED], |row| row.get::<_, String>(0))?;
        let (typed, number) = tool_call_id.rsplit_once('-').unwrap_or((tool_call_id, "1"));
        let mut near = Vec::new();
        for session in sessions {
            let session = session?;
            near.push((strsim::damerau_levenshtein(typed, &session), session));
        }
        let Some((distance, session)) = near.into_iter().min() else { return Ok(Nearest::Nothing) };
        let id = format!("{session}-{number}");
        let known = distance <= NEAR && self.recall(&id)?.is_some();
        Ok(if known { Nearest::Call(id) } else { Nearest::Nothing })
    }

    /// The source of a revision, without secrets; `None` where it is not known or its text never came.
    pub fn source_of(&self, revision: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT source FROM policies WHERE revision = ?1 AND source IS NOT NULL LIMIT 1",
        )?;
        Ok(statement.query_row([revision], |row| row.get(0)).optional()?)
    }
}

/// The session and the number of the call in it.
fn parts(tool_call_id: &str) -> Option<(&str, i64)> {
    let (session, number) = tool_call_id.rsplit_once('-')?;
    Some((session, number.parse().ok()?))
}

fn last_number(connection: &Connection, session: &str) -> Result<Option<u64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT max(e.number) FROM sessions AS s JOIN events AS e ON e.session = s.id WHERE s.session = ?1 AND e.kind = 1",
    )?;
    let last: Option<i64> = statement.query_row([session], |row| row.get(0))?;
    Ok(last.and_then(|last| u64::try_from(last).ok()))
}
