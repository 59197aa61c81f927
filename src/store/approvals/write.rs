//! Questions and their turns as sessions write them, in the transaction of the records beside them.
//!
//! It refuses to begin or end a transaction. Invariant: what an approval is bound to leaves as a keyed hash.

use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, Result, params};
use sha2::Sha256;

use super::{good_until, grant_of, grant_word};
use crate::record::{Channel, Question, SessionInfo, Turn, TurnKind};
use crate::store::key::Key;

/// A question as it is written.
#[derive(Debug)]
pub(in crate::store) struct Asked {
    /// What is asked, its arguments taken out.
    pub(in crate::store) question: Question,
    /// The arguments, redacted.
    pub(in crate::store) arguments: Option<String>,
    /// JSON Pointers of what redaction took, as a JSON list.
    pub(in crate::store) lost: Option<String>,
    /// The keyed hash.
    pub(in crate::store) binding: [u8; 32],
}

/// The keyed hash of what an approval is bound to: HMAC-SHA256 under the store's key.
pub(in crate::store) fn sealed(key: &Key, binding: &[u8; 32]) -> [u8; 32] {
    // RFC 2104, section 2: a key shorter than a block is filled up with zeros.
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::<Sha256>::new(&block.into())
        .chain_update(b"callgate approval v1")
        .chain_update(binding)
        .finalize()
        .into_bytes()
        .into()
}

impl Asked {
    /// Appends it.
    pub(in crate::store) fn insert(&self, connection: &Connection, info: &SessionInfo) -> Result<()> {
        let question = &self.question;
        let channels: Vec<&str> = question.channels.iter().map(|channel| channel.as_str()).collect();
        connection
            .prepare_cached(
                "INSERT INTO approvals (question, ts, until_ts, session, number, owner, agent, user, client, server, \
                 method, tool, rule, reason, why, severity, class, policy, grants, confirm, channels, lost, arguments, \
                 binding) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
                 ?19, ?20, ?21, ?22, ?23, ?24)",
            )?
            .execute(params![
                question.id,
                question.unix_ms,
                question.until_ms,
                info.session,
                number(question.number),
                question.owner,
                info.agent,
                info.user,
                info.client,
                info.server,
                question.method,
                question.tool,
                question.rule,
                question.reason,
                question.why,
                question.severity.as_str(),
                question.class.as_str(),
                question.policy,
                grant_word(question.grant),
                question.confirm.as_str(),
                channels.join(","),
                self.lost,
                self.arguments,
                self.binding,
            ])?;
        Ok(())
    }
}

/// Appends what became of a question.
pub(in crate::store) fn write(connection: &Connection, info: &SessionInfo, turn: &Turn) -> Result<()> {
    let (grant, until) = match turn.kind {
        TurnKind::ApprovedInHost => own_grant(connection, turn)?,
        TurnKind::DeniedInHost
        | TurnKind::Pending
        | TurnKind::Expired
        | TurnKind::Withdrawn
        | TurnKind::Told => (None, None),
    };
    connection
        .prepare_cached(
            "INSERT INTO turns (approval, ts, kind, session, number, grants, until_ts, channel, user, uid, pid, reason) \
             SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM approvals WHERE question = ?1",
        )?
        .execute(params![
            turn.question,
            turn.unix_ms,
            turn.kind.as_str(),
            info.session,
            turn.number.map(number),
            grant,
            until,
            turn.kind.channel().map(Channel::as_str),
            info.user,
            info.uid,
            info.pid,
            turn.reason,
        ])?;
    Ok(())
}

/// What the question itself says an approval is good for.
fn own_grant(connection: &Connection, turn: &Turn) -> Result<(Option<String>, Option<i64>)> {
    let sql = "SELECT grants, until_ts - ts FROM approvals WHERE question = ?1";
    let (word, lasts): (String, i64) =
        connection.prepare_cached(sql)?.query_row([&turn.question], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let grant = grant_of(&word);
    Ok((Some(grant_word(grant)), good_until(grant, turn.unix_ms, lasts)))
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
