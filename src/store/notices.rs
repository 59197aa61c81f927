//! Reading what the store holds beside calls: gaps, and what callgate noted.
//!
//! It refuses to write. Invariant: whoever asks for what only calls have is given no notice.

use rusqlite::{Row, named_params};

use super::StoreError;
use super::reader::{Filter, Order, Reader};
use crate::record::NoticeKind;

/// A gap or a notice.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NoticeRow {
    /// In line with the calls.
    pub seq: i64,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// The session.
    pub session: Option<String>,
    /// The server's name.
    pub server: Option<String>,
    /// The notice's kind, or `gap`.
    pub kind: String,
    /// For a gap: how many records are missing.
    pub missing: Option<i64>,
    /// For people.
    pub text: Option<String>,
}

/// Which notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// Those that tell of something: not that a session ended, as each does.
    Telling,
    /// All.
    All,
}

impl Noticed {
    /// Whether a notice is one of them.
    pub fn admits(self, row: &NoticeRow) -> bool {
        self == Self::All || row.kind != NoticeKind::SessionEnded.as_str()
    }
}

const FROM: &str = "SELECT e.seq, e.ts, s.session, s.server, coalesce(e.topic, 'gap'), e.number, e.note \
    FROM events AS e LEFT JOIN sessions AS s ON s.id = e.session WHERE e.kind IN (3, 4)";

impl Reader {
    /// Gaps and notices after `after_seq`, oldest first.
    pub fn notices(&self, after_seq: i64) -> Result<Vec<NoticeRow>, StoreError> {
        let sql = format!("{FROM} AND e.seq > ?1 ORDER BY e.seq");
        let mut statement = self.connection().prepare_cached(&sql)?;
        let rows = statement.query_map([after_seq], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Gaps and notices that `filter` lets through: none where it asks for a tool, an agent, a label, a verdict or an
    /// outcome.
    pub fn notices_among(&self, filter: &Filter, which: Noticed) -> Result<Vec<NoticeRow>, StoreError> {
        if filter.is_about_calls() {
            return Ok(Vec::new());
        }
        let direction = match filter.order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        let sql = format!(
            "{FROM} AND (:since IS NULL OR e.ts >= :since) AND (:until IS NULL OR e.ts < :until) \
             AND (:session IS NULL OR substr(s.session, 1, length(:session)) = :session) \
             AND (:server IS NULL OR s.server = :server) AND (:but IS NULL OR e.topic IS NOT :but) ORDER BY e.seq {direction} LIMIT :limit"
        );
        let mut statement = self.connection().prepare_cached(&sql)?;
        let parameters = named_params! {
            ":since": filter.since_ms,
            ":until": filter.until_ms,
            ":session": filter.session,
            ":server": filter.server,
            ":but": (which == Noticed::Telling).then_some(NoticeKind::SessionEnded.as_str()),
            ":limit": filter.limit.map_or(-1, i64::from),
        };
        let rows = statement.query_map(parameters, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<NoticeRow> {
    Ok(NoticeRow {
        seq: row.get(0)?,
        unix_ms: row.get(1)?,
        session: row.get(2)?,
        server: row.get(3)?,
        kind: row.get(4)?,
        missing: row.get(5)?,
        text: row.get(6)?,
    })
}
