//! What rules look back on across processes: calls counted in budgets, and labels.
//!
//! It refuses to say "nothing happened" where it cannot read. Invariant: what a call leaves behind is written in the
//! transaction of its record, and read without waiting for any writer.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::following::Following;
use super::key::{self, Key};
use super::place::{self, FileId};
use super::{StoreError, schema};
use crate::guard::{Earlier, Elsewhere, Like, Pinned, Pins, Taken, Written};
use crate::policy::Grade;
use crate::record::{Mark, Spending, Trace};
use crate::settings::Durability;

const COUNT: &str = "INSERT INTO budgets (key, slot, session, calls, until_ms) VALUES (?1, ?2, ?3, 1, ?4) \
    ON CONFLICT DO UPDATE SET calls = calls + 1";
/// A window is 64 slots: what is two windows old is of no use.
const LET_GO: &str = "DELETE FROM budgets WHERE key = ?1 AND slot < ?2 - 130";
const SET: &str = "INSERT INTO marks (owner, label, possibly_ms, surely_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET possibly_ms = max(possibly_ms, excluded.possibly_ms), until_ms = excluded.until_ms, \
    surely_ms = max(coalesce(surely_ms, excluded.surely_ms), coalesce(excluded.surely_ms, surely_ms))";

/// How long what is written on the spot waits for other writers.
const AT_ONCE: Duration = Duration::from_millis(250);

/// Writes what a call leaves behind, within a transaction.
pub(super) fn write(connection: &Connection, session: &str, trace: &Trace) -> Result<()> {
    for Spending { key, slot, until_ms } in &trace.spendings {
        connection.prepare_cached(COUNT)?.execute(params![key, slot, session, until_ms])?;
        connection.prepare_cached(LET_GO)?.execute(params![key, slot])?;
    }
    for Mark { owner, label, grade, unix_ms, until_ms } in &trace.marks {
        let surely_ms = (*grade == Grade::Surely).then_some(unix_ms);
        connection.prepare_cached(SET)?.execute(params![owner, label, unix_ms, surely_ms, until_ms])?;
    }
    Ok(())
}

/// Takes away what nobody can ask for any more, within a transaction.
pub(super) fn forget(connection: &Connection, now_ms: i64) -> Result<()> {
    connection.execute("DELETE FROM budgets WHERE until_ms < ?1", [now_ms])?;
    connection.execute("DELETE FROM marks WHERE until_ms < ?1", [now_ms])?;
    Ok(())
}

/// The other processes that share the store, as one session sees them.
#[derive(Debug)]
pub struct Others {
    path: PathBuf,
    session: String,
    /// Opened by the first question: most policies never ask.
    asking: RefCell<Following>,
    /// The file that is asked, and when the one before it was set aside.
    lost: RefCell<(Option<FileId>, Option<i64>)>,
    /// Opened by the first call about which people may have been asked.
    pub(super) questions: RefCell<Following>,
    /// Opened by the first approval that a call goes through by.
    writing: RefCell<Following>,
    key: OnceCell<Key>,
}

impl Others {
    /// Those that share the store at `path` with `session`.
    pub fn new(path: PathBuf, session: String) -> Self {
        let asking = Following::new(path.clone(), |path| schema::open_to_ask(path, "marks")).into();
        let questions = Following::new(path.clone(), |path| schema::open_to_ask(path, "turns")).into();
        let writing = Following::new(path.clone(), open_to_write).into();
        Self { path, session, asking, lost: RefCell::default(), questions, writing, key: OnceCell::new() }
    }

    /// The session that asks.
    pub(super) fn session(&self) -> &str {
        &self.session
    }

    /// The store's key; `None` where it cannot be had.
    pub(super) fn key(&self) -> Option<Key> {
        if let Some(key) = self.key.get() {
            return Some(*key);
        }
        let key = key::read_or_make(&self.path).ok()?;
        Some(*self.key.get_or_init(|| key))
    }

    /// Writes something on the spot, which is rare; `None` where it cannot be done at once.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Option<T> {
        let mut writing = self.writing.borrow_mut();
        writing.follow().ok()?;
        let done = work(writing.at_hand()?);
        if done.is_err() {
            writing.forget();
        }
        done.ok()
    }

    /// Asks; `nothing` where nobody has written yet, `None` where the store cannot be read.
    pub(super) fn ask<T>(&self, nothing: T, question: impl FnOnce(&Connection) -> Result<T>) -> Option<T> {
        let mut asking = self.asking.borrow_mut();
        asking.follow().ok()?;
        let Some(connection) = asking.at_hand() else { return Some(nothing) };
        let answer = question(connection);
        if answer.is_err() {
            asking.forget();
        }
        answer.ok()
    }

    /// When the store lost what was in it, as the answer to the last question has it.
    fn lost_ms(&self) -> Option<i64> {
        let file = self.asking.borrow().file();
        let mut lost = self.lost.borrow_mut();
        if file.is_none() || lost.0 != file {
            *lost = (file, place::lost_ms(&self.path));
        }
        lost.1
    }
}

fn open_to_write(path: &Path) -> std::result::Result<Option<Connection>, StoreError> {
    let connection = schema::open_again(path, Durability::Normal)?;
    connection.busy_timeout(AT_ONCE)?;
    Ok(Some(connection))
}

impl Elsewhere for Others {
    fn spent(&self, key: &[u8; 32], since_slot: i64) -> Option<u64> {
        const SUM: &str =
            "SELECT coalesce(sum(calls), 0) FROM budgets WHERE key = ?1 AND slot >= ?2 AND session <> ?3";
        let calls = self.ask(0, |connection| {
            let parameters = params![key, since_slot, self.session];
            connection.prepare_cached(SUM)?.query_row(parameters, |row| row.get::<_, i64>(0))
        });
        calls.map(|calls| u64::try_from(calls).unwrap_or_default())
    }

    fn marked(&self, owner: &str, label: &str) -> Option<Written> {
        const LAST: &str = "SELECT possibly_ms, surely_ms FROM marks WHERE owner = ?1 AND label = ?2";
        let written = self.ask(Written::default(), |connection| {
            let row = connection.prepare_cached(LAST)?.query_row([owner, label], |row| {
                Ok(Written { possibly_ms: row.get(0)?, surely_ms: row.get(1)? })
            });
            Ok(row.optional()?.unwrap_or_default())
        })?;
        // What a damaged file knew may have been that the label was set.
        Some(Written { possibly_ms: written.possibly_ms.max(self.lost_ms()), ..written })
    }

    fn pins(&self, server: &str) -> Option<Pins> {
        self.all_pins(server)
    }

    fn pinned(&self, server: &str, hash: &str) -> Option<Pinned> {
        self.pin_of(server, hash)
    }

    fn earlier(&self, like: &Like<'_>) -> Option<Earlier> {
        Self::earlier(self, like)
    }

    fn take(&self, question: &str, number: u64, now_ms: i64) -> Option<Taken> {
        self.take_grant(question, number, now_ms)
    }
}
