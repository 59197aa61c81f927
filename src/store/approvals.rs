//! Questions to people, as people see and answer them.
//!
//! It refuses to answer in anybody's name: who ruled is recorded as the system tells it. Invariant: a question is ruled
//! on while it is open; a denial also takes back an approval by which a call could still go through.

mod rows;
mod session;
mod write;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::following::Following;
use super::{StoreError, schema};
use crate::clock::unix_ms;
use crate::record::{Channel, Grant};
use crate::settings::Durability;

use rows::{COLUMNS, named, question};

pub use rows::{QuestionRow, QuestionState, Ruler, SHORTEST_ID, TurnRow};
pub use session::Rulings;
pub(super) use write::{Asked, sealed, write};

/// How long a ruling waits for other writers.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes; with this grant where it is not the question's own.
    Approve(Option<Grant>),
    /// No.
    Deny,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruled {
    /// It holds.
    Taken(Box<QuestionRow>),
    /// The question is no longer open.
    Closed(Box<QuestionRow>),
    /// It must be approved from an interactive terminal.
    Unconfirmed(Box<QuestionRow>),
    /// No question has this id.
    Unknown,
    /// Several ids begin like this.
    Ambiguous,
}

/// Which questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// Those that wait.
    #[default]
    Open,
    /// All that were ever asked.
    All,
}

/// The questions of one store.
pub struct Approvals {
    questions: Mutex<Following>,
}

/// Until a question has turned, it is open; one whose call was answered still is.
const UNTURNED: &str =
    "NOT EXISTS (SELECT 1 FROM turns AS t WHERE t.approval = approvals.id AND t.kind <> 'pending')";

impl Approvals {
    /// Opens the store, and makes it where it is missing. A ruling that was confirmed survives a power cut.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut questions = Following::new(path.to_owned(), open);
        questions.follow()?;
        Ok(Self { questions: Mutex::new(questions) })
    }

    /// Questions, oldest first.
    pub fn list(&self, which: Which) -> Result<Vec<QuestionRow>, StoreError> {
        let condition = match which {
            Which::Open => format!("WHERE until_ts > ?1 AND {UNTURNED}"),
            Which::All => "WHERE ?1 = ?1".to_owned(),
        };
        self.at(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} {condition} ORDER BY id"))?;
            let found = statement.query_map([unix_ms()], question)?.collect::<Result<Vec<_>, _>>()?;
            found.into_iter().map(|found| found.turned(connection)).collect()
        })
    }

    /// The question that an id or its beginning names.
    pub fn find(&self, id: &str) -> Result<Vec<QuestionRow>, StoreError> {
        self.at(|connection| named(connection, id))
    }

    /// Something that differs after every change that another process made to the store. Some microseconds.
    pub fn version(&self) -> Result<i64, StoreError> {
        self.at(|connection| connection.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    /// Rules on the question with this id, or whose id alone begins like this.
    pub fn rule(
        &self,
        id: &str,
        decision: &Decision,
        by: &Ruler,
        reason: Option<&str>,
    ) -> Result<Ruled, StoreError> {
        self.at(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let ruled = ruled(&transaction, id, decision, by, reason)?;
            transaction.commit()?;
            Ok(ruled)
        })
    }

    fn at<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        questions.follow()?;
        let connection = questions.at_hand().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        Ok(work(connection)?)
    }
}

fn open(path: &Path) -> Result<Option<Connection>, StoreError> {
    let connection = schema::open(path, Durability::Strict)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(Some(connection))
}

fn ruled(
    transaction: &Transaction<'_>,
    id: &str,
    decision: &Decision,
    by: &Ruler,
    reason: Option<&str>,
) -> rusqlite::Result<Ruled> {
    let mut found = named(transaction, id)?;
    let (Some(question), 0) = (found.pop(), found.len()) else {
        return Ok(if found.is_empty() { Ruled::Unknown } else { Ruled::Ambiguous });
    };
    let question = Box::new(question);
    if !question.may_be_ruled(decision) {
        return Ok(Ruled::Closed(question));
    }
    let approves = matches!(decision, Decision::Approve(_));
    if approves && question.confirm == "tty" && by.tty.is_none() {
        return Ok(Ruled::Unconfirmed(question));
    }
    insert_ruling(transaction, &question, decision, by, reason)?;
    let now = named(transaction, &question.id)?;
    Ok(now.into_iter().next().map_or(Ruled::Unknown, |question| Ruled::Taken(Box::new(question))))
}

impl fmt::Debug for Approvals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approvals").finish_non_exhaustive()
    }
}

/// Without a grant of its own an approval is good for what the question says; for one call as long as a question lasts.
fn insert_ruling(
    transaction: &Transaction<'_>,
    question: &QuestionRow,
    decision: &Decision,
    by: &Ruler,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    let now = unix_ms();
    let (kind, grant) = match decision {
        Decision::Approve(grant) => ("approved", Some(grant.unwrap_or(question.grant))),
        Decision::Deny => ("denied", None),
    };
    let until = grant.and_then(|grant| good_until(grant, now, question.until_ms - question.asked_ms));
    transaction.execute(
        "INSERT INTO turns (approval, ts, kind, grants, until_ts, channel, user, uid, pid, ancestry, tty, reason) \
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM approvals WHERE question = ?1",
        params![
            question.id,
            now,
            kind,
            grant.map(grant_word),
            until,
            Channel::Local.as_str(),
            by.user,
            by.uid,
            by.pid,
            by.ancestry,
            by.tty,
            reason
        ],
    )?;
    Ok(())
}

/// Until when an approval is good that is given now; `None` for as long as its session lasts. `lasts` is how long the
/// question does. Milliseconds.
fn good_until(grant: Grant, now_ms: i64, lasts: i64) -> Option<i64> {
    match grant {
        Grant::Once => Some(now_ms.saturating_add(lasts)),
        Grant::Session => None,
        Grant::For(ms) => Some(now_ms.saturating_add(ms)),
    }
}

/// The word in the store: milliseconds for a duration.
fn grant_word(grant: Grant) -> String {
    match grant {
        Grant::Once | Grant::Session => grant.to_string(),
        Grant::For(ms) => ms.to_string(),
    }
}

/// A word of a later version is taken for the smallest.
fn grant_of(word: &str) -> Grant {
    match word {
        "session" => Grant::Session,
        ms => ms.parse().map_or(Grant::Once, Grant::For),
    }
}
