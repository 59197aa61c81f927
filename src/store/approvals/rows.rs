//! Questions and what happened to them, as rows that people read.
//!
//! It refuses to write. Invariant: where a question stands follows from its turns and the time alone.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{Decision, grant_of};
use crate::clock::unix_ms;
use crate::record::Grant;

/// The shortest beginning of an id that stands for it, characters.
pub const SHORTEST_ID: usize = 4;

/// A question, and all that has happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionRow {
    /// What names it.
    pub id: String,
    /// What has become of it.
    pub state: QuestionState,
    /// When it was asked, milliseconds since the Unix epoch.
    pub asked_ms: i64,
    /// When it closes by itself, milliseconds since the Unix epoch.
    pub until_ms: i64,
    /// The session that asked.
    pub session: String,
    /// The call's number in it.
    pub number: i64,
    /// The agent's key.
    pub agent: Option<String>,
    /// The operating system's user name.
    pub user: Option<String>,
    /// What the client calls itself.
    pub client: Option<String>,
    /// The server's name.
    pub server: String,
    /// The method.
    pub method: String,
    /// The tool, prompt or URI.
    pub tool: String,
    /// The arguments, redacted; `None` where none are kept.
    pub arguments: Option<String>,
    /// JSON Pointers of what redaction took, as a JSON list.
    pub lost: Option<String>,
    /// The id of the rule that asks.
    pub rule: String,
    /// The reason string.
    pub reason: String,
    /// What the rule's author wrote.
    pub why: Option<String>,
    /// The rule's severity.
    pub severity: String,
    /// The rule's class.
    pub class: String,
    /// The revision.
    pub policy: String,
    /// What an approval is good for unless whoever gives it says otherwise.
    pub grant: Grant,
    /// `none` or `tty`.
    pub confirm: String,
    /// Words with commas between them.
    pub channels: String,
    /// What happened to it, oldest first.
    pub turns: Vec<TurnRow>,
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionState {
    /// Nobody has ruled.
    Open,
    /// A person said yes.
    Approved,
    /// A person said no.
    Denied,
    /// Nobody ruled in time.
    Expired,
    /// Its call was taken back.
    Withdrawn,
}

impl QuestionState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Something that happened to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnRow {
    /// When, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// `approved`, `denied`, `pending`, `used`, `expired` or `withdrawn`.
    pub kind: String,
    /// The session of the call that it is about.
    pub session: Option<String>,
    /// That call's number.
    pub number: Option<i64>,
    /// What an approval is good for.
    pub grant: Option<Grant>,
    /// Until when an approval is good, milliseconds since the Unix epoch.
    pub until_ms: Option<i64>,
    /// `local` or `host`.
    pub channel: Option<String>,
    /// Who ruled.
    pub by: Ruler,
    /// What they said.
    pub reason: Option<String>,
}

/// The process that ruled, as the system tells it: that a person sat at it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruler {
    /// The operating system's user name.
    pub user: Option<String>,
    /// The user id.
    pub uid: Option<u32>,
    /// The process id.
    pub pid: Option<u32>,
    /// The processes that it came through.
    pub ancestry: Option<String>,
    /// Its terminal, where it is an interactive one.
    pub tty: Option<String>,
}

/// A question's row and number, for [`question`].
pub(super) const COLUMNS: &str = "SELECT id, question, ts, until_ts, session, number, agent, user, client, server, method, tool, \
    arguments, lost, rule, reason, why, severity, class, policy, grants, confirm, channels FROM approvals";
impl QuestionRow {
    /// Whether a person may still say so.
    pub(super) fn may_be_ruled(&self, decision: &Decision) -> bool {
        match (self.state, decision) {
            (QuestionState::Open, _) => true,
            (QuestionState::Approved, Decision::Deny) => self.may_be_used(unix_ms()),
            (
                QuestionState::Approved
                | QuestionState::Denied
                | QuestionState::Expired
                | QuestionState::Withdrawn,
                _,
            ) => false,
        }
    }

    /// Whether a call can still go through by its approval, as far as is known here.
    pub fn may_be_used(&self, now_ms: i64) -> bool {
        let is_used = self.turns.iter().any(|turn| turn.kind == "used");
        let approved = self.turns.iter().rev().find(|turn| turn.kind == "approved");
        approved.is_some_and(|turn| match turn.grant {
            Some(Grant::Once) | None => !is_used,
            Some(Grant::Session) => true,
            Some(Grant::For(_)) => turn.until_ms.is_none_or(|until| until > now_ms),
        })
    }

    fn state(&self, now_ms: i64) -> QuestionState {
        let has = |kind: &str| self.turns.iter().any(|turn| turn.kind == kind);
        if has("denied") {
            QuestionState::Denied
        } else if has("approved") {
            QuestionState::Approved
        } else if has("withdrawn") {
            QuestionState::Withdrawn
        } else if has("expired") || self.until_ms <= now_ms {
            QuestionState::Expired
        } else {
            QuestionState::Open
        }
    }
}

/// The question with this id, or those whose ids begin like this: two at most.
pub(super) fn named(connection: &Connection, id: &str) -> rusqlite::Result<Vec<QuestionRow>> {
    let exact = connection
        .prepare_cached(&format!("{COLUMNS} WHERE question = ?1"))?
        .query_row([id], question)
        .optional()?;
    if let Some(found) = exact {
        return Ok(vec![found.turned(connection)?]);
    }
    if id.len() < SHORTEST_ID {
        return Ok(Vec::new());
    }
    let sql = format!("{COLUMNS} WHERE substr(question, 1, length(?1)) = ?1 ORDER BY id LIMIT 2");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map([id], question)?.collect::<Result<Vec<_>, _>>()?;
    found.into_iter().map(|found| found.turned(connection)).collect()
}

/// A row without its turns.
pub(super) struct Found {
    row: i64,
    question: QuestionRow,
}

impl Found {
    /// With its turns, and where it stands now.
    pub(super) fn turned(self, connection: &Connection) -> rusqlite::Result<QuestionRow> {
        let mut statement = connection.prepare_cached(
            "SELECT ts, kind, session, number, grants, until_ts, channel, user, uid, pid, ancestry, tty, reason \
             FROM turns WHERE approval = ?1 ORDER BY id",
        )?;
        let mut question = self.question;
        question.turns = statement.query_map([self.row], turn)?.collect::<Result<_, _>>()?;
        question.state = question.state(unix_ms());
        Ok(question)
    }
}

/// Reads a row of [`COLUMNS`].
pub(super) fn question(row: &Row<'_>) -> rusqlite::Result<Found> {
    let grant: String = row.get(20)?;
    let question = QuestionRow {
        id: row.get(1)?,
        state: QuestionState::Open,
        asked_ms: row.get(2)?,
        until_ms: row.get(3)?,
        session: row.get(4)?,
        number: row.get(5)?,
        agent: row.get(6)?,
        user: row.get(7)?,
        client: row.get(8)?,
        server: row.get(9)?,
        method: row.get(10)?,
        tool: row.get(11)?,
        arguments: row.get(12)?,
        lost: row.get(13)?,
        rule: row.get(14)?,
        reason: row.get(15)?,
        why: row.get(16)?,
        severity: row.get(17)?,
        class: row.get(18)?,
        policy: row.get(19)?,
        grant: grant_of(&grant),
        confirm: row.get(21)?,
        channels: row.get(22)?,
        turns: Vec::new(),
    };
    Ok(Found { row: row.get(0)?, question })
}

fn turn(row: &Row<'_>) -> rusqlite::Result<TurnRow> {
    let grant: Option<String> = row.get(4)?;
    Ok(TurnRow {
        unix_ms: row.get(0)?,
        kind: row.get(1)?,
        session: row.get(2)?,
        number: row.get(3)?,
        grant: grant.as_deref().map(grant_of),
        until_ms: row.get(5)?,
        channel: row.get(6)?,
        by: Ruler {
            user: row.get(7)?,
            uid: row.get(8)?,
            pid: row.get(9)?,
            ancestry: row.get(10)?,
            tty: row.get(11)?,
        },
        reason: row.get(12)?,
    })
}
