//! Questions as sessions look them up: what people have ruled, and what calls may go through by it.
//!
//! It refuses to take what cannot be read for a yes. Invariant: an approval for one call lets one call through, whichever
//! session asks, and none once a person has denied it.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Result, TransactionBehavior, params};

use super::write::sealed;
use crate::guard::{Earlier, Heard, Like, Ruling, Taken};
use crate::store::following::Following;
use crate::store::past::Others;
use crate::store::place::FileId;
use crate::store::{StoreError, schema};

/// Newest first: a question that is open, an approval by which a call may still go through, or a denial that nobody was
/// told of, for as long as a question lasts.
const LIKE: &str = "SELECT a.question, a.until_ts, a.session, g.grants, g.until_ts, \
      EXISTS (SELECT 1 FROM turns AS u WHERE u.approval = a.id AND u.kind = 'used'), d.id IS NOT NULL, d.reason \
    FROM approvals AS a LEFT JOIN turns AS g ON g.approval = a.id AND g.kind = 'approved' \
      LEFT JOIN turns AS d ON d.approval = a.id AND d.kind = 'denied' \
    WHERE a.binding = ?1 AND a.owner = ?2 AND a.policy = ?3 \
      AND NOT EXISTS (SELECT 1 FROM turns AS t WHERE t.approval = a.id \
        AND d.id IS NULL AND g.id IS NULL AND t.kind IN ('expired', 'withdrawn')) \
      AND (d.id IS NULL OR (d.ts + a.until_ts - a.ts > ?4 \
        AND EXISTS (SELECT 1 FROM turns AS p WHERE p.approval = a.id AND p.kind = 'pending') \
        AND NOT EXISTS (SELECT 1 FROM turns AS t WHERE t.approval = a.id AND t.kind IN ('used', 'told')))) \
    ORDER BY a.id DESC LIMIT 32";

impl Others {
    /// What has become of questions like this one.
    pub(in crate::store) fn earlier(&self, like: &Like<'_>) -> Option<Earlier> {
        let binding = sealed(&self.key()?, like.binding);
        let session = self.session();
        let mut questions = self.questions.borrow_mut();
        questions.follow().ok()?;
        let asked = match questions.at_hand() {
            Some(connection) => earlier(connection, like, &binding, session),
            None => Ok(Earlier::Nothing),
        };
        if asked.is_err() {
            questions.forget();
        }
        asked.ok()
    }

    /// Lets one call through by an approval; `None` where that cannot be written now.
    pub(in crate::store) fn take_grant(&self, question: &str, number: u64, now_ms: i64) -> Option<Taken> {
        self.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found = transaction
                .query_row(
                    "SELECT a.id, a.session, g.grants, g.until_ts, \
                       EXISTS (SELECT 1 FROM turns AS u WHERE u.approval = a.id AND u.kind = 'used'), \
                       EXISTS (SELECT 1 FROM turns AS t WHERE t.approval = a.id AND t.kind = 'denied') \
                     FROM approvals AS a JOIN turns AS g ON g.approval = a.id AND g.kind = 'approved' \
                     WHERE a.question = ?1 ORDER BY g.id DESC LIMIT 1",
                    [question],
                    |row| {
                        let good: Option<i64> = row.get(3)?;
                        let (asker, word): (String, String) = (row.get(1)?, row.get(2)?);
                        let is_good = good.is_none_or(|good| good > now_ms);
                        let lasts = lasts(&word, asker == self.session(), row.get(4)?);
                        let refused = if row.get(5)? {
                            Some(Taken::Denied)
                        } else {
                            (!is_good || !lasts).then_some(Taken::No)
                        };
                        Ok(refused.map_or(Ok(row.get::<_, i64>(0)?), Err))
                    },
                )
                .optional()?;
            let approval = match found {
                Some(Ok(approval)) => approval,
                Some(Err(refused)) => return Ok(refused),
                None => return Ok(Taken::No),
            };
            transaction.execute(
                "INSERT INTO turns (approval, ts, kind, session, number) VALUES (?1, ?2, 'used', ?3, ?4)",
                params![approval, now_ms, self.session(), i64::try_from(number).unwrap_or(i64::MAX)],
            )?;
            transaction.commit()?;
            Ok(Taken::Yes)
        })
    }
}

fn earlier(connection: &Connection, like: &Like<'_>, binding: &[u8], session: &str) -> Result<Earlier> {
    let mut statement = connection.prepare_cached(LIKE)?;
    let mut rows = statement.query(params![binding, like.owner, like.policy, like.now_ms])?;
    let mut open = None;
    while let Some(row) = rows.next()? {
        let (question, until_ms): (String, i64) = (row.get(0)?, row.get(1)?);
        let grant: Option<String> = row.get(3)?;
        if row.get(6)? {
            // A question that was asked since, or a word on it, counts for more.
            if open.is_none() {
                return Ok(Earlier::Denied { question: question.into(), said: row.get(7)? });
            }
            continue;
        }
        match grant {
            None if until_ms > like.now_ms => {
                open = open.or(Some(Earlier::Open { question: question.into(), until_ms }));
            }
            None => {}
            Some(word) => {
                let (asker, good, used): (String, Option<i64>, bool) =
                    (row.get(2)?, row.get(4)?, row.get(5)?);
                let is_good = good.is_none_or(|good| good > like.now_ms);
                if is_good && lasts(&word, asker == session, used) {
                    return Ok(Earlier::Granted { question: question.into() });
                }
            }
        }
    }
    Ok(open.unwrap_or_default())
}

/// Whether an approval with this grant is good for another call.
fn lasts(word: &str, is_askers: bool, is_used: bool) -> bool {
    match word {
        "once" => !is_used,
        "session" => is_askers,
        _ => true,
    }
}

/// What people rule, as it comes in.
#[derive(Debug)]
pub struct Rulings {
    questions: Following,
    /// The file that the rest is about: turns in another are counted anew.
    file: Option<FileId>,
    /// Of the connection: differs after every commit of another.
    version: Option<i64>,
    /// The last turn that was looked at.
    last: i64,
}

impl Rulings {
    /// Those in the store at `path`. Reads nothing yet.
    pub fn new(path: PathBuf) -> Self {
        let questions = Following::new(path, |path| schema::open_to_ask(path, "turns"));
        Self { questions, file: None, version: None, last: 0 }
    }

    /// What came since the last look, of whatever session; some microseconds where nothing did. What cannot be read now
    /// is read the next time.
    pub fn news(&mut self) -> Vec<Ruling> {
        self.look().unwrap_or_else(|_| {
            self.questions.forget();
            self.version = None;
            Vec::new()
        })
    }

    fn look(&mut self) -> std::result::Result<Vec<Ruling>, StoreError> {
        let file = self.questions.follow()?;
        if self.file != file {
            (self.file, self.version, self.last) = (file, None, 0);
        }
        let Some(connection) = self.questions.at_hand() else { return Ok(Vec::new()) };
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.version == Some(version) {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare_cached(
            "SELECT t.id, a.question, t.kind, t.reason FROM turns AS t JOIN approvals AS a ON a.id = t.approval \
             WHERE t.id > ?1 AND t.kind IN ('approved', 'denied', 'withdrawn') ORDER BY t.id",
        )?;
        let rows = statement.query_map([self.last], |row| {
            let kind: String = row.get(2)?;
            let ruling = Ruling {
                question: row.get::<_, String>(1)?.into(),
                heard: match kind.as_str() {
                    "approved" => Heard::Yes,
                    "denied" => Heard::No,
                    _ => Heard::TakenBack,
                },
                said: row.get(3)?,
            };
            Ok((row.get::<_, i64>(0)?, ruling))
        })?;
        let news = rows.collect::<Result<Vec<_>>>()?;
        self.last = news.last().map_or(self.last, |(id, _)| *id);
        self.version = Some(version);
        Ok(news.into_iter().map(|(_, ruling)| ruling).collect())
    }
}
