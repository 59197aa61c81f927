//! From what happened to rows of the outbox.
//!
//! It refuses to ask who should hear of it: that was decided with the call. Invariant: names from outside are cut,
//! escaped and without what looks like a secret, and no argument is among them.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::policy::{Effect, Mode, Redactor, Severity};
use crate::record::{Alarm, CallRecord, Outcome, Question, Recipients, SessionInfo, Telling, Topic};
use crate::store::random_word;
use crate::wire::{shown, shown_within};

/// More of a sentence than this is not told, characters. Arbitrary: it fits where people read it.
const LONGEST: usize = 400;
/// The same alarm within this time is one: other processes raise it as well. Milliseconds.
const ALARM_REPEAT: i64 = 10_000;
/// Random digits of an alert's id: a hundred bits.
const ID_LENGTH: usize = 20;

/// An alert, but for what only the transaction knows.
#[derive(Debug)]
pub(in crate::store) struct Raised {
    ts: i64,
    topic: Topic,
    severity: Severity,
    to: Recipients,
    repeat_ms: i64,
    text: Option<String>,
    call: Option<Call>,
}

#[derive(Debug)]
struct Call {
    number: u64,
    method: String,
    tool: String,
    rule: Arc<str>,
    reason: Option<String>,
    why: Option<String>,
    verdict: Option<Effect>,
    mode: Mode,
    /// `None` while it waits.
    outcome: Option<Outcome>,
    policy: Option<Arc<str>>,
}

impl Raised {
    pub(in crate::store) fn of_call(call: &CallRecord, telling: &Telling, redactor: &Redactor) -> Self {
        let reason = telling.reason.as_ref().or(call.reason.as_ref());
        let sentence = |text: &Arc<str>| shown_within(&redactor.prose(text), LONGEST);
        Self {
            ts: call.unix_ms,
            topic: Topic::Call,
            severity: telling.severity,
            to: Arc::clone(&telling.to),
            repeat_ms: telling.repeat_ms,
            text: None,
            call: Some(Call {
                number: call.number,
                method: shown(&call.method),
                tool: shown(&redactor.prose(&call.tool)),
                rule: Arc::clone(&telling.rule),
                reason: reason.map(sentence),
                why: telling.why.as_ref().map(sentence),
                verdict: call.verdict,
                mode: telling.mode,
                outcome: Some(call.outcome),
                policy: call.policy.clone(),
            }),
        }
    }

    /// Each question is told by itself: it waits for an answer of its own.
    pub(in crate::store) fn of_question(question: &Question, telling: &Telling, redactor: &Redactor) -> Self {
        let sentence = |text: &Arc<str>| shown_within(&redactor.prose(text), LONGEST);
        Self {
            ts: question.unix_ms,
            topic: Topic::ApprovalAsked,
            severity: telling.severity,
            to: Arc::clone(&telling.to),
            repeat_ms: 0,
            text: None,
            call: Some(Call {
                number: question.number,
                method: shown(&question.method),
                tool: shown(&redactor.prose(&question.tool)),
                rule: Arc::clone(&telling.rule),
                reason: Some(sentence(&question.reason)),
                why: telling.why.as_ref().map(sentence),
                verdict: Some(Effect::RequireApproval),
                mode: telling.mode,
                outcome: None,
                policy: Some(Arc::clone(&question.policy)),
            }),
        }
    }

    pub(in crate::store) fn of_alarm(alarm: &Alarm, redactor: &Redactor) -> Self {
        Self {
            ts: alarm.unix_ms,
            topic: alarm.topic,
            severity: alarm.topic.severity(),
            to: Arc::clone(&alarm.to),
            repeat_ms: ALARM_REPEAT,
            text: Some(shown_within(&redactor.prose(&alarm.text), LONGEST)),
            call: None,
        }
    }

    /// What it is about, as a hash: agent, server, tool, rule, what happened, and who hears of it.
    fn same(&self, info: &SessionInfo) -> [u8; 16] {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        part(self.topic.as_str());
        // Every process on a machine notices the same edit.
        part(self.text.as_deref().unwrap_or_default());
        if let Some(call) = &self.call {
            part(info.agent.as_deref().unwrap_or_default());
            part(&info.server);
            let outcome = call.outcome.map_or("", Outcome::as_str);
            [&*call.method, &*call.tool, &*call.rule, outcome].into_iter().for_each(&mut part);
        }
        self.to.iter().for_each(|name| part(name));
        let mut same = [0; 16];
        same.iter_mut().zip(hash.finalize()).for_each(|(byte, hashed)| *byte = hashed);
        same
    }
}

/// Appends an alert with its deliveries, or counts it as a repeat of one that is there.
pub(in crate::store) fn insert(
    connection: &Connection,
    info: &SessionInfo,
    raised: &Raised,
) -> rusqlite::Result<()> {
    let same = raised.same(info);
    if is_repeat(connection, raised, &same)? {
        return Ok(());
    }
    let (alert, call) = (name(info, raised), raised.call.as_ref());
    connection
        .prepare_cached(
            "INSERT INTO alerts (alert, ts, topic, severity, text, session, number, agent, user, client, server, method, \
             tool, rule, reason, why, verdict, mode, outcome, policy, same) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        )?
        .execute(params![
            alert,
            raised.ts,
            raised.topic.as_str(),
            raised.severity.as_str(),
            raised.text,
            info.session,
            call.map(|call| i64::try_from(call.number).unwrap_or(i64::MAX)),
            info.agent.as_deref().map(shown),
            info.user,
            info.client,
            info.server,
            call.map(|call| &call.method),
            call.map(|call| &call.tool),
            call.map(|call| &call.rule),
            call.and_then(|call| call.reason.as_ref()),
            call.and_then(|call| call.why.as_ref()),
            call.and_then(|call| call.verdict).map(Effect::as_str),
            call.map(|call| call.mode.as_str()),
            call.and_then(|call| call.outcome).map(Outcome::as_str),
            call.and_then(|call| call.policy.as_ref()),
            same
        ])?;
    let row = connection.last_insert_rowid();
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO deliveries (alert, destination, state, since_ts, next_ts) \
         VALUES (?1, ?2, 'waiting', ?3, ?3)",
    )?;
    for destination in raised.to.iter() {
        statement.execute(params![row, destination, raised.ts])?;
    }
    Ok(())
}

fn is_repeat(connection: &Connection, raised: &Raised, same: &[u8; 16]) -> rusqlite::Result<bool> {
    if raised.repeat_ms <= 0 {
        return Ok(false);
    }
    let first: Option<i64> = connection
        .prepare_cached("SELECT id FROM alerts WHERE same = ?1 AND ts > ?2 ORDER BY id DESC LIMIT 1")?
        .query_row(params![same, raised.ts.saturating_sub(raised.repeat_ms)], |row| row.get(0))
        .optional()?;
    let Some(first) = first else { return Ok(false) };
    connection
        .prepare_cached(
            "INSERT INTO repeats (alert, count, ts) VALUES (?1, 1, ?2) \
             ON CONFLICT DO UPDATE SET count = count + 1, ts = excluded.ts",
        )?
        .execute(params![first, raised.ts])?;
    Ok(true)
}

/// Random; where the system gives no random numbers, what is unique all the same.
fn name(info: &SessionInfo, raised: &Raised) -> String {
    random_word::<ID_LENGTH>().unwrap_or_else(|_| {
        let number = raised.call.as_ref().map_or(0, |call| call.number);
        format!("{}-{number}-{}", info.session, raised.ts)
    })
}
