//! Warnings: what agents were told, what they did next, and who has seen it.
//!
//! It refuses to change what a session wrote: to have seen a warning is a row of its own. Invariant: a warning that was
//! acknowledged stays so.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Result, Row, TransactionBehavior, params};

use super::approvals::Ruler;
use super::{StoreError, schema};
use crate::clock::unix_ms;
use crate::record::{CourseRecord, WarningRecord};
use crate::settings::Durability;

/// How long an acknowledgement waits for other writers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes that an agent was told, within a transaction.
pub(super) fn tell(connection: &Connection, session: &str, warning: &WarningRecord) -> Result<()> {
    let sql = "INSERT INTO warnings (session, number, ts, rule, effect, severity, shape, shown) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        session,
        number(warning.number),
        warning.unix_ms,
        warning.rule,
        warning.effect.as_str(),
        warning.severity.as_str(),
        warning.shape,
        warning.shown.as_str(),
    ])?;
    Ok(())
}

/// Writes what it did next, within a transaction.
pub(super) fn follow(connection: &Connection, session: &str, course: &CourseRecord) -> Result<()> {
    let sql = "INSERT INTO courses (session, number, ts, next_number, course, verdict) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let verdict = course.verdict.map(crate::policy::Effect::as_str);
    let (of, next) = (number(course.of), course.next.map(number));
    let course_word = course.course.as_str();
    connection.prepare_cached(sql)?.execute(params![
        session,
        of,
        course.unix_ms,
        next,
        course_word,
        verdict
    ])?;
    Ok(())
}

/// A warning, what came of it, and who has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarningRow {
    /// The session.
    pub session: String,
    /// The call's number in it.
    pub number: i64,
    /// When the agent was told, milliseconds since the Unix epoch.
    pub unix_ms: i64,
    /// The acting rule's id.
    pub rule: String,
    /// What the rule says.
    pub effect: String,
    /// How bad it is.
    pub severity: String,
    /// How the agent was told: `result`, `notification` or `nowhere`.
    pub shown: String,
    /// The tool.
    pub tool: Option<String>,
    /// What the agent did next: `changed`, `repeated` or `stopped`; `None` where nothing is known yet.
    pub course: Option<String>,
    /// The number of its next call.
    pub next_number: Option<i64>,
    /// What the policy said of that.
    pub next_verdict: Option<String>,
    /// When somebody first acknowledged it, milliseconds since the Unix epoch.
    pub acknowledged_ms: Option<i64>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// What they noted.
    pub note: Option<String>,
}

/// Which warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warned<'w> {
    /// Those that nobody has acknowledged.
    Unseen,
    /// All of a session.
    Session(&'w str),
    /// That about the call with this `tool_call_id`.
    Call(&'w str),
}

/// The warnings of one store.
pub struct WarningBook {
    connection: Connection,
}

const ROWS: &str = "SELECT w.session, w.number, w.ts, w.rule, w.effect, w.severity, w.shown, \
      (SELECT j.tool FROM events AS e JOIN sessions AS s ON s.id = e.session JOIN judgements AS j ON j.id = e.judgement \
        WHERE s.session = w.session AND e.kind = 1 AND e.number = w.number LIMIT 1), \
      c.course, c.next_number, c.verdict, a.ts, a.user, a.note \
    FROM warnings AS w \
    LEFT JOIN courses AS c ON c.session = w.session AND c.number = w.number \
    LEFT JOIN acks AS a ON a.id = (SELECT min(id) FROM acks WHERE warning = w.id)";

impl WarningBook {
    /// Opens the store.
    pub fn open(path: &Path) -> std::result::Result<Self, StoreError> {
        let connection = schema::open(path, Durability::Normal)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(Self { connection })
    }

    /// Warnings, oldest first.
    pub fn list(&self, which: Warned<'_>) -> std::result::Result<Vec<WarningRow>, StoreError> {
        let (condition, value) = condition(which);
        let mut statement = self.connection.prepare(&format!("{ROWS} WHERE {condition} ORDER BY w.id"))?;
        let rows = statement.query_map([value], row)?;
        Ok(rows.collect::<Result<_>>()?)
    }

    /// Notes that somebody has seen those that nobody has; which these are now.
    pub fn acknowledge(
        &mut self,
        which: Warned<'_>,
        by: &Ruler,
        note: Option<&str>,
    ) -> std::result::Result<Vec<WarningRow>, StoreError> {
        let (condition, value) = condition(which);
        let now = unix_ms();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            &format!(
                "INSERT INTO acks (warning, ts, user, uid, note) SELECT w.id, ?2, ?3, ?4, ?5 FROM warnings AS w \
                 LEFT JOIN acks AS a ON a.warning = w.id WHERE a.id IS NULL AND {condition}"
            ),
            params![value, now, by.user, by.uid, note],
        )?;
        transaction.commit()?;
        let all = self.list(which)?;
        Ok(all.into_iter().filter(|row| row.acknowledged_ms == Some(now)).collect())
    }
}

impl fmt::Debug for WarningBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarningBook").finish_non_exhaustive()
    }
}

/// A condition on `w` and `a`, and its first parameter.
fn condition(which: Warned<'_>) -> (&'static str, &str) {
    match which {
        Warned::Unseen => ("a.id IS NULL AND ?1 = ?1", ""),
        Warned::Session(session) => ("w.session = ?1", session),
        Warned::Call(call) => ("w.session || '-' || w.number = ?1", call),
    }
}

fn row(row: &Row<'_>) -> Result<WarningRow> {
    Ok(WarningRow {
        session: row.get(0)?,
        number: row.get(1)?,
        unix_ms: row.get(2)?,
        rule: row.get(3)?,
        effect: row.get(4)?,
        severity: row.get(5)?,
        shown: row.get(6)?,
        tool: row.get(7)?,
        course: row.get(8)?,
        next_number: row.get(9)?,
        next_verdict: row.get(10)?,
        acknowledged_ms: row.get(11)?,
        acknowledged_by: row.get(12)?,
        note: row.get(13)?,
    })
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
